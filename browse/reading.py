"""The lines of one conversation that a page is cut from: all of them, or those of one version."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from archive import files, reader
from archive.errors import NotFound
from archive.reader import MessageFilter
from browse.blocks import hex_id
from browse.branches import LEAF_FIELDS, Tree, Version, tree_of

CHUNK = 100
# Above this many lines of a conversation its versions are not told apart, and all are shown.
MAX_TREE = 10_000
BRANCHING = ("claude-ai", "chatgpt")
TREE_FIELDS = dict.fromkeys(
    (
        *("sessionId", "fileId", "seq", "type", "uuid", "parentUuid", "timestamp"),
        *(f"record.{leaf}" for leaf in LEAF_FIELDS),
    ),
    1,
)

Line = Mapping[str, Any]


class Lines(Protocol):
    """Lines in an order, with numbers from 0."""

    @property
    def count(self) -> int: ...

    def number_of(self, message: Line) -> int:
        """The number of a message among them."""

    def number_in(self, file_id: str) -> int:
        """The number of the first line of a file. Raises ``NotFound``."""

    def chunks(self, first: int, count: int) -> Iterator[Sequence[Line]]:
        """``count`` lines from ``first`` on, at most ``CHUNK`` of them at once."""


@dataclass(frozen=True, slots=True)
class AllLines:
    """Every line of a session in the order of its files."""

    session_id: str
    count: int

    def number_of(self, message: Line) -> int:
        return reader.count_before(message)

    def number_in(self, file_id: str) -> int:
        for file in files.find_files(MessageFilter(session_ids=(self.session_id,))):
            if str(file.id) == file_id:
                return reader.count_before({"sessionId": self.session_id, "fileId": file.id, "seq": 0})
        raise NotFound("The file holds nothing of this conversation.")

    def chunks(self, first: int, count: int) -> Iterator[Sequence[Line]]:
        start = reader.message_at(self.session_id, first)
        cursor = reader.cursor_at(start) if start else None
        for _ in range(count // CHUNK):
            if cursor is None:
                return
            page = reader.page_messages(
                MessageFilter(), session_id=self.session_id, cursor=cursor, limit=CHUNK
            )
            yield page.items
            cursor = page.next


@dataclass(frozen=True, slots=True)
class VersionLines:
    """The lines of one version, in the order in which they follow each other."""

    version: Version
    files: Mapping[str, str]

    @property
    def count(self) -> int:
        return len(self.version.ids)

    def number_of(self, message: Line) -> int:
        return self.version.ids.index(hex_id(message))

    def number_in(self, file_id: str) -> int:
        for number, key in enumerate(self.version.ids):
            if self.files[key] == file_id:
                return number
        raise NotFound("The file holds nothing of this version of the conversation.")

    def chunks(self, first: int, count: int) -> Iterator[Sequence[Line]]:
        ids = self.version.ids[first : first + count]
        for start in range(0, len(ids), CHUNK):
            yield reader.get_messages(ids[start : start + CHUNK])


@dataclass(frozen=True, slots=True)
class Grown:
    """A conversation's tree and its current version, and the file of each of its lines."""

    tree: Tree
    current: Version
    files: Mapping[str, str]

    def lines(self, version: Version) -> VersionLines:
        return VersionLines(version, self.files)


def grown(session: Mapping[str, Any]) -> Grown | None:
    """The tree of a conversation; None where its source has no versions, or it is too large for one.

    Memory is about a KiB for each of at most ``MAX_TREE`` lines.
    """
    if not may_branch(session) or is_too_large(session):
        return None
    wanted = MessageFilter(session_ids=(session["sessionId"],))
    lines = list(reader.scan_messages(wanted, fields=TREE_FIELDS, batch_size=1000))
    tree = tree_of(lines)
    paths = {hex_id(line): str(line.get("fileId")) for line in lines}
    return Grown(tree, tree.current(), paths)


def may_branch(session: Mapping[str, Any]) -> bool:
    return session.get("source") in BRANCHING


def is_too_large(session: Mapping[str, Any]) -> bool:
    return int(session.get("messageCount") or 0) > MAX_TREE
