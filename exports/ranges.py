"""Byte ranges of HTTP (RFC 9110, section 14), one at a time."""

from __future__ import annotations

import re
from dataclasses import dataclass

SINGLE = re.compile(r"\s*bytes\s*=\s*(\d*)\s*-\s*(\d*)\s*", re.IGNORECASE | re.ASCII)


class Unsatisfiable(Exception):
    """The range asks for bytes that are not there; the answer is 416."""


@dataclass(frozen=True)
class ByteRange:
    """Bytes ``start`` up to, not including, ``stop``."""

    start: int
    stop: int

    @property
    def length(self) -> int:
        """How many bytes."""
        return self.stop - self.start

    def content_range(self, size: int) -> str:
        """The Content-Range header of a 206."""
        return f"bytes {self.start}-{self.stop - 1}/{size}"


def parse_range(header: str, size: int) -> ByteRange | None:
    """The range that was asked for; None where the whole is the right answer.

    Other units, several ranges and nonsense are answered with the whole, as the RFC allows.
    Raises Unsatisfiable.

    >>> parse_range("bytes=-3", 10)
    ByteRange(start=7, stop=10)
    """
    found = SINGLE.fullmatch(header)
    if found is None or not (found[1] or found[2]):
        return None
    if max(len(found[1]), len(found[2])) > 19:  # no file is that long, and int() has its limits
        raise Unsatisfiable
    if not found[1]:
        return _suffix(int(found[2]), size)
    start = int(found[1])
    stop = int(found[2]) + 1 if found[2] else size
    if stop <= start and found[2]:
        return None  # "5-2" is no range at all
    if start >= size:
        raise Unsatisfiable
    return ByteRange(start, min(stop, size))


def _suffix(length: int, size: int) -> ByteRange:
    if length == 0 or size == 0:
        raise Unsatisfiable
    return ByteRange(max(size - length, 0), size)


def if_range_holds(header: str | None, etag: str) -> bool:
    """Whether a range may be served: there is no condition, or it names these very bytes.

    A date or a weak tag never holds: our validator is the hash, and it is strong.
    """
    return header is None or header.strip() == etag


def matches_etag(header: str | None, etag: str) -> bool:
    """Whether If-None-Match names what we have (weak comparison, as for GET)."""
    if header is None:
        return False
    tags = (tag.strip().removeprefix("W/") for tag in header.split(","))
    return any(tag in ("*", etag) for tag in tags)
