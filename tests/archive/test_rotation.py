"""Rotation: sealed under writers and readers, whatever is killed; nothing lost, nothing doubled."""

import json
import re
import subprocess
import sys
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest

from archive import connection, locks, measuring, moments, partitions, reader, rotation
from archive.checkpoints import Fenced
from archive.collections import HOT_SPEC
from archive.indexes import ensure_indexes
from archive.locks import RollingBack, Rotating
from archive.reader import MessageFilter
from archive.rotation import Misplaced, NameTaken, plan_rotation, rotate
from archive.unit_of_work import Transactions
from tests import run as test_run
from tests.archive.storing import message, month
from tests.imports.running import run
from tests.imports.transcripts import transcript
from tests.waiting import until

ROOT = Path(__file__).resolve().parents[2]
POINTS = ("prepared", "begun", "renamed messages_current", "renamed messages_next", "measured", "opened")
CURRENT = "messages_current"


@pytest.fixture
def db(archive_db):
    yield archive_db
    archive_db.drop_collection(rotation.NEXT_MESSAGES)
    if CURRENT not in archive_db.list_collection_names():
        archive_db.partitions.update_one({"_id": CURRENT}, {"$set": {"state": "open"}})
        ensure_indexes()


def put(db, *numbers: int) -> None:
    db[CURRENT].insert_many([message(number, timestamp=month(1 + number % 12)) for number in numbers])


def rotated(job: str = "rotation", token: int = 1, target: str = "") -> rotation.Rotation:
    *_, last = rotate(job, token, target)
    return last


def ids(moment) -> list[bytes]:
    return [
        each["_id"]
        for name in moment.hot()
        for each in connection.collection(name).find({}, {"_id": 1}, session=moment.session)
    ]


def expect_whole(db, numbers: int) -> None:
    """All messages are there once; every hot partition has its indexes, its validator and true figures."""
    found = moments.at_one_moment(ids)
    assert (len(found), len(set(found))) == (numbers, numbers)
    assert locks.holder() is None
    sealed = 0
    for partition in partitions.find_partitions():
        info = next(db.list_collections(filter={"name": partition.name}))
        assert info["options"]["validator"] == HOT_SPEC.validator
        assert {index.name for index in HOT_SPEC.indexes} <= set(db[partition.name].index_information())
        if partition.name != CURRENT:
            sealed += 1
            measured = measuring.measured(partition.name)
            held = partitions.Holding(
                partition.count, partition.bytes, partition.since, partition.until, partition.undated
            )
            assert held == measured
            assert partition.state == "sealed"
    names = [each for each in db.list_collection_names() if re.match(r"messages_(current|\d{4})", each)]
    assert sorted(names) == [each.name for each in partitions.find_partitions()]
    assert db.events.count_documents({"kind": "messages.rotated"}) == sealed


# ------------------------------------------------------------------ one rotation


def test_the_current_messages_are_sealed_under_the_name_of_the_month(db):
    put(db, *range(10))
    planned = plan_rotation(now=datetime(2026, 3, 1, tzinfo=UTC))
    assert (planned.name, planned.messages, planned.due) == ("messages_2026_03", 10, True)
    done = rotated(target=planned.name)
    assert (done.name, done.holding.count, done.begun_by) == ("messages_2026_03", 10, "rotation")
    assert (done.holding.since, done.holding.until) == (month(1), month(10))
    expect_whole(db, 10)
    assert db[CURRENT].count_documents({}) == 0


def test_what_is_sealed_twice_in_a_month_gets_further_names_in_their_order(db):
    now = datetime(2026, 3, 1, tzinfo=UTC)
    names = []
    for number in range(3):
        put(db, number)
        names.append(rotated(f"job{number}", target=plan_rotation(now=now).name).name)
    assert names == ["messages_2026_03", "messages_2026_03_b", "messages_2026_03_c"]
    assert names == sorted(names)
    further = [rotation._letters(number) for number in range(1, 80)]
    assert (further[:2], further[24:27], sorted(further)) == (["b", "c"], ["z", "zb", "zc"], further)


def test_nothing_to_seal_is_no_error_and_changes_nothing(db):
    before = partitions.version()
    assert not plan_rotation().due
    assert rotated().name == ""
    assert (partitions.version(), db.events.count_documents({})) == (before, 0)


