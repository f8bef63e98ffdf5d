"""Tables: rows to records and back, whatever stands in them, wherever they are cut."""

import csv
import io
import time
import tracemalloc
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from archive.records import Record, Rejected, line_of
from imports.readers.base import Bytes
from imports.readers.lines import BOM, Cursor
from imports.readers.rows import Table, column_names, read_rows, table_of
from tests.imports.reading import FILE_ID, MAX_RECORD, MemoryEntry

Item = Record | Rejected


def written(rows: list[list[str]], **dialect: Any) -> bytes:
    out = io.StringIO(newline="")
    csv.writer(out, **dialect).writerows(rows)
    return out.getvalue().encode()


def table(data: bytes) -> Table:
    found = table_of(data, is_whole=True)
    assert found is not None
    return found


def read(data: bytes, cursor: Cursor | None = None, limit: int = MAX_RECORD, facts: Any = None) -> list[Item]:
    cursor = Cursor() if cursor is None else cursor
    entry = MemoryEntry(data)
    facts = table(data).facts if facts is None else facts
    given = Bytes(entry.open(cursor.offset), entry.open, FILE_ID, cursor, limit, facts)
    items, at = [], cursor.offset
    for item in read_rows(given):
        raw = item.raw or b""
        assert data[at : at + len(raw)] == raw
        at += len(raw)
        assert cursor.offset == (at - len(raw) if cursor.is_cut else at)
        items.append(item)
    assert cursor.offset + len(cursor.rest) == len(data), "a byte belongs to nobody"
    places = [(each.seq, getattr(each, "part", 0)) for each in items]
    assert sorted(set(places)) == places
    return items


def values(items: list[Item]) -> list[list[str]]:
    return [list(each.value.values()) for each in items if isinstance(each, Record)]


def codes(items: list[Item]) -> list[str]:
    return [each.code for each in items if isinstance(each, Rejected)]


def picture(items: list[Item]) -> list[Any]:
    return [
        (each.seq, each.part, each.code, each.start, each.end, each.reason, each.raw)
        if isinstance(each, Rejected)
        else (each.seq, each.end, each.size, each.lead, each.value, each.raw)
        for each in items
    ]


# ------------------------------------------------------------------ what is a table


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_found_out(delimiter):
    rows = [["when", "who", "text"], ["1,5", "ada", "a; b"], ["2", "bob", "c | d, e"]]
    data = written(rows, delimiter=delimiter)
    assert table(data).delimiter == delimiter
    assert values(read(data)) == rows[1:]


def test_every_column_has_a_name_of_its_own():
    assert column_names(["a", "", "a", " a ", "column 2"]) == [
        "a",
        "column 2",
        "a (2)",
        "a (3)",
        "column 2 (2)",
    ]
    assert read(b"a,,a\n1,2,3\n")[0].value == {"a": "1", "column 2": "2", "a (2)": "3"}


@pytest.mark.parametrize(
    "data",
    [b"", b"\n\n \r\n", b'{"a":1}\n', b'[{"a":1}]', b",,,\n1,2,3,4\n", b"a,b\0\n", b"\xff,b\n1,2\n",
     b"\xfd37zXZ\0\0", b"a," * 2000 + b"b\n", b"a" * 100_000 + b",b\n"],
)  # fmt: skip
def test_what_has_no_header_is_no_table(data):
    assert table_of(data, is_whole=True) is None


def test_a_header_that_does_not_end_in_the_sample_is_none():
    assert table_of(b"a,b,c", is_whole=False) is None
    assert table_of(b"a,b,c", is_whole=True) is not None


# ------------------------------------------------------------------ rows


def test_rows_are_records_and_keep_their_bytes():
    data = BOM + b'\r\nwhen,text\r\n\r\n1,"a ""b"", c\r\nd"\r\n 2 , e\r\n\n3,f'
    first, second, third = read(data)
    assert first.value == {"when": "1", "text": 'a "b", c\r\nd'}
    assert first.raw == data[: data.index(b" 2 ,")]
    assert first.raw[first.lead :] == b'1,"a ""b"", c\r\nd"\r\n'
    assert (second.value, second.lead) == ({"when": " 2 ", "text": " e"}, 0)
    assert third.value == {"when": "3", "text": "f"}
    assert [line_of(each.seq) for each in (first, second, third)] == [1, 2, 3]


def test_the_line_is_counted_beside_the_row():
    cursor = Cursor()
    read(b'a,b\n1,"x\ny"\n\n2,z\n', cursor)
    assert (cursor.line, cursor.state["line"]) == (3, 6)


