"""`jsonl`: the normal form of every message, one JSON object a line."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from exports.renderers.base import Document, Material, Renderer, gather
from exports.renderers.values import encode, exact

OURS = ("_id", "importId", "importedAt", "crc32")
"""Facts about this archive, not about the message: another archive would have others, or can do without."""


def normal_form(message: Document) -> dict[str, Any]:
    """The message as it is stored, with ``id`` in hex first and ``raw`` in base64."""
    form = {"id": bytes(message["_id"]).hex(), **message}
    for name in OURS:
        form.pop(name, None)
    raw = form.get("raw")
    if raw is not None:
        form["raw"] = exact(raw)
    return form


def _lines(material: Material) -> Iterator[bytes]:
    for message in material.messages():
        yield encode(normal_form(message)) + b"\n"


def render(material: Material) -> Iterator[bytes]:
    """One line a message, in session order. Memory: one message and one chunk."""
    return gather(_lines(material))


RENDERER = Renderer(
    name="jsonl",
    label="JSON Lines, one message a line",
    description=(
        "Every message in the normal form, with its original record. "
        "Best for scripts and for loading elsewhere."
    ),
    extension=".jsonl",
    media_type="application/jsonl",
    needs=frozenset({"messages"}),
    loses=(
        "Titles, summaries and tags of conversations.",
        "The layout of the original files and the lines that could not be read.",
        "When, and by which import, a message came into the archive.",
    ),
    render=render,
)
