"""A job of maintenance: planned once, run as planned, one of a step at a time."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from archive.errors import BadInput, NotFound, Unavailable
from jobs import runner
from maintenance import services, tasks
from maintenance.models import MaintenanceJob
from maintenance.slots import slot_of
from maintenance.steps import STEPS
from maintenance.steps.base import Advance, BadParameter
from maintenance.timetable import Entry

pytestmark = pytest.mark.django_db(transaction=True)


def fresh(job: MaintenanceJob) -> MaintenanceJob:
    return MaintenanceJob.objects.get(pk=job.pk)


def test_a_dry_run_keeps_its_plan_and_does_nothing(planned: MaintenanceJob, drill: Any) -> None:
    assert planned.state == "completed"
    assert planned.plan["summary"] == "3 things of 2026_02"
    assert planned.plan["totals"] == {"messages": 3, "bytes": 6144}
    assert drill.done == []


def test_what_was_shown_is_what_runs(planned: MaintenanceJob, drill: Any, people: Any) -> None:
    drill.size = 50  # there is more by now
    job = services.create_job("drill", {}, people.root, plan_of=planned)
    services.run_maintenance(job)
    job = fresh(job)
    assert [number for number, _ in drill.done] == [0, 1, 2]
    assert drill.plans == 0
    assert job.plan == planned.plan
    assert job.parameters == {"month": "2026_02"}
    assert (job.state, job.records_done, job.records_total, job.percent) == ("completed", 3, 3, 100.0)
    assert job.counts == {"counted": 3}
    assert job.result == {"last": 2}


def test_who_runs_it_is_told_to_the_step_for_fencing(db: Any, drill: Any) -> None:
    job = services.create_job("drill")
    services.run_maintenance(job)
    assert {(holder.job_id, holder.token) for _, holder in drill.done} == {(str(job.pk), 1)}


def test_without_a_dry_run_it_plans_once_before_it_begins(db: Any, drill: Any) -> None:
    drill.problem = Unavailable("It is away.")
    job = services.create_job("drill")
    services.run_maintenance(job)
    assert (fresh(job).state, drill.plans, len(drill.done)) == ("queued", 1, 1)
    drill.problem, drill.size = None, 50
    services.run_maintenance(job)
    assert fresh(job).state == "completed"
    assert drill.plans == 1
    assert [number for number, _ in drill.done] == [0, 1, 2]
    assert fresh(job).counts == {"counted": 3}


def test_one_job_of_a_step_at_a_time(db: Any, drill: Any, refused: Any) -> None:
    first = services.create_job("drill")
    refusal = refused("maintenance_running", services.create_job, "drill")
    assert refusal.more == {"jobId": str(first.pk)}
    assert services.create_job("drill", dry_run=True).pk  # it only reads
    services.run_maintenance(first)
    assert services.create_job("drill").pk


def test_two_at_once_make_one_job(drill: Any, in_threads: Any) -> None:
    def create() -> str:
        try:
            return str(services.create_job("drill").pk)
        except services.Conflict as refusal:
            return refusal.code

    found = in_threads(create, 4)
    assert sorted(found)[-3:] == ["maintenance_running"] * 3
    assert MaintenanceJob.objects.count() == 1


@pytest.mark.parametrize("what", ["not ended", "no dry run", "another step", "never planned"])
def test_only_the_plan_of_a_dry_run_of_the_same_step_can_be_run(what: str, db: Any, drill: Any, refused: Any) -> None:
    job = services.create_job("drill", dry_run=what != "no dry run")
    if what == "never planned":
        services.cancel_maintenance(job)
    elif what != "not ended":
        services.run_maintenance(job)
    step = "verify" if what == "another step" else "drill"
    refused("no_such_plan", services.create_job, step, {}, plan_of=fresh(job))


def test_a_plan_takes_no_further_parameters(planned: MaintenanceJob) -> None:
    with pytest.raises(BadParameter, match="^plan:"):
        services.create_job("drill", {"month": "2026_03"}, plan_of=planned)
    with pytest.raises(BadParameter, match="^plan:"):
        services.create_job("drill", plan_of=planned, dry_run=True)


@pytest.mark.parametrize("name", ["nothing", "", None, 3, {"$ne": ""}])
def test_an_unknown_step_is_refused_with_those_there_are(name: Any, db: Any) -> None:
    with pytest.raises(BadInput) as refusal:
        services.create_job(name)
    assert refusal.value.code == "unknown_step"
    assert "verify" in refusal.value.hint


def test_a_wrong_parameter_makes_no_job(db: Any, drill: Any) -> None:
    for wrong in ({"month": "never"}, {"weather": 1}):
        with pytest.raises(BadParameter) as refusal:
            services.create_job("drill", wrong)
        assert refusal.value.field == next(iter(wrong))
    assert not MaintenanceJob.objects.exists()


def test_a_cancel_stops_between_two_units_and_a_retry_goes_on(db: Any, drill: Any) -> None:
    job = services.create_job("drill")

    def cancel() -> None:
        drill.during = lambda: None
        services.cancel_maintenance(fresh(job))

    drill.during = cancel
    with_eager_publishing(job)
    assert fresh(job).state == "cancelled"
    assert len(drill.done) < 3
    drill.during = lambda: None
    services.retry_maintenance(fresh(job))
    services.run_maintenance(job)
    assert fresh(job).state == "completed"
    assert drill.plans == 1
    assert [number for number, _ in drill.done] == [0, 1, 2]


def with_eager_publishing(job: MaintenanceJob) -> None:
    """Run it with a look at the wishes after each unit, however quick they are."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("jobs.progress.SNAPSHOT_SECONDS", 0.0)
        services.run_maintenance(job)