def test_a_table_of_one_column_can_be_read():
    assert values(read(b'text\nhello, "Ada"\n\n""\nbye\n')) == [['hello, "Ada"'], [""], ["bye"]]


@pytest.mark.parametrize(
    ("row", "code"),
    [
        (b"1,2\n", "wrong_columns"),
        (b"1,2,3,4\n", "wrong_columns"),
        (b'1,"a"b,3\n', "bad_quotes"),
        (b'1,"a\n', "bad_quotes"),
        (b'1,a\rb,"3"\n', "bad_quotes"),
        (b"1,\xff,3\n", "invalid_utf8"),
        (b'1,"\xff\n\xc3",3\n', "invalid_utf8"),
        (b" " * 300_000 + b"\n", "blank"),
    ],
)
def test_what_is_no_row_is_rejected_alone_and_named(row, code):
    data = b"a,b,c\n1,2,3\n" + row + b"4,5,6\n7,8,9\n"
    items = read(data)
    assert codes(items) == [code]
    bad = next(each for each in items if isinstance(each, Rejected))
    assert bad.raw == row
    assert bad.reason.startswith("row 2 (line 3, byte ")
    assert bad.hint
    assert values(items) == [["1", "2", "3"], ["4", "5", "6"], ["7", "8", "9"]]


def test_a_quote_that_is_never_closed_costs_one_line():
    good = b"".join(b"%d,%d\n" % (n, n) for n in range(1000))
    items = read(b'a,b\n"1,2\n' + good)
    assert codes(items) == ["bad_quotes"]
    assert len(values(items)) == 1000
    items = read(b'a,b\n"1,2\n' + good + b'3,"x\ny"\n4,5\n')
    assert codes(items) == ["bad_quotes"]
    assert len(values(items)) == 1002


def test_a_stray_quote_within_a_text_is_a_quote():
    assert values(read(b'a,b\n5" pipe,6" pipe\n7",8\n')) == [['5" pipe', '6" pipe'], ['7"', "8"]]


def test_hostile_quotes_are_read_in_one_go():
    for line in (b'a","b\n', b'"\n', b'"""\n', b'"a,b\n', b'a,"b\n', b',"",""x\n'):
        for end in (b"", b"x,y\n", b'"'):
            data = b"a,b\n" + line * 6000 + end
            started = time.monotonic()
            read(data, limit=20_000)
            assert time.monotonic() - started < 20, line


def test_a_line_too_long_to_hold_is_rejected_in_pieces():
    data = b"a,b\n1,2\n\n3," + b"x" * 10_000_000 + b"\n4,5\n6," + b"y" * 9_000_000
    cursor = Cursor()
    items = read(data, cursor, limit=1_000_000)
    assert values(items) == [["1", "2"], ["4", "5"]]
    assert set(codes(items)) == {"too_large"}
    assert (cursor.records, cursor.rejected) == (2, 2)
    assert [each.part for each in items if isinstance(each, Rejected)][:2] == [0, 1]


def test_memory_is_a_row_however_long_the_file():
    row = b'"2026-01-01","she said ""yes"",\nand went",' + b"x" * 3000 + b"\n"
    peaks = []
    for count in (500, 5000):
        data = b"a,b,c\n" + row * count
        facts, entry = table(data[:100_000]).facts, MemoryEntry(data)
        stream = entry.open()
        tracemalloc.start()
        read_all = sum(1 for _ in read_rows(Bytes(stream, entry.open, FILE_ID, Cursor(), MAX_RECORD, facts)))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert read_all == count
    assert max(peaks) < 200_000


# ------------------------------------------------------------------ cut, grown, resumed


def test_a_last_row_that_is_cut_off_is_not_passed():
    for tail in (b"3", b'3,"x', b'3,"x\ny', b"3,\xc3"):
        cursor = Cursor()
        items = read(b"a,b\n1,2\n" + tail, cursor)
        assert codes(items) == ["truncated"]
        assert (cursor.offset, cursor.rest, cursor.is_cut) == (8, tail, True)


def test_a_growing_table_goes_on_from_its_end():
    data = b'a,b\n1,2\n\n3,"x\ny"\r\n4,z'
    whole = read(data + b"\n5,w\n")
    cursor = Cursor()
    items = read(data, cursor)
    cursor.rest = b""
    items += read(data + b"\n5,w\n", cursor)
    assert values(items) == values(whole)
    assert b"".join(each.raw for each in items) == data + b"\n5,w\n"


def test_a_row_that_grew_after_it_was_taken_in_is_told():
    data, cursor = b"a,b\n1,2\n3,hel", Cursor()
    read(data, cursor)
    items = read(data + b"lo\n4,x\n", cursor)
    assert codes(items) == ["row_grew"]
    assert values(items) == [["4", "x"]]


