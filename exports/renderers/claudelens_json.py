"""`json`: whole conversations in one JSON document, the way ClaudeLens writes them.

The classic fields (``id``, ``title``, ``messages[].content``, ``messages[].metadata`` …) stand
where other ClaudeLens readers look for them. Beside them each message keeps what the classic form
lost: the original ``record``, its exact bytes in ``raw`` where they matter, usage, order, parent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from exports.choices import Choices
from exports.renderers.base import Document, Framing, Material, Renderer
from exports.renderers.conversations import NOT_OURS_TO_TELL, conversations
from exports.renderers.values import encode, iso

FORMAT = "claudelens/1"

TOLD_ELSEWHERE = (*sorted(NOT_OURS_TO_TELL), "projectId")
WRITTEN: dict[str, Callable[[Any], str]] = {"fileId": str, "contentHash": bytes.hex}
SESSION_METADATA = (
    "source", "cwd", "gitBranch", "models", "promptCount", "inputTokens", "outputTokens",
    "cacheReadTokens", "cacheWriteTokens", "unpricedCalls", "fileIds",
)  # fmt: skip


def conversation_head(session_id: str, session: Document) -> dict[str, Any]:
    """The fields of one conversation, all but its messages."""
    models = session.get("models") or [None]
    cost = session.get("totalCost")
    return {
        "id": session_id,
        "title": session.get("title"),
        "summary": session.get("summary"),
        "projectId": session.get("projectId"),
        "createdAt": session.get("startedAt"),
        "updatedAt": session.get("endedAt"),
        "model": models[0],
        "costUsd": None if cost is None else str(cost),
        "messageCount": session.get("messageCount"),
        "tags": session.get("tags") or [],
        "metadata": {name: session[name] for name in SESSION_METADATA if name in session},
    }


def conversation_message(message: dict[str, Any]) -> dict[str, Any]:
    """One message, which is taken apart: the classic fields first, then what makes it whole."""
    # This is a part of an export's time. Taking out is twice as fast as looking at each field.
    take = message.pop
    time = take("timestamp", None)
    form = {
        "id": bytes(take("_id")).hex(),
        "type": take("type", None),
        "content": take("text", None),
        "timestamp": None if time is None else iso(time),
        "model": take("model", None),
        "costUsd": take("costUsd", None),
        "metadata": {
            "cwd": take("cwd", None),
            "gitBranch": take("gitBranch", None),
            "version": take("version", None),
            "uuid": take("uuid", None),
            "sessionId": take("sessionId", None),
        },
    }
    for name in TOLD_ELSEWHERE:
        take(name, None)
    # Said here and not by the encoder's call-backs, which cost a fifth of the time.
    for name, write in WRITTEN.items():
        if name in message:
            message[name] = write(message[name])
    form.update(message)
    return form


def _conversation(session_id: str, session: Document, messages: Iterator[dict[str, Any]]) -> Iterator[bytes]:
    yield encode(conversation_head(session_id, session))[:-1] + b',"messages":[\n'
    count = 0
    for message in messages:
        yield (b",\n" if count else b"") + encode(conversation_message(message))
        count += 1
    # After the messages: a stream cannot know before how many of them the filter lets through.
    yield b'\n],"exportedMessages":%d}' % count


def _body(material: Material, choices: Choices) -> Iterator[bytes]:
    separator = b""
    for session_id, session, messages in conversations(material):
        yield separator
        yield from _conversation(session_id, session, messages)
        separator = BETWEEN


def _head(choices: Choices) -> bytes:
    return b'{"conversations":[\n'


BETWEEN = b",\n"
FRAMING = Framing(_body, _head, BETWEEN, b'],"format":%s}\n' % encode(FORMAT))

RENDERER = Renderer(
    name="json",
    label="ClaudeLens JSON, whole conversations",
    description=(
        "One document of conversations with their messages and the original record of each. "
        "Best for other programs that want whole conversations."
    ),
    extension=".json",
    media_type="application/json",
    needs=frozenset({"messages", "sessions"}),
    loses=(
        "The layout of the original files and the lines that could not be read.",
        "When, and by which import, a message came into the archive.",
    ),
    render=FRAMING.render,
    framing=FRAMING,
    streams=True,
)
