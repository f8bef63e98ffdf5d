"""What ran last night, what will run tonight, and what each step is about, for pages and programs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.utils import timezone

from maintenance import timetable
from maintenance.models import MaintenanceJob
from maintenance.steps import STEPS
from maintenance.steps.base import Step
from maintenance.timetable import Entry

NIGHT = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Upcoming:
    """A step that will begin by itself."""

    step: Step
    entry: Entry
    at: datetime


@dataclass(frozen=True, slots=True)
class StepRow:
    """A step, its newest job that was no dry run, and when it begins by itself."""

    step: Step
    last: MaintenanceJob | None
    next_at: datetime | None


def entries() -> list[Entry]:
    """The timetable, as far as its steps are there."""
    found = timetable.entries(settings.CLAUDELENS_MAINTENANCE_HOURS)
    return [entry for entry in found if entry.step in STEPS]


def upcoming(now: datetime | None = None, within: timedelta = NIGHT) -> list[Upcoming]:
    """What begins by itself in the next 24 hours, first things first."""
    now = now or timezone.now()
    found = [Upcoming(STEPS[entry.step], entry, entry.next_at(now)) for entry in entries()]
    return sorted((each for each in found if each.at <= now + within), key=lambda each: each.at)


def last_night(now: datetime | None = None) -> list[MaintenanceJob]:
    """What was begun by itself in the last 24 hours, newest first."""
    since = (now or timezone.now()) - NIGHT
    return list(MaintenanceJob.objects.exclude(slot="").filter(created_at__gte=since))


def step_rows(now: datetime | None = None) -> list[StepRow]:
    """Every step with its last run."""
    now = now or timezone.now()
    dates: dict[str, datetime] = {}
    for entry in entries():
        at = entry.next_at(now)
        dates[entry.step] = min(at, dates.get(entry.step, at))
    done = MaintenanceJob.objects.filter(dry_run=False)
    return [StepRow(step, done.filter(step=name).first(), dates.get(name)) for name, step in STEPS.items()]


def steps_as_dicts() -> list[dict[str, Any]]:
    """The same for programs."""
    return [
        {
            "name": row.step.name,
            "label": row.step.label,
            "about": row.step.about,
            "command": row.step.command,
            "parameters": row.step.asks,
            "nextAt": row.next_at,
        }
        for row in step_rows()
    ]
