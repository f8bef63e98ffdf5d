import os
import subprocess
import sys
import threading
from datetime import timedelta

import pytest
from django.db.models.functions import Now
from django.utils import timezone

from jobs import claims
from jobs.claims import Heartbeat, LostClaim, NotClaimed, claim, write_held
from jobs.states import JobState
from tests.jobs.drill.models import DrillJob
from tests.waiting import until

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_claim_makes_a_queued_job_running_and_counts_the_attempt(make_job):
    job = make_job()
    token = claim(job)
    assert (job.state, job.token, job.attempts) == (JobState.RUNNING, token, 1)
    assert job.started_at is not None
    assert timezone.now() < job.lease_until < timezone.now() + timedelta(seconds=61)


def test_of_many_who_claim_at_once_exactly_one_wins(make_job, in_threads):
    job = make_job()

    def attempt():
        try:
            return claim(DrillJob.objects.get(pk=job.pk))
        except NotClaimed:
            return None

    results = in_threads(attempt, 8)
    assert sorted(results, key=str) == [1] + [None] * 7
    job.refresh_from_db()
    assert (job.attempts, job.token) == (1, 1)


@pytest.mark.parametrize("state", ["completed", "failed", "cancelled", "errored", "rolled_back"])
def test_a_job_that_has_ended_cannot_be_claimed(make_job, state):
    with pytest.raises(NotClaimed):
        claim(make_job(state=state))


def test_a_job_whose_lease_has_passed_is_claimed_under_a_new_token(make_job):
    job = make_job(state="running", token=7, lease_until=timezone.now() - timedelta(seconds=1))
    assert claim(job) == 8


def test_a_job_of_a_dead_process_is_claimed_before_its_lease_has_passed(make_job):
    job = make_job()
    claim(job)
    DrillJob.objects.update(holder=job.holder.rpartition("/")[0] + "/1")
    assert claim(job) == 2


def test_a_cancelling_job_stays_cancelling_when_it_is_claimed(make_job):
    job = make_job(state="cancelling", cancel_requested=True)
    claim(job)
    assert job.state == JobState.CANCELLING


def test_who_lost_the_claim_writes_nothing(make_job):
    job = make_job()
    old = claim(job)
    DrillJob.objects.filter(pk=job.pk).update(lease_until=None)
    claim(DrillJob.objects.get(pk=job.pk))
    with pytest.raises(LostClaim):
        write_held(job, old, records_done=99)
    job.refresh_from_db()
    assert job.records_done == 0


def test_the_heartbeat_extends_the_lease_by_the_databases_clock(make_job, settings):
    settings.CLAUDELENS_JOB_HEARTBEAT_SECONDS = 0.05
    job = make_job()
    token = claim(job)
    DrillJob.objects.filter(pk=job.pk).update(lease_until=Now())
    in_a_while = timezone.now() + timedelta(seconds=30)

    def is_extended():
        return DrillJob.objects.filter(pk=job.pk, lease_until__gt=in_a_while).exists()

    with Heartbeat(job, token, lambda: None):
        until(is_extended)


def test_the_heartbeat_notices_that_somebody_else_took_the_job(make_job, settings):
    settings.CLAUDELENS_JOB_HEARTBEAT_SECONDS = 0.05
    job = make_job()
    token = claim(job)
    lost = threading.Event()
    with Heartbeat(job, token, lost.set):
        DrillJob.objects.filter(pk=job.pk).update(token=token + 1)
        assert lost.wait(10)


def test_this_process_is_alive_and_a_killed_one_is_dead():
    assert not claims.holder_is_dead(claims.this_process())
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    name = claims._name_of(child.pid)
    assert not claims.holder_is_dead(name)
    child.kill()
    until(lambda: claims.holder_is_dead(name), what="a zombie counts as dead")
    child.wait()
    assert claims.holder_is_dead(name)


@pytest.mark.parametrize("holder", ["", "elsewhere/boot/pid:[1]/42/1000", "nonsense", "a/b/c"])
def test_nothing_is_said_about_processes_of_other_machines(holder):
    assert not claims.holder_is_dead(holder)


def test_a_reused_process_id_is_another_process():
    machine, _, _ = claims.this_process().rpartition(f"/{os.getpid()}/")
    assert claims.holder_is_dead(f"{machine}/{os.getpid()}/1")
