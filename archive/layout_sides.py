"""The two sides of a migration of the layout: hot partitions, and batches outside hot with their keys.

Each side tells which messages it holds, lets go of some, and tells the catalogue's rows for itself. Only what
lies in the open partition is in neither: that belongs to both layouts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from bson.int64 import Int64
from bson.raw_bson import RawBSONDocument
from pymongo.client_session import ClientSession

from archive import connection, journal, places
from archive.collections import KEYS, PARTITIONS, TIER_BATCHES
from archive.connection import Document
from archive.partitions import PartitionState, Tier, tier_of
from archive.places.base import RAW as EXACT

if TYPE_CHECKING:
    from archive.unit_of_work import UnitOfWork

AT_ONCE = 1000
MOST_BYTES = 16 * 1024 * 1024
Ids = list[bytes]


class Side:
    """One of the two layouts, but for the open partition. ``collections`` have one document for each of its
    messages."""

    collections: tuple[str, ...]

    def ids(self) -> Iterator[Ids]:
        """The ids of all its messages, some at a time. Goes on by key: no cursor stays open."""
        for name in self.collections:
            yield from (found for found in _chunks(name))

    def present(self, ids: Sequence[bytes], session: ClientSession | None = None) -> set[bytes]:
        """Those of these messages that it holds."""
        query = {"_id": {"$in": list(ids)}}
        with connection.translated():
            return {
                bytes(each["_id"])
                for name in self.collections
                for each in connection.collection(name).find(query, {"_id": 1}, session=session)
            }

    def messages(self) -> Iterator[list[RawBSONDocument]]:
        """All its messages as exact hot documents, some at a time; not at one moment."""
        raise NotImplementedError

    def rows(self) -> list[Document]:
        """What the catalogue has to tell of it, counted now."""
        raise NotImplementedError

    def live_rows(self, session: ClientSession | None = None) -> list[Document]:
        """What the catalogue tells of it; empty while the other side is live."""
        raise NotImplementedError


class HotSide(Side):
    """Sealed hot partitions."""

    def __init__(self, names: Iterable[str]) -> None:
        self.collections = tuple(sorted(names))

    def messages(self) -> Iterator[list[RawBSONDocument]]:
        """By ids, a partition after the other."""
        for name in self.collections:
            for ids in _chunks(name):
                yield from fetched(name, ids)

    def rows(self) -> list[Document]:
        """A sealed partition each."""
        return [_measured(name) for name in self.collections]

    def live_rows(self, session: ClientSession | None = None) -> list[Document]:
        query = {"_id": {"$in": list(self.collections)}}
        return list(connection.collection(PARTITIONS).find(query, session=session))

    def let_go(self, unit: UnitOfWork, ids: Ids) -> None:
        """Hold these messages no longer."""
        for name in self.collections:
            unit[name].delete_many({"_id": {"$in": ids}}, session=unit.session)


class TieredSide(Side):
    """Everything outside hot: batches in their places, and their keys."""

    collections = (KEYS,)

    def messages(self) -> Iterator[list[RawBSONDocument]]:
        """A batch after the other."""
        for batch in self.batches():
            yield read_batch(int(batch["_id"]))

    def batches(self, behind: int = 0) -> Iterator[Document]:
        """The batches' rows by their number, those behind one."""
        while True:
            query = {"_id": {"$gt": Int64(behind)}, "partition": {"$ne": ""}}
            with connection.translated():
                found = list(connection.collection(TIER_BATCHES).find(query).sort("_id", 1).limit(AT_ONCE))
            yield from found
            if len(found) < AT_ONCE:
                return
            behind = int(found[-1]["_id"])

    def rows(self) -> list[Document]:
        """A row for each partition that a batch lies in."""
        sums: Document = {name: {"$sum": f"${name}"} for name in ("count", "bytes", "undated")}
        ends = {"since": {"$min": "$since"}, "until": {"$max": "$until"}}
        stages: list[Document] = [
            {"$match": {"partition": {"$ne": ""}}},
            {"$group": {"_id": "$partition", **sums, **ends}},
            {"$sort": {"_id": 1}},
        ]
        with connection.translated():
            return [_row(each) for each in connection.collection(TIER_BATCHES).aggregate(stages)]

    def live_rows(self, session: ClientSession | None = None) -> list[Document]:
        return list(connection.collection(PARTITIONS).find({"tier": {"$ne": Tier.HOT}}, session=session))

    def batches_of(self, ids: Ids) -> list[Document]:
        """The batches that these messages are in."""
        with connection.translated():
            numbers = connection.collection(KEYS).distinct("batch", {"_id": {"$in": ids}})
            return list(connection.collection(TIER_BATCHES).find({"_id": {"$in": numbers}}))

    def let_go(self, unit: UnitOfWork, number: int) -> None:
        """Hold this batch no longer. What it left where it lay has to be removed after the commit."""
        unit[KEYS].delete_many({"batch": Int64(number)}, session=unit.session)
        unit[TIER_BATCHES].delete_one({"_id": Int64(number)}, session=unit.session)


