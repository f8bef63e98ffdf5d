"""In which calendar months the messages of a filter lie."""

from dataclasses import dataclass
from datetime import UTC, datetime

from archive import grouping
from archive.filters import MessageFilter


@dataclass(frozen=True, slots=True)
class Month:
    """A calendar month in UTC: its first moment, and that of the next one (None: there is none)."""

    since: datetime
    until: datetime | None

    @property
    def name(self) -> str:
        """As people sort it: 2026-03."""
        return f"{self.since:%Y}-{self.since:%m}".rjust(7, "0")

    @classmethod
    def of(cls, moment: datetime) -> "Month":
        """The month in which the moment lies."""
        since = datetime(moment.year, moment.month, 1, tzinfo=UTC)
        if (moment.year, moment.month) == (9999, 12):
            return cls(since, None)
        return cls(since, datetime(since.year + since.month // 12, since.month % 12 + 1, 1, tzinfo=UTC))


def months_of(message_filter: MessageFilter) -> tuple[list[Month], int]:
    """The months that have messages, in their order, and how many messages have no time. Reads all once."""
    found = grouping.count_by_month(message_filter)
    undated = found.pop(None, 0)
    return [Month.of(first) for first in sorted(first for first in found if first)], undated


def count_sessions(message_filter: MessageFilter) -> int:
    """How many sessions have messages that the filter fits. Exact; reads all of them once."""
    return sum(1 for _ in grouping.distinct_values(message_filter, "sessionId"))
