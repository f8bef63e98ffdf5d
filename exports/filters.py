"""What a person may ask an export for, checked and made exact."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from typing import Any

from archive.errors import BadInput
from archive.filters import MessageFilter

LONGEST_VALUE = 512
MOST_VALUES = 1000


class BadFilter(BadInput):
    """A filter that cannot be meant; ``field`` names the part that is wrong."""

    code = "bad_filter"

    def __init__(self, field: str, message: str, *, hint: str = "") -> None:
        super().__init__(f"{field}: {message}", hint=hint)
        self.field = field


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _text(field: str, value: object) -> str:
    if not isinstance(value, str):
        raise BadFilter(
            field, f"{_shown(value)} is not a text.", hint=f'Give {field} as a string, such as "…".'
        )
    value = value.strip()
    if len(value) > LONGEST_VALUE or any(ord(char) < 32 or 0xD800 <= ord(char) < 0xE000 for char in value):
        raise BadFilter(
            field,
            f"{_shown(value)} is too long or holds control characters.",
            hint="Copy it from a page.",
        )
    return value


def _texts(field: str, value: object) -> tuple[str, ...]:
    """One text or a list of them; blanks mean "any"."""
    values = value if isinstance(value, (list, tuple)) else [value]
    if len(values) > MOST_VALUES:
        raise BadFilter(field, f"{len(values)} values are too many.", hint=f"At most {MOST_VALUES}.")
    texts = (_text(field, item) for item in values)
    return tuple(dict.fromkeys(text for text in texts if text))


def parse_time(field: str, value: object) -> datetime | None:
    """A moment in UTC from ISO 8601; a bare date is its first moment, a time without zone is UTC.

    >>> parse_time("since", "2025-01-31")
    datetime.datetime(2025, 1, 31, 0, 0, tzinfo=datetime.timezone.utc)
    """
    if isinstance(value, datetime):
        moment = value
    elif isinstance(value, date):
        moment = datetime(value.year, value.month, value.day, tzinfo=UTC)
    else:
        text = _text(field, value)
        if not text:
            return None
        moment = _read_time(field, text)
    return _in_utc(field, moment)


def _read_time(field: str, text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise BadFilter(
            field,
            f"{_shown(text)} is not a date or time.",
            hint="Write 2025-01-31 or 2025-01-31T12:00:00Z.",
        ) from None


def _in_utc(field: str, moment: datetime) -> datetime:
    try:
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except OverflowError:
        raise BadFilter(
            field, f"{moment} is outside the years 1 to 9999.", hint="Give another year."
        ) from None


FIELDS: dict[str, tuple[str, Callable[[str, object], Any]]] = {
    "project": ("project_ids", _texts),
    "session": ("session_ids", _texts),
    "source": ("sources", _texts),
    "model": ("models", _texts),
    "since": ("since", parse_time),
    "until": ("until", parse_time),
}
"""What a person writes -> the part of ``MessageFilter`` it becomes, and how it is read."""


def build_filter(asked: Mapping[str, object]) -> MessageFilter:
    """The filter that was asked for. ``since`` is in it, ``until`` is not; nothing means all.

    Raises BadFilter naming the field: unknown, of the wrong type, or an impossible range.
    """
    parts: dict[str, Any] = {}
    for field, value in asked.items():
        if field not in FIELDS:
            raise BadFilter(
                str(field)[:60], "there is no such filter.", hint=f"Filters: {', '.join(FIELDS)}."
            )
        name, read = FIELDS[field]
        if value is not None:
            parts[name] = read(field, value)
    since, until = parts.get("since"), parts.get("until")
    if since and until and since >= until:
        raise BadFilter(
            "until",
            f"{until.isoformat()} is not after since ({since.isoformat()}).",
            hint="until is the first moment that is no longer exported: make it later than since.",
        )
    return MessageFilter(**parts)
