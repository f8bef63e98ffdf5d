"""The content blocks of one message, as things a template can show. Pure.

A block of an unknown type is shown as data with its name; nothing is dropped.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sized
from dataclasses import dataclass, replace
from itertools import count
from typing import Any

from browse import chatgpt
from browse.prose import LONGEST, Html, to_html
from browse.tags import Part, split_tags
from browse.values import as_json, as_text, counted, mapping
from browse.wrappers import Note, split_wrappers

LIMIT = 20 * 1024
BRIEF = 160
LONGEST_ADDRESS = 2000
# More members, sources or blocks than these are counted and left to the page of the record.
MANY = 50
MOST_BLOCKS = 500
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
    """Preformatted text with a label; ``missing`` characters were cut off its end. With a ``link``, which is
    safe to follow, the text is its name."""

    text: str
    label: str = ""
    missing: int = 0
    link: str = ""

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


def content_of(message: Mapping[str, Any]) -> list[Any]:
    """The content blocks of a message of any source; its flat text where it has none."""
    record = mapping(message.get("record"))
    if message.get("source") == chatgpt.SOURCE:
        return chatgpt.blocks_of_node(record)
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
    content, attached = content_of(message), list(_attachments(message))
    made = [block for item in content[:MOST_BLOCKS] for block in _blocks(item, message, tools, numbers)]
    made += map(_attachment, attached[:MOST_BLOCKS])
    if left := max(0, len(content) - MOST_BLOCKS) + max(0, len(attached) - MOST_BLOCKS):
        made.append(Block("data", f"{left} more", "not shown here: see the record"))
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
    if kind == "text":
        return [*_text(as_text(item.get("text") or ""), message), *_citations(item.get("citations"))]
    if kind == "voice_note":
        return _voice_note(item)
    return [_other_block(kind, item, tools, numbers)]


def _other_block(kind: str, item: Any, tools: Mapping[str, str], numbers: Iterator[int]) -> Block:
    if kind == "image":
        return _image(item, numbers)
    if kind.endswith("tool_result"):
        return _tool_result(item, tools, numbers)
    make = _MAKERS.get(kind)
    return make(item) if make else _unknown(kind, item)


def _text(text: str, message: Mapping[str, Any]) -> list[Block]:
    if message.get("role") != "user":
        return [_part(part) for part in split_tags(text) if part.text.strip()]
    notes, rest = split_wrappers(text)
    return [*map(note_block, notes), *([prose(rest)] if rest.strip() else [])]


def _part(part: Part) -> Block:
    if part.tag == "antThinking":
        return _thinking({"thinking": part.text})
    if part.tag == "antArtifact":
        return Block("artifact", "Artifact", brief_of(part.title or part.text), pieces=(cut(part.text),))
    return prose(part.text)


def prose(text: str, title: str = "") -> Block:
    missing = max(0, len(text) - LONGEST)
    pieces = (Piece("", missing=missing),) if missing else ()
    return Block("prose", title, brief_of(text), html=to_html(text[:LONGEST]), pieces=pieces)


def _voice_note(item: Mapping[str, Any]) -> list[Block]:
    text, title = as_text(item.get("text") or ""), as_text(item.get("title") or "")
    return [prose(text, f"Voice note: {brief_of(title)}" if title else "Voice note")] if text.strip() else []


def _citations(citations: Any) -> list[Block]:
    """What claude.ai keeps beside a text: the pages that it was drawn from."""
    given = [mapping(each) for each in citations] if isinstance(citations, list) else []
    found = [{**each, **mapping(each.get("details"))} for each in given]
    return [_sources(found)] if found else []


def _sources(pages: Any) -> Block:
    """Pages by name and address, each once."""
    links = list(dict.fromkeys(map(_link, pages if isinstance(pages, list) else [pages])))
    brief = brief_of(", ".join(each.text for each in links[:MANY]))
    pieces = (*links[:MANY], *_more(links[MANY:], "sources"))
    return Block("sources", counted(len(links), "source"), brief, pieces=pieces)


def _more(items: Sized, what: str) -> tuple[Piece, ...]:
    return (Piece(f"and {len(items)} more {what}"),) if items else ()


def _link(page: Any) -> Piece:
    """A page of the web; an address that is none of the web's is text, and so is a page without one."""
    given = mapping(page)
    address = as_text(given.get("url") or "")
    name = given.get("title") or address or as_json(page)
    is_safe = address.startswith(("https://", "http://")) and len(address) <= LONGEST_ADDRESS
    return Piece(brief_of(as_text(name)) or address[:BRIEF], link=address if is_safe else "")


