"""The catalogue: which collections hold messages, and of which time. The only source of that.

Its version is raised in the transaction of whatever adds, renames or removes a partition, before the
database's own names change: who has read under one version and finds it still the same has read what the
catalogue told. Counts and time ranges do not raise it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from bson.int64 import Int64
from pymongo.client_session import ClientSession

from archive import connection
from archive.collections import COUNTERS, MESSAGES, PARTITIONS, WARM_MESSAGES
from archive.connection import Document

if TYPE_CHECKING:
    from archive.unit_of_work import UnitOfWork


class Tier(StrEnum):
    """How dear a message's place is, and how quick."""

    HOT = "hot"
    WARM = "warm"
    COLD = "cold"
    FROZEN = "frozen"


class PartitionState(StrEnum):
    """Open: new messages go there. Sealed: none do. Rotating: it is being renamed at this moment."""

    OPEN = "open"
    SEALED = "sealed"
    ROTATING = "rotating"


@dataclass(frozen=True, slots=True)
class Partition:
    """One collection of messages (frozen: the files of one month). ``since`` and ``until`` are the times of
    its first and its last message, None where that is not known: then it may hold any. ``count`` and
    ``bytes`` (as BSON) are exact for what is sealed, warm, cold or frozen, None for what is open;
    ``undated`` of the messages have no time."""

    name: str
    tier: Tier
    state: PartitionState
    since: datetime | None = None
    until: datetime | None = None
    count: int | None = None
    bytes: int | None = None
    undated: int = 0

    def may_hold(self, since: datetime | None, until: datetime | None) -> bool:
        """Whether a message at or after ``since`` and before ``until`` can be in it (None: no bound)."""
        if self.count == 0:
            return False
        if since is None and until is None:
            return True
        if self.state != PartitionState.SEALED or self.since is None or self.until is None:
            return True
        return (since is None or self.until >= since) and (until is None or self.since < until)


CURRENT = Partition(MESSAGES, Tier.HOT, PartitionState.OPEN)


def month_of(moment: datetime) -> str:
    """The calendar month in UTC, as names have it: 2026_03."""
    return f"{moment.year:04}_{moment.month:02}"


def sealed_name(month: str) -> str:
    """The hot partition that rotation seals in this month, the first of them."""
    return f"messages_{month}"


def cold_name(month: str) -> str:
    """The cold partition of a month."""
    return f"messages_archive_{month}"


def frozen_name(month: str) -> str:
    """What the catalogue calls the files of a month."""
    return f"frozen_{month}"


def frozen_month(name: str) -> str:
    """The month of ``frozen_name(month)``."""
    return name.removeprefix("frozen_")


def tier_of(name: str) -> Tier:
    """The tier that a partition's name tells."""
    if name == WARM_MESSAGES:
        return Tier.WARM
    for beginning, tier in (("messages_archive_", Tier.COLD), ("frozen_", Tier.FROZEN)):
        if name.startswith(beginning):
            return tier
    return Tier.HOT


def find_partitions(session: ClientSession | None = None) -> tuple[Partition, ...]:
    """All partitions by name, as ``session`` sees them. Raises ``Unavailable``."""
    with connection.translated():
        return read_partitions(session)


def read_partitions(session: ClientSession | None = None) -> tuple[Partition, ...]:
    """The same for a transaction, which has to meet the driver's own errors."""
    return _catalogue(connection.collection(PARTITIONS).find({}, session=session))


def _catalogue(found: Iterable[Document]) -> tuple[Partition, ...]:
    # An archive that this version has not prepared yet has all its messages in the one collection.
    return tuple(sorted(map(_from_document, found), key=lambda each: each.name)) or (CURRENT,)


def with_version(session: ClientSession) -> tuple[int, tuple[Partition, ...]]:
    """The catalogue's version and all partitions by name, as ``session`` sees them, in one answer."""
    stages: list[Document] = [{"$match": {"_id": PARTITIONS}}, {"$unionWith": {"coll": PARTITIONS}}]
    with connection.translated():
        found = list(connection.collection(COUNTERS).aggregate(stages, session=session))
    counted = sum(int(each["value"]) for each in found if "value" in each)
    return counted, _catalogue(each for each in found if "value" not in each)


