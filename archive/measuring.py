"""What a collection of messages holds, exactly; soon told where most of it was counted before."""

from dataclasses import dataclass

from pymongo.client_session import ClientSession

from archive import connection
from archive.connection import Document
from archive.partitions import Holding

SIZES = {"timestamp": 1, "bytes": {"$bsonSize": "$$ROOT"}}
HAS_NO_TIME = {"$cond": [{"$ifNull": ["$timestamp", False]}, 0, 1]}
SUMS: Document = {
    "_id": None,
    "count": {"$sum": 1},
    "bytes": {"$sum": {"$bsonSize": "$$ROOT"}},
    "since": {"$min": "$timestamp"},
    "until": {"$max": "$timestamp"},
    "undated": {"$sum": HAS_NO_TIME},
}


@dataclass(frozen=True, slots=True)
class Before:
    """What a collection held, and its last record then: the server numbers records as they come."""

    holding: Holding
    last: int


def measured(name: str, session: ClientSession | None = None) -> Holding:
    """What the collection holds, counted one by one: seconds for each gigabyte."""
    for found in connection.collection(name).aggregate([{"$group": SUMS}], session=session):
        times = found.get("since"), found.get("until")
        return Holding(found["count"], found["bytes"], *times, found["undated"])
    return Holding()


def measured_before(name: str) -> Before:
    """What it holds at one moment while others write, to be brought up to date by ``measured_since``."""
    with connection.client().start_session(snapshot=True) as session:
        newest = connection.collection(name).find({}, {"_id": 1}, show_record_id=True, session=session)
        last = [each["$recordId"] for each in newest.sort("$natural", -1).limit(1)]
        return Before(measured(name, session), max(last, default=0))


def measured_since(name: str, before: Before) -> Holding:
    """What it holds now that nobody writes, by counting what has come since. It may have another name now.

    Messages are never changed in place: if some have gone the numbers tell, and all are counted again.
    """
    come = connection.collection(name).find({}, SIZES, show_record_id=True).sort("$natural", -1)
    new = []
    with come:
        for each in come:
            if each["$recordId"] <= before.last:
                break
            new.append((each.get("timestamp"), each["bytes"]))
    total = _sum(before.holding, Holding.of(new))
    is_whole = connection.collection(name).count_documents({}, hint="timestamp_1") == total.count
    return total if is_whole else measured(name)


def _sum(one: Holding, other: Holding) -> Holding:
    starts = [each for each in (one.since, other.since) if each is not None]
    ends = [each for each in (one.until, other.until) if each is not None]
    times = min(starts, default=None), max(ends, default=None)
    return Holding(one.count + other.count, one.bytes + other.bytes, *times, one.undated + other.undated)
