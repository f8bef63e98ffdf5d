import logging
import os
import signal
import threading
import time
from datetime import timedelta

import pytest
from django.db import transaction
from django.utils import timezone

from archive.errors import Conflict
from jobs import runner
from jobs.claims import NotClaimed, claim
from jobs.models import JobLog
from jobs.reporters import NullReporter
from jobs.runner import held_back, reap, request_cancel, retry, run_delivered, run_now, running
from jobs.states import JobState
from tests.jobs.drill.models import DrillJob, Step, UndoableJob, run_drill
from tests.waiting import until

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def rung(monkeypatch):
    """The jobs for which the bell was rung, instead of a broker (test_worker.py has a real one)."""
    ids = []
    monkeypatch.setattr(runner, "_ring", lambda job: ids.append(job.pk))
    return ids


def past(seconds=1):
    return timezone.now() - timedelta(seconds=seconds)


# How a run ends


def test_a_job_that_runs_to_its_end_is_completed(make_job):
    job = make_job()
    run_drill(job)
    job.refresh_from_db()
    assert job.state == JobState.COMPLETED
    assert (job.records_done, job.counts) == (3, {"seen": 3, "inserted": 3})
    assert job.finished_at is not None
    assert job.lease_until is None
    assert job.exit_code == 0


def test_a_job_may_say_that_it_ended_with_errors(make_job):
    job = make_job()
    with running(job) as progress:
        progress.finish_with_errors()
    job.refresh_from_db()
    assert (job.state, job.exit_code) == (JobState.COMPLETED_WITH_ERRORS, 3)


def test_a_refusal_fails_the_job_and_is_told_with_its_hint(make_job):
    job = make_job(parameters={"problem": "refused"})
    run_drill(job)
    job.refresh_from_db()
    assert (job.state, job.exit_code) == (JobState.FAILED, 2)
    assert job.error == {"code": "no_text", "message": "It is no transcript.", "hint": "Send one."}
    assert job.traceback == ""


def test_a_bug_makes_the_job_errored_and_keeps_the_traceback(make_job):
    job = make_job(parameters={"problem": "bug"})
    run_drill(job)
    job.refresh_from_db()
    assert (job.state, job.exit_code) == (JobState.ERRORED, 1)
    assert "ZeroDivisionError: oh" in job.traceback
    assert "ZeroDivisionError" in job.error_message


def test_transient_trouble_queues_the_job_again_for_later(make_job):
    job = make_job(parameters={"problem": "transient"}, records_total=0)
    run_drill(job)
    job.refresh_from_db()
    assert (job.state, job.attempts) == (JobState.QUEUED, 1)
    assert job.lease_until is None
    assert job.due_at > timezone.now()
    assert "Trying again" in job.log_lines().last().text


def test_transient_trouble_fails_the_job_when_the_attempts_are_used_up(make_job, settings):
    settings.CLAUDELENS_JOB_MAX_ATTEMPTS = 2
    job = make_job(parameters={"problem": "transient"}, records_total=0)
    run_drill(job)
    run_drill(job)
    job.refresh_from_db()
    assert (job.state, job.error_code, job.exit_code) == (JobState.FAILED, "unavailable", 75)


def test_a_worker_that_shuts_down_gives_its_job_back_at_once(make_job):
    job = make_job()
    with pytest.raises(SystemExit), running(job):
        raise SystemExit
    job.refresh_from_db()
    assert (job.state, job.attempts, job.lease_until) == (JobState.QUEUED, 0, None)


def test_a_job_that_was_lost_is_left_as_its_new_holder_wants_it(make_job):
    job = make_job()
    with running(job) as progress:
        DrillJob.objects.filter(pk=job.pk).update(token=99, state="completed", records_done=7)
        progress.advance(Step(1))
        pytest.fail("the lost claim was not noticed")
    job.refresh_from_db()
    assert (job.token, job.state, job.records_done) == (99, JobState.COMPLETED, 7)


def test_the_end_is_not_written_by_who_lost_the_job_at_the_last_moment(make_job, caplog):
    job = make_job()
    with caplog.at_level(logging.WARNING), running(job) as progress:
        progress.advance(Step(1))
        DrillJob.objects.filter(pk=job.pk).update(token=99)
    job.refresh_from_db()
    assert job.state == JobState.RUNNING
    assert "end not written" in caplog.text


