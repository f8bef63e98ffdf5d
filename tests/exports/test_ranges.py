"""Byte ranges, by the letter of RFC 9110."""

from __future__ import annotations

import pytest

from exports.ranges import ByteRange, Unsatisfiable, if_range_holds, matches_etag, parse_range


@pytest.mark.parametrize(
    ("header", "start", "stop"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=0-", 0, 100),
        ("bytes=99-", 99, 100),
        ("bytes=10-19", 10, 20),
        ("bytes=90-999", 90, 100),
        ("bytes=-1", 99, 100),
        ("bytes=-100", 0, 100),
        ("bytes=-999", 0, 100),
        ("Bytes = 5 - 6", 5, 7),
    ],
)
def test_a_range_is_cut_to_the_file(header: str, start: int, stop: int) -> None:
    assert parse_range(header, 100) == ByteRange(start, stop)


@pytest.mark.parametrize("header", ["bytes=100-", "bytes=100-200", "bytes=-0", "bytes=" + "9" * 5000 + "-"])
def test_bytes_that_are_not_there_are_refused(header: str) -> None:
    with pytest.raises(Unsatisfiable):
        parse_range(header, 100)


def test_nothing_of_an_empty_file_can_be_given() -> None:
    for header in ("bytes=0-", "bytes=-1"):
        with pytest.raises(Unsatisfiable):
            parse_range(header, 0)


@pytest.mark.parametrize("header", ["", "bytes", "bytes=-", "lines=1-2", "bytes=5-2", "bytes=0-1,4-5", "bytes=a-b", "bytes=٣-"])
def test_what_is_no_single_range_is_answered_with_the_whole(header: str) -> None:
    assert parse_range(header, 100) is None


def test_the_conditions_compare_the_strong_tag() -> None:
    assert if_range_holds(None, '"a"')
    assert if_range_holds('"a"', '"a"')
    assert not if_range_holds('"b"', '"a"')
    assert not if_range_holds('W/"a"', '"a"')
    assert not if_range_holds("Sat, 01 Mar 2025 12:00:00 GMT", '"a"')
    assert matches_etag('"b", W/"a"', '"a"')
    assert matches_etag("*", '"a"')
    assert not matches_etag(None, '"a"')
    assert not matches_etag('"b"', '"a"')
