"""Reading what a person wrote: texts, times, time zones and amounts, each exact or refused by name. Pure."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, tzinfo
from decimal import Decimal, InvalidOperation
from difflib import get_close_matches
from functools import cache
from zoneinfo import available_timezones

from archive.errors import BadInput
from archive.filters import MOST_DOLLARS, MOST_PLACES, is_cost

LONGEST_VALUE = 512
MOST_VALUES = 1000
NO_PLACES = {"localtime", "Factory"}
"""Files beside the time zones that name no zone."""


class BadFilter(BadInput):
    """A filter that cannot be meant; ``field`` names the part that is wrong."""

    code = "bad_filter"

    def __init__(self, field: str, message: str, *, hint: str = "") -> None:
        super().__init__(f"{field}: {message}", hint=hint)
        self.field = field


def shown(value: object) -> str:
    """The value as a refusal repeats it: short."""
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def read_text(field: str, value: object) -> str:
    """A short text without control characters, and without blanks around it. Raises BadFilter."""
    if not isinstance(value, str):
        raise BadFilter(
            field, f"{shown(value)} is not a text.", hint=f'Give {field} as a string, such as "…".'
        )
    value = value.strip()
    if len(value) > LONGEST_VALUE or any(ord(char) < 32 or 0xD800 <= ord(char) < 0xE000 for char in value):
        raise BadFilter(
            field,
            f"{shown(value)} is too long or holds control characters.",
            hint="Copy it from a page.",
        )
    return value


def read_texts(field: str, value: object) -> tuple[str, ...]:
    """One text or a list of them; blanks mean "any"."""
    values = value if isinstance(value, (list, tuple)) else [value]
    if len(values) > MOST_VALUES:
        raise BadFilter(field, f"{len(values)} values are too many.", hint=f"At most {MOST_VALUES}.")
    texts = (read_text(field, item) for item in values)
    return tuple(dict.fromkeys(text for text in texts if text))


def one_of(*known: str) -> Callable[[str, object], str]:
    """A reader of one of these words, or of nothing."""

    def read(field: str, value: object) -> str:
        text = read_text(field, value)
        if text and text not in known:
            raise BadFilter(field, f"{shown(text)} is not known.", hint=f"Known are: {', '.join(known)}.")
        return text

    return read


def read_moment(field: str, value: object) -> datetime | None:
    """A date or time from ISO 8601 as it was written, maybe without a zone; a bare date is its first moment.

    Raises BadFilter.
    """
    if isinstance(value, datetime):
        return value
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day)  # noqa: DTZ001  (the zone comes later)
    text = read_text(field, value)
    if not text:
        return None
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise BadFilter(
            field,
            f"{shown(text)} is not a date or time.",
            hint="Write 2025-01-31 or 2025-01-31T12:00:00Z.",
        ) from None


def in_utc(field: str, moment: datetime, zone: tzinfo = UTC) -> datetime:
    """The moment in UTC; one without a zone is what the clocks of ``zone`` show, the first time they do.

    >>> in_utc("since", datetime(2025, 1, 31)).isoformat()
    '2025-01-31T00:00:00+00:00'
    """
    try:
        return (moment.replace(tzinfo=zone) if moment.tzinfo is None else moment).astimezone(UTC)
    except OverflowError:
        raise BadFilter(
            field, f"{moment} is outside the years 1 to 9999.", hint="Give another year."
        ) from None


def read_cost(field: str, value: object) -> Decimal | None:
    """An amount of US dollars from a number or a text of one. Raises BadFilter.

    >>> read_cost("minCost", 0.1)
    Decimal('0.1')
    """
    is_number = isinstance(value, (int, float, Decimal)) and not isinstance(value, bool)
    text = str(value) if is_number else read_text(field, value)
    if not text:
        return None
    try:
        amount = Decimal(text)
    except InvalidOperation:
        amount = Decimal("NaN")
    if not is_cost(amount):
        raise BadFilter(
            field,
            f"{shown(value)} is not an amount of US dollars.",
            hint=f"Give a number from 0 to {MOST_DOLLARS:,} with at most {MOST_PLACES} decimal places.",
        )
    return amount


def read_zone(field: str, value: object) -> str:
    """The name of a time zone that this machine knows. Raises BadFilter, with a name that is alike."""
    name = read_text(field, value)
    if name not in zone_names():
        alike = get_close_matches(name[:60], zone_names(), n=1)
        hint = f"Did you mean {alike[0]}?" if alike else "Give a name such as UTC or Europe/Berlin."
        raise BadFilter(field, f"{shown(name)} is no time zone.", hint=hint)
    return name


@cache
def zone_names() -> tuple[str, ...]:
    """The names of the time zones there are (IANA), in order."""
    return tuple(sorted(available_timezones() - NO_PLACES))
