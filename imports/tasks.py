"""What Celery calls: it rings the bell, the services do the work."""

from __future__ import annotations

from celery import shared_task

from imports import drafts, services, uploads
from imports.models import ImportJob
from jobs.runner import run_delivered


@shared_task(name="imports.tasks.run_import_job")
def run_import_job(job_id: str) -> None:
    """Run one import, if it is there and free. Safe to deliver any number of times."""
    run_delivered(ImportJob, job_id, services.run_import)


@shared_task(name="imports.tasks.expire_uploads")
def expire_uploads() -> int:
    """Delete uploads and drafts that nobody continued, and what finished imports left. Idempotent."""
    return uploads.expire_uploads() + drafts.expire_drafts()
