"""One JSON document of any size, cut into the objects that it is made of; every byte accounted for. Pure.

A document is a row of chunks: each object with the bytes before it, a comma as a rule. Which objects are
records a *shape* says: ``{"record": ["*", "chat_messages", "*"], "head": ["*"]}`` makes each element of every
``chat_messages`` a record, and each conversation without them another one, its *head*, whose chunk ends where
its messages begin. (With ``"first": True`` the head's value holds the first of them as well.) So a
conversation of any length streams, and nothing is read twice but keys that stand behind the messages. (ijson
does not tell where in the file a value stands: it cannot give the bytes back.)
"""

from collections.abc import Iterator
from dataclasses import dataclass
from re import compile as pattern
from typing import Any
from zlib import crc32

import orjson

from archive.records import MAX_DEPTH, Record, Rejected, seq_of
from imports.readers.base import Bytes
from imports.readers.lines import BOM, CUT_OFF, HINTS, PIECE_BYTES, Piece, parse_line, reads_as_reference
from imports.readers.sources import Stream
from imports.readers.window import NoEnd, Skip, Window

RECORD, HEAD = "record", "head"
ANY = "*"
# Keys that stand behind a conversation's messages and take more are not looked for.
LONGEST_REST = 1024 * 1024
_TOKEN = pattern(rb'[\[\]{},:"]|[^\s\[\]{},:"]+')
_CLOSING = {b"{": b"}", b"[": b"]"}


@dataclass(slots=True)
class Level:
    """An object or array that is open: how it closes, the key that is being read (of an array: "*"), and
    whether the key is complete."""

    closing: bytes
    key: str = ""
    has_key: bool = False


def read_document(given: Bytes) -> Iterator[Record | Rejected]:
    """The records of a document from the cursor on, in file order; ``given.facts["shape"]`` says which.

    As for lines, a record that is cut off by the file's end is yielded but not passed by the cursor. ``seq``
    counts the records. Memory is one record, at most ``max_record`` bytes; a longer one is rejected in
    pieces.
    """
    return _Document(given).records()