def test_it_is_due_above_a_size(db):
    put(db, *range(50))
    size = plan_rotation().bytes
    assert not plan_rotation(size).due
    assert plan_rotation(size - 1).due


def test_the_same_job_again_seals_nothing_more(db):
    put(db, 1, 2)
    first = rotated()
    put(db, 3)
    again = rotated(token=2)
    assert (again.name, again.holding) == (first.name, first.holding)
    assert db[CURRENT].count_documents({}) == 1
    with pytest.raises(Fenced):
        rotated(token=1)


def test_a_name_that_is_taken_is_refused_before_anything_changes(db):
    put(db, 1)
    db.create_collection("messages_2019_01")
    try:
        with pytest.raises(NameTaken, match="messages_2019_01"):
            rotated(target="messages_2019_01")
        expect_state_untouched(db)
        assert plan_rotation(now=datetime(2019, 1, 5, tzinfo=UTC)).name == "messages_2019_01_b"
    finally:
        db.drop_collection("messages_2019_01")


def test_a_name_that_is_taken_in_the_last_moment_is_refused_and_all_goes_on(db):
    put(db, 1)

    def reached(point: str) -> None:
        if point == "begun":
            db["messages_2019_01"].insert_one({"_id": 1})

    try:
        with pytest.raises(NameTaken):
            list(rotate("job", 1, "messages_2019_01", reached))
        expect_state_untouched(db)
        assert db["messages_2019_01"].find_one() == {"_id": 1}
    finally:
        db.drop_collection("messages_2019_01")


def expect_state_untouched(db) -> None:
    assert [each.state for each in partitions.find_partitions()] == ["open"]
    assert db[CURRENT].count_documents({}) == 1
    assert locks.holder() is None


def test_messages_where_there_must_be_none_are_named(db):
    put(db, 1)
    db[rotation.NEXT_MESSAGES].insert_one(message(7))
    with pytest.raises(Misplaced, match="messages_next holds messages"):
        rotated()
    expect_state_untouched(db)


def test_it_waits_for_an_import_that_is_rolled_back(db):
    put(db, 1)
    transactions = Transactions()
    transactions.run(lambda unit: locks.lock(unit, RollingBack, "undone"))
    steps = rotate("rotation", 1)
    assert next(steps).why == "import undone is being rolled back"
    transactions.run(lambda unit: locks.unlock(unit, RollingBack, "undone"))
    assert list(steps)[-1].holding.count == 1
    transactions.close()


def test_two_at_once_are_one_rotation(db):
    put(db, *range(20))
    gate = threading.Barrier(4)

    def attempt(number: int) -> rotation.Rotation:
        gate.wait()
        return rotated(f"job{number}")

    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(attempt, range(4)))
    assert len({each.name for each in results if each.name}) == 1
    expect_whole(db, 20)


def test_what_comes_and_goes_while_it_is_counted_is_counted(db):
    assert measuring.measured_since(CURRENT, measuring.measured_before(CURRENT)) == partitions.Holding()
    put(db, *range(10))
    before = measuring.measured_before(CURRENT)
    assert before.holding == measuring.measured(CURRENT)
    assert measuring.measured_since(CURRENT, before) == before.holding
    db[CURRENT].insert_many([message(20), message(21, timestamp=month(12, 30), text="more")])
    since = measuring.measured_since(CURRENT, before)
    assert since == measuring.measured(CURRENT)
    assert (since.count, since.undated, since.until) == (12, 1, month(12, 30))
    db[CURRENT].delete_one({"_id": message(3)["_id"]})
    assert measuring.measured_since(CURRENT, before) == measuring.measured(CURRENT)


# ------------------------------------------------------------------ killed


