"""Makes the exports that are due: each slot once, however many ask at once and however late.

A slot is taken by moving ``next_at`` on from the value that was seen, in the transaction that makes the job;
whoever comes second moves nothing and makes nothing. What becomes of a job is looked at when the next slot
is due, so that nothing has to be told when it ends.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils import timezone

from archive.errors import ArchiveError, Unavailable
from exports import presets
from exports.calendar import last_due, next_time
from exports.filters import BadFilter
from exports.models import ExportJob, Schedule
from exports.schedules import FAILED, SKIPPED, STOPPED
from exports.services import Due, matches_anything
from jobs import notices
from jobs.states import ACTIVE, JobState

STOPS_AFTER = 5
"""How many failures in a row a schedule has before it stops itself."""
GOOD = (JobState.COMPLETED, JobState.COMPLETED_WITH_ERRORS)
BAD = (JobState.FAILED, JobState.ERRORED)
LONGEST_NOTE = 500
NOTHING_MATCHED = f"{SKIPPED}: nothing matched."


@dataclass(frozen=True, slots=True)
class Taken:
    """What came of a slot: a job, or a note that says why there is none."""

    schedule: Schedule
    slot: datetime
    job: ExportJob | None = None
    note: str = ""


def due_ids(now: datetime | None = None, owner: Any = None) -> list[int]:
    """The ids of the schedules (of one owner) that have a slot due, the longest waiting first."""
    due = Schedule.objects.filter(is_enabled=True, next_at__lte=now or timezone.now())
    due = due if owner is None else due.filter(owner=owner)
    return list(due.order_by("next_at", "pk").values_list("pk", flat=True))


def run_due(now: datetime | None = None, owner: Any = None) -> list[Taken]:
    """Make every export that is due now. Repeatable, by any number of processes at once.

    Raises Unavailable when the archive does not answer: what was not taken stays due.
    """
    now = now or timezone.now()
    return [taken for pk in due_ids(now, owner) if (taken := take_slot(pk, now)) is not None]


def take_slot(schedule_id: int, now: datetime | None = None) -> Taken | None:
    """Take the last slot of a schedule that is due, and make its export if there is to be one.

    Slots before the last one were missed while nothing ran, and are not made up for. None when nothing is
    due, or another process took it. Raises Unavailable, having changed nothing, when the archive does not
    answer.
    """
    now = now or timezone.now()
    found = Schedule.objects.select_related("owner", "preset__owner")
    schedule = found.filter(pk=schedule_id, is_enabled=True, next_at__lte=now).first()
    return None if schedule is None else _Slot(schedule, now).take()


class _Slot:
    """One schedule whose time has come."""

    def __init__(self, schedule: Schedule, now: datetime) -> None:
        self.schedule, self.seen = schedule, schedule.next_at
        self.slot = self.following = schedule.next_at
        self.now, self.failures = now, schedule.failures

    def take(self) -> Taken | None:
        """Look at everything first; then take the slot and do what was found right."""
        try:
            self._find_slot()
        except BadFilter as refusal:  # a time zone that is gone: there is no next slot to wait for
            return self._stop(_told(refusal))
        before = self._job_before()
        if before is not None and before.state in ACTIVE:
            return self._leave_out(before)
        self._count(before)
        try:
            return self._decide(before)
        except Unavailable:
            raise
        except ArchiveError as refusal:
            return self._fail(_told(refusal))

    def _find_slot(self) -> None:
        rule = self.schedule.rule
        self.slot = last_due(rule, self.seen, self.now)
        self.following = next_time(rule, self.slot)

    def _job_before(self) -> ExportJob | None:
        """The job of the slot before, while nobody has looked at how it ended."""
        if self.schedule.last_at is None or self.schedule.last_note:
            return None
        return self.schedule.jobs.filter(slot=self.schedule.last_at).first()

    def _count(self, before: ExportJob | None) -> None:
        if before is not None and before.state in GOOD:
            self.failures = 0
        elif before is not None and before.state in BAD:
            self.failures += 1

    def _decide(self, before: ExportJob | None) -> Taken | None:
        if reason := refusal_to_run(self.schedule):
            return self._stop(reason)
        if self.failures >= STOPS_AFTER:
            return self._stop(_worn_out(before.error_message if before else ""))
        if self.schedule.skips_empty and not self._matches():
            return self._note(NOTHING_MATCHED)
        return self._make()

    def _matches(self) -> bool:
        with presets.told_if_outdated(self.schedule.preset):
            return matches_anything(presets.asked_for(self.schedule.preset, self._due), self.slot)

    @property
    def _due(self) -> Due:
        return Due(self.schedule, self.slot)

    def _make(self) -> Taken | None:
        with transaction.atomic():
            if not self._move_on(last_at=self.slot, last_note=""):
                return None
            made = self.schedule.jobs.filter(slot=self.slot).first()  # the clock was put back
            job = made or presets.export_preset(self.schedule.owner, self.schedule.preset, self._due)
            return Taken(self.schedule, self.slot, job)

    def _leave_out(self, before: ExportJob) -> Taken | None:
        """The export before is not done: another would only wait behind it. Its state stays to be counted."""
        note = (
            f"The export that was due at {self.slot:%Y-%m-%d %H:%M} UTC was left out: this one is not done."
        )
        with transaction.atomic():
            if not self._move_on():
                return None
            before.log("warning", note)
            return Taken(self.schedule, self.slot, None, note)

    def _note(self, note: str) -> Taken | None:
        note = note[:LONGEST_NOTE]
        taken = self._move_on(last_at=self.slot, last_note=note)
        return Taken(self.schedule, self.slot, None, note) if taken else None

    def _fail(self, reason: str) -> Taken | None:
        self.failures += 1
        return (
            self._stop(_worn_out(reason))
            if self.failures >= STOPS_AFTER
            else self._note(f"{FAILED}: {reason}")
        )

    def _stop(self, reason: str) -> Taken | None:
        """No more slots until somebody enables it again; its owner is told."""
        note = f"{STOPPED}: {reason}"[:LONGEST_NOTE]
        stopped = {"is_enabled": False, "stopped_because": reason[:LONGEST_NOTE], "last_note": note}
        with transaction.atomic():
            if not self._move_on(last_at=self.slot, **stopped):
                return None
            notices.tell(self.schedule.owner_id, _stop_notice(self.schedule, self.slot, reason))
            return Taken(self.schedule, self.slot, None, note)

    def _move_on(self, **fields: Any) -> bool:
        """Take the slot: whoever finds ``next_at`` as it was seen."""
        seen = Schedule.objects.filter(pk=self.schedule.pk, next_at=self.seen, is_enabled=True)
        return bool(seen.update(next_at=self.following, failures=self.failures, **fields))


def refusal_to_run(schedule: Schedule) -> str:
    """Why the schedule may not run (any more), in words; "" when it may."""
    owner, preset = schedule.owner, schedule.preset
    if not owner.is_active:
        return f"Its owner, {owner}, may no longer sign in."
    if not owner.is_staff:
        return f"Its owner, {owner}, is no longer staff."
    if not presets.may_use(owner, preset):
        return f"Its preset “{preset.name}” is no longer shared by {preset.owner}."
    return ""


def _told(refusal: ArchiveError) -> str:
    return f"{refusal.message} {refusal.hint}".strip()


def _worn_out(last: str) -> str:
    return f"It failed {STOPS_AFTER} times in a row. " + (f"The last time: {last}" if last else "")


def _stop_notice(schedule: Schedule, slot: datetime, reason: str) -> notices.Told:
    return notices.Told(
        about=schedule.notice_id,
        number=int(slot.timestamp()),
        kind="schedule",
        title=str(schedule),
        text=f"The schedule “{schedule}” has stopped. {reason}",
        parameters={"preset": schedule.preset.name, "schedule": str(schedule.rule)},
        url=schedule.get_absolute_url(),
    )
