"""A database made the old way is brought into tiers and back, phase by phase, while imports go on."""

import hashlib
import json
import random
import signal
import subprocess
import sys
import threading
from itertools import count
from pathlib import Path

import bson
import pytest

from archive import connection, layout_work, layouts, partitions, reader, verifying
from archive.checks.base import Asked
from archive.errors import Conflict
from archive.layout_legacy import NotOurMessages, Overlapping, find_legacy
from archive.layouts import Layout, MigrationRunning, Phase, WrongPhase
from archive.reader import MessageFilter
from archive.undo import undo_import
from archive.unit_of_work import Transactions
from tests.imports.running import given_back, run
from tests.samples.making import ONE, TWO, dump, joined, session_file, user, write

THREE = "33333333-3333-4333-8333-333333333333"
YEARS = 10_000
TOKENS = count(1)
DO = {
    "dual-write": layout_work.dual_write,
    "backfill": layout_work.backfill,
    "validate": layout_work.validate,
    "cut-over": layout_work.cut_over,
    "finish": layout_work.finish,
    "roll-back": layout_work.roll_back,
}


def do(*actions: str) -> list[layout_work.Work]:
    done = []
    for action in actions:
        held = layouts.take(layouts.require(action), f"job-{action}", next(TOKENS))
        try:
            done += list(DO[action](held))
        finally:
            held.close()
    return done


def create(to: Layout = Layout.TIERED, cold_after_days: int = 90) -> None:
    list(layout_work.create(to, cold_after_days))


def phase() -> Phase:
    return layouts.find_last().phase


def messages() -> str:
    """A digest of every message as readers see it."""
    found = hashlib.sha256()
    for each in reader.scan_messages(MessageFilter()):
        found.update(bson.encode({key: each[key] for key in sorted(each)}))
    return found.hexdigest()


def names(db) -> set[str]:
    return {each["_id"] for each in db.partitions.find()}


def violations() -> list[str]:
    return [
        f"{each.name}: {each.message}" for _, look in verifying.verify(Asked(deep=True)) for each in look.findings
    ]


@pytest.fixture
def db(archive_db):
    yield archive_db
    for name in archive_db.list_collection_names():
        if name == "messages" or name.startswith(("messages_2", "messages_archive_", "messages_timeseries")):
            archive_db.drop_collection(name)


def lines_of(session: str, months: range, each: int = 10) -> list[bytes]:
    """Lines of a conversation that goes on over these months of 2025."""
    numbers = ((month, number) for month in months for number in range(each))
    return [
        dump(user(session, 100 * month + number, timestamp=f"2025-{month:02}-{1 + 2 * number:02}T10:00:00.{number:03}Z"))
        for month, number in numbers
    ]


@pytest.fixture
def old(db, tmp_path):
    """Some eighty messages of six months, one without a time, in one big ``messages`` that the catalogue does
    not know."""
    first = tmp_path / "first"
    write(first, session_file(ONE), joined(lines_of(ONE, range(1, 6))))
    write(first, session_file(TWO), joined(lines_of(TWO, range(4, 7))))
    write(first, session_file(THREE), joined([b'{"type":"summary","summary":"Done","leafUuid":"x"}']))
    run(first, job="first")
    made_old(db, "messages")
    assert db.messages.count_documents({}) == 81
    assert db.messages.count_documents({"timestamp": None}) == 1
    return db


def made_old(db, name: str, query: dict | None = None) -> None:
    """Move messages into a plain collection, as an older version had them."""
    found = list(db.messages_current.find(query or {}))
    db[name].insert_many(found)
    db.messages_current.delete_many({"_id": {"$in": [each["_id"] for each in found]}})


def more(tmp_path, job: str, months: range = range(1, 8)) -> None:
    """Import the first conversation grown longer."""
    folder = tmp_path / job
    write(folder, session_file(ONE), joined(lines_of(ONE, months)))
    run(folder, job=job)


