"""How the values of a table's columns are read: texts, ids, numbers, money, times. Pure."""

import re
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from archive.money import from_dollars
from imports.messages import MAX_FIELD, parse_time
from imports.readers.texts import block_texts, joined, text_of

# What is beyond these is no number of tokens and no price.
MAX_TOKENS = 10**12
MAX_DOLLARS = 10**6
# Seconds since 1970 up to here (the year 5138), milliseconds beyond.
MOST_SECONDS = 10**11
LONGEST_SHOWN = 40
DAY_FIRST, MONTH_FIRST, SECONDS, MILLISECONDS = "day-first", "month-first", "seconds", "milliseconds"
TIME_FORMATS = ("", DAY_FIRST, MONTH_FIRST, SECONDS, MILLISECONDS)
NUMBER = re.compile(r"-?\d+(\.\d+)?")
EPOCH = re.compile(r"-?\d{9,16}(\.\d+)?")
_PARTED_DATE = re.compile(r"(\d{1,2})[./-](\d{1,2})[./-](\d{4})(?:,?[ T]+(.+))?")
_CLOCK = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2}))?(?: ?([AaPp])\.?[Mm]\.?)?")


class BadValueError(Exception):
    """A value that cannot be read as what its column holds; the text says which, and what is expected."""


def read_text(value: Any) -> str:
    """A text as it is; of a list of content blocks, or an object, the texts in it; of a number its digits."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return joined(*block_texts(value))
    if isinstance(value, dict):
        return text_of(value, "text", "content", "value") or joined(*block_texts(value.get("parts")))
    return "" if value is None else str(value)


def read_name(value: Any) -> str:
    """A short text: an id, a role, a model. Raises ``BadValueError`` when it is longer than a name can be."""
    text = read_text(value).strip()
    if len(text) > MAX_FIELD:
        raise _bad(value, f"at most {MAX_FIELD:,} characters")
    return text


def read_count(value: Any) -> int | None:
    """A number of tokens; None where there is none. Raises ``BadValueError``."""
    number = _number(value, "a whole number")
    if number is None:
        return None
    if number != number.to_integral_value() or not 0 <= number <= MAX_TOKENS:
        raise _bad(value, f"a whole number from 0 to {MAX_TOKENS:,}")
    return int(number)


def read_money(value: Any) -> int | None:
    """Picodollars of US dollars ("0.0123", "$1.50"); None where there are none. Raises ``BadValueError``."""
    bare = value.strip().removeprefix("$") if isinstance(value, str) else value
    number = _number(bare, "US dollars like 0.0123")
    if number is None:
        return None
    if not 0 <= number <= MAX_DOLLARS:
        raise _bad(value, f"US dollars from 0 to {MAX_DOLLARS:,}")
    return from_dollars(number)


def _number(value: Any, expected: str) -> Decimal | None:
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise _bad(value, expected)
    try:
        number = Decimal(str(value).strip())
    except InvalidOperation:
        raise _bad(value, expected) from None
    if not number.is_finite():
        raise _bad(value, expected)
    return number


def read_time(value: Any, form: str = "") -> datetime | None:
    """A time in UTC; None where there is none. Raises ``BadValueError``.

    ``form`` "" is ISO 8601, "2026-01-31 14:00:00", and seconds or milliseconds since 1970, which their size
    tells apart. Others are those of ``TIME_FORMATS``, and patterns of ``strptime``. What says no zone is UTC.

    >>> read_time("31.1.2026 9:05", "day-first") == read_time("2026-01-31T09:05:00Z")
    True
    """
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    text = str(value).strip()
    moment = None if isinstance(value, (bool, list, dict)) else _moment(text, form)
    if moment is None:
        raise _bad(value, expected_time(form))
    return moment


def expected_time(form: str) -> str:
    """How a time of this form looks."""
    return {
        "": "a time like 2026-01-31T14:00:00Z, 2026-01-31 14:00:00, or seconds or milliseconds since 1970",
        DAY_FIRST: "a time like 31.1.2026 14:00 or 31/01/2026",
        MONTH_FIRST: "a time like 1/31/2026 2:00 PM",
        SECONDS: "seconds since 1970",
        MILLISECONDS: "milliseconds since 1970",
    }.get(form, f"a time like {form}")


def _moment(text: str, form: str) -> datetime | None:
    if form in (DAY_FIRST, MONTH_FIRST):
        return _of_parts(text, form) or _moment(text, "")
    if form in (SECONDS, MILLISECONDS):
        return _since_1970(text, form) if NUMBER.fullmatch(text) else None
    if form:
        return _by_pattern(text, form)
    if EPOCH.fullmatch(text):
        return _since_1970(text, SECONDS if abs(float(text)) < MOST_SECONDS else MILLISECONDS)
    return parse_time(_as_iso(text))


def _as_iso(text: str) -> str:
    """The usual ways to write what ISO 8601 writes otherwise: "2026/01/31 14:00 UTC".

    >>> _as_iso("2026/01/31 14:00 UTC")
    '2026-01-31 14:00+00:00'
    """
    date, rest = text[:10], text[10:]
    zoned = re.sub(r" ?(UTC|GMT)$", "+00:00", rest)
    return date.replace("/", "-") + re.sub(r" ([+-]\d\d:?\d\d)$", r"\1", zoned)


def _since_1970(text: str, form: str) -> datetime | None:
    return parse_time(float(text) * (1000 if form == SECONDS else 1))


def _by_pattern(text: str, pattern: str) -> datetime | None:
    try:
        moment = datetime.strptime(text, pattern)  # noqa: DTZ007 - parse_time gives it a zone
    except (ValueError, re.error):
        return None
    return parse_time(moment.isoformat())


def _of_parts(text: str, form: str) -> datetime | None:
    found = _PARTED_DATE.fullmatch(text)
    clock = _CLOCK.fullmatch(found[4]) if found and found[4] else None
    if found is None or (found[4] and clock is None):
        return None
    first, second, year = (int(each) for each in found.group(1, 2, 3))
    day, month = (first, second) if form == DAY_FIRST else (second, first)
    try:
        return datetime(year, month, day, *_clock(clock), tzinfo=UTC)
    except ValueError:
        return None


def _clock(found: re.Match[str] | None) -> tuple[int, int, int]:
    if found is None:
        return 0, 0, 0
    hour, minute, second = int(found[1]), int(found[2]), int(found[3] or 0)
    if found[4]:
        hour = hour % 12 + (12 if found[4] in "Pp" else 0)
    return hour, minute, second


def date_order(texts: list[str]) -> str:
    """Whether the dates among these texts can only be day-first or only month-first; "" where they could be
    both, or neither.

    >>> date_order(["3/4/2026", "25/4/2026"]), date_order(["3/4/2026"]), date_order(["x"])
    ('day-first', '', '')
    """
    dates = [text for text in texts if is_date(text)]
    fitting = [form for form in (DAY_FIRST, MONTH_FIRST) if all(_of_parts(text, form) for text in dates)]
    return fitting[0] if len(fitting) == 1 else ""


def is_date(text: str) -> bool:
    """Whether it is a date of which the year comes last."""
    return _PARTED_DATE.fullmatch(text) is not None


def _bad(value: Any, expected: str) -> BadValueError:
    shown = str(value)
    shown = shown if len(shown) <= LONGEST_SHOWN else f"{shown[:LONGEST_SHOWN]}…"
    return BadValueError(f"“{shown}”; expected is {expected}")


def is_time_format(form: Any) -> bool:
    """Whether times can be read in this form: a name, or a pattern that ``strptime`` knows."""
    if not isinstance(form, str) or form in TIME_FORMATS:
        return form in TIME_FORMATS
    try:
        datetime.strptime("", form)  # noqa: DTZ007
    except (ValueError, re.error) as error:
        return "%" in form and "does not match" in str(error)
    return False
