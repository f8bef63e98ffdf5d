"""The line reader: whatever bytes a file holds, they come back, wherever reading stopped in between."""

import hashlib
import os
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from archive.records import MAX_DEPTH, PLACES_PER_LINE, Message, Rejected, line_of, place_of
from imports.readers import lines
from tests.imports.reading import given_back, kept, opened, read, round_trip, seen
from tests.imports.reading import items as items_of
from tests.samples import making

OBJECTS = [
    b'{"a":1}',
    b"{}",
    b'{"a":1.0,"b":-0.0,"c":1e300,"d":0.1}',
    b'{"a": 1}',
    b'{"a":1.50}',
    b'{"a":1E5}',
    b'{"a":-0}',
    b'{"a":12345678901234567890}',
    b'{"a":123456789012345678901234567890}',
    b'{"a":1e999}',
    b'{"a":0.1234567890123456789012345678901234567890}',
    b'{"a":1,"a":2}',
    b'{"$ref":"x","$id":1}',
    b'{"m":{"$ref":"x","$id":1,"$db":"y"}}',
    b'{"$ref":"#/definitions/x"}',
    b'{"\\u0024ref":"x","$id":2}',
    b'{"$date":1,"a.b":{"c.d":"$x"},"":{"":0}}',
    b'{"k\\u0000":1,"v":"\\u0000"}',
    b'{"t":"\\ud83d"}',
    b'{"t":"\\ud83d\\ude00"}',
    '{"t":"\U0001f600é\u2028\u2029\u0085"}'.encode(),
    b'{"t":"\\u00e9\\/\\n"}',
    b'{"t":"\x7f"}',
    b'{"_id":1,"sessionId":["x"],"type":{},"timestamp":"never"}',
    b'{"sessionId":"\\udc00","cwd":"\\ud800","type":"user","message":{"model":"\\ud800","role":"\\ud800"}}',
    b'{"sessionId":"s","type":"user","timestamp":"2026-01-01T00:00:00.123456+05:30"}',
    b'{"timestamp":12345,"message":{"id":7,"usage":{"input_tokens":"x"}}}',
    b'{"true":true,"false":false,"null":null}',
    b"{" + b'"a":[' * 99 + b"]" * 99 + b"}",
    b"{" + b'"a":[' * 101 + b"]" * 101 + b"}",
]
GARBAGE = [
    b"",
    b" ",
    b"\t \x0b\x0c",
    b"\r",
    b"{",
    b"}",
    b'{"a":',
    b'{"a":1',
    b'{"a":"x',
    b'{"a":"\\u12',
    b'{"a":tru',
    b"[1,2]",
    b'"text"',
    b"12",
    b"null",
    b"NaN",
    b'{"a":NaN}',
    b'{"a":-Infinity}',
    b"// a comment",
    b"  // another",
    b"\xff\xfe",
    b'{"a":"\xc3',
    b'{"a":"\xed\xa0\x80"}',
    b"\x00",
    b'{"a":"\x00"}',
    b'{"a":"raw\ttab"}',
    b"[" * 3000,
    b'{"a":' * 3000,
    b"9" * 5000,
    "\u2028".encode(),
    "\u00a0".encode(),
    b"x" * 70,
    b"\xef\xbb\xbf",
]
ENDS = [b"\n", b"\n", b"\n", b"\r\n", b"\r\n", b"", b"\n\n", b"\r", b" \n", b"\n\r\n"]
LINES = st.lists(
    st.tuples(
        st.lists(st.sampled_from(OBJECTS + GARBAGE) | st.binary(max_size=6), min_size=1, max_size=3),
        st.sampled_from(ENDS),
    ),
    max_size=7,
)
START = st.sampled_from([b"", b"", b"\xef\xbb\xbf", b"\n", b"\r\n"])
LIMIT = st.sampled_from([15 * 1024 * 1024, 64, 600])
HARD = settings(
    deadline=None,
    max_examples=int(os.environ.get("EXAMPLES", "200")),
    suppress_health_check=[HealthCheck.too_slow],
)


