"""The members of zips and tars, found without unpacking any of them."""

import stat
import struct
import tarfile
import zipfile
from collections.abc import Iterator
from typing import Any, NamedTuple

from archive.errors import BadInput
from imports.naming import clean_name
from imports.readers.containers.bounds import (
    MB,
    Bounds,
    bad_container,
    damaged,
    grows_too_much,
    too_many_entries,
)
from imports.readers.containers.layers import Fault, Gzip, Layer, TarMember, ZipMember
from imports.readers.containers.streams import Window, WindowFile
from imports.readers.containers.unpacking import zstd_size

# The list of entries is held in memory; one of 100 bytes a name and 200,000 names fits.
MAX_DIRECTORY_BYTES = 32 * MB
MAX_TAR_HEADERS = MB
LOCAL_HEADER_BYTES = 30
ZIP_FAULTS = (
    zipfile.BadZipFile, NotImplementedError, RuntimeError, ValueError, OSError, EOFError, OverflowError,
    struct.error,
)  # fmt: skip
TAR_FAULTS = (tarfile.TarError, ValueError, OSError, OverflowError, RecursionError, EOFError, struct.error)
MAX_DEFLATE_RATIO = 1032


class Member(NamedTuple):
    """A file in a container: its cleaned path, how to get at it, its unpacked size."""

    path: str
    layer: Layer
    size: int


def zip_members(window: Window, shown: str, bounds: Bounds) -> Iterator[Member | None]:
    """The zip's files in their order; None for what is no regular file. One that cannot be read is listed
    with its fault. Raises ``BadInput`` when the list of entries cannot be read."""
    archive = _open_zip(window, shown, bounds)
    infos = archive.infolist()
    ends = _ends(infos, archive.start_dir)
    for number, info in enumerate(infos):
        if not info.filename or info.is_dir():
            continue
        if not _is_regular(info):
            yield None
            continue
        path = clean_name(info.filename)
        fault = _zip_fault(info, ends[number], f"{shown}: {path}", bounds)
        yield Member(path, Fault.of(fault) if fault else _zip_layer(info, ends[number]), info.file_size)


def _open_zip(window: Window, shown: str, bounds: Bounds) -> zipfile.ZipFile:
    """The zip, with a list of entries that is known to fit into memory."""
    try:
        end: Any = zipfile._EndRecData(WindowFile(window, MB))  # type: ignore[attr-defined]  # ZipFile's own
        if end is None:
            raise window.fault or bad_container(
                f"{shown} is a zip that is cut off: its list of entries is missing."
            )
        if end[4] > bounds.entries or end[5] > MAX_DIRECTORY_BYTES:
            raise too_many_entries(shown, bounds)
        return zipfile.ZipFile(WindowFile(window, MAX_DIRECTORY_BYTES + MB))
    except ZIP_FAULTS as error:
        raise damaged(shown, error) from error


def _ends(infos: list[zipfile.ZipInfo], directory: int) -> list[int]:
    """For each member the byte before which its own have to end; 0 where they begin in another's."""
    order = sorted(range(len(infos)), key=lambda number: infos[number].header_offset)
    starts = [infos[number].header_offset for number in order]
    ends, reached = [0] * len(infos), 0
    for number, start, following in zip(order, starts, [*starts, directory][1:], strict=True):
        ends[number] = following if start >= reached else 0
        reached = max(reached, start + LOCAL_HEADER_BYTES + infos[number].compress_size)
    return ends


def _is_regular(info: zipfile.ZipInfo) -> bool:
    kind = stat.S_IFMT(info.external_attr >> 16)
    return kind in (0, stat.S_IFREG)


def _zip_fault(info: zipfile.ZipInfo, end: int, shown: str, bounds: Bounds) -> BadInput | None:
    """Why a member cannot be read, as far as the list of entries tells."""
    if info.flag_bits & 0x1:
        return bad_container(f"{shown} is encrypted.", hint="Make a zip without a password.")
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        return bad_container(
            f"{shown} is packed in an unusual way, not with deflate.", hint="Make the zip with deflate."
        )
    if info.header_offset + LOCAL_HEADER_BYTES + info.compress_size > end:
        return damaged(shown, "its bytes are those of another member, too, or of none")
    ratio = info.file_size / max(1, info.compress_size)
    if ratio > bounds.ratio and info.file_size > bounds.suspect:
        return grows_too_much(shown, ratio)
    return None


def _zip_layer(info: zipfile.ZipInfo, end: int) -> ZipMember:
    is_stored = info.compress_type == zipfile.ZIP_STORED
    return ZipMember(info.header_offset, info.compress_size, end, info.file_size, info.CRC, is_stored)


def tar_members(window: Window, shown: str) -> Iterator[Member | None]:
    """The tar's files in their order; None for links, devices and sparse files. Raises ``BadInput`` at the
    end of what can be read when that is not the tar's end."""
    file = WindowFile(window, MAX_TAR_HEADERS)
    try:
        with tarfile.open(fileobj=file, mode="r:", errors="surrogateescape", encoding="utf-8") as archive:
            at = -1
            while info := archive.next():
                if archive.offset <= at:
                    raise damaged(shown, "a member has no size")
                at = archive.offset
                archive.members.clear()  # type: ignore[attr-defined]  # it would keep them all
                file.allowance = MAX_TAR_HEADERS
                if not info.isdir():
                    yield _tar_member(info)
            is_ended = window.read_at(archive.offset, tarfile.BLOCKSIZE) == bytes(tarfile.BLOCKSIZE)
    except TAR_FAULTS as error:
        message = f"{shown} is a tar that is cut off or damaged: {error}."
        raise window.fault or bad_container(message) from error
    if not is_ended:
        raise window.fault or bad_container(
            f"{shown} is a tar that is cut off or damaged at byte {archive.offset:,}."
        )


def _tar_member(info: tarfile.TarInfo) -> Member | None:
    if not info.isreg() or info.issparse() or info.size < 0 or not info.name:
        return None
    return Member(clean_name(info.name), TarMember(info.offset_data, info.size), info.size)


def packed_size(layer: Layer, window: Window) -> int:
    """About how many bytes a gzip or zstandard file unpacks to: what it says itself where it can be believed,
    else its packed size."""
    if isinstance(layer, Gzip):
        told = int.from_bytes(window.read_at(window.size - 4, 4), "little")
    else:
        told = zstd_size(window.read_at(0, 18))
    return told if window.size <= told <= window.size * MAX_DEFLATE_RATIO else window.size
