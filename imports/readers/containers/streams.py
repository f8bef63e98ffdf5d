"""Files that can be read anywhere, bytes in blocks, and streams made of them.

A *block iterator* yields pieces that are never empty and raises ``BadInput`` where the bytes cannot be had;
whatever came before that was yielded.
"""

import io
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Any, Protocol

from archive.errors import BadInput
from imports.readers.containers.bounds import damaged

BLOCK = 256 * 1024


class Stream(Protocol):
    """What a reader needs of an open file."""

    def read(self, size: int, /) -> bytes: ...
    def readline(self, limit: int, /) -> bytes: ...
    def close(self) -> None: ...


class Disk:
    """An open file, read at any place by any number of users; it is closed with the last of them."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def read_at(self, offset: int, size: int) -> bytes:
        try:
            return os.pread(self._file.fileno(), size, offset)
        except OSError as error:
            raise damaged("The file", error.strerror) from error

    def __del__(self) -> None:
        self._file.close()


@dataclass(frozen=True, slots=True)
class Window:
    """Some bytes of a file that can be read anywhere. ``fault`` is why there are not more of them."""

    disk: Disk
    start: int
    size: int
    fault: BadInput | None = None

    def read_at(self, offset: int, size: int) -> bytes:
        size = min(size, self.size - offset)
        return self.disk.read_at(self.start + offset, size) if size > 0 else b""

    def part(self, offset: int, size: int) -> "Window":
        """A smaller window; it ends where this one does."""
        return Window(self.disk, self.start + offset, max(0, min(size, self.size - offset)), self.fault)

    def blocks(self, offset: int = 0, block: int = BLOCK) -> Iterator[bytes]:
        while piece := self.read_at(offset, block):
            yield piece
            offset += len(piece)


class WindowFile(io.RawIOBase):
    """A window as a file for the standard library's readers of directories.

    ``allowance`` is how many bytes may be read until it is renewed: those readers take a length in the file
    at its word. Raises ``ValueError`` beyond it.
    """

    def __init__(self, window: Window, allowance: int) -> None:
        self._window, self._at = window, 0
        self.allowance = allowance

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._window.size}[whence]
        if base + offset < 0:
            raise OSError(f"there is no byte {base + offset}")
        self._at = base + offset
        return self._at

    def tell(self) -> int:
        return self._at

    def read(self, size: int | None = -1) -> bytes:
        wanted = max(0, self._window.size - self._at) if size is None or size < 0 else size
        wanted = min(wanted, max(0, self._window.size - self._at))
        self.allowance -= wanted
        if self.allowance < 0:
            raise ValueError(f"a header of {wanted:,} bytes")
        data = self._window.read_at(self._at, wanted)
        self._at += len(data)
        return data


class _BlockFile(io.RawIOBase):
    """A block iterator as a raw file. A fault looks like its end and is kept in ``fault``."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self._blocks = blocks
        self._rest = memoryview(b"")
        self.fault: BadInput | None = None

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._rest:
            self._rest = memoryview(self._next())
        size = min(len(buffer), len(self._rest))
        buffer[:size] = self._rest[:size]
        self._rest = self._rest[size:]
        return size

    def _next(self) -> bytes:
        try:
            return next(self._blocks, b"")
        except BadInput as fault:
            self.fault = fault
            return b""


class BlockStream:
    """A block iterator as a stream. What comes before a fault is given; then the fault is raised."""

    def __init__(self, blocks: Iterator[bytes], buffer: int = BLOCK) -> None:
        self._raw = _BlockFile(blocks)
        self._buffered = io.BufferedReader(self._raw, buffer)

    def read(self, size: int, /) -> bytes:
        block = self._buffered.read(size)
        if self._raw.fault and not block and size:
            raise self._raw.fault
        return block

    def readline(self, limit: int, /) -> bytes:
        """A line, or ``limit`` bytes of it. One that a fault cuts off is none."""
        line = self._buffered.readline(limit)
        if self._raw.fault and len(line) < limit and not line.endswith(b"\n"):
            raise self._raw.fault
        return line

    def skip(self, size: int) -> int:
        """Pass over as many bytes, or all there are; returns how many there were."""
        left = size
        while left and (block := self.read(min(left, BLOCK))):
            left -= len(block)
        return size - left

    def close(self) -> None:
        self._buffered.close()
