"""How much room the archive takes: each partition, each other collection, and the disk; kept for each day."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import reduce
from typing import Any

from bson.int64 import Int64
from pymongo.errors import OperationFailure

from archive import connection
from archive.collections import SPECS, STORAGE_DAILY, TIER_BATCHES
from archive.connection import Document
from archive.partitions import Partition, Tier, find_partitions
from archive.query_stats import ShapeFigures, find_shapes

NAMESPACE_NOT_FOUND = 26
MOST_SHAPES = 50
REUSABLE = "file bytes available for reuse"
SMALLEST_TOLD = 1_000_000


@dataclass(frozen=True, slots=True)
class Space:
    """What some documents take: how many they are, their bytes as BSON, on the disk without their indexes,
    their indexes, how much of both lies free in the files, and how much of that in those of indexes."""

    documents: int = 0
    data: int = 0
    stored: int = 0
    indexes: int = 0
    free: int = 0
    index_free: int = 0

    def __add__(self, other: Space) -> Space:
        return Space(
            self.documents + other.documents,
            self.data + other.data,
            self.stored + other.stored,
            self.indexes + other.indexes,
            self.free + other.free,
            self.index_free + other.index_free,
        )

    @property
    def on_disk(self) -> int:
        """Documents and indexes, with what lies free."""
        return self.stored + self.indexes

    @property
    def ratio(self) -> float | None:
        """Bytes on the disk for each byte of BSON, without indexes and what lies free; None of less than a
        megabyte, of which a file's own blocks are the most."""
        used = self.stored - (self.free - self.index_free)
        return used / self.data if self.data >= SMALLEST_TOLD and used > 0 else None

    def to_dict(self) -> dict[str, Any]:
        """Plain values by their camelCase names."""
        ratio = self.ratio
        return {
            "documents": self.documents,
            "dataBytes": self.data,
            "storedBytes": self.stored,
            "indexBytes": self.indexes,
            "freeBytes": self.free,
            "ratio": None if ratio is None else round(ratio, 3),
        }


@dataclass(frozen=True, slots=True)
class CollectionFigures:
    """One collection, or the files of one frozen month: what it takes, and each of its indexes.

    ``partition`` is what the catalogue says of it, None for what holds no messages. ``is_compactable`` is
    false for a time-series and for files; ``is_building`` while an index of it is being built.
    """

    name: str
    space: Space
    partition: Partition | None = None
    index_sizes: Mapping[str, int] = field(default_factory=dict)
    is_compactable: bool = True
    is_building: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Plain values by their camelCase names."""
        told: dict[str, Any] = {"name": self.name}
        if self.partition is not None:
            told |= {
                "tier": str(self.partition.tier),
                "state": str(self.partition.state),
                "since": _told(self.partition.since),
                "until": _told(self.partition.until),
                "undated": self.partition.undated,
            }
        return told | self.space.to_dict() | {"indexes": dict(self.index_sizes)}


@dataclass(frozen=True, slots=True)
class Disk:
    """The disk under the database; ``total`` is 0 where the server does not tell."""

    total: int = 0
    used: int = 0

    @property
    def percent(self) -> float:
        """How much of it is used, from 0 to 100."""
        return 100 * self.used / self.total if self.total else 0.0


@dataclass(frozen=True, slots=True)
class Figures:
    """The archive's room at one time."""

    at: datetime
    disk: Disk
    partitions: tuple[CollectionFigures, ...] = ()
    others: tuple[CollectionFigures, ...] = ()

    @property
    def tiers(self) -> dict[Tier, Space]:
        """What each tier takes, all four of them."""
        return {
            tier: total(
                each.space for each in self.partitions if each.partition and each.partition.tier == tier
            )
            for tier in Tier
        }

    def to_dict(self) -> dict[str, Any]:
        """Plain values by their camelCase names: what is kept of a day."""
        return {
            "disk": {"totalBytes": self.disk.total, "usedBytes": self.disk.used},
            "tiers": {str(tier): space.to_dict() for tier, space in self.tiers.items()},
            "others": total(each.space for each in self.others).to_dict(),
            "partitions": [each.to_dict() for each in self.partitions],
            "collections": [each.to_dict() for each in self.others],
        }


def total(spaces: Iterable[Space]) -> Space:
    """All of them together."""
    return reduce(Space.__add__, spaces, Space())


def measure() -> Figures:
    """Ask the database now. Reads only; a collection that goes away meanwhile is left out.

    Counts are the catalogue's where it has them, else the server's (after a crash of the server these may
    be a little off until they are counted anew). Raises ``Unavailable``.
    """
    with connection.translated():
        listed = list(connection.database().list_collections())
        kinds = {each["name"]: each["type"] for each in listed}
        partitions = [_of_partition(each, kinds) for each in find_partitions()]
        taken = {each.name for each in partitions if each}
        others = [
            _of_collection(name, kinds[name])
            for name in sorted({spec.name for spec in SPECS} & kinds.keys() - taken)
        ]
        return Figures(
            datetime.now(UTC),
            _disk(),
            tuple(each for each in partitions if each),
            tuple(each for each in others if each),
        )


