"""The verbs of schedules: a preset made again and again. ``exports.due`` makes what is due."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import F, QuerySet
from django.utils import timezone

from archive.errors import Conflict, NotFound
from exports import presets
from exports.calendar import FIELDS as RULE_FIELDS
from exports.calendar import build_rule, next_time
from exports.choices import read_truth
from exports.filters import BadFilter
from exports.models import ExportJob, Preset, Schedule
from exports.presets import read_id
from exports.services import Due

FIELDS = ("preset", *RULE_FIELDS, "skipsEmpty", "enabled")
"""What a schedule is made of, in the words of the API."""
MOST_SCHEDULES = 100
"""How many one person may have."""
FAILED, SKIPPED, STOPPED = "Failed", "Skipped", "Stopped"
"""How the note of a slot that made no job begins, before a colon."""
ENABLED_AGAIN = "Enabled again."


def visible_schedules(user: Any) -> QuerySet[Schedule]:
    """The user's own schedules; a superuser's are all. Presets and owners come with them."""
    found = Schedule.objects.select_related("owner", "preset__owner")
    return found if user.is_superuser else found.filter(owner_id=user.pk)


def find_schedule(user: Any, schedule_id: object) -> Schedule:
    """Raises NotFound when there is none of that id, or it is another person's."""
    number = read_id(schedule_id)
    found = visible_schedules(user).filter(pk=number).first() if number else None
    if found is None:
        raise NotFound(
            "There is no such schedule, or it is not yours.", hint="Look at your list of schedules."
        )
    return found


def create_schedule(owner: Any, asked: Mapping[str, object], now: datetime | None = None) -> Schedule:
    """Make a preset's export again and again, from the next slot after ``now`` on.

    ``asked`` has the words of ``FIELDS``; all but ``preset`` may be left out. Raises BadFilter naming the
    field that is wrong, Conflict when the owner has a hundred.
    """
    if Schedule.objects.filter(owner=owner).count() >= MOST_SCHEDULES:
        raise Conflict(
            f"You have {MOST_SCHEDULES} schedules.", hint="Delete one first.", code="too_many_schedules"
        )
    schedule = Schedule(owner=owner, next_at=now or timezone.now())
    _take_over(schedule, {"preset": None} | dict(asked), now or timezone.now())
    schedule.save(force_insert=True)
    return schedule


def change_schedule(schedule: Schedule, asked: Mapping[str, object], now: datetime | None = None) -> Schedule:
    """Change what is named; the rest stays. Returns the schedule as it is then.

    One that is enabled again begins anew at the next slot: what was missed is not made up for, and failures
    are forgotten. Raises BadFilter naming the field that is wrong, NotFound when it was deleted meanwhile.
    """
    with transaction.atomic():  # what runs slots writes the row, too
        fresh = Schedule.objects.select_for_update().filter(pk=schedule.pk).first()
        if fresh is None:
            raise NotFound("This schedule was deleted.")
        _take_over(fresh, asked, now or timezone.now())
        fresh.save()
    return fresh


def delete_schedule(schedule: Schedule) -> None:
    """Delete it; the exports that it made stay."""
    schedule.delete()


def run_schedule(schedule: Schedule) -> ExportJob:
    """Make its export now, beside its slots, and even if nothing matches; a failure of it does not count.

    Raises what ``presets.use_preset`` raises.
    """
    if not presets.may_use(schedule.owner, schedule.preset):
        raise NotFound("The preset of this schedule is no longer shared.", hint="Choose another preset.")
    return presets.export_preset(schedule.owner, schedule.preset, Due(schedule, None))


def _take_over(schedule: Schedule, asked: Mapping[str, object], now: datetime) -> None:
    for word in asked:
        if word not in FIELDS:
            raise BadFilter(str(word)[:60], "there is no such field.", hint=f"Fields: {', '.join(FIELDS)}.")
    if "preset" in asked:
        schedule.preset = _preset(schedule.owner, asked["preset"])
    if "skipsEmpty" in asked:
        schedule.skips_empty = read_truth("skipsEmpty", asked["skipsEmpty"])
    if set(asked) & set(RULE_FIELDS) or schedule.pk is None:
        _take_over_rule(schedule, asked, now)
    if "enabled" in asked:
        _switch(schedule, read_truth("enabled", asked["enabled"]), now)


def _take_over_rule(schedule: Schedule, asked: Mapping[str, object], now: datetime) -> None:
    rule = build_rule(asked, schedule.rule)
    for name, _ in RULE_FIELDS.values():
        setattr(schedule, name, getattr(rule, name))
    schedule.next_at = next_time(rule, now)


def _switch(schedule: Schedule, enabled: bool, now: datetime) -> None:
    if enabled and not schedule.is_enabled:
        schedule.next_at = next_time(schedule.rule, now)
        schedule.failures, schedule.stopped_because = 0, ""
        schedule.last_note = ENABLED_AGAIN if schedule.last_at else ""
    schedule.is_enabled = enabled


def _preset(owner: Any, value: object) -> Preset:
    try:
        return presets.find_preset(owner, value)
    except NotFound as refusal:
        raise BadFilter(
            "preset", "there is no such preset.", hint="Give the id of one of your list."
        ) from refusal


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a schedule last: the job of its last slot, or the ``state`` (failed, skipped, stopped;
    "" where nothing was due yet) and why in ``text``."""

    state: str = ""
    text: str = ""
    job: ExportJob | None = None


def last_outcomes(schedules: Sequence[Schedule]) -> dict[int, Outcome]:
    """What came of each schedule last, by its id. One query."""
    jobs = ExportJob.objects.filter(schedule__in=schedules, slot=F("schedule__last_at"))
    by_schedule = {job.schedule_id: job for job in jobs}
    return {schedule.pk: _outcome(schedule, by_schedule.get(schedule.pk)) for schedule in schedules}


def _outcome(schedule: Schedule, job: ExportJob | None) -> Outcome:
    word, _, text = schedule.last_note.partition(": ")
    if word in (FAILED, SKIPPED, STOPPED):
        return Outcome(word.lower(), text)
    return Outcome(job.state, job.error_message, job) if job else Outcome()
