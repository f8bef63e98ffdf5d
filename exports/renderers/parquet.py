"""`parquet`: messages, conversations or API responses as typed columns, for DuckDB, pandas, Spark.

Made with pyarrow, which is no requirement of this product: where it is missing the format is refused by name.
Times are UTC with milliseconds, money is a decimal of twelve places, counts are 64 bit, and records are JSON.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from exports.choices import ROWS, Choices
from exports.renderers import tables
from exports.renderers.base import CHUNK_BYTES, Document, Material, Renderer
from exports.renderers.tables import LOSES, Column
from exports.renderers.values import encode

LIBRARY = "pyarrow"
GROUP_ROWS, GROUP_BYTES = 10_000, 32 * 1024 * 1024
"""How much a row group holds at most: so much is in memory, and a reader skips so much at once."""
BATCH_ROWS, BATCH_BYTES = 500, 1024 * 1024
"""How many rows, and of what length, are held as objects of Python, which take several times that."""
LEVEL = 3
MONEY_DIGITS, MONEY_PLACES = 38, 12
"""Of the archive's own money no digit is lost: it is kept with twelve places."""

VALUES: dict[str, Callable[[Any], Any]] = {
    tables.ID: tables.as_id,
    tables.TEXT: tables.as_text,
    tables.COUNT: lambda value: value if isinstance(value, int) else None,
    tables.TRUTH: lambda value: value is True,
    tables.MONEY: tables.as_decimal,
    tables.JSON: lambda value: encode(value).decode(),
    tables.BYTES: bytes,
}
"""How values become those of a column, where they need not be already."""


def _types(pa: Any) -> dict[str, Any]:
    return {
        tables.ID: pa.string(),
        tables.TEXT: pa.string(),
        tables.COUNT: pa.int64(),
        tables.TRUTH: pa.bool_(),
        tables.TIME: pa.timestamp("ms", tz="UTC"),
        tables.MONEY: pa.decimal128(MONEY_DIGITS, MONEY_PLACES),
        tables.LIST: pa.list_(pa.string()),
        tables.JSON: pa.string(),
        tables.BYTES: pa.binary(),
    }


class _Sink:
    """A file to pyarrow, which writes to it alone; what was written is taken out again in chunks."""

    closed = False

    def __init__(self) -> None:
        self.held = bytearray()

    def write(self, data: Any) -> int:
        self.held += data
        return len(data)

    def flush(self) -> None:
        """Nothing waits in here."""

    def take(self, *, rest: bool = False) -> Iterator[bytes]:
        """Whole chunks of what is held, or all of it."""
        while len(self.held) >= CHUNK_BYTES or (rest and self.held):
            yield bytes(self.held[:CHUNK_BYTES])
            del self.held[:CHUNK_BYTES]


class _Batches:
    """Turns rows into record batches of pyarrow, some hundred at a time."""

    def __init__(self, pa: Any, columns: Sequence[Column], schema: Any) -> None:
        self.pa, self.schema = pa, schema
        self.columns = [(column.key, VALUES.get(column.kind)) for column in columns]
        self.blank = {column.key: False for column in columns if column.kind == tables.TRUTH}
        self.replaced = 0

    def batches(self, rows: Iterator[Document]) -> Iterator[Any]:
        """Record batches of at most ``BATCH_ROWS`` rows, or about ``BATCH_BYTES``."""
        held: list[list[Any]] = []
        size = 0
        for row in rows:
            told = {**self.blank, **row}
            values = [self._value(told.get(key), make) for key, make in self.columns]
            held.append(values)
            size += sum(len(value) for value in values if isinstance(value, (str, bytes)))
            if len(held) >= BATCH_ROWS or size >= BATCH_BYTES:
                yield self._batch(held)
                held, size = [], 0
        if held:
            yield self._batch(held)

    def _value(self, value: Any, make: Callable[[Any], Any] | None) -> Any:
        return value if value is None or make is None else make(value)

    def _batch(self, rows: list[list[Any]]) -> Any:
        arrays = [
            self._array(list(values), field.type)
            for values, field in zip(zip(*rows, strict=True), self.schema, strict=True)
        ]
        return self.pa.record_batch(arrays, schema=self.schema)

    def _array(self, values: list[Any], kind: Any) -> Any:
        try:
            return self.pa.array(values, type=kind)
        except UnicodeEncodeError:
            self.replaced += 1
            return self.pa.array([_whole(value) for value in values], type=kind)


def _whole(value: Any) -> Any:
    """A text without halves of characters, which no UTF-8 holds; other values as they are."""
    if isinstance(value, list):
        return [_whole(each) for each in value]
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value


def _group_bytes(choices: Choices) -> int:
    """How much a row group holds. Parts of a size are cut between row groups: those are smaller then."""
    if not choices.split_bytes:
        return GROUP_BYTES
    return min(GROUP_BYTES, max(choices.split_bytes // 8, BATCH_BYTES))


def _groups(batches: Iterator[Any], most: int) -> Iterator[list[Any]]:
    """Batches, as many together as a row group holds."""
    held: list[Any] = []
    rows = size = 0
    for batch in batches:
        held.append(batch)
        rows, size = rows + batch.num_rows, size + batch.nbytes
        if rows >= GROUP_ROWS or size >= most:
            yield held
            held, rows, size = [], 0, 0
    if held:
        yield held


def own_names(rows: str) -> tuple[str, ...]:
    """The columns that are taken where none is chosen: those of the CSV, and a message's id."""
    names = tuple(name for name in tables.own_names(rows) if name != tables.GUARDED.name)
    return ("id", *names) if rows == "messages" else names


def names_of(rows: str) -> tuple[str, ...]:
    """All columns: those of the CSV but for the one that is about its own guard."""
    return tuple(name for name in tables.names_of(rows) if name != tables.GUARDED.name)


def render(material: Material, choices: Choices) -> Iterator[bytes]:
    """One file, packed with zstd column by column. Memory: one row group."""
    import pyarrow as pa
    from pyarrow.parquet import ParquetWriter

    rows = choices.rows or ROWS[0]
    columns = tables.chosen(rows, names_of(rows), own_names(rows), choices.columns)
    types = _types(pa)
    schema = pa.schema([(column.name, types[column.kind]) for column in columns])
    sink, made = _Sink(), _Batches(pa, columns, schema)
    with ParquetWriter(sink, schema, compression="zstd", compression_level=LEVEL) as writer:
        batches = made.batches(tables.rows_of(rows, material, columns))
        for group in _groups(batches, _group_bytes(choices)):
            table = pa.Table.from_batches(group, schema)
            writer.write_table(table, row_group_size=table.num_rows)
            yield from sink.take()
    if made.replaced:
        material.note(
            "Some texts hold halves of characters, which no UTF-8 can: question marks stand for them."
        )
    yield from sink.take(rest=True)


RENDERER = Renderer(
    name="parquet",
    label="Parquet, typed columns",
    description=(
        "Messages, conversations or API responses as columns with types, packed. "
        "For DuckDB, pandas, Spark and other tools that analyse."
    ),
    extension=".parquet",
    media_type="application/vnd.apache.parquet",
    needs=frozenset({"messages", "sessions", "calls"}),
    loses=LOSES,
    render=render,
    takes=frozenset({"rows", "columns"}),
    rows=ROWS,
    columns={rows: names_of(rows) for rows in ROWS},
    packs_itself="its columns are packed with zstd already, and a reader needs to jump in it",
    library=LIBRARY,
)
