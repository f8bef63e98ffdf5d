"""What an import would find, told within a moment: the beginnings of its files, read as imports read them."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from archive import costs, files
from archive.errors import BadInput
from archive.files import new_file
from archive.forecast import Expected, expect
from archive.records import Message, Rejected, line_of, readable
from imports.formats import AS_FOUND, Choice, Detected, detect, get_format, sample_of
from imports.outcomes import sample_text
from imports.readers.generic import suggest
from imports.readers.lines import Cursor
from imports.readers.sources import Entry, close_containers, list_entries
from imports.readers.suggesting import Suggestion
from imports.reading import Limits, Piece, Reading, read_pieces

SECONDS = 1.2
MAX_RECORDS = 2000
MAX_FILES = 200
MESSAGES_SHOWN = 50
PROBLEMS_SHOWN = 5
TEXT_SHOWN = 2000
MAX_RECORD = 15 * 1024 * 1024
PIECE_DOCS = 50


@dataclass
class Problem:
    """Why records are rejected: how many of those looked at, and the first of them."""

    code: str
    hint: str
    count: int = 0
    records: list[dict[str, Any]] = field(default_factory=list)


@dataclass
class FilePreview:
    """One file: what it is and why, or why it is refused; and what its first records are to the archive.

    ``source`` is the number of the source that it comes from. ``looked_at`` records were read, which are all
    of it where ``is_whole``.
    """

    name: str
    bytes: int
    source: int = 0
    format: str = ""
    label: str = ""
    explanation: str = ""
    refusal: dict[str, str] | None = None
    is_held: bool = False
    looked_at: int = 0
    is_whole: bool = False
    expected: Expected = field(default_factory=Expected)
    messages: list[dict[str, Any]] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    mapping: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Listed:
    """A file to look at: the number of its source, and its SHA-256 where that is known."""

    source: int
    entry: Entry
    sha256: str


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns of the table in the file ``name``, and which field of a message each probably holds."""

    name: str
    suggestion: Suggestion


Look = Callable[[FilePreview, Detected, Entry], None]


@dataclass
class Preview:
    """What was found of all files: how many there are, and the first of them looked at."""

    files: list[FilePreview]
    file_count: int
    passed_over: int
    bytes: int

    @property
    def messages(self) -> list[dict[str, Any]]:
        """The first messages of all files."""
        return [message for each in self.files for message in each.messages][:MESSAGES_SHOWN]

    @property
    def expected(self) -> Expected:
        """What the records that were looked at are to the archive."""
        return sum((each.expected for each in self.files), Expected())

    @property
    def looked_at(self) -> int:
        return sum(each.looked_at for each in self.files)

    @property
    def is_whole(self) -> bool:
        """Whether every record of every file that can be read was looked at."""
        looked_through = all(each.is_whole or each.refusal for each in self.files)
        return len(self.files) == self.file_count and looked_through

    @property
    def formats(self) -> dict[str, int]:
        """How many of the files looked at have each format."""
        return dict(Counter(each.label for each in self.files if each.label))


def preview(sources: Sequence[Mapping[str, Any]], choice: Choice = AS_FOUND) -> Preview:
    """Look at the files of an import that has not begun. Changes nothing; answers within about two seconds
    whatever the files' size. Memory is a few records.

    ``sources`` are those of a job: ``path`` and ``name``, ``sha256`` and ``bytes`` where known. Raises
    ``BadInput`` or ``NotFound`` when nothing can be looked at, ``Unavailable``.
    """
    costs.warm()
    deadline = time.monotonic() + SECONDS

    def look(made: FilePreview, found: Detected, entry: Entry) -> None:
        _look(made, entry, found, deadline)

    return _find(sources, choice, deadline, look)


def list_formats(sources: Sequence[Mapping[str, Any]], choice: Choice = AS_FOUND) -> Preview:
    """What each of the first files is, and why; or why it is refused. The preview without its records."""
    return _find(sources, choice, time.monotonic() + SECONDS)


def find_columns(sources: Sequence[Mapping[str, Any]], choice: Choice = AS_FOUND) -> Columns | None:
    """The columns of the first file that is a table, and what they probably hold; None where there is none.

    A table is what is of a format that needs a mapping; where one is chosen, whatever can be read as it.
    """
    deadline = time.monotonic() + SECONDS
    try:
        for each in _within(_entries(sources)[0], deadline):
            suggestion = _suggested(each.entry, choice)
            if suggestion is not None:
                return Columns(each.entry.label, suggestion)
        return None
    finally:
        close_containers()