def test_a_job_delivered_three_times_has_one_effect(make_job):
    job = make_job()
    for _ in range(3):
        run_delivered(DrillJob, str(job.pk), run_drill)
    assert JobLog.objects.filter(job_id=job.pk, text="effect").count() == 1


def test_a_job_delivered_to_many_workers_at_once_has_one_effect(make_job, in_threads):
    job = make_job(parameters={"pause": 0.05})
    in_threads(lambda: run_delivered(DrillJob, str(job.pk), run_drill), 4)
    assert JobLog.objects.filter(job_id=job.pk, text="effect").count() == 1


def test_a_delivered_job_that_is_gone_is_no_error(make_job):
    job = make_job()
    gone = str(job.pk)
    job.delete()
    run_delivered(DrillJob, gone, run_drill)


# Enqueueing


def test_the_bell_rings_only_after_the_commit(make_job, rung):
    with transaction.atomic():
        job = make_job()
        runner.enqueue(job)
        assert rung == []
    assert rung == [job.pk]


def test_a_lost_broker_fails_nothing_and_the_reaper_rings_again(make_job, monkeypatch, caplog):
    from kombu.exceptions import OperationalError

    def refuse(*args, **kwargs):
        raise OperationalError("nobody listens")

    monkeypatch.setattr(runner.current_app, "send_task", refuse)
    job = make_job()
    with caplog.at_level(logging.WARNING):
        runner.enqueue(job)
    assert "nobody listens" in caplog.text
    rung = []
    monkeypatch.setattr(runner, "_ring", lambda found: rung.append(found.pk))
    until(reap)
    assert rung == [job.pk]


def test_what_is_held_back_is_told_to_no_worker(make_job, rung):
    job = make_job()
    with held_back():
        runner.enqueue(job)
    assert rung == []
    assert reap() == 0


# Reaping


def test_a_running_job_whose_lease_has_passed_is_queued_and_rung_for(make_job, rung):
    job = make_job(state="running", token=4, attempts=1, lease_until=past())
    assert reap() == 1
    assert rung == [job.pk]
    job.refresh_from_db()
    assert (job.state, job.token, job.lease_until) == (JobState.QUEUED, 5, None)


def test_a_job_of_a_dead_process_of_this_machine_is_rung_for_at_once(make_job, rung):
    job = make_job()
    claim(job)
    assert reap() == 0
    DrillJob.objects.update(holder=job.holder.rpartition("/")[0] + "/1")
    assert reap() == 1


def test_a_queued_job_that_nobody_answers_for_is_rung_for_again(make_job, rung):
    make_job(due_at=past())
    make_job(due_at=timezone.now() + timedelta(seconds=30))
    assert reap() == 1


def test_a_queued_job_whose_creator_died_is_rung_for_in_the_end(make_job, rung):
    job = make_job()
    assert reap() == 0
    DrillJob.objects.filter(pk=job.pk).update(created_at=past(700))
    assert reap() == 1


def test_two_reapers_ring_once(make_job, rung, in_threads):
    make_job(state="running", lease_until=past())
    assert sum(in_threads(reap, 4)) == 1


def test_finished_jobs_are_left_alone(make_job, rung):
    make_job(state="completed", lease_until=past(), due_at=past())
    assert reap() == 0


def test_a_job_that_keeps_dying_on_the_same_spot_is_failed(make_job, rung):
    job = make_job(state="running", attempts=3, lease_until=past())
    assert reap() == 0
    job.refresh_from_db()
    assert (job.state, job.error_code, job.exit_code) == (JobState.FAILED, "gave_up", 75)
    assert "3 times" in job.error_message


def test_a_job_that_gets_further_between_crashes_never_runs_out_of_attempts(make_job, rung):
    job = make_job()
    for crash in range(1, 20):
        token = claim(job)
        progress = runner.Progress(job)
        progress.advance(Step(crash))
        assert progress.token == token
        DrillJob.objects.filter(pk=job.pk).update(lease_until=past())
        assert reap() == 1


