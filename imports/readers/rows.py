"""Tables as text (CSV, TSV, semicolons): bytes in, one record a row, every byte accounted for. Pure.

Quoting is that of RFC 4180. The first row names the columns; a record is an object of them, all values texts.
A chunk is a row's exact bytes with its line end; the header and blank lines belong to the row after them.
Whatever is no row becomes a rejected record with its bytes, and reading goes on at the next line.
"""

import csv
import io
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from zlib import crc32

from archive.records import Record, Rejected, seq_of
from imports.readers.base import Bytes
from imports.readers.lines import BOM, CUT_OFF, HINTS, MAX_BLANK_BYTES, NEWLINE, PIECE_BYTES

# The module's own limit on a field is 131,072 characters, and one for the whole process. Here a record's
# length is the limit.
csv.field_size_limit(64 * 1024 * 1024)

DELIMITERS = (",", "\t", ";", "|")
QUOTE = b'"'
SAMPLE_ROWS = 100
MOST_COLUMNS = 1000
LONGEST_HEADER = MAX_BLANK_BYTES // 4
BEHIND_QUOTE = "text stands behind a closing quote"


@dataclass(frozen=True, slots=True)
class Table:
    """What a table's beginning tells: how its fields are separated, its columns' names (each one once), and
    its first rows."""

    delimiter: str
    columns: list[str]
    rows: list[list[str]] = field(default_factory=list)

    @property
    def facts(self) -> dict[str, Any]:
        """What ``read_rows`` has to know of the file."""
        return {"delimiter": self.delimiter, "columns": self.columns}


def table_of(data: bytes, *, is_whole: bool) -> Table | None:
    """The table that a file's first bytes are the beginning of; None where no row in them could be a header,
    or they are JSON or binary.

    The delimiter is the one by which most rows have as many fields as the header, and the most fields. A
    table of one column has a comma.
    """
    if not is_whole:
        data = data[: data.rfind(b"\n") + 1]
    text = data.removeprefix(BOM).decode("utf-8", "replace").lstrip(" \r\n")
    if text.lstrip()[:1] in ("", "{", "[") or "\0" in text:
        return None
    readings = [(delimiter, _first_rows(text, delimiter)) for delimiter in DELIMITERS]
    delimiter, (header, *rows) = max(readings, key=lambda each: _fitness(each[1]))
    if not _names_columns(header):
        return None
    fitting = [row for row in rows if len(row) == len(header)]
    return Table(delimiter, column_names(header), fitting)


def _names_columns(header: list[str]) -> bool:
    text = "".join(header)
    is_short = len(header) <= MOST_COLUMNS and len(text.encode()) <= LONGEST_HEADER
    return bool(text.strip()) and "\ufffd" not in text and is_short


def _first_rows(text: str, delimiter: str) -> list[list[str]]:
    """The rows up to the first that cannot be read; at least an empty one."""
    rows: list[list[str]] = []
    try:
        for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True):
            rows += [row] if row else []
            if len(rows) > SAMPLE_ROWS:
                break
    except csv.Error:
        pass  # a row that is cut off by the sample's end, or one for the rejected records
    return rows or [[]]


def _fitness(rows: list[list[str]]) -> tuple[bool, float, int]:
    width = len(rows[0])
    fitting = sum(len(row) == width for row in rows)
    return width > 1, fitting / len(rows), width


def column_names(header: list[str]) -> list[str]:
    """The columns' names, each of them once.

    >>> column_names(["when", "text", "", "text "])
    ['when', 'text', 'column 3', 'text (2)']
    """
    names: list[str] = []
    for number, given in enumerate(header, 1):
        name = first = given.strip() or f"column {number}"
        repeated = 1
        while name in names:
            repeated += 1
            name = f"{first} ({repeated})"
        names.append(name)
    return names


def read_rows(given: Bytes) -> Iterator[Record | Rejected]:
    """The rows of a table from the cursor on, in file order; ``given.facts`` are those of its ``Table``.

    ``seq`` counts the rows after the header, ``cursor.state`` holds the line. A last row without a line end
    is a row like others if it has all of its fields; otherwise it is cut off: yielded, but not passed by the
    cursor. Memory is one row, at most ``max_record`` bytes and a line; a longer line is rejected in pieces.
    """
    return _RowReader(given).records()


@dataclass(slots=True)
class _Scan:
    """A row as the parser found it: the lines it looked at, the fields (None: it is none, ``fault`` says
    why), and whether the fields' quotes were still open when there were no more lines."""

    lines: list[bytes]
    fields: list[str] | None = None
    fault: str = ""
    is_open: bool = False
    undecodable: UnicodeDecodeError | None = None


