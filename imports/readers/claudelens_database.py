"""Messages of a classic ClaudeLens database, as ``migrate_claudelens`` writes them down. Pure.

The old program took Claude Code's lines apart: it kept the inner ``message`` as ``messageData``, the fields
it knew beside it, and made of each tool call and result a further message. Here the line is put together
again, so that usage counts once for each response, and the line itself, should it come from a transcript, is
known as the same. What is not part of the line goes beside it as ``origin``.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any
from zlib import crc32

from archive.projects import Project, slug_of
from archive.records import NOT_KEPT, Message, Record, Rejected, bson_safe, raw_bytes
from imports.messages import Context, one_line, short_text
from imports.normalise import message_of
from imports.readers.base import Bytes, Format, Match, Sample
from imports.readers.claudelens_messages import DEPTH, NAME, NOT_A_MESSAGE
from imports.readers.lines import HINTS, read_records, reads_as_reference
from imports.readers.texts import text_of

FORM = "database/1"
# Fields of Claude Code's lines that the old program kept under their own names.
OF_THE_LINE = (
    "parentUuid", "isSidechain", "userType", "cwd", "sessionId", "version", "gitBranch", "type", "requestId",
    "uuid", "timestamp", "toolUseResult", "durationMs", "summary", "leafUuid",
)  # fmt: skip
# What it made of the inner message.
DERIVED = {"content", "thinking", "messageData", "message", "usage", "metadata"}
PARTS = {"tool_use": "assistant", "tool_result": "user"}
RESULT = re.compile(r"(.+)_result_(\d+)")
CALL = re.compile(r"(.+)_tool_\d+")
WHOLE = "whole"


def detect(sample: Sample) -> Match | None:
    if text_of(sample.first_line, NAME) != FORM:
        return None
    return Match("ClaudeLens database: messages as they stood in its collections")


def start(sample: Sample, match: Match) -> Context:
    return Context("unnamed", Project("unsorted"))


def read_lines(given: Bytes) -> Iterator[Record | Rejected]:
    """A record for each line; one without a message is rejected."""
    for each in read_records(given.stream, given.file_id, given.cursor, given.max_record, DEPTH):
        if isinstance(each, Rejected) or isinstance(each.value.get("message"), dict):
            yield each
            continue
        given.cursor.records -= 1
        given.cursor.rejected += 1
        raw = raw_bytes(each.value) if each.raw is None else each.raw
        where = (each.file_id, each.seq, each.end - each.size, each.end)
        yield Rejected(*where, NOT_A_MESSAGE, "there is no message in it", HINTS[NOT_A_MESSAGE], raw)


def message(record: Record, context: Context, import_id: str, now: datetime) -> Message:
    """The message that the line was, with what it cost by its usage, not by what the old program thought."""
    told: dict[str, Any] = record.value
    stored = told["message"]
    line = line_of(stored, context.facts.get(WHOLE, ""))
    if _has_results(line):
        context.facts = {WHOLE: text_of(line, "uuid")}
    encoded = raw_bytes(line)
    raw = encoded if reads_as_reference(encoded) else None
    own = Context(_session_id(stored), project_of(told, stored), fixed_project=True, has_path=True)
    made = message_of(replace(record, value=line, raw=raw, crc=crc32(encoded)), own, import_id, now)
    context.session_id, context.project = own.session_id, own.project
    made.document["source"] = NAME
    made.document["origin"] = _origin(told, stored, line)
    made.titles = _titles(told.get("session"))
    return made


def _session_id(stored: Mapping[str, Any]) -> str:
    return short_text(stored.get("sessionId")) or "unnamed"


def line_of(stored: Mapping[str, Any], whole: str = "") -> dict[str, Any]:
    """Claude Code's line, as near as what was kept of it allows. ``whole`` is the line of tool results that
    was met last: its results stand in it already."""
    line = {key: stored[key] for key in OF_THE_LINE if key in stored}
    kind, inner = text_of(stored, "type"), _inner(stored)
    if inner is not None and kind in PARTS:
        line["message"] = {"role": PARTS[kind], "content": [inner]}
        if kind == "tool_result":
            _restore_result(line, whole)
    elif inner is not None:
        line["message"] = inner
    elif kind in ("user", "assistant"):
        told = {"role": kind, "content": stored.get("content"), "model": stored.get("model")}
        line["message"] = {key: each for key, each in told.items() if each is not None} | _usage(stored)
    elif "content" in stored:
        line["content"] = stored["content"]
    for key, each in _extras(stored).items():
        line.setdefault(key, each)
    return line


def _inner(stored: Mapping[str, Any]) -> dict[str, Any] | None:
    found = (stored.get(name) for name in ("messageData", "message"))
    return next((each for each in found if isinstance(each, dict)), None)


def _usage(stored: Mapping[str, Any]) -> dict[str, Any]:
    return {"usage": stored["usage"]} if isinstance(stored.get("usage"), dict) else {}


def _extras(stored: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of the line that the old program did not know; those of its own begin with "_"."""
    metadata = stored.get("metadata")
    if not isinstance(metadata, dict):
        return {}
    return {key: each for key, each in metadata.items() if not key.startswith("_") and key != "usage"}


