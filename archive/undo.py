"""Undoing an import: the archive as it was before, exactly, or the reasons why not.

What an import made carries its ``importId``; what it changed has a pre-image. Undoing deletes the one and
puts back the other, in small transactions, each with the position after it under the job's token: killed
anywhere and called again it ends the same. From the first to the last, no import writes. What later imports
built on cannot be taken away: then nothing is changed.
"""

from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from bson.objectid import ObjectId
from bson.raw_bson import RawBSONDocument
from pymongo import DeleteOne, ReplaceOne, UpdateOne

from archive import checkpoints, connection, events, locks, partitions, recalling
from archive.checkpoints import AlreadyWritten, Checkpoint
from archive.collections import (
    CALLS,
    CHECKPOINTS,
    COPIES,
    FILES,
    IMPORT_FILES,
    KEYS,
    MESSAGES,
    PROJECTS,
    REJECTED,
    SESSIONS,
    UNDO,
    VERSIONS,
)
from archive.conflicts import RAW
from archive.connection import Document
from archive.entanglement import check_can_undo
from archive.locks import Locked, RollingBack
from archive.partitions import Holding, Tier
from archive.preimages import CALL, FILE, PROJECT, SESSION
from archive.session_stats import subtract_sessions
from archive.unit_of_work import UnitOfWork, patiently

MAX_DOCS = 500
MAX_BYTES = 16 * 1024 * 1024
BATCHES_AT_ONCE = 20
WAIT_SECONDS = 1.0
BEGUN = "begun"
DONE = "done"
COLLECTION_OF = {CALL: CALLS, FILE: FILES, SESSION: SESSIONS}

Work = Callable[[UnitOfWork], Any]
Documents = list[RawBSONDocument]


@dataclass(frozen=True, slots=True)
class Undone:
    """So many documents of about ``total`` are as before; with ``waits_for``, another job is at work on the
    whole archive first, and ``why`` says how."""

    done: int
    total: int
    waits_for: str = ""
    why: str = ""


def is_begun(job_id: str) -> bool:
    """Whether undoing the import has begun: it can then only be finished."""
    with connection.translated():
        return (
            connection.collection(CHECKPOINTS).find_one({"_id": job_id, "position.undo": BEGUN}) is not None
        )


def undo_import(job_id: str, token: int) -> Generator[Undone]:
    """Undo the import, or go on undoing it, yielding after each transaction.

    Raises ``RollbackConflict`` or ``NoPreImages`` before anything is changed, ``Fenced`` when another process
    took the job over, ``Unavailable``. Memory is one transaction's documents.
    """
    checkpoint = patiently(lambda: checkpoints.take(job_id, token))
    try:
        yield from _Undo(checkpoint).steps()
    finally:
        checkpoint.close()


