"""The buffered, de-duplicating bulk writer: batches of messages in, exactly once, one transaction each.

A batch's transaction holds its new messages, their sessions, projects and API calls, the files' new
lengths, the rejected records, what all that was before, one event, and the job's checkpoint. Killed
anywhere, a batch is either all there with the position after it, or not there at all with the position
before it.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from threading import Event
from typing import Any

from bson.objectid import ObjectId
from bson.raw_bson import RawBSONDocument
from pymongo.errors import BulkWriteError

from archive import calls, conflicts, connection, events, file_writes, locks, recalling, session_stats
from archive.batch import (
    EMPTY_COUNTS,
    MAX_BATCH_BYTES,
    MAX_BATCH_DOCS,
    RECALL,
    Additions,
    Batch,
    BatchResult,
    FileMark,
    RecordError,
    add_counts,
    counts_after,
    counts_by_file,
)
from archive.checkpoints import AlreadyWritten, Checkpoint
from archive.collections import MESSAGES
from archive.conflicts import ConflictFound, Fresh, Settled
from archive.connection import Document
from archive.copies import Copy, Resolver, find_known, record_copies
from archive.file_writes import FileMoved
from archive.locks import Locked
from archive.preimages import PreImages
from archive.recalling import NeedsRecall
from archive.records import Message, Rejected, encode, exact_bytes, with_identity
from archive.session_stats import SessionChange
from archive.unit_of_work import UnitOfWork, is_duplicate_key

__all__ = [
    "EMPTY_COUNTS",
    "MAX_BATCH_BYTES",
    "MAX_BATCH_DOCS",
    "Additions",
    "Batch",
    "BatchResult",
    "BulkWriter",
    "FileMark",
    "FileMoved",
    "RecordError",
    "add_counts",
    "write",
]

WAIT_SECONDS = 1.0
REFUSED_HINT = "Ask your administrator: the collection has a rule that this record breaks. It is kept."


class RefusedByDatabase(Exception):
    """The server takes a batch but for this message of it."""

    def __init__(self, message: Message, code: int, words: str) -> None:
        super().__init__(words)
        self.message, self.code, self.words = message, code, words


@dataclass
class _Changes:
    """What one try of a batch's transaction writes; ``files`` are as they are now."""

    batch: Batch
    files: dict[ObjectId, Document]
    settled: Settled
    copies: list[Copy]
    before: PreImages

    def marks(self) -> list[FileMark]:
        """Those files of which the archive will hold another part, or anything else than now."""
        of_messages = {message.file_id for message, _ in self.settled.fresh}
        of_copies = {copy.file_id for copy in self.copies}
        changed = of_messages | of_copies | {each.file_id for each in self.batch.rejected}
        return [
            mark
            for mark in self.batch.files.values()
            if mark.held
            or mark.reread
            or mark.file_id in changed
            or file_writes.is_new_copy(mark, self.files[mark.file_id])
        ]


