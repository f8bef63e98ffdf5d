"""JSON Lines as transcripts really hold them: bytes in, records out, every byte accounted for.

Good lines are records; whatever cannot be read becomes a rejected record with its bytes. Blank lines
belong to the record after them, several objects on one line are several records. Pure; memory is one
line (at most ``max_record`` bytes) whatever the length of the file.
"""

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from zlib import crc32

import orjson

from archive.records import (
    MAX_DEPTH,
    PLACES_PER_LINE,
    FileId,
    Record,
    Rejected,
    is_too_deep,
    raw_bytes,
    seq_of,
)
from imports.readers.sources import Stream

PIECE_BYTES = 4 * 1024 * 1024
# Blank space and the longest record after it must fit into one document.
MAX_BLANK_BYTES = 256 * 1024
BOM = b"\xef\xbb\xbf"
NEWLINE = 10
LONGEST_CUT_TOKEN = 5
# What an encoder of BSON may refuse, so that bytes are kept: with their own line end, if it is a longer one.
NOT_FOR_BSON = re.compile(rb"\\u0000|\d{19}")
CUT_OFF = "the file ends before the record does"

HINTS = {
    "not_json": "Open the file at this line; the record is kept and comes back in an export.",
    "truncated": "The file ends in the middle of a record: import it again once it is whole.",
    "comment": "Comment lines are kept in their place, but hold no message.",
    "not_an_object": "A transcript's line is a JSON object; this one is another kind of value.",
    "invalid_utf8": "Save the file as UTF-8, or leave it: its bytes are kept as they are.",
    "too_deep": f"Records nested deeper than {MAX_DEPTH} levels are kept as bytes only.",
    "too_large": "A message holds at most 16 MiB; the record's bytes are kept.",
    "too_many": f"At most {PLACES_PER_LINE - 1} records can stand on one line.",
    "bad_value": "Correct the value, or choose another column, or another format of the time.",
    "wrong_columns": "Open the file at this line: a delimiter is missing, or a text with one is not quoted.",
    "bad_quotes": "A text with quotes stands in quotes, and a quote in it is written twice.",
    "row_grew": "Save the file under another name and import it again: then the row is read whole.",
    "not_a_message": "Make the export again, or choose its json or jsonl form; the record is kept.",
    "blank": "More blank space than a record can carry; it is kept as it is.",
}


