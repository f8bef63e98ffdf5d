"""A cancel is seen while an import waits for messages that must come back to hot before it replaces them."""

import threading
import time

import pytest
from django.db import connection as sql

from archive import journal, locks, mover, object_store, recalling
from archive.move_plans import Ages, plan_moves
from archive.object_store import FolderStore
from imports import services
from imports.models import ImportJob
from jobs import runner
from jobs.models import JobLog
from tests.imports.running import run
from tests.imports.test_rollback import everything
from tests.samples.making import ONE, TWO, conversation, joined, session_file, write
from tests.waiting import until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("redis_server")]
LINES = conversation(ONE, 40)
REDACTED = [line.replace(b"Question", b"REDACTED").replace(b"Answer", b"REDACTED") for line in LINES]
RECALL = recalling.recall


@pytest.fixture
def cold(archive_db, tmp_path):
    """A conversation that lies cold, and a file that changes it all."""
    object_store.configure(lambda: FolderStore(tmp_path / "frozen"))
    run(write(tmp_path / "first", session_file(ONE), joined(LINES)), job="first")
    list(mover.move(plan_moves([Ages(7, 8)]), "mover", 1))
    assert archive_db.messages_current.count_documents({}) == 0
    return archive_db


@pytest.fixture
def replacing(cold, tmp_path):
    """An import that replaces it, at work in a thread that has ended when the test has."""
    file = write(tmp_path / "second", session_file(TWO), joined(REDACTED))
    source = {"path": str(file), "name": "b.jsonl", "upload": None, "sha256": "", "bytes": file.stat().st_size}
    job = services.create_import(None, sources=[source], options={"conflict": "replace"})

    def work():
        try:
            services.run_import(job)
        finally:
            sql.close()

    thread = threading.Thread(target=work)
    yield job, thread
    thread.join(30)


def shown(job):
    return ImportJob.objects.get(pk=job.pk)


def waits(job) -> bool:
    return JobLog.objects.filter(job_id=job.pk, text__startswith="Waiting: 1 batch of older messages").exists()


def cancelled_within(job, thread, seconds: float) -> None:
    began = time.monotonic()
    runner.request_cancel(shown(job))
    thread.join(30)
    assert (shown(job).state, time.monotonic() - began < seconds) == ("cancelled", True)


def only_batch():
    number, batch = next(iter(journal.find_batches([1]).items()))
    assert number == batch.number
    return batch


def test_while_another_job_moves_the_batch(cold, replacing):
    before = everything(cold)
    job, thread = replacing
    entry = {"target": "messages_archive_2026_01", "mark": "1#2", "jobId": "another"}
    assert journal.begin(only_batch(), entry)
    thread.start()
    until(lambda: waits(job), 10)
    cancelled_within(job, thread, 5)
    assert cold.tier_batches.find_one()["move"] == entry
    assert everything(cold)["message_keys"] == before["message_keys"]


def test_while_another_job_holds_the_lock(cold, replacing, monkeypatch):
    """The lock is taken after the import has learned what it needs, and before that is there."""
    lock, names = threading.Event(), {"_id": "events"}

    def recall(numbers, **more):
        cold.counters.update_one(names, {"$set": {locks.Rotating.field: "another"}})
        lock.set()
        return RECALL(numbers, **more)

    monkeypatch.setattr(recalling, "recall", recall)
    job, thread = replacing
    thread.start()
    assert lock.wait(10)
    until(lambda: waits(job), 10)
    cancelled_within(job, thread, 5)
    batch = cold.tier_batches.find_one()
    assert (batch["move"], "busy" in batch, cold.message_keys.count_documents({})) == (None, False, 40)
    cold.counters.update_one(names, {"$unset": {locks.Rotating.field: ""}})
    assert RECALL([1]) == 40


def test_while_more_batches_come_back_it_stops_behind_the_one_it_is_at(cold):
    batch = only_batch()
    asked = []

    def is_stopped():
        asked.append(cold.messages_current.count_documents({}))
        return len(asked) > 1

    with pytest.raises(recalling.Stopped):
        RECALL([batch.number, batch.number + 1], is_stopped=is_stopped)
    assert asked == [0, 40]


def test_nobody_cancels_and_it_goes_on_by_itself(cold, replacing):
    job, thread = replacing
    entry = {"target": "messages_archive_2026_01", "mark": "1#2", "jobId": "another"}
    journal.begin(only_batch(), entry)
    thread.start()
    until(lambda: waits(job), 10)
    cold.tier_batches.update_one({"_id": 1}, {"$set": {"move": None}})
    thread.join(30)
    ended = shown(job)
    assert (ended.state, ended.counts["updated"]) == ("completed", 40), ended.error
    assert JobLog.objects.filter(job_id=job.pk, text__startswith="Waiting").count() == 1
