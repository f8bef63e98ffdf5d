"""Moving messages between tiers: copy, verify, switch, remove.

A batch of hot messages is copied to its place under a mark that nobody had before, read back and compared;
then one transaction deletes it from hot, writes its keys and says where it lies. A batch that lies somewhere
already moves on by one update of the journal; what it leaves behind is removed after that. Killed anywhere,
a message is in one place for every reader, and the next run removes what the dead one left.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

from bson.int64 import Int64
from bson.raw_bson import RawBSONDocument
from pymongo import DeleteMany

from archive import checkpoints, connection, events, journal, locks, partitions, places, sweeping
from archive.checkpoints import AlreadyWritten, Checkpoint, Fenced
from archive.collections import CHECKPOINTS, KEYS, TIER_BATCHES
from archive.connection import Document
from archive.journal import Documents, TierBatch, digest_of, holding_of, place_of_move
from archive.keys import key_row
from archive.locks import Locked
from archive.lots import lots_of
from archive.move_plans import PlannedMove
from archive.partitions import Tier, tier_of
from archive.places import cold
from archive.places.base import CopyDiffers
from archive.unit_of_work import UnitOfWork, patiently

__all__ = ["CopyDiffers", "Moved", "PlannedMove", "move"]

T = TypeVar("T")
WAIT_SECONDS = 1.0
NUMBERS_AT_ONCE = 20
Reached = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Moved:
    """A batch that has moved from ``source`` to ``target``; with ``why``, none has: it says what is waited
    for, or what became of it."""

    messages: int = 0
    bytes: int = 0
    source: str = ""
    target: str = ""
    why: str = ""


@dataclass(frozen=True, slots=True)
class _Copy:
    """Documents that lie under ``move["mark"]`` as well, verified; those for cold do not yet. ``batch`` is
    where they lay before."""

    batch: TierBatch
    move: Document
    documents: Documents = ()


def move(
    planned: Iterable[PlannedMove],
    job_id: str,
    token: int,
    unfinished: Collection[str] = (),
    reached: Reached = lambda point: None,
) -> Generator[Moved]:
    """Do these moves one after the other, yielding after each batch. ``unfinished`` are the jobs that are at
    work: messages of such imports stay, and what such jobs began is theirs.

    Safe to repeat, and to be killed: what was moved stays moved, the rest is moved next time. Memory is three
    batches, of at most 16 MB each. ``reached`` is told each step. Raises ``Fenced`` when another process took
    the job over, ``Unavailable``, ``OutOfSpace``, ``CopyDiffers``, and what the object store raises.
    """
    checkpoint = patiently(lambda: checkpoints.take(job_id, token))
    try:
        patiently(lambda: sweeping.recover({*unfinished} - {job_id}))
        mover = _Mover(checkpoint, frozenset(unfinished), reached)
        for each in planned:
            with ThreadPoolExecutor(1, "copies") as pool:
                for copied in _ahead(pool, mover.copies(each)):
                    yield from mover.commit(copied)
    except GeneratorExit:
        _let_go_of_copies(checkpoint)
        raise
    finally:
        checkpoint.close()


def _let_go_of_copies(checkpoint: Checkpoint) -> None:
    """Who stops a move leaves the batch that was copied ahead: others would wait for it. A successor's are
    his own."""
    mine = {"_id": checkpoint.job_id, "token": checkpoint.token}
    with connection.translated():
        if connection.collection(CHECKPOINTS).find_one(mine, {"_id": 1}) is None:
            return
        pending = {"busy": True, "move.jobId": checkpoint.job_id}
        for each in list(connection.collection(TIER_BATCHES).find(pending)):
            sweeping.recover_one(each)


def _ahead(pool: ThreadPoolExecutor, items: Iterator[T]) -> Iterator[T]:
    """The items, of which the next one is made while the last one is used."""
    coming = pool.submit(next, items, None)
    while (item := coming.result()) is not None:
        coming = pool.submit(next, items, None)
        yield item


class _Mover:
    """One job's moves."""

    def __init__(self, checkpoint: Checkpoint, unfinished: frozenset[str], reached: Reached) -> None:
        self.checkpoint = checkpoint
        self.unfinished = unfinished
        self.reached = reached
        self._numbers: list[int] = []
        self._prepared: set[str] = set()

    def copies(self, planned: PlannedMove) -> Iterator[_Copy]:
        """The batches of a move, each copied and verified."""
        with connection.translated():
            if tier_of(planned.source) == Tier.HOT:
                for lot in lots_of(planned, self.unfinished):
                    yield self._copied_lot(planned.source, *lot)
            else:
                for batch in _batches_of(planned):
                    if copy := self._copied_batch(batch, planned.target):
                        yield copy

    def _copied_lot(self, source: str, tier: Tier, month: str, documents: Documents) -> _Copy:
        number, holding = self._next_number(), holding_of(documents)
        facts = (holding.since, holding.until, holding.count, holding.bytes, holding.undated)
        batch = TierBatch(number, "", "", "", month, *facts, digest_of(documents))
        entry = self._entry(batch, tier, journal.new_mark(number))
        entry |= {"source": source, "ids": [each["_id"] for each in documents]}
        projects = {each["projectId"] for each in documents if each.get("projectId")}
        journal.enter(batch, entry, sorted(projects))
        self.reached("entered")
        return self._written(batch, entry, documents, entry["ids"])

    def _copied_batch(self, batch: TierBatch, tier: Tier) -> _Copy | None:
        entry = self._entry(batch, tier, journal.new_mark(batch.number))
        if not journal.begin(batch, entry):
            return None  # somebody else moves it, or brings it back
        self.reached("entered")
        documents = list(places.place_of(tier_of(batch.partition)).read(batch))
        if digest_of(documents) != batch.digest:
            raise CopyDiffers(
                f"Batch {batch.number} in {batch.partition} is not what it was.", hint="Run verify_archive."
            )
        return self._written(batch, entry, documents, [each["_id"] for each in documents])

    def _next_number(self) -> int:
        if not self._numbers:
            first = journal.next_numbers(NUMBERS_AT_ONCE)
            self._numbers = list(range(first + NUMBERS_AT_ONCE - 1, first - 1, -1))
        return self._numbers.pop()

    def _entry(self, batch: TierBatch, tier: Tier, mark: str) -> Document:
        place = places.place_of(tier)
        partition = place.partition(batch.month)
        if partition not in self._prepared:
            place.prepare(batch.month)
            if tier != Tier.COLD:  # an empty month is dropped, and has to be made again
                self._prepared.add(partition)
        return {
            "target": partition,
            "mark": mark,
            "object": place.object_name(batch.month, mark),
            "jobId": self.checkpoint.job_id,
            "at": datetime.now(UTC),
        }

    def _written(
        self, batch: TierBatch, entry: Document, documents: Documents, ids: Sequence[bytes]
    ) -> _Copy:
        if tier_of(entry["target"]) == Tier.COLD:
            return _Copy(batch, entry, documents)  # it is written in the commit's own transaction
        place = places.place_of(tier_of(entry["target"]))
        there = TierBatch(batch.number, entry["target"], entry["mark"], entry["object"], batch.month)
        entry["objectBytes"] = place.write(there, entry["mark"], documents)
        self.reached("copied")
        if digest_of(place.read(there, ids)) != batch.digest:
            raise CopyDiffers(
                f"What was read back from {entry['target']} is not what was written there.",
                hint="Run it again: it begins with what is left.",
            )
        self.reached("verified")
        return _Copy(batch, entry, documents)

    def commit(self, copy: _Copy) -> Iterator[Moved]:
        """Switch a batch to its copy, and remove what it leaves; yields while it waits for the write lock."""
        while True:
            try:
                is_moved = self._switch(copy)
            except Locked as held:
                yield Moved(why=held.why)
                locks.is_free_within(WAIT_SECONDS)
            else:
                break
        self.reached("committed")
        swept = _left_behind(copy) if is_moved else _copy_of(copy.move)
        if swept:
            sweeping.remove(copy.batch, swept)
            self.reached("swept")
        elif not is_moved:
            journal.settle(copy.batch.number)
        source = copy.batch.partition or copy.move["source"]
        if is_moved:
            yield Moved(copy.batch.count, copy.batch.bytes, source, copy.move["target"])
        else:
            yield Moved(source=source, target=copy.move["target"], why="messages changed meanwhile")

    def _switch(self, copy: _Copy) -> bool:
        counts = {**self.checkpoint.counts}
        counts["moved"] = counts.get("moved", 0) + copy.batch.count
        position = {"number": copy.batch.number}

        def work(unit: UnitOfWork) -> bool:
            self.checkpoint.save(unit, position, counts)
            return (
                _leave_hot(unit, copy)
                if copy.documents and not copy.batch.partition
                else _move_on(unit, copy)
            )

        try:
            with connection.translated():
                is_moved = self.checkpoint.transactions.run(work)
        except AlreadyWritten:
            is_moved = _lies_at(copy)
        except _Changed:
            self._let_go(copy)
            return False
        self.checkpoint.saved(position, counts)
        return is_moved

    def _let_go(self, copy: _Copy) -> None:
        with connection.translated():
            self.checkpoint.transactions.run(lambda unit: _let_go(unit, copy))