def test_problems_end_as_completed_with_errors(db: Any, drill: Any, monkeypatch: Any) -> None:
    found = [Advance(note="a copy too many", level="warning", problems=2)]
    monkeypatch.setitem(STEPS, "drill", replace(STEPS["drill"], run=lambda *_: iter(found)))
    job = services.create_job("drill")
    services.run_maintenance(job)
    assert (fresh(job).state, fresh(job).counts, fresh(job).exit_code) == ("completed_with_errors", {"problems": 2}, 3)
    assert ("warning", "a copy too many") in job.log_lines().values_list("level", "text")


def test_what_is_not_there_or_not_ones_own_is_not_found(planned: MaintenanceJob, people: Any) -> None:
    assert services.find_job(people.root, planned.pk) == planned
    for user, job_id in ((people.bob, planned.pk), (people.root, "x"), (None, "00000000-0000-0000-0000-000000000000")):
        with pytest.raises(NotFound):
            services.find_job(user, job_id)


class TestBeat:
    def test_any_number_of_bells_make_one_job_a_slot(self, drill: Any, in_threads: Any) -> None:
        in_threads(lambda: tasks.start_step("drill", "day"), 4)
        job = MaintenanceJob.objects.get()
        assert (job.slot, job.owner) == (slot_of("day"), None)
        services.run_maintenance(job)
        tasks.start_step("drill", "day")
        assert MaintenanceJob.objects.count() == 1
        tasks.start_step("drill", "month", {"month": "2026_05"})
        assert MaintenanceJob.objects.get(slot=slot_of("month")).parameters == {"month": "2026_05"}

    def test_a_step_that_is_at_work_is_left_alone(self, db: Any, drill: Any) -> None:
        services.create_job("drill")
        assert services.create_due_job("drill", "day") is None

    def test_a_delivery_runs_the_job_and_a_second_one_nothing(self, db: Any, drill: Any) -> None:
        with runner.held_back():
            job = services.create_job("drill")
        for _ in range(3):
            tasks.run_maintenance_job(str(job.pk))
        assert len(drill.done) == 3

    def test_slots_are_days_weeks_and_months(self) -> None:
        at = datetime(2026, 11, 24, 3, tzinfo=UTC)
        assert [slot_of(period, at) for period in ("day", "week", "month")] == ["2026-11-24", "2026-W48", "2026-11"]

    def test_the_timetable_rings_again_but_never_on_the_next_day(self) -> None:
        assert Entry("x", "x", "day", 1).hours == [1, 2, 3]
        assert Entry("x", "x", "day", 23).hours == [23]
        now = datetime(2026, 11, 24, 3, tzinfo=UTC)  # a Tuesday
        assert Entry("x", "x", "week", 2).next_at(now) == datetime(2026, 11, 29, 2, tzinfo=UTC)
