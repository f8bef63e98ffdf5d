"""What Celery calls: it rings the bell, the services do the work."""

from __future__ import annotations

from typing import Any

from celery import shared_task

from jobs.runner import run_delivered
from maintenance import services
from maintenance.models import MaintenanceJob


def _run(job: MaintenanceJob) -> None:
    services.run_maintenance(job)


@shared_task(name="maintenance.tasks.run_maintenance_job")
def run_maintenance_job(job_id: str) -> None:
    """Run one job of maintenance, if it is there and free. Safe to deliver any number of times."""
    run_delivered(MaintenanceJob, job_id, _run)


@shared_task(name="maintenance.tasks.start_step")
def start_step(step: str, period: str, parameters: dict[str, Any] | None = None) -> None:
    """Begin a step for this day, week or month, once however often it is delivered."""
    services.create_due_job(step, period, parameters)
