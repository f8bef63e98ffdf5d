"""What Celery calls: it rings the bell, the services do the work."""

from __future__ import annotations

import logging

from celery import shared_task

from archive.errors import Unavailable
from exports import artifacts, checksums, due, services
from exports.finished import download_log
from exports.models import ExportJob
from jobs.runner import run_delivered

logger = logging.getLogger(__name__)

EXPIRES_SECONDS = 60
"""Nobody needs a bell that was heard late: what is due is rung for every minute."""


def _run(job: ExportJob) -> None:
    services.run_export(job)


@shared_task(name="exports.tasks.run_export_job")
def run_export_job(job_id: str) -> None:
    """Run one export, if it is there and free. Safe to deliver any number of times."""
    run_delivered(ExportJob, job_id, _run)


@shared_task(name="exports.tasks.expire_artifacts")
def expire_artifacts() -> int:
    """Delete artifacts that are past their time, strays, and old rows of the download log. Idempotent."""
    download_log.expire_downloads()
    return artifacts.expire_artifacts()


@shared_task(name="exports.tasks.check_artifacts")
def check_artifacts() -> int:
    """Hash those kept artifacts whose turn it is, for two minutes at most. Idempotent."""
    return checksums.check_artifacts()


@shared_task(name="exports.tasks.run_due_schedules")
def run_due_schedules() -> int:
    """Ring for each schedule that is due, by itself: the trouble of one holds up no other. Idempotent."""
    found = due.due_ids()
    for schedule_id in found:
        take_slot.apply_async([schedule_id], queue="default", expires=EXPIRES_SECONDS)
    return len(found)


@shared_task(name="exports.tasks.take_slot")
def take_slot(schedule_id: int) -> None:
    """Make the export of a schedule that is due. Safe to deliver any number of times."""
    try:
        due.take_slot(schedule_id)
    except Unavailable as trouble:
        logger.warning("schedule %s is still due: %s", schedule_id, trouble)
