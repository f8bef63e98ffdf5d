"""The journal of moves: batches of messages that lie together outside hot, and how far each move is.

A document of ``tier_batches``: ``{_id: number, partition ("": its messages are in hot still), mark, object,
objectBytes, month, since, until, count, bytes, undated, digest, projectIds, move: {target, mark, object,
jobId, lsid, at, source, ids}, sweep: [{partition, mark, object, ids}], busy}``. ``move`` is there while a
copy is being made, ``sweep`` while copies have still to be removed, ``busy`` while either is. The switch from
one place to another is one update of this document.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from bson.int64 import Int64
from bson.raw_bson import RawBSONDocument
from pymongo import ReturnDocument
from pymongo.client_session import ClientSession

from archive import connection
from archive.collections import COUNTERS, TIER_BATCHES, WARM_MESSAGES
from archive.connection import Document
from archive.partitions import Holding
from archive.unit_of_work import UnitOfWork

Documents = Sequence[RawBSONDocument]
Digest = bytes
FINDING = {
    "partition": 1, "mark": 1, "object": 1, "month": 1, "since": 1, "until": 1, "count": 1, "bytes": 1,
    "undated": 1, "digest": 1,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class TierBatch:
    """Messages that moved together, and where they lie: in ``partition`` under ``mark``, as the stored object
    ``object`` if that is frozen. ``digest`` is ``digest_of`` its documents."""

    number: int
    partition: str
    mark: str = ""
    object: str = ""
    month: str = ""
    since: datetime | None = None
    until: datetime | None = None
    count: int = 0
    bytes: int = 0
    undated: int = 0
    digest: Digest = b""

    @property
    def holding(self) -> Holding:
        """What it is counted as in the catalogue."""
        return Holding(self.count, self.bytes, self.since, self.until, self.undated)


def digest_of(documents: Iterable[RawBSONDocument]) -> bytes:
    """SHA-256 of the exact documents, whatever their order."""
    summed = hashlib.sha256()
    for each in sorted(hashlib.sha256(document.raw).digest() for document in documents):
        summed.update(each)
    return summed.digest()


def holding_of(documents: Documents) -> Holding:
    """What documents are counted as in the catalogue."""
    return Holding.of((time_of(each), len(each.raw)) for each in documents)


def time_of(document: Mapping[str, Any]) -> datetime | None:
    """The message's time in UTC, if it has one."""
    moment = document.get("timestamp")
    if not isinstance(moment, datetime):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def find_batches(numbers: Sequence[int], session: ClientSession | None = None) -> dict[int, TierBatch]:
    """These batches by their numbers, those of them that there are."""
    query = {"_id": {"$in": [Int64(each) for each in numbers]}}
    with connection.translated():
        found = connection.collection(TIER_BATCHES).find(query, FINDING, session=session)
        return {int(each["_id"]): from_document(each) for each in found}


def hidden_marks(session: ClientSession | None = None) -> list[str]:
    """The marks in the time-series of copies that are nobody's: of moves that are not done, or whose sweeping
    is not. What lies under them is not a message."""
    touching = {"busy": True, "$or": [{"move.target": WARM_MESSAGES}, {"sweep.partition": WARM_MESSAGES}]}
    with connection.translated():
        found = connection.collection(TIER_BATCHES).find(touching, {"move": 1, "sweep": 1}, session=session)
        return sorted({mark for each in found for mark in _marks(each)})


def _marks(batch: Document) -> Iterator[str]:
    for each in [batch.get("move") or {}, *batch.get("sweep", [])]:
        if WARM_MESSAGES in (each.get("target"), each.get("partition")):
            yield each["mark"]


def next_numbers(count: int) -> int:
    """The first of so many numbers for batches that nobody else gets."""
    with connection.translated():
        counter = connection.collection(COUNTERS).find_one_and_update(
            {"_id": TIER_BATCHES},
            {"$inc": {"value": Int64(count)}},
            upsert=True,
            return_document=ReturnDocument.AFTER,
        )
    return int((counter or {})["value"]) - count + 1


