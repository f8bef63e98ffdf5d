"""The verbs of maintenance: create, run, cancel, retry. Every door calls these."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction

from archive.errors import Conflict, NotFound
from jobs import runner
from jobs.reporters import Reporter
from maintenance.models import MaintenanceJob
from maintenance.running import Tally, plan_once
from maintenance.slots import slot_of
from maintenance.steps import STEPS
from maintenance.steps.base import BadParameter, Holder, Step

logger = logging.getLogger(__name__)


def find_step(name: object) -> Step:
    """The step of that name. Raises BadParameter naming those there are."""
    step = STEPS.get(name) if isinstance(name, str) else None
    if step is None:
        hint = f"Steps: {', '.join(STEPS)}."
        raise BadParameter("step", f"{str(name)[:60]!r} is no step.", hint=hint, code="unknown_step")
    return step


def create_job(
    step: object,
    parameters: Mapping[str, Any] | None = None,
    owner: Any = None,
    *,
    dry_run: bool = False,
    plan_of: MaintenanceJob | None = None,
    slot: str = "",
) -> MaintenanceJob:
    """Make a job that does the step, or only plans it, and send it on its way.

    ``plan_of`` is a job whose plan is to be run as it stands, with its parameters; ``slot`` is for which time
    beat asks. Raises BadInput naming what is wrong, Conflict when another job does this step at the moment
    or has been made for the slot, or when ``plan_of`` has no plan.
    """
    kind = find_step(step)
    job = MaintenanceJob(step=kind.name, owner=owner, dry_run=dry_run, slot=slot)
    if plan_of is None:
        job.parameters = kind.understand(parameters or {})
    else:
        _take_plan(job, plan_of, parameters)
    try:
        with transaction.atomic():
            job.save(force_insert=True)
            runner.enqueue(job)
    except IntegrityError as twin:
        raise _already(kind, slot) from twin
    return job


def _take_plan(job: MaintenanceJob, planned: MaintenanceJob, parameters: Mapping[str, Any] | None) -> None:
    """The very plan that was shown."""
    if planned.step != job.step:
        message = f"Job {planned.pk} has planned another step: {planned.step}."
        raise Conflict(message, hint=f"Plan this one: {job.step}.", code="no_such_plan")
    if not planned.has_runnable_plan:
        message = f"Job {planned.pk} has no plan to be run: only a dry run that has ended has one."
        raise Conflict(message, hint="Make a dry run, then run its plan.", code="no_such_plan")
    if parameters or job.dry_run:
        hint = "Leave them out, or plan anew with them."
        raise BadParameter("plan", "it is run as it stands, without further parameters.", hint=hint)
    job.parameters, job.plan = dict(planned.parameters), planned.plan


def _already(step: Step, slot: str) -> Conflict:
    """Why no second job is made. Names the first where it is still there."""
    if slot and MaintenanceJob.objects.filter(step=step.name, slot=slot).exists():
        return Conflict(f"{step.label} was begun for {slot} already.", code="slot_taken")
    first = MaintenanceJob.objects.active().filter(step=step.name, dry_run=False).first()
    refusal = Conflict(
        f"{step.label} is at work already.",
        hint="Wait for that job to end, or cancel it.",
        code="maintenance_running",
    )
    if first is not None:
        refusal.more = {"jobId": str(first.pk)}
    return refusal


def create_due_job(
    step: str, period: str, parameters: Mapping[str, Any] | None = None
) -> MaintenanceJob | None:
    """Make the job of this period (day, week, month), once however often it is asked for.

    None where it was made before, or where another job does the step now.
    """
    slot = slot_of(period)
    try:
        return create_job(step, parameters, slot=slot)
    except Conflict as refusal:
        logger.info("not begun for %s: %s", slot, refusal)
        return None


def run_maintenance(job: MaintenanceJob, reporter: Reporter | None = None) -> None:
    """Plan the step unless that was done, then do the plan, unless it is a dry run. Safe to repeat.

    Raises NotClaimed when somebody else holds the job or it has ended.
    """
    with runner.running(job, reporter) as progress:
        step = find_step(job.step)
        plan = plan_once(job, step, progress)
        if job.dry_run:
            progress.phase("planned")
            return
        progress.phase("running", records_total=plan.records)
        tally = Tally(job, progress)
        for done in step.run(dict(job.parameters), plan, Holder(str(job.pk), progress.token)):
            tally.take(done)
        tally.conclude()


def cancel_maintenance(job: MaintenanceJob) -> None:
    """Ask the job to stop after the unit it is at; what is done stays done. Raises Conflict when it ended."""
    runner.request_cancel(job)


def retry_maintenance(job: MaintenanceJob) -> None:
    """Go on with the same plan. Raises Conflict when the job has not failed, or another does the step."""
    runner.retry(job)


def find_job(user: Any, job_id: UUID | str) -> MaintenanceJob:
    """The job of that id, if the user may see it. Raises NotFound."""
    try:
        wanted = UUID(str(job_id))
    except ValueError:
        wanted = None
    job: MaintenanceJob | None = MaintenanceJob.objects.filter(pk=wanted).first() if wanted else None
    if job is None or (user is not None and not job.is_visible_to(user)):
        hint = "The job's page and the list of jobs tell the id."
        raise NotFound(f"There is no maintenance job {str(job_id)[:60]!r}.", hint=hint)
    return job
