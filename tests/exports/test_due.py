"""Slots: each is taken once, whoever asks and however late; trouble stops a schedule, and is told."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core.management import call_command

from archive.errors import TooMany, Unavailable
from exports import due, presets, schedules, tasks
from exports.due import STOPS_AFTER, Taken
from exports.models import ExportJob, Schedule
from exports.services import run_export
from jobs.models import JobLog, Notice

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
MONDAY = datetime(2025, 3, 10, 3, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _archive(tree: Any, artifacts_dir: Any) -> None:
    """Two conversations of March 2025."""


@pytest.fixture
def make(people: Any) -> Callable[..., Schedule]:
    """``make(period="yesterday", frequency="daily")``: a schedule of alice's, made on the Sunday before."""

    def made(owner: Any = None, *, filter: Any = None, content: Any = None, **more: Any) -> Schedule:  # noqa: A002
        owner = owner or people.alice
        wanted = {"name": f"P{Schedule.objects.count()}", "format": "jsonl", "filter": filter or {}, **(content or {})}
        preset = presets.create_preset(owner, wanted)
        return schedules.create_schedule(owner, {"preset": preset.pk, "frequency": "daily", **more}, MONDAY - HOUR)

    return made


def take(schedule: Schedule, now: datetime) -> Taken | None:
    return due.take_slot(schedule.pk, now)


def ended(job: ExportJob | None, state: str = "completed", message: str = "") -> None:
    """As if the worker had run it."""
    assert job is not None
    ExportJob.objects.filter(pk=job.pk).update(state=state, error_message=message)


def fresh(schedule: Schedule) -> Schedule:
    return Schedule.objects.get(pk=schedule.pk)


def test_nothing_is_made_before_its_time(make: Any) -> None:
    schedule = make()
    assert schedule.next_at == MONDAY
    assert due.run_due(MONDAY - timedelta(microseconds=1)) == []
    assert fresh(schedule).next_at == MONDAY


def test_what_is_due_is_made_once_for_its_owner(make: Any, people: Any) -> None:
    schedule = make()
    taken = due.run_due(MONDAY + HOUR)
    job = ExportJob.objects.get()
    assert [(each.job, each.slot) for each in taken] == [(job, MONDAY)]
    assert (job.owner, job.schedule, job.slot, job.state) == (people.alice, schedule, MONDAY, "queued")
    assert job.told_parameters()["schedule"] == "every day at 03:00 UTC"
    assert (fresh(schedule).next_at, fresh(schedule).last_at) == (MONDAY + DAY, MONDAY)
    assert due.run_due(MONDAY + HOUR) == []
    run_export(job)
    job.refresh_from_db()
    assert job.counts["messages"] == 7


@pytest.mark.django_db(transaction=True)
def test_of_eight_beats_at_once_one_makes_the_export(make: Any, in_threads: Any) -> None:
    schedule = make()
    results = in_threads(lambda: due.take_slot(schedule.pk, MONDAY), 8)
    assert len(results) == 8
    assert len([taken for taken in results if taken is not None]) == 1
    assert ExportJob.objects.count() == 1
    assert fresh(schedule).next_at == MONDAY + DAY


def test_a_slot_that_was_made_before_the_clock_was_put_back_is_not_made_again(make: Any) -> None:
    schedule = make()
    first = take(schedule, MONDAY)
    ended(first and first.job)
    Schedule.objects.update(next_at=MONDAY)
    again = take(schedule, MONDAY)
    assert first and again and again.job == first.job
    assert ExportJob.objects.count() == 1
    assert fresh(schedule).next_at == MONDAY + DAY


def test_a_server_that_was_down_for_a_month_makes_one_export_for_the_last_slot(make: Any) -> None:
    schedule = make()
    due.run_due(MONDAY + 30 * DAY + HOUR)
    assert ExportJob.objects.get().slot == MONDAY + 30 * DAY
    assert fresh(schedule).next_at == MONDAY + 31 * DAY


def test_a_period_is_counted_from_the_slot_whenever_it_is_run(make: Any) -> None:
    make(filter={"period": "yesterday"})  # nothing was said on the 9th
    make(filter={"period": "7d"})  # the 3rd, 4th and 5th
    due.run_due(MONDAY + 2 * HOUR)
    job = ExportJob.objects.get()
    ExportJob.objects.update(created_at=MONDAY + 90 * DAY)
    run_export(ExportJob.objects.get())
    job.refresh_from_db()
    assert job.counts["messages"] == 4
    skipped = Schedule.objects.get(preset__name="P0")
    assert skipped.last_note == "Skipped: nothing matched."
    assert skipped.last_at == MONDAY


