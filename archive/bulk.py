"""The buffered, de-duplicating bulk writer: batches of messages in, exactly once, one transaction each.

A batch's transaction holds its new messages, their sessions, projects and API calls, the files' new
lengths, the rejected records, one event, and the job's checkpoint. Killed anywhere, a batch is either
all there with the position after it, or not there at all with the position before it.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from bson.int64 import Int64
from bson.objectid import ObjectId
from bson.raw_bson import RawBSONDocument
from pymongo import ReplaceOne, UpdateOne

from archive import calls, connection, events, session_stats
from archive.checkpoints import AlreadyWritten, Checkpoint, Position
from archive.collections import FILES, IMPORT_FILES, MESSAGES, REJECTED
from archive.connection import Document
from archive.copies import Copy, Resolver, record_copies
from archive.errors import Conflict
from archive.projects import Project
from archive.records import Message, Rejected, encode, long, with_identity
from archive.session_stats import SessionChange
from archive.unit_of_work import UnitOfWork

MAX_BATCH_DOCS = 1000
MAX_BATCH_BYTES = 16 * 1024 * 1024
EMPTY_COUNTS = {"seen": 0, "inserted": 0, "duplicates": 0, "updated": 0, "skipped": 0, "rejected": 0}


class FileMoved(Conflict):
    """Another import has taken in more of a file than this one knew of: look at the file again."""

    code = "file_moved"


@dataclass(slots=True)
class FileMark:
    """One file in a batch. ``held`` is what the archive knows of it once the batch is committed (empty: as
    before), on condition that it holds no more now than the part with the hash ``expected`` (None: nothing).
    ``report`` is what the job says of it; ``known_until`` is the byte up to which an earlier import holds it,
    ``skipped`` how many of its messages were passed over as held. ``reread`` is a range of bytes (None: to
    the end) that was read again: what was rejected there earlier is superseded by this batch."""

    file_id: ObjectId
    path: str
    known_until: int = 0
    reread: tuple[int, int | None] | None = None
    skipped: int = 0
    expected: str | None = None
    held: Document = field(default_factory=dict)
    report: Document = field(default_factory=dict)

    @property
    def trusted_until(self) -> int:
        """Up to where every record has its place in the archive. Where some were rejected, each is looked up:
        it may have become readable since."""
        return 0 if self.reread else self.known_until


@dataclass(frozen=True, slots=True)
class Additions:
    """What some new messages add to their sessions, and the API responses they tell of."""

    sessions: dict[str, SessionChange]
    responses: dict[str, Document]

    @classmethod
    def of(cls, messages: list[Message]) -> "Additions":
        lines = (call for message in messages for call in message.calls)
        return cls(session_stats.changes_of(messages), calls.responses_of(lines))


@dataclass(slots=True)
class Batch:
    """What is written, counted and checkpointed together: at most ``max_docs`` records or files."""

    messages: list[Message] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)
    files: dict[ObjectId, FileMark] = field(default_factory=dict)
    projects: dict[str, Project] = field(default_factory=dict)
    size: int = 0
    position: Position = field(default_factory=dict)
    additions: Additions | None = None
    max_docs: int = MAX_BATCH_DOCS

    def add(self, items: Iterable[Message | Rejected], found_projects: Mapping[str, Project]) -> bool:
        """Take more items, and the projects they belong to; whether the batch is full now."""
        for item in items:
            if isinstance(item, Message):
                self.messages.append(item)
            else:
                self.rejected.append(item)
            self.size += item.weight
        self.projects.update(found_projects)
        return self.is_full

    def prepare(self) -> None:
        """Work out beforehand what the batch adds if all of it is new, to keep the transaction short."""
        if self.messages and self.messages[-1].encoded:
            self.additions = Additions.of(self.messages)

    @property
    def is_full(self) -> bool:
        """Whether it must not go on to another file."""
        items = len(self.messages) + len(self.rejected)
        return max(items, len(self.files)) >= self.max_docs or self.size >= MAX_BATCH_BYTES


@dataclass(frozen=True, slots=True)
class BatchResult:
    """A committed batch: the job's counts after it, and where it ends."""

    counts: dict[str, int]
    position: Position