def test_one_big_collection_is_adopted_and_goes_into_tiers_while_imports_go_on(old, tmp_path):
    assert find_legacy() == ["messages"]
    create()
    before = messages()
    do("dual-write")
    more(tmp_path, "second")
    do("backfill")
    assert messages() != before
    now, files = messages(), given_back(old)
    assert names(old) == {"messages", "messages_current"}, "nobody sees the new layout yet"
    assert violations() == []
    found = do("validate")
    assert not [each for each in found if each.differences]
    assert (messages(), given_back(old)) == (now, files)
    more(tmp_path, "third", range(1, 9))
    assert old.messages_current.count_documents({}) == 30
    do("cut-over")
    assert {each["tier"] for each in old.partitions.find()} == {"hot", "cold"}
    more(tmp_path, "fourth", range(1, 10))
    assert reader.count_messages(MessageFilter()) == 81 + 40
    do("finish")
    assert phase() == Phase.FINISHED
    assert "messages" not in old.list_collection_names()
    assert old.messages_current.count_documents({}) == 40
    assert violations() == []


def test_monthly_collections_are_adopted_each(db, tmp_path):
    write(tmp_path, session_file(ONE), joined(lines_of(ONE, range(1, 4))))
    run(tmp_path, job="first")
    for month in (1, 2, 3):
        made_old(db, f"messages_2025_{month:02}", {"_id": {"$in": _of_month(db, month)}})
    create()
    assert names(db) == {"messages_current", "messages_2025_01", "messages_2025_02", "messages_2025_03"}
    before = messages()
    do("dual-write", "backfill", "validate", "cut-over", "finish")
    assert messages() == before
    assert not any(db[f"messages_2025_{month:02}"].count_documents({}) for month in (1, 2, 3))
    assert violations() == []


def _of_month(db, month: int) -> list[bytes]:
    return [each["_id"] for each in db.messages_current.find() if each["timestamp"].month == month]


def test_what_is_open_is_sealed_and_young_messages_go_to_warm(db, tmp_path):
    write(tmp_path, session_file(ONE), joined(lines_of(ONE, range(1, 4))))
    run(tmp_path, job="first")
    before = messages()
    create(cold_after_days=YEARS)
    do("dual-write")
    assert db.messages_current.count_documents({}) == 0
    do("backfill", "validate", "cut-over")
    assert {each["_id"] for each in db.partitions.find({"tier": "warm"})} == {"messages_timeseries"}
    assert messages() == before
    do("finish")
    assert messages() == before
    assert violations() == []


@pytest.mark.parametrize("done", range(1, 6))
def test_there_is_a_way_back_from_every_phase_with_what_came_in_meanwhile(old, tmp_path, done):
    create()
    do(*["dual-write", "backfill", "validate", "cut-over"][: done - 1])
    more(tmp_path, "second")
    now, files = messages(), given_back(old)
    do("roll-back")
    assert phase() == Phase.ROLLED_BACK
    assert (messages(), given_back(old)) == (now, files)
    assert old.messages.count_documents({}) == 81
    assert old.message_keys.count_documents({}) == old.tier_batches.count_documents({}) == 0
    assert not [name for name in old.list_collection_names() if name.startswith("messages_archive")]
    assert {each["tier"] for each in old.partitions.find()} == {"hot"}
    assert violations() == []
    create()
    assert layouts.find_last().number == 2


def test_a_difference_is_found_and_named_and_the_layout_stays(old):
    create()
    do("dual-write", "backfill")
    changed = old.messages.find_one({"timestamp": {"$ne": None}})
    old.messages.update_one({"_id": changed["_id"]}, {"$set": {"text": "planted"}})
    (found,) = [each.differences for each in do("validate") if each.differences]
    told = {(each.check, each.subject) for each in found}
    month = partitions.month_of(changed["timestamp"])
    assert {("digests", month), ("digests", changed["_id"].hex())} <= told
    assert phase() == Phase.BACKFILLED
    assert layouts.find_last().told()["validated"]["differences"]
    with pytest.raises(WrongPhase, match="migration 1 is backfilled") as refusal:
        do("cut-over")
    assert refusal.value.hint == "Next comes validate."