def test_a_day_is_one_of_the_schedules_time_zone(make: Any) -> None:
    """At 00:30 in Tokyo on the 6th yesterday is the 5th there: from the 4th, 15:00 UTC, to the 5th, 15:00."""
    schedule = make(filter={"period": "yesterday"}, timeOfDay="00:30", timezone="Asia/Tokyo")
    Schedule.objects.update(next_at=datetime(2025, 3, 5, 15, 30, tzinfo=UTC))
    taken = take(schedule, datetime(2025, 3, 5, 16, 0, tzinfo=UTC))
    assert taken and taken.job
    assert taken.job.filter == {"period": "yesterday", "timezone": "Asia/Tokyo"}
    run_export(taken.job)
    assert ExportJob.objects.get().counts["messages"] == 1


def test_empty_exports_are_made_where_they_are_wanted(make: Any) -> None:
    make(filter={"source": "chatgpt"}, skipsEmpty=False)
    assert due.run_due(MONDAY)[0].job is not None


@pytest.mark.parametrize(
    ("change", "reason"),
    [({"is_active": False}, "may no longer sign in"), ({"is_staff": False}, "is no longer staff")],
)
def test_an_owner_who_may_not_any_more_gets_nothing(make: Any, people: Any, change: Any, reason: str) -> None:
    schedule = make()
    type(people.alice).objects.filter(pk=people.alice.pk).update(**change)
    taken = take(schedule, MONDAY)
    assert taken and taken.job is None and reason in taken.note
    assert not ExportJob.objects.exists()
    assert (fresh(schedule).is_enabled, reason in fresh(schedule).stopped_because) == (False, True)
    assert due.due_ids(MONDAY + 5 * DAY) == []


def test_a_preset_that_is_no_longer_shared_is_not_made_for_others(make: Any, people: Any) -> None:
    theirs = presets.create_preset(people.bob, {"name": "Bobs", "format": "json", "shared": True})
    schedule = schedules.create_schedule(people.alice, {"preset": theirs.pk, "frequency": "daily"}, MONDAY - HOUR)
    first = take(schedule, MONDAY)
    ended(first and first.job)
    presets.change_preset(people.bob, theirs, {"shared": False})
    assert "no longer shared by bob" in str(take(schedule, MONDAY + DAY))
    assert not fresh(schedule).is_enabled
    told = Notice.objects.get()
    assert (told.owner, told.kind, told.url) == (people.alice, "schedule", schedule.get_absolute_url())
    assert "has stopped." in told.text and "no longer shared by bob" in told.text


def test_five_failed_exports_in_a_row_stop_it_and_a_success_between_them_does_not(make: Any, people: Any) -> None:
    schedule = make()
    states = ["failed", "errored", "cancelled", "failed", "completed"] + ["failed"] * STOPS_AFTER
    for number, state in enumerate(states):
        taken = take(schedule, MONDAY + number * DAY)
        ended(taken and taken.job, state, "the disk is full")
    assert fresh(schedule).failures == STOPS_AFTER - 1
    taken = take(schedule, MONDAY + len(states) * DAY)
    assert taken and taken.job is None
    stopped = fresh(schedule)
    assert (stopped.is_enabled, stopped.failures) == (False, STOPS_AFTER)
    assert stopped.stopped_because == "It failed 5 times in a row. The last time: the disk is full"
    assert ExportJob.objects.count() == len(states)
    assert Notice.objects.get().owner == people.alice