def keep(figures: Figures) -> str:
    """Keep them as those of their day, instead of what was kept of it before, with the times of the queries
    that took longest on this day and the one before. Answers the day. Idempotent."""
    day = f"{figures.at.astimezone(UTC):%Y-%m-%d}"
    told = {**_longs(figures.to_dict()), "queries": [_query(each) for each in find_shapes(1, MOST_SHAPES)]}
    with connection.translated():
        connection.collection(STORAGE_DAILY).replace_one(
            {"_id": day}, {"at": figures.at, **told}, upsert=True
        )
    return day


def _query(figures: ShapeFigures) -> Document:
    return {
        "shape": figures.shape.key,
        "count": Int64(figures.count),
        "meanMs": figures.mean_ms,
        "maxMs": figures.max_ms,
    }


def kept(days: int, until: date | None = None) -> list[Document]:
    """What was kept of these many days up to ``until`` (today), the oldest first, without the lists of
    partitions, collections and queries. Days on which nothing was kept are not there."""
    last = until or datetime.now(UTC).date()
    bounds = {"$gt": str(last - timedelta(days=days)), "$lte": str(last)}
    with connection.translated():
        found = connection.collection(STORAGE_DAILY).find(
            {"_id": bounds}, {"partitions": 0, "collections": 0, "queries": 0}, sort=[("_id", 1)]
        )
        return list(found)


def stats_of(name: str) -> Document | None:
    """What the server says of a collection's files, all shards together; None where there is none."""
    try:
        told = connection.collection(name).aggregate([{"$collStats": {"storageStats": {}}}])
        parts = [each["storageStats"] for each in told]
    except OperationFailure as error:
        if error.code == NAMESPACE_NOT_FOUND:
            return None
        raise
    return reduce(_merged, parts) if parts else None


def space_of(stats: Document) -> Space:
    """The room that ``stats_of`` tells of."""
    index_free = sum(
        int(detail.get("block-manager", {}).get(REUSABLE, 0))
        for detail in stats.get("indexDetails", {}).values()
    )
    return Space(
        int(stats.get("count", 0)),
        int(stats.get("size", 0)),
        int(stats.get("storageSize", 0)),
        int(stats.get("totalIndexSize", 0)),
        int(stats.get("freeStorageSize", 0)) + index_free,
        index_free,
    )


def _of_partition(partition: Partition, kinds: Mapping[str, str]) -> CollectionFigures | None:
    if partition.tier == Tier.FROZEN:
        stored = _bytes_of_objects(partition.name)
        space = Space(partition.count or 0, partition.bytes or 0, stored)
        return CollectionFigures(partition.name, space, partition, is_compactable=False)
    found = _of_collection(partition.name, kinds.get(partition.name, ""))
    if found is None:
        return None
    space = Space(
        found.space.documents if partition.count is None else partition.count,
        found.space.data if partition.bytes is None else partition.bytes,
        found.space.stored,
        found.space.indexes,
        found.space.free,
        found.space.index_free,
    )
    return CollectionFigures(
        partition.name, space, partition, found.index_sizes, found.is_compactable, found.is_building
    )


def _bytes_of_objects(name: str) -> int:
    """What the objects of a frozen month take: several batches share one, which is counted once."""
    stages: list[Document] = [
        {"$match": {"partition": name}},
        {"$group": {"_id": "$object", "bytes": {"$max": "$objectBytes"}}},
        {"$group": {"_id": None, "bytes": {"$sum": "$bytes"}}},
    ]
    return sum(int(each["bytes"]) for each in connection.collection(TIER_BATCHES).aggregate(stages))


def _of_collection(name: str, kind: str) -> CollectionFigures | None:
    stats = stats_of(name) if kind else None
    if stats is None:
        return None
    return CollectionFigures(
        name,
        space_of(stats),
        index_sizes={index: int(size) for index, size in stats.get("indexSizes", {}).items()},
        is_compactable=kind == "collection",
        is_building=bool(stats.get("indexBuilds")),
    )


def _merged(one: Document, other: Document) -> Document:
    """Two shards' numbers added up, however deep they stand."""
    merged = dict(one)
    for name, value in other.items():
        before = merged.get(name)
        if isinstance(value, dict) and isinstance(before, dict):
            merged[name] = _merged(before, value)
        elif _is_amount(value) and _is_amount(before):
            merged[name] = before + value
        else:
            merged[name] = before or value
    return merged


def _is_amount(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _disk() -> Disk:
    """Of several servers the fullest one's disk."""
    told = connection.database().command("dbStats")
    shards = told.get("raw")
    disks = [
        Disk(int(each.get("fsTotalSize") or 0), int(each.get("fsUsedSize") or 0))
        for each in (shards.values() if shards else [told])
    ]
    return max(disks, key=lambda disk: disk.percent, default=Disk())


def _told(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()


def _longs(value: Any) -> Any:
    """The same with every integer as a long, so that each day's document has one shape."""
    if isinstance(value, dict):
        return {name: _longs(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_longs(each) for each in value]
    return Int64(value) if isinstance(value, int) and not isinstance(value, bool) else value