@dataclass
class BulkWriter:
    """Writes a job's batches, one after the other, under its checkpoint. ``conflict`` is what becomes of a
    message whose session and uuid are taken (``archive.conflicts``). Once ``stopped`` is set, by any thread,
    it waits no longer for messages that have to come back to hot."""

    checkpoint: Checkpoint
    conflict: str = conflicts.KEEP_BOTH
    refused: Counter[ObjectId] = field(default_factory=Counter)
    stopped: Event = field(default_factory=Event)
    recalls: int = 0

    def commit(self, batch: Batch) -> BatchResult:
        """Write one batch in one transaction. What the database refuses of it becomes rejected records.

        Raises ``Fenced``, ``FileMoved``, ``ConflictFound``, ``Unavailable``, ``OutOfSpace``, and
        ``Locked`` when it has waited a moment for that in vain: try again; ``Stopped``.
        """
        errors: list[RecordError] = []
        given = batch.messages
        _correct(batch, self.refused)
        while True:
            try:
                counts = self._commit(batch)
            except RefusedByDatabase as refusal:
                self._reject(batch, refusal)
                index = next(number for number, each in enumerate(given) if each is refusal.message)
                errors.append(RecordError(index, refusal.code, refusal.words))
            except NeedsRecall as need:
                self._recall(need.numbers)
            except Locked:
                if not locks.is_free_within(WAIT_SECONDS):
                    raise
            else:
                self.checkpoint.saved(batch.position, counts)
                return BatchResult(counts, batch.position, tuple(errors))

    def waiting(self, reason: Locked) -> BatchResult:
        """Where the job stands while it waits for a roll back, or a rotation."""
        counts = add_counts(self.checkpoint.counts, {})
        return BatchResult(counts, self.checkpoint.position, waits_for=reason.job_id, why=reason.why)

    def _recall(self, numbers: tuple[int, ...]) -> None:
        self.recalls = len(numbers)
        try:
            recalling.recall(numbers, is_stopped=self.stopped.is_set)
        finally:
            self.recalls = 0

    def recall_under_way(self) -> BatchResult | None:
        """Where the job stands while messages come back to hot before it can write; None while none do."""
        if not (number := self.recalls):
            return None
        counts = add_counts(self.checkpoint.counts, {})
        batches = "1 batch" if number == 1 else f"{number:,} batches"
        why = f"{batches} of older messages that change must come back to hot first"
        return BatchResult(counts, self.checkpoint.position, waits_for=RECALL, why=why)

    def _commit(self, batch: Batch) -> dict[str, int]:
        try:
            with connection.translated():
                return self.checkpoint.transactions.run(lambda unit: self._write(unit, batch))
        except AlreadyWritten as earlier:
            return earlier.counts

    def _write(self, unit: UnitOfWork, batch: Batch) -> dict[str, int]:
        if batch.additions:
            events.take_turn(unit)
        fresh, copies = resolved(unit, batch)
        settled = conflicts.settle(unit, batch.messages, fresh, self.conflict)
        by_file = counts_by_file(batch, settled)
        counts = counts_after(self.checkpoint.counts, by_file)
        # First of all: a holder that was taken over must learn of that, and of nothing else.
        self.checkpoint.save(unit, batch.position, counts)
        files = file_writes.find_files(unit, batch, self.checkpoint.job_id)
        if settled.unsettled:
            raise ConflictFound(settled.unsettled, batch.files[settled.unsettled.file_id].path)
        if settled.elsewhere:
            raise NeedsRecall(settled.elsewhere)
        changes = _Changes(batch, files, settled, copies, PreImages(self.checkpoint.job_id))
        if marks := changes.marks():
            self._write_changes(unit, changes)
            file_writes.record_files(unit, files, marks, changes.before)
            changes.before.write(unit)
        file_writes.record_reports(unit, batch, self.checkpoint.job_id, by_file)
        return counts

    def _write_changes(self, unit: UnitOfWork, changes: _Changes) -> None:
        job_id, settled = self.checkpoint.job_id, changes.settled
        position = events.next_position(unit, job_id)
        file_writes.supersede(unit, changes.batch, job_id)
        _insert(unit, settled.stored)
        gone = conflicts.record_versions(unit, settled, job_id, self.conflict)
        record_copies(unit, changes.copies, job_id)
        file_writes.record_rejected(unit, changes.batch.rejected, job_id)
        sessions = _record_sessions(unit, changes, gone)
        figures = {
            "inserted": len(settled.fresh) - settled.updates.total() - settled.skips.total(),
            "updated": settled.updates.total(),
            "replaced": len(gone) + len(settled.left),
        }
        events.append(unit, position, "messages.imported", jobId=job_id, sessionIds=sessions, **figures)

    def _reject(self, batch: Batch, refusal: RefusedByDatabase) -> None:
        """Turn a message that the database refused into a rejected record."""
        batch.rejected.append(_rejected(refusal.message, refusal))
        batch.messages = [each for each in batch.messages if each is not refusal.message]
        batch.additions = None
        one = Counter({refusal.message.file_id: 1})
        _correct(batch, one)
        self.refused += one


def write(batches: Iterable[Batch], writer: BulkWriter) -> Iterator[BatchResult]:
    """Write the batches, yielding each committed one in order; while it waits for the archive's lock, or for
    messages that come back to hot, every second or so one that says so.

    One batch is on its way to the server while the next is built, so memory is two batches whatever
    their number.
    """
    writer.stopped.clear()
    with ThreadPoolExecutor(1, "bulk-writer") as pool:
        pending: tuple[Batch, Future[BatchResult]] | None = None
        try:
            for batch in batches:
                if pending is not None:
                    yield from _results(pool, writer, *pending)
                pending = batch, pool.submit(writer.commit, batch)
            if pending is not None:
                yield from _results(pool, writer, *pending)
        finally:
            # Whoever stops pulling does not wait for a recall to end.
            writer.stopped.set()


