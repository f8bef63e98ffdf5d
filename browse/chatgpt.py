"""ChatGPT's content as content blocks like Claude's, for ``browse.blocks`` to show. Pure.

What is known of the format is known from exports alone: whatever has no name here is handed on as it is,
and is shown as data.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from browse.values import as_text, mapping

SOURCE = "chatgpt"
Item = dict[str, Any]
# Blocks that no one else has: context of the conversation, a file by its name alone, pages of the web.
CONTEXT, ASSET, SOURCES = "chatgpt: context", "chatgpt: asset", "chatgpt: sources"
# Marks of citations, which only ChatGPT's own pages turn into links: private characters around a name.
_MARKS = re.compile("\ue200[^\ue200\ue201]{0,2000}\ue201")
ASSETS = {
    "image_asset_pointer": "Image",
    "audio_asset_pointer": "Sound",
    "real_time_user_audio_video_asset_pointer": "Sound and video",
}


def blocks_of_node(record: Mapping[str, Any]) -> list[Any]:
    """The content of one node of a conversation as blocks; none where it holds no message."""
    message = mapping(record.get("message"))
    content = mapping(message.get("content"))
    items = list(_items(content)) if content else []
    author = mapping(message.get("author"))
    if author.get("role") == "tool":
        return _as_result(items, author, content)
    recipient = message.get("recipient")
    if isinstance(recipient, str) and recipient not in ("", "all"):
        return [_as_call(item, recipient) for item in items]
    return [*items, *_cited(mapping(message.get("metadata")))]


def _items(content: Mapping[str, Any]) -> Iterator[Any]:
    kind = content.get("content_type")
    make = _KINDS.get(kind) if isinstance(kind, str) else None
    if make:
        yield from make(content)
    else:
        yield {**content, "type": as_text(kind or "")}


def _text(text: Any) -> Item:
    return {"type": "text", "text": _MARKS.sub("", as_text(text or ""))}


def _plain(content: Mapping[str, Any]) -> Iterator[Item]:
    yield _text(content.get("text"))


def _thoughts(content: Mapping[str, Any]) -> Iterator[Item]:
    thoughts = content.get("thoughts")
    told = [mapping(each) for each in thoughts] if isinstance(thoughts, list) else []
    parts = ((each.get("summary"), each.get("content")) for each in told)
    yield _thinking("\n\n".join(as_text(text) for pair in parts for text in pair if text))


def _thinking(text: Any) -> Item:
    return {"type": "thinking", "thinking": as_text(text or "")}


def _context(title: str, text: Any) -> Item:
    return {"type": CONTEXT, "title": title, "text": as_text(text or "")}


def _user_context(content: Mapping[str, Any]) -> Iterator[Item]:
    yield _context("About the user", content.get("user_profile"))
    yield _context("Custom instructions", content.get("user_instructions"))


def _quote(content: Mapping[str, Any]) -> Iterator[Item]:
    yield _text(content.get("text"))
    yield {"type": SOURCES, "sources": [content]}


def _parts(content: Mapping[str, Any]) -> Iterator[Any]:
    parts = content.get("parts")
    for part in parts if isinstance(parts, list) else ():
        kind = mapping(part).get("content_type")
        if isinstance(part, str):
            yield from [_text(part)] if part else []
        elif kind == "audio_transcription":
            yield {"type": "voice_note", "text": as_text(part.get("text") or "")}
        elif isinstance(kind, str) and kind in ASSETS:
            yield {"type": ASSET, "name": ASSETS[kind], "asset": part}
        else:
            yield {**mapping(part), "type": as_text(kind or "part"), "value": part}


def _as_call(item: Any, recipient: str) -> Any:
    is_text = mapping(item).get("type") == "text"
    return {"type": "tool_use", "name": recipient, "input": item["text"]} if is_text else item


def _as_result(items: list[Any], author: Mapping[str, Any], content: Mapping[str, Any]) -> list[Any]:
    """The texts as what a tool gave back; images and sources beside them."""
    texts = [item for item in items if item.get("type") == "text" and item["text"]]
    failed = content.get("content_type") == "system_error"
    result = {"type": "tool_result", "name": author.get("name"), "content": texts, "is_error": failed}
    others = [item for item in items if item.get("type") != "text"]
    return [result, *others] if texts or not others else others


def _cited(metadata: Mapping[str, Any]) -> list[Item]:
    """The pages that an answer names as its sources."""
    references = metadata.get("content_references")
    found = [mapping(each) for each in references] if isinstance(references, list) else []
    pages = [mapping(page) for each in found for page in (each, *_listed(each)) if mapping(page).get("url")]
    return [{"type": SOURCES, "sources": pages}] if pages else []


def _listed(reference: Mapping[str, Any]) -> list[Any]:
    lists = (reference.get(name) for name in ("items", "sources"))
    return [page for each in lists if isinstance(each, list) for page in each]


_KINDS: dict[str, Callable[[Mapping[str, Any]], Iterator[Any]]] = {
    "text": _parts,
    "multimodal_text": _parts,
    "code": _plain,
    "execution_output": _plain,
    "system_error": _plain,
    "thoughts": _thoughts,
    "reasoning_recap": lambda content: iter([_thinking(content.get("content"))]),
    "user_editable_context": _user_context,
    "model_editable_context": lambda content: iter([_context("Memory", content.get("model_set_context"))]),
    "tether_browsing_display": lambda content: iter([_text(content.get("result") or content.get("summary"))]),
    "tether_quote": _quote,
}