def _suggested(entry: Entry, choice: Choice) -> Suggestion | None:
    try:
        is_table = get_format(choice.format).needs_mapping if choice.format else _is_table(entry)
        return suggest(sample_of(entry), choice.format) if is_table else None
    except BadInput:
        return None


def _is_table(entry: Entry) -> bool:
    return detect(entry).format.needs_mapping


def _find(
    sources: Sequence[Mapping[str, Any]], choice: Choice, deadline: float, look: Look | None = None
) -> Preview:
    try:
        entries, passed_over = _entries(sources)
        choice = choice.among(len(entries))
        found = [_file(each, choice, look) for each in _within(entries, deadline)]
    finally:
        close_containers()
    return Preview(found, len(entries), passed_over, sum(each.entry.size for each in entries))


def _entries(sources: Sequence[Mapping[str, Any]]) -> tuple[list[Listed], int]:
    """All entries, each with its SHA-256 where that is known; and how many other files there are."""
    entries: list[Listed] = []
    passed_over = 0
    for number, source in enumerate(sources):
        listing = list_entries(source["path"], source["name"] if source.get("upload") else "")
        known = source.get("sha256", "") if len(listing.entries) == 1 else ""
        entries += [Listed(number, entry, known if not entry.layers else "") for entry in listing.entries]
        passed_over += listing.passed_over
    return entries, passed_over


def _within(entries: list[Listed], deadline: float) -> Iterator[Listed]:
    """The first entries, at least one, while there is time."""
    for number, each in enumerate(entries[:MAX_FILES]):
        if number and time.monotonic() > deadline:
            return
        yield each


def _file(listed: Listed, choice: Choice, look: Look | None) -> FilePreview:
    entry = listed.entry
    made = FilePreview(entry.label, entry.size, listed.source)
    try:
        found = detect(entry, choice)
        made.format, made.label = found.format.name, found.format.label
        made.explanation = found.match.explanation
        made.mapping = found.match.facts.get("mapping", {})
        made.is_held = bool(listed.sha256) and files.whole_file(entry.size, listed.sha256) is not None
        if look:
            look(made, found, entry)
    except BadInput as refusal:
        made.refusal = {"code": refusal.code, "message": refusal.message, "hint": refusal.hint}
    return made


def _look(made: FilePreview, entry: Entry, found: Detected, deadline: float) -> None:
    """Read the file's first records."""
    problems: dict[str, Problem] = {}
    for piece in _pieces(entry, found):
        messages = [item for item in piece.items if isinstance(item, Message)]
        made.expected += expect(messages)
        made.messages += [_shown(each) for each in messages[: MESSAGES_SHOWN - len(made.messages)]]
        for item in piece.items:
            if isinstance(item, Rejected) and item.part == 0:
                _add_problem(problems.setdefault(item.code, Problem(item.code, item.hint)), item)
        made.problems = sorted(problems.values(), key=lambda problem: -problem.count)
        made.looked_at = made.expected.total + sum(problem.count for problem in made.problems)
        if made.looked_at >= MAX_RECORDS or time.monotonic() > deadline:
            return
    made.is_whole = True


def _pieces(entry: Entry, found: Detected) -> Iterator[Piece]:
    context = found.format.start(found.sample, found.match)
    file = new_file(entry.name, found.format.source)
    limits = Limits(MAX_RECORD, PIECE_DOCS)
    form, facts = found.format.name, found.match.facts
    return read_pieces(Reading(entry, file.id, Cursor(), context, 0, "", limits, form, facts))


def _add_problem(problem: Problem, item: Rejected) -> None:
    problem.count += 1
    if len(problem.records) < PROBLEMS_SHOWN:
        told = {"line": line_of(item.seq), "byte": item.start, "reason": item.reason}
        problem.records.append(told | {"sample": sample_text(item.raw)})


def _shown(message: Message) -> dict[str, Any]:
    """A message as a page shows it before it is imported: plain text, cut."""
    document = readable(message)
    text = document.get("text") or ""
    return {
        "line": line_of(message.seq),
        "session": message.session_id,
        "type": document["type"],
        "role": document.get("role", ""),
        "time": message.timestamp,
        "model": document.get("model", ""),
        "text": text[:TEXT_SHOWN],
        "isCut": len(text) > TEXT_SHOWN,
    }