def version(session: ClientSession | None = None) -> int:
    """The catalogue's version now, or as ``session`` sees it."""
    with connection.translated():
        counter = connection.collection(COUNTERS).find_one({"_id": PARTITIONS}, session=session)
    return int(counter["value"]) if counter else 0


def ensure_current() -> None:
    """Have the catalogue know ``messages_current``. Idempotent."""
    facts = {"tier": CURRENT.tier, "state": CURRENT.state, "createdAt": datetime.now(UTC)}
    connection.collection(PARTITIONS).update_one({"_id": MESSAGES}, {"$setOnInsert": facts}, upsert=True)


def raise_version(unit: UnitOfWork) -> None:
    """Tell all readers that names have changed, or are about to."""
    unit[COUNTERS].update_one(
        {"_id": PARTITIONS}, {"$inc": {"value": Int64(1)}}, upsert=True, session=unit.session
    )


def add(unit: UnitOfWork, name: str, **facts: Any) -> None:
    """Enter a sealed partition that is empty yet, if it is not there; ``facts`` are further fields. Raises
    ``MigrationRunning`` for one outside hot while the layout is migrated."""
    _refuse_while_migrating(unit, name)
    fields = {
        "tier": tier_of(name),
        "state": PartitionState.SEALED,
        "count": Int64(0),
        "bytes": Int64(0),
        "undated": 0,
        "createdAt": datetime.now(UTC),
    }
    entered = unit[PARTITIONS].update_one(
        {"_id": name}, {"$setOnInsert": fields | facts}, upsert=True, session=unit.session
    )
    if entered.upserted_id is not None:
        raise_version(unit)


def remove(unit: UnitOfWork, name: str) -> None:
    """Strike a partition from the catalogue; its collection is dropped after the commit."""
    if unit[PARTITIONS].delete_one({"_id": name}, session=unit.session).deleted_count:
        raise_version(unit)


@dataclass(frozen=True, slots=True)
class Holding:
    """What some messages come to: how many, their bytes as BSON, the times of the first and the last one,
    and how many have none."""

    count: int = 0
    bytes: int = 0
    since: datetime | None = None
    until: datetime | None = None
    undated: int = 0

    @classmethod
    def of(cls, sized: Iterable[tuple[datetime | None, int]]) -> Holding:
        """Of messages with these times and sizes."""
        times: list[datetime] = []
        count = size = 0
        for moment, length in sized:
            count += 1
            size += length
            if moment is not None:
                times.append(moment)
        return cls(count, size, min(times, default=None), max(times, default=None), count - len(times))


def gain(unit: UnitOfWork, name: str, holding: Holding) -> None:
    """Count further messages as the partition's, inside the transaction that makes them so. Raises
    ``MigrationRunning`` for one outside hot while the layout is migrated."""
    _refuse_while_migrating(unit, name)
    bounds: Document = {
        way: {field: moment}
        for way, field, moment in (("$min", "since", holding.since), ("$max", "until", holding.until))
        if moment is not None
    }
    unit[PARTITIONS].update_one({"_id": name}, {"$inc": _sums(holding, 1), **bounds}, session=unit.session)


def lose(unit: UnitOfWork, name: str, holding: Holding) -> None:
    """Count messages as the partition's no longer; those of an open one are not counted. Its time range
    stays: it may be wider than what is left."""
    unit[PARTITIONS].update_one(
        {"_id": name, "count": {"$exists": True}}, {"$inc": _sums(holding, -1)}, session=unit.session
    )


def _refuse_while_migrating(unit: UnitOfWork, name: str) -> None:
    """Keys that were copied for the other layout would be seen with the first partition outside hot."""
    if tier_of(name) != Tier.HOT:
        from archive import layouts  # it has to know this module

        layouts.check_no_migration(unit)


def _sums(holding: Holding, way: int) -> Document:
    """What is added up; ``changes`` tells that anything was."""
    return {
        "changes": Int64(1),
        "count": Int64(way * holding.count),
        "bytes": Int64(way * holding.bytes),
        "undated": way * holding.undated,
    }


def _from_document(document: Mapping[str, Any]) -> Partition:
    return Partition(
        document["_id"],
        Tier(document["tier"]),
        PartitionState(document["state"]),
        document.get("since"),
        document.get("until"),
        document.get("count"),
        document.get("bytes"),
        document.get("undated", 0),
    )
