"""Reading through the layers of an entry.

A zip and a tar have to be read at any place. Where they lie packed in another container they are unpacked
into a nameless temporary file first; nothing is ever written under a name that a container gives. The last
few files are kept open in each thread, since entry after entry is read from the same one.
"""

import errno
import struct
import tempfile
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Generic, TypeVar

from archive.errors import BadInput, OutOfSpace
from imports.naming import clean_name
from imports.readers.containers.bounds import (
    Bounds,
    bad_container,
    damaged,
    unpacks_too_much,
)
from imports.readers.containers.layers import Fault, Gzip, Layers, TarMember, ZipMember
from imports.readers.containers.streams import BLOCK, BlockStream, Disk, Stream, Window
from imports.readers.containers.unpacking import Meter, checked, gunzip, inflate, unzstd

KEPT_FILES = 4
LOCAL_HEADER = struct.Struct("<4s22xHH")
LOCAL_MAGIC = b"PK\x03\x04"
HEAD = 512

Key = tuple[Any, ...]
K = TypeVar("K")
V = TypeVar("V")


class _Recent(Generic[K, V]):
    """The few values that were used last, by their keys."""

    def __init__(self) -> None:
        self._values: OrderedDict[K, V] = OrderedDict()

    def give(self, key: K, make: Callable[[], V]) -> V:
        if key not in self._values:
            self._values[key] = make()
        self._values.move_to_end(key)
        value = self._values[key]
        while len(self._values) > KEPT_FILES:
            self._values.popitem(last=False)
        return value

    def clear(self) -> None:
        self._values.clear()


class _Spent:
    """How much was unpacked of a source; what is read again counts once."""

    def __init__(self) -> None:
        self.total = 0
        self._by_layers: dict[Layers, int] = {}

    def tell(self, layers: Layers, unpacked: int) -> None:
        before = self._by_layers.get(layers, 0)
        if unpacked > before:
            self._by_layers[layers] = unpacked
            self.total += unpacked - before


class _Kept(threading.local):
    """What this thread keeps: open files, and what was unpacked of each source."""

    def __init__(self) -> None:
        self.windows: _Recent[tuple[Key, Layers], Window] = _Recent()
        self.spent: _Recent[Key, _Spent] = _Recent()


_kept = _Kept()


def close_containers() -> None:
    """Let go of the files that this thread kept open: nothing of them is needed any more. Idempotent."""
    _kept.windows.clear()
    _kept.spent.clear()