class _Undo:
    """The steps, in an order in which each finds what it needs after a crash: files, by which the rest is
    found, come last."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        self.checkpoint = checkpoint
        self.job_id = checkpoint.job_id
        self.mine = {"importId": self.job_id}

    def steps(self) -> Iterator[Undone]:
        if self.checkpoint.position.get("undo") == DONE:
            return
        if self.checkpoint.position.get("undo") != BEGUN:
            yield from self._begin()
        for file_id in self._files():
            yield from self._file(file_id)
        yield from self._versions()
        for kind in (CALL, SESSION):
            yield from self._kind(kind)
        yield from self._projects()
        yield from self._kind(FILE)
        patiently(self._mark_reports)
        yield self._do(self._finish, undo=DONE)

    # -------------------------------------------------------------- transactions

    def _do(self, work: Work, *, undo: str = BEGUN, **figures: int) -> Undone:
        """Do one piece of work in a transaction, with the position after it."""
        before = self.checkpoint.position
        summed = {
            name: before.get(name, 0) + figures.get(name, 0) for name in ("done", "deleted", "restored")
        }
        position = {"undo": undo, "total": before.get("total") or self._total(), **summed}
        counts = self.checkpoint.counts

        def attempt(unit: UnitOfWork) -> None:
            self.checkpoint.save(unit, position, counts)
            work(unit)

        try:
            with connection.translated():
                self.checkpoint.transactions.run(attempt)
        except AlreadyWritten:
            pass  # the commit's answer was lost, the commit was not
        self.checkpoint.saved(position, counts)
        return Undone(summed["done"], position["total"])

    def _total(self) -> int:
        """About how many documents there are to undo."""
        written = sum(self.checkpoint.counts.get(name, 0) for name in ("inserted", "updated", "skipped"))
        return written + patiently(self._count_rows)

    def _count_rows(self) -> int:
        with connection.translated():
            return connection.collection(UNDO).count_documents({"jobId": self.job_id})

    def _begin(self) -> Iterator[Undone]:
        """Take the archive's lock once nobody else has it, and make sure that nothing was built on this."""
        while True:
            try:
                started = self._do(self._lock)
            except Locked as other:
                waiting = Undone(0, 0, waits_for=other.job_id, why=other.why)
            else:
                yield started
                return
            yield waiting
            locks.is_free_within(WAIT_SECONDS)

    def _lock(self, unit: UnitOfWork) -> None:
        locks.lock(unit, RollingBack, self.job_id)
        check_can_undo(self.job_id, unit)

    def _finish(self, unit: UnitOfWork) -> None:
        position = events.next_position(unit, self.job_id)
        figures = {name: self.checkpoint.position.get(name, 0) for name in ("deleted", "restored")}
        events.append(unit, position, "import.rolled_back", jobId=self.job_id, **figures)
        locks.unlock(unit, RollingBack, self.job_id)

    def _mark_reports(self) -> None:
        with connection.translated():
            connection.collection(IMPORT_FILES).update_many(
                {"jobId": self.job_id}, {"$set": {"undone": True}}
            )

    # -------------------------------------------------------------- what stands in files

    def _files(self) -> list[ObjectId]:
        def find() -> list[ObjectId]:
            with connection.translated():
                rows = connection.collection(UNDO).find({"jobId": self.job_id, "kind": FILE}, {"key": 1})
                made = connection.collection(FILES).find(self.mine, {"_id": 1})
                return sorted({*(row["key"] for row in rows), *(each["_id"] for each in made)})

        return patiently(find)

    def _file(self, file_id: ObjectId) -> Iterator[Undone]:
        made = {"fileId": file_id, **self.mine}
        patiently(lambda: self._recall(made))
        # While the lock is held, nobody moves or rotates messages.
        for name in patiently(_hot):
            for found in _chunks(name, made, after="seq", sized=True):
                yield self._do(_removal_from(name, found), done=len(found), deleted=len(found))
        for found in _chunks(COPIES, made, after="seq"):
            yield self._delete(COPIES, found)
        for found in _chunks(REJECTED, {"jobId": self.job_id, "fileId": file_id}):
            yield self._delete(REJECTED, found)
        for found in _chunks(REJECTED, {"fileId": file_id, "supersededBy": self.job_id}):
            yield self._do(_unsupersede(found), done=len(found))

    def _recall(self, made: Document) -> None:
        """Have those messages in hot again that have left it."""
        with connection.translated():
            # Without a partition outside hot, keys are those of a layout that is not live yet.
            parts = partitions.read_partitions()
            has_left = any(each.tier != Tier.HOT and each.count != 0 for each in parts)
            numbers = sorted(connection.collection(KEYS).distinct("batch", made)) if has_left else []
        for start in range(0, len(numbers), BATCHES_AT_ONCE):
            recalling.recall(numbers[start : start + BATCHES_AT_ONCE], self.job_id)

    def _delete(self, name: str, found: Documents) -> Undone:
        return self._do(_deletion(name, found), done=len(found))

    def _versions(self) -> Iterator[Undone]:
        """What this import set aside: its own is deleted, another's goes back to its conversation."""
        query = {"setAside.jobId": self.job_id}
        for found in _chunks(VERSIONS, query | self.mine):
            yield self._delete(VERSIONS, found)
        for found in _chunks(VERSIONS, query, whole=True):
            yield self._do(_put_back(found), done=len(found), restored=len(found))

    # -------------------------------------------------------------- what has pre-images

    def _kind(self, kind: str) -> Iterator[Undone]:
        """Put back what was there before, then delete what the import made: that alone is still its own."""
        rows = {"jobId": self.job_id, "kind": kind}
        for found in _chunks(UNDO, rows, whole=True):
            yield self._do(self._restoration(kind, found), done=len(found))
        for found in _chunks(COLLECTION_OF[kind], self.mine, after="_id"):
            yield self._do(self._removal(kind, found), done=len(found))

    def _restoration(self, kind: str, rows: Documents) -> Work:
        befores = {row["key"]: row["before"] for row in rows}

        def work(unit: UnitOfWork) -> None:
            if kind == SESSION:
                self._subtract(unit, befores)
            unit[COLLECTION_OF[kind]].bulk_write(
                [ReplaceOne({"_id": key, **self.mine}, before) for key, before in befores.items()],
                session=unit.session,
            )
            _deletion(UNDO, rows)(unit)

        return work

    def _removal(self, kind: str, found: Documents) -> Work:
        def work(unit: UnitOfWork) -> None:
            if kind == SESSION:
                self._subtract(unit, {each["_id"]: None for each in found})
            _deletion(COLLECTION_OF[kind], found)(unit)

        return work

    def _subtract(self, unit: UnitOfWork, befores: dict[Any, RawBSONDocument | None]) -> None:
        """Take what these sessions gained out of their projects' sums."""
        query = {"_id": {"$in": list(befores)}, **self.mine}
        found = unit[SESSIONS].find(query, session=unit.session)
        subtract_sessions(unit, [(befores[now["_id"]], now) for now in found])

    def _projects(self) -> Iterator[Undone]:
        for found in _chunks(UNDO, {"jobId": self.job_id, "kind": PROJECT}, whole=True):
            yield self._do(self._unnaming(found), done=len(found))
        yield self._do(self._drop_projects)

    def _unnaming(self, rows: Documents) -> Work:
        """Give projects their former names back; where a later import renamed one, to its pre-image."""

        def work(unit: UnitOfWork) -> None:
            for row in rows:
                before = row["before"]
                mine = {"_id": row["key"], **self.mine}
                if unit[PROJECTS].update_one(mine, _former(before), session=unit.session).matched_count == 0:
                    later = {"kind": PROJECT, "key": row["key"], "over": self.job_id}
                    renamed = {"$set": {"before": before, "over": row["over"]}}
                    unit[UNDO].update_one(later, renamed, session=unit.session)
            _deletion(UNDO, rows)(unit)

        return work

    def _drop_projects(self, unit: UnitOfWork) -> None:
        """Delete the projects that this import made, or one that was undone before, once nobody else is in
        them; those in use belong to no import from here on."""
        projects, session = unit[PROJECTS], unit.session
        orphaned = {"importId": {"$in": [self.job_id, ""]}}
        projects.delete_many({**orphaned, "stats.sessions": {"$not": {"$gt": 0}}}, session=session)
        projects.update_many(self.mine, {"$set": {"importId": ""}}, session=session)
        later = {"kind": PROJECT, "over": self.job_id}
        disowned = {"$set": {"before.importId": ""}, "$pull": {"over": self.job_id}}
        unit[UNDO].update_many(later, disowned, session=session)
        unused = {"stats.sessions": 0, "stats.messages": 0}
        projects.update_many(unused, {"$unset": {"stats": ""}}, session=session)


