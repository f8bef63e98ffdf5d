"""Beat without its clockwork: what it would deliver at an hour is delivered, as its settings say."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any

from django.conf import settings

from maintenance import tasks
from maintenance.models import MaintenanceJob


def due_at(moment: datetime) -> list[list[Any]]:
    """The arguments of every bell of maintenance that is rung at this full hour (UTC)."""
    entries = [each for each in settings.CELERY_BEAT_SCHEDULE.values() if each["task"] == tasks.start_step.name]
    return [each["args"] for each in entries if _is_due(each["schedule"], moment)]


def _is_due(schedule: Any, moment: datetime) -> bool:
    """Whether a crontab means this full hour."""
    return (
        moment.minute in schedule.minute
        and moment.hour in schedule.hour
        and moment.day in schedule.day_of_month
        and moment.month in schedule.month_of_year
        and moment.isoweekday() % 7 in schedule.day_of_week
    )


def ring(moment: datetime, steps: Collection[str] = ()) -> list[MaintenanceJob]:
    """Deliver these bells (of ``steps`` alone, where some are named), and let a worker do what they begin. The
    clock has to say that it is ``moment``. The jobs that were made."""
    before = set(MaintenanceJob.objects.values_list("pk", flat=True))
    for step, period, parameters in due_at(moment):
        if not steps or step in steps:
            tasks.start_step(step, period, parameters)
            for job in MaintenanceJob.objects.active():
                tasks.run_maintenance_job(str(job.pk))
    return list(MaintenanceJob.objects.exclude(pk__in=before))
