"""Knowing a file again: the same file, a copy of one, one that has grown, or a new one."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from archive import files
from archive.files import SourceFile
from archive.records import FileId
from imports.readers.sources import Entry
from imports.reading import hashes_at, length_of


@dataclass(frozen=True, slots=True)
class Held:
    """What the archive holds that a file may be: files of its name, and whether any has its size; ``pending``
    are files that it will hold once what is on its way has been written."""

    path: str
    size: int
    named: list[SourceFile]
    is_size_known: bool
    pending: dict[FileId, SourceFile]

    def after(self, pending: Iterable[SourceFile]) -> "Held":
        """The same, with what has come to be on its way since."""
        return Held(self.path, self.size, self.named, self.is_size_known, self.pending | _by_id(pending))

    def soon_named(self) -> list[SourceFile]:
        """The files of its name as they will be."""
        pending = self.pending.values()
        soon = {each.id: each for each in pending if files.is_named(each.path, self.path)}
        return list((_by_id(self.named) | soon).values())

    def soon_sized(self) -> list[SourceFile]:
        """Those on their way that have its size."""
        return [each for each in self.pending.values() if each.size == self.size]


@dataclass(slots=True)
class Recognised:
    """What a file is to the archive.

    ``is_same``: the archive holds a file of the same bytes; ``is_whole``: and it need not be read. Otherwise
    ``known_until`` is the byte up to which it is held, and ``digest`` is set where reading may begin there
    instead of at the start.
    """

    file: SourceFile
    known_until: int = 0
    is_same: bool = False
    is_whole: bool = False
    digest: Any = None


def _by_id(given: Iterable[SourceFile]) -> dict[FileId, SourceFile]:
    return {each.id: each for each in given}


def look_up(wanted: Sequence[tuple[Entry, str]]) -> list[Held]:
    """Look for files in the archive by their names and sizes, each with the path that it would have there.
    Two queries, however many. Changes nothing."""
    named = files.files_at({path for _, path in wanted})
    sized = [(path, length_of(entry)) for entry, path in wanted]
    known = files.known_sizes({size for path, size in sized if not named[path]})
    return [Held(path, size, named[path], bool(named[path]) or size in known, {}) for path, size in sized]


def recognise(entry: Entry, source: str, held: Held, whole: bytes | None = None) -> Recognised:
    """What the file is to the archive: one that it holds, or a new one. Changes nothing.

    Reads the file once more to hash it (if not all of it is at hand, as ``whole``), but only where one of its
    name or size is held.
    """
    named, sized = held.soon_named(), held.soon_sized()
    known = None
    if named or sized or held.is_size_known:
        hashes = hashes_at(entry, {each.held_size for each in named} | {held.size}, whole)
        known = _known(held.size, hashes, named, sized)
    return known or Recognised(files.new_file(held.path, source, {each.path for each in named}))


def _known(
    size: int, hashes: dict[int, Any], named: list[SourceFile], sized: list[SourceFile]
) -> Recognised | None:
    """What the file is to those of its name and of its size; None where it is a new one."""
    same = next((each for each in [*named, *sized] if _is_same(each, size, hashes)), None)
    if same is None and size in hashes:
        same = files.whole_file(size, hashes[size].hexdigest())
    if same is not None:
        return Recognised(same, same.held_size, is_same=True, is_whole=same.can_skip)
    grown = [each for each in named if _is_beginning(each, hashes)]
    if not grown:
        return None
    best = max(grown, key=lambda each: each.held_size)
    # Of a file that was made known but never written to there is nothing to go on from.
    goes_on = best.can_skip and best.held_size > 0
    return Recognised(best, best.held_size, digest=hashes[best.held_size] if goes_on else None)


def _is_same(file: SourceFile, size: int, hashes: dict[int, Any]) -> bool:
    return file.complete and file.size == size in hashes and file.sha256 == hashes[size].hexdigest()


def _is_beginning(file: SourceFile, hashes: dict[int, Any]) -> bool:
    if file.held_size == 0:
        return not file.complete
    digest = hashes.get(file.held_size)
    return digest is not None and digest.hexdigest() == file.held_sha256