def _lies_at(copy: _Copy) -> bool:
    """Whether a commit whose answer was lost has switched the batch."""
    found = journal.find_batches([copy.batch.number]).get(copy.batch.number)
    return found is not None and found.mark == copy.move["mark"]


def _is_cold(partition: str) -> bool:
    """Whether it is written in the transaction of the commit: then nothing of it has to be removed later,
    when somebody else may have put the same messages there."""
    return tier_of(partition) == Tier.COLD


def _left_behind(copy: _Copy) -> Document | None:
    """What has to be removed after the commit."""
    if not copy.batch.partition or _is_cold(copy.batch.partition):
        return None
    return {"partition": copy.batch.partition, "mark": copy.batch.mark, "object": copy.batch.object}


class _Changed(Exception):
    """Messages are not in hot any more as they were copied: their copy is let go."""


def _leave_hot(unit: UnitOfWork, copy: _Copy) -> bool:
    """Delete from hot, write the keys, switch. Raises ``_Changed``."""
    position = events.next_position(unit, copy.move["jobId"])
    source, ids = copy.move["source"], copy.move["ids"]
    if source not in unit.hot:
        raise _Changed
    _delete_unchanged(unit, source, copy.documents)
    _write_cold(unit, copy)
    number = copy.batch.number
    rows = [key_row(each, len(each.raw), number) for each in copy.documents]
    unit[KEYS].insert_many(rows, session=unit.session)
    _count_over(unit, source, copy)
    if not journal.switch(unit, copy.batch, copy.move):
        raise Fenced(f"Batch {number} was taken over by another job.")
    told: dict[str, Any] = {"source": source, "target": copy.move["target"], "messages": len(ids)}
    events.append(unit, position, "messages.moved", jobId=copy.move["jobId"], **told)
    return True


