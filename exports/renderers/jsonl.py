"""`jsonl`: the normal form of every message, one JSON object a line."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from exports.choices import Choices
from exports.renderers.base import Document, Framing, Material, Renderer
from exports.renderers.conversations import NOT_OURS_TO_TELL, conversations
from exports.renderers.values import encode, plain

WRITTEN: dict[str, Callable[[Any], str]] = {"contentHash": plain, "timestamp": plain, "fileId": str}


def normal_form(message: Document) -> dict[str, Any]:
    """The message as it is stored, with ``id`` in hex first."""
    form = {"id": bytes(message["_id"]).hex(), **message}
    for name in NOT_OURS_TO_TELL:
        form.pop(name, None)
    # Said here and not by the encoder's call-backs, which cost a fifth of the time.
    for name, write in WRITTEN.items():
        if (value := form.get(name)) is not None:
            form[name] = write(value)
    return form


def _lines(material: Material, choices: Choices) -> Iterator[bytes]:
    for _, _, messages in conversations(material):
        for message in messages:
            yield encode(normal_form(message)) + b"\n"


def end_line(messages: int) -> bytes:
    """A last line by which a file can be told from one that was cut off; reading it back passes it over.

    >>> end_line(2)
    b'{"end":true,"messages":2}\\n'
    """
    return encode({"end": True, "messages": messages}) + b"\n"


FRAMING = Framing(_lines)

RENDERER = Renderer(
    name="jsonl",
    label="JSON Lines, one message a line",
    description=(
        "Every message in the normal form, with its original record. Best for scripts; can be imported again."
    ),
    extension=".jsonl",
    media_type="application/jsonl",
    needs=frozenset({"messages", "sessions"}),
    loses=(
        "The layout of the original files and the lines that could not be read.",
        "When, and by which import, a message came into the archive.",
    ),
    render=FRAMING.render,
    framing=FRAMING,
    streams=True,
    end_line=end_line,
)