class _RowReader:
    def __init__(self, given: Bytes) -> None:
        self.given = given
        self.cursor = given.cursor
        self.columns: list[str] = given.facts["columns"]
        self.delimiter: str = given.facts["delimiter"]
        self.blank = b" \r\n" if self.delimiter == "\t" else b" \t\r\n"
        self.limit = given.max_record + len(b"\r\n")
        # Lines that were looked at, and belong to no row yet.
        self.pending: deque[bytes] = deque()
        self.line: int = self.cursor.state.get("line", 1)
        # Rows that begin before this byte end with their line: no quote was closed from there on.
        self.until: int = self.cursor.state.get("until", 0)

    def records(self) -> Iterator[Record | Rejected]:
        yield from self._rest_of_long_line()
        cursor, width, delimiter = self.cursor, len(self.columns), self.delimiter
        lead = self._header() if cursor.offset == 0 else b""
        while line := self._next():
            if len(line) > self.given.max_record and line[-1] != NEWLINE:
                yield from self._long_line(lead + line)
                lead = b""
            elif not line.strip(self.blank):
                lead += line
                if len(lead) > MAX_BLANK_BYTES:
                    yield self._rejected("blank", "more blank space than a record can carry", b"", lead)
                    lead = b""
            elif (fields := self._plain_fields(line, delimiter)) is not None and len(fields) == width:
                yield self._record(lead, line, fields)
                lead = b""
            else:
                yield self._odd_row(lead, line)
                lead = b""
                if cursor.is_cut:
                    return
        cursor.rest = lead

    def _next(self) -> bytes:
        """The next line; of one that is too long a part."""
        return self.pending.popleft() if self.pending else self.given.stream.readline(self.limit)

    def _header(self) -> bytes:
        """The header's bytes, with what stands before it."""
        passed = b""
        while (line := self._next()) and not line.removeprefix(BOM).strip(self.blank):
            passed += line
        return passed + b"".join(self._scan(line).lines) if line else passed

    def _plain_fields(self, line: bytes, delimiter: str) -> list[str] | None:
        """The fields of a line that is a row; None where it takes a closer look."""
        quotes = line.count(QUOTE)
        if quotes % 2 or line[-1] != NEWLINE or self.cursor.place:
            return None
        try:
            if quotes:
                return next(csv.reader((line.decode(),), delimiter=delimiter, strict=True))
            return line[:-1].removesuffix(b"\r").decode().split(delimiter)
        except (UnicodeDecodeError, csv.Error):
            return None

    # ------------------------------------------------------------------ rows that take a closer look

    def _odd_row(self, lead: bytes, line: bytes) -> Record | Rejected:
        if self.cursor.place and not lead.endswith(b"\n"):
            return self._rejected(
                "row_grew", "an earlier import took in the beginning of this row", lead, line
            )
        scan = self._scan(line, self.cursor.offset + len(lead))
        if scan.fields is None:
            return self._unreadable(scan, lead)
        body = b"".join(scan.lines)
        if body[-1] != NEWLINE and self._ends_too_early(scan.fields, scan.undecodable):
            return self._cut_off(lead + body)
        if scan.undecodable is not None:
            return self._rejected("invalid_utf8", "it is not UTF-8", lead, body)
        if len(scan.fields) != len(self.columns):
            reason = f"it has {len(scan.fields):,} fields, the header {len(self.columns):,}"
            return self._rejected("wrong_columns", reason, lead, body)
        return self._record(lead, body, scan.fields)

    def _ends_too_early(self, fields: list[str], undecodable: UnicodeDecodeError | None) -> bool:
        """Whether a last row without a line end is the beginning of one."""
        if undecodable is not None:
            return undecodable.reason == "unexpected end of data"
        return len(fields) < len(self.columns)

    def _scan(self, line: bytes, start: int = 0) -> _Scan:
        """The row that begins with this line at byte ``start``, and all lines that belong to it."""
        scan = _Scan([line])
        try:
            texts = self._texts(scan, is_alone=start < self.until)
            scan.fields = next(csv.reader(texts, delimiter=self.delimiter, strict=True))
        except csv.Error as error:
            is_newline = str(error).startswith("new-line")
            scan.fault = "a carriage return stands outside of quotes" if is_newline else BEHIND_QUOTE
        return scan

    def _texts(self, scan: _Scan, *, is_alone: bool) -> Iterator[str]:
        """Line after line as the parser asks for them."""
        yield self._text(scan.lines[0], scan)
        size = len(scan.lines[0])
        while not is_alone and (line := self._next()):
            scan.lines.append(line)
            size += len(line)
            if size > self.given.max_record:
                break
            yield self._text(line, scan)
        scan.is_open = True

    def _text(self, line: bytes, scan: _Scan) -> str:
        bare = line.removeprefix(BOM) if self.cursor.offset == 0 and line is scan.lines[0] else line
        try:
            return bare.decode()
        except UnicodeDecodeError as error:
            scan.undecodable = error
            return bare.decode("utf-8", "surrogateescape")

    def _unreadable(self, scan: _Scan, lead: bytes) -> Rejected:
        """A row whose quotes do not fit: its first line is rejected, and the others are looked at again; a
        quote that is open at the file's end is cut off, unless rows stand behind it."""
        first, *others = scan.lines
        start = self.cursor.offset + len(lead)
        if scan.is_open and start >= self.until and self._may_be_cut_off(scan):
            return self._cut_off(lead + b"".join(scan.lines))
        if others:
            # Each line is scanned twice at most, whatever quotes a file holds.
            self.until = start + sum(len(each) for each in scan.lines[:-1])
            self.pending.extendleft(reversed(others))
        reason = "a quote is opened and not closed" if scan.is_open else scan.fault
        return self._rejected("bad_quotes", reason, lead, first)

    def _may_be_cut_off(self, scan: _Scan) -> bool:
        """Whether the file ends here, and none of the lines behind the open quote is a row by itself."""
        if sum(len(each) for each in scan.lines) > self.given.max_record or self._is_more():
            return False
        return not any(self._is_row(each) for each in scan.lines[1:])

    def _is_more(self) -> bool:
        if not self.pending and (line := self._next()):
            self.pending.append(line)
        return bool(self.pending)

    def _is_row(self, line: bytes) -> bool:
        return QUOTE not in line and line.count(self.delimiter.encode()) == len(self.columns) - 1

    # ------------------------------------------------------------------ what is given out

    def _record(self, lead: bytes, body: bytes, fields: list[str]) -> Record:
        cursor, chunk = self.cursor, lead + body if lead else body
        number = cursor.line
        self._pass(chunk)
        cursor.records += 1
        value = dict(zip(self.columns, fields, strict=True))
        size, seq = len(chunk), seq_of(number, 0)
        return Record(
            self.given.file_id, seq, cursor.offset, size, value, chunk, crc32(body), "", size - len(body)
        )

    def _rejected(self, code: str, reason: str, lead: bytes, body: bytes) -> Rejected:
        chunk, cursor = lead + body, self.cursor
        start, number, line = cursor.offset, cursor.line, self.line + lead.count(b"\n")
        where = f"row {number:,} (line {line:,}, byte {start + len(lead):,})"
        self._pass(chunk)
        cursor.rejected += 1
        return self._made_rejected(number, start, code, f"{where}: {reason}", chunk)

    def _made_rejected(
        self, number: int, start: int, code: str, reason: str, raw: bytes, part: int = 0
    ) -> Rejected:
        end = start + len(raw)
        return Rejected(
            self.given.file_id, seq_of(number, 0), start, end, code, reason, HINTS[code], raw, part
        )

    def _pass(self, chunk: bytes) -> None:
        self.line += chunk.count(b"\n")
        self.cursor.consume(chunk, self.cursor.line + 1, int(chunk[-1] != NEWLINE))
        self._save()

    def _save(self) -> None:
        state = {"line": self.line}
        if self.until > self.cursor.offset:
            state["until"] = self.until
        self.cursor.state = state

    def _cut_off(self, raw: bytes) -> Rejected:
        """What stands at, and is not passed by, the cursor."""
        cursor = self.cursor
        cursor.rest, cursor.is_cut = raw, True
        cursor.rejected += 1
        return self._made_rejected(cursor.line, cursor.offset, "truncated", CUT_OFF, raw)

    # ------------------------------------------------------------------ lines that are too long

    def _long_line(self, held: bytes) -> Iterator[Rejected]:
        """A line longer than a record may be: kept in pieces, never held whole. ``held`` is its beginning."""
        for at in range(0, len(held), PIECE_BYTES):
            yield self._long_piece(held[at : at + PIECE_BYTES])
        yield from self._rest_of_long_line()

    def _rest_of_long_line(self) -> Iterator[Rejected]:
        cursor = self.cursor
        while cursor.part and (piece := self._next()):
            yield self._long_piece(piece)
        if cursor.part:
            # The file ends with this line.
            cursor.line, cursor.place, cursor.part = cursor.line + 1, 1, 0

    def _long_piece(self, body: bytes) -> Rejected:
        cursor = self.cursor
        number, part, start = cursor.line, cursor.part, cursor.offset
        is_end = body[-1] == NEWLINE
        self.line += body.count(b"\n")
        cursor.consume(body, number + is_end, 0, 0 if is_end else part + 1)
        cursor.rejected += part == 0
        self._save()
        reason = f"row {number:,}: it is longer than {self.given.max_record:,} bytes"
        return self._made_rejected(number, start, "too_large", reason, body, part)
