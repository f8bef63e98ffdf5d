"""One file in the course of an import: opened, read into messages, and accounted for."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from archive import files
from archive.bulk import FileMark
from archive.files import PARSER_VERSION, SourceFile, from_document
from archive.records import FileId
from imports.formats import CLAUDE_CODE, get_format
from imports.lookout import Looked
from imports.messages import Context
from imports.readers.lines import Cursor
from imports.readers.sources import Entry
from imports.reading import Limits, Piece, Reading, hashes_at, read_pieces
from imports.recognise import recognise

Read = Callable[[Reading], Iterator[Piece]]


@dataclass(slots=True)
class OpenFile:
    """A file that is read: from where on (``start``), what an earlier import holds of it (``known_until``,
    ``skipped`` messages were passed over), whether parts with rejected records are read again, the ``place``
    where it is a copy of a file that the archive holds. ``expected``
    is the hash of what the archive holds of it, as far as we know; ``facts`` are what its format has to know
    of it."""

    entry: Entry
    file: SourceFile
    cursor: Cursor
    context: Context
    start: int = 0
    known_until: int = 0
    skipped: int = 0
    reread: bool = False
    place: str = ""
    explanation: str = ""
    format: str = CLAUDE_CODE.name
    facts: dict[str, Any] = field(default_factory=dict)
    expected: str | None = field(init=False)

    def __post_init__(self) -> None:
        self.expected = self.file.held_sha256 or None

    @property
    def file_id(self) -> FileId:
        return self.file.id

    def pieces(self, import_id: str, limits: Limits, read: Read = read_pieces) -> Iterator[Piece]:
        """The messages and rejected records from the cursor to the file's end, in pieces. A process that
        reads begins at once.

        Cursor and context stand behind each piece as it is yielded.
        """
        where = (self.entry, self.file.id, self.cursor, self.context, self.known_until)
        return self._following(read(Reading(*where, import_id, limits, self.format, self.facts)))

    def _following(self, pieces: Iterator[Piece]) -> Iterator[Piece]:
        for piece in pieces:
            self.cursor, self.context = piece.cursor, piece.context
            yield piece

    def mark(self, *, is_done: bool) -> FileMark:
        """Where the file stands now: for the batch that ends here."""
        mark = FileMark(self.file.id, self.entry.label, self.known_until, skipped=self.skipped)
        mark.place = self.place
        if self.file.is_new:
            mark.new = {"path": self.file.path, "source": self.file.source}
        self.skipped = 0
        if self.reread:
            mark.reread = self.start, None if is_done else self.cursor.offset
        if is_done or self.cursor.offset >= self.known_until:
            mark.held, mark.expected = self._held(is_done=is_done), self.expected
            self.expected = mark.held["heldSha256"]
        mark.report = {
            "state": "done" if is_done else "reading",
            "as": self.file.path,
            "bytes": self.entry.size,
            "explanation": self.explanation,
            "format": self.format,
        }
        if is_done and (warnings := get_format(self.format).warnings_of(self.context)):
            mark.report["warnings"] = warnings
        self.start = self.cursor.offset
        return mark

    def _held(self, *, is_done: bool) -> dict[str, Any]:
        cursor = self.cursor
        is_at_line_start = cursor.place == 0 and cursor.part == 0
        held, whole = cursor.hashes()
        return {
            "heldSize": cursor.offset,
            "heldSha256": held,
            "size": cursor.offset + (len(cursor.rest) if is_done else 0),
            "sha256": whole if is_done else held,
            "lines": cursor.line - is_at_line_start,
            "records": cursor.records,
            "rejected": cursor.rejected,
            "lineEnd": "\r\n" if cursor.crlf else "\n",
            "finalNewline": is_at_line_start and not cursor.is_cut,
            "tail": b"" if cursor.is_cut or not is_done else cursor.rest,
            "complete": is_done,
            "parser": PARSER_VERSION,
            "layout": get_format(self.format).layout,
            "cursor": cursor.as_dict(),
            "context": self.context.as_dict(),
        }

    def position(self) -> dict[str, Any]:
        """What a restarted import needs to go on here."""
        return {
            "file": self.file.id,
            "cursor": self.cursor.as_dict(),
            "sha256": self.cursor.hashes()[0],
            "context": self.context.as_dict(),
            "knownUntil": self.known_until,
            "reread": self.reread,
            "explanation": self.explanation,
            "format": self.format,
            "facts": self.facts,
        }


def held_after(mark: FileMark) -> SourceFile:
    """The file as the archive will know it once ``mark`` is committed."""
    return from_document({"_id": mark.file_id, "path": mark.report["as"], **mark.held})


def open_file(looked: Looked) -> OpenFile | FileMark:
    """Find the file's place in the archive: ready to be read, or a mark that all of it is held."""
    entry, form, match = looked.entry, looked.found.format, looked.found.match
    path = looked.held.path
    sample = looked.found.sample
    whole = sample.data if sample.is_whole else None
    known = recognise(entry, form.source, looked.held, whole)
    if known.is_whole:
        return _held_mark(entry, known.file, path)
    opened = OpenFile(entry, known.file, Cursor(), looked.context, known_until=known.known_until)
    opened.reread, opened.explanation = known.file.rejected > 0, match.explanation
    opened.format, opened.facts = form.name, match.facts
    opened.place = path if known.is_same else ""
    if known.digest is not None:
        opened.cursor = Cursor(**known.file.cursor, digest=known.digest)
        opened.context = Context.from_dict(known.file.context)
        opened.start, opened.skipped = opened.cursor.offset, known.file.records
    return opened


def _held_mark(entry: Entry, file: SourceFile, path: str) -> FileMark:
    """All of the file is held: its records count as duplicates without being read."""
    mark = FileMark(file.id, entry.label, skipped=file.records, expected=file.held_sha256, place=path)
    state = "held" if path == file.path else "copy"
    mark.report = {"state": state, "as": file.path, "bytes": entry.size, "explanation": "held already"}
    return mark


def resume_file(entry: Entry, saved: dict[str, Any], *, is_dry: bool = False) -> OpenFile | None:
    """Go on in the middle of a file; None if its beginning is no longer what was read before, or another file
    has taken its place in the archive. A dry run's file need not be in the archive."""
    cursor = Cursor(**saved["cursor"])
    source = files.get_file(saved["file"])
    if source is None and is_dry:
        source = SourceFile(saved["file"], entry.name)
    if source is None:
        return None
    hashes = hashes_at(entry, {cursor.offset, source.held_size})
    if not _is_at(hashes, cursor.offset, saved["sha256"]):
        return None
    if source.held_size and not _is_at(hashes, source.held_size, source.held_sha256):
        return None
    cursor.digest = hashes[cursor.offset].copy()
    opened = OpenFile(entry, source, cursor, Context.from_dict(saved["context"]), cursor.offset)
    opened.known_until = max(saved["knownUntil"], source.held_size)
    opened.reread = saved["reread"] or source.rejected > 0
    opened.explanation, opened.format, opened.facts = saved["explanation"], saved["format"], saved["facts"]
    return opened


def _is_at(hashes: dict[int, Any], size: int, sha256: str) -> bool:
    return size in hashes and hashes[size].hexdigest() == sha256
