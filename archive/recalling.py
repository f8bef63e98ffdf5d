"""Bringing messages back to hot, batch by batch, before they are changed: nothing else can be."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from uuid import uuid4

from bson.int64 import Int64
from bson.raw_bson import RawBSONDocument

from archive import connection, events, journal, locks, partitions, places, sweeping
from archive.collections import KEYS, MESSAGES, TIER_BATCHES
from archive.connection import Document
from archive.errors import Conflict, Unavailable
from archive.journal import TierBatch, digest_of
from archive.locks import Locked
from archive.mover import CopyDiffers
from archive.partitions import Tier, tier_of
from archive.places import cold
from archive.unit_of_work import Transactions, UnitOfWork

BUSY_SECONDS = 60.0
LOOK_SECONDS = 0.1


class NeedsRecall(Conflict):
    """These batches have messages that are to be changed: recall them, then try again."""

    code = "needs_recall"

    def __init__(self, numbers: Iterable[int]) -> None:
        super().__init__(
            "Messages have to come back into hot first.", hint="They are recalled by themselves."
        )
        self.numbers = tuple(sorted(numbers))


class Stopped(Exception):
    """Whoever had messages recalled does not wait for them any more."""


def recall(numbers: Iterable[int], job_id: str = "", is_stopped: Callable[[], bool] = lambda: False) -> int:
    """Bring the messages of these batches back to ``messages_current``; how many messages. ``job_id`` is the
    job that may hold the write lock.

    Idempotent, a transaction for each batch, of whose documents memory is. Raises ``Unavailable`` where a
    batch is being moved for longer than ``BUSY_SECONDS``, ``CopyDiffers`` where it is not what it was;
    ``Stopped`` once ``is_stopped``, asked before each batch and every second while it waits.
    """
    transactions = Transactions()
    try:
        return sum(_recall(number, job_id, is_stopped, transactions) for number in numbers)
    finally:
        transactions.close()


def _recall(number: int, job_id: str, is_stopped: Callable[[], bool], transactions: Transactions) -> int:
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        if is_stopped():
            raise Stopped
        batch = journal.find_batches([number]).get(number)
        if batch is None or not batch.partition:
            return 0
        # A mark of its own: whoever took this recaller for dead has undone that one alone.
        mark = f"{number}#recall-{uuid4().hex}"
        entry = {"target": MESSAGES, "mark": mark, "jobId": job_id, "at": datetime.now(UTC)}
        entry["lsid"] = transactions.session_id
        with connection.translated():
            if journal.begin(batch, entry):
                try:
                    return _bring_back(batch, entry, is_stopped, transactions)
                except _Undone:
                    continue
        if time.monotonic() > deadline:
            raise Unavailable(f"Batch {number} is being moved.", hint="The job tries again.")
        time.sleep(LOOK_SECONDS)


class _Undone(Exception):
    """Somebody has undone what this recaller had begun."""


def _bring_back(
    batch: TierBatch, entry: Document, is_stopped: Callable[[], bool], transactions: Transactions
) -> int:
    documents = list(places.place_of(tier_of(batch.partition)).read(batch))
    if digest_of(documents) != batch.digest:
        if not _give_up(batch, entry["mark"]):
            raise _Undone
        raise CopyDiffers(
            f"Batch {batch.number} in {batch.partition} is not what it was.", hint="Run verify_archive."
        )
    while True:
        try:
            transactions.run(lambda unit: _commit(unit, batch, entry, documents))
        except Locked:
            if not locks.is_free_within(1.0) and is_stopped():
                _give_up(batch, entry["mark"])
                raise Stopped from None
        else:
            break
    if left := _left_behind(batch):
        sweeping.remove(batch, left)
    journal.settle(batch.number)
    return len(documents)


def _left_behind(batch: TierBatch) -> Document | None:
    """What has to be removed after the commit: of cold, that has done it itself."""
    if tier_of(batch.partition) == Tier.COLD:
        return None
    return {"partition": batch.partition, "mark": batch.mark, "object": batch.object}


def _commit(unit: UnitOfWork, batch: TierBatch, entry: Document, documents: list[RawBSONDocument]) -> None:
    job_id = entry["jobId"]
    position = events.next_position(unit, job_id)
    mine = {"_id": Int64(batch.number), "move.mark": entry["mark"]}
    gone: Document = {"$set": {"partition": "", "mark": "", "object": "", "move": None}}
    if left := _left_behind(batch):
        gone["$push"] = {"sweep": left}
    else:
        cold.delete(unit, batch.partition, [each["_id"] for each in documents])
    if not unit[TIER_BATCHES].update_one(mine, gone, session=unit.session).matched_count:
        raise _Undone
    unit[KEYS].delete_many({"batch": Int64(batch.number)}, session=unit.session)
    unit[MESSAGES].insert_many(documents, session=unit.session)
    partitions.lose(unit, batch.partition, batch.holding)
    told = {"source": batch.partition, "target": MESSAGES, "messages": len(documents)}
    events.append(unit, position, "messages.moved", jobId=job_id, **told)


def _give_up(batch: TierBatch, mark: str) -> bool:
    """Let the batch lie where it lies; False where somebody has seen to that."""
    mine = {"_id": Int64(batch.number), "move.mark": mark}
    given = connection.collection(TIER_BATCHES).update_one(mine, {"$set": {"move": None}})
    journal.settle(batch.number)
    return given.matched_count == 1
