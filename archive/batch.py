"""What an import writes, counts and checkpoints together. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from bson.objectid import ObjectId

from archive import calls, session_stats
from archive.checkpoints import Position
from archive.conflicts import Settled
from archive.connection import Document
from archive.projects import Project
from archive.records import Message, Rejected
from archive.session_stats import SessionChange

MAX_BATCH_DOCS = 1000
MAX_BATCH_BYTES = 16 * 1024 * 1024
EMPTY_COUNTS = {"seen": 0, "inserted": 0, "duplicates": 0, "updated": 0, "skipped": 0, "rejected": 0}
COUNTED = ("inserted", "duplicates", "updated", "skipped", "rejected")
"""What can become of a record that was seen: exactly one of these."""


@dataclass(slots=True)
class FileMark:
    """One file in a batch. ``held`` is what the archive knows of it once the batch is committed (empty: as
    before), on condition that it holds no more now than the part with the hash ``expected`` (None: nothing).
    ``report`` is what the job says of it; ``known_until`` is the byte up to which an earlier import holds it,
    ``skipped`` how many of its messages were passed over as held. ``reread`` is a range of bytes (None: to
    the end) that was read again: what was rejected there earlier is superseded by this batch. ``place`` is
    where the same bytes were found; another one than the file's own is remembered as a copy. ``new`` is what
    the file is made of (its path and source) if the archive does not hold it yet."""

    file_id: ObjectId
    path: str
    known_until: int = 0
    reread: tuple[int, int | None] | None = None
    skipped: int = 0
    expected: str | None = None
    place: str = ""
    new: Document = field(default_factory=dict)
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
    def of(cls, messages: list[Message], entered: list[Message] | None = None) -> "Additions":
        """Only those that ``entered`` their conversations (None: all) count there; what the others cost was
        paid all the same."""
        lines = (call for message in messages for call in message.calls)
        joined = messages if entered is None else entered
        return cls(session_stats.changes_of(joined), calls.responses_of(lines))


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

    def additions_of(self, settled: Settled) -> Additions:
        """What it adds as things turned out."""
        is_all_new = len(settled.fresh) == len(self.messages) and not settled.skipped
        if self.additions and is_all_new:
            return self.additions
        return Additions.of([message for message, _ in settled.fresh], settled.entered)

    @property
    def is_full(self) -> bool:
        """Whether it must not go on to another file."""
        items = len(self.messages) + len(self.rejected)
        return max(items, len(self.files)) >= self.max_docs or self.size >= MAX_BATCH_BYTES


@dataclass(frozen=True, slots=True)
class RecordError:
    """A message of a batch that the database refused: its index in the batch, the server's code and words."""

    index: int
    code: int
    message: str


RECALL = "recall"


@dataclass(frozen=True, slots=True)
class BatchResult:
    """A committed batch: the job's counts after it, where it ends, and what the database refused of it. With
    ``waits_for`` nothing was written yet: that job holds the archive's lock, or messages have to come back to
    hot first (``RECALL``); ``why`` says for what."""

    counts: dict[str, int]
    position: Position
    refused: tuple[RecordError, ...] = ()
    waits_for: str = ""
    why: str = ""


def counts_by_file(batch: Batch, settled: Settled) -> dict[ObjectId, dict[str, int]]:
    """What became of the batch's records, for each of its files."""
    seen = Counter(message.file_id for message in batch.messages)
    fresh = Counter(message.file_id for message, _ in settled.fresh)
    rejected = Counter(each.file_id for each in batch.rejected if each.part == 0)
    counts = {}
    for file_id, mark in batch.files.items():
        records = seen[file_id] + mark.skipped
        updated, skipped = settled.updates[file_id], settled.skips[file_id]
        counts[file_id] = {
            "seen": records + rejected[file_id],
            "inserted": fresh[file_id] - updated - skipped,
            "duplicates": records - fresh[file_id],
            "updated": updated,
            "skipped": skipped,
            "rejected": rejected[file_id],
        }
        if conflicts := settled.conflicts[file_id]:
            counts[file_id]["conflicts"] = conflicts
    return counts


def add_counts(one: Mapping[str, int], other: Mapping[str, int]) -> dict[str, int]:
    """The sum of two counts, with every name of ``EMPTY_COUNTS``."""
    names = dict.fromkeys((*EMPTY_COUNTS, *one, *other))
    return {name: one.get(name, 0) + other.get(name, 0) for name in names}


def counts_after(before: Mapping[str, int], by_file: Mapping[ObjectId, Mapping[str, int]]) -> dict[str, int]:
    """A job's counts once a batch is counted, too."""
    counts = add_counts(before, {})
    for of_file in by_file.values():
        counts = add_counts(counts, of_file)
    return counts
