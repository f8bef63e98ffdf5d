"""Ranges of time that move with the day: "last-week", "30d". Pure."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta, tzinfo

DAY, WEEK = timedelta(days=1), timedelta(weeks=1)
UNITS = {"h": timedelta(hours=1), "d": DAY, "w": WEEK}
LAST = re.compile(r"([1-9][0-9]{0,3})([hdw])")
Days = tuple[date, date]


def _monday(day: date) -> date:
    return day - day.weekday() * DAY


def _first(day: date) -> date:
    """The first of its month."""
    return day.replace(day=1)


def _next_first(day: date) -> date:
    return _first(_first(day) + 31 * DAY)


CALENDAR: dict[str, Callable[[date], Days]] = {
    "today": lambda day: (day, day + DAY),
    "yesterday": lambda day: (day - DAY, day),
    "this-week": lambda day: (_monday(day), _monday(day) + WEEK),
    "last-week": lambda day: (_monday(day) - WEEK, _monday(day)),
    "this-month": lambda day: (_first(day), _next_first(day)),
    "last-month": lambda day: (_first(_first(day) - DAY), _first(day)),
    "this-year": lambda day: (date(day.year, 1, 1), date(day.year + 1, 1, 1)),
    "last-year": lambda day: (date(day.year - 1, 1, 1), date(day.year, 1, 1)),
}
"""A period of the calendar -> the day it begins on, and the first day after it. Weeks begin on Monday."""


def is_period(text: str) -> bool:
    """Whether it names a period: one of the calendar, or the last so many hours, days or weeks."""
    return text in CALENDAR or LAST.fullmatch(text) is not None


def range_of(period: str, at: datetime, zone: tzinfo) -> tuple[datetime, datetime]:
    """The first moment of the period and the first after it, in UTC, as it is called at ``at``.

    A day of the calendar begins as the clocks of ``zone`` say, so one may have 23 or 25 hours; a day of
    "30d" is 24 hours, and the last of them ends at ``at``. ``period`` is one that ``is_period``.

    >>> [f"{moment:%m-%d %H:%M}" for moment in range_of("last-week", datetime(2025, 3, 12, tzinfo=UTC), UTC)]
    ['03-03 00:00', '03-10 00:00']
    """
    found = LAST.fullmatch(period)
    if found:
        return at.astimezone(UTC) - int(found[1]) * UNITS[found[2]], at.astimezone(UTC)
    begin, end = CALENDAR[period](at.astimezone(zone).date())
    return _begin_of(begin, zone), _begin_of(end, zone)


def _begin_of(day: date, zone: tzinfo) -> datetime:
    """The first moment of the day; where the clocks leap over midnight, the moment of the leap."""
    return datetime.combine(day, time(), zone).astimezone(UTC)
