"""What the archive says of its room, against what the server says."""

import os
from datetime import UTC, date, datetime, timedelta

import pytest
from bson.int64 import Int64 as Long
from bson.objectid import ObjectId

from archive import storage_figures
from archive.indexes import ensure_indexes
from archive.partitions import Tier
from archive.storage_figures import Disk, Figures, Space
from tests.waiting import until

FILE = ObjectId()
NOW = datetime(2026, 11, 24, 3, 30, tzinfo=UTC)


def message(number: int, size: int = 2_000) -> dict:
    return {
        "_id": number.to_bytes(32, "big"), "sessionId": f"s{number % 7}", "type": "user", "fileId": FILE,
        "seq": Long(number), "contentHash": number.to_bytes(32, "big"), "timestamp": NOW - timedelta(minutes=number),
        "text": "x" * (size // 2) + os.urandom(size // 4).hex(),
    }  # fmt: skip


@pytest.fixture
def catalogue(archive_db):
    """What a test adds to it, besides messages_current; collections that a test makes go away again."""
    before = set(archive_db.list_collection_names())

    def add(name, tier, state="sealed", **facts):
        archive_db.partitions.insert_one({"_id": name, "tier": tier, "state": state, **facts})

    yield add
    for name in set(archive_db.list_collection_names()) - before:
        if not name.startswith("system."):
            archive_db.drop_collection(name)


def of(figures, name):
    return next(each for each in (*figures.partitions, *figures.others) if each.name == name)


def measured(archive_db, name):
    """What is told of a collection, and what the server says of it: before and after, since it may write out pages
    in between."""

    def look():
        before = archive_db.command("collStats", name)
        figures = of(storage_figures.measure(), name)
        after = archive_db.command("collStats", name)
        sizes = ("size", "storageSize", "freeStorageSize", "totalIndexSize")
        return (figures, after) if [before.get(each) for each in sizes] == [after.get(each) for each in sizes] else None

    return until(look, 30)


def test_a_partition_is_as_large_as_the_server_says(archive_db, catalogue):
    ensure_indexes()  # a test before may have dropped the collection,
    archive_db.command("compact", "messages_current", force=True)  # or left much room in it
    archive_db.messages_current.insert_many([message(number) for number in range(700)])
    archive_db.client.admin.command("fsync")

    figures, told = measured(archive_db, "messages_current")

    assert figures.space.documents == 700
    assert figures.space.data == told["size"] > 700 * 1_900
    assert figures.space.stored == told["storageSize"]
    assert figures.space.indexes == told["totalIndexSize"]
    assert figures.index_sizes == told["indexSizes"]
    assert "sessionId_1_fileId_1_seq_1" in figures.index_sizes
    assert figures.space.ratio == pytest.approx((told["storageSize"] - told["freeStorageSize"]) / told["size"], rel=0.1)


def test_a_time_series_is_measured_by_its_buckets_and_counted_by_the_catalogue(archive_db, catalogue):
    archive_db.create_collection("messages_timeseries", timeseries={"timeField": "timestamp", "metaField": "metadata"})
    archive_db.messages_timeseries.insert_many(
        {"timestamp": NOW + timedelta(seconds=number), "metadata": {"sessionId": "s"}, "payload": os.urandom(500)}
        for number in range(400)
    )
    catalogue("messages_timeseries", "warm", count=Long(400), bytes=Long(220_000), since=NOW, until=NOW)
    archive_db.client.admin.command("fsync")

    figures, told = measured(archive_db, "messages_timeseries")

    assert (figures.space.documents, figures.space.data) == (400, 220_000)
    assert figures.space.stored == told["storageSize"] > 100_000
    assert not figures.is_compactable


def test_frozen_months_take_what_their_objects_take_each_counted_once(archive_db, catalogue):
    catalogue("frozen_2026_01", "frozen", count=Long(30), bytes=Long(9_000))
    common = {"partition": "frozen_2026_01", "month": "2026_01", "count": Long(10)}
    archive_db.tier_batches.insert_many([
        {"_id": Long(1), "object": "a", "objectBytes": Long(2_000), **common},
        {"_id": Long(2), "object": "a", "objectBytes": Long(2_000), **common},
        {"_id": Long(3), "object": "b", "objectBytes": Long(700), **common},
    ])

    figures = of(storage_figures.measure(), "frozen_2026_01")

    assert figures.space == Space(30, 9_000, 2_700)
    assert not figures.is_compactable


def test_tiers_add_up_their_partitions_and_there_are_always_four(archive_db, catalogue):
    for month in ("2026_01", "2026_02"):
        name = f"messages_archive_{month}"
        archive_db[name].insert_one({"_id": 1, "text": "y" * 1_000})
        catalogue(name, "cold", count=Long(1), bytes=Long(1_020))

    tiers = storage_figures.measure().tiers

    assert list(tiers) == [Tier.HOT, Tier.WARM, Tier.COLD, Tier.FROZEN]
    assert (tiers[Tier.COLD].documents, tiers[Tier.COLD].data) == (2, 2_040)
    assert tiers[Tier.WARM] == Space()


def test_keys_and_journal_stand_beside_the_partitions_and_nothing_stands_twice(archive_db, catalogue):
    figures = storage_figures.measure()

    names = [each.name for each in (*figures.partitions, *figures.others)]
    assert len(names) == len(set(names))
    assert {"message_keys", "tier_batches", "sessions", "events"} <= set(names)
    assert [each.name for each in figures.partitions] == ["messages_current"]


def test_a_partition_whose_collection_is_away_is_left_out(archive_db, catalogue):
    catalogue("messages_2020_01", "hot", count=Long(5), bytes=Long(5))

    assert "messages_2020_01" not in [each.name for each in storage_figures.measure().partitions]


def test_the_disk_is_the_one_that_the_database_lies_on(archive_db, catalogue):
    disk = storage_figures.measure().disk

    usage = os.statvfs("/")
    assert disk.total > 0
    assert 0 < disk.percent <= 100
    assert usage.f_blocks > 0


def test_a_day_has_one_document_and_the_last_measurement_of_it_stays(archive_db):
    storage_figures.keep(Figures(NOW, Disk(1_000, 400)))
    day = storage_figures.keep(Figures(NOW + timedelta(hours=5), Disk(1_000, 450)))

    assert day == "2026-11-24"
    assert [each["disk"]["usedBytes"] for each in archive_db.storage_daily.find()] == [450]


def test_days_come_back_in_order_as_far_as_was_asked(archive_db):
    for back in (0, 1, 5, 40):
        storage_figures.keep(Figures(NOW - timedelta(days=back), Disk(1_000, 500 - back)))

    days = storage_figures.kept(30, until=NOW.date())

    assert [each["_id"] for each in days] == ["2026-11-19", "2026-11-23", "2026-11-24"]
    assert storage_figures.kept(30, until=date(2026, 10, 20))[0]["disk"]["usedBytes"] == 460


def test_two_shards_are_added_up():
    one = {"count": 3, "storageSize": 10, "indexSizes": {"_id_": 4}, "capped": False, "ns": "a"}
    other = {"count": 4, "storageSize": 30, "indexSizes": {"_id_": 5, "x_1": 6}, "capped": False, "ns": "a"}

    assert storage_figures._merged(one, other) == {
        "count": 7, "storageSize": 40, "indexSizes": {"_id_": 9, "x_1": 6}, "capped": False, "ns": "a",
    }  # fmt: skip


def test_what_lies_free_is_no_part_of_the_ratio():
    million = 1_000_000
    assert Space(data=million, stored=900_000, indexes=300_000, free=550_000, index_free=50_000).ratio == 0.4
    assert Space(stored=900).ratio is None
    assert Space(data=million, stored=500, free=500).ratio is None
    assert Space(data=10_000, stored=20_800).ratio is None, "a file's own blocks tell nothing"
