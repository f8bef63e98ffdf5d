"""Messages move down through the tiers and back, and every reader finds each of them once, as it was."""

import random
from datetime import UTC, datetime, timedelta

import bson
import pytest
from bson.int64 import Int64
from bson.objectid import ObjectId

from archive import connection, emptied, files, lots, mover, object_store, reader, recalling
from archive.choosing import Wanted
from archive.filters import MessageFilter
from archive.move_plans import Ages, PlannedMove, plan_moves, plan_offload, plan_restore
from archive.object_store import FolderStore
from archive.partitions import Tier, find_partitions
from archive.places.frozen import DamagedObject
from archive.scanning import Scan
from tests.archive.storing import message

NOW = datetime(2026, 3, 15, 12, tzinfo=UTC)
PROJECTS = (ObjectId("1" * 24), ObjectId("2" * 24))
COUNT = 120


def make(number: int) -> dict:
    """Messages of 240 days, one in two, of every kind that moves differently."""
    chance = random.Random(number)
    more = {
        "projectId": PROJECTS[number % 2],
        "importId": "job-1",
        "importedAt": NOW - timedelta(days=2 * number),
        "role": chance.choice(("user", "assistant")),
        "model": chance.choice(("opus", "sonnet")),
        "source": "claude-code",
        "uuid": f"u{number}",
        "text": chance.choice(("Read the file", "run it", "straße")),
        "usage": {"output_tokens": number},
        "record": {"message": {"content": [{"type": "tool_use", "name": chance.choice(("Bash", "Read"))}]}},
    }
    if number % 17:
        more["timestamp"] = NOW - timedelta(days=2 * number, seconds=chance.randrange(80_000))
    if number == 46:
        more["text"] = "x" * (5 * 1024 * 1024)
    return message(number, **more)


@pytest.fixture
def stored(archive_db, tmp_path):
    """The messages in hot, and a folder for the frozen ones."""
    object_store.configure(lambda: FolderStore(tmp_path / "frozen"))
    made = [make(number) for number in range(COUNT)]
    archive_db.messages_current.insert_many(made)
    return {each["_id"]: bson.encode(each) for each in made}


def move_all(plan, job: str = "mover", token: int = 1) -> int:
    return sum(each.messages for each in mover.move(plan, job, token))


POLICY = [Ages(7, 90, 180)]
FILTERS = (
    MessageFilter(),
    MessageFilter(text="READ"),
    MessageFilter(tools=("Bash",)),
    MessageFilter(models=("opus",), text="STRASSE"),
    MessageFilter(project_ids=(str(PROJECTS[0]),)),
    MessageFilter(since=NOW - timedelta(days=100), until=NOW - timedelta(days=20)),
    MessageFilter(since=NOW - timedelta(days=100), tools=("Read",)),
)


def answers() -> dict:
    """What readers find, which must not change wherever it lies."""
    found = {}
    for number, asked in enumerate(FILTERS):
        for order in reader.ORDERS:
            found[number, order] = [bson.encode(each) for each in reader.scan_messages(asked, order=order)]
        found[number, "count"] = len(found[number, "time"])
        if asked != MessageFilter():
            assert reader.count_messages(asked) == found[number, "count"]
        found[number, "files"] = [each.id for each in files.find_files(asked)]
    found["backwards"] = [
        each["_id"] for each in Scan(Wanted(MessageFilter(), {}), [("timestamp", -1), ("_id", -1)]).run()
    ]
    one = reader.page_messages(MessageFilter(), session_id="s1", limit=7)
    two = reader.page_messages(MessageFilter(), session_id="s1", limit=7, cursor=one.next)
    back = reader.page_messages(MessageFilter(), session_id="s1", limit=7, cursor=two.previous)
    assert back.items == one.items
    found["pages"] = [each["_id"] for each in (*one.items, *two.items)]
    found["at"] = reader.message_at("s1", 20)
    found["before"] = reader.count_before(found["at"])
    return found


def tiers() -> dict[str, int]:
    held: dict[str, int] = {}
    for each in find_partitions():
        if each.count is not None:
            held[each.tier] = held.get(each.tier, 0) + each.count
    return held


def test_all_that_is_read_stays_the_same_down_through_the_tiers_and_back(stored, archive_db):
    before = answers()
    assert before[0, "count"] == COUNT
    for tier in (Tier.WARM, Tier.COLD, Tier.FROZEN):
        plan = [each for each in plan_moves(POLICY, NOW) if each.target == tier]
        assert move_all(plan) == sum(each.messages for each in plan) > 0
        assert answers() == before
    held = tiers()
    assert held["warm"] > 0 < held["cold"]
    assert held["frozen"] > 0
    assert archive_db.messages_current.count_documents({}) + sum(held.values()) == COUNT
    assert plan_moves(POLICY, NOW) == []
    months = sorted(each.name.removeprefix("frozen_") for each in find_partitions() if each.tier == Tier.FROZEN)
    for month in months:
        move_all(plan_restore(month))
    assert tiers()["frozen"] == 0
    assert answers() == before
    recalling.recall(each["_id"] for each in archive_db.tier_batches.find())
    found = {bytes(each["_id"]): bson.encode(each) for each in archive_db.messages_current.find()}
    assert found == stored
    assert archive_db.message_keys.count_documents({}) == archive_db.tier_batches.count_documents({}) == 0
    assert answers() == before
    assert emptied.drop_empty_partitions()
    assert {each.tier for each in find_partitions()} == {Tier.HOT, Tier.WARM}