def test_starting_over_again_and_again_is_no_progress(make_job, rung, settings):
    job = make_job()
    for _ in range(4):
        try:
            claim(job)
        except NotClaimed:
            break
        runner.Progress(job).advance(Step(1))
        DrillJob.objects.filter(pk=job.pk).update(lease_until=past())
        reap()
    job.refresh_from_db()
    assert job.state == JobState.FAILED


# Cancelling and retrying


def test_a_waiting_job_is_cancelled_at_once(make_job):
    job = make_job()
    request_cancel(job)
    assert (job.state, job.exit_code) == (JobState.CANCELLED, 130)
    assert job.finished_at is not None
    with pytest.raises(NotClaimed):
        claim(job)


def test_a_running_job_is_cancelled_within_five_seconds(make_job):
    job = make_job(records_total=100_000, parameters={"pause": 0.01})
    worker = threading.Thread(target=run_in_thread, args=(job.pk,))
    worker.start()
    until(lambda: DrillJob.objects.filter(pk=job.pk, records_done__gt=0).exists())
    asked = time.monotonic()
    request_cancel(job)
    assert job.state == JobState.CANCELLING
    worker.join(10)
    job.refresh_from_db()
    assert job.state == JobState.CANCELLED
    assert time.monotonic() - asked < 5


def run_in_thread(pk):
    from django.db import connection

    try:
        run_delivered(DrillJob, str(pk), run_drill)
    finally:
        connection.close()


def test_cancelling_twice_is_no_error(make_job):
    job = make_job()
    request_cancel(job)
    request_cancel(job)
    assert job.state == JobState.CANCELLED


@pytest.mark.parametrize("state", ["completed", "failed", "errored", "rolled_back"])
def test_what_has_ended_cannot_be_cancelled(make_job, state):
    with pytest.raises(Conflict):
        request_cancel(make_job(state=state))


def test_a_waiting_job_with_something_to_undo_is_cancelled_by_a_worker(make_job, rung):
    job = UndoableJob.objects.get(pk=make_job(started_at=past()).pk)
    request_cancel(job)
    assert job.state == JobState.CANCELLING
    assert rung == [job.pk]
    with running(job) as progress:
        progress.check()
    job.refresh_from_db()
    assert job.state == JobState.CANCELLED


def test_a_job_that_undoes_its_work_ends_as_rolled_back(make_job):
    from jobs.claims import Cancelled

    job = make_job()
    with running(job) as progress:
        request_cancel(DrillJob.objects.get(pk=job.pk))
        try:
            progress._next = 0
            progress.check()
        except Cancelled:
            progress.begin_rollback()
            progress.phase("undoing")
            progress.advance(Step(0))
    job.refresh_from_db()
    assert (job.state, job.phase) == (JobState.ROLLED_BACK, "counting")


def test_a_failed_job_is_queued_again_without_its_error(make_job, rung):
    job = make_job(state="failed", error_code="x", error_message="y", attempts=3, finished_at=past())
    retry(job)
    job.refresh_from_db()
    assert (job.state, job.error, job.attempts, job.finished_at) == (JobState.QUEUED, None, 0, None)
    assert rung == [job.pk]


def test_a_completed_job_is_not_run_again(make_job):
    with pytest.raises(Conflict):
        retry(make_job(state="completed"))


# In this process


def test_a_command_runs_its_job_and_gets_it_back_as_it_ended(make_job):
    ended = run_now(make_job(), run_drill, NullReporter())
    assert ended.state == JobState.COMPLETED


def test_transient_trouble_ends_a_commands_job_with_75(make_job):
    job = make_job(parameters={"problem": "transient"})
    assert run_now(job, run_drill).exit_code == 75


def test_a_command_cannot_run_what_a_worker_runs(make_job):
    job = make_job()
    claim(DrillJob.objects.get(pk=job.pk))
    with pytest.raises(Conflict):
        run_now(job, run_drill)


def test_ctrl_c_cancels_the_job_of_a_command(make_job):
    job = make_job(records_total=100_000, parameters={"pause": 0.01})
    before = signal.getsignal(signal.SIGINT)
    threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
    ended = run_now(job, run_drill)
    assert (ended.state, ended.exit_code) == (JobState.CANCELLED, 130)
    assert signal.getsignal(signal.SIGINT) is before
