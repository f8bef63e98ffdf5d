"""The quiet hours: when the nightly move may work. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, time
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError


def is_time_zone(name: str) -> bool:
    """Whether there is a time zone of that name."""
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


@dataclass(frozen=True, slots=True)
class QuietHours:
    """From ``begin`` until before ``end``, by the clock of a time zone; over midnight where ``end`` is the
    earlier one, all day where both are the same."""

    begin: time
    end: time
    time_zone: str = "UTC"

    def hold_at(self, moment: datetime) -> bool:
        """Whether they are now.

        >>> from datetime import UTC
        >>> QuietHours(time(22), time(5)).hold_at(datetime(2026, 1, 1, 23, 30, tzinfo=UTC))
        True
        >>> QuietHours(time(1), time(5)).hold_at(datetime(2026, 1, 1, 5, 0, tzinfo=UTC))
        False
        """
        now = moment.astimezone(ZoneInfo(self.time_zone)).time()
        if self.begin == self.end:
            return True
        if self.begin < self.end:
            return self.begin <= now < self.end
        return now >= self.begin or now < self.end

    def __str__(self) -> str:
        return f"{self.begin:%H:%M} to {self.end:%H:%M} {self.time_zone}"