class BulkWriter:
    """Writes a job's batches, one after the other, under its checkpoint."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        self.checkpoint = checkpoint
        self.known_projects: set[Project] = set()

    def commit(self, batch: Batch) -> BatchResult:
        """Write one batch in one transaction. Raises ``Fenced``, ``FileMoved``, ``Unavailable``,
        ``OutOfSpace``."""
        try:
            with connection.translated():
                counts = self.checkpoint.transactions.run(lambda unit: self._write(unit, batch))
        except AlreadyWritten as earlier:
            counts = earlier.counts
        self.checkpoint.saved(batch.position, counts)
        self.known_projects.update(batch.projects.values())
        return BatchResult(counts, batch.position)

    def _write(self, unit: UnitOfWork, batch: Batch) -> dict[str, int]:
        found = _found(unit, [message.key for message in batch.messages])
        resolver = Resolver(unit, {mark.file_id: mark.trusted_until for mark in batch.files.values()})
        fresh, copies = resolver.resolve(batch.messages, found)
        by_file = counts_by_file(batch, fresh)
        counts = self._counted(by_file)
        # First of all: a holder that was taken over must learn of that, and of nothing else.
        self.checkpoint.save(unit, batch.position, counts)
        _supersede(unit, batch)
        if fresh or copies or batch.rejected:
            self._write_changes(unit, batch, fresh, copies)
        _record_files(unit, batch, self.checkpoint.job_id, by_file)
        return counts

    def _write_changes(
        self, unit: UnitOfWork, batch: Batch, fresh: list[tuple[Message, bytes]], copies: list[Copy]
    ) -> None:
        position = events.next_position(unit)
        _insert(unit, fresh)
        record_copies(unit, copies)
        _record_rejected(unit, batch.rejected, self.checkpoint.job_id)
        sessions = self._record_sessions(unit, batch, [message for message, _ in fresh], copies)
        facts = {"jobId": self.checkpoint.job_id, "inserted": len(fresh), "sessionIds": sessions}
        events.append(unit, position, "messages.imported", **facts)

    def _record_sessions(
        self, unit: UnitOfWork, batch: Batch, fresh: list[Message], copies: list[Copy]
    ) -> list[str]:
        session_stats.record_projects(unit, set(batch.projects.values()) - self.known_projects)
        are_all = len(fresh) == len(batch.messages)
        additions = batch.additions if batch.additions and are_all else Additions.of(fresh)
        changes = {session_id: change.anew() for session_id, change in additions.sessions.items()}
        for copy in copies:
            changes.setdefault(copy.session_id, SessionChange(copy.session_id)).file_ids.add(copy.file_id)
        for session_id, totals in calls.record_calls(unit, additions.responses).items():
            changes.setdefault(session_id, SessionChange(session_id)).totals = totals
        session_stats.record_changes(unit, changes)
        return list(changes)

    def _counted(self, by_file: dict[ObjectId, dict[str, int]]) -> dict[str, int]:
        counts = add_counts(self.checkpoint.counts, {})
        for step in by_file.values():
            counts = add_counts(counts, step)
        return counts


def counts_by_file(batch: Batch, fresh: list[tuple[Message, bytes]]) -> dict[ObjectId, dict[str, int]]:
    """What became of the batch's records, for each of its files."""
    seen = Counter(message.file_id for message in batch.messages)
    inserted = Counter(message.file_id for message, _ in fresh)
    rejected = Counter(each.file_id for each in batch.rejected if each.part == 0)
    counts = {}
    for file_id, mark in batch.files.items():
        records = seen[file_id] + mark.skipped
        counts[file_id] = {
            **EMPTY_COUNTS,
            "seen": records + rejected[file_id],
            "inserted": inserted[file_id],
            "duplicates": records - inserted[file_id],
            "rejected": rejected[file_id],
        }
    return counts