def _results(
    pool: ThreadPoolExecutor, writer: BulkWriter, batch: Batch, pending: Future[BatchResult]
) -> Iterator[BatchResult]:
    while True:
        while not wait([pending], WAIT_SECONDS).done:
            if (under_way := writer.recall_under_way()) is not None:
                yield under_way
        result = _outcome(writer, pending)
        yield result
        if not result.waits_for:
            return
        pending = pool.submit(writer.commit, batch)


def _outcome(writer: BulkWriter, pending: Future[BatchResult]) -> BatchResult:
    try:
        return pending.result()
    except Locked as reason:
        return writer.waiting(reason)


def resolved(unit: UnitOfWork, batch: Batch) -> tuple[Fresh, list[Copy]]:
    """Which of a batch's messages are new, each with its identity, and which are copies. Reads only."""
    found = find_known(unit, batch.messages)
    resolver = Resolver(unit, {mark.file_id: mark.trusted_until for mark in batch.files.values()})
    return resolver.resolve(batch.messages, found)


def _insert(unit: UnitOfWork, stored: Fresh) -> None:
    """Insert the messages, each under the identity found for it (another one than its key when repeated).

    Raises ``RefusedByDatabase`` for the first that the server does not take.
    """
    if not stored:
        return
    documents = [
        RawBSONDocument(
            encode(message) if identity == message.key else with_identity(encode(message), identity)
        )
        for message, identity in stored
    ]
    try:
        unit[MESSAGES].insert_many(documents, session=unit.session)
    except BulkWriteError as error:
        refused = (error.details or {}).get("writeErrors", [])
        if not refused or is_duplicate_key(error) or connection.is_transient(error):
            raise
        message, _ = stored[refused[0]["index"]]
        raise RefusedByDatabase(message, refused[0]["code"], refused[0]["errmsg"]) from error


def _record_sessions(unit: UnitOfWork, changes: _Changes, gone: list[tuple[str, bool]]) -> list[str]:
    """Bring projects, API responses and sessions up to date; the ids of the sessions."""
    batch, settled, before = changes.batch, changes.settled, changes.before
    of_fresh = {message.project_id for message, _ in settled.fresh}
    projects = [project for project in batch.projects.values() if project.id in of_fresh]
    session_stats.record_projects(unit, projects, before)
    additions = batch.additions_of(settled)
    made = {session_id: change.anew() for session_id, change in additions.sessions.items()}
    for session_id, file_id in _places(changes):
        made.setdefault(session_id, SessionChange(session_id)).file_ids.add(file_id)
    replaced = [(message.session_id, message.is_prompt) for message in settled.left]
    for session_id, is_prompt in [*gone, *replaced]:
        made[session_id].messages -= 1
        made[session_id].prompts -= is_prompt
    for session_id, totals in calls.record_calls(unit, additions.responses, before).items():
        made.setdefault(session_id, SessionChange(session_id)).totals = totals
    session_stats.record_changes(unit, made, before)
    return list(made)


def _places(changes: _Changes) -> Iterator[tuple[str, ObjectId]]:
    """Files in which sessions stand without a message of theirs: with copies, and with what was set aside."""
    for copy in changes.copies:
        yield copy.session_id, copy.file_id
    for message, _, _ in changes.settled.set_aside:
        yield message.session_id, message.file_id


def _rejected(message: Message, refusal: RefusedByDatabase) -> Rejected:
    reason = f"the database refuses it: {refusal.words} (code {refusal.code})"
    start, raw = message.end - message.size, exact_bytes(message)
    place = (message.file_id, message.seq, start, message.end)
    return Rejected(*place, "refused_by_database", reason, REFUSED_HINT, raw)


def _correct(batch: Batch, refused: Counter[ObjectId]) -> None:
    """Have the batch's files and its position count as rejected what the reader took for good."""
    for mark in batch.files.values():
        if refused[mark.file_id] and mark.held:
            held = _corrected(mark.held, refused[mark.file_id])
            mark.held = held | {"cursor": _corrected(held["cursor"], refused[mark.file_id])}
    number = refused[batch.position.get("file", "")]
    if number:
        cursor = _corrected(batch.position["cursor"], number)
        batch.position = batch.position | {"cursor": cursor}


def _corrected(counted: dict[str, Any], number: int) -> dict[str, Any]:
    return counted | {"records": counted["records"] - number, "rejected": counted["rejected"] + number}