def new_mark(number: int) -> str:
    """A mark that no attempt had before: who still removes the copy of an older one never meets this one."""
    return f"{number}#{uuid4().hex[:12]}"


def enter(batch: TierBatch, move: Document, project_ids: Sequence[Any] = ()) -> None:
    """Note that messages of hot are about to be copied; ``move`` names target, mark, source and ids."""
    facts = {
        "_id": Int64(batch.number), "partition": "", "mark": "", "object": "",
        "month": batch.month, "since": batch.since, "until": batch.until,
        "count": Int64(batch.count), "bytes": Int64(batch.bytes), "undated": batch.undated,
        "digest": batch.digest, "projectIds": list(project_ids),
        "move": move, "sweep": [], "busy": True,
    }  # fmt: skip
    connection.collection(TIER_BATCHES).insert_one(facts)


def begin(batch: TierBatch, move: Document) -> bool:
    """Note that a batch that lies still is about to be copied to ``move["target"]``; False where somebody
    else got there first."""
    still = {"_id": Int64(batch.number), "partition": batch.partition, "mark": batch.mark, "move": None}
    begun = connection.collection(TIER_BATCHES).update_one(still, {"$set": {"move": move, "busy": True}})
    return begun.matched_count == 1


def switch(unit: UnitOfWork, batch: TierBatch, move: Document, sweep: Sequence[Document] = ()) -> bool:
    """Have the batch lie where its move has copied it, and ``sweep`` be removed; False where the move is not
    the one that it was."""
    where = {"partition": move["target"], "mark": move["mark"], "object": move.get("object", "")}
    there = {**where, "objectBytes": Int64(move.get("objectBytes", 0)), "move": None}
    change: Document = {"$set": there}
    if sweep:
        change["$push"] = {"sweep": {"$each": list(sweep)}}
    mine = {"_id": Int64(batch.number), "move.mark": move["mark"], "move.jobId": move["jobId"]}
    switched = unit[TIER_BATCHES].update_one(mine, change, session=unit.session)
    idle: Document = {"_id": Int64(batch.number), "move": None, "sweep": []}
    unit[TIER_BATCHES].update_one(idle, {"$unset": {"busy": ""}}, session=unit.session)
    return switched.matched_count == 1


def swept(number: int, entry: Document) -> None:
    """Note that a copy was removed. What was never entered anywhere is forgotten with its last one."""
    batches = connection.collection(TIER_BATCHES)
    mine = {"_id": Int64(number)}
    batches.update_one(mine, {"$pull": {"sweep": {"partition": entry["partition"], "mark": entry["mark"]}}})
    settle(number)


def settle(number: int) -> None:
    """A batch of which nothing is left to be done is not busy; one that lies nowhere is forgotten.
    Idempotent."""
    batches = connection.collection(TIER_BATCHES)
    idle: Document = {"_id": Int64(number), "move": None, "sweep": []}
    batches.delete_one({**idle, "partition": ""})
    batches.update_one(idle, {"$unset": {"busy": ""}})


def place_of_move(move: Mapping[str, Any]) -> Document:
    """Where the copy of a move lies, as an entry to be swept."""
    entry = {"partition": move["target"], "mark": move["mark"], "object": move.get("object", "")}
    return entry | ({"ids": move["ids"]} if move.get("ids") else {})


def from_document(document: Mapping[str, Any]) -> TierBatch:
    """The batch that a document of the journal tells of."""
    return TierBatch(
        int(document["_id"]),
        document["partition"],
        document.get("mark", ""),
        document.get("object", ""),
        document.get("month", ""),
        document.get("since"),
        document.get("until"),
        int(document.get("count", 0)),
        int(document.get("bytes", 0)),
        int(document.get("undated", 0)),
        bytes(document.get("digest", b"")),
    )
