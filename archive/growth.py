"""How fast something grows, and when it has no more room. Pure.

The growth of a day is the median of the slopes between days that lie one to two weeks apart. The week takes
its rhythm out; and a day on which a year of transcripts came in, or one on which a month was frozen, stands
between few of these pairs, and so does not bend the median. (Between every two days, as Theil and Sen have
it, such a step would stand between half of them.) With less than three weeks every two days are looked at.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from statistics import median

FEWEST_DAYS = 3
"""Of fewer days no slope is told."""
MOST_DAYS = 366
WEEK = 7
FARTHEST_DAYS = 36_500
"""What would be full later than in a hundred years is not foretold."""

Point = tuple[date, int]


@dataclass(frozen=True, slots=True)
class Growth:
    """How much it changes in a day, between which bounds that lies, and of how many days that was told."""

    per_day: float
    low: float
    high: float
    days: int


@dataclass(frozen=True, slots=True)
class Forecast:
    """On which day the room is used up, at the earliest and at the latest; ``latest`` is None where it may
    never be."""

    day: date
    earliest: date
    latest: date | None


def growth_of(points: Sequence[Point]) -> Growth | None:
    """The growth over these days, in any order and with gaps; None for fewer than three of them.

    Of more than ``MOST_DAYS`` the last ones are looked at. Its range holds the true slope in about 19 cases
    of 20 (where there are few weeks it is as wide as what was seen).
    """
    days = sorted(dict(points).items())[-MOST_DAYS:]
    if len(days) < FEWEST_DAYS:
        return None
    slopes, independent = _slopes(days)
    # The ranks around the middle that a median of so many independent slopes keeps to with 95 %.
    reach = min(0.5, 0.98 / math.sqrt(independent))
    last = len(slopes) - 1
    low, high = slopes[math.floor(last * (0.5 - reach))], slopes[math.ceil(last * (0.5 + reach))]
    return Growth(median(slopes), low, high, len(days))


def _slopes(days: Sequence[Point]) -> tuple[list[float], int]:
    """The slopes in their order, and how many of them say something of their own."""
    every = [
        ((after - before).days, (later - earlier) / (after - before).days)
        for place, (before, earlier) in enumerate(days)
        for after, later in days[place + 1 :]
    ]
    span = (days[-1][0] - days[0][0]).days
    weekly = sorted(slope for apart, slope in every if WEEK <= apart <= 2 * WEEK)
    if span < 3 * WEEK or not weekly:
        return sorted(slope for _, slope in every), len(days) - 1
    return weekly, max(1, span // WEEK)


def forecast(used: int, room: int, growth: Growth | None, today: date) -> Forecast | None:
    """When ``room`` is used up, from ``used`` of it today. None where it does not grow, where that is not
    known, and where it would be later than in a hundred years."""
    if growth is None or growth.per_day <= 0 or room <= 0:
        return None
    left = max(0, room - used)
    days = left / growth.per_day
    if days > FARTHEST_DAYS:
        return None
    return Forecast(
        today + timedelta(days=math.floor(days)),
        today + timedelta(days=math.floor(left / max(growth.high, growth.per_day))),
        _latest(left, growth.low, today),
    )


def _latest(left: int, low: float, today: date) -> date | None:
    if low <= 0 or left / low > FARTHEST_DAYS:
        return None
    return today + timedelta(days=math.floor(left / low))
