"""One conversation, page by page: in the order of its files, or as one version of it."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from archive import files, reader
from archive.errors import BadInput, NotFound
from archive.reader import MessageFilter
from browse import reading
from browse.branches import Version
from browse.reading import AllLines, Grown, Line, Lines
from browse.rendering import Entry, entries_of, only_spoken

PAGE_LINES = 100
# Prompts and answers are a fifth of the lines: their pages are cut from more of them.
SPOKEN_LINES = 500
FILES_SHOWN = 50


@dataclass(frozen=True, slots=True)
class Place:
    """What part of a conversation is asked for: a page, a file's beginning or a message's page.

    Of the current version, of the one through the message ``branch``, or of ``view`` "all"; of view "prompts"
    what was said alone."""

    page: str = ""
    file: str = ""
    message: str = ""
    branch: str = ""
    view: str = ""

    @property
    def is_spoken(self) -> bool:
        return self.view == "prompts"

    @property
    def lines(self) -> int:
        return SPOKEN_LINES if self.is_spoken else PAGE_LINES


@dataclass(frozen=True, slots=True)
class Chosen:
    """The lines that a page is cut from. ``branch`` names a version that is not the current one; ``others``
    counts the lines that are not in the current version."""

    lines: Lines
    grown: Grown | None = None
    version: Version | None = None
    branch: str = ""

    @property
    def others(self) -> int:
        return len(self.grown.files) - len(self.grown.current.ids) if self.grown else 0


@dataclass(frozen=True, slots=True)
class Thread:
    """One page of entries: its number from 1, of how many, and of what."""

    entries: list[Entry]
    number: int
    count: int
    chosen: Chosen
    view: str = ""


def choose(session: Mapping[str, Any], place: Place) -> Chosen:
    """The lines that ``place`` is in: the current version's, unless it is told otherwise or lies elsewhere.

    Raises ``NotFound`` for a branch that is none.
    """
    grown = reading.grown(session)
    everything = Chosen(AllLines(session["sessionId"], int(session.get("messageCount") or 0)), grown)
    if grown is None or place.view == "all":
        return everything
    version = grown.current
    wanted = place.branch or place.message
    if wanted and wanted not in version.ids:
        other = grown.tree.through(wanted)
        if other is None and place.branch:
            raise NotFound("There is no such version of this conversation.")
        version = other or version
    branch = "" if version is grown.current else wanted
    here = Chosen(grown.lines(version), grown, version, branch)
    return here if _holds(here, place) else everything


def _holds(chosen: Chosen, place: Place) -> bool:
    """Whether the message or the file that is asked for is among the lines of the version."""
    ids = chosen.version.ids if chosen.version else ()
    if place.message:
        return place.message in ids
    files_held = {chosen.grown.files[key] for key in ids} if chosen.grown else set()
    return not place.file or place.file in files_held


def read(session: Mapping[str, Any], place: Place, paths: Mapping[str, str]) -> Thread:
    """The page that ``place`` names; ``paths`` are the session's files by id.

    Raises ``BadInput`` for a page that is none, ``NotFound`` for a message of another session.
    Memory is one chunk of lines beside the page itself, and the conversation's tree.
    """
    message = _message(session["sessionId"], place.message) if place.message else None
    chosen = choose(session, place)
    count = max(1, -(-chosen.lines.count // place.lines))
    number = _page_number(chosen.lines, place, message, count)
    entries = _marked(_entries(chosen.lines, (number - 1) * place.lines, place), chosen)
    shows_all = chosen.others and not chosen.version
    view = "prompts" if place.is_spoken else "all" if shows_all else ""
    return Thread(list(_with_headings(entries, paths)), number, count, chosen, view)


def _page_number(lines: Lines, place: Place, message: Line | None, count: int) -> int:
    if message:
        return lines.number_of(message) // place.lines + 1
    if place.file:
        return lines.number_in(place.file) // place.lines + 1
    if not place.page:
        return 1
    if place.page.isascii() and place.page.isdigit() and 1 <= int(place.page[:9]) <= count:
        return int(place.page)
    pages = "one page" if count == 1 else f"the pages 1 to {count}"
    raise BadInput(f"This conversation has {pages}.", hint="Go back and choose one of them.")


def _message(session_id: str, hex_id: str) -> dict[str, Any]:
    message = reader.get_message(hex_id)
    if message["sessionId"] != session_id:
        raise NotFound("The message belongs to another conversation.")
    return message


def _entries(lines: Lines, first: int, place: Place) -> Iterator[Entry]:
    for chunk in lines.chunks(first, place.lines):
        entries = entries_of(chunk)
        yield from only_spoken(entries) if place.is_spoken else entries


def _marked(entries: Iterable[Entry], chosen: Chosen) -> Iterator[Entry]:
    """The entries with the versions that each of them has, or with a mark where all are shown."""
    forks = chosen.version.forks if chosen.version else {}
    current = set(chosen.grown.current.ids) if chosen.grown and not chosen.version else None
    for entry in entries:
        is_other = current is not None and entry.id not in current
        yield replace(entry, fork=forks.get(entry.id), other=is_other)


def _with_headings(entries: Iterable[Entry], paths: Mapping[str, str]) -> Iterator[Entry]:
    """The path of each file over its first entry of the page, where there are several files."""
    last = ""
    for entry in entries:
        is_new = len(paths) > 1 and entry.file != last
        yield replace(entry, heading=paths.get(entry.file, "")) if is_new else entry
        last = entry.file


@dataclass(frozen=True, slots=True)
class Files:
    """The files that a conversation came in: all by id, and the first ones to show."""

    paths: dict[str, str]
    shown: list[tuple[str, str, int]]

    @property
    def count(self) -> int:
        return len(self.paths)

    @property
    def left(self) -> int:
        return len(self.paths) - len(self.shown)

    @property
    def subagents(self) -> int:
        return sum(is_subagent(path) for path in self.paths.values())


def files_of(session_id: str) -> Files:
    """The files that hold lines of a session, by path."""
    found = list(files.find_files(MessageFilter(session_ids=(session_id,))))
    shown = [(str(file.id), file.path, file.size) for file in found[:FILES_SHOWN]]
    return Files({str(file.id): file.path for file in found}, shown)


def is_subagent(path: str) -> bool:
    return path.rsplit("/", 1)[-1].startswith("agent-")