@dataclass(slots=True)
class Cursor:
    """How far a file has been read: the byte, line and place after the last chunk, and what was met so far.

    ``part`` > 0 stands in the middle of a line too long to hold. ``digest`` is the running SHA-256 of all
    bytes before ``offset``; ``rest`` is what the file's end holds after it, blank space or (``is_cut``) a
    record that is cut off. A running hash stays in its process: a cursor that was sent to another one has
    the two sums of the moment it was sent, and cannot go on. ``state`` is what else a framing has to know to
    go on from here, in plain values.
    """

    offset: int = 0
    line: int = 1
    place: int = 0
    part: int = 0
    crlf: bool = False
    records: int = 0
    rejected: int = 0
    rest: bytes = b""
    is_cut: bool = False
    digest: Any = field(default_factory=hashlib.sha256)
    sums: tuple[str, str] = ("", "")
    state: dict[str, Any] = field(default_factory=dict)

    def hashes(self) -> tuple[str, str]:
        """SHA-256 of the bytes before ``offset``, and of those and the rest."""
        if self.digest is None:
            return self.sums
        whole = self.digest.copy()
        whole.update(self.rest)
        return self.digest.hexdigest(), whole.hexdigest()

    def __getstate__(self) -> dict[str, Any]:
        others = {name: getattr(self, name) for name in ("rest", "is_cut", "state")}
        return {**self.as_dict(), **others, "digest": None, "sums": self.hashes()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        for name, value in state.items():
            setattr(self, name, value)

    def consume(self, chunk: bytes, line: int, place: int, part: int = 0) -> None:
        self.offset += len(chunk)
        self.digest.update(chunk)
        self.line, self.place, self.part = line, place, part

    def as_dict(self) -> dict[str, Any]:
        """What is needed to go on from here, for a checkpoint."""
        names = ("offset", "line", "place", "part", "crlf", "records", "rejected")
        told = {name: getattr(self, name) for name in names}
        return {**told, "state": self.state} if self.state else told


def read_records(
    stream: Stream, file_id: FileId, cursor: Cursor, max_record: int, max_depth: int = MAX_DEPTH
) -> Iterator[Record | Rejected]:
    """The records of ``stream``, which stands at ``cursor.offset``, in file order.

    ``cursor`` is moved behind each record before it is yielded. A last line that is cut off is yielded as
    rejected, but not passed by the cursor, so that a grown file is read from there.
    """
    return _LineReader(stream, file_id, cursor, max_record, max_depth).records()


class _LineReader:
    def __init__(
        self, stream: Stream, file_id: FileId, cursor: Cursor, max_record: int, max_depth: int
    ) -> None:
        self.stream = stream
        self.file_id = file_id
        self.cursor = cursor
        self.max_record = max_record
        self.max_depth = max_depth
        self.crc = 0

    def records(self) -> Iterator[Record | Rejected]:
        yield from self._rest_of_long_line()
        cursor, file_id = self.cursor, self.file_id
        readline, limit = self.stream.readline, self.max_record + 2
        blank, number = bytearray(), cursor.line
        while line := readline(limit):
            if len(line) > self.max_record and line[-1] != NEWLINE:
                yield from self._long_line(bytes(blank) + line, number)
                blank, number = bytearray(), cursor.line
                continue
            if cursor.offset == 0 and not blank:
                cursor.crlf = line.endswith(b"\r\n")
            if line.isspace() and self._is_passed(line, blank):
                number += 1
                continue
            value = None if blank or cursor.place else self._plain_value(line)
            if value is not None:
                cursor.consume(line, number + (line[-1] == NEWLINE), int(line[-1] != NEWLINE))
                cursor.records += 1
                yield Record(file_id, seq_of(number, 0), cursor.offset, len(line), value, None, self.crc)
            else:
                yield from self._odd_line(bytes(blank), line, number)
                blank.clear()
            number += 1
        cursor.rest = cursor.rest or bytes(blank)

    def _is_passed(self, line: bytes, blank: bytearray) -> bool:
        """Whether a blank line is no record: the end of the line that the last one stands on, or space that
        ``blank`` carries on to the next one."""
        cursor = self.cursor
        if cursor.place:
            if line == b"\n":
                cursor.consume(line, cursor.line + 1, 0)
            return line == b"\n"
        if len(blank) + len(line) > MAX_BLANK_BYTES:
            return False
        blank += line
        return True

    def _plain_value(self, line: bytes) -> dict[str, Any] | None:
        """The object on a line that is nothing but its own compact encoding; None for every other line."""
        end = b"\r\n" if self.cursor.crlf else b"\n"
        body = line.removesuffix(end)
        if self.cursor.crlf and (len(body) == len(line) or NOT_FOR_BSON.search(body)):
            return None
        try:
            value = orjson.loads(body)
            if type(value) is not dict or orjson.dumps(value) != body or reads_as_reference(body):
                return None
        except (orjson.JSONDecodeError, orjson.JSONEncodeError):
            return None  # the decoder takes deeper nesting than the encoder
        if body.count(b"{") + body.count(b"[") > self.max_depth and is_too_deep(value, self.max_depth):
            return None
        self.crc = crc32(body)
        return value

    def _odd_line(self, blank: bytes, line: bytes, number: int) -> Iterator[Record | Rejected]:
        """The records of a line that takes a closer look."""
        cursor = self.cursor
        body = line.removesuffix(b"\n")
        ended = len(body) < len(line)
        first = cursor.place
        at_start = cursor.offset == 0
        found = list(parse_line(body, first, self.max_depth, at_start=at_start, is_last=not ended))
        for index, piece in enumerate(found):
            is_end = index == len(found) - 1
            raw = (blank if index == 0 else b"") + piece.chunk
            consumed = raw + (b"\n" if is_end and ended else b"")
            place = min(first + index, PLACES_PER_LINE - 1)
            # The end that is implied after a plain record is the file's own; here it may be another.
            piece.is_plain &= not (cursor.crlf and is_end)
            if piece.code == "truncated":
                cursor.rest, cursor.is_cut = raw, True
                yield self._rejected(piece.code, piece.reason, raw, seq_of(number, place))
                return
            start = cursor.offset
            cursor.consume(consumed, number + (is_end and ended), 0 if is_end and ended else place + 1)
            yield self._made(piece, raw, seq_of(number, place), start)

    def _made(self, piece: "Piece", raw: bytes, seq: int, start: int) -> Record | Rejected:
        cursor = self.cursor
        if piece.code:
            cursor.rejected += 1
            hint = HINTS[piece.code]
            return Rejected(self.file_id, seq, start, cursor.offset, piece.code, piece.reason, hint, raw)
        cursor.records += 1
        plain = raw_bytes(piece.value) if piece.is_plain else None
        kept = None if plain == raw else raw
        return Record(self.file_id, seq, cursor.offset, len(raw), piece.value, kept, crc32(raw))

    def _rejected(self, code: str, reason: str, raw: bytes, seq: int, part: int = 0) -> Rejected:
        """A rejected chunk that stands at, and is not passed by, the cursor."""
        if part == 0:
            self.cursor.rejected += 1
        start = self.cursor.offset
        return Rejected(self.file_id, seq, start, start + len(raw), code, reason, HINTS[code], raw, part)

    def _long_line(self, held: bytes, number: int) -> Iterator[Rejected]:
        """A line longer than a message may be: kept in pieces, one after the other, never held whole.
        ``held`` is what was read of it so far."""
        self.cursor.line = number
        for at in range(0, len(held), PIECE_BYTES):
            yield self._long_piece(held[at : at + PIECE_BYTES])
        yield from self._rest_of_long_line()

    def _rest_of_long_line(self) -> Iterator[Rejected]:
        while self.cursor.part and (piece := self.stream.readline(PIECE_BYTES)):
            body = piece.removesuffix(b"\n")
            if body:
                yield self._long_piece(body)
            if len(body) < len(piece):
                self.cursor.consume(b"\n", self.cursor.line + 1, 0)
        if self.cursor.part:
            # The file ends with this line.
            self.cursor.part, self.cursor.place = 0, min(self.cursor.place + 1, PLACES_PER_LINE - 1)

    def _long_piece(self, body: bytes) -> Rejected:
        cursor = self.cursor
        reason = f"the line is longer than {self.max_record:,} bytes"
        piece = self._rejected("too_large", reason, body, seq_of(cursor.line, cursor.place), cursor.part)
        cursor.consume(body, cursor.line, cursor.place, cursor.part + 1)
        return piece


@dataclass(slots=True)
class Piece:
    """A part of a line: an object, or what is wrong with it."""

    chunk: bytes
    value: Any = None
    code: str = ""
    reason: str = ""
    is_plain: bool = False


class _RefusedConstantError(ValueError):
    """NaN or Infinity, which JSON does not know."""


def _refuse_constant(name: str) -> Any:
    raise _RefusedConstantError(f"{name} is not JSON")


_DECODER = json.JSONDecoder(parse_constant=_refuse_constant)


def reads_as_reference(body: bytes) -> bool:
    """Whether MongoDB drivers would read a part of it as a reference to another document."""
    return b"$" in body and b'"$ref"' in body and b'"$id"' in body


def parse_line(
    body: bytes, place: int, max_depth: int = MAX_DEPTH, *, at_start: bool, is_last: bool
) -> Iterator[Piece]:
    """Split a line, or what stands on it from ``place`` on, into its objects and its unreadable rest, which
    together are the whole of it."""
    skip = len(BOM) if at_start and body.startswith(BOM) else 0
    try:
        text = body[skip:].decode()
    except UnicodeDecodeError as error:
        if is_last and error.reason == "unexpected end of data" and body[skip:].lstrip()[:1] == b"{":
            yield Piece(body, code="truncated", reason=CUT_OFF)
            return
        yield Piece(
            body, code="invalid_utf8", reason=f"byte {skip + error.start + 1} of the line is not UTF-8"
        )
        return
    if place == 0 and text.lstrip().startswith("//"):
        yield Piece(body, code="comment", reason="a comment, not a record")
        return
    for piece in _parse_text(body, text, skip, place, is_last=is_last):
        yield piece if piece.code else _judged(piece, max_depth)


def _parse_text(body: bytes, text: str, done: int, place: int, *, is_last: bool) -> Iterator[Piece]:
    """The pieces of ``text``, before which ``done`` bytes of ``body`` stand; none leaves a gap."""
    at, begin, counted = _after_space(text, 0), 0, 0
    if at == len(text):
        yield Piece(body, code="blank", reason="nothing but blank space")
    while at < len(text):
        if place == PLACES_PER_LINE - 1:
            yield Piece(body[begin:], code="too_many", reason=f"more than {place:,} records on one line")
            return
        try:
            value, end = _DECODER.raw_decode(text, at)
        except (ValueError, RecursionError) as error:
            yield _unreadable(body[begin:], error, is_last=is_last and text[at] == "{")
            return
        done, counted = done + len(text[counted:end].encode()), end
        at, place = _after_space(text, end), place + 1
        stop = len(body) if at == len(text) else done
        yield Piece(body[begin:stop], value)
        begin = stop


_SPACE = re.compile(r"\s*")


def _after_space(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return found.end() if found else at


def _unreadable(chunk: bytes, error: Exception, *, is_last: bool) -> Piece:
    """What is wrong with a chunk; ``is_last``: it is an object that the file's end may have cut off."""
    if isinstance(error, RecursionError):
        return Piece(chunk, code="too_deep", reason=f"nested deeper than {MAX_DEPTH} levels")
    if not isinstance(error, json.JSONDecodeError):
        return Piece(chunk, code="not_json", reason=str(error))
    if is_last and _is_cut_off(error):
        return Piece(chunk, code="truncated", reason=CUT_OFF)
    return Piece(chunk, code="not_json", reason=f"{error.msg} at character {error.pos + 1}")


def _is_cut_off(error: json.JSONDecodeError) -> bool:
    """Whether reading failed at the very end of the text (a cut word, number or escape begins some characters
    before it), or in a string that has no end."""
    end = len(error.doc.rstrip())
    return error.msg.startswith("Unterminated string") or error.pos >= end - LONGEST_CUT_TOKEN


def _judged(piece: Piece, max_depth: int) -> Piece:
    chunk, value = piece.chunk, piece.value
    if not isinstance(value, dict):
        return Piece(chunk, code="not_an_object", reason=f"a JSON {_kind(value)}, not an object")
    if is_too_deep(value, max_depth):
        return Piece(chunk, code="too_deep", reason=f"nested deeper than {MAX_DEPTH} levels")
    return Piece(chunk, value, is_plain=_is_exact(value) and not reads_as_reference(chunk))


def _is_exact(value: dict[str, Any]) -> bool:
    """Whether the compact encoder can write it at all (it refuses lone surrogates and huge integers)."""
    try:
        orjson.dumps(value)
    except TypeError:
        return False
    return True


def _kind(value: Any) -> str:
    names = {list: "array", str: "string", bool: "boolean", type(None): "null"}
    return names.get(type(value), "number")