def read_batch(number: int) -> list[RawBSONDocument]:
    """The messages of a batch as exact hot documents, wherever it lies."""
    batch = journal.find_batches([number])[number]
    with connection.translated():
        return list(places.place_of(tier_of(batch.partition)).read(batch))


def stray_of(batch: Document) -> Document:
    """Where a batch lies, for whoever removes it once it has no keys any more."""
    with connection.translated():
        keys = connection.collection(KEYS).find({"batch": batch["_id"]}, {"_id": 1})
        ids = [each["_id"] for each in keys]
    return {name: batch.get(name, "") for name in ("partition", "mark", "object", "month")} | {
        "number": batch["_id"],
        "ids": ids,
    }


def fetched(name: str, ids: Ids) -> Iterator[list[RawBSONDocument]]:
    """These hot documents, in the order of the ids, in lists of at most ``MOST_BYTES``."""
    place = {key: number for number, key in enumerate(ids)}
    some: list[RawBSONDocument] = []
    size = 0
    with connection.translated():
        found = connection.collection(name).with_options(EXACT).find({"_id": {"$in": ids}})
        for each in found:
            if some and size + len(each.raw) > MOST_BYTES:
                yield sorted(some, key=lambda one: place[bytes(one["_id"])])
                some, size = [], 0
            some.append(each)
            size += len(each.raw)
    if some:
        yield sorted(some, key=lambda one: place[bytes(one["_id"])])


def _chunks(name: str) -> Iterator[Ids]:
    behind: Document = {}
    while True:
        with connection.translated():
            found = connection.collection(name).find(behind, {"_id": 1}).sort("_id", 1).limit(AT_ONCE)
            ids = [each["_id"] for each in found]
        if ids:
            yield ids
        if len(ids) < AT_ONCE:
            return
        behind = {"_id": {"$gt": ids[-1]}}


def _measured(name: str) -> Document:
    """What a sealed hot partition holds, counted."""
    none = {"$eq": [{"$type": "$timestamp"}, "date"]}
    group: Document = {
        "_id": name,
        "count": {"$sum": 1},
        "bytes": {"$sum": {"$bsonSize": "$$ROOT"}},
        "undated": {"$sum": {"$cond": [none, 0, 1]}},
        "since": {"$min": "$timestamp"},
        "until": {"$max": "$timestamp"},
    }
    with connection.translated():
        found = list(connection.collection(name).aggregate([{"$group": group}]))
    return _row(found[0] if found else {"_id": name, "count": 0, "bytes": 0, "undated": 0})


def _row(figures: Document) -> Document:
    row: dict[str, Any] = {
        "_id": figures["_id"],
        "tier": str(tier_of(figures["_id"])),
        "state": str(PartitionState.SEALED),
        "count": Int64(figures["count"]),
        "bytes": Int64(figures["bytes"]),
        "undated": int(figures["undated"]),
    }
    return row | {name: figures[name] for name in ("since", "until") if figures.get(name) is not None}


def total(rows: Iterable[Document]) -> int:
    """How many messages these rows of the catalogue tell of."""
    return sum(int(each.get("count") or 0) for each in rows)
