"""A scan can be ended from another thread, whatever the server is doing for it."""

import threading
import time

import pytest

from archive.errors import Unavailable
from archive.filters import MessageFilter
from archive.reader import Interruption, scan_messages
from tests.exports.seed import line, seed
from tests.waiting import until


def open_cursors(archive_db) -> int:
    return archive_db.client.admin.command("serverStatus")["metrics"]["cursor"]["open"]["total"]


@pytest.fixture
def many(archive_db, people, tmp_path):
    lines = b"\n".join(line("many", number, padding="x" * 2000) for number in range(3000))
    seed(people.alice, tmp_path, {"projects/-home-ana-app/many.jsonl": lines})


def test_a_scan_that_is_waiting_for_the_server_is_ended_at_once(many, monkeypatch):
    slow = {"$size": {"$map": {"input": {"$range": [0, 500_000]}, "in": 1}}}
    monkeypatch.setattr(MessageFilter, "to_query", lambda self: {"$expr": {"$lt": [slow, 5]}})
    interruption, ends = Interruption(), []

    def scan():
        try:
            list(scan_messages(MessageFilter(), interruption=interruption))
        except Unavailable as error:
            ends.append(error)

    waiting = threading.Thread(target=scan)
    waiting.start()
    time.sleep(0.3)  # not for the thread, which does nothing but wait: that it is waiting is checked
    assert waiting.is_alive()
    start = time.monotonic()
    interruption.interrupt()
    waiting.join(10)
    assert ends
    assert time.monotonic() - start < 2
    interruption.close()


def test_an_idle_scan_leaves_no_cursor_behind(archive_db, many):
    before = open_cursors(archive_db)
    interruption = Interruption()
    scan = scan_messages(MessageFilter(), interruption=interruption, batch_size=10)
    next(scan)
    assert open_cursors(archive_db) > before
    scan.close()
    interruption.close()
    until(lambda: open_cursors(archive_db) <= before, 10)


def test_who_was_ended_begins_nothing_more_and_another_is_not_hit(archive_db, many):
    ended = Interruption()
    scan = scan_messages(MessageFilter(), interruption=ended, batch_size=10)
    next(scan)
    ended.interrupt()
    with pytest.raises(Unavailable):
        list(scan)
    with pytest.raises(Unavailable):
        next(scan_messages(MessageFilter(), interruption=ended))
    ended.close()
    other = Interruption()
    assert len(list(scan_messages(MessageFilter(), interruption=other))) == 3000
    other.close()