def _former(before: RawBSONDocument) -> Document:
    """The update that gives a project the name it had."""
    change: Document = {"$set": {"path": before["path"], "name": before["name"]}}
    if "importId" in before:
        change["$set"]["importId"] = before["importId"]
    else:
        change["$unset"] = {"importId": ""}
    return change


def _hot() -> list[str]:
    return [each.name for each in partitions.find_partitions() if each.tier == Tier.HOT and each.count != 0]


def _removal_from(name: str, found: Documents) -> Work:
    """Delete messages from a hot partition, which then holds so much less."""
    lost = Holding.of((each.get("timestamp"), each["bytes"]) for each in found)

    def work(unit: UnitOfWork) -> None:
        _deletion(name, found)(unit)
        partitions.lose(unit, name, lost)

    return work


def _chunks(
    name: str, query: Document, *, after: str = "", whole: bool = False, sized: bool = False
) -> Iterator[Documents]:
    """The documents that fit the query, some hundred at a time, ``whole`` or their keys alone, or, ``sized``,
    with their times and ``bytes``.

    With ``after``, a key that orders them, each comes once; without, as often as it still fits: its taker
    must see to that.
    """
    sizes = {"timestamp": 1, "bytes": {"$bsonSize": "$$ROOT"}} if sized else {}
    fields = None if whole else {"_id": 1, **({after: 1} if after else {}), **sizes}
    while found := patiently(partial(_fetch, name, query, after, fields)):
        yield found
        if after:
            query = query | {after: {"$gt": found[-1][after]}}


def _fetch(name: str, query: Document, after: str, fields: Document | None) -> Documents:
    cursor = connection.collection(name).with_options(RAW).find(query, fields).limit(MAX_DOCS)
    if after:
        cursor = cursor.sort(after, 1)
    found: Documents = []
    size = 0
    with connection.translated(), cursor:
        for each in cursor:
            found.append(each)
            size += len(each.raw)
            if size >= MAX_BYTES:
                break
    return found


def _deletion(name: str, found: Documents) -> Work:
    ids = [each["_id"] for each in found]

    def work(unit: UnitOfWork) -> None:
        unit[name].bulk_write([DeleteOne({"_id": each}) for each in ids], session=unit.session)

    return work


def _unsupersede(found: Documents) -> Work:
    change = {"$unset": {"superseded": "", "supersededBy": ""}}

    def work(unit: UnitOfWork) -> None:
        unit[REJECTED].bulk_write(
            [UpdateOne({"_id": each["_id"]}, change) for each in found], session=unit.session
        )

    return work


def _put_back(found: Documents) -> Work:
    """Move messages that were set aside back to their conversations."""
    bare = [{name: value for name, value in each.items() if name != "setAside"} for each in found]

    def work(unit: UnitOfWork) -> None:
        unit[MESSAGES].insert_many(bare, session=unit.session)
        _deletion(VERSIONS, found)(unit)

    return work
