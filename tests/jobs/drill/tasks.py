from celery import shared_task

from jobs.runner import run_delivered
from tests.jobs.drill.models import DrillJob, run_drill


@shared_task(name="drill.run")
def run(job_id: str) -> None:
    run_delivered(DrillJob, job_id, run_drill)
