"""Leaves contents out of messages: thoughts, what tools were asked, what they gave, pictures. Pure.

A part that is left out leaves a mark in its place and keeps its shape, so that every reader of the record
still understands it: a thought, or what a tool gave, becomes the text ``[left out: …]``, what it was asked
becomes ``{"omitted": true}``, a picture loses its bytes. The part itself says ``"omitted": true``.

Parts are known by their type wherever they stand in a record, whatever wrote it: Claude Code and its SDK,
claude.ai, its API (``formats``: content blocks); nodes of ChatGPT by the role and content of their message.
What a person put in beside a prompt (attachments of claude.ai, the prompt itself) is none of the four.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping
from typing import Any

THINKING, INPUTS, RESULTS, IMAGES = "thinking", "tool_inputs", "tool_results", "images"
"""Those of ``choices.CONTENTS``."""
WORDS = {THINKING: "thinking", INPUTS: "tool input", RESULTS: "tool result", IMAGES: "image"}
OMITTED = "omitted"
LONGEST_TEXT = 32 * 1024
"""How much of what was said stands in a message's ``text``."""

Part = dict[str, Any]


def left_out(kind: str) -> str:
    """The text in place of a part.

    >>> left_out("tool_results")
    '[left out: tool result]'
    """
    return f"[left out: {WORDS[kind]}]"


# ------------------------------------------------------------------ what each part becomes


def _thought(part: Part) -> Part:
    return {"type": part["type"], "thinking": left_out(THINKING), OMITTED: True}


def _call(part: Part) -> Part:
    return {**_named(part, "type", "id", "name"), "input": {OMITTED: True}}


def _function(part: Part) -> Part:
    function = part["function"]
    name = {"name": function.get("name")} if isinstance(function, dict) else {}
    return {**_named(part, "type", "id"), "function": {**name, OMITTED: True}}


def _result(part: Part) -> Part:
    names = ("type", "tool_use_id", "name", "is_error")
    return {
        **{name: part[name] for name in names if name in part},
        "content": left_out(RESULTS),
        OMITTED: True,
    }


def _image(part: Part) -> Part:
    source = part.get("source")
    kept = source.get("media_type") if isinstance(source, dict) else None
    return {"type": part["type"], OMITTED: True, **({"source": {"media_type": kept}} if kept else {})}


def _pointer(part: Part) -> Part:
    return {"content_type": part["content_type"], OMITTED: True}


def _named(part: Part, *names: str) -> Part:
    return {name: part[name] for name in names if name in part}


BLOCKS: dict[str, tuple[str, Callable[[Part], Part]]] = {
    "thinking": (THINKING, _thought),
    "redacted_thinking": (THINKING, _thought),
    "tool_use": (INPUTS, _call),
    "server_tool_use": (INPUTS, _call),
    "mcp_tool_use": (INPUTS, _call),
    "tool_result": (RESULTS, _result),
    "mcp_tool_result": (RESULTS, _result),
    "web_search_tool_result": (RESULTS, _result),
    "web_fetch_tool_result": (RESULTS, _result),
    "code_execution_tool_result": (RESULTS, _result),
    "bash_code_execution_tool_result": (RESULTS, _result),
    "text_editor_code_execution_tool_result": (RESULTS, _result),
    "image": (IMAGES, _image),
    "document": (IMAGES, _image),
    "image_url": (IMAGES, _image),
    "pdf": (IMAGES, _image),
    "function": (INPUTS, _function),
}
"""A block's type -> what it is, and what it becomes."""
SIGNS = {
    "thinking": ("thinking", "signature", "summaries"),
    "redacted_thinking": ("data",),
    "tool_use": ("input", "name"),
    "server_tool_use": ("input", "name"),
    "mcp_tool_use": ("input", "name"),
    "image": ("source", "file"),
    "document": ("source", "file"),
    "image_url": ("image_url",),
    "pdf": ("file",),
    "function": ("function",),
}
"""Members without which a block of that type is something else that is called so."""
TOLD_BY_TOOLS = ("toolUseResult", "tool_use_result", "mcpMeta")
"""Members of a line of Claude Code that hold what its tool gave, once more."""
READ_FROM_DISK = (
    "file",
    "edited_text_file",
    "compact_file_reference",
    "directory",
    "diagnostics",
    "mcp_resource",
)
"""Attachments of Claude Code that hold what a tool would have read."""