ODD = (
    BOM + b'a,b\r\n\n1,"x\r\n""y"""\r\n2,3,4\n"5,6\n7,8\n\n9,"z"z\n'
    b'10,\xff\n11,"q\nr\ns"\n12,' + b"l" * 300 + b'\n13,"' + b"m\n" * 200 + b'"\n14,15\n16,1'
)


@pytest.mark.parametrize("limit", [MAX_RECORD, 100])
def test_reading_goes_on_behind_any_record(limit):
    facts = table(ODD).facts
    whole, cursor = [], Cursor()
    entry = MemoryEntry(ODD)
    positions = []
    for item in read_rows(Bytes(entry.open(), entry.open, FILE_ID, cursor, limit, facts)):
        whole.append(item)
        if not cursor.is_cut:
            positions.append((len(whole), cursor.as_dict()))
    assert len(positions) > 10
    for count, position in positions:
        again = read(ODD, Cursor(**position), limit, facts)
        assert picture(again) == picture(whole[count:])


@pytest.mark.parametrize("limit", [MAX_RECORD, 100])
def test_a_table_cut_at_any_byte_keeps_its_whole_rows(limit):
    facts = table(ODD).facts
    whole = picture(read(ODD, limit=limit))
    for end in range(len(ODD)):
        items = picture(read(ODD[:end], limit=limit, facts=facts))
        # Of what was cut, at most the last row is read otherwise; a quote that is open may cost more lines.
        ended = [each for each in whole if each[1] <= end and isinstance(each[4], dict)]
        kept = [each for each in items if isinstance(each[4], dict)]
        assert kept[: len(ended) - 1] == ended[: len(kept[: len(ended) - 1])]


FIELD = st.text(
    st.sampled_from('ab"\n\r,;\t| é😀\0\u2028') | st.characters(exclude_categories=["Cs"]), max_size=12
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.integers(2, 5).flatmap(
        lambda width: st.lists(st.lists(FIELD, min_size=width, max_size=width), max_size=8)
    ),
    st.sampled_from([",", ";", "\t", "|"]),
    st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL, csv.QUOTE_NONNUMERIC]),
    st.sampled_from(["\n", "\r\n"]),
    st.integers(0, 1 << 30),
    st.booleans(),
)
def test_whatever_a_writer_writes_is_read_back(rows, delimiter, quoting, end, seed, has_mark):
    # An unquoted carriage return is a line end for some readers: writers quote it where their own line end has one.
    assume(
        quoting != csv.QUOTE_MINIMAL or end == "\r\n" or not any("\r" in each for row in rows for each in row)
    )
    width = len(rows[0]) if rows else 2
    header = [f"column {number}" for number in range(1, width + 1)]
    data = BOM * has_mark + written([header, *rows], delimiter=delimiter, quoting=quoting, lineterminator=end)
    facts = {"delimiter": delimiter, "columns": header}
    # A row of nothing but blank space is passed over as a blank line is.
    expected = [row for row in rows if quoting != csv.QUOTE_MINIMAL or not _is_blank(row, delimiter)]
    items = read(data, facts=facts)
    assert values(items) == expected
    assert b"".join(each.raw or b"" for each in items) + _rest(data, items) == data
    cut = seed % (len(data) + 1)
    read(data[:cut], facts=facts)
    if items:
        read(data, _cursor_behind(data, facts, seed % len(items)), facts=facts)


def _is_blank(row: list[str], delimiter: str) -> bool:
    return not delimiter.join(row).strip(" \r\n" if delimiter == "\t" else " \t\r\n")


def _rest(data: bytes, items: list[Item]) -> bytes:
    return data[sum(len(each.raw or b"") for each in items) :]


def _cursor_behind(data: bytes, facts: dict[str, Any], count: int) -> Cursor:
    cursor, entry = Cursor(), MemoryEntry(data)
    reading = read_rows(Bytes(entry.open(), entry.open, FILE_ID, cursor, MAX_RECORD, facts))
    for _ in range(count):
        next(reading)
    return Cursor(**cursor.as_dict())


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.binary(max_size=200) | st.text('ab",\n\r', max_size=60).map(str.encode), st.integers(1, 60))
def test_whatever_bytes_a_table_holds_they_all_belong_to_somebody(data, limit):
    data = b"a,b\n" + data
    for size in (limit, MAX_RECORD):
        cursor = Cursor()
        items = read(data, cursor, limit=size, facts={"delimiter": ",", "columns": ["a", "b"]})
        passed = items[:-1] if cursor.is_cut else items
        assert b"".join(each.raw or b"" for each in passed) + cursor.rest == data