def add_counts(one: Mapping[str, int], other: Mapping[str, int]) -> dict[str, int]:
    """The sum of two counts, with every name of ``EMPTY_COUNTS``."""
    return {name: one.get(name, 0) + other.get(name, 0) for name in EMPTY_COUNTS}


def write(batches: Iterable[Batch], writer: BulkWriter) -> Iterator[BatchResult]:
    """Write the batches, yielding each committed one in order.

    One batch is on its way to the server while the next is built, so memory is two batches whatever
    their number.
    """
    with ThreadPoolExecutor(1, "bulk-writer") as pool:
        pending: Future[BatchResult] | None = None
        for batch in batches:
            if pending is not None:
                yield pending.result()
            pending = pool.submit(writer.commit, batch)
        if pending is not None:
            yield pending.result()


def _found(unit: UnitOfWork, keys: list[bytes]) -> set[bytes]:
    cursor = unit[MESSAGES].find(
        {"_id": {"$in": keys}}, {"_id": 1}, session=unit.session, batch_size=MAX_BATCH_DOCS
    )
    return {each["_id"] for each in cursor}


def _insert(unit: UnitOfWork, fresh: list[tuple[Message, bytes]]) -> None:
    """Insert the messages, each under the identity found for it (another one than its key when repeated)."""
    if not fresh:
        return
    documents = [
        RawBSONDocument(
            encode(message) if identity == message.key else with_identity(encode(message), identity)
        )
        for message, identity in fresh
    ]
    unit[MESSAGES].insert_many(documents, session=unit.session)


def _record_rejected(unit: UnitOfWork, rejected: list[Rejected], job_id: str) -> None:
    if not rejected:
        return
    writes = [
        ReplaceOne({"_id": f"{job_id}:{each.file_id}:{each.seq}:{each.part}"}, fields, upsert=True)
        for each in rejected
        for fields in [_rejected_document(each, job_id)]
    ]
    unit[REJECTED].bulk_write(writes, session=unit.session)


def _rejected_document(each: Rejected, job_id: str) -> dict[str, Any]:
    return {
        "jobId": job_id,
        "fileId": each.file_id,
        "seq": long(each.seq),
        "part": each.part,
        "byte": long(each.start),
        "end": long(each.end),
        "code": each.code,
        "reason": each.reason,
        "hint": each.hint,
        "raw": each.raw,
    }


def _record_files(
    unit: UnitOfWork, batch: Batch, job_id: str, counts: dict[ObjectId, dict[str, int]]
) -> None:
    """Write how far each file is held, and how this job fared with it. Raises ``FileMoved``."""
    now = datetime.now(UTC)
    held: list[UpdateOne] = []
    reports: list[UpdateOne] = []
    for mark in batch.files.values():
        if mark.held:
            seen = {"_id": mark.file_id, "heldSha256": mark.expected}
            held.append(UpdateOne(seen, {"$set": {**mark.held, "updatedAt": now, "importId": job_id}}))
        report = {"$set": {"fileId": mark.file_id, **mark.report}, "$inc": _increments(counts[mark.file_id])}
        reports.append(UpdateOne({"jobId": job_id, "path": mark.path}, report, upsert=True))
    if held and unit[FILES].bulk_write(held, session=unit.session).matched_count < len(held):
        raise FileMoved("Another import holds more of a file.", hint="It is looked at again.")
    if reports:
        unit[IMPORT_FILES].bulk_write(reports, session=unit.session)


def _increments(counts: Mapping[str, int]) -> dict[str, Int64]:
    return {f"counts.{name}": long(value) for name, value in counts.items()}


def _supersede(unit: UnitOfWork, batch: Batch) -> None:
    """Mark what was rejected before in the parts that were read again: the file has it no longer, or this
    batch rejects it again."""
    for mark in batch.files.values():
        if mark.reread is not None:
            start, end = mark.reread
            read_again = {"$gte": start} if end is None else {"$gte": start, "$lt": end}
            unit[REJECTED].update_many(
                {"fileId": mark.file_id, "byte": read_again},
                {"$set": {"superseded": True}},
                session=unit.session,
            )