def note_block(note: Note) -> Block:
    return Block("note", note.label, brief_of(note.text), pieces=(cut(note.text),))


def _thinking(item: Mapping[str, Any]) -> Block:
    text = as_text(item.get("thinking") or "")
    if not text.strip():
        return Block("thinking", "Thinking", "not readable: only its signature was kept")
    return Block("thinking", "Thinking", brief_of(text), html=to_html(text[:LONGEST]))


def _tool_use(item: Mapping[str, Any]) -> Block:
    given = item.get("input")
    name = brief_of(as_text(item.get("name") or "Tool"))
    if name == "artifacts":
        return _artifact_call(mapping(given))
    return Block("tool_use", name, tool_brief(given), pieces=pieces_of(given))


def _artifact_call(given: Mapping[str, Any]) -> Block:
    facts = (given.get("command"), given.get("title") or given.get("id"))
    brief = " · ".join(brief_of(as_text(each)) for each in facts if each)
    return Block("artifact", "Artifact", brief, pieces=pieces_of(given))


def tool_brief(given: Any) -> str:
    """What a call does, in one line."""
    if isinstance(given, str):
        return brief_of(given)
    values = mapping(given)
    for key in TELLING:
        if isinstance(values.get(key), str) and values[key].strip():
            return brief_of(values[key])
    return brief_of(json.dumps(given, ensure_ascii=False, default=str)) if given else ""


def pieces_of(given: Any) -> tuple[Piece, ...]:
    """One piece per member: a JSON string with its line breaks escaped cannot be read."""
    if not isinstance(given, Mapping):
        return (cut(as_text(given)),) if given else ()
    members = list(given.items())
    pieces = [cut(as_text(value), str(key)[:SHORT]) for key, value in members[:MANY]]
    rest = dict(members[MANY:])
    return (*pieces, *([cut(as_json(rest), f"{len(rest)} more")] if rest else ()))


def _tool_result(item: Mapping[str, Any], tools: Mapping[str, str], numbers: Iterator[int]) -> Block:
    content = item.get("content")
    parts = content if isinstance(content, list) else [content] if content else []
    images = tuple(next(numbers) for part in parts if is_image(part))
    texts = [_result_text(part) for part in parts if not is_image(part)]
    text = "\n".join(texts)
    return Block(
        "tool_result",
        tools.get(str(item.get("tool_use_id"))) or brief_of(as_text(item.get("name") or "")),
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
    name = brief_of(kind) or "Content of no known type"
    return Block("data", name, tool_brief(item), pieces=(cut(as_json(item)),))


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
    name = brief_of(as_text(item.get("file_name") or item.get("file_uuid") or "file"))
    return Block("file", name, brief_of(text), pieces=(cut(text),)) if text else missing_file(name, item)


def missing_file(name: str, item: Any) -> Block:
    """A file of which an export tells no more than that it was there."""
    return Block("file", name, "not in the export", pieces=pieces_of(item))


def _context(item: Mapping[str, Any]) -> Block:
    return note_block(Note(as_text(item.get("title")), as_text(item.get("text"))))


_MAKERS: dict[str, Callable[[Mapping[str, Any]], Block]] = {
    "thinking": _thinking,
    "redacted_thinking": _thinking,
    "tool_use": _tool_use,
    "server_tool_use": _tool_use,
    chatgpt.CONTEXT: _context,
    chatgpt.ASSET: lambda item: missing_file(brief_of(as_text(item.get("name"))), item.get("asset")),
    chatgpt.SOURCES: lambda item: _sources(item.get("sources")),
}