@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize("successor", ["the same job", "another job"])
def test_killed_at_any_step_the_next_one_finishes_it_while_readers_count(db, servers, point, successor):
    put(db, *range(30))
    given = {"url": servers.mongodb_url, "database": test_run.DATABASE, "job": "killed", "token": 1, "stop": point}
    command = [sys.executable, "-m", "tests.archive.rotation_child", json.dumps(given)]
    counts: Counter[int] = Counter()
    stop = threading.Event()

    def count() -> None:
        while not stop.is_set():
            counts[len(set(moments.at_one_moment(ids)))] += 1

    reading = threading.Thread(target=count)
    reading.start()
    try:
        child = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        assert point in iter(lambda: child.stdout.readline().strip(), "")
        child.kill()
        child.wait()
        ensure_indexes()  # as whoever starts at this moment does
        job, token = ("killed", 2) if successor == "the same job" else ("other", 1)
        rotated(job, token)
    finally:
        seen = sum(counts.values())
        until(lambda: sum(counts.values()) > seen or not reading.is_alive(), 10)
        stop.set()
        reading.join()
    assert set(counts) == {30}
    expect_whole(db, 30)
    assert db[CURRENT].count_documents({}) == 0


def test_while_it_is_half_done_writers_wait_and_readers_too(db, tmp_path):
    put(db, 1)

    class Stopped(Exception):
        pass

    def reached(point: str) -> None:
        if point == "renamed messages_current":
            raise Stopped

    with pytest.raises(Stopped):
        list(rotate("half", 1, reached=reached))
    ensure_indexes()
    assert CURRENT not in db.list_collection_names()
    (tmp_path / "a.jsonl").write_bytes(transcript(20))
    waiting = run(tmp_path, job="import", stop_after=1)
    assert (waiting.counts["seen"], CURRENT in db.list_collection_names()) == (0, False)
    assert waiting.log[-1] == "Waiting: messages are being rotated by job half."
    assert isinstance(locks.holder(), Rotating)
    with ThreadPoolExecutor(1) as pool:
        counting = pool.submit(lambda: len(moments.at_one_moment(ids)))
        assert rotated("other").begun_by == "half"
        assert counting.result() == 1
    assert run(tmp_path, job="import", token=2).inserted == 20
    expect_whole(db, 21)


# ------------------------------------------------------------------ under load


def test_twenty_rotations_under_two_writers_and_a_scan_lose_and_double_nothing(db, tmp_path):
    rotated_under_load(db, tmp_path, rotations=20, sessions=8)


@pytest.mark.slow
def test_fifty_rotations_under_two_writers_and_a_scan_lose_and_double_nothing(db, tmp_path):
    rotated_under_load(db, tmp_path, rotations=50, sessions=24)


def rotated_under_load(db, tmp_path, rotations: int, sessions: int) -> None:
    """Two writers of so many conversations of 150 messages, a scan, and as many rotations as find anything; what
    is there in the end is counted, and taken in once more."""
    put(db, *range(500))
    before = {each["_id"] for each in db[CURRENT].find({}, {"_id": 1})}
    for writer in range(2):
        folder = tmp_path / str(writer)
        folder.mkdir()
        for number in range(sessions):
            session = f"6f1c0c3e-0000-4000-8000-{writer:04}{number:08}"
            (folder / f"{session}.jsonl").write_bytes(transcript(150, session))
    finished = threading.Event()
    scans: list[Counter[bytes]] = []

    def scan() -> None:
        while not finished.is_set():
            scans.append(Counter(each["_id"] for each in reader.scan_messages(MessageFilter())))

    def write(writer: int) -> int:
        return run(tmp_path / str(writer), job=f"import{writer}", batch_docs=8).inserted

    with ThreadPoolExecutor(3) as pool:
        scanning = pool.submit(scan)
        writing = [pool.submit(write, writer) for writer in range(2)]
        try:
            sealed = []
            for number in range(rotations):
                until(lambda: db[CURRENT].find_one() or all(each.done() for each in writing), 30, step=0.01)
                sealed += [each for each in [rotated(f"rotation{number}")] if each.name]
        finally:
            inserted = [each.result() for each in writing]
            finished.set()
            scanning.result()
    each_writer = sessions * 150
    assert inserted == [each_writer] * 2
    assert len(sealed) >= rotations * 3 // 4
    assert scans
    assert all(max(each.values()) == 1 and before <= each.keys() for each in scans)
    expect_whole(db, 500 + 2 * each_writer)
    again = [run(tmp_path / str(writer), job=f"again{writer}") for writer in range(2)]
    assert [(each.inserted, each.duplicates) for each in again] == [(0, each_writer)] * 2