def test_answers_that_differ_are_named_by_their_query(old):
    create()
    do("dual-write", "backfill")
    old.message_keys.update_one({"type": "user"}, {"$set": {"type": "system"}})
    (found,) = [each.differences for each in do("validate") if each.differences]
    assert ("queries", "count of user messages") in {(each.check, each.subject) for each in found}


def test_what_goes_away_after_the_backfill_goes_away_there_too(old, tmp_path):
    more(tmp_path, "second")
    create()
    do("dual-write", "backfill", "validate")
    list(undo_import("second", next(TOKENS)))
    now = messages()
    with pytest.raises(Conflict) as refusal:
        do("cut-over")
    assert refusal.value.code == "layout_changed"
    do("backfill", "validate", "cut-over")
    assert messages() == now
    assert reader.count_messages(MessageFilter()) == 81
    do("finish")
    assert violations() == []


def test_what_is_undone_after_the_cut_over_does_not_come_back_with_the_former_layout(old, tmp_path):
    more(tmp_path, "second")
    create()
    do("dual-write", "backfill", "validate", "cut-over")
    list(undo_import("second", next(TOKENS)))
    now = messages()
    do("roll-back")
    assert messages() == now
    assert reader.count_messages(MessageFilter()) == 81
    assert violations() == []


def test_back_to_months_and_back_to_tiers(old, tmp_path):
    create()
    do("dual-write", "backfill", "validate", "cut-over", "finish")
    before = messages()
    create(Layout.ROLLING)
    do("dual-write", "backfill", "validate", "cut-over")
    assert {each["tier"] for each in old.partitions.find()} == {"hot"}
    assert messages() == before
    more(tmp_path, "second")
    now = messages()
    do("roll-back")
    assert "cold" in {each["tier"] for each in old.partitions.find()}
    assert messages() == now
    create(Layout.ROLLING)
    do("dual-write", "backfill", "validate", "cut-over", "finish")
    assert messages() == now
    assert old.message_keys.count_documents({}) == old.tier_batches.count_documents({}) == 0
    assert not [name for name in old.list_collection_names() if name.startswith("messages_archive")]
    assert violations() == []


def test_actions_out_of_their_order_are_refused_by_name(old):
    with pytest.raises(WrongPhase, match="no migration") as refusal:
        do("backfill")
    assert refusal.value.code == "layout_wrong_phase"
    create()
    with pytest.raises(WrongPhase, match="is under way: it is created"):
        create()
    for action in ("backfill", "validate", "cut-over", "finish"):
        with pytest.raises(WrongPhase, match=f"{action} cannot be done now: migration 1 is created"):
            do(action)
    do("dual-write", "backfill", "validate", "cut-over", "finish")
    with pytest.raises(WrongPhase):
        do("roll-back")
    with pytest.raises(Conflict) as refusal:
        create()
    assert refusal.value.code == "layout_already"


def test_nothing_moves_between_tiers_meanwhile(old):
    create()
    transactions = Transactions()
    try:
        with pytest.raises(MigrationRunning):
            transactions.run(lambda unit: partitions.add(unit, "messages_archive_2025_01"))
        do("roll-back")
        transactions.run(lambda unit: partitions.add(unit, "messages_archive_2025_01"))
    finally:
        transactions.close()


def test_a_message_in_two_collections_is_refused_and_named(old):
    twice = old.messages.find_one()
    old.messages_current.insert_one(twice)
    with pytest.raises(Overlapping, match=twice["_id"].hex()[:16]):
        create()
    assert names(old) == {"messages_current"}
    assert layouts.find_last() is None


