"""Each violation is planted in an archive that holds, and found by its name."""

import hashlib
import threading

import pytest
from bson.decimal128 import Decimal128
from bson.int64 import Int64

from archive import manifests, partitions, verifying
from archive.checks.base import Asked
from archive.collections import HOT_SPEC, WARM_MESSAGES
from archive.keys import key_row
from archive.rotation import plan_rotation, rotate
from tests.archive.storing import Storing, message, month
from tests.imports.running import run
from tests.samples.making import ONE, conversation, corpus, joined, session_file, write

DEEP = Asked(deep=True)
COLD, FROZEN, SEALED = "messages_archive_2025_11", "frozen_2025_11", "messages_2025_11"


@pytest.fixture
def archive(archive_db, tmp_path):
    """A few imported conversations, a fifth of them in each tier."""
    storing = Storing()
    storing.clean()
    db = storing.db
    partitions.ensure_current()
    corpus(tmp_path, 200, seed=3)
    write(tmp_path, session_file(ONE), joined(conversation(ONE, 30)))
    run(tmp_path)
    stored = list(db.messages_current.find({"timestamp": {"$ne": None}}).sort("_id", 1))
    parts = [stored[n::5] for n in range(5)]
    storing.hot(SEALED, parts[1])
    for name, part in zip((COLD, FROZEN, WARM_MESSAGES), parts[2:], strict=True):
        storing.lay(name, part)
    storing.frozen_part = parts[3]
    gone = [each["_id"] for part in parts[1:] for each in part]
    db.messages_current.delete_many({"_id": {"$in": gone}})
    yield storing
    storing.clean()
    partitions.ensure_current()


def found(asked: Asked = DEEP) -> dict[str, list]:
    """What a look finds, by name."""
    names: dict[str, list] = {}
    for _, look in verifying.verify(asked):
        for finding in look.findings:
            names.setdefault(finding.name, []).append(finding)
    assert set(names) <= set(verifying.VIOLATIONS)
    return names


@pytest.mark.parametrize("asked", [Asked(), DEEP, Asked(deep=True, repair=True), *(Asked(day=n) for n in range(1, 5))])
def test_an_archive_that_holds_has_no_findings(archive, asked):
    looked = verifying.begin(deep=asked.deep)
    for name, look in verifying.verify(asked):
        looked.take(name, look)
    assert looked.findings == []
    total = archive.db.message_keys.count_documents({}) + archive.db[SEALED].count_documents({}) + archive.db.messages_current.count_documents({})
    assert looked.looked["ids"] == looked.looked["sessions"] == total > 200
    assert looked.looked["strays"] > 50


def test_an_empty_archive_holds(archive_db):
    partitions.ensure_current()
    assert found() == {}


def batch_of(db, partition) -> dict:
    return db.tier_batches.find_one({"partition": partition})


def plant_implicit(s):
    documents = list(s.db.messages_current.find())
    s.db.drop_collection("messages_current")
    s.db.messages_current.insert_many(documents)


def plant_no_validator(s):
    s.db.command("collMod", SEALED, validator={})


def plant_unknown_collection(s):
    s.db.messages_2025_03.insert_one(message(1))
    s.made.append("messages_2025_03")


def plant_missing_collection(s):
    s.db.drop_collection(COLD)


def plant_plain_warm(s):
    documents = list(s.db[WARM_MESSAGES].find())
    s.db.drop_collection(WARM_MESSAGES)
    s.db[WARM_MESSAGES].insert_many(documents)


def plant_count(s):
    s.db.partitions.update_one({"_id": SEALED}, {"$inc": {"count": Int64(1)}})


def plant_bytes(s):
    s.db.partitions.update_one({"_id": FROZEN}, {"$inc": {"bytes": Int64(-1)}})


def plant_range(s):
    s.db.partitions.update_one({"_id": COLD}, {"$set": {"since": month(12, 30)}})


def plant_twice_hot(s):
    s.db.messages_current.insert_one(s.db[SEALED].find_one())


def plant_twice_key(s):
    s.db.messages_current.insert_one(s.frozen_part[0])


def plant_lost_key(s):
    s.db.message_keys.delete_one({"batch": batch_of(s.db, COLD)["_id"]})


def plant_key_bytes(s):
    s.db.message_keys.update_one({"batch": batch_of(s.db, WARM_MESSAGES)["_id"]}, {"$inc": {"bytes": Int64(1)}})


def plant_lost_batch(s):
    s.db.tier_batches.delete_one({"partition": FROZEN})
    s.db.partitions.delete_one({"_id": FROZEN})