@dataclass(frozen=True, slots=True)
class Opener:
    """Opens what lies in the file ``source``. ``shown`` is what messages call it; ``block`` is how much is
    read at once, as a rule."""

    source: str
    shown: str
    bounds: Bounds
    block: int = BLOCK

    def stream(self, layers: Layers, offset: int = 0) -> Stream:
        """The bytes from ``offset`` on. Raises ``BadInput`` when they cannot be had."""
        last = layers[-1]
        if isinstance(last, TarMember) and offset <= last.size:
            rest = self.window(layers).blocks(offset)
            return BlockStream(checked(rest, last.size - offset, None, self.shown))
        stream = BlockStream(self.blocks(layers))
        if stream.skip(offset) < offset:
            raise bad_container(f"{self.shown} is shorter than it was.")
        return stream

    def head(self, layers: Layers) -> bytes:
        """The first bytes: enough to tell what it is."""
        if not layers:
            return self.window(()).read_at(0, HEAD)
        return BlockStream(self.blocks(layers), HEAD).read(HEAD)

    def blocks(self, layers: Layers) -> Iterator[bytes]:
        """The bytes from the start on, checked and counted as they come."""
        if not layers:
            return self.window(()).blocks(0, self.block)
        inner, last = layers[:-1], layers[-1]
        match last:
            case Fault():
                raise last.error()
            case TarMember():
                rest = self.window(layers).blocks(0, self.block)
                return checked(rest, last.size, None, self.shown)
            case ZipMember():
                return self._zip_member(inner, last)
            case _:
                return self._packed(layers)

    def _packed(self, layers: Layers) -> Iterator[bytes]:
        unpack = gunzip if isinstance(layers[-1], Gzip) else unzstd
        spent = _kept.spent.give(self._source_key(), _Spent)

        def spend(unpacked: int) -> None:
            spent.tell(layers, unpacked)
            if spent.total > self.bounds.unpacked:
                raise unpacks_too_much(self.shown, self.bounds)

        meter = Meter(self.bounds, self.shown, spend)
        packed = meter.packed_blocks(self.blocks(layers[:-1]))
        return meter.unpacked_blocks(unpack(packed, self.shown, self.block))

    def _zip_member(self, inner: Layers, member: ZipMember) -> Iterator[bytes]:
        packed = self._zip_bytes(inner, member).blocks(0, self.block)
        plain = packed if member.is_stored else inflate(packed, self.shown, self.block)
        return checked(plain, member.size, member.crc, self.shown)

    def _zip_bytes(self, inner: Layers, member: ZipMember) -> Window:
        """A member's packed bytes, behind its own header."""
        archive = self.window(inner)
        header = archive.read_at(member.offset, LOCAL_HEADER.size)
        if len(header) < LOCAL_HEADER.size or not header.startswith(LOCAL_MAGIC):
            raise bad_container(
                f"{self.shown} is not where its zip says: it is damaged, or another than it was."
            )
        _, name, extra = LOCAL_HEADER.unpack(header)
        start = member.offset + LOCAL_HEADER.size + name + extra
        if start + member.packed > member.end:
            raise damaged(self.shown, "it overlaps with what stands behind it in the zip")
        return archive.part(start, member.packed)

    def window(self, layers: Layers) -> Window:
        """The bytes so that they can be read anywhere; kept open for the next that asks."""
        source = self._source_key()
        if not layers:
            return _kept.windows.give((source, ()), self._open)
        inner, last = layers[:-1], layers[-1]
        if isinstance(last, TarMember):
            return self.window(inner).part(last.offset, last.size)
        if isinstance(last, ZipMember) and last.is_stored:
            return self._zip_bytes(inner, last)
        return _kept.windows.give((source, layers), lambda: self._spooled(layers))

    def is_in_place(self, layers: Layers) -> bool:
        """Whether ``window`` needs no unpacking."""
        return all(
            isinstance(each, TarMember) or (isinstance(each, ZipMember) and each.is_stored) for each in layers
        )

    def _source_key(self) -> Key:
        try:
            details = Path(self.source).stat()
        except OSError as error:
            raise bad_container(f"{clean_name(Path(self.source).name)} is gone.") from error
        return self.source, details.st_ino, details.st_size, details.st_mtime_ns

    def _open(self) -> Window:
        file = open_file(self.source, 0, buffering=0)
        disk = Disk(file)
        return Window(disk, 0, file.seek(0, 2))

    def _spooled(self, layers: Layers) -> Window:
        """Unpack into a temporary file. Where that ends in a fault, what came before it is kept."""
        file = tempfile.TemporaryFile(dir=self.bounds.spool_dir or None, buffering=0)  # noqa: SIM115
        disk, size, fault = Disk(file), 0, None
        try:
            for block in Opener(self.source, self.shown, self.bounds).blocks(layers):
                size += _write_all(file, block)
        except BadInput as error:
            if error.code != "bad_container":
                raise
            fault = error
        return Window(disk, 0, size, fault)


def _write_all(file: IO[bytes], block: bytes) -> int:
    left = memoryview(block)
    try:
        while left:
            left = left[file.write(left) :]
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise OutOfSpace(
            "There is no room to unpack a container that lies in another one.",
            hint="Free space where temporary files lie, then try again.",
        ) from error
    return len(block)


def open_file(path: str, offset: int, buffering: int = 1024 * 1024) -> Any:
    """A file on the disk from ``offset`` on. Raises ``BadInput`` when it cannot be read."""
    try:
        stream = Path(path).open("rb", buffering=buffering)  # noqa: SIM115
    except OSError as error:
        raise BadInput(
            f"{clean_name(Path(path).name)} cannot be read: {error.strerror}.", hint="Check its permissions."
        ) from error
    stream.seek(offset)
    return stream
