"""Which period a moment is in: each period has one slot, whoever asks and however often."""

from __future__ import annotations

from datetime import datetime

from django.utils import timezone

FORMATS = {"hour": "%Y-%m-%dT%H", "day": "%Y-%m-%d", "week": "%G-W%V", "month": "%Y-%m"}


def slot_of(period: str, at: datetime | None = None) -> str:
    """The slot of the day, week or month (in UTC) that ``at`` is in, by default now: 2026-11-24."""
    return (at or timezone.now()).strftime(FORMATS[period])