def plant_unknown_partition(s):
    s.db.partitions.delete_one({"_id": FROZEN})


def plant_missing_warm(s):
    mark = batch_of(s.db, WARM_MESSAGES)["mark"]
    documents = list(s.db[WARM_MESSAGES].find({"metadata.b": mark}))
    s.db[WARM_MESSAGES].delete_many({"metadata.b": mark})
    s.db[WARM_MESSAGES].insert_many(documents[1:])


def plant_missing_cold(s):
    s.db[COLD].delete_one({})


def plant_missing_frozen(s):
    s.write(batch_of(s.db, FROZEN)["_id"], s.frozen_part[1:])


def plant_changed(s):
    s.db[COLD].update_one({}, {"$set": {"text": "something else, and longer than what was there"}})


def plant_other_content(s):
    changed = s.frozen_part[0] | {"contentHash": hashlib.sha256(b"other").digest()}
    s.write(batch_of(s.db, FROZEN)["_id"], [changed, *s.frozen_part[1:]])


def plant_other_text(s):
    """As long as before, under the right id: only the digest tells."""
    changed = next(each for each in s.frozen_part if each.get("text"))
    rest = [each for each in s.frozen_part if each is not changed]
    s.write(batch_of(s.db, FROZEN)["_id"], [changed | {"text": changed["text"].swapcase()}, *rest])


def plant_no_object(s):
    s.shelf.objects.clear()


def plant_damaged_object(s):
    for name, data in s.shelf.objects.items():
        s.shelf.objects[name] = data[:-1] + bytes([data[-1] ^ 1])


def plant_unknown_object(s):
    s.shelf.write("frozen/2024_01/7-1.bson.zst", b"?")


def plant_no_manifest(s):
    manifests.write_stale()
    manifests.remove("2025_11")


def plant_warm_strays(s):
    s.write(batch_of(s.db, WARM_MESSAGES)["_id"], [message(n, timestamp=month(11)) for n in range(3)], mark="99#1")


def plant_cold_strays(s):
    s.db[COLD].insert_one(s.db[SEALED].find_one())


def plant_cold_orphan(s):
    s.db[COLD].insert_one(message(12345, timestamp=month(11, 3)))


def plant_session_missing(s):
    s.db.sessions.delete_one({"_id": ONE})


def plant_session_count(s):
    s.db.sessions.update_one({"_id": ONE}, {"$inc": {"messageCount": Int64(1)}})


def plant_project(s):
    s.db.projects.update_one({}, {"$inc": {"stats.messages": Int64(1)}})


def plant_project_cost(s):
    s.db.projects.update_one({}, {"$set": {"stats.totalCost": Decimal128("123.000000000001")}})


def plant_file(s):
    s.db.source_files.update_one({"records": {"$gt": 3}}, {"$inc": {"records": 1}})


PLANTED = [
    (plant_implicit, "index_missing"),
    (plant_implicit, "validator_differs"),
    (plant_no_validator, "validator_differs"),
    (plant_unknown_collection, "collection_unknown"),
    (plant_missing_collection, "collection_missing"),
    (plant_plain_warm, "collection_unlike"),
    (plant_count, "count_differs"),
    (plant_bytes, "count_differs"),
    (plant_range, "range_differs"),
    (plant_twice_hot, "message_twice"),
    (plant_twice_key, "message_twice"),
    (plant_lost_key, "keys_differ"),
    (plant_key_bytes, "keys_differ"),
    (plant_lost_batch, "keys_without_batch"),
    (plant_unknown_partition, "partition_unknown"),
    (plant_missing_warm, "messages_missing"),
    (plant_missing_cold, "messages_missing"),
    (plant_missing_frozen, "messages_missing"),
    (plant_changed, "messages_differ"),
    (plant_other_content, "messages_differ"),
    (plant_other_text, "messages_differ"),
    (plant_no_object, "object_missing"),
    (plant_damaged_object, "object_damaged"),
    (plant_unknown_object, "object_unknown"),
    (plant_no_manifest, "manifest_differs"),
    (plant_warm_strays, "strays"),
    (plant_cold_strays, "strays"),
    (plant_cold_orphan, "messages_without_key"),
    (plant_session_missing, "session_missing"),
    (plant_session_count, "session_count_differs"),
    (plant_project, "project_sums_differ"),
    (plant_project_cost, "project_sums_differ"),
    (plant_file, "file_not_whole"),
]


