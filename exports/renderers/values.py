"""How stored values are written as JSON: one exact text for each type.

Times are ISO 8601 in UTC with milliseconds and ``Z``; money and other decimals are strings; binary
ids are hex; exact bytes are base64. There is no NaN in JSON: a message that held one keeps its
exact bytes in ``raw``.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import orjson

WITH_FRACTION = len('"2025-01-02T03:04:05.678000Z"')


def iso(time: datetime) -> str:
    """The time in UTC with milliseconds; a time without a zone is UTC.

    >>> iso(datetime(2025, 1, 2, 3, 4, 5, 678000, tzinfo=UTC))
    '2025-01-02T03:04:05.678Z'
    """
    # A third of the time that isoformat takes. Fractions are six digits there, or none at all.
    written = orjson.dumps(time, option=orjson.OPT_NAIVE_UTC | orjson.OPT_UTC_Z).decode()
    if not written.endswith('Z"'):
        return iso(time.astimezone(UTC))
    return f"{written[1:24]}Z" if len(written) == WITH_FRACTION else f"{written[1:20]}.000Z"


def _hex(value: bytes) -> str:
    return value.hex()


# By exact type: this is asked several times for each message.
WRITERS: dict[type, Callable[[Any], str]] = {datetime: iso, bytes: _hex, bytearray: _hex}


def plain(value: Any) -> str:
    """A value that orjson does not know, as the text this product writes for it.

    Decimals, ids and the like are their own text, which is exact.
    """
    write = WRITERS.get(type(value))
    if write is None:
        write = _hex if isinstance(value, bytes) else str
    return write(value)


def exact(raw: Any) -> str:
    """Exact bytes as base64, the one encoding of the ``raw`` field.

    >>> exact(b"{}")
    'e30='
    """
    return base64.b64encode(bytes(raw)).decode("ascii")


def encode(value: Any) -> bytes:
    """One JSON value, keys in their order, without spaces or line ends."""
    return orjson.dumps(value, default=plain, option=orjson.OPT_PASSTHROUGH_DATETIME)


def pretty(value: Any) -> str:
    """One JSON value for people, over several lines."""
    option = orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_INDENT_2
    return orjson.dumps(value, default=plain, option=option).decode()