def test_documents_that_are_no_messages_of_ours_are_refused(db):
    db.messages.insert_one({"_id": 1, "text": "of another program"})
    with pytest.raises(NotOurMessages, match="messages holds documents"):
        create()
    assert names(db) == {"messages_current"}


# ------------------------------------------------------------------ killed, and beside running imports

ROOT = Path(__file__).resolve().parents[2]


def kill_in(action: str, after: int) -> bool:
    """Run the action in a process that is killed after so many units; whether it came to its end before."""
    told = connection.configuration()
    given = {
        "url": told.url, "database": told.name, "action": action, "job": f"killed-{after}", "token": next(TOKENS),
    }  # fmt: skip
    command = [sys.executable, "-m", "tests.archive.layout_child", json.dumps(given)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as child:
        for _ in range(after + 1):
            if not child.stdout.readline():
                break
        else:
            child.send_signal(signal.SIGKILL)
            return False
        assert child.wait() == 0
        return True


def test_a_backfill_that_is_killed_goes_on_where_it_was_and_so_does_its_end(old, tmp_path):
    create()
    do("dual-write")
    more(tmp_path, "second")
    now = messages()
    chance = random.Random(7)
    killed = 0
    while not kill_in("backfill", chance.randint(3, 20)):
        killed += 1
        assert messages() == now
    assert killed >= 3
    assert not [each for each in do("validate") if each.differences]
    assert layouts.find_last().document["strays"] == []
    do("cut-over")
    assert messages() == now
    while not kill_in("finish", chance.randint(5, 30)):
        assert messages() == now
    assert messages() == now
    assert violations() == []


def test_a_roll_back_that_is_killed_goes_on(old):
    now_in_old = old.messages.count_documents({})
    create()
    now = messages()
    do("dual-write", "backfill", "validate", "cut-over")
    chance = random.Random(3)
    while not kill_in("roll-back", chance.randint(1, 25)):
        assert messages() == now
    assert messages() == now
    assert old.messages.count_documents({}) == now_in_old
    assert old.message_keys.count_documents({}) == 0
    assert violations() == []


def misread(acknowledged: list[int]) -> list[tuple[int, int, int]]:
    """What a scan finds, if it is not each message once."""
    least, keys = acknowledged[0], {"sessionId": 1, "fileId": 1, "seq": 1}
    ids = [each["_id"] for each in reader.scan_messages(MessageFilter(), fields=keys)]
    is_right = len(set(ids)) == len(ids) and least <= len(ids) <= acknowledged[0] + 10
    return [] if is_right else [(least, len(ids), len(set(ids)))]


def test_imports_and_readers_run_through_all_phases(old, tmp_path):
    """Somebody imports all the time; each message that is acknowledged is read once, before and after."""
    create()
    acknowledged, problems, stop = [81], [], threading.Event()

    def write_on() -> None:
        for number in count():
            if stop.is_set():
                return
            folder = tmp_path / f"import-{number}"
            session = f"{number:08}-1111-4111-8111-111111111111"
            write(folder, session_file(session), joined(lines_of(session, range(3, 5), each=5)))
            run(folder, job=f"import-{number}")
            acknowledged[0] += 10

    def read_on() -> None:
        while not stop.is_set():
            problems.extend(misread(acknowledged))

    threads = [threading.Thread(target=each) for each in (write_on, read_on)]
    for thread in threads:
        thread.start()
    try:
        do("dual-write", "backfill", "validate", "cut-over", "roll-back")
        create()
        do("dual-write", "backfill", "validate", "cut-over", "finish")
    finally:
        stop.set()
        for thread in threads:
            thread.join(60)
    assert problems == []
    assert reader.count_messages(MessageFilter()) == acknowledged[0]
    assert sum(1 for _ in reader.scan_messages(MessageFilter())) == acknowledged[0]
    assert violations() == []
