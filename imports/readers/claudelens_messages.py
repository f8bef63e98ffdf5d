"""Messages as this program's own exports hold them, made again into the messages that they were. Pure.

A line of ``jsonl`` and a message of ``json`` is a wrapper: the normal form around the original record, and
``raw`` where the record's bytes matter. The message is made of the inner record, as its source's reader makes
it, so it gets the identity that it had. The wrapper's own bytes are not kept: such a file is no original.
"""

import binascii
from base64 import b64decode
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any
from zlib import crc32

from archive.money import from_dollars, to_decimal128
from archive.projects import Project, slug_of
from archive.records import (
    MAX_DEPTH,
    MAX_PARSED_WITH_RAW,
    Call,
    Message,
    Record,
    Rejected,
    bson_safe,
    identity,
    raw_bytes,
)
from imports.messages import Context, Said, message_from, parse_time, short_text
from imports.normalise import MAX_DOLLARS, MAX_TOKENS, message_of
from imports.readers import claude_code, side_files
from imports.readers.base import Bytes, Match, Sample, has
from imports.readers.lines import HINTS, PIECE_BYTES, Cursor, parse_line
from imports.readers.texts import text_of

NAME = "claudelens"
KEYS = ("id", "contentHash", "source")
DEPTH = MAX_DEPTH + 2
# Base64 takes a third more than the bytes, beside which the record stands once more.
LONGER = 2
LONGEST_WRAPPER = 512 * 1024
CHANGED, SHAPED = "changed", "shaped"
WARNINGS = {
    CHANGED: "{count} records were changed after they were exported: they are taken in as they are now.",
    SHAPED: "{count} messages were masked or shortened when they were exported: they are no originals.",
}
NOT_A_MESSAGE = "not_a_message"
# A record whose bytes are not those of its value; the session whose titles were told.
READING, TITLED = "reading", "titled"

# What the archive says of a message itself, or what is said of it in another way here.
TOLD = {
    *("id", "sessionId", "projectId", "project", "type", "role", "timestamp", "fileId", "seq", "model"),
    *("source", "text", "record", "raw", "lead", "contentHash", "uuid", "parentUuid", "isPrompt"),
    *("titles", "usage", "importId", "importedAt", "crc32", "content", "metadata", "costUsd", "isSidechain"),
    "reportedCostUsd",
}


def is_message(value: Any) -> bool:
    """Whether it is a message of an export."""
    return has(value, *KEYS) and ("record" in value or "raw" in value)


def context_of(sample: Sample, match: Match) -> Context:
    return Context("unnamed", Project("unsorted"))


# ------------------------------------------------------------------ records


def within(given: Bytes) -> Bytes:
    """The same file for a framing that has to hold wrappers."""
    return replace(given, max_record=given.max_record * LONGER, max_depth=DEPTH)


def unwrapped(given: Bytes, found: Iterator[Record | Rejected]) -> Iterator[Record | Rejected]:
    """Each wrapper with the bytes of the record in it. What is none is rejected, in pieces if it is long."""
    for each in found:
        made = each if isinstance(each, Rejected) else _opened(each, given.max_record)
        if isinstance(made, Rejected) and not isinstance(each, Rejected):
            count_as_rejected(given.cursor)
        if isinstance(made, Rejected) and len(made.raw) > PIECE_BYTES:
            yield from _pieces(made)
        else:
            yield made


def _opened(record: Record, longest: int) -> Record | Rejected:
    told = record.value
    chunk = None if told.get("raw") is None else _decoded(told["raw"])
    if chunk is None and told.get("raw") is not None:
        return rejected(record, NOT_A_MESSAGE, "raw is not base64")
    lead = _lead(told.get("lead"), chunk or b"")
    value = None if chunk is None or _is_side_file(told) else _value_in(chunk[lead:])
    is_reading = chunk is not None and value is None
    if value is None:
        value = told.get("record", {} if is_reading and len(chunk or b"") > MAX_PARSED_WITH_RAW else None)
    if not isinstance(value, dict):
        return rejected(record, NOT_A_MESSAGE, "there is no record in it")
    if _is_too_long(record, chunk, longest):
        return rejected(record, "too_large", f"the record is longer than {longest:,} bytes")
    kind = READING if is_reading else ""
    return replace(record, value={**told, "record": value}, raw=chunk, lead=lead, kind=kind)


def _is_side_file(told: Mapping[str, Any]) -> bool:
    return bool(told.get("type") == side_files.TYPE)


def _is_too_long(record: Record, chunk: bytes | None, longest: int) -> bool:
    if chunk is not None:
        return len(chunk) > longest
    inner = record.size
    if inner > longest:
        inner = len(raw_bytes(record.value["record"]))
    return inner > longest or record.size - inner > LONGEST_WRAPPER


def _decoded(raw: Any) -> bytes | None:
    try:
        return b64decode(raw, validate=True) if isinstance(raw, str) else None
    except (binascii.Error, ValueError):
        return None


def _lead(told: Any, chunk: bytes) -> int:
    return told if type(told) is int and 0 <= told <= len(chunk) else 0


def _value_in(body: bytes) -> Any:
    """The object that these bytes are, read as any record is; None where they are none: those of a table's
    row, or of an object that holds other records."""
    if not body.strip():
        return None
    piece = next(parse_line(body, 0, at_start=True, is_last=False))
    return None if piece.code else piece.value


def count_as_rejected(cursor: Cursor) -> None:
    """What was passed as a record is none."""
    cursor.records -= 1
    cursor.rejected += 1


