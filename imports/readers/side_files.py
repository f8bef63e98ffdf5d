"""Claude Code's other files: a tree comes back whole. Pure.

Large outputs of tools, what is told of subagents, memories, lists and plans lie beside the transcripts. They
are known by their place alone, for they may hold anything. One file is one record, of the session whose
folder or name it has.
"""

import re
from collections.abc import Iterator
from typing import Any
from zlib import crc32

import orjson

from archive.projects import Project
from archive.records import Record, Rejected, is_too_deep, seq_of
from imports.messages import MAX_TEXT, Context, Said, speaks
from imports.naming import is_side_file
from imports.readers import claude_code
from imports.readers.base import Bytes, Format, Match, Sample
from imports.readers.lines import HINTS, PIECE_BYTES

TYPE = "side-file"
SESSION_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def detect(sample: Sample) -> Match | None:
    if not is_side_file(sample.tree_path):
        return None
    name = sample.tree_path.rsplit("/", 1)[-1]
    return Match("Claude Code's own file: its place beside the transcripts tells it", {"name": name})


def start(sample: Sample, match: Match) -> Context:
    """The conversation that the path names; of what belongs to a whole project, one for its files."""
    parts = sample.tree_path.split("/")
    slug = parts[1] if parts[0] == "projects" else "unsorted"
    named = (found.group() for part in reversed(parts) if (found := SESSION_ID.match(part)))
    return Context(next(named, f"files-{slug.lstrip('-')}"), Project(slug), fixed_project=True)


def read_whole(given: Bytes) -> Iterator[Record | Rejected]:
    """The file as one record; in rejected pieces where it is longer than a record may be. What was added to
    it since it was read is another record. Memory is one record."""
    cursor = given.cursor
    while data := given.stream.read(PIECE_BYTES if cursor.part else given.max_record + 1):
        if cursor.part == 0 and len(data) <= given.max_record:
            yield _record(given, data)
        else:
            for at in range(0, len(data), PIECE_BYTES):
                yield _piece(given, data[at : at + PIECE_BYTES])
    if cursor.part:
        cursor.part, cursor.line = 0, cursor.line + 1


def _record(given: Bytes, data: bytes) -> Record:
    cursor, seq = given.cursor, seq_of(given.cursor.line, 0)
    cursor.consume(data, cursor.line + 1, 0)
    cursor.records += 1
    value = {"type": TYPE, "name": given.facts["name"], "content": _content(given.facts["name"], data)}
    return Record(given.file_id, seq, cursor.offset, len(data), value, data, crc32(data))


def _content(name: str, data: bytes) -> Any:
    """What a file holds: a value if it is called so, else text. (Bytes that are no text stand as escapes.)"""
    if name.endswith(".json"):
        try:
            value = orjson.loads(data)
        except orjson.JSONDecodeError:
            value = None
        if isinstance(value, (dict, list)) and not is_too_deep(value):
            return value
    return data.decode("utf-8", "backslashreplace")


def _piece(given: Bytes, body: bytes) -> Rejected:
    cursor = given.cursor
    start, part, seq = cursor.offset, cursor.part, seq_of(cursor.line, 0)
    cursor.rejected += part == 0
    cursor.consume(body, cursor.line, 0, part + 1)
    reason = f"the file is longer than {given.max_record:,} bytes"
    hint = HINTS["too_large"]
    return Rejected(given.file_id, seq, start, cursor.offset, "too_large", reason, hint, body, part)


def said(record: Record, context: Context) -> Said:
    text = (record.raw or b"")[:MAX_TEXT].decode("utf-8", "ignore")
    return Said(claude_code.NAME, TYPE, context.session_id, context.project, text=text)


FORMAT = Format(
    name="claude-code-side",
    label="Claude Code's other files",
    description="What lies beside the transcripts under ~/.claude: tool results, memories, todos, plans, "
    "file history.",
    source=claude_code.NAME,
    detect=detect,
    records=read_whole,
    message=speaks(said),
    start=start,
    layout="spans",
)
