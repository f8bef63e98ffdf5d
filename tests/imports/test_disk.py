"""Imports wait while a disk is too full, and go on by themselves."""

import shutil
import threading

import pytest
from django.db import connection as sql

from archive import connection, disk
from claudelens_site.embedded import free_port
from imports import room, services
from imports.models import ImportJob
from jobs import runner
from jobs.models import JobLog
from tests import run
from tests.imports.transcripts import transcript
from tests.waiting import until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("archive_db", "redis_server")]


@pytest.fixture
def look_often(monkeypatch):
    monkeypatch.setattr(room, "LOOK_SECONDS", 0.0)


@pytest.fixture
def run_aside():
    """Run a job in a thread; it has ended when the test has."""
    threads = []

    def start(job):
        def work():
            try:
                services.run_import(job)
            finally:
                sql.close()

        thread = threading.Thread(target=work)
        threads.append(thread)
        thread.start()
        return thread

    yield start
    for thread in threads:
        thread.join(30)


def an_import(tmp_path, lines=20):
    file = tmp_path / "a.jsonl"
    file.write_bytes(transcript(lines))
    source = {"path": str(file), "name": "a.jsonl", "upload": None, "sha256": "", "bytes": file.stat().st_size}
    return services.create_import(None, sources=[source])


def shown(job):
    return ImportJob.objects.get(pk=job.pk)


def is_paused(job):
    return shown(job).phase.startswith("paused: the database's disk is ")


def test_the_server_tells_how_full_its_disk_is():
    usage = shutil.disk_usage(run.servers_folder())
    assert abs(disk.used_percent() - 100 * (usage.total - usage.free) / usage.total) < 1


def test_an_import_pauses_says_why_once_and_goes_on_when_there_is_room(tmp_path, settings, run_aside):
    settings.CLAUDELENS_DISK_PAUSE_PERCENT = 0
    job = an_import(tmp_path)
    thread = run_aside(job)
    until(lambda: is_paused(job), 10)
    first = shown(job)
    assert (first.state, first.phase[-6:]) == ("running", "% full")
    until(lambda: shown(job).seq > first.seq + 2, 10, what="it goes on telling that it lives")
    assert shown(job).counts.get("inserted", 0) == 0
    assert shown(job).lease_until is not None
    settings.CLAUDELENS_DISK_PAUSE_PERCENT = 100
    thread.join(20)
    ended = shown(job)
    assert (ended.state, ended.counts["inserted"], ended.phase) == ("completed", 20, "done")
    warnings = JobLog.objects.filter(job_id=job.pk, level="warning")
    assert [line.text.startswith("Paused: the database's disk is ") for line in warnings] == [True]


def test_a_disk_that_fills_on_the_way_stops_it_between_two_batches(tmp_path, settings, run_aside, look_often):
    settings.CLAUDELENS_BATCH_DOCS = 10
    job = an_import(tmp_path, lines=2000)
    thread = run_aside(job)
    until(lambda: shown(job).counts.get("inserted", 0) > 0 or not thread.is_alive(), 20)
    settings.CLAUDELENS_DISK_PAUSE_PERCENT = 0
    until(lambda: is_paused(job), 20)
    stored = connection.collection("messages_current").count_documents({})
    assert 0 < stored < 2000
    settings.CLAUDELENS_DISK_PAUSE_PERCENT = 100
    thread.join(60)
    assert (shown(job).state, shown(job).counts["inserted"]) == ("completed", 2000)


def test_a_paused_import_can_be_cancelled(tmp_path, settings, run_aside):
    settings.CLAUDELENS_DISK_PAUSE_PERCENT = 0
    job = an_import(tmp_path)
    thread = run_aside(job)
    until(lambda: is_paused(job), 10)
    runner.request_cancel(shown(job))
    thread.join(5)
    assert shown(job).state == "cancelled"


def test_a_paused_import_keeps_its_claim(tmp_path, settings, run_aside):
    settings.CLAUDELENS_JOB_LEASE_SECONDS, settings.CLAUDELENS_JOB_HEARTBEAT_SECONDS = 2, 0.3
    settings.CLAUDELENS_DISK_PAUSE_PERCENT = 0
    job = an_import(tmp_path)
    thread = run_aside(job)
    until(lambda: is_paused(job), 10)
    lease = shown(job).lease_until
    until(lambda: (shown(job).lease_until - lease).total_seconds() > 2.5, 10)
    assert runner.reap() == 0
    settings.CLAUDELENS_DISK_PAUSE_PERCENT = 100
    thread.join(20)
    assert (shown(job).state, shown(job).token) == ("completed", 1)


def test_the_data_folders_disk_counts_too(settings, servers):
    connection.configure(f"mongodb://127.0.0.1:{free_port()}/", run.DATABASE, serverSelectionTimeoutMS=100)
    try:
        settings.CLAUDELENS_DISK_PAUSE_PERCENT = 0
        assert room.full_disk().startswith("the data folder's disk is ")
        settings.CLAUDELENS_DISK_PAUSE_PERCENT = 100
        assert room.full_disk() == ""
    finally:
        connection.configure(servers.mongodb_url, run.DATABASE)