class _Document:
    def __init__(self, given: Bytes) -> None:
        self.given = given
        self.cursor = given.cursor
        shape = given.facts["shape"]
        self.record_path: list[str] = list(shape[RECORD])
        self.head_path: list[str] | None = shape.get(HEAD)
        self.tells_first = shape.get("first") is True
        self.window = Window(given.stream, given.max_record)
        saved = self.cursor.state
        self.levels = [Level(each[0].encode(), each[1], each[2]) for each in saved.get("levels", [])]
        self.unfinished = Skip(**saved["skip"]) if saved.get("skip") else None
        # Whether heads have keys behind their records, and where in the window the one begins that is read.
        self.has_late_keys: bool | None = saved.get("late")
        self.head_at: int | None = None

    # ------------------------------------------------------------------ the walk

    def records(self) -> Iterator[Record | Rejected]:
        if self.unfinished is not None:
            yield from self._passed_in_pieces(self.unfinished)
        while (found := self.window.find(_TOKEN)) is not None or self.window.is_over:
            if found is not None:
                token = found.group()
                if self._is_broken(token):
                    yield from self._rest_as_rejected(self._what_is_broken(token))
                    return
                yield from self._taken_in(token)
            if self.window.is_over:
                yield from self._pieces()
                self._end_long_record()
        yield from self._ended()

    def _taken_in(self, token: bytes) -> Iterator[Record | Rejected]:
        if token in _CLOSING:
            yield from self._opened(token)
        elif token in (b"}", b"]"):
            yield from self._closed()
        elif token == b'"':
            yield from self._text()
        elif token in (b",", b":"):
            self.levels[-1].has_key = token == b":"
        else:
            yield from self._scalar()

    def _is_broken(self, token: bytes) -> bool:
        """Whether the token cannot stand here: what closes does not fit what was opened, or something other
        than a document begins."""
        if self.levels:
            return token in (b"}", b"]") and self.levels[-1].closing != token
        return token not in _CLOSING and not (self.cursor.offset == 0 and token == BOM)

    def _what_is_broken(self, token: bytes) -> str:
        shown = token[:20].decode("utf-8", "replace")
        byte = self.cursor.offset + self.window.size - 1
        if self.levels:
            return f"byte {byte:,}: {shown!r} closes nothing that is open"
        return f"byte {byte:,}: {shown!r} stands outside of the document"

    def _path(self) -> list[str]:
        return [level.key for level in self.levels]

    def _opened(self, token: bytes) -> Iterator[Record | Rejected]:
        path = self._path()
        if _fits(path, self.record_path):
            yield from self._record(Skip())
            return
        if not _leads(path, self.record_path):
            yield from self._passed_in_pieces(Skip())  # a value of a head, or what no shape knows
            return
        if self.head_path is not None and _fits(path, self.head_path):
            self.head_at = self.window.size - 1
        self.levels.append(Level(_CLOSING[token], ANY if token == b"[" else ""))
        is_holder = len(self.levels) == len(self.record_path)
        if self.head_at is not None and is_holder and not self.window.is_over:
            yield self._head(token)

    def _closed(self) -> Iterator[Record | Rejected]:
        self.levels.pop()
        if self.head_at is not None and len(self.levels) == len(self.head_path or ()):
            # It should hold records, and has no place for them.
            yield self._head_record(self.window.seen(self.head_at), {})

    def _text(self) -> Iterator[Record | Rejected]:
        """A key, or a value that is a text."""
        start, level = self.window.size - 1, self.levels[-1]
        skip = Skip(depth=0, in_text=True)
        if level.closing == b"}" and not level.has_key:
            yield from self._passed_in_pieces(skip)
            level.key = _key_of(self.window.seen(start))
        elif _fits(self._path(), self.record_path):
            yield from self._record(skip)
        else:
            yield from self._passed_in_pieces(skip)

    def _scalar(self) -> Iterator[Record | Rejected]:
        start = self.window.size - 1
        self.window.pass_scalar()
        if self.levels and _fits(self._path(), self.record_path):
            yield self._taken(self.window.take(), start)

    # ------------------------------------------------------------------ records

    def _record(self, skip: Skip) -> Iterator[Record | Rejected]:
        """The value that has just been opened, whole."""
        start = self.window.size - 1
        try:
            self.window.skip(skip)
        except NoEnd:
            return  # the walk ends as well, and says so
        if skip.is_done and not self.window.is_over:
            yield self._taken(self.window.take(), start, skip.deepest)
        else:
            yield from self._pieces(skip)
            yield from self._passed_in_pieces(skip)

    def _head(self, opening: bytes) -> Record | Rejected:
        """The object that holds the records, without them: ends where the first of them begins."""
        late = self._late_keys(opening)
        depth = len(self.head_path or ())
        closing = b"".join(level.closing for level in reversed(self.levels[depth:]))
        return self._head_record(self.window.seen(self.head_at or 0) + closing, late)

    def _head_record(self, text: bytes, late: dict[str, Any]) -> Record | Rejected:
        piece = _parsed(text)
        self.head_at = None
        chunk = self.window.take()
        if piece.code:
            return self._rejected(piece.code, piece.reason, chunk)
        holder = self.record_path[len(self.head_path or ())]
        value = {key: each for key, each in piece.value.items() if key != holder} | late
        if self.tells_first:
            value[holder] = self._first_record()
        return self._made(chunk, value, HEAD, lead=len(chunk))

    def _first_record(self) -> list[Any]:
        """The record that begins where the chunk has ended, where it is an object of a bearable length."""
        found = self.window.peek(LONGEST_REST)
        pieces = [_parsed(found)] if found else []
        return [piece.value for piece in pieces if not piece.code]

    def _late_keys(self, opening: bytes) -> dict[str, Any]:
        """The keys that stand behind the records. Whether there are any, the first object tells."""
        if self.has_late_keys is False:
            return {}
        rest = self.window.look_ahead(LONGEST_REST)
        if rest is None:
            rest = self._far_ahead()
        piece = _parsed(b'{"":' + opening + rest)
        late = {} if piece.code else {key: each for key, each in piece.value.items() if key}
        self.has_late_keys = bool(late)
        return late

    def _far_ahead(self) -> bytes:
        """The same for a conversation that is longer than the window, by reading it once more."""
        stream = self.given.reopen(self.cursor.offset + self.window.size)
        try:
            return rest_of_object(stream, LONGEST_REST)
        finally:
            stream.close()

    def _taken(self, chunk: bytes, lead: int, depth: int = 0) -> Record | Rejected:
        """A chunk whose value begins at ``lead``, as a record."""
        if depth > self.given.max_depth:
            return self._rejected("too_deep", f"nested deeper than {MAX_DEPTH} levels", chunk)
        body = chunk[lead:]
        piece = _plain(body) or _parsed(body, self.given.max_depth)
        if piece.code:
            return self._rejected(piece.code, piece.reason, chunk)
        is_compact = piece.is_plain and orjson.dumps(piece.value) == body
        return self._made(
            chunk, piece.value, RECORD, lead=-1 if is_compact and chunk[:lead] == b"," else lead
        )

    def _made(self, chunk: bytes, value: dict[str, Any], kind: str, lead: int) -> Record:
        """``lead`` -1: the chunk is a comma and the compact form of ``value``."""
        number = self._consume(chunk)
        self.cursor.records += 1
        raw, crc = (None, crc32(chunk[1:])) if lead < 0 else (chunk, crc32(chunk[lead:]))
        seq, end = seq_of(number, 0), self.cursor.offset
        return Record(self.given.file_id, seq, end, len(chunk), value, raw, crc, kind, max(lead, 0))

    def _rejected(self, code: str, reason: str, chunk: bytes) -> Rejected:
        start, number = self.cursor.offset, self._consume(chunk)
        self.cursor.rejected += 1
        end = self.cursor.offset
        return Rejected(self.given.file_id, seq_of(number, 0), start, end, code, reason, HINTS[code], chunk)

    def _consume(self, chunk: bytes) -> int:
        """Move the cursor behind a record; returns the record's number."""
        number = self.cursor.line
        self.cursor.consume(chunk, number + 1, 0)
        self._save()
        return number

    def _save(self, skip: Skip | None = None) -> None:
        levels = [[level.closing.decode(), level.key, level.has_key] for level in self.levels]
        self.cursor.state = {
            "levels": levels,
            "late": self.has_late_keys,
            **({"skip": skip.as_dict()} if skip else {}),
        }

    # ------------------------------------------------------------------ what is too long, or cut off

    def _passed_in_pieces(self, skip: Skip) -> Iterator[Rejected]:
        """Pass the rest of a value. It stays in the window, or is given up in pieces where it is too long."""
        while not skip.is_done:
            try:
                self.window.skip(skip)
            except NoEnd:
                break
            if not skip.is_done:
                yield from self._pieces(skip)
        if self.cursor.part:
            yield from self._pieces()
            self._end_long_record()

    def _pieces(
        self, skip: Skip | None = None, code: str = "too_large", reason: str = ""
    ) -> Iterator[Rejected]:
        """All that was looked at, rejected; more of the same record may follow."""
        self.head_at = None
        held, cursor = self.window.take(), self.cursor
        told = reason or f"the record is longer than {self.given.max_record:,} bytes"
        for at in range(0, len(held), PIECE_BYTES):
            body, part, start = held[at : at + PIECE_BYTES], cursor.part, cursor.offset
            cursor.rejected += part == 0
            cursor.consume(body, cursor.line, 0, part + 1)
            self._save(skip)
            seq, end = seq_of(cursor.line, 0), cursor.offset
            yield Rejected(self.given.file_id, seq, start, end, code, told, HINTS[code], body, part)

    def _end_long_record(self) -> None:
        cursor = self.cursor
        cursor.part, cursor.line = 0, cursor.line + 1
        self._save()

    def _rest_as_rejected(self, reason: str) -> Iterator[Rejected]:
        """What stands from here to the file's end is no part of the document."""
        self.window.to_end()
        while self.window.size:
            yield from self._pieces(None, "not_json", reason)
            self.window.to_end()
        self._end_long_record()

    def _ended(self) -> Iterator[Rejected]:
        """What the file's end holds: what closes the document, or a record that is cut off."""
        cursor = self.cursor
        cursor.rest = self.window.rest()
        # A document that is one record has no levels around it.
        cursor.is_cut = bool(self.levels or (not self.record_path and cursor.rest.strip()))
        if cursor.is_cut:
            cursor.rejected += 1
            start, hint = cursor.offset, HINTS["truncated"]
            end, seq = start + len(cursor.rest), seq_of(cursor.line, 0)
            yield Rejected(self.given.file_id, seq, start, end, "truncated", CUT_OFF, hint, cursor.rest)