def test_a_plan_is_json_and_what_was_shown_is_what_runs(stored):
    plan = plan_moves([Ages(7, 90), Ages(30, 200, project_id=str(PROJECTS[1]))], NOW)
    assert [PlannedMove.from_dict(each.to_dict()) for each in plan] == plan
    assert {each.only for each in plan} == {(), (str(PROJECTS[1]),)}
    assert move_all(plan) == sum(each.messages for each in plan)


def test_late_messages_are_further_batches_of_their_month(stored, archive_db):
    move_all(plan_moves(POLICY, NOW))
    move_all(plan_moves(POLICY, NOW))
    other = {"_id": bytes(32), "contentHash": bytes(32), "seq": Int64(1024 * 1024)}
    late = [make(50) | other, make(51) | other | {"_id": bytes([1]) * 32, "seq": Int64(1025 * 1024)}]
    archive_db.messages_current.insert_many(late)
    before = answers()
    while plan := plan_moves(POLICY, NOW):
        move_all(plan)
    assert answers() == before


def test_messages_without_a_time_are_frozen_once_the_month_of_their_import_is_old_enough(stored, archive_db):
    while plan := plan_moves(POLICY, NOW):
        move_all(plan)
    batches = list(archive_db.tier_batches.find({"until": None}))
    lying = {each["month"]: each["partition"] for each in batches}
    old = {month for month in lying if month < "2025_09"}  # of which 180 days before NOW is one
    assert old
    assert lying == {month: f"frozen_{month}" if month in old else f"messages_archive_{month}" for month in lying}
    assert old < set(lying)


def test_messages_of_unfinished_imports_stay(stored, archive_db):
    archive_db.messages_current.update_many({"sessionId": "s1"}, {"$set": {"importId": "job-2"}})
    plan = plan_moves(POLICY, NOW, unfinished=("job-2",))
    list(mover.move(plan, "mover", 1, unfinished=("job-2",)))
    assert archive_db.message_keys.count_documents({"sessionId": "s1"}) == 0
    assert archive_db.message_keys.count_documents({}) == sum(each.messages for each in plan)


def test_a_message_that_changes_under_the_mover_stays_and_nothing_is_left_of_the_copy(stored, archive_db):
    def reached(point: str) -> None:
        points.append(point)
        if points.count("copied") == 1:
            archive_db.messages_current.update_many({}, {"$set": {"importId": "other"}})

    points: list[str] = []
    before = archive_db.messages_current.count_documents({})
    moved = list(mover.move(plan_moves([Ages(7, 90)], NOW), "mover", 1, reached=reached))
    assert any(each.why for each in moved)
    assert archive_db.tier_batches.count_documents({"busy": True}) == 0
    left, keys = archive_db.messages_current.count_documents({}), archive_db.message_keys.count_documents({})
    assert left + keys == before
    marks = {each["mark"] for each in archive_db.tier_batches.find()}
    assert set(archive_db.messages_timeseries.distinct("metadata.b")) <= marks


def test_a_move_that_is_stopped_leaves_nothing_that_others_wait_for(stored, archive_db, monkeypatch):
    monkeypatch.setattr(lots, "BATCH_DOCS", 5)
    before = answers()
    steps = mover.move(plan_moves([Ages(7, 90)], NOW), "mover", 1)
    next(steps)
    steps.close()
    assert archive_db.tier_batches.count_documents({"busy": True}) == 0
    marks = {each["mark"] for each in archive_db.tier_batches.find()}
    assert set(archive_db.messages_timeseries.distinct("metadata.b")) <= marks
    assert answers() == before


def test_a_sealed_month_is_offloaded_whole(stored, archive_db):
    archive_db.messages_current.rename("messages_2026_03")
    archive_db.create_collection("messages_current")
    archive_db.partitions.insert_one(
        {"_id": "messages_2026_03", "tier": "hot", "state": "sealed", "count": Int64(COUNT), "bytes": Int64(0)}
    )
    before = answers()
    assert move_all(plan_offload("2026_03")) == COUNT
    assert emptied.drop_empty_partitions() == ["messages_2026_03"]
    assert answers() == before


def test_a_damaged_object_is_named_and_not_believed(stored, archive_db, tmp_path):
    while plan := plan_moves(POLICY, NOW):
        move_all(plan)
    path = next((tmp_path / "frozen").rglob("*.zst"))
    path.write_bytes(path.read_bytes()[:-3] + b"xyz")
    batch = next(each for each in archive_db.tier_batches.find({"object": {"$ne": ""}}) if path.name in each["object"])
    with pytest.raises(DamagedObject, match=path.name):
        recalling.recall([batch["_id"]])
    still = {"_id": batch["_id"], "partition": batch["partition"]}
    assert connection.collection("tier_batches").count_documents(still)
