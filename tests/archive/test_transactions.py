"""Units of work, checkpoints and events: committed exactly once, by one holder, in one order."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from bson.int64 import Int64
from pymongo.errors import AutoReconnect, DuplicateKeyError, OperationFailure, WriteConcernError

from archive import checkpoints, connection, events
from archive.bulk import Batch, BulkWriter
from archive.checkpoints import AlreadyWritten, Fenced
from archive.collections import COUNTERS, EVENTS, SPECS
from archive.errors import OutOfSpace, Unavailable
from archive.indexes import ensure_indexes
from archive.unit_of_work import Transactions, end_session, patiently


@pytest.fixture
def transactions(archive_db):
    made = Transactions(patience=2)
    yield made
    made.close()


def add(unit, name: str) -> None:
    unit[COUNTERS].insert_one({"_id": name}, session=unit.session)


def names(db) -> set[str]:
    return {each["_id"] for each in db.counters.find()}


# ------------------------------------------------------------------ units of work


def test_all_of_a_unit_happens_or_none(archive_db, transactions):
    def work(unit):
        add(unit, "a")
        raise KeyError("stop")

    with pytest.raises(KeyError):
        transactions.run(work)
    assert names(archive_db) == set()
    transactions.run(lambda unit: add(unit, "b"))
    assert names(archive_db) == {"b"}


def test_what_is_there_is_ensured_beside_an_open_transaction(archive_db):
    """A command that starts does not wait for what a dead process has left open."""
    with archive_db.client.start_session() as session, session.start_transaction():
        for spec in SPECS:
            archive_db[spec.name].find_one({}, session=session)
        with ThreadPoolExecutor(1) as pool:
            pool.submit(ensure_indexes).result(timeout=10)


@pytest.mark.parametrize("error", [AutoReconnect("gone"), WriteConcernError("interrupted", 11601, {})])
def test_transient_trouble_is_tried_again(archive_db, transactions, error):
    tries = []

    def work(unit):
        add(unit, "a")
        tries.append(1)
        if len(tries) < 3:
            raise error
        return "done"

    assert transactions.run(work) == "done"
    assert names(archive_db) == {"a"}
    assert len(tries) == 3


def test_a_server_that_stays_away_is_unavailable(archive_db):
    transactions = Transactions(patience=0.2)

    def work(unit):
        raise AutoReconnect("gone")

    with pytest.raises(Unavailable, match="did not come back"):
        transactions.run(work)
    transactions.close()


def test_a_bug_is_not_tried_again(transactions):
    tries = []

    def work(unit):
        tries.append(1)
        unit[COUNTERS].insert_one({"_id": {"$bad": 1}}, session=unit.session)

    with pytest.raises(OperationFailure):
        transactions.run(work)
    assert len(tries) == 1


def test_a_key_that_was_taken_meanwhile_is_looked_at_again_and_not_for_ever(archive_db, transactions):
    tries = []

    def work(unit):
        tries.append(1)
        if not unit[COUNTERS].find_one({"_id": "a"}, session=unit.session):
            archive_db.counters.insert_one({"_id": "a"})
            add(unit, "a")

    transactions.run(work)
    assert len(tries) == 2

    def stubborn(unit):
        tries.append(1)
        add(unit, "a")

    with pytest.raises(DuplicateKeyError):
        transactions.run(stubborn)
    assert len(tries) < 50


def test_what_a_dead_process_left_open_can_be_ended(archive_db):
    archive_db.counters.insert_one({"_id": "x", "n": 0})
    dead, alive = Transactions(), Transactions()
    session = dead._session
    session.start_transaction()
    archive_db.counters.update_one({"_id": "x"}, {"$inc": {"n": 1}}, session=session)
    end_session(dead.session_id)
    alive.run(lambda unit: unit[COUNTERS].update_one({"_id": "x"}, {"$inc": {"n": 10}}, session=unit.session))
    assert archive_db.counters.find_one({"_id": "x"})["n"] == 10
    end_session(dead.session_id)
    end_session(None)
    alive.close()


def test_waiting_for_the_server():
    tries = []

    def call():
        tries.append(1)
        if len(tries) < 3:
            raise Unavailable("gone")
        return "done"

    assert patiently(call) == "done"
    with pytest.raises(Unavailable):
        patiently(lambda: (_ for _ in ()).throw(Unavailable("gone")), patience=0)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (AutoReconnect("x"), Unavailable),
        (OperationFailure("x", 14031), OutOfSpace),
        (OperationFailure("x", 11601), Unavailable),
        (OperationFailure("x", 2), OperationFailure),
    ],
)
def test_the_driver_s_errors_are_told_in_our_words(error, expected):
    with pytest.raises(expected), connection.translated():
        raise error


# ------------------------------------------------------------------ checkpoints


def commit(checkpoint, position: int) -> None:
    counts = {"seen": position}
    checkpoint.transactions.run(lambda unit: checkpoint.save(unit, {"at": position}, counts))
    checkpoint.saved({"at": position}, counts)


def test_a_checkpoint_is_taken_up_where_it_was_left(archive_db):
    one = checkpoints.take("job", 1)
    commit(one, 1)
    commit(one, 2)
    one.close()
    two = checkpoints.take("job", 2)
    assert (two.position, two.counts, two.batch) == ({"at": 2}, {"seen": 2}, 2)
    assert checkpoints.find_counts("job") == {"seen": 2}
    assert checkpoints.find_counts("other") == {}
    two.close()


def test_only_the_newest_holder_writes(archive_db):
    old, new = checkpoints.take("job", 1), checkpoints.take("job", 2)
    with pytest.raises(Fenced):
        commit(old, 1)
    commit(new, 5)
    with pytest.raises(Fenced):
        checkpoints.take("job", 1)
    assert checkpoints.find_counts("job") == {"seen": 5}
    again = checkpoints.take("job", 2)
    assert again.position == {"at": 5}
    for each in (old, new, again):
        each.close()


def test_a_batch_whose_answer_was_lost_is_not_written_again(archive_db):
    checkpoint = checkpoints.take("job", 1)
    checkpoint.transactions.run(lambda unit: checkpoint.save(unit, {"at": 1}, {"seen": 7}))
    with pytest.raises(AlreadyWritten) as caught:
        checkpoint.transactions.run(lambda unit: checkpoint.save(unit, {"at": 1}, {"seen": 7}))
    assert caught.value.counts == {"seen": 7}
    # The writer takes that for success.
    result = BulkWriter(checkpoint).commit(Batch(position={"at": 1}))
    assert (result.counts, result.position, checkpoint.batch) == ({"seen": 7}, {"at": 1}, 1)
    checkpoint.close()


def test_of_many_who_take_a_job_at_once_one_writes(archive_db):
    barrier = threading.Barrier(8)

    def attempt(token: int) -> bool:
        barrier.wait()
        try:
            held = checkpoints.take("job", token)
            for number in range(3):
                try:
                    commit(held, token * 10 + number)
                except AlreadyWritten as earlier:  # somebody who came too late ended the session meanwhile
                    held.saved(held.position, earlier.counts)
        except Fenced:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(attempt, range(1, 9)))
    assert results[-1]
    assert checkpoints.find_counts("job") == {"seen": 82}
    assert archive_db.checkpoints.find_one()["token"] == 8


# ------------------------------------------------------------------ events and indexes


def test_events_have_positions_without_gaps_however_many_write(archive_db):
    def write(number: int) -> None:
        transactions = Transactions()
        for part in range(10):

            def work(unit, part=part):
                position = events.next_position(unit)
                events.append(unit, position, "test", by=number, part=part)
                if number == 3 and part == 5:
                    raise KeyError

            try:
                transactions.run(work)
            except KeyError:
                pass
        transactions.close()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(4)))
    found = list(archive_db[EVENTS].find().sort("position", 1))
    assert [each["position"] for each in found] == list(range(1, 40))
    for number in range(4):
        assert [each["part"] for each in found if each["by"] == number] == [
            n for n in range(10) if (number, n) != (3, 5)
        ]


def test_indexes_and_validators_are_made_by_several_at_once_and_again(archive_db):
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: ensure_indexes(), range(4)))
    for spec in SPECS:
        made = archive_db[spec.name].index_information()
        assert {index.name for index in spec.indexes} <= set(made)
        assert all(made[index.name].get("unique", False) == index.unique for index in spec.indexes)


def test_a_document_that_lacks_what_it_must_have_is_refused(archive_db):
    with pytest.raises(OperationFailure, match="validation"):
        archive_db.messages_current.insert_one({"_id": b"x"})
    with pytest.raises(OperationFailure, match="validation"):
        archive_db.sessions.insert_one({"sessionId": 1, "messageCount": Int64(1)})
