"""Files that are whole or not there: written beside their place, then renamed into it."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from archive.errors import BadInput, OutOfSpace

RESERVE_BYTES = 256 * 1024**2
"""Left free whatever we write: a database on the same disk stops at the last byte."""
CHECK_EVERY_BYTES = 64 * 1024**2

NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT})


@dataclass(frozen=True)
class WrittenFile:
    """A file that is complete and on the disk."""

    path: Path
    bytes: int
    sha256: str


def nearest_folder(path: Path) -> Path:
    """The folder, or the one above it that is there already."""
    return next(each for each in (path, *path.parents) if each.is_dir())


def has_room(folder: Path, wanted: int) -> bool:
    """Whether ``wanted`` bytes fit beside the reserve."""
    return shutil.disk_usage(folder).free >= wanted + RESERVE_BYTES


def require_room(folder: Path, wanted: int = 0) -> None:
    """Raise OutOfSpace unless ``wanted`` bytes fit beside the reserve."""
    free = shutil.disk_usage(folder).free
    if free < wanted + RESERVE_BYTES:
        raise OutOfSpace(
            f"{folder} has {free // 1024**2} MiB free; this needs about {wanted // 1024**2} MiB "
            f"and {RESERVE_BYTES // 1024**2} MiB stay free.",
            hint="Free space, or narrow the export, then retry it.",
        )


def part_path(final: Path, mark: str) -> Path:
    """Where the attempt called ``mark`` writes before ``final`` is there."""
    return final.with_name(f".{final.name}.{mark}.part")


def remove_parts(folder: Path, owner: str) -> None:
    """Remove what killed attempts of ``owner`` left. Their marks are ``owner-…``."""
    for path in folder.glob(f".*.{owner}-*.part"):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Make a rename in this folder survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class PlainFile:
    """A file that is written piece by piece. Raises OutOfSpace before the disk is full, BadInput where the
    place cannot be written."""

    def __init__(self, path: Path, said: Path | None = None) -> None:
        self.path = path
        self.size = 0
        self._said = said or path
        self._next_check = 0

    def __enter__(self) -> Self:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self.path.open("wb", buffering=0)
        except OSError as error:
            raise cannot_write(self._said, error) from error
        return self

    def write(self, data: bytes) -> None:
        """Append."""
        if self.size >= self._next_check:
            require_room(self.path.parent)
            self._next_check = self.size + CHECK_EVERY_BYTES
        try:
            self._write_all(data)
        except OSError as error:
            raise cannot_write(self._said, error) from error
        self.size += len(data)

    def _write_all(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:  # an unbuffered write may take less than it was given
            rest = rest[self._file.write(rest) :]

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()


class PartFile(PlainFile):
    """A file being written under another name; ``commit`` puts it in its place, leaving removes it."""

    def __init__(self, final: Path, mark: str) -> None:
        super().__init__(part_path(final, mark), final)
        self.final = final
        self._hash = hashlib.sha256()

    def write(self, data: bytes) -> None:
        """Append and hash."""
        super().write(data)
        self._hash.update(data)

    def commit(self) -> WrittenFile:
        """Bytes on the disk first, then the name: nobody ever sees half a file."""
        try:
            os.fsync(self._file.fileno())
            self._file.close()
            self.path.replace(self.final)
            sync_folder(self.final.parent)
        except OSError as error:
            raise cannot_write(self.final, error) from error
        return WrittenFile(self.final, self.size, self._hash.hexdigest())

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        super().__exit__(kind, error, trace)
        self.path.unlink(missing_ok=True)


def cannot_write(path: Path, error: OSError) -> BadInput | OutOfSpace:
    """What a failed write means to the person who asked for the file."""
    if error.errno in NO_ROOM:
        return OutOfSpace(f"The disk of {path} is full.", hint="Free space, then retry the export.")
    return BadInput(
        f"{path} cannot be written: {error.strerror}.",
        hint="Check the folder and its permissions.",
        code="cannot_write",
    )
