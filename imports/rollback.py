"""Undoing an import: asked for by a person, or because all was to be good and something was not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from archive import import_reports, rejected
from archive.checkpoints import Fenced
from archive.entanglement import RollbackConflict, check_can_undo, count_changes
from archive.errors import ArchiveError, BadInput, Conflict, Unavailable
from archive.undo import is_begun, undo_import
from imports.models import ImportJob
from imports.pipeline import Step
from jobs.progress import Progress
from jobs.runner import Cancelled, send_to_roll_back
from jobs.states import JobState

HINT = "Nothing of this import is in the archive. Mend it and import again, or choose the mode keep-good."


class NotAllGood(BadInput):
    """An import of which all was to be taken or nothing met something that it cannot take."""

    code = "not_all_good"


@dataclass(frozen=True)
class _Undoing:
    """How far the undoing is; the import's own counts stay as they are."""

    counts: Mapping[str, int]
    records_done: int
    bytes_done: int = 0
    phase: str = "rolling back"


def roll_back_import(job: ImportJob) -> None:
    """Send an ended import to be undone, exactly to what was there before.

    :raises Conflict: later imports built on it (``rollback_conflict``, listed), it cannot be undone, or is
        at work
    """
    check(job)
    job.parameters["endedAs"] = job.state
    ImportJob.objects.filter(pk=job.pk, state=job.state).update(parameters=job.parameters)
    send_to_roll_back(job)


def check(job: ImportJob) -> None:
    """Whether the import can be undone as things stand.

    :raises Conflict: it cannot, and why
    """
    if job.is_dry_run:
        raise Conflict("A dry run has changed nothing.", hint="Nothing to undo.", code="job_not_undoable")
    check_can_undo(str(job.pk))


def plan(job: ImportJob) -> dict[str, Any]:
    """What undoing the import would change, and what stands in its way. Changes nothing."""
    told: dict[str, Any] = {"job": str(job.pk), "state": job.state, "refusal": None}
    told |= {"changes": count_changes(str(job.pk)), "conflicts": [], "conflictCount": 0}
    try:
        check(job)
    except Conflict as refusal:
        return told | {"refusal": refusal.message, **refusal.more}
    return told


def is_due(job: ImportJob) -> bool:
    """Whether the job is to be undone, or has been half: then it cannot go on as an import."""
    return job.state == JobState.ROLLING_BACK or is_begun(str(job.pk))


def undo(job: ImportJob, progress: Progress, reason: ArchiveError | None = None) -> None:
    """Undo the import that this process holds, or go on undoing it; it then ends as rolled_back, with the
    reason as its error. Safe to repeat.

    An ended import that somebody has built on meanwhile is left as it was. Raises ``RollbackConflict`` where
    it had not ended by itself.
    """
    if job.state != JobState.ROLLING_BACK:
        progress.begin_rollback(reason)
    progress.phase("rolling back", bytes_total=0)
    try:
        _pull(job, progress)
    except RollbackConflict as refusal:
        if "endedAs" not in job.parameters:
            raise
        progress.log("error", refusal.message)
        progress.end_state = JobState(job.parameters["endedAs"])


def _pull(job: ImportJob, progress: Progress) -> None:
    waits_for = ""
    for step in undo_import(str(job.pk), progress.token):
        if step.waits_for and step.waits_for != waits_for:
            progress.log("info", f"Waiting: {step.why}.")
        waits_for = step.waits_for
        progress.phase("rolling back", records_total=max(step.total, step.done))
        progress.advance(_Undoing(job.counts, step.done))


def is_all_or_nothing(job: ImportJob) -> bool:
    """Whether nothing of the import is to stay unless all of it is good."""
    return job.is_all_or_nothing and not job.is_dry_run


def reason_of(stop: Cancelled | ArchiveError) -> ArchiveError | None:
    """Why an import that must be all good is undone; None where a person wished it.

    :raises Unavailable: that is no reason; the job is tried again
    :raises Fenced: somebody else has the job
    """
    if isinstance(stop, Cancelled):
        return None
    if isinstance(stop, Unavailable | Fenced):
        raise stop
    return stop if isinstance(stop, NotAllGood) else NotAllGood(stop.message, hint=HINT)


def check_all_good(job: ImportJob, step: Step) -> None:
    """Stop at the first record that was rejected, or the first file that was refused.

    :raises NotAllGood: naming file, line and reason
    """
    job_id = str(job.pk)
    if step.counts["rejected"]:
        first = rejected.page_rejected(job_id, limit=1).items[0]
        raise NotAllGood(f"{first['file']}, line {first['line']:,}: {first['reason']}", hint=HINT)
    if step.refused_files:
        refused = import_reports.first_refused(job_id) or {}
        raise NotAllGood(f"{refused.get('path', '')}: {refused.get('reason', '')}", hint=HINT)