def test_a_refusal_counts_as_a_failure_and_says_why(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise TooMany("You have begun 5 exports today.", hint="Wait until tomorrow.", retry_after=60)

    schedule = make()
    monkeypatch.setattr(presets, "create_export", refuse)
    for number in range(STOPS_AFTER):
        assert fresh(schedule).is_enabled
        take(schedule, MONDAY + number * DAY)
        assert fresh(schedule).failures == number + 1
    outcome = schedules.last_outcomes([fresh(schedule)])[schedule.pk]
    assert (outcome.state, outcome.job) == ("stopped", None)
    assert outcome.text.endswith("The last time: You have begun 5 exports today. Wait until tomorrow.")


def test_a_preset_that_is_out_of_date_is_a_failure_that_names_it(make: Any, archive_db: Any) -> None:
    schedule = make(filter={"project": "/home/ana/app"})
    archive_db.projects.delete_many({})
    taken = take(schedule, MONDAY)
    assert taken and taken.note.startswith("Failed: The preset 'P0' can no longer be used. project: there is no")
    assert (fresh(schedule).failures, fresh(schedule).is_enabled) == (1, True)


def test_an_archive_that_does_not_answer_leaves_the_slot_due(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> bool:
        raise Unavailable("MongoDB does not answer.")

    schedule = make()
    with monkeypatch.context() as away:
        away.setattr(due, "matches_anything", refuse)
        with pytest.raises(Unavailable):
            take(schedule, MONDAY)
        Schedule.objects.update(next_at=MONDAY)
        tasks.take_slot(schedule.pk)  # the task says so in its log, and rings again in a minute
    assert (fresh(schedule).next_at, fresh(schedule).failures) == (MONDAY, 0)
    assert take(schedule, MONDAY) is not None


def test_an_export_that_is_not_done_has_no_second_one_wait_behind_it(make: Any) -> None:
    schedule = make()
    first = take(schedule, MONDAY)
    second = take(schedule, MONDAY + DAY)
    assert first and second and second.job is None
    assert fresh(schedule).next_at == MONDAY + 2 * DAY
    assert "was left out" in JobLog.objects.get(job_id=first.job.pk).text
    ended(first.job, "failed")
    take(schedule, MONDAY + 2 * DAY)
    assert fresh(schedule).failures == 1
    assert ExportJob.objects.count() == 2


def test_a_time_zone_that_is_gone_stops_the_schedule_and_no_other(make: Any) -> None:
    broken, good = make(), make()
    Schedule.objects.filter(pk=broken.pk).update(time_zone="Europe/Atlantis")
    taken = due.run_due(MONDAY)
    assert [each.schedule.pk for each in taken] == [broken.pk, good.pk]
    assert "no time zone" in fresh(broken).stopped_because
    assert ExportJob.objects.get().schedule_id == good.pk


def test_enabling_it_again_begins_anew(make: Any) -> None:
    schedule = make()
    for number in range(STOPS_AFTER + 1):
        taken = take(schedule, MONDAY + number * DAY)
        if taken and taken.job:
            ended(taken.job, "failed")
    now = MONDAY + 20 * DAY + HOUR
    again = schedules.change_schedule(fresh(schedule), {"enabled": True}, now)
    assert (again.is_enabled, again.failures, again.stopped_because) == (True, 0, "")
    assert again.next_at == MONDAY + 21 * DAY
    assert due.run_due(now) == []
    take(schedule, MONDAY + 21 * DAY)
    assert fresh(schedule).failures == 0


def test_running_it_by_hand_changes_nothing_of_its_slots(make: Any, people: Any) -> None:
    schedule = make(filter={"source": "chatgpt"})
    first, second = (schedules.run_schedule(schedule) for _ in range(2))
    assert first.pk != second.pk
    assert (first.schedule, first.slot, first.owner) == (schedule, None, people.alice)
    ended(first, "failed")
    take(schedule, MONDAY)
    assert fresh(schedule).failures == 0


def test_the_task_rings_for_each_one_by_itself(
    make: Any, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    rung: list[tuple[list[int], dict[str, Any]]] = []
    monkeypatch.setattr(tasks.take_slot, "apply_async", lambda args, **options: rung.append((args, options)))
    late, later = make(), make()
    Schedule.objects.filter(pk=later.pk).update(next_at=MONDAY + DAY)
    assert tasks.run_due_schedules() == 2
    assert rung == [([each.pk], {"queue": "default", "expires": 60}) for each in (late, later)]
    entry = settings.CELERY_BEAT_SCHEDULE["make exports that are due"]
    assert (entry["task"], entry["schedule"]) == (tasks.run_due_schedules.name, timedelta(minutes=1))
    for _ in range(3):  # delivered three times
        tasks.take_slot(late.pk)
    assert ExportJob.objects.count() == 1


def command(*arguments: str) -> dict[str, Any]:
    out = io.StringIO()
    call_command("run_schedules", *arguments, "--json", "--verbosity=0", stdout=out)
    answer: dict[str, Any] = json.loads(out.getvalue().splitlines()[-1])
    return answer


def test_the_command_makes_what_is_due_and_runs_it_if_asked_to(make: Any, people: Any) -> None:
    make()
    theirs = make(people.bob)
    answer = command("--user=bob", "--run")
    job = ExportJob.objects.get()
    assert answer["slots"] == [
        {"schedule": theirs.pk, "slot": job.slot.isoformat(), "job": str(job.pk), "state": "completed", "note": ""}
    ]
    assert job.artifact is not None
    assert [slot["state"] for slot in command()["slots"]] == ["queued"]
    assert command()["slots"] == []


def test_the_command_says_what_came_of_it_and_fails_with_what_it_ran(
    make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(filter={"source": "chatgpt"})
    out = io.StringIO()
    call_command("run_schedules", stdout=out)
    assert out.getvalue() == "P0, every day at 03:00 UTC: Skipped: nothing matched.\n"
    make()
    monkeypatch.setattr("exports.running._announce", lambda *_: 1 / 0)
    with pytest.raises(SystemExit) as ended_with:
        command("--run")
    assert ended_with.value.code == 1