def rejected(record: Record, code: str, reason: str) -> Rejected:
    """The record as one that cannot be taken in, with the bytes it was read from."""
    raw = raw_bytes(record.value) if record.raw is None else record.raw
    start = record.end - record.size
    return Rejected(record.file_id, record.seq, start, record.end, code, reason, HINTS[code], raw)


def _pieces(whole: Rejected) -> Iterator[Rejected]:
    for part, at in enumerate(range(0, len(whole.raw), PIECE_BYTES)):
        yield replace(whole, raw=whole.raw[at : at + PIECE_BYTES], part=whole.part + part)


# ------------------------------------------------------------------ messages


def message(record: Record, context: Context, import_id: str, now: datetime) -> Message:
    """The message that was exported, under the identity that it had unless its record was changed since."""
    told, value = record.value, record.value["record"]
    inner = replace(record, value=value, crc=crc32(raw_bytes(value)) if record.raw is None else record.crc)
    if text_of(told, "source") == claude_code.NAME and not _is_side_file(told):
        made = _of_claude_code(told, inner, context, import_id, now)
    else:
        made = _of_others(told, inner, context, import_id, now)
    made.titles = _titles(told.get("titles"))
    return made


def _of_claude_code(
    told: Mapping[str, Any], record: Record, context: Context, import_id: str, now: datetime
) -> Message:
    own = Context(short_text(told.get("sessionId")), project_of(told), fixed_project=True, has_path=True)
    own.last_time = parse_time(told.get("timestamp"))
    made = message_of(record, own, import_id, now)
    context.session_id, context.project = own.session_id, own.project
    _check(told, made, context, is_reading=False)
    return made


def _of_others(
    told: Mapping[str, Any], record: Record, context: Context, import_id: str, now: datetime
) -> Message:
    said = _said(told, record.value)
    context.session_id, context.project = said.session_id, said.project
    if isinstance(told.get("titles"), dict):
        context.facts = {TITLED: said.session_id}
    elif said.is_prompt and context.facts.get(TITLED) != said.session_id:
        said.title = ("prompt", said.text)
    made = message_from(said, record, import_id, now)
    _check(told, made, context, is_reading=record.kind == READING)
    made.calls = _calls(told, made)
    return made


def _check(told: Mapping[str, Any], made: Message, context: Context, *, is_reading: bool) -> None:
    """Compare the record with what was exported. Where it is a reading of other bytes, it may lack what
    MongoDB cannot hold: it stays what it was."""
    document, known = made.document, _hash_of(told.get("contentHash"))
    if known is not None and is_reading:
        document["contentHash"], made.key = known, identity(made.session_id, known)
    if told.get("contentHash") is not None and document["contentHash"] != known:
        context.warn(CHANGED)
    if told.get("changed") is True:
        document["changed"] = True
        context.warn(SHAPED)


def _hash_of(text: Any) -> bytes | None:
    try:
        found = bytes.fromhex(text) if isinstance(text, str) else b""
    except ValueError:
        return None
    return found if len(found) == 32 else None


def project_of(told: Mapping[str, Any]) -> Project:
    """The project that an export names."""
    project = told.get("project")
    project = project if isinstance(project, dict) else {}
    path = short_text(project.get("path"))
    slug = short_text(project.get("slug")) or slug_of(path) or "unsorted"
    return Project(slug, "" if path == slug else path)


def _said(told: Mapping[str, Any], value: dict[str, Any]) -> Said:
    return Said(
        short_text(told.get("source")) or NAME,
        text_of(told, "type"),
        text_of(told, "sessionId"),
        project_of(told),
        timestamp=parse_time(told.get("timestamp")),
        role=text_of(told, "role"),
        text=text_of(told, "text"),
        uuid=text_of(told, "uuid"),
        parent_uuid=text_of(told, "parentUuid"),
        model=text_of(told, "model"),
        is_prompt=told.get("isPrompt") is True,
        record=value,
        more=_more(told),
    )


def _more(told: Mapping[str, Any]) -> dict[str, Any]:
    """What else is known of a message; nothing that the archive itself says of it."""
    more = {
        key: bson_safe(each)
        for key, each in told.items()
        if key not in TOLD and each is not None and not key.startswith(("_", "$"))
    }
    more["isSidechain"] = told.get("isSidechain") is True
    if usage := _usage(told.get("usage")):
        more["usage"] = usage
    if (cost := _reported(told)) is not None:
        more["reportedCostUsd"] = to_decimal128(cost)
    return more


def _reported(told: Mapping[str, Any]) -> int | None:
    """Picodollars of what the source said that the response cost."""
    try:
        cost = Decimal(text_of(told, "reportedCostUsd"))
        return from_dollars(cost) if 0 <= cost < MAX_DOLLARS else None
    except InvalidOperation:  # no number, or one that cannot be compared
        return None


def _usage(usage: Any) -> dict[str, Any]:
    if not isinstance(usage, dict):
        return {}
    return {
        short_text(kind): each if type(each) is int else short_text(each)
        for kind, each in usage.items()
        if (type(each) is int and 0 <= each <= MAX_TOKENS) or short_text(each)
    }


def _calls(told: Mapping[str, Any], made: Message) -> list[Call]:
    document = made.document
    call_id = short_text(document.get("apiMessageId"))
    if not call_id or "usage" not in document:
        return []
    model, request_id = document.get("model", ""), short_text(document.get("requestId")) or None
    place = (made.session_id, made.project_id, model, document["usage"], made.timestamp)
    return [Call(call_id, *place, document["isSidechain"], request_id, _reported(told))]


def _titles(titles: Any) -> dict[str, str] | None:
    if not isinstance(titles, dict):
        return None
    return {short_text(kind): bson_safe(each) for kind, each in titles.items() if text_of(titles, kind)}
