"""`jsonl`: the normal form of every message, one JSON object a line."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from exports.renderers.base import Document, Material, Renderer, gather
from exports.renderers.conversations import NOT_OURS_TO_TELL, conversations
from exports.renderers.values import encode


def normal_form(message: Document) -> dict[str, Any]:
    """The message as it is stored, with ``id`` in hex first."""
    form = {"id": bytes(message["_id"]).hex(), **message}
    for name in NOT_OURS_TO_TELL:
        form.pop(name, None)
    return form


def _lines(material: Material) -> Iterator[bytes]:
    for _, _, messages in conversations(material):
        for message in messages:
            yield encode(normal_form(message)) + b"\n"


def render(material: Material) -> Iterator[bytes]:
    """One line a message, in session order. Memory: one message and one chunk."""
    return gather(_lines(material))


RENDERER = Renderer(
    name="jsonl",
    label="JSON Lines, one message a line",
    description=(
        "Every message in the normal form, with its original record. "
        "Best for scripts; can be imported again."
    ),
    extension=".jsonl",
    media_type="application/jsonl",
    needs=frozenset({"messages", "sessions"}),
    loses=(
        "The layout of the original files and the lines that could not be read.",
        "When, and by which import, a message came into the archive.",
    ),
    render=render,
)
