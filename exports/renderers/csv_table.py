r"""`csv`: messages, conversations or API responses as a table for spreadsheets and data frames.

RFC 4180: commas, ``\r\n``, quotes where a cell needs them, byte for byte as Python's ``csv`` writes it; UTF-8
without a byte order mark, which most programs would take for a part of the first column's name.

A cell of text that a spreadsheet would take for a formula gets a ``'`` before it, and so does one that would
look as if it had got one: taking one ``'`` away from every cell that begins like this gives back what was
there (https://owasp.org/www-community/attacks/CSV_Injection). Rows with such cells say so in ``guarded``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from operator import itemgetter
from typing import Any

from exports.choices import ROWS, Choices
from exports.renderers import tables
from exports.renderers.base import Document, Framing, Material, Renderer
from exports.renderers.tables import LOSES, Column
from exports.renderers.values import encode, exact, iso

END = "\r\n"
BEGINNINGS = "=+-@\t\r\n＝＋－＠"
"""What a formula begins with; Japanese and Chinese spreadsheets take the wide signs, too."""
LIKE_FORMULA = re.compile(f"'*[{re.escape(BEGINNINGS)}]")
FIRST = itemgetter(slice(0, 1))
FIRST_OF_GUARDED = frozenset(BEGINNINGS + "'")

CELLS: dict[str, Callable[[Any], str]] = {
    tables.ID: tables.as_id,
    tables.TEXT: tables.as_text,
    tables.COUNT: lambda value: str(value) if isinstance(value, int) else tables.as_text(value),
    tables.TRUTH: lambda value: "true" if value is True else "false",
    tables.TIME: iso,
    tables.MONEY: lambda value: format(tables.as_decimal(value), "f"),
    tables.LIST: tables.as_text,
    tables.JSON: lambda value: encode(value).decode(),
    tables.BYTES: exact,
}
"""The one text for a value of each kind that is none yet; a value that is not there is an empty cell."""


def guarded(cell: str) -> str:
    """The cell as no spreadsheet takes it for a formula.

    >>> guarded("=1+1"), guarded("'=1+1"), guarded("'tis")
    ("'=1+1", "''=1+1", "'tis")
    """
    return "'" + cell if LIKE_FORMULA.match(cell) else cell


def line_of(cells: Sequence[str]) -> str:
    """One row, with its line end; cells that need it are in quotes. A row of one empty cell is, too: else it
    would be a blank line.

    >>> line_of(["a,b", 'a "b" c', "a b"])
    '"a,b","a ""b"" c",a b\\r\\n'
    """
    return _in_quotes(cells, ",".join(cells))


def _in_quotes(cells: Sequence[str], line: str) -> str:
    """The row, of which ``line`` is the cells with commas between them."""
    if line.count(",") != len(cells) - 1 or '"' in line or "\n" in line or "\r" in line:
        # Here and in no function of its own: a call for each of thirty cells is a twentieth of an export.
        line = ",".join(
            [
                '"' + cell.replace('"', '""') + '"'
                if "," in cell or '"' in cell or "\n" in cell or "\r" in cell
                else cell
                for cell in cells
            ]
        )
    return (line or '""' * (len(cells) == 1)) + END


class _Lines:
    """Makes the lines of a table; counts those in which something had to be replaced."""

    def __init__(self, columns: Sequence[Column], *, guards: bool) -> None:
        keys = [column.key for column in columns]
        # What a row lacks is filled in beforehand and all is taken out in one step. Most of it is text
        # already: only the rest is looked at cell by cell. This is most of the time of an export.
        self.blank = {column.key: False if column.kind == tables.TRUTH else "" for column in columns}
        self.cells = itemgetter(*keys) if len(keys) > 1 else lambda row: (row[keys[0]],)
        self.written = [
            (at, CELLS[column.kind]) for at, column in enumerate(columns) if column.kind != tables.TEXT
        ]
        self.looked_at = FIRST_OF_GUARDED if guards else frozenset[str]()
        self.mark = next((at for at, column in enumerate(columns) if column is tables.GUARDED), None)
        self.replaced = 0

    def line(self, row: Document) -> bytes:
        """The row as bytes."""
        cells = list(self.cells({**self.blank, **row}))
        for at, write in self.written:
            value = cells[at]
            if value != "" and value is not None:
                cells[at] = write(value)
        try:
            line = ",".join(cells)
        except TypeError:  # some are no text: cheaper to try than to ask each
            cells = ["" if cell is None else tables.as_text(cell) for cell in cells]
            line = ",".join(cells)
        if not self.looked_at.isdisjoint(map(FIRST, cells)):
            cells = self._guarded(cells)
            line = ",".join(cells)
        return self._encoded(_in_quotes(cells, line))

    def _guarded(self, cells: list[str]) -> list[str]:
        safe = [guarded(cell) if cell[:1] in FIRST_OF_GUARDED else cell for cell in cells]
        if self.mark is not None and safe != cells:
            safe[self.mark] = "true"
        return safe

    def _encoded(self, line: str) -> bytes:
        try:
            return line.encode()
        except UnicodeEncodeError:
            self.replaced += 1
            return line.encode("utf-8", "replace")


def _columns(choices: Choices) -> list[Column]:
    rows = choices.rows or ROWS[0]
    return tables.chosen(rows, tables.names_of(rows), tables.own_names(rows), choices.columns)


def _header(choices: Choices) -> bytes:
    return line_of([column.name for column in _columns(choices)]).encode()


def _lines(material: Material, choices: Choices) -> Iterator[bytes]:
    columns = _columns(choices)
    lines = _Lines(columns, guards=choices.guard_formulas)
    yield from map(lines.line, tables.rows_of(choices.rows or ROWS[0], material, columns))
    if lines.replaced:
        material.note(
            f"{lines.replaced:,} rows hold halves of characters, which no UTF-8 file can: "
            "question marks stand for them."
        )


FRAMING = Framing(_lines, _header)
"""A header and one line a row. Memory: one row and one chunk."""

RENDERER = Renderer(
    name="csv",
    label="CSV, a table",
    description=(
        "Messages, conversations or API responses as rows, with the columns that you choose. "
        "For spreadsheets and data frames; messages can be imported again."
    ),
    extension=".csv",
    media_type="text/csv",
    needs=frozenset({"messages", "sessions", "calls"}),
    loses=LOSES,
    render=FRAMING.render,
    framing=FRAMING,
    streams=True,
    takes=frozenset({"rows", "columns", "guardFormulas"}),
    rows=ROWS,
    columns={rows: tables.names_of(rows) for rows in ROWS},
)
