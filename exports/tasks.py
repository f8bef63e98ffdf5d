"""What Celery calls: it rings the bell, the services do the work."""

from __future__ import annotations

from celery import shared_task

from exports import artifacts, services
from exports.models import ExportJob
from jobs.runner import run_delivered


def _run(job: ExportJob) -> None:
    services.run_export(job)


@shared_task(name="exports.tasks.run_export_job")
def run_export_job(job_id: str) -> None:
    """Run one export, if it is there and free. Safe to deliver any number of times."""
    run_delivered(ExportJob, job_id, _run)


@shared_task(name="exports.tasks.expire_artifacts")
def expire_artifacts() -> int:
    """Delete artifacts that are past their time, and strays. Idempotent."""
    return artifacts.expire_artifacts()
