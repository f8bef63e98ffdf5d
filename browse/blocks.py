"""The content blocks of one message, as things a template can show. Pure.

A block of an unknown type is shown as data with its name; nothing is dropped.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import count
from typing import Any

from browse.prose import LONGEST, Html, to_html
from browse.wrappers import Note, split_wrappers

LIMIT = 20 * 1024
BRIEF = 160
SHORT = 120
IMAGE_TYPES = ("image/png", "image/jpeg", "image/gif", "image/webp")
# What says most about a tool call in one line, the most telling first.
TELLING = (
    *("command", "pattern", "query", "url", "file_path", "notebook_path", "path"),
    *("description", "prompt", "skill"),
)
NO_HTML = Html()


@dataclass(frozen=True, slots=True)
class Piece:
    """Preformatted text with a label; ``missing`` characters were cut off its end."""

    text: str
    label: str = ""
    missing: int = 0

    @property
    def is_short(self) -> bool:
        return bool(self.label) and len(self.text) <= SHORT and "\n" not in self.text


@dataclass(frozen=True, slots=True)
class Block:
    """One content block: ``kind`` chooses how it looks, ``message`` is the line that holds it."""

    kind: str
    title: str = ""
    brief: str = ""
    html: Html = NO_HTML
    pieces: tuple[Piece, ...] = ()
    images: tuple[int, ...] = ()
    failed: bool = False
    message: str = ""


def cut(text: str, label: str = "", limit: int = LIMIT) -> Piece:
    return Piece(text[:limit], label, max(0, len(text) - limit))


def brief_of(text: str) -> str:
    """The first line that says something, shortened."""
    line = next((line.strip() for line in text[:LIMIT].splitlines() if line.strip()), "")
    return line if len(line) <= BRIEF else line[: BRIEF - 1] + "…"


def as_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2, default=str)


def as_text(value: Any) -> str:
    return value if isinstance(value, str) else as_json(value)


def mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def content_of(message: Mapping[str, Any]) -> list[Any]:
    """The content blocks of a message of any source; its flat text where it has none."""
    record = mapping(message.get("record"))
    for content in (mapping(record.get("message")).get("content"), record.get("content")):
        if isinstance(content, list) and content:
            return content
        if isinstance(content, str) and content:
            return [{"type": "text", "text": content}]
    text = message.get("text")
    return [{"type": "text", "text": text}] if isinstance(text, str) and text else []


def blocks_of(message: Mapping[str, Any], tools: Mapping[str, str]) -> tuple[Block, ...]:
    """The message's blocks in order. ``tools`` names the tool of a call's id, for results."""
    numbers = count()
    made = [block for item in content_of(message) for block in _blocks(item, message, tools, numbers)]
    made += [_attachment(item) for item in _attachments(message)]
    key = hex_id(message)
    return tuple(replace(block, message=key) for block in made)


def hex_id(message: Mapping[str, Any]) -> str:
    key = message.get("_id", b"")
    return bytes(key).hex() if isinstance(key, bytes | bytearray | memoryview) else str(key)


def _blocks(
    item: Any, message: Mapping[str, Any], tools: Mapping[str, str], numbers: Iterator[int]
) -> list[Block]:
    if isinstance(item, str):
        return _text(item, message)
    kind = str(mapping(item).get("type", ""))
    if kind in ("text", "voice_note"):
        return _text(as_text(item.get("text") or ""), message)
    return [_other_block(kind, item, tools, numbers)]


def _other_block(kind: str, item: Any, tools: Mapping[str, str], numbers: Iterator[int]) -> Block:
    match kind:
        case "thinking" | "redacted_thinking":
            return _thinking(item)
        case "tool_use" | "server_tool_use":
            return _tool_use(item)
        case "image":
            return _image(item, numbers)
        case _ if kind.endswith("tool_result"):
            return _tool_result(item, tools, numbers)
        case _:
            return _unknown(kind, item)


def _text(text: str, message: Mapping[str, Any]) -> list[Block]:
    if message.get("role") != "user":
        return [prose(text)] if text.strip() else []
    notes, rest = split_wrappers(text)
    return [*map(note_block, notes), *([prose(rest)] if rest.strip() else [])]


def prose(text: str) -> Block:
    missing = max(0, len(text) - LONGEST)
    pieces = (Piece("", missing=missing),) if missing else ()
    return Block("prose", brief=brief_of(text), html=to_html(text[:LONGEST]), pieces=pieces)


def note_block(note: Note) -> Block:
    return Block("note", note.label, brief_of(note.text), pieces=(cut(note.text),))


def _thinking(item: Mapping[str, Any]) -> Block:
    text = as_text(item.get("thinking") or "")
    if not text.strip():
        return Block("thinking", "Thinking", "not readable: only its signature was kept")
    return Block("thinking", "Thinking", brief_of(text), html=to_html(text[:LONGEST]))


def _tool_use(item: Mapping[str, Any]) -> Block:
    given = item.get("input")
    name = str(item.get("name") or "Tool")
    return Block("tool_use", name, tool_brief(given), pieces=_input_pieces(given))


def tool_brief(given: Any) -> str:
    """What a call does, in one line."""
    values = mapping(given)
    for key in TELLING:
        if isinstance(values.get(key), str) and values[key].strip():
            return brief_of(values[key])
    return brief_of(json.dumps(given, ensure_ascii=False, default=str)) if given else ""


def _input_pieces(given: Any) -> tuple[Piece, ...]:
    """One piece per argument: a JSON string with its line breaks escaped cannot be read."""
    if not isinstance(given, Mapping):
        return (cut(as_text(given)),) if given else ()
    return tuple(cut(as_text(value), str(key)) for key, value in given.items())


def _tool_result(item: Mapping[str, Any], tools: Mapping[str, str], numbers: Iterator[int]) -> Block:
    content = item.get("content")
    parts = content if isinstance(content, list) else [content] if content else []
    images = tuple(next(numbers) for part in parts if is_image(part))
    texts = [_result_text(part) for part in parts if not is_image(part)]
    text = "\n".join(texts)
    return Block(
        "tool_result",
        tools.get(str(item.get("tool_use_id")), ""),
        brief_of(text) or ("image" if images else "no output"),
        pieces=(cut(text),) if text else (),
        images=images,
        failed=item.get("is_error") is True,
    )


def _result_text(part: Any) -> str:
    inner = mapping(part).get("text")
    return inner if isinstance(inner, str) else as_text(part)


def _image(item: Mapping[str, Any], numbers: Iterator[int]) -> Block:
    if not is_image(item):
        return _unknown("image", item)
    return Block("image", "Image", images=(next(numbers),))


def _unknown(kind: str, item: Any) -> Block:
    text = as_json(item)
    return Block("data", kind or "Content of no known type", brief_of(text), pieces=(cut(text),))


def is_image(part: Any) -> bool:
    """An image that stands in the record itself, of a type that a browser may be trusted with."""
    source = mapping(mapping(part).get("source"))
    is_known = source.get("type") == "base64" and source.get("media_type") in IMAGE_TYPES
    return is_known and bool(source.get("data"))


def images_of(message: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Media type and base64 data of each image, in the order that ``blocks_of`` numbers them."""
    for item in content_of(message):
        inner = mapping(item).get("content")
        for part in (item, *(inner if isinstance(inner, list) else ())):
            if is_image(part):
                yield part["source"]["media_type"], str(part["source"]["data"])


def _attachments(message: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Files of a claude.ai message; their names are in the export, seldom their content."""
    record = mapping(message.get("record"))
    for field in ("attachments", "files"):
        items = record.get(field)
        yield from (mapping(item) for item in items if item) if isinstance(items, list) else ()


def _attachment(item: Mapping[str, Any]) -> Block:
    text = as_text(item.get("extracted_content") or "")
    name = str(item.get("file_name") or item.get("file_uuid") or "file")
    return Block("file", name, "" if text else "not in the export", pieces=(cut(text),) if text else ())