def rest_of_object(stream: Stream, longest: int) -> bytes:
    """From within an array or object of any length: what closes it and follows it in the object around it;
    empty where the file ends before that, or it is longer than ``longest``. Memory is a few blocks."""
    window = Window(stream, longest)
    inner, outer = Skip(), Skip()
    try:
        while not inner.is_done:
            window.take()
            window.skip(inner)
        closing = window.seen()[-1:]
        window.take()
        window.skip(outer)
    except NoEnd:
        return b""
    return closing + window.take() if outer.is_done else b""


def _fits(path: list[str], wanted: list[str]) -> bool:
    return len(path) == len(wanted) and _leads(path, wanted)


def _leads(path: list[str], wanted: list[str]) -> bool:
    """Whether ``wanted`` begins with this path."""
    return len(path) <= len(wanted) and all(w in (ANY, p) for p, w in zip(path, wanted, strict=False))


def _key_of(text: bytes) -> str:
    try:
        return str(orjson.loads(text))
    except orjson.JSONDecodeError:
        return ""


def _plain(element: bytes) -> Piece | None:
    """The common case: an object that any decoder reads alike."""
    try:
        value = orjson.loads(element)
        if type(value) is not dict or orjson.dumps(value) != element or reads_as_reference(element):
            return None
    except (orjson.JSONDecodeError, orjson.JSONEncodeError):
        return None
    return Piece(element, value, is_plain=True)


def _parsed(body: bytes, max_depth: int = MAX_DEPTH) -> Piece:
    """A value by the slow decoder, which keeps what is unusual; or what is wrong with it."""
    return next(parse_line(body, 0, max_depth, at_start=False, is_last=False))
