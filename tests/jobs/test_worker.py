"""Jobs on a real Celery worker over a real Redis."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from celery import current_app

from jobs.models import JobLog
from jobs.runner import enqueue, reap, request_cancel
from tests.jobs.drill.models import DrillJob
from tests.waiting import until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("redis_server")]


@pytest.fixture
def start_worker(worker_env, tmp_path):
    """Starts a worker with its own process group; all are killed in the end."""
    started = []

    def start():
        log = (tmp_path / f"worker-{len(started)}.log").open("wb")
        command = [
            sys.executable,
            "-m",
            "celery",
            "-A",
            "claudelens_site",
            "worker",
            "--concurrency=2",
            "--without-mingle",
            "--without-gossip",
            "--without-heartbeat",
        ]
        process = subprocess.Popen(command, env=worker_env, stdout=log, stderr=log, start_new_session=True)
        started.append(process)
        until(lambda: answers(process, log), 60, what="the worker answers")
        return process

    yield start
    for process in started:
        kill(process)


def answers(process, log):
    assert process.poll() is None, Path(log.name).read_text(errors="replace")[-3000:]
    return current_app.control.ping(timeout=0.5)


def kill(process):
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait(30)


def state_of(job):
    job.refresh_from_db()
    return job.state


def effects(job):
    return JobLog.objects.filter(job_id=job.pk, text="effect").count()


def test_a_worker_runs_what_is_enqueued_and_a_job_sent_thrice_once(start_worker, make_job):
    start_worker()
    job = make_job(parameters={"pause": 0.2})
    for _ in range(3):
        enqueue(job)
    until(lambda: state_of(job) == "completed", 20)
    again = make_job()
    enqueue(again)
    until(lambda: state_of(again) == "completed", 20)
    assert (effects(job), effects(again)) == (1, 1)


def test_a_killed_workers_job_is_resumed_by_the_next_one_without_waiting_for_its_lease(
    start_worker, make_job
):
    first = start_worker()
    job = make_job(records_total=30, parameters={"pause": 0.1})
    enqueue(job)
    until(lambda: state_of(job) == "running" and job.records_done >= 5, 20)
    kill(first)
    assert state_of(job) == "running"
    start_worker()  # reaps when it starts
    until(lambda: state_of(job) == "completed", 30)
    assert job.counts == {"seen": 30, "inserted": 30}
    assert effects(job) == 2


def test_a_killed_child_of_a_worker_costs_its_job_one_reaping(start_worker, make_job):
    start_worker()
    job = make_job(records_total=40, parameters={"pause": 0.1})
    enqueue(job)
    until(lambda: state_of(job) == "running" and job.records_done >= 3, 20)
    os.kill(int(job.holder.split("/")[-2]), signal.SIGKILL)
    assert until(reap, 10) == 1
    until(lambda: state_of(job) == "completed", 30)


def test_a_job_on_a_worker_is_cancelled_within_five_seconds(start_worker, make_job):
    start_worker()
    job = make_job(records_total=100_000, parameters={"pause": 0.01})
    enqueue(job)
    until(lambda: state_of(job) == "running", 20)
    request_cancel(job)
    until(lambda: state_of(job) == "cancelled", 5)


def test_what_redis_lost_is_sent_again(start_worker, make_job, redis_server):
    jobs = [make_job() for _ in range(5)]
    for job in jobs:
        enqueue(job)
    redis_server.flushdb()
    start_worker()
    assert [state_of(job) for job in jobs] == ["queued"] * 5
    DrillJob.objects.update(due_at=job.created_at)
    assert reap() == 5
    for job in jobs:
        until(lambda job=job: state_of(job) == "completed", 20)


def test_a_broker_that_is_down_fails_no_request(make_job, monkeypatch):
    monkeypatch.setattr(current_app.conf, "broker_write_url", "redis://127.0.0.1:1/0")
    job = make_job()
    asked = time.monotonic()
    enqueue(job)
    assert time.monotonic() - asked < 3
    assert state_of(job) == "queued"
    monkeypatch.undo()
    assert until(reap) == 1