def put_together(start: bytes, parts: list[tuple[list[bytes], bytes]]) -> bytes:
    return start + b"".join(b"".join(each) + end for each, end in parts)


FILES = st.builds(put_together, START, LINES)


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch):
    """Lines that are too long are kept in pieces of this size."""
    monkeypatch.setattr(lines, "PIECE_BYTES", 50)
    monkeypatch.setattr(lines, "MAX_BLANK_BYTES", 8)


@HARD
@given(FILES, LIMIT)
def test_every_byte_comes_back(data, limit):
    assert round_trip(data, limit) == data


@HARD
@given(FILES, LIMIT, st.data())
def test_reading_can_stop_behind_any_record_and_go_on(data, limit, draw):
    whole = read(opened(data), limit)
    stop = draw.draw(st.integers(0, len(whole)))
    first = opened(data)
    items, iterator = [], items_of(first, limit)
    for _ in range(stop):
        items.append(next(iterator))
    iterator.close()
    mark = first.mark(is_done=False)
    rest = opened(data, kept(mark))
    if not (items and isinstance(items[-1], Rejected) and items[-1].code == "truncated"):
        items += read(rest, limit)
        assert given_back(items, rest.mark(is_done=True)) == data
    assert without_parts(items) == without_parts(whole)


def without_parts(items):
    """The items, with the parts of an overlong line put together: where those are cut does not matter."""
    found: dict[int, list] = {}
    for item in items:
        if isinstance(item, Rejected) and item.part:
            found[item.seq][-1] += item.raw
        else:
            shown = seen(item)
            found[item.seq] = [shown[:4], item.raw] if shown[3:4] == ("too_large",) else [shown]
    return found


@HARD
@given(FILES, LIMIT, st.data())
def test_what_was_held_after_a_stop_is_the_beginning_of_the_file(data, limit, draw):
    source = opened(data)
    items, iterator = [], items_of(source, limit)
    for item in iterator:
        items.append(item)
        if draw.draw(st.booleans()):
            break
    iterator.close()
    if items and isinstance(items[-1], Rejected) and items[-1].code == "truncated":
        return
    mark = source.mark(is_done=False)
    assert given_back(items, mark) == data[: mark.held["size"]]
    assert mark.held["sha256"] == hashlib.sha256(data[: mark.held["size"]]).hexdigest()


@HARD
@given(FILES, st.integers(0, 2000), LIMIT)
def test_a_grown_file_is_read_from_where_it_ended(data, cut, limit):
    short = data[: min(cut, len(data))]
    first = opened(short)
    before = read(first, limit)
    file = kept(first.mark(is_done=True))
    assert file.sha256 == hashlib.sha256(short).hexdigest()
    assert file.size == len(short)
    if not file.can_skip:
        return  # such a file is read again from its start
    rest = opened(data, file)
    assert given_back(before + read(rest, limit), rest.mark(is_done=True)) == data


@HARD
@given(FILES, LIMIT)
def test_the_counts_of_a_file_are_those_of_its_items(data, limit):
    source = opened(data)
    items = read(source, limit)
    held = source.mark(is_done=True).held
    assert held["records"] == sum(isinstance(item, Message) for item in items)
    assert held["rejected"] == sum(isinstance(item, Rejected) and item.part == 0 for item in items)
    assert held["size"] == len(data)