def _delete_unchanged(unit: UnitOfWork, source: str, documents: Documents) -> None:
    """Delete those that are from the same import at the same place still: a message never changes otherwise.
    Raises ``_Changed`` where one is not."""
    together: dict[tuple[Any, Any], list[RawBSONDocument]] = defaultdict(list)
    for each in documents:
        together[each.get("importId"), each.get("fileId")].append(each)
    deletes = [
        DeleteMany(
            {
                "_id": {"$in": [each["_id"] for each in some]},
                "importId": import_id,
                "fileId": file_id,
                "seq": {"$in": [each.get("seq") for each in some]},
            },
            hint=[("_id", 1)],
        )
        for (import_id, file_id), some in together.items()
    ]
    if unit[source].bulk_write(deletes, session=unit.session).deleted_count != len(documents):
        raise _Changed


def _copy_of(move: Document) -> Document | None:
    """What has to be removed of a move that is not committed."""
    return None if _is_cold(move["target"]) else place_of_move(move)


def _let_go(unit: UnitOfWork, copy: _Copy) -> None:
    change: Document = {"$set": {"move": None}}
    if swept := _copy_of(copy.move):
        change["$push"] = {"sweep": swept}
    unit[TIER_BATCHES].update_one({"_id": Int64(copy.batch.number)}, change, session=unit.session)


def _write_cold(unit: UnitOfWork, copy: _Copy) -> None:
    """Have the documents in cold where they go there, and not where they come from there."""
    if _is_cold(copy.batch.partition):
        cold.delete(unit, copy.batch.partition, [each["_id"] for each in copy.documents])
    if _is_cold(copy.move["target"]):
        cold.replace(unit, copy.move["target"], copy.documents)


def _move_on(unit: UnitOfWork, copy: _Copy) -> bool:
    left = _left_behind(copy)
    _write_cold(unit, copy)
    _count_over(unit, copy.batch.partition, copy)
    if not journal.switch(unit, copy.batch, copy.move, [left] if left else []):
        raise Fenced(f"Batch {copy.batch.number} was taken over by another job.")
    return True


def _count_over(unit: UnitOfWork, source: str, copy: _Copy) -> None:
    """Have the catalogue count the batch where it goes."""
    target, holding = copy.move["target"], copy.batch.holding
    if target not in [each.name for each in unit.partitions]:
        partitions.add(unit, target)
    partitions.gain(unit, target, holding)
    partitions.lose(unit, source, holding)


def _batches_of(planned: PlannedMove) -> Iterator[TierBatch]:
    """The batches of a move, the oldest first."""
    while True:
        found = connection.collection(TIER_BATCHES).find(planned.batch_query()).sort("since", 1)
        numbers = [each["_id"] for each in found.limit(100)]
        yield from journal.find_batches(numbers).values()
        if len(numbers) < 100:
            return
