"""Compressions that a finished file can be packed with. Pure.

The same bytes at the same level give the same packed bytes: neither a name nor a time goes in.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import zstandard

from exports.choices import LEVELS, Choices

GZIP_WINDOW = 31
"""The largest window, with gzip's head and tail; zlib writes 0 as the time."""


class Packer(Protocol):
    """Takes bytes and gives packed ones, some of them later; ``flush`` ends it with the rest."""

    def compress(self, data: Any, /) -> bytes: ...
    def flush(self) -> bytes: ...


class _Plain:
    """Packs nothing."""

    def compress(self, data: bytes, /) -> bytes:
        return data

    def flush(self) -> bytes:
        return b""


@dataclass(frozen=True)
class Packing:
    """One compression: how a file's name ends with it, what such a file is ("": as before), its packer."""

    extension: str
    media_type: str
    start: Callable[[int], Packer]


def _gzip(level: int) -> Packer:
    return zlib.compressobj(level, zlib.DEFLATED, GZIP_WINDOW)


def _zstd(level: int) -> Packer:
    """One frame with a checksum, which every reader of zstd takes."""
    return zstandard.ZstdCompressor(level=level, write_checksum=True).compressobj()


PACKINGS: dict[str, Packing] = {
    "none": Packing("", "", lambda level: _Plain()),
    "gzip": Packing(".gz", "application/gzip", _gzip),
    "zstd": Packing(".zst", "application/zstd", _zstd),
}

if set(PACKINGS) != set(LEVELS):
    raise AssertionError("every compression that can be chosen can be done")


def start_packer(choices: Choices) -> Packer:
    """The packer that was chosen, at its level or the usual one. Both kinds let other threads run."""
    return PACKINGS[choices.compression].start(choices.level or LEVELS[choices.compression][2])
