"""The timetable of maintenance as Celery's beat takes it."""

from collections.abc import Mapping
from typing import Any

from celery.schedules import crontab

from maintenance.timetable import DAYS_OF_MONTH, Entry, entries


def maintenance_schedule(hours: Mapping[str, int]) -> dict[str, dict[str, Any]]:
    """One entry for each row of the timetable: the task makes one job of any number of bells."""
    return {entry.name: _entry(entry) for entry in entries(hours)}


def _entry(entry: Entry) -> dict[str, Any]:
    return {
        "task": "maintenance.tasks.start_step",
        "schedule": crontab(minute="0", hour=",".join(map(str, entry.hours)), **_days(entry.period)),
        "args": [entry.step, entry.period, entry.parameters],
        "options": {"expires": 3600, "queue": "default"},
    }


def _days(period: str) -> dict[str, str]:
    if period == "week":
        return {"day_of_week": "sunday"}
    return {"day_of_month": f"1-{DAYS_OF_MONTH}"} if period == "month" else {}