class Omitter:
    """Leaves out of records what ``without`` names, and counts it by kind in ``counts``."""

    def __init__(self, without: Collection[str], counts: Counter[str] | None = None) -> None:
        self.without = frozenset(without)
        self.counts: Counter[str] = Counter() if counts is None else counts

    def record(self, record: Mapping[str, Any]) -> Mapping[str, Any]:
        """The record without these parts; the very same object where it has none of them."""
        if not self.without:
            return record
        before = self.counts.total()
        shaped = self._whole(record) or self._node(record) or self._line(record)
        return shaped if self.counts.total() != before else record

    def _leaves(self, kind: str) -> bool:
        if kind in self.without:
            self.counts[kind] += 1
            return True
        return False

    # -------------------------------------------------------------- records that are one part

    def _whole(self, record: Mapping[str, Any]) -> Part | None:
        """Records that are the result of a tool, or a call: files that tools wrote, flat messages."""
        kind = record.get("type")
        content = record.get("content")
        is_file = kind == "side-file" and str(record.get("name", "")).startswith("toolu_")
        is_flat = isinstance(content, str)
        gives = is_file or record.get("role") == "tool" or (is_flat and kind == "tool_result")
        part = RESULTS if gives else INPUTS if is_flat and kind == "tool_use" else ""
        if not part or not self._leaves(part):
            return None
        return {**record, "content": left_out(part), OMITTED: True}

    def _node(self, record: Mapping[str, Any]) -> Part | None:
        """A node of ChatGPT's tree."""
        message = record.get("message")
        content = message.get("content") if isinstance(message, dict) else None
        if not isinstance(message, dict) or not isinstance(content, dict) or "content_type" not in content:
            return None
        kind = _kind_of_node(message, content)
        if kind and self._leaves(kind):
            told = {"content_type": "text", "parts": [left_out(kind)]}
            return {
                **record,
                "message": {**message, "content": told, "metadata": _kept(message), OMITTED: True},
            }
        return {**record, "message": self._walked(message)}

    # -------------------------------------------------------------- parts within records

    def _line(self, record: Mapping[str, Any]) -> Part:
        """Any other record. What a tool gave stands twice in Claude Code's lines, and counts once."""
        before = self.counts[RESULTS]
        told = {name: record[name] for name in TOLD_BY_TOOLS if name in record}
        bare = {name: each for name, each in record.items() if name not in told}
        shaped: Part = self._walked(self._without_progress(bare))
        if not told or RESULTS not in self.without:
            return {name: shaped[name] if name in shaped else self._walked(told[name]) for name in record}
        if self.counts[RESULTS] == before:
            self.counts[RESULTS] += 1
        return {name: shaped.get(name, left_out(RESULTS)) for name in record}

    def _without_progress(self, record: Part) -> Part:
        """What a running tool gave so far, and what was read from the disk beside a prompt."""
        for name in ("data", "attachment"):
            part = record.get(name)
            if isinstance(part, dict) and _is_told(record.get("type"), part) and self._leaves(RESULTS):
                return {**record, name: {"type": part.get("type"), OMITTED: True}}
        return record

    def _walked(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self._walked(each) for each in value]
        if not isinstance(value, dict):
            return value
        kind, become = _part_of(value)
        if kind and self._leaves(kind):
            return become(value)
        return {name: self._walked(each) for name, each in value.items()}


def _part_of(value: Part) -> tuple[str, Callable[[Part], Part]]:
    named, pointer = value.get("type"), value.get("content_type")
    if isinstance(pointer, str) and pointer.endswith("asset_pointer"):
        return IMAGES, _pointer
    if not isinstance(named, str) or named not in BLOCKS:
        return "", _pointer
    signs = SIGNS.get(named, ("content",))
    return BLOCKS[named] if any(name in value for name in signs) else ("", _pointer)


def _is_told(kind: Any, part: Part) -> bool:
    if kind == "progress":
        return "message" not in part
    return kind == "attachment" and part.get("type") in READ_FROM_DISK


def _kind_of_node(message: Part, content: Part) -> str:
    author = message.get("author")
    if isinstance(author, dict) and author.get("role") == "tool":
        return RESULTS
    if content["content_type"] in ("thoughts", "reasoning_recap"):
        return THINKING
    asks = message.get("recipient") not in (None, "", "all")
    return INPUTS if asks and isinstance(author, dict) and author.get("role") == "assistant" else ""


def _kept(message: Part) -> Part:
    metadata = message.get("metadata")
    names = ("model_slug", "is_visually_hidden_from_conversation")
    return {name: metadata[name] for name in names if name in metadata} if isinstance(metadata, dict) else {}


# ------------------------------------------------------------------ what is said in a record


def spoken(record: Mapping[str, Any], longest: int | None = LONGEST_TEXT) -> str | None:
    """What is said in a record, as a message's ``text`` has it; None where it does not come of parts."""
    inner = record.get("message")
    content = (inner if isinstance(inner, Mapping) else record).get("content")
    if isinstance(content, Mapping) and "content_type" in content:
        return _joined(_said_by_node(content))[:longest]
    if isinstance(content, str):
        return content[:longest]
    if not isinstance(content, list) or not content:
        return None
    said = [block if isinstance(block, str) else _said_in(block) for block in content]
    extracted = [_text(each, "extracted_content") for each in _list(record.get("attachments"))]
    return _joined([*said, *extracted])[:longest]


SPOKEN = {
    "text": ("text",),
    "thinking": ("thinking",),
    "redacted_thinking": ("thinking",),
    "voice_note": ("text",),
}


def _said_in(block: Any) -> str:
    return _text(block, *SPOKEN.get(_text(block, "type"), ()))


def _said_by_node(content: Mapping[str, Any]) -> list[str]:
    said = [part if isinstance(part, str) else _text(part, "text") for part in _list(content.get("parts"))]
    said.append(_text(content, "text", "content", "result"))
    thoughts = _list(content.get("thoughts"))
    return said + [_joined([_text(each, "summary"), _text(each, "content")]) for each in thoughts]


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _joined(texts: list[str]) -> str:
    return "\n\n".join(text for text in texts if text)


def _text(value: Any, *names: str) -> str:
    """The first of these members that is a text and not empty."""
    if not isinstance(value, Mapping):
        return ""
    found = (value[name] for name in names if isinstance(value.get(name), str) and value[name])
    return str(next(found, ""))
