"""The lines of a conversation as entries that a person can read. Pure: dicts in, entries out.

Adjacent lines of one API response become one entry; every other line becomes one entry of its own,
whatever its type.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import groupby
from typing import Any

from browse.blocks import Block, blocks_of, brief_of, content_of, cut, hex_id, prose
from browse.branches import Fork
from browse.facts import LABELS, QUIET, facts_of
from browse.quiet import KNOWN_TYPES, quiet_lines, words
from browse.values import mapping

Line = Mapping[str, Any]
SPOKEN = ("prompt", "answer", "compact")


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing said or done: ``kind`` is prompt, answer, tools, note, compact or event."""

    id: str
    kind: str
    label: str
    brief: str = ""
    time: datetime | None = None
    model: str = ""
    marks: tuple[str, ...] = ()
    blocks: tuple[Block, ...] = ()
    side: bool = False
    quiet: bool = False
    failed: bool = False
    lines: tuple[str, ...] = ()
    file: str = ""
    heading: str = ""
    fork: Fork | None = None
    other: bool = False


def entries_of(messages: Iterable[Line]) -> list[Entry]:
    """Every message of ``messages``, in their order, in entries."""
    lines = list(messages)
    tools = tool_names(lines)
    return [_entry(list(group), tools) for _, group in groupby(enumerate(lines), _group_key)]


def only_spoken(entries: Iterable[Entry]) -> Iterator[Entry]:
    """Prompts and answers alone, without thinking and tools."""
    for entry in entries:
        said = tuple(block for block in entry.blocks if block.kind in ("prose", "image", "file"))
        if entry.kind in SPOKEN and not entry.side and said:
            yield replace(entry, blocks=said)


def tool_names(lines: Iterable[Line]) -> dict[str, str]:
    """Which tool each call's id belongs to, so that a result can say whose it is."""
    items = (mapping(item) for line in lines for item in content_of(line))
    return {str(item.get("id")): str(item["name"]) for item in items if item.get("name")}


def _group_key(numbered: tuple[int, Line]) -> tuple[Any, ...]:
    number, line = numbered
    call = line.get("apiMessageId")
    if line.get("type") != "assistant" or not call:
        return ("line", number)
    return ("call", call, bool(line.get("isSidechain")), line.get("agentId"), line.get("fileId"))


def _entry(group: list[tuple[int, Line]], tools: Mapping[str, str]) -> Entry:
    lines = [line for _, line in group]
    first = lines[0]
    make = _KINDS.get(str(first.get("type")), _event if is_claude_code(first) else _said)
    entry = make(first, lines, tools)
    return replace(
        entry,
        id=hex_id(first),
        time=entry.time or first.get("timestamp"),
        quiet=entry.quiet or bool(first.get("isMeta")),
        side=bool(first.get("isSidechain") or first.get("agentId")),
        marks=(*entry.marks, *_marks(first)),
        lines=tuple(hex_id(line) for line in lines),
        file=str(first.get("fileId") or ""),
    )


def _marks(line: Line) -> Iterator[str]:
    agent = line.get("agentId")
    if line.get("isSidechain") or agent:
        yield f"subagent {str(agent)[:8]}" if agent else "subagent"
    if line.get("isMeta"):
        yield "hidden"
    elif line.get("type") == "user" and mapping(line.get("record")).get("isMeta"):
        yield "not typed by the user"


def _blocks(lines: list[Line], tools: Mapping[str, str]) -> tuple[Block, ...]:
    return tuple(block for line in lines for block in blocks_of(line, tools))


def _assistant(first: Line, lines: list[Line], tools: Mapping[str, str]) -> Entry:
    record = mapping(first.get("record"))
    failed = bool(record.get("isApiErrorMessage") or record.get("error"))
    local = first.get("model") == "<synthetic>"
    return Entry(
        "",
        "answer",
        "Assistant",
        model="" if local else str(first.get("model") or ""),
        marks=_answer_marks(failed, local),
        blocks=_blocks(lines, tools),
        failed=failed,
    )


def _answer_marks(failed: bool, local: bool) -> tuple[str, ...]:
    if failed:
        return ("API error",)
    return ("written by the program, not by a model",) if local else ()


def _user(first: Line, lines: list[Line], tools: Mapping[str, str]) -> Entry:
    record = mapping(first.get("record"))
    blocks = _blocks(lines, tools)
    kinds = {block.kind for block in blocks}
    if record.get("isCompactSummary"):
        return _compact(first)
    if "tool_result" in kinds and not kinds & {"prose", "image"}:
        return Entry("", "tools", "Tool result", blocks=blocks, quiet=True)
    if record.get("isMeta") or first.get("isMeta") or not kinds - {"note"}:
        label = next((block.title for block in blocks if block.title), "Note to the model")
        return Entry("", "note", label if blocks else "Empty line", blocks=blocks, quiet=True)
    side = first.get("isSidechain") or first.get("agentId")
    return Entry("", "prompt", "Task" if side else "User", blocks=blocks)


def _compact(first: Line) -> Entry:
    text = first.get("text")
    blocks = (prose(text),) if isinstance(text, str) and text else _blocks([first], {})
    marks = ("the conversation so far, written by the model",)
    return Entry("", "compact", "Summary", marks=marks, blocks=blocks)


def _attachment(first: Line, lines: list[Line], tools: Mapping[str, str]) -> Entry:
    """A queued command is a prompt typed while a tool ran; the others are the program's."""
    attachment = mapping(mapping(first.get("record")).get("attachment"))
    prompt = attachment.get("prompt")
    if attachment.get("type") != "queued_command" or not prompt:
        return _event(first, lines, tools)
    said = {**first, "type": "user", "role": "user", "record": {"message": {"content": prompt}}}
    return replace(_user(said, [said], tools), marks=("typed while a tool ran",))


def is_claude_code(line: Line) -> bool:
    return line.get("source", "claude-code") == "claude-code"


def _said(first: Line, lines: list[Line], tools: Mapping[str, str]) -> Entry:
    """A line of a program that has other types than Claude Code: what it says, whoever said it."""
    label = words(str(first.get("role") or first.get("type") or "message"))
    blocks = _blocks(lines, tools)
    return Entry("", "note", label, blocks=blocks, quiet=not blocks)


def _system(first: Line, lines: list[Line], tools: Mapping[str, str]) -> Entry:
    return (_event if is_claude_code(first) else _said)(first, lines, tools)


def _tool(_first: Line, lines: list[Line], tools: Mapping[str, str]) -> Entry:
    return Entry("", "tools", "Tool result", blocks=_blocks(lines, tools), quiet=True)


def _facts(first: Line, _lines: list[Line], _tools: Mapping[str, str]) -> Entry:
    kind, key = str(first.get("type")), hex_id(first)
    blocks = tuple(replace(block, message=key) for block in facts_of(first))
    is_quiet = kind in QUIET
    return Entry("", "event" if is_quiet else "note", LABELS[kind], blocks=blocks, quiet=is_quiet)


def _event(first: Line, _lines: list[Line], _tools: Mapping[str, str]) -> Entry:
    label, brief, text = quiet_lines(first)
    kind = str(first.get("type") or "")
    unknown = () if kind in KNOWN_TYPES else ("unknown type",)
    block = Block("data", label, brief, pieces=(cut(text),), message=hex_id(first))
    return Entry("", "event", label, brief_of(brief), marks=unknown, blocks=(block,), quiet=True)


_KINDS = {
    "assistant": _assistant,
    "user": _user,
    "attachment": _attachment,
    "system": _system,
    "tool": _tool,
    **dict.fromkeys(LABELS, _facts),
}
