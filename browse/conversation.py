"""One conversation, page by page, in the order of its files."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from archive import files, reader
from archive.errors import BadInput, NotFound
from archive.reader import MessageFilter
from browse.rendering import Entry, entries_of, only_spoken

CHUNK = 100
PAGE_LINES = 100
# Prompts and answers are a fifth of the lines: their pages are cut from more of them.
SPOKEN_LINES = 500
FILES_SHOWN = 50


@dataclass(frozen=True, slots=True)
class Thread:
    """One page of entries: its number from 1, of how many."""

    entries: list[Entry]
    number: int
    count: int


@dataclass(frozen=True, slots=True)
class Place:
    """What part of a conversation is asked for: a page, a file's beginning or a message's page."""

    page: str = ""
    file: str = ""
    message: str = ""
    is_spoken: bool = False

    @property
    def lines(self) -> int:
        return SPOKEN_LINES if self.is_spoken else PAGE_LINES


def read(session: Mapping[str, Any], place: Place, paths: Mapping[str, str]) -> Thread:
    """The page that ``place`` names; ``paths`` are the session's files by id.

    Raises ``BadInput`` for a page that is none, ``NotFound`` for a message of another session.
    Memory is one chunk of lines beside the page itself.
    """
    count = max(1, -(-int(session.get("messageCount") or 0) // place.lines))
    number = _page_number(session["sessionId"], place, paths, count)
    first = reader.message_at(session["sessionId"], (number - 1) * place.lines)
    entries = list(_entries(first, place)) if first else []
    return Thread(list(_with_headings(entries, paths)), number, count)


def _page_number(session_id: str, place: Place, paths: Mapping[str, str], count: int) -> int:
    if place.message:
        return reader.count_before(_message(session_id, place.message)) // place.lines + 1
    if place.file:
        return _lines_before_file(session_id, place.file) // place.lines + 1
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


def _lines_before_file(session_id: str, file_id: str) -> int:
    for file in _files(session_id):
        if str(file.id) == file_id:
            first = {"sessionId": session_id, "fileId": file.id, "seq": 0}
            return reader.count_before(first)
    raise NotFound("The file holds nothing of this conversation.")


def _entries(first: Mapping[str, Any], place: Place) -> Iterator[Entry]:
    cursor: str | None = reader.cursor_at(first)
    for _ in range(place.lines // CHUNK):
        page = reader.page_messages(
            MessageFilter(), session_id=first["sessionId"], cursor=cursor, limit=CHUNK
        )
        entries = entries_of(page.items)
        yield from only_spoken(entries) if place.is_spoken else entries
        cursor = page.next
        if cursor is None:
            return


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
    found = list(_files(session_id))
    shown = [(str(file.id), file.path, file.size) for file in found[:FILES_SHOWN]]
    return Files({str(file.id): file.path for file in found}, shown)


def _files(session_id: str) -> Iterator[files.SourceFile]:
    return files.find_files(MessageFilter(session_ids=(session_id,)))


def is_subagent(path: str) -> bool:
    return path.rsplit("/", 1)[-1].startswith("agent-")
