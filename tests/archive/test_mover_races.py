"""What a dead mover or recaller left behind is removed, and nothing else: not what others did meanwhile."""

from datetime import UTC, datetime

import bson
import pytest
from bson.int64 import Int64

from archive import checkpoints, journal, lots, mover, object_store, reader, recalling, sweeping
from archive.filters import MessageFilter
from archive.move_plans import PlannedMove
from archive.object_store import FolderStore
from archive.partitions import Tier
from tests.archive.mover_child import planned
from tests.archive.storing import message, month

COLD = "messages_archive_2025_01"


class Killed(BaseException):
    """Stands for the end of the process at this point: nothing after it is done."""


@pytest.fixture
def stored(archive_db, tmp_path):
    object_store.configure(lambda: FolderStore(tmp_path))
    made = [message(number, timestamp=month(1, 1 + number % 20), importId="one") for number in range(40)]
    archive_db.messages_current.insert_many(made)
    return {each["_id"]: bson.encode(each) for each in made}


def move(source: Tier, target: Tier | None = None, job: str = "mover", token: int = 1, **more) -> None:
    list(mover.move(planned(source, target), job, token, **more))


def kill_at(point: str, times: int = 1):
    left = [times]

    def reached(told: str) -> None:
        if told == point:
            left[0] -= 1
            if not left[0]:
                raise Killed

    return reached


def numbers(db) -> list[int]:
    return [int(each["_id"]) for each in db.tier_batches.find({"partition": {"$ne": ""}}, {"_id": 1})]


def expect_all(stored) -> None:
    found = list(reader.scan_messages(MessageFilter()))
    assert len(found) == len(stored)
    assert {each["_id"]: bson.encode(each) for each in found} == stored


def expect_tidy(db) -> None:
    assert list(db.tier_batches.find({"busy": True})) == []
    keys = {each["_id"]: each["batch"] for each in db.message_keys.find()}
    lying = {each["_id"] for each in db[COLD].find({}, {"_id": 1})}
    there = {each["_id"] for each in db.tier_batches.find({"partition": COLD})}
    assert lying == {key for key, number in keys.items() if number in there}


def test_a_recall_that_died_before_it_swept_takes_nothing_from_a_later_move(stored, archive_db, monkeypatch):
    move(Tier.HOT, Tier.COLD)
    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setattr(sweeping, "remove", lambda *given: (_ for _ in ()).throw(Killed()))
        recalling.recall(numbers(archive_db))
        raise Killed  # where nothing had to be swept
    monkeypatch.setattr(sweeping, "recover", lambda *given: 0)  # as in a move that had begun before
    move(Tier.HOT, Tier.COLD, job="other")
    monkeypatch.undo()
    sweeping.recover()
    expect_all(stored)
    expect_tidy(archive_db)


def test_a_move_to_cold_that_died_takes_nothing_from_another_job_s(stored, archive_db):
    with pytest.raises(Killed):
        move(Tier.HOT, Tier.COLD, job="dead", reached=kill_at("entered"))
    list(mover.move(planned(Tier.HOT, Tier.COLD), "other", 1, unfinished={"dead"}))
    sweeping.recover()
    expect_all(stored)
    expect_tidy(archive_db)


def test_a_batch_that_left_cold_leaves_nothing_that_a_later_move_would_lose(stored, archive_db, monkeypatch):
    move(Tier.HOT, Tier.COLD)
    with pytest.raises(Killed):
        move(Tier.COLD, reached=kill_at("committed"))
    monkeypatch.setattr(sweeping, "recover", lambda *given: 0)
    left = [int(each["_id"]) for each in archive_db.tier_batches.find({"partition": "frozen_2025_01"})]
    assert len(left) == 1
    recalling.recall(left)
    move(Tier.HOT, Tier.COLD, job="other")
    monkeypatch.undo()
    sweeping.recover()
    expect_all(stored)
    expect_tidy(archive_db)


def test_a_recall_that_died_before_it_committed_is_undone(stored, archive_db):
    move(Tier.HOT)
    for batch in journal.find_batches(numbers(archive_db)).values():
        entry = {"target": "messages_current", "mark": f"{batch.number}#recall", "jobId": "", "at": datetime.now(UTC)}
        assert journal.begin(batch, entry)
    sweeping.recover()
    assert archive_db.tier_batches.count_documents({"busy": True}) == 0
    assert archive_db.messages_current.count_documents({}) == 0
    expect_all(stored)
    recalling.recall(numbers(archive_db))
    assert archive_db.messages_current.count_documents({}) == 40
    expect_all(stored)


def test_a_recall_that_was_undone_meanwhile_does_not_commit(stored, archive_db, monkeypatch):
    """The batch was given back and has moved on: a recaller that wakes up late finds that."""
    move(Tier.HOT)
    begin, late = journal.begin, []

    def slept(batch, entry):
        begun = begin(batch, entry)
        if entry["target"] == "messages_current" and not late:
            late.append(batch)
            sweeping.recover()
            move(Tier.WARM)
        return begun

    monkeypatch.setattr(journal, "begin", slept)
    recalling.recall(numbers(archive_db))
    expect_all(stored)
    assert archive_db.messages_current.count_documents({}) == 40
    expect_tidy(archive_db)


def test_the_copy_of_a_dead_attempt_is_removed_while_another_mover_makes_the_next(stored, archive_db, monkeypatch):
    """It had looked for batches before this one was busy."""
    move(Tier.HOT)
    move(Tier.WARM)
    with pytest.raises(Killed):
        move(Tier.COLD, job="dead", reached=kill_at("copied"))
    remove, late = sweeping.remove, []

    def removed(batch, entry):
        if not late:
            late.append(entry)
            monkeypatch.setattr(PlannedMove, "batch_query", lambda planned: {"partition": planned.source})
            other = mover._Mover(checkpoints.take("other", 1), frozenset(), lambda point: None)
            for each in planned(Tier.COLD):
                for copy in other.copies(each):
                    list(other.commit(copy))
        remove(batch, entry)

    monkeypatch.setattr(sweeping, "remove", removed)
    sweeping.recover()
    assert {each["partition"] for each in archive_db.tier_batches.find()} == {"frozen_2025_01"}
    expect_all(stored)
    expect_tidy(archive_db)


@pytest.mark.parametrize(
    ("source", "point"),
    [(source, point) for source in Tier for point in ("entered", "committed")]
    # What goes to cold is copied in the commit.
    + [(source, point) for source in (Tier.HOT, Tier.COLD) for point in ("copied", "verified")],
)
def test_killed_at_a_point_of_any_move_the_next_one_finishes_it(stored, archive_db, source, point):
    for tier in (Tier.HOT, Tier.WARM, Tier.COLD)[: list(Tier).index(source)]:
        move(tier)
    with pytest.raises(Killed):
        move(source, job="dead", reached=kill_at(point))
    expect_all(stored)
    move(source)
    expect_all(stored)
    expect_tidy(archive_db)


def test_another_job_s_token_ends_a_move(stored, archive_db, monkeypatch):
    monkeypatch.setattr(lots, "BATCH_DOCS", 5)
    steps = mover.move(planned(Tier.HOT), "job", 1)
    next(steps)
    list(mover.move([PlannedMove("messages_current", Tier.WARM)], "job", 2))
    with pytest.raises(Exception, match="taken over"):
        list(steps)
    expect_all(stored)
    assert archive_db.tier_batches.count_documents({"count": Int64(0)}) == 0