def codes(data: bytes, limit: int = 15 * 1024 * 1024) -> list[str]:
    return [item.code if isinstance(item, Rejected) else "" for item in read(opened(data), limit)]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b'{"a":1}\n{"b":2}\n', ["", ""]),
        (b'{"a":1}{"b":2}\n', ["", ""]),
        (b'{"a":1} {"b":2} x\n', ["", "", "not_json"]),
        (b'\xef\xbb\xbf{"a":1}\n', [""]),
        (b'// note\n{"a":1}\n', ["comment", ""]),
        (b'{"a":1}\n{"b":', ["", "truncated"]),
        (b'{"a":1}\n{"b":"\xc3', ["", "truncated"]),
        (b'{"a":1}\n{"b":tr', ["", "truncated"]),
        (b'{"a":1}\n{"b":"\\u00', ["", "truncated"]),
        (b'{"a":1}\n{"b":1.', ["", "truncated"]),
        (b'{"a":1}\n{"b":\n', ["", "not_json"]),
        (b'{"a":1}\n\xff{"b":1}\n', ["", "invalid_utf8"]),
        (b'[{"a":1}]\n', ["not_an_object"]),
        (b'{"a":NaN}\n', ["not_json"]),
        (b'{"a":1}\n\n\n{"b":1}\n\n', ["", ""]),
        (b'{"a":"' + b"x" * 100 + b'"}\n{"b":1}\n', ["too_large"] * 3 + [""]),
        (b"{" + b'"a":{' * 101 + b"}" * 101 + b"}\n", ["too_deep"]),
    ],
)
def test_each_fault_has_its_name(data, expected):
    assert codes(data, 90 if b"xxx" in data else 15 * 1024 * 1024) == expected
    assert round_trip(data) == data


def test_a_rejected_record_names_line_byte_and_reason():
    items = read(opened(b'{"a":1}\n\n{oops\n{"b":2}\n'))
    bad = items[1]
    assert isinstance(bad, Rejected)
    assert (line_of(bad.seq), place_of(bad.seq), bad.start, bad.end) == (3, 0, 8, 15)
    assert bad.raw == b"\n{oops"
    assert "character 2" in bad.reason
    assert bad.hint


def test_every_code_has_a_hint():
    assert all(len(hint) > 20 for hint in lines.HINTS.values())


def test_more_objects_on_a_line_than_places_are_kept_in_one_piece():
    data = b"{}" * (PLACES_PER_LINE + 500) + b"\n{}\n"
    items = read(opened(data))
    assert codes(data) == [""] * (PLACES_PER_LINE - 1) + ["too_many", ""]
    assert round_trip(data) == data
    # The same however often it was interrupted within the line.
    for stop in (1, 500, PLACES_PER_LINE - 1):
        first = opened(data)
        iterator = items_of(first, 10**7)
        part = [next(iterator) for _ in range(stop)]
        rest = opened(data, kept(first.mark(is_done=False)))
        assert [seen(each) for each in part + read(rest)] == [seen(each) for each in items]


def test_ordinary_lines_keep_no_bytes_beside_their_parsed_form():
    for end in (b"\n", b"\r\n"):
        items = read(opened(making.joined(making.conversation(making.ONE, 6), end)))
        assert not any(item.has_raw for item in items)


def test_a_line_with_another_end_than_the_first_keeps_its_bytes():
    data = b'{"a":1}\r\n{"b":2}\n{"c":3}\r\n'
    assert round_trip(data) == data
    data = b'{"a":1}\n{"b":2}\r\n{"c":3}\n'
    assert round_trip(data) == data


def test_depth_is_counted_without_recursion():
    for opening, closing in ((b"[", b"]"), (b'{"a":', b"}")):
        for depth in (MAX_DEPTH - 1, MAX_DEPTH + 1, 500, 5000, 200_000):
            data = b'{"a":' + opening * depth + (b"" if closing == b"]" else b"0") + closing * depth + b"}\n"
            assert codes(data) == ([""] if depth < MAX_DEPTH else ["too_deep"]), depth


@pytest.mark.parametrize(
    "data",
    [
        b"\n" * 3_000_000,
        b" " * 3_000_000,
        (b"{}" * 1023 + b" " * 2_000_000 + b"\n") * 3,
        b"{}{" * 700_000,
        b"[" * 3_000_000,
        b'{"a":' * 700_000,
        b'"' + b"\\" * 3_000_000,
        b"//" * 1_500_000,
        (b"{" + b'"a":[' * 90 + b"]" * 90 + b"}\n") * 5000,
    ],
    ids=[
        "newlines",
        "spaces",
        "many on a line",
        "half objects",
        "brackets",
        "braces",
        "escapes",
        "slashes",
        "deep",
    ],
)
def test_no_bytes_take_long(data, monkeypatch):
    monkeypatch.undo()
    start = time.perf_counter()
    assert round_trip(data) == data
    assert time.perf_counter() - start < 10
