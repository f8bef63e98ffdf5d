"""Ways to move messages between tiers, to check the archive, and to read it over many partitions."""

import time
from collections.abc import Callable
from itertools import islice
from typing import Any
from uuid import uuid4

import bson
from bson.raw_bson import RawBSONDocument
from pymongo.collection import Collection

from benchmarks.measure import median
from benchmarks.ways import Run, become_worker

PARTS = 12
BATCH = 1000
PAGE = 100


def split() -> Run:
    """Lay the messages of ``messages_current`` by their time into sealed months of the same size."""
    become_worker()
    from archive import connection, indexes, partitions
    from archive.collections import HOT_SPEC, MESSAGES

    database = connection.database()

    def run() -> dict[str, Any]:
        source = database[MESSAGES]
        ids = [each["_id"] for each in source.find({}, {"timestamp": 1}).sort([("timestamp", 1), ("_id", 1)])]
        step = -(-len(ids) // PARTS)
        for number in range(PARTS):
            spec = type(HOT_SPEC)(
                partitions.sealed_name(f"2024_{number + 1:02}"), HOT_SPEC.required, HOT_SPEC.indexes
            )
            indexes.ensure(spec)
            _fill(database[spec.name], source, ids[number * step : (number + 1) * step])
            _seal(database, spec.name)
        source.delete_many({})
        return {"records": len(ids)}

    return run


def _fill(target: Collection, source: Collection, ids: list[bytes]) -> None:
    for start in range(0, len(ids), BATCH):
        some = list(source.find({"_id": {"$in": ids[start : start + BATCH]}}))
        target.insert_many(some)


def _seal(database: Any, name: str) -> None:
    sums = {"_id": None, "count": {"$sum": 1}, "bytes": {"$sum": {"$bsonSize": "$$ROOT"}}}
    ends = {"since": {"$min": "$timestamp"}, "until": {"$max": "$timestamp"}}
    facts = next(iter(database[name].aggregate([{"$group": {**sums, **ends}}])))
    facts |= {
        "tier": "hot",
        "state": "sealed",
        "undated": database[name].count_documents({"timestamp": None}),
    }
    facts |= {each: bson.Int64(facts[each]) for each in ("count", "bytes")}
    database.partitions.replace_one({"_id": name}, {**facts, "_id": name}, upsert=True)


def aggregates(threads: int, times: int = 5) -> Run:
    """Tokens, messages and sessions by day and model over all partitions, so many at once."""
    become_worker()
    from archive import moments
    from archive.aggregating import aggregate
    from archive.filters import MessageFilter
    from archive.reducing import Count, Distinct, Percentile, Sum

    moments.MOST_THREADS = threads
    measures = {
        "messages": Count(),
        "output": Sum("usage.output"),
        "sessions": Distinct("sessionId"),
        "median": Percentile("usage.output", 0.5),
    }

    def run() -> dict[str, Any]:
        found: list[Any] = []
        milliseconds = _timed(
            lambda: found.append(aggregate(MessageFilter(), ["day", "model"], measures)), times
        )
        rows = found[-1].rows
        return {"records": sum(row["messages"] for row in rows), "rows": len(rows), "ms": milliseconds}

    return run


def pages(times: int = 15) -> Run:
    """A page by time that every partition has a share in, and the same page of each partition alone."""
    become_worker()
    from archive import connection, partitions, reader
    from archive.filters import MessageFilter

    some = MessageFilter(types=("assistant",))
    names = [each.name for each in partitions.find_partitions() if each.tier == "hot"]

    def of_one(name: str) -> Callable[[], Any]:
        collection = connection.collection(name)
        order = [("timestamp", 1), ("_id", 1)]
        return lambda: list(collection.find(some.to_query()).sort(order).limit(PAGE + 1))

    def run() -> dict[str, Any]:
        over_all = _timed(lambda: reader.page_messages(some, limit=PAGE), times)
        alone = {
            name: _timed(of_one(name), times) for name in names if connection.collection(name).find_one()
        }
        return {
            "records": PAGE,
            "ms": over_all,
            "slowest_ms": max(alone.values()),
            "sum_ms": sum(alone.values()),
        }

    return run


def _timed(work: Callable[[], Any], times: int) -> float:
    """The median milliseconds, after once that does not count."""
    work()
    found = []
    for _ in range(times):
        start = time.perf_counter()
        work()
        found.append((time.perf_counter() - start) * 1000)
    return median(found)


# ------------------------------------------------------------------ tiers


def plain() -> Run:
    """The same messages in a plain collection: snappy, no index but ``_id``."""
    become_worker()
    from archive import connection
    from archive.collections import MESSAGES

    database = connection.database()
    target = database.create_collection("bench_plain")

    def run() -> dict[str, Any]:
        options = database.codec_options.with_options(document_class=RawBSONDocument)
        found = database.get_collection(MESSAGES, options).find()
        told = {"records": 0, "bytes": 0}
        while some := list(islice(found, BATCH)):
            target.insert_many(some)
            told["records"] += len(some)
            told["bytes"] += sum(len(each.raw) for each in some)
        return told | {"size": _stored(database, "bench_plain")}

    return run


def limit() -> Run:
    """What moving to warm takes at the least: packed and inserted there, deleted from hot. No journal, no
    keys, nothing read back, no transaction: killed in between it would have lost or doubled messages."""
    become_worker()
    from archive import connection, places
    from archive.collections import MESSAGES
    from archive.journal import TierBatch
    from archive.partitions import Tier

    database, warm = connection.database(), places.place_of(Tier.WARM)
    connection.client().admin.command("fsync")
    warm.prepare("")
    options = database.codec_options.with_options(document_class=RawBSONDocument)
    hot = database.get_collection(MESSAGES, options)

    def run() -> dict[str, Any]:
        moved, number = 0, 0
        with hot.find({"timestamp": {"$ne": None}}).sort("timestamp", 1).batch_size(BATCH) as found:
            while some := list(islice(found, BATCH)):
                number += 1
                warm.write(TierBatch(number, ""), str(number), some)
                hot.delete_many({"_id": {"$in": [each["_id"] for each in some]}})
                moved += len(some)
        return {"records": moved}

    return run


def move(source: str, target: str) -> Run:
    """All messages of a tier to another, as a job moves them: journalled, verified, exactly once."""
    become_worker()
    from archive import connection, mover, partitions
    from archive.move_plans import PlannedMove

    # What is old enough to move has been on the disk for days.
    connection.client().admin.command("fsync")
    there = [each for each in partitions.find_partitions() if each.tier == source]
    planned = [PlannedMove(each.name, partitions.Tier(target)) for each in there]

    def run() -> dict[str, Any]:
        moved = sum(each.messages for each in mover.move(planned, str(uuid4()), 1))
        return {"records": moved, "size": _size_of(partitions.Tier(target))}

    return run


def _size_of(tier: Any) -> int:
    """What the messages of a tier take on the disk, without indexes; frozen ones: their objects."""
    from archive import connection, partitions

    if tier == partitions.Tier.FROZEN:
        return sum(each["objectBytes"] for each in connection.database().tier_batches.find())
    names = [each.name for each in partitions.find_partitions() if each.tier == tier]
    buckets = [f"system.buckets.{name}" if tier == partitions.Tier.WARM else name for name in names]
    return sum(_stored(connection.database(), name) for name in buckets)


def verify() -> Run:
    """Every check of the archive, every payload read."""
    become_worker()
    from archive import verifying
    from archive.checks.base import Asked

    def run() -> dict[str, Any]:
        found = verifying.begin(deep=True)
        for name, look in verifying.verify(Asked(deep=True)):
            found.take(name, look)
        return {"records": found.looked["ids"], "found": dict(found.found)}

    return run


def _stored(database: Any, name: str) -> int:
    """What a collection takes on the disk, without its indexes, once all of it is there."""
    database.client.admin.command("fsync")
    return int(database.command("collStats", name)["storageSize"])
