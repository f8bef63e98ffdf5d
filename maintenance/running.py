"""One run of a step: the plan kept before it is begun, and what is done added up."""

from __future__ import annotations

from typing import Any

from django.db.models import Q

from jobs.claims import LostClaim, update_where
from jobs.progress import Progress
from jobs.states import HELD
from maintenance.models import MaintenanceJob
from maintenance.steps.base import Advance, Plan, Step


def plan_once(job: MaintenanceJob, step: Step, progress: Progress) -> Plan:
    """The job's plan: the stored one, else one made now and stored before anything is done."""
    stored = job.stored_plan
    if stored is None:
        progress.phase("planning")
        stored = step.plan(dict(job.parameters))
        write(job, progress, plan=stored.to_dict())
        progress.log("info", f"Planned: {stored.summary}")
    return stored


def write(job: MaintenanceJob, progress: Progress, **fields: Any) -> None:
    """Keep what only this kind of job has. Raises LostClaim when it is no longer ours."""
    if not update_where(job, Q(token=progress.token, state__in=HELD), **fields):
        raise LostClaim(f"maintenance {job.pk} is no longer held under token {progress.token}")
    for name, value in fields.items():
        setattr(job, name, value)


class Tally:
    """Where a run stands, from the job's beginning: a run that goes on adds to what the row tells.

    The row is written with each unit. A killed run may have done one more than its row tells; the archive's
    own figures are exact.
    """

    def __init__(self, job: MaintenanceJob, progress: Progress) -> None:
        self._job, self._progress = job, progress
        self.counts: dict[str, int] = dict(job.counts)
        self.records_done, self.bytes_done = job.records_done, job.bytes_done
        self.phase = ""
        self._result = dict(job.result)

    def take(self, done: Advance) -> None:
        """Add one unit. Raises Cancelled or LostClaim when the run must stop."""
        self.records_done += done.records
        self.bytes_done += done.bytes
        self.phase = done.phase or self.phase
        for name, number in done.counts.items():
            self.counts[name] = self.counts.get(name, 0) + number
        if done.problems:
            self.counts["problems"] = self.counts.get("problems", 0) + done.problems
        self._result |= done.result
        self._keep()
        if done.note:
            self._progress.log(done.level, done.note)
        self._progress.advance(self)

    def _keep(self) -> None:
        write(
            self._job,
            self._progress,
            counts=dict(self.counts),
            records_done=self.records_done,
            bytes_done=self.bytes_done,
            result=dict(self._result),
        )

    def conclude(self) -> None:
        """Problems that were found are told by the end."""
        if self.counts.get("problems"):
            self._progress.finish_with_errors()
