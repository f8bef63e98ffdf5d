"""What a message holds, as parts for people to read: texts, thoughts, tools, pictures, files. Pure."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from exports.renderers.base import Document

RASTER = {
    "image/png": (b"\x89PNG\r\n\x1a\n", "png"),
    "image/jpeg": (b"\xff\xd8\xff", "jpg"),
    "image/gif": (b"GIF8", "gif"),
    "image/webp": (b"RIFF", "webp"),
}
"""Pictures that are pixels and nothing else: how they begin, and how their files end."""
PICTURES = ("image", "document")


@dataclass(frozen=True, slots=True)
class Image:
    """A picture of a safe type that begins like one."""

    media_type: str
    data: bytes

    @property
    def ending(self) -> str:
        """How the name of its file ends, without the dot."""
        return RASTER[self.media_type][1]


@dataclass(frozen=True, slots=True)
class Part:
    """``kind`` is text, thinking, tool_use, tool_result, image, file or data. ``value`` is what a tool was
    asked, or a block of no known kind; ``image`` is None where it is not here or no picture of a safe type;
    ``inside`` are the pictures in a tool's output."""

    kind: str
    title: str = ""
    text: str = ""
    value: Any = None
    failed: bool = False
    image: Image | None = None
    inside: tuple[Part, ...] = ()


def mapping(value: Any) -> Mapping[str, Any]:
    """The value where it is an object; else an empty one."""
    return value if isinstance(value, Mapping) else {}


def parts_of(message: Document) -> Iterator[Part]:
    """All parts of a message in their order; its flat text where it has no blocks. Memory: the message."""
    blocks = blocks_of(message)
    if not blocks:
        text = message.get("text")
        yield from [Part("text", text=text)] if isinstance(text, str) and text else []
        return
    for block in blocks:
        yield from _parts(block)
    yield from _files(mapping(message.get("record")))


def blocks_of(message: Document) -> list[Any]:
    """The content blocks of a message; none where it has only a text."""
    record = mapping(message.get("record"))
    for content in (mapping(record.get("message")).get("content"), record.get("content")):
        if isinstance(content, list) and content:
            return content
        if isinstance(content, str) and content:
            return [content]
    return []


def _parts(block: Any) -> Iterator[Part]:
    if isinstance(block, str):
        yield Part("text", text=block)
        return
    told = mapping(block)
    kind = str(told.get("type") or "")
    if kind in ("text", "voice_note"):
        yield Part("text", text=_text(told.get("text")))
    elif kind == "thinking":
        yield Part("thinking", "Thinking", _text(told.get("thinking")))
    elif kind in ("tool_use", "server_tool_use"):
        yield Part("tool_use", _text(told.get("name")) or "Tool", value=told.get("input"))
    elif kind.endswith("tool_result"):
        yield _result(told)
    elif kind in PICTURES:
        yield _picture(told)
    else:
        yield Part("data", kind or "Content of no known kind", value=block)


def _result(block: Mapping[str, Any]) -> Part:
    content, failed = block.get("content"), block.get("is_error") is True
    blocks = map(mapping, content if isinstance(content, list) else ())
    inside = tuple(_picture(each) for each in blocks if each.get("type") in PICTURES)
    return Part("tool_result", "Tool result", output_of(content), failed=failed, inside=inside)


def _picture(block: Mapping[str, Any]) -> Part:
    return Part("image", str(block["type"]).title(), image=image_of(block))


def output_of(content: Any) -> str:
    """What a tool answered as one text; what is no text is named."""
    if isinstance(content, str):
        return content
    blocks = content if isinstance(content, list) else []
    texts = (mapping(each).get("text") or f"({mapping(each).get('type')})" for each in blocks if each)
    return "\n".join(str(text) for text in texts)


def image_of(block: Any) -> Image | None:
    """The picture that stands in the block itself, if it is of a safe type and begins like one."""
    source = mapping(mapping(block).get("source"))
    media_type, data = _text(source.get("media_type")), source.get("data")
    if source.get("type") != "base64" or media_type not in RASTER or not isinstance(data, str):
        return None
    try:
        pixels = base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        return None
    is_one = pixels.startswith(RASTER[media_type][0])
    return Image(media_type, pixels) if is_one else None


def _files(record: Mapping[str, Any]) -> Iterator[Part]:
    """The files of a claude.ai message, with the text that was taken out of them."""
    for name in ("attachments", "files"):
        items = record.get(name)
        for item in (mapping(each) for each in items) if isinstance(items, list) else ():
            title = _text(item.get("file_name") or item.get("file_uuid")) or "File"
            yield Part("file", title, _text(item.get("extracted_content")))


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
