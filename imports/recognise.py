"""Knowing a file again: the same file, a copy of one, one that has grown, or a new one."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from archive import files
from archive.files import SourceFile
from archive.records import FileId
from imports.readers.sources import Entry
from imports.reading import hashes_at, length_of


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


def recognise(
    entry: Entry, path: str, source: str, job_id: str = "", pending: Iterable[SourceFile] = ()
) -> Recognised:
    """Find the file in the archive or make a new one at ``path``, for good only where a job is named.

    ``pending`` are files as they will be held when what is on its way has been written. Reads the file once
    more to hash it, but only where one of its name or size is held.
    """
    soon = {each.id: each for each in pending}
    while True:
        named = [soon.get(each.id, each) for each in files.files_at(path)]
        known = _known(entry, named, soon)
        if known is not None:
            return known
        if not job_id:
            return Recognised(files.planned_file(path, source))
        if made := files.create_file(path, source, {each.path for each in named}, job_id):
            return Recognised(made)


def _known(entry: Entry, named: list[SourceFile], soon: dict[FileId, SourceFile]) -> Recognised | None:
    """What the file is to those of its name and of its size; None where it is a new one."""
    size = length_of(entry)
    sized = [each for each in soon.values() if each.size == size]
    if not (named or sized or files.is_size_known(size)):
        return None
    hashes = hashes_at(entry, {each.held_size for each in named} | {size})
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
