"""Growth by tier and on the whole, and when the disk is full, from what was kept of each day. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from archive.growth import Forecast, Growth, forecast, growth_of
from archive.storage_figures import Disk

TIERS = ("hot", "warm", "cold", "frozen")
SERIES = (*TIERS, "others")
"""What is stacked in the plot of growth: the tiers, and what holds no messages."""


@dataclass(frozen=True, slots=True)
class Day:
    """One day's bytes on the disk by tier, and of the disk itself."""

    day: date
    taken: Mapping[str, int]
    messages: Mapping[str, int]
    disk: Disk

    @property
    def total(self) -> int:
        """All of the archive."""
        return sum(self.taken.values())

    @classmethod
    def of(cls, kept: Mapping[str, Any]) -> Day:
        """What ``storage_figures.kept`` tells of a day."""
        spaces = {**kept["tiers"], "others": kept["others"]}
        return cls(
            date.fromisoformat(kept["_id"]),
            {name: int(spaces[name]["storedBytes"] + spaces[name]["indexBytes"]) for name in SERIES},
            {name: int(spaces[name]["documents"]) for name in TIERS},
            Disk(int(kept["disk"]["totalBytes"]), int(kept["disk"]["usedBytes"])),
        )


@dataclass(frozen=True, slots=True)
class Outlook:
    """How fast each tier, the archive and the disk grow, and when the disk is full and when jobs pause."""

    tiers: Mapping[str, Growth | None]
    archive: Growth | None
    disk: Growth | None
    full: Forecast | None
    paused: Forecast | None


def outlook(days: Sequence[Day], now: Disk, today: date, pause_percent: int) -> Outlook:
    """What the days tell; ``now`` is the disk as it is, ``pause_percent`` when jobs wait for room."""
    disk = growth_of([(day.day, day.disk.used) for day in days])
    return Outlook(
        {name: growth_of([(day.day, day.taken[name]) for day in days]) for name in SERIES},
        growth_of([(day.day, day.total) for day in days]),
        disk,
        forecast(now.used, now.total, disk, today),
        forecast(now.used, now.total * pause_percent // 100, disk, today),
    )


def growth_as_dict(growth: Growth | None) -> dict[str, Any] | None:
    """Whole bytes a day by camelCase names."""
    if growth is None:
        return None
    return {
        "bytesPerDay": round(growth.per_day),
        "lowBytesPerDay": round(growth.low),
        "highBytesPerDay": round(growth.high),
        "days": growth.days,
    }


def forecast_as_dict(told: Forecast | None) -> dict[str, str | None] | None:
    """Days as text; ``latest`` is null where it may never be."""
    if told is None:
        return None
    return {
        "day": str(told.day),
        "earliest": str(told.earliest),
        "latest": str(told.latest) if told.latest else None,
    }
