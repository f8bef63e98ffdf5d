"""Which steps are begun by themselves, and when. Pure: the settings give the hours, beat rings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

RINGS = 3
"""A bell that is missed at its hour is rung in the next ones, too; the slot makes one job of them."""
DAYS_OF_MONTH = 3
"""And one that is missed all day, on the next days, where it is for a whole month."""
SUNDAY = 6


@dataclass(frozen=True, slots=True)
class Entry:
    """A step that is begun every day, on Sundays (week) or on the 1st (month), at an hour in UTC."""

    name: str
    step: str
    period: str
    hour: int
    parameters: dict[str, Any] = field(default_factory=dict)

    @property
    def hours(self) -> list[int]:
        """When beat rings for it."""
        return list(range(self.hour, min(self.hour + RINGS, 24)))

    def next_at(self, now: datetime) -> datetime:
        """The next time that it is due, after ``now`` (in UTC).

        >>> from datetime import UTC
        >>> night = Entry("tier at night", "tier", "day", 1)
        >>> night.next_at(datetime(2026, 11, 24, 3, tzinfo=UTC)).isoformat()
        '2026-11-25T01:00:00+00:00'
        >>> Entry("compact", "compact", "month", 4).next_at(datetime(2026, 11, 24, tzinfo=UTC)).isoformat()
        '2026-12-01T04:00:00+00:00'
        """
        moment = now.replace(hour=self.hour, minute=0, second=0, microsecond=0)
        while moment <= now or not self._is_day(moment):
            moment += timedelta(days=1)
        return moment

    def _is_day(self, moment: datetime) -> bool:
        if self.period == "week":
            return moment.weekday() == SUNDAY
        return self.period != "month" or moment.day == 1


def entries(hours: Mapping[str, int]) -> Iterator[Entry]:
    """The timetable; a step whose hour is negative is not in it."""
    table: tuple[tuple[str, str, str, dict[str, Any]], ...] = (
        ("measure storage", "measure", "day", {}),
        ("rotate messages every month", "rotate", "month", {"always": True}),
        ("rotate messages that have grown", "rotate", "day", {}),
        ("move messages down", "tier", "day", {}),
        ("analyse indexes", "analyse", "week", {}),
        ("compact collections", "compact", "month", {}),
        ("verify the archive", "verify", "day", {}),
    )
    for name, step, period, parameters in table:
        if 0 <= hours[step] <= 23:
            yield Entry(name, step, period, hours[step], parameters)