@pytest.mark.parametrize(("plant", "name"), PLANTED, ids=lambda each: getattr(each, "__name__", each))
def test_each_violation_is_found_by_its_name(archive, plant, name):
    plant(archive)
    try:
        named = found()
        assert name in named, named
        assert all(finding.message and finding.subject for finding in named[name])
    finally:
        restore(archive.db)


def restore(db) -> None:
    """messages_current as all other tests expect it."""
    db.drop_collection("messages_current")
    db.create_collection("messages_current", validator=HOT_SPEC.validator)
    for index in HOT_SPEC.indexes:
        db.messages_current.create_index(list(index.keys), name=index.name, unique=index.unique)


def test_every_violation_has_been_planted():
    assert {name for _, name in PLANTED} == set(verifying.VIOLATIONS)


def test_copies_that_belong_to_no_batch_are_removed_only_when_asked_for(archive):
    plant_warm_strays(archive)
    plant_cold_strays(archive)
    (before, cold) = found(Asked())["strays"]
    assert not before.repaired
    assert not cold.repaired
    assert {each.repaired for each in found(Asked(repair=True))["strays"]} == {True}
    assert archive.db[WARM_MESSAGES].count_documents({"metadata.b": "99#1"}) == 0
    assert found() == {}


def test_copies_of_a_move_under_way_are_no_strays(archive):
    plant_warm_strays(archive)
    archive.db.tier_batches.insert_one(
        {
            "_id": Int64(99), "partition": "", "month": "2025_11", "count": Int64(3), "busy": True,
            "move": {"target": WARM_MESSAGES, "mark": "99#1"},
        }
    )  # fmt: skip
    assert found() == {}


def test_what_has_no_key_and_lies_nowhere_else_is_never_removed(archive):
    plant_cold_orphan(archive)
    before = archive.db[COLD].count_documents({})
    assert "messages_without_key" in found(Asked(repair=True))
    assert archive.db[COLD].count_documents({}) == before


def test_a_repeated_record_outside_hot_is_itself(archive):
    """Its id is not that of its content alone: the key keeps the content's hash."""
    repeated = message(777, timestamp=month(11, 5)) | {"_id": bytes(32)}
    archive.lay("frozen_2025_12", [repeated])
    row = archive.db.message_keys.find_one({"_id": bytes(32)})
    assert row["contentHash"] == key_row(repeated, 1, 1)["contentHash"]
    assert "messages_differ" not in found()


def test_the_last_verifications_are_kept_newest_first(archive_db, monkeypatch):
    monkeypatch.setattr(verifying, "MOST_VERIFICATIONS", 3)
    for number in range(5):
        verifying.keep(verifying.begin(deep=number == 4), f"job{number}")
    verifying.keep(verifying.begin(deep=True), "job4")
    kept = verifying.find_verifications()
    assert [each["jobId"] for each in kept] == ["job4", "job3", "job2"]
    assert kept[0]["deep"]
    assert kept[0]["violations"] == 0


def test_a_duplicate_is_found_where_one_look_ends_and_the_next_begins(archive, monkeypatch):
    from archive.checks import lying

    ids = [each["_id"] for each in archive.db[SEALED].find({}, {"_id": 1}).sort("_id", 1)]
    archive.db.messages_current.insert_many(archive.db[SEALED].find({"_id": {"$in": ids[:5]}}))
    for size in (1, 2, 3, 7):
        monkeypatch.setattr(lying, "IDS_AT_ONCE", size)
        assert len(found()["message_twice"]) == 5, size




def test_imports_and_rotations_meanwhile_are_no_violations(archive_db, tmp_path):
    """Every unit looks at one moment: whatever goes on, nothing is found that is a matter of timing."""
    partitions.ensure_current()
    ended = threading.Event()

    def write_on():
        try:
            for number in range(6):
                folder = tmp_path / str(number)
                corpus(folder, 150, seed=number)
                run(folder, job=f"job{number}")
                list(rotate(f"rotation{number}", 1, plan_rotation().name))
        finally:
            ended.set()

    writer = threading.Thread(target=write_on)
    writer.start()
    looks, names = 0, {}
    try:
        while not ended.is_set():
            names |= found(Asked())
            looks += 1
    finally:
        writer.join()
        names |= found()
        restore_all(archive_db)
    assert names == {}
    assert looks >= 3


def restore_all(db) -> None:
    """Only messages_current, as all other tests expect it."""
    for name in db.list_collection_names():
        if name.startswith(("messages_20", "messages_next")):
            db.drop_collection(name)
    db.partitions.delete_many({})
    restore(db)
    partitions.ensure_current()
