"""Files in, committed batches out: the loop that an import is.

``import_batches`` reads from the job's checkpoint to the end; a caller that stops pulling stops the import
between two batches.
"""

from collections import Counter
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any

from archive import checkpoints, costs, import_reports
from archive.bulk import (
    EMPTY_COUNTS,
    MAX_BATCH_DOCS,
    Batch,
    BatchResult,
    BulkWriter,
    FileMark,
    FileMoved,
    write,
)
from archive.conflicts import KEEP_BOTH
from archive.errors import BadInput, Conflict
from archive.files import SourceFile
from archive.forecast import DryRun
from archive.records import FileId
from archive.unit_of_work import patiently
from imports.formats import AS_FOUND, Choice
from imports.lookout import Lookout
from imports.open_files import OpenFile, held_after, open_file, resume_file
from imports.reader_process import ReaderProcess
from imports.readers.sources import Entry, Listing, close_containers, list_entries
from imports.reading import Limits, read_pieces

PIECES_A_BATCH = 4
TRANSCRIPT_ENDINGS = (".jsonl", ".ndjson")
# With the blank space before it and what else is told of it, a longer one would not fit into a document.
MAX_RECORD = 15 * 1024 * 1024

Log = Callable[[str, str], None]


@dataclass(frozen=True, slots=True)
class Source:
    """What to import: a path on the server, and what people call it."""

    path: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """Limits of an import. ``max_record``: the longest record in bytes that becomes a message;
    ``batch_docs``: the most records that are written in one transaction; ``own_process``: from how many bytes
    on the files are read by a process of its own; ``choice``: how they are to be read; ``conflict``: what
    becomes of a message whose session and uuid are taken (``archive.conflicts``); ``dry_run``: count, and
    change nothing."""

    max_record: int = MAX_RECORD
    batch_docs: int = MAX_BATCH_DOCS
    own_process: int = 16 * 1024 * 1024
    choice: Choice = AS_FOUND
    conflict: str = KEEP_BOTH
    dry_run: bool = False

    @property
    def limits(self) -> Limits:
        return Limits(min(self.max_record, MAX_RECORD), max(1, self.batch_docs // PIECES_A_BATCH))


@dataclass(frozen=True, slots=True)
class Step:
    """Where the import stands after a batch: counts and bytes of the whole job so far. ``sessions`` is known
    at the last step."""

    counts: dict[str, int]
    bytes_done: int
    bytes_total: int
    records_done: int
    phase: str = "importing"
    refused_files: int = 0
    sessions: int = 0


def import_batches(
    sources: list[Source], *, job_id: str, token: int, options: ImportOptions, log: Log
) -> Generator[Step]:
    """Import the sources from the job's checkpoint on, yielding a step for each committed batch.

    Exactly once: killed anywhere and called again with a higher token, it ends with the same archive and the
    same counts; a database that is away is waited for. Memory is two batches. Raises ``BadInput`` or
    ``NotFound`` when nothing can be imported, ``ConflictFound`` where the options say so, ``Fenced`` when
    another process took the job over, ``Conflict`` when the import was rolled back.
    """
    listings = [list_entries(source.path, source.name) for source in sources]
    if not listings:
        raise BadInput("Nothing was chosen.", code="nothing_to_import", hint="Choose at least one file.")
    costs.warm()
    checkpoint = patiently(lambda: checkpoints.take(job_id, token))
    try:
        _check_not_undone(checkpoint)
        run = _ImportRun(listings, checkpoint, options, log)
        with closing(run.reader):
            yield from run.steps()
    finally:
        checkpoint.close()
        close_containers()
    yield patiently(run.last_step)


def _check_not_undone(checkpoint: checkpoints.Checkpoint) -> None:
    if "undo" in checkpoint.position:
        raise Conflict(
            "This import was rolled back.", code="rolled_back", hint="Import the files as a new import."
        )


def _entries(listings: list[Listing]) -> list[tuple[int, Entry]]:
    """All entries, each with its source's number; of those that are called the same, the later ones are
    numbered."""
    called: Counter[str] = Counter()
    entries = []
    for index, listing in enumerate(listings):
        for entry in listing.entries:
            called[entry.name] += 1
            entries.append((index, replace(entry, number=called[entry.name])))
    return entries


class _ImportRun:
    """The entries of all sources in order, cut into batches."""

    def __init__(
        self, listings: list[Listing], checkpoint: checkpoints.Checkpoint, options: ImportOptions, log: Log
    ) -> None:
        self.entries = _entries(listings)
        self.checkpoint = checkpoint
        self.options = options
        self.log = log
        self.bytes_total = sum(entry.size for _, entry in self.entries)
        self.reader = ReaderProcess()
        self.has_own_process = self.bytes_total >= options.own_process
        self.read = self.reader.read_pieces if self.has_own_process else read_pieces
        self.refused = 0
        self.waited_for = ""
        self._rewind()
        self._tell_start(sum(listing.passed_over for listing in listings))

    def _rewind(self) -> None:
        """Begin behind the last committed batch."""
        self.position: dict[str, Any] = dict(self.checkpoint.position)
        self.reported = self._reported() if self.position else set()
        self.bytes_before = 0
        self.batch = Batch(max_docs=self.options.batch_docs)
        # Files as this batch will leave them, and the one before, which may be on its way still.
        self.left: dict[FileId, SourceFile] = {}
        self.left_before: dict[FileId, SourceFile] = {}
        entries, choice = [entry for _, entry in self.entries], self.options.choice
        self.lookout = Lookout(entries, choice.among(len(entries)), self.reported, self._pending)

    def _reported(self) -> set[str]:
        """The files this job is done with, whatever came or went in a folder since."""
        return patiently(lambda: import_reports.done_names(self.checkpoint.job_id))

    def _tell_start(self, passed_over: int) -> None:
        if self.position:
            self.log("info", f"Going on after {self.checkpoint.counts.get('seen', 0):,} records.")
            return
        files = "1 file" if len(self.entries) == 1 else f"{len(self.entries):,} files"
        self.log("info", f"{files}, {self.bytes_total:,} bytes.")
        if passed_over:
            self.log("info", f"{passed_over:,} other files are of other kinds and were passed over.")

    def steps(self) -> Iterator[Step]:
        """A step for each committed batch."""
        kind = DryRun if self.options.dry_run else BulkWriter
        writer = kind(self.checkpoint, self.options.conflict)
        while True:
            batches = self.batches()
            try:
                for result in write(batches, writer):
                    self._tell(result)
                    yield self._step(result)
            except FileMoved:
                self.log("info", "Another import took in some of the same files: they are looked at again.")
                batches.close()
                self._rewind()
            else:
                return

    def _tell(self, result: BatchResult) -> None:
        """Log what is out of the ordinary: once that the import waits, each record that MongoDB refused."""
        if result.waits_for and result.waits_for != self.waited_for:
            self.log("warning", f"Waiting: {result.why}.")
        self.waited_for = result.waits_for or self.waited_for
        for error in result.refused:
            self.log("warning", f"MongoDB refused a record: {error.message} (code {error.code})")

    # -------------------------------------------------------------- batches

    def batches(self) -> Generator[Batch]:
        for number, (index, entry) in enumerate(self.entries):
            if entry.label not in self.reported:
                yield from self._entry_batches(number, index, entry)
            self.bytes_before += entry.size
        if self.batch.files or not self.checkpoint.counts:
            yield self._closed()

    def _entry_batches(self, number: int, index: int, entry: Entry) -> Iterator[Batch]:
        """The batches of one file; a file that is refused is reported and passed by."""
        where = {"source": index, "path": entry.tree_path, "name": entry.label}
        found = None
        try:
            found = patiently(lambda: self._opened(entry, where, number))
            if found.file_id in self.batch.files:
                yield self._closed()
            yield from self._read(found, where, number)
        except BadInput as error:
            self._refuse(entry, found, error)
        self.position = {**where, "done": self.bytes_before + entry.size}
        if self.batch.is_full:
            yield self._closed()

    def _refuse(self, entry: Entry, found: OpenFile | FileMark | None, error: BadInput) -> None:
        """Report a file that cannot be taken, or not to its end; what was read of it is kept. Of many files
        those that are of no format and are not called a transcript are passed over: a folder holds such."""
        is_stranger = error.code == "unknown_format" and not entry.inside.endswith(TRANSCRIPT_ENDINGS)
        state = import_reports.PASSED if is_stranger and len(self.entries) > 1 else import_reports.REFUSED
        if state == import_reports.REFUSED:
            self.refused += 1
            self.log("warning", f"{entry.name}: {error.message} {error.hint}")
        if found is None or found.file_id not in self.batch.files:
            patiently(lambda: import_reports.refuse(self.checkpoint.job_id, entry.label, error, state))
        else:
            self.batch.files[found.file_id].report.update(import_reports.refusal(error))

    def _opened(self, entry: Entry, where: dict[str, Any], number: int) -> OpenFile | FileMark:
        if "file" in self.position and all(self.position[key] == where[key] for key in where):
            resumed = resume_file(entry, self.position, is_dry=self.options.dry_run)
            if resumed is not None:
                return resumed
            self.log(
                "warning", f"{entry.name} changed while it was imported: it is read again from its start."
            )
        return open_file(self.lookout.at(number))

    def _pending(self) -> dict[FileId, SourceFile]:
        return self.left_before | self.left

    def _read(self, found: OpenFile | FileMark, where: dict[str, Any], number: int) -> Iterator[Batch]:
        if isinstance(found, FileMark):
            self.batch.files[found.file_id] = found
            return
        is_done = False
        try:
            pieces = found.pieces(self.checkpoint.job_id, self.options.limits, self.read)
            if self.has_own_process:
                self.lookout.ahead(number + 1)  # while another process reads this one
            for piece in pieces:
                # A record that is cut off stands behind the cursor: the batch ends with the file.
                if self.batch.add(piece.items, piece.projects) and not found.cursor.is_cut:
                    self._mark(found, is_done=False)
                    about = {"done": self.bytes_before, "size": found.entry.size}
                    self.position = {**where, **about, **found.position()}
                    yield self._closed()
            is_done = True
        finally:
            # Also after a fault in the middle of a file: what was read of it is kept.
            self._mark(found, is_done=is_done)

    def _mark(self, opened: OpenFile, *, is_done: bool) -> None:
        mark = self.batch.files[opened.file_id] = opened.mark(is_done=is_done)
        if mark.held:
            self.left[opened.file_id] = left = held_after(mark)
            self.lookout.left(left)
        if is_done:
            for warning in mark.report.get("warnings", ()):
                self.log("warning", f"{opened.entry.name}: {warning}")

    def _closed(self) -> Batch:
        """The batch that ends here, and a new one in its place."""
        batch, self.batch = self.batch, Batch(max_docs=self.options.batch_docs)
        batch.position = self.position
        batch.prepare()
        self.left_before, self.left = self.left, {}
        return batch

    # -------------------------------------------------------------- steps

    def _step(self, result: BatchResult) -> Step:
        position = result.position
        # A packed file may be longer than it was thought to be.
        offset = min(position.get("cursor", {}).get("offset", 0), position.get("size", 0))
        done = position.get("done", 0) + offset
        counts = result.counts
        return Step(counts, done, self.bytes_total, counts["seen"], refused_files=self.refused)

    def last_step(self) -> Step:
        """The end of it. Raises ``BadInput`` when every single file was refused."""
        job_id = self.checkpoint.job_id
        refused = import_reports.count_refused(job_id)
        passed = import_reports.count_refused(job_id, import_reports.PASSED)
        if refused + passed == len(self.entries):
            raise self._nothing_imported(refused + passed)
        counts = {**EMPTY_COUNTS, **self.checkpoint.counts}
        sessions = import_reports.count_sessions(job_id)
        return Step(counts, self.bytes_total, self.bytes_total, counts["seen"], "done", refused, sessions)

    def _nothing_imported(self, refused: int) -> BadInput:
        first = import_reports.first_refused(self.checkpoint.job_id) or {}
        reason = first.get("reason", "no file could be read")
        message = (
            reason
            if refused == 1
            else f"None of the {refused:,} files could be imported. The first: {reason}"
        )
        return BadInput(message, code=first.get("code", "nothing_to_import"), hint=first.get("hint", ""))
