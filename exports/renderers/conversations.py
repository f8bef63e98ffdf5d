"""Messages with what is known of their conversations and projects. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Any

from exports.renderers.base import Document, Material
from exports.renderers.values import exact
from exports.shaping import ORDER

NOT_OURS_TO_TELL = frozenset(("_id", "importId", "importedAt", "crc32", ORDER))
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
    for (place, session_id), group in groupby(messages, key=_place_and_name_of):
        while session is not None and _place_of(session) < place:
            session = next(waiting, None)
        known = session is not None and _place_of(session) == place
        yield session_id, session if known and session is not None else {}, group


def _place_and_name_of(message: Document) -> tuple[str, str]:
    return _place_of(message), message.get("sessionId") or ""


def _place_of(document: Document) -> str:
    """By what sessions are ordered: their id, or the one that they had before it was masked."""
    return document.get(ORDER) or document.get("sessionId") or ""


def conversations(material: Material) -> Iterator[tuple[str, Document, Iterator[dict[str, Any]]]]:
    """Every session with its messages, all that another archive needs to make the same of them again: with
    the names of their project, and the first one with what the session is called. Exact bytes are base64.
    The messages are the caller's to take apart."""
    for session_id, session, messages in join(material.messages(), material.sessions()):
        yield session_id, session, _told(material, session, messages)


def _told(material: Material, session: Document, messages: Iterable[Document]) -> Iterator[dict[str, Any]]:
    titles = session.get("titles")
    last: Any = None
    project: Document = {}
    for message in messages:
        told = dict(message)
        # Asked for when it changes: an id is slow to look up, and all of a conversation have the same.
        if (project_id := told.get("projectId")) != last:
            last, project = project_id, material.project(project_id)
        if project:
            told["project"] = project
        if titles:
            told["titles"], titles = titles, None
        if (raw := told.get("raw")) is not None:
            told["raw"] = exact(raw)
        yield told
