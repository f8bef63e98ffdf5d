"""Undoing one layer of packing: block iterators in, block iterators out; memory is a block of each.

Formats: RFC 1951 (deflate), RFC 1952 (gzip), RFC 8878 (zstandard).
"""

import struct
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import zstandard

from imports.readers.containers.bounds import Bounds, bad_container, cut_off, damaged, grows_too_much
from imports.readers.containers.streams import BLOCK, BlockStream

GZIP, DEFLATE = 31, -15
ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
ZSTD_SKIPPABLE = b"\x2a\x4d\x18"
# What zstd itself takes unless it is told otherwise.
MAX_WINDOW = 128 * 1024 * 1024
MAX_ZSTD_BLOCK = 128 * 1024
RAW_BLOCK, RLE_BLOCK = 0, 1


class _Packed:
    """Packed bytes on their way into an unpacker; ``rest`` are those it has not taken yet."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self._blocks, self.rest = blocks, b""

    def more(self) -> bytes:
        self.rest = self.rest or next(self._blocks, b"")
        return self.rest


def inflate(blocks: Iterator[bytes], shown: str, block: int = BLOCK) -> Iterator[bytes]:
    """Undo deflate; what stands behind its end is not looked at."""
    return _inflate(zlib.decompressobj(DEFLATE), _Packed(blocks), shown, block)


def gunzip(blocks: Iterator[bytes], shown: str, block: int = BLOCK) -> Iterator[bytes]:
    """Undo gzip: all members, with zeros between and after them."""
    packed = _Packed(blocks)
    while packed.more():
        unpacker = zlib.decompressobj(GZIP)
        yield from _inflate(unpacker, packed, shown, block)
        packed.rest = unpacker.unused_data
        while packed.more() and not packed.rest.strip(b"\0"):
            packed.rest = b""
        packed.rest = packed.rest.lstrip(b"\0")


def _inflate(unpacker: Any, packed: _Packed, shown: str, block: int) -> Iterator[bytes]:
    while not unpacker.eof:
        given = packed.more()
        try:
            piece = unpacker.decompress(given, block)
        except zlib.error as error:
            raise damaged(shown, error) from error
        packed.rest = unpacker.unconsumed_tail
        if piece:
            yield piece
        elif not given and not unpacker.eof:
            raise cut_off(shown, "packed content")


def unzstd(blocks: Iterator[bytes], shown: str, block: int = BLOCK) -> Iterator[bytes]:
    """Undo zstandard: all frames. It is fed block by block: nothing else bounds what comes out at once."""
    stream = BlockStream(blocks, block)
    unpacker = zstandard.ZstdDecompressor(max_window_size=MAX_WINDOW)
    try:
        while magic := stream.read(4):
            if magic == ZSTD_MAGIC:
                yield from _unzstd_frame(stream, unpacker.decompressobj().decompress, shown)
            elif magic[1:] == ZSTD_SKIPPABLE and magic[0] >> 4 == 5:
                (size,) = struct.unpack("<L", _exactly(stream, 4, shown))
                if stream.skip(size) < size:
                    raise cut_off(shown, "packed content")
            elif len(magic) < 4:
                raise cut_off(shown, "packed content")
            else:
                raise damaged(shown, "something else stands behind its packed content")
    except zstandard.ZstdError as error:
        raise damaged(shown, error) from error


def _unzstd_frame(stream: BlockStream, unpack: Callable[[bytes], bytes], shown: str) -> Iterator[bytes]:
    header = _frame_header(stream, shown)
    facts = zstandard.get_frame_parameters(header)
    if facts.window_size > MAX_WINDOW:
        raise bad_container(f"{shown} needs {facts.window_size:,} bytes of memory to be unpacked.")
    yield from filter(None, [unpack(header)])
    is_last = False
    while not is_last:
        head = _exactly(stream, 3, shown)
        told = int.from_bytes(head, "little")
        is_last, kind, size = bool(told & 1), told >> 1 & 3, told >> 3
        if size > MAX_ZSTD_BLOCK:
            raise damaged(shown, f"a block of {size:,} bytes")
        body = _exactly(stream, 1 if kind == RLE_BLOCK else size, shown)
        yield from filter(None, [unpack(head + body)])
    if facts.has_checksum:
        yield from filter(None, [unpack(_exactly(stream, 4, shown))])


def _frame_header(stream: BlockStream, shown: str) -> bytes:
    """The frame's header, whose magic number has been read."""
    start = _exactly(stream, 1, shown)
    flags = start[0]
    is_single = flags >> 5 & 1
    size = (0 if is_single else 1) + (0, 1, 2, 4)[flags & 3] + (is_single, 2, 4, 8)[flags >> 6]
    return ZSTD_MAGIC + start + _exactly(stream, size, shown)


def zstd_size(head: bytes) -> int:
    """What the first frame says it unpacks to; 0 where it does not say."""
    try:
        size = zstandard.get_frame_parameters(head).content_size
    except zstandard.ZstdError:
        return 0
    return 0 if size == zstandard.CONTENTSIZE_UNKNOWN else size


def _exactly(stream: BlockStream, size: int, shown: str) -> bytes:
    data = stream.read(size)
    if len(data) < size:
        raise cut_off(shown, "packed content")
    return data


def checked(blocks: Iterator[bytes], size: int, crc: int | None, shown: str) -> Iterator[bytes]:
    """The same blocks: exactly ``size`` bytes, of this CRC-32 if one is given."""
    left, running = size, 0
    for block in blocks:
        left -= len(block)
        if left < 0:
            raise bad_container(f"{shown} is longer than the {size:,} bytes that its container says.")
        if crc is not None:
            running = zlib.crc32(block, running)
        yield block
    if left:
        raise bad_container(f"{shown} is cut off: {left:,} of its {size:,} bytes are missing.")
    if crc is not None and running != crc:
        raise damaged(shown, "its checksum is another")


class Meter:
    """Counts what goes into an unpacker and what comes out of it. ``spend`` is told what came out so far."""

    def __init__(self, bounds: Bounds, shown: str, spend: Callable[[int], None]) -> None:
        self.bounds, self.shown, self.spend = bounds, shown, spend
        self.packed = 0

    def packed_blocks(self, blocks: Iterator[bytes]) -> Iterator[bytes]:
        for block in blocks:
            self.packed += len(block)
            yield block

    def unpacked_blocks(self, blocks: Iterator[bytes]) -> Iterator[bytes]:
        """The same blocks, until they are too many. Raises ``BadInput`` (``bomb``)."""
        unpacked = 0
        for block in blocks:
            unpacked += len(block)
            if unpacked > self.bounds.suspect and unpacked > self.packed * self.bounds.ratio:
                raise grows_too_much(self.shown, unpacked / max(1, self.packed))
            self.spend(unpacked)
            yield block
