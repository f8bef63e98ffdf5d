"""What an import would do, without doing it: the look-ups of the bulk writer, and none of its writes."""

from dataclasses import dataclass, field

from bson.objectid import ObjectId

from archive import conflicts, connection, file_writes
from archive.batch import Batch, BatchResult, counts_after, counts_by_file
from archive.bulk import BulkWriter, resolved
from archive.copies import find_known
from archive.records import Message
from archive.unit_of_work import Transactions, UnitOfWork

# Of so many messages a dry run remembers in which file it met them, in some 30 MB.
REMEMBERED = 200_000


@dataclass(frozen=True, slots=True)
class Expected:
    """What some messages are to the archive as it is now."""

    new: int = 0
    known: int = 0
    conflicts: int = 0

    @property
    def total(self) -> int:
        return self.new + self.known

    def __add__(self, other: "Expected") -> "Expected":
        return Expected(self.new + other.new, self.known + other.known, self.conflicts + other.conflicts)


def expect(messages: list[Message]) -> Expected:
    """How many of these messages are new, how many are held, and how many of the new ones have a session and
    uuid that others hold with other content. Reads only. Raises ``Unavailable``."""
    if not messages:
        return Expected()
    with connection.translated():
        transactions = Transactions()
        try:
            return transactions.run(lambda unit: _expected(unit, messages))
        finally:
            transactions.close()


def _expected(unit: UnitOfWork, messages: list[Message]) -> Expected:
    found = find_known(unit, messages)
    fresh = [(message, message.key) for message in messages if message.key not in found]
    settled = conflicts.settle(unit, messages, fresh, conflicts.KEEP_BOTH)
    unit.check_names()
    return Expected(len(fresh), len(messages) - len(fresh), settled.conflicts.total())


@dataclass(slots=True)
class DryRun(BulkWriter):
    """Counts batches as the bulk writer would, keeps the job's checkpoint, its reports and what it would
    reject, and changes nothing else.

    Exact but for two things, which the import that follows tells: records that stand in two of its new files
    are known for the first ones only, and a record that is held elsewhere and stands several times in one new
    file may be counted once too few.
    """

    met: dict[bytes, ObjectId] = field(default_factory=dict)

    def _write(self, unit: UnitOfWork, batch: Batch) -> dict[str, int]:
        fresh, _ = resolved(unit, batch)
        fresh = [each for each in fresh if not self._is_elsewhere(each[0])]
        settled = conflicts.settle(unit, batch.messages, fresh, self.conflict)
        unit.check_names()
        by_file = counts_by_file(batch, settled)
        counts = counts_after(self.checkpoint.counts, by_file)
        self.checkpoint.save(unit, batch.position, counts)
        if settled.unsettled:
            raise conflicts.ConflictFound(settled.unsettled, batch.files[settled.unsettled.file_id].path)
        file_writes.record_rejected(unit, batch.rejected, self.checkpoint.job_id, _paths(batch))
        file_writes.record_reports(unit, batch, self.checkpoint.job_id, by_file)
        return counts

    def commit(self, batch: Batch) -> BatchResult:
        result = BulkWriter.commit(self, batch)
        for message in batch.messages[: max(0, REMEMBERED - len(self.met))]:
            self.met.setdefault(message.key, message.file_id)
        return result

    def _is_elsewhere(self, message: Message) -> bool:
        """Whether another file of this import holds it: there it will be stored, and be a copy here."""
        return self.met.get(message.key, message.file_id) != message.file_id


def _paths(batch: Batch) -> dict[ObjectId, str]:
    """A dry run's files may not be known to the archive: their rejected records tell the name themselves."""
    return {file_id: mark.path for file_id, mark in batch.files.items()}
