"""This program's own ``csv`` export of messages, taken in again. Pure.

A row with its original record (``record`` and ``raw``) is the message that it was, as a line of ``jsonl`` is.
A row without is a record of its own: its cells, marked as such so that no later export takes them for a line
of the source that they came from. What that was stands in ``origin``. The file itself is not kept.
"""

import csv
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

import orjson

from archive.records import MAX_DEPTH, NOT_KEPT, Message, Record, Rejected, is_too_deep, raw_bytes
from imports.messages import Context
from imports.readers import claudelens_messages
from imports.readers.base import Bytes, Format, Match, Sample
from imports.readers.claudelens_messages import count_as_rejected, rejected, unwrapped
from imports.readers.rows import DELIMITERS, LONGEST_HEADER, read_rows
from imports.readers.values import BadValueError, read_count, read_money, read_time

SOURCE = "csv"
# By which the record is known that is only a row's cells.
MARK = "claudelens"
# Quotes are written twice, and a record may stand there parsed and as base64.
LONGER = 4

TEXTS = (
    "sessionId", "type", "role", "model", "text", "apiMessageId", "requestId", "uuid", "parentUuid",
    "agentId", "cwd", "gitBranch", "version", "source",
)  # fmt: skip
TRUTHS = ("isPrompt", "isSidechain")
COUNTS = {
    "inputTokens": "input", "outputTokens": "output", "cacheReadTokens": "cacheRead",
    "cacheWrite5mTokens": "cacheWrite5m", "cacheWrite1hTokens": "cacheWrite1h", "webSearches": "webSearches",
}  # fmt: skip
USAGE_TEXTS = {"speed": "speed", "serviceTier": "tier", "inferenceGeo": "geo"}
OF_THE_ARCHIVE = ("id", "projectId", "fileId", "seq", "contentHash", "guarded")
COLUMNS = {
    *TEXTS, *TRUTHS, *COUNTS, *USAGE_TEXTS, *OF_THE_ARCHIVE, "timestamp", "reportedCostUsd", "project",
    "projectSlug", "title", "usage", "titles", "record", "raw", "other",
}  # fmt: skip
REQUIRED = {"sessionId", "type"}
ONE_OF = {"text", "record", "raw"}
# A cell that got a ' before it: see exports/renderers/csv_table.py.
GUARDED = re.compile(r"'(?='*[=+\-@\t\r\n＝＋－＠])")


def detect(sample: Sample) -> Match | None:
    line = sample.text.split(b"\n", 1)[0][:LONGEST_HEADER].decode("utf-8", "replace").rstrip("\r")
    for delimiter in DELIMITERS:
        names = _names(line, delimiter)
        if _are_columns(names):
            told = "ClaudeLens export: a table of messages"
            return Match(told, {"delimiter": delimiter, "columns": names})
    return None


def _names(line: str, delimiter: str) -> list[str]:
    """What the columns are called; nothing where the line is no row."""
    try:
        return next(csv.reader([line], delimiter=delimiter), [])
    except csv.Error:
        return []


def _are_columns(names: list[str]) -> bool:
    known = set(names)
    return len(known) == len(names) and known <= COLUMNS and known >= REQUIRED and bool(known & ONE_OF)


# ------------------------------------------------------------------ records


def read_table(given: Bytes) -> Iterator[Record | Rejected]:
    """A record for each row, whose value is the row's and whose bytes are those of the record in it."""
    return unwrapped(given, _wrapped_rows(given))


def _wrapped_rows(given: Bytes) -> Iterator[Record | Rejected]:
    """The rows as lines of ``jsonl``; one with a cell that cannot be read is rejected."""
    for row in read_rows(replace(given, max_record=given.max_record * LONGER)):
        if isinstance(row, Rejected):
            yield row
            continue
        try:
            yield _wrapped(row, given.max_record)
        except BadValueError as error:
            count_as_rejected(given.cursor)
            yield rejected(row, "bad_value", str(error))


def _wrapped(row: Record, longest: int) -> Record:
    """The row as a line of ``jsonl`` would hold it. Raises ``BadValueError`` naming the column."""
    cells = unguarded(row.value)
    told = _told(cells)
    if cells.get("raw"):
        told["raw"] = cells["raw"]
    if cells.get("record"):
        told["record"] = _in(cells, "record")
    elif "raw" not in told:
        told["record"] = _record_of(cells)
    # Its length as JSON is what counts: quotes are written twice here.
    size = row.size if row.size <= longest else len(raw_bytes(told.get("record") or {}))
    return replace(row, value=told, size=size)


