"""Messages with what is known of their conversations and projects. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Any

from exports.renderers.base import Document, Material
from exports.renderers.values import exact

NOT_OURS_TO_TELL = frozenset(("_id", "importId", "importedAt", "crc32"))
"""Facts about this archive, not about the message: another archive would have others, or can do without."""


def join(
    messages: Iterable[Document], sessions: Iterable[Document]
) -> Iterator[tuple[str, Document, Iterator[Document]]]:
    """Merge two streams ordered by session id: (id, session, its messages).

    A session without a message here is left out; messages whose session is not (yet) known get an
    empty one, so that no message is ever lost to a late projection.
    """
    waiting = iter(sessions)
    session = next(waiting, None)
    for session_id, group in groupby(messages, key=lambda message: message.get("sessionId") or ""):
        while session is not None and session["sessionId"] < session_id:
            session = next(waiting, None)
        known = session is not None and session["sessionId"] == session_id
        yield session_id, session if known and session is not None else {}, group


def conversations(material: Material) -> Iterator[tuple[str, Document, Iterator[dict[str, Any]]]]:
    """Every session with its messages, all that another archive needs to make the same of them again: with
    the names of their project, and the first one with what the session is called. Exact bytes are base64."""
    for session_id, session, messages in join(material.messages(), material.sessions()):
        yield session_id, session, _told(material, session, messages)


def _told(material: Material, session: Document, messages: Iterable[Document]) -> Iterator[dict[str, Any]]:
    titles = session.get("titles")
    for message in messages:
        told = dict(message)
        if project := material.project(told.get("projectId")):
            told["project"] = project
        if titles:
            told["titles"], titles = titles, None
        if (raw := told.get("raw")) is not None:
            told["raw"] = exact(raw)
        yield told
