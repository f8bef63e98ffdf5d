"""Reading a file into messages, some hundred at a time. Pure: it knows no database.

The same reading can run in this process or, for large imports, in one of its own (``reader_process``):
parsing is most of an import's work, and a second core takes it over.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from io import BytesIO
from typing import Any

from archive.errors import BadInput, Unavailable
from archive.projects import Project
from archive.records import MAX_DOCUMENT_BYTES, FileId, Message, Record, Rejected, encode, raw_bytes
from imports.formats import get_format
from imports.messages import Context
from imports.readers.base import Bytes, Format
from imports.readers.lines import HINTS, Cursor
from imports.readers.sources import Entry, Stream
from imports.readers.values import BadValueError

HASH_BLOCK = 1024 * 1024
PIECE_BYTES = 4 * 1024 * 1024
# A record that is held already, as a rule, is encoded only if it turns out not to be; a large one always,
# since it may be too large for a document.
ALWAYS_ENCODED_BYTES = MAX_DOCUMENT_BYTES // 8


@dataclass(frozen=True, slots=True)
class Limits:
    """``max_record``: bytes of the longest record that becomes a message; ``piece_docs``: records that make a
    piece."""

    max_record: int
    piece_docs: int


@dataclass(frozen=True, slots=True)
class Reading:
    """What to read: a file from its cursor on. ``known_until`` is the byte up to which an earlier import
    holds the file, ``format`` the name of its format and ``facts`` what that has to know of it."""

    entry: Entry
    file_id: FileId
    cursor: Cursor
    context: Context
    known_until: int
    import_id: str
    limits: Limits
    format: str
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Piece:
    """Some messages and rejected records in order, their projects, and where the file stands after them."""

    items: list[Message | Rejected]
    projects: dict[str, Project]
    cursor: Cursor
    context: Context


def read_pieces(reading: Reading) -> Iterator[Piece]:
    """The file's messages from the cursor to its end. The last piece may be empty; it tells the end.

    Moves the reading's cursor and context along, which every piece refers to. Memory is one piece.
    Raises ``BadInput`` when the file cannot be read to its end.
    """
    now = datetime.now(UTC)
    _find_digest(reading)
    stream, form = reading.entry.open(reading.cursor.offset), get_format(reading.format)
    piece, size = _new_piece(reading), 0
    try:
        for item in form.records(_bytes(reading, stream)):
            made = _message(reading, item, form, now) if isinstance(item, Record) else item
            project = reading.context.project
            piece.projects[project.slug] = project
            piece.items.append(made)
            size += made.weight
            if len(piece.items) >= reading.limits.piece_docs or size >= PIECE_BYTES:
                yield piece
                piece, size = _new_piece(reading), 0
    except BadInput:
        yield piece  # what was read before the fault is kept
        raise
    finally:
        stream.close()
    yield piece


def _find_digest(reading: Reading) -> None:
    """Take up the running hash of a cursor that came from another process."""
    cursor = reading.cursor
    if cursor.digest is not None:
        return
    digest = hashes_at(reading.entry, {cursor.offset}).get(cursor.offset)
    if digest is None or digest.hexdigest() != cursor.sums[0]:
        raise Unavailable(f"{reading.entry.name} was changed just now.", hint="The job tries again.")
    cursor.digest = digest


def _new_piece(reading: Reading) -> Piece:
    return Piece([], {}, reading.cursor, reading.context)


def _bytes(reading: Reading, stream: Stream) -> Bytes:
    file_id, cursor, limit = reading.file_id, reading.cursor, reading.limits.max_record
    return Bytes(stream, reading.entry.open, file_id, cursor, limit, reading.facts)


def _message(reading: Reading, record: Record, form: Format, now: datetime) -> Message | Rejected:
    try:
        message = form.message(record, reading.context, reading.import_id, now)
    except BadValueError as error:
        return _rejected(reading.cursor, record, "bad_value", str(error))
    if record.end <= reading.known_until and record.size < ALWAYS_ENCODED_BYTES:
        return message
    try:
        encode(message)
    except ValueError as error:
        return _rejected(reading.cursor, record, "too_large", str(error))
    return message


def _rejected(cursor: Cursor, record: Record, code: str, reason: str) -> Rejected:
    """A record that was read, but cannot be a message."""
    cursor.records -= 1
    cursor.rejected += 1
    start, raw = record.end - record.size, _exact_bytes(cursor, record)
    return Rejected(record.file_id, record.seq, start, record.end, code, reason, HINTS[code], raw)


def _exact_bytes(cursor: Cursor, record: Record) -> bytes:
    """The record's chunk, with what is implied of a plain one: the comma in a document, the carriage return
    of a file whose lines end with one."""
    if record.raw is not None:
        return record.raw
    plain = raw_bytes(record.value)
    return b"," + plain if record.kind else plain + b"\r" * cursor.crlf


def length_of(entry: Entry) -> int:
    """How many bytes the file has: read to its end where it does not say so itself, -1 where that cannot be
    reached."""
    if entry.exact_size:
        return entry.size
    length, stream = 0, entry.open()
    try:
        while block := stream.read(HASH_BLOCK):
            length += len(block)
    except BadInput:
        return -1
    finally:
        stream.close()
    return length


def hashes_at(entry: Entry, sizes: set[int], whole: bytes | None = None) -> dict[int, Any]:
    """The running SHA-256 at each of these sizes that the file has; ``whole`` is all of it where that is at
    hand."""
    found: dict[int, Any] = {}
    digest = hashlib.sha256()
    stream = entry.open() if whole is None else BytesIO(whole)
    try:
        at = 0
        for size in sorted(sizes):
            while at < size and (block := stream.read(min(HASH_BLOCK, size - at))):
                digest.update(block)
                at += len(block)
            if at == size:
                found[size] = digest.copy()
    finally:
        stream.close()
    return found