def unguarded(cells: Mapping[str, str]) -> dict[str, str]:
    """The cells as they were before the export guarded them; a table that does not say was guarded.

    >>> unguarded({"text": "'=1+1", "guarded": "true"}), unguarded({"text": "'=1", "guarded": ""})
    ({'text': '=1+1', 'guarded': 'true'}, {'text': "'=1", 'guarded': ''})
    """
    if cells.get("guarded", "true").lower() != "true":
        return dict(cells)
    return {name: cell[1:] if GUARDED.match(cell) else cell for name, cell in cells.items()}


def _record_of(cells: Mapping[str, str]) -> dict[str, Any]:
    """The record that a row without one is: what it says, but for facts of the archive it came from."""
    said = {name: cell for name, cell in cells.items() if cell and name not in OF_THE_ARCHIVE}
    return {MARK: SOURCE, **said}


def _object(cell: str) -> dict[str, Any] | None:
    """The object that a cell holds; None where it holds none, or one that is nested too deep."""
    try:
        value = orjson.loads(cell)
    except orjson.JSONDecodeError:
        return None
    return value if isinstance(value, dict) and not is_too_deep(value, MAX_DEPTH) else None


# ------------------------------------------------------------------ messages


def message(record: Record, context: Context, import_id: str, now: datetime) -> Message:
    """The message that was exported, or the one that its row makes."""
    if record.value["record"].get(MARK) == SOURCE:
        record = replace(record, value={**record.value, **_of_the_row(record.value)})
    return claudelens_messages.message(record, context, import_id, now)


def _of_the_row(told: Mapping[str, Any]) -> dict[str, Any]:
    """What is said otherwise of a message whose record is a row."""
    origin = told["origin"] if isinstance(told.get("origin"), dict) else {}
    first = {"toldSource": told["source"]} if told.get("source") else {}
    return {
        "source": SOURCE,
        "origin": {**origin, **first} or None,
        "titles": told["titles"] or {},
    }


def _told(cells: Mapping[str, str]) -> dict[str, Any]:
    """What a row says, as a line of ``jsonl`` says it."""
    told = _in(cells, "other")
    told |= {name: cells[name] for name in TEXTS if cells.get(name)}
    told |= {name: cells.get(name, "").lower() == "true" for name in TRUTHS}
    if time := _read(cells, "timestamp", read_time):
        told["timestamp"] = time.isoformat()
    if _read(cells, "reportedCostUsd", read_money) is not None:
        told["reportedCostUsd"] = cells["reportedCostUsd"]
    told["project"] = _project(cells.get("project", ""), cells.get("projectSlug", ""))
    told["titles"] = _titles(cells)
    told["usage"] = _in(cells, "usage") or _usage(cells)
    if cells.get("contentHash"):
        told["contentHash"] = cells["contentHash"]
    return told


def _read(cells: Mapping[str, str], name: str, read: Any) -> Any:
    try:
        return read(cells.get(name))
    except BadValueError as error:
        raise BadValueError(f"column “{name}” holds {error}") from None


def _in(cells: Mapping[str, str], name: str) -> dict[str, Any]:
    """The object in a column; an empty one where there is none. Raises ``BadValueError``."""
    cell = cells.get(name, "")
    found = _object(cell) if cell else {}
    if found is None:
        raise BadValueError(f"column “{name}” holds “{cell[:40]}”; expected is a JSON object")
    return found


def _project(told: str, slug: str) -> dict[str, str]:
    """A path names the folder that Claude Code would know by it; any other name is the project's own."""
    is_path = "/" in told or "\\" in told
    return {"path": told, "slug": slug or ("" if is_path else told)}


def _titles(cells: Mapping[str, str]) -> dict[str, Any] | None:
    if "titles" in cells:
        return _in(cells, "titles") or None
    return {"custom": cells["title"]} if cells.get("title") else None


def _usage(cells: Mapping[str, str]) -> dict[str, Any]:
    counts = {kind: _read(cells, name, read_count) for name, kind in COUNTS.items()}
    texts = {kind: cells.get(name) for name, kind in USAGE_TEXTS.items()}
    return {kind: each for kind, each in {**counts, **texts}.items() if each}


FORMAT = Format(
    name="claudelens-table",
    label="ClaudeLens export, CSV of messages",
    description="The messages that this program exports as csv: what its columns hold comes back, and all of "
    "a message whose record is among them.",
    source=claudelens_messages.NAME,
    detect=detect,
    records=read_table,
    message=message,
    start=claudelens_messages.context_of,
    layout=NOT_KEPT,
    warnings=claudelens_messages.WARNINGS,
)
