"""Compaction against the real server: what is worth it, what it gives back, and when it waits."""

import os
import threading

import pytest

from archive import compaction
from archive.compaction import NotCompactable
from archive.errors import NotFound
from tests.waiting import until

MIB = 1024 * 1024


@pytest.fixture
def holey(archive_db):
    """``message_versions``-like: a collection of the archive of which most was deleted."""
    archive_db.partitions.insert_one({"_id": "messages_2026_01", "tier": "hot", "state": "sealed"})
    archive_db.messages_2026_01.insert_many([{"_id": number, "data": os.urandom(4_000)} for number in range(5_000)])
    archive_db.client.admin.command("fsync")
    archive_db.messages_2026_01.delete_many({"_id": {"$gte": 300}})
    archive_db.client.admin.command("fsync")
    yield "messages_2026_01"
    archive_db.drop_collection("messages_2026_01")


def candidate(name, **limits):
    """What is said of this collection; tests before may have left room free in others."""
    return next((each for each in compaction.candidates(**limits) if each.name == name), None)


def test_a_collection_of_which_much_lies_free_is_a_candidate_with_what_it_would_give_back(holey):
    found = candidate(holey, least_bytes=4 * MIB)

    assert found.free > 4 * MIB
    assert 20 <= found.percent <= 100


def test_little_free_room_is_left_to_be_used_again(holey):
    assert candidate(holey, least_bytes=500 * MIB) is None
    assert candidate(holey, least_bytes=1, least_percent=100) is None


def test_compaction_gives_the_room_back_and_keeps_every_document(archive_db, holey):
    before = archive_db.command("collStats", holey)["totalSize"]

    done = compaction.compact(holey)

    after = archive_db.command("collStats", holey)["totalSize"]
    assert (done.before, done.after) == (before, after)
    assert done.freed == before - after > 4 * MIB
    assert archive_db[holey].count_documents({}) == 300
    assert candidate(holey, least_bytes=4 * MIB) is None


def test_named_ones_are_looked_at_whatever_lies_free_in_them(holey):
    assert [each.name for each in compaction.candidates(names=["sessions"])] == ["sessions"]


def test_a_collection_that_is_not_of_the_archive_is_refused_by_name(archive_db):
    with pytest.raises(NotFound, match=r"no collection 'system\.users'"):
        compaction.candidates(names=["system.users"])
    with pytest.raises(NotFound, match="no collection 'gone'"):
        compaction.compact("gone")


def test_a_time_series_is_refused_in_words_and_never_a_candidate(archive_db):
    archive_db.partitions.insert_one({"_id": "messages_timeseries", "tier": "warm", "state": "sealed"})
    archive_db.create_collection("messages_timeseries", timeseries={"timeField": "timestamp"})
    try:
        assert "messages_timeseries" not in [each.name for each in compaction.candidates(0, 0)]
        with pytest.raises(NotCompactable, match="time-series"):
            compaction.candidates(names=["messages_timeseries"])
        with pytest.raises(NotCompactable, match="CommandNotSupportedOnView"):
            compaction.compact("messages_timeseries")
    finally:
        archive_db.drop_collection("messages_timeseries")


def test_a_server_at_rest_is_not_busy(archive_db):
    until(lambda: compaction.busy_with(0.2) == "", 60)  # tests beside this one write to it, too


def test_a_server_that_takes_many_writes_is_busy_and_says_with_what(archive_db):
    stop = threading.Event()

    def write():
        while not stop.is_set():
            archive_db.query_noise.insert_many([{"x": 1} for _ in range(2_000)])

    writer = threading.Thread(target=write)
    writer.start()
    try:
        assert "writes a second" in compaction.busy_with(0.3)
    finally:
        stop.set()
        writer.join()
        archive_db.drop_collection("query_noise")