def _restore_result(line: dict[str, Any], whole: str) -> None:
    """Make a tool result that stands by itself the line again that it was: of several of one line the first
    one. Sidechain is what the old program called all of them."""
    found = RESULT.fullmatch(text_of(line, "uuid"))
    if found is None or found[1] == whole:
        return
    line["type"], line["isSidechain"] = "user", False
    if found[2] == "0":
        line["uuid"] = found[1]
        parent = CALL.fullmatch(text_of(line, "parentUuid"))
        line["parentUuid"] = parent[1] if parent and parent[1] != "None" else None
    else:
        line["parentUuid"] = found[1]


def _has_results(line: Mapping[str, Any]) -> bool:
    inner = line.get("message")
    content = inner.get("content") if isinstance(inner, dict) and line.get("type") == "user" else None
    return isinstance(content, list) and any(text_of(each, "type") == "tool_result" for each in content)


def _origin(told: Mapping[str, Any], stored: Mapping[str, Any], line: Mapping[str, Any]) -> dict[str, Any]:
    """What the old program knew besides: where it kept the message, when it came, what it thought it cost."""
    known = {*OF_THE_LINE, *DERIVED}
    rest = {key: each for key, each in stored.items() if key not in known and line.get(key) != each}
    metadata = stored.get("metadata")
    if isinstance(metadata, dict):
        rest |= {key: each for key, each in metadata.items() if key.startswith("_")}
    safe: dict[str, Any] = bson_safe({"collection": short_text(told.get("collection")), **rest})
    return safe


def project_of(told: Mapping[str, Any], stored: Mapping[str, Any]) -> Project:
    """The project by its path: a folder that was worked in, or one of ``~/.claude/projects``."""
    path, cwd = short_text(text_of(told.get("project"), "path")), short_text(stored.get("cwd"))
    *folders, last = path.rstrip("/").split("/")
    if folders[-1:] == ["projects"]:
        return Project(last, cwd if slug_of(cwd) == last else "")
    path = path or cwd
    return Project(slug_of(path), path) if path else Project("unsorted")


def _titles(session: Any) -> dict[str, str]:
    names = {"custom": text_of(session, "title"), "summary": text_of(session, "summary")}
    return {kind: one_line(text) for kind, text in names.items() if text}


FORMAT = Format(
    name="claudelens-database",
    label="ClaudeLens database",
    description="Messages of a classic ClaudeLens database, as manage.py migrate_claudelens reads them.",
    source=NAME,
    detect=detect,
    records=read_lines,
    message=message,
    start=start,
    layout=NOT_KEPT,
)
