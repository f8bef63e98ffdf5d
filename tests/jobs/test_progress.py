import logging
import time

import pytest
from django.db import OperationalError

from jobs import progress as progress_module
from jobs.claims import claim
from jobs.progress import Progress
from jobs.reporters import LineReporter, NullReporter
from jobs.runner import running
from jobs.terminal import RichReporter
from tests.jobs.drill.models import DrillJob, Step, run_drill

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def told(monkeypatch):
    """The snapshots that were broadcast."""
    sent = []
    monkeypatch.setattr(progress_module, "broadcast", lambda job, **_: sent.append(job.snapshot()))
    return sent


def test_a_fast_loop_is_told_at_most_twice_a_second_and_its_end_always(make_job, told):
    job = make_job()
    began = time.monotonic()
    with running(job) as progress:
        while time.monotonic() - began < 1.2:
            progress.advance(Step(job.records_done + 1, counts={"seen": job.records_done}))
    assert 2 <= len(told) <= 4
    assert told[-1]["state"] == "completed"
    assert told[-1]["recordsDone"] == job.records_done > 100


def test_the_number_of_each_snapshot_is_higher_than_the_last(make_job, told):
    job = make_job(parameters={"pause": 0.3})
    run_drill(job)
    numbers = [snapshot["seq"] for snapshot in told]
    assert len(numbers) >= 3
    assert numbers == sorted(set(numbers))


def test_speed_and_time_left_are_told(make_job, told):
    job = make_job(records_total=8, bytes_total=80, parameters={"pause": 0.2})
    run_drill(job)
    measured = told[-2]
    assert 3 < measured["rate"] < 6
    assert 30 < measured["byteRate"] < 60
    assert 0 <= measured["etaSeconds"] < 3
    assert told[-1]["etaSeconds"] is None


def test_a_lost_redis_never_fails_a_job(make_job, settings, caplog):
    layers = settings.CHANNEL_LAYERS
    nobody = {"address": "redis://127.0.0.1:1/0", "socket_connect_timeout": 1}
    settings.CHANNEL_LAYERS = {"default": {**layers["default"], "CONFIG": {"hosts": [nobody]}}}
    job = make_job(parameters={"pause": 0.3})
    progress_module._silence._until = 0.0
    with caplog.at_level(logging.WARNING, logger="jobs.progress"):
        run_drill(job)
    job.refresh_from_db()
    assert job.state == "completed"
    assert caplog.text.count("not broadcast") == 1


def test_a_busy_sql_database_costs_a_snapshot_not_the_job(make_job, monkeypatch, told):
    job = make_job()
    real = progress_module.write_held

    def busy(job, token, **fields):
        if "state" in fields:
            return real(job, token, **fields)
        raise OperationalError("database is locked")

    monkeypatch.setattr(progress_module, "write_held", busy)
    run_drill(job)
    job.refresh_from_db()
    assert (job.state, job.records_done) == ("completed", 3)


def test_totals_once_told_stay(make_job):
    job = make_job(records_total=None)
    claim(job)
    progress = Progress(job)
    progress.phase("reading", bytes_total=100)
    progress.phase("writing")
    assert (job.phase, job.bytes_total, job.records_total) == ("writing", 100, None)


def test_a_log_line_reaches_the_row_and_the_reporter(make_job, capsys):
    job = make_job()
    with running(job, LineReporter()) as progress:
        progress.log("warning", "line 3 is odd")
    assert job.log_lines().get().text == "line 3 is odd"
    assert "warning: line 3 is odd" in capsys.readouterr().err


def test_plain_lines_tell_phase_figures_and_end(make_job, capsys):
    job = make_job(records_total=3, bytes_total=30)
    run_drill(job, LineReporter(every=0))
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "counting: 33 %, 1 records, 10 B of 30 B" in printed.err
    assert f"{job.title}: completed (3 seen, 3 inserted)" in printed.err


def test_a_terminal_gets_a_bar_that_cannot_be_broken_by_brackets(make_job, capsys):
    job = make_job()
    with running(job, RichReporter()) as progress:
        progress.advance(Step(1, phase="[red]reading[/nonsense]"))
        progress.log("info", "[bold]hello")
    assert "[bold]hello" in capsys.readouterr().err


def test_nobody_is_told_nothing(make_job):
    run_drill(make_job(), NullReporter())


def test_the_percentage_is_known_when_a_total_is():
    assert DrillJob(bytes_done=5, bytes_total=10).percent == 50
    assert DrillJob(records_done=1, records_total=4).percent == 25
    assert DrillJob(records_done=1).percent is None
    assert DrillJob(bytes_done=50, bytes_total=10).percent == 100
