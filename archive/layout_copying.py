"""Copying messages from one side of a migration to the other: what the other side lacks, batch by batch."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any

from bson.int64 import Int64
from bson.raw_bson import RawBSONDocument

from archive import connection, indexes, journal, places
from archive.collections import HOT_SPEC, KEYS, TIER_BATCHES, WARM_MESSAGES
from archive.connection import Document
from archive.errors import Unavailable
from archive.journal import TierBatch
from archive.keys import key_row
from archive.layout_sides import AT_ONCE, HotSide, Ids, TieredSide, fetched, read_batch
from archive.layouts import Held
from archive.partitions import cold_name, month_of, tier_of
from archive.places.warm import LARGEST

if TYPE_CHECKING:
    from archive.unit_of_work import UnitOfWork

UNDATED = "undated"


class CopyDiffers(Unavailable):
    """What was read back is not what was written."""

    code = "layout_copy_differs"


@dataclass(frozen=True, slots=True)
class Copied:
    """So much was copied, of what is named."""

    records: int = 0
    bytes: int = 0
    note: str = ""


# ------------------------------------------------------------------ hot -> batches outside hot


@dataclass(frozen=True, slots=True)
class Lot:
    """Messages that are written as one batch: where to, and of which month."""

    partition: str
    month: str
    documents: tuple[RawBSONDocument, ...]

    @property
    def bytes(self) -> int:
        """As BSON."""
        return sum(len(each.raw) for each in self.documents)


class IntoBatches:
    """Copies hot messages into warm and cold batches: what is older than ``cold_before``, too large, or
    without a time goes to the cold partition of its month, everything else to warm."""

    def __init__(self, held: Held, source: HotSide) -> None:
        self.held, self.source, self.target = held, source, TieredSide()
        self.cold_before: datetime = held.document["coldBefore"]

    def run(self) -> Iterator[Copied]:
        """All that the target lacks. Goes on at the day where a copying before this one was stopped."""
        checkpoint = dict(self.held.document["checkpoint"])
        for name in self.source.collections:
            if name < checkpoint.get("partition", ""):
                continue
            day = checkpoint.get("day") if name == checkpoint.get("partition") else None
            if day != UNDATED:
                for since in _days(name, day):
                    until = since + timedelta(days=1)
                    within: Document = {"timestamp": {"$gte": since, "$lt": until}}
                    yield from self._window(name, since, within)
            yield from self._window(name, UNDATED, {"timestamp": {"$not": {"$type": "date"}}})
        self.held.update({"$set": {"checkpoint": {}}})

    def _window(self, name: str, day: Any, query: Document) -> Iterator[Copied]:
        checkpoint = {"partition": name, "day": day}
        for ids in _in_session_order(name, query):
            present = self.target.present(ids)
            lacking = [each for each in ids if bytes(each) not in present]
            for documents in fetched(name, lacking) if lacking else ():
                for lot in self._lots(documents):
                    self._copy(lot, checkpoint)
                    yield Copied(len(lot.documents), lot.bytes, f"{name}, {day}")

    def _lots(self, documents: list[RawBSONDocument]) -> Iterator[Lot]:
        lots: dict[tuple[str, str], list[RawBSONDocument]] = defaultdict(list)
        for each in documents:
            moment = each.get("timestamp")
            is_young = isinstance(moment, datetime) and moment >= self.cold_before
            is_warm = is_young and len(each.raw) <= LARGEST
            month = month_of(moment or each.get("importedAt") or datetime.now(UTC))
            lots[WARM_MESSAGES if is_warm else cold_name(month), month].append(each)
        for (partition, month), those in lots.items():
            yield Lot(partition, month, tuple(those))

    def _copy(self, lot: Lot, checkpoint: Document) -> None:
        """Write, read back, and only then enter the batch and its keys."""
        batch = _batch_of(lot)
        ids = [each["_id"] for each in lot.documents]
        place = places.place_of(tier_of(lot.partition))
        stray = {
            "number": Int64(batch.number), "partition": lot.partition, "mark": batch.mark, "object": "",
            "month": lot.month, "ids": ids,
        }  # fmt: skip
        self.held.update({"$push": {"strays": stray}})
        with connection.translated():
            place.prepare(lot.month)
            place.write(batch, batch.mark, lot.documents)
            if journal.digest_of(place.read(batch, ids)) != batch.digest:
                raise CopyDiffers(
                    f"What was read back from {lot.partition} is not what was written to it.",
                    hint="Run it again: it goes on where it stopped.",
                )
        change = {"$pull": {"strays": {"mark": batch.mark}}, "$set": {"checkpoint": checkpoint}}
        self.held.run(lambda unit: _enter(unit, lot, batch), change)


def _batch_of(lot: Lot) -> TierBatch:
    number = journal.next_numbers(1)
    holding = journal.holding_of(lot.documents)
    return TierBatch(
        number, lot.partition, f"{number}#1", "", lot.month, holding.since, holding.until, holding.count,
        holding.bytes, holding.undated, journal.digest_of(lot.documents),
    )  # fmt: skip


def _enter(unit: UnitOfWork, lot: Lot, batch: TierBatch) -> None:
    unit[TIER_BATCHES].insert_one(
        {
            "_id": Int64(batch.number), "partition": batch.partition, "mark": batch.mark, "object": "",
            "month": batch.month, "since": batch.since, "until": batch.until, "count": Int64(batch.count),
            "bytes": Int64(batch.bytes), "undated": batch.undated, "digest": batch.digest,
            "projectIds": list({each.get("projectId") for each in lot.documents}), "move": None, "sweep": [],
        },
        session=unit.session,
    )  # fmt: skip
    rows = [key_row(dict(each), len(each.raw), batch.number) for each in lot.documents]
    unit[KEYS].insert_many(rows, session=unit.session)


def _days(name: str, first: datetime | None) -> Iterator[datetime]:
    """The days (UTC) of which the collection has messages, from ``first`` on."""
    after = first
    while True:
        query: Document = {"timestamp": {"$gte": after}} if after else {"timestamp": {"$type": "date"}}
        with connection.translated():
            found = connection.collection(name).find_one(query, {"timestamp": 1}, sort=[("timestamp", 1)])
        if found is None:
            return
        day = found["timestamp"].replace(hour=0, minute=0, second=0, microsecond=0)
        yield day
        after = day + timedelta(days=1)


def _in_session_order(name: str, query: Document) -> Iterator[Ids]:
    """The ids of these messages by session and file: a batch is then about few conversations."""
    order = [("sessionId", 1), ("fileId", 1), ("seq", 1)]
    with connection.translated():
        found = connection.collection(name).find(query, {"_id": 1}, allow_disk_use=True).sort(order)
        with found:
            rows = (each["_id"] for each in found)
            while ids := list(islice(rows, AT_ONCE)):
                yield ids


# ------------------------------------------------------------------ batches outside hot -> hot


class IntoMonths:
    """Copies batches into hot partitions, that of their month; ``months`` tells their names."""

    def __init__(self, held: Held) -> None:
        self.held, self.source = held, TieredSide()
        self.months: dict[str, str] = held.document["months"]

    def run(self) -> Iterator[Copied]:
        """All that the months lack. Goes on behind the batch that was copied last."""
        for batch in self.source.batches(int(self.held.document["checkpoint"].get("batch", 0))):
            number, name = int(batch["_id"]), self.months[batch["month"]]
            documents = read_batch(number)
            change = {"$set": {"checkpoint": {"batch": Int64(number)}}}
            self.held.run(lambda unit, name=name, some=documents: _insert(unit, name, some), change)  # type: ignore[misc]
            size = sum(len(each.raw) for each in documents)
            yield Copied(len(documents), size, f"{name}, batch {number}")
        self.held.update({"$set": {"checkpoint": {}}})


def _insert(unit: UnitOfWork, name: str, documents: list[RawBSONDocument]) -> None:
    ids = [each["_id"] for each in documents]
    there = unit[name].find({"_id": {"$in": ids}}, {"_id": 1}, session=unit.session)
    present = {bytes(each["_id"]) for each in there}
    lacking = [each for each in documents if bytes(each["_id"]) not in present]
    if lacking:
        unit[name].insert_many(lacking, session=unit.session)


def create_month(name: str) -> None:
    """A hot partition with every index and the validator, that nobody knows of yet. Idempotent."""
    with connection.translated():
        indexes.ensure(replace(HOT_SPEC, name=name))
