"""When a schedule is due: days of the calendar, a time of day and a time zone, as moments in UTC. Pure."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from exports.reading import BadFilter, read_text, read_zone

FREQUENCIES = ("daily", "weekly", "monthly")
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
LAST_MONTHDAY = 28
"""The last day that every month has."""
DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Rule:
    """``weekday`` (0 is Monday) counts for every week, ``monthday`` (1 to 28) for every month."""

    frequency: str = "weekly"
    weekday: int = 0
    monthday: int = 1
    time_of_day: time = time(3, 0)
    time_zone: str = "UTC"

    @property
    def zone(self) -> ZoneInfo:
        """Raises BadFilter when this machine does not know the time zone (any more)."""
        return ZoneInfo(read_zone("timezone", self.time_zone))

    def fits(self, day: date) -> bool:
        """Whether something is due on that day of the calendar."""
        if self.frequency == "daily":
            return True
        return day.weekday() == self.weekday if self.frequency == "weekly" else day.day == self.monthday

    def __str__(self) -> str:
        return f"{self._days} at {self.time_of_day:%H:%M} {self.time_zone}"

    @property
    def _days(self) -> str:
        told = {
            "daily": "every day",
            "weekly": f"every {WEEKDAYS[self.weekday]}",
            "monthly": f"every month on day {self.monthday}",
        }
        return told[self.frequency]


def next_time(rule: Rule, after: datetime) -> datetime:
    """The first moment after ``after`` (strictly) at which the rule is due, in UTC.

    Each day of the calendar has one moment at most. A time of day that the clocks leap over that day is
    due at the first moment after the leap, one that comes twice the first time only, and a day that is
    left out of the calendar altogether has none. Raises BadFilter for an unknown time zone.
    """
    zone = rule.zone
    days = _days_from(after.astimezone(zone).date() - DAY)
    moments = (_moment(datetime.combine(day, rule.time_of_day), zone) for day in days if rule.fits(day))
    return next(moment for moment in moments if moment is not None and moment > after)


def last_due(rule: Rule, first: datetime, now: datetime) -> datetime:
    """The last of the moments from ``first`` on, itself one of them, that is not after ``now``."""
    last, following = first, next_time(rule, first)
    while following <= now:
        last, following = following, next_time(rule, following)
    return last


def _days_from(day: date) -> Iterator[date]:
    while True:
        yield day
        day += DAY


def _moment(wall: datetime, zone: ZoneInfo) -> datetime | None:
    """The first moment at which the clocks of the zone show ``wall``, or had to."""
    moment = wall.replace(tzinfo=zone).astimezone(UTC)
    if moment.astimezone(zone).replace(tzinfo=None) == wall:
        return moment
    leap = _leap_before(moment, wall.replace(tzinfo=zone, fold=1).astimezone(UTC), zone)
    days = {leap.astimezone(zone).date(), (leap - SECOND).astimezone(zone).date()}
    return leap if wall.date() in days else None


def _leap_before(end: datetime, begin: datetime, zone: ZoneInfo) -> datetime:
    """The moment after ``begin``, not after ``end``, at which the clocks of the zone leap; to the second."""
    then = end.astimezone(zone).utcoffset()
    seconds = range(round((end - begin).total_seconds()) + 1)
    leapt = bisect_left(
        seconds, True, key=lambda past: (begin + past * SECOND).astimezone(zone).utcoffset() == then
    )
    return begin + leapt * SECOND


def build_rule(asked: Mapping[str, object], base: Rule | None = None) -> Rule:
    """The rule that was asked for; what is not named is as in ``base``. Words that are no part of a rule
    are not looked at.

    Raises BadFilter naming the field that is wrong.
    """
    parts: dict[str, Any] = {}
    for word, (name, read) in FIELDS.items():
        if asked.get(word) is not None:
            parts[name] = read(word, asked[word])
    return replace(base or Rule(), **parts)


def _frequency(field: str, value: object) -> str:
    text = read_text(field, value)
    if text not in FREQUENCIES:
        raise BadFilter(field, f"{text[:60]!r} is not known.", hint=f"Known are: {', '.join(FREQUENCIES)}.")
    return text


def _number(lowest: int, highest: int) -> Callable[[str, object], int]:
    def read(field: str, value: object) -> int:
        text = value.strip() if isinstance(value, str) else value
        known = {str(number): number for number in range(lowest, highest + 1)}
        found = known.get(text) if isinstance(text, str) else text
        if isinstance(found, bool) or not isinstance(found, int) or not lowest <= found <= highest:
            raise BadFilter(
                field, f"it is no number from {lowest} to {highest}.", hint=f"Give {lowest} to {highest}."
            )
        return found

    return read


def _time_of_day(field: str, value: object) -> time:
    """
    >>> _time_of_day("timeOfDay", "3:05")
    datetime.time(3, 5)
    """
    text = f"{value:%H:%M}" if isinstance(value, time) else read_text(field, value)
    found = re.fullmatch(r"([01]?[0-9]|2[0-3]):([0-5][0-9])", text)
    if found is None:
        raise BadFilter(field, f"{text[:60]!r} is no time of day.", hint="Write it as 03:00 or 17:30.")
    return time(int(found[1]), int(found[2]))


FIELDS: dict[str, tuple[str, Callable[[str, object], Any]]] = {
    "frequency": ("frequency", _frequency),
    "weekday": ("weekday", _number(0, 6)),
    "monthday": ("monthday", _number(1, LAST_MONTHDAY)),
    "timeOfDay": ("time_of_day", _time_of_day),
    "timezone": ("time_zone", read_zone),
}
"""What a person writes -> the part of ``Rule`` it becomes, and how it is read."""
