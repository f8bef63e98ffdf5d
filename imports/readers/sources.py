"""Where the files come from: one file, a folder tree, or a zip of one; listed in order, opened on demand.

Nothing is ever extracted to disk. Every file gets its *tree path*, the path that it has below ``~/.claude``
and gets in an export again: ``projects/<folder>/<session>.jsonl``.
"""

import io
import os
import re
import stat
import struct
import threading
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Protocol

from archive.errors import BadInput, NotFound
from imports.naming import clean_name

TRANSCRIPT_ENDINGS = (".jsonl", ".ndjson")
MAX_ZIP_ENTRIES = 200_000
# The list of entries is held in memory; one of 100 bytes a name and 200,000 names fits.
MAX_ZIP_DIRECTORY_BYTES = 32 * 1024 * 1024
ZIP_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
ZIP_FAULTS = (
    zipfile.BadZipFile, NotImplementedError, RuntimeError, ValueError, OSError, EOFError, OverflowError,
    struct.error, zlib.error,
)  # fmt: skip
MAX_ZIP_RATIO = 1000
MIN_SUSPECT_BYTES = 64 * 1024 * 1024
SKIP_BLOCK = 1024 * 1024
BUFFER_BYTES = 1024 * 1024
ROOT_FILES = ("history.jsonl",)


class Stream(Protocol):
    """What a reader needs of an open file."""

    def read(self, size: int, /) -> bytes: ...
    def readline(self, limit: int, /) -> bytes: ...
    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Entry:
    """One file of a source. ``tree_path`` is "" for a lone file whose folder only its lines can tell;
    ``member`` is its number in a zip; ``name`` is for people, and ``number`` tells those of one job apart
    that are called the same. Plain values: another process can open it as well."""

    source: str
    name: str
    tree_path: str
    size: int
    member: int | None = None
    number: int = 1

    @property
    def label(self) -> str:
        return self.name if self.number == 1 else f"{self.name} ({self.number})"

    def open(self, offset: int = 0) -> Stream:
        """The file's bytes from ``offset`` on. Raises ``BadInput`` when it cannot be read."""
        if self.member is None:
            return _open_file(Path(self.source), offset)
        return _open_member(self, self.member, offset)


@dataclass(frozen=True, slots=True)
class Listing:
    """A source's transcripts in the order of their tree paths, and how many other files were passed over."""

    entries: list[Entry]
    passed_over: int = 0


def list_entries(path: str, name: str = "") -> Listing:
    """The transcripts below ``path``: itself, a folder's, or a zip's. ``name`` is what people call it.

    A file that is given by itself is listed whatever its ending: its content decides later. Raises
    ``NotFound`` for a missing path and ``BadInput`` for one that holds no transcripts.
    """
    place, shown = Path(path), clean_name(name or Path(path).name)
    try:
        details = place.stat()
    except (OSError, ValueError) as error:
        raise NotFound(f"There is no {clean_name(name or path)}.", hint="Check the path.") from error
    if stat.S_ISDIR(details.st_mode):
        return _sorted(_walk(place), shown)
    if not stat.S_ISREG(details.st_mode):
        raise BadInput(f"{shown} is neither a file nor a folder.", hint="Choose a transcript or a zip.")
    if _is_zip(place):
        return _sorted(_zip_members(place, shown), shown)
    return Listing([Entry(str(place), shown, _tree_path_of_file(place, name), details.st_size)])


def _is_zip(place: Path) -> bool:
    """Whether it begins like a zip. (Its end may look like one's in any file.)"""
    stream = _open_file(place, 0)
    try:
        return stream.read(4) in (b"PK\x03\x04", b"PK\x05\x06")
    finally:
        stream.close()


def _sorted(found: Iterator[Entry | None], name: str) -> Listing:
    every = list(found)
    entries = sorted(
        (each for each in every if each is not None), key=lambda each: (each.tree_path, each.name)
    )
    if not entries:
        raise BadInput(
            f"{name} holds no transcripts: none of its {len(every)} files ends in .jsonl.",
            code="nothing_to_import",
            hint="Choose ~/.claude/projects, one of its folders, or a zip of it.",
        )
    return Listing(entries, len(every) - len(entries))


def _walk(folder: Path) -> Iterator[Entry | None]:
    prefix = _prefix_of(folder)
    for base, folders, names in os.walk(folder):
        folders[:] = sorted(each for each in folders if each != "__MACOSX")
        for name in sorted(names):
            path = Path(base, name)
            details = _regular(path) if name.endswith(TRANSCRIPT_ENDINGS) else None
            if details is None:
                yield None
                continue
            inside = clean_name(path.relative_to(folder).as_posix())
            yield Entry(str(path), inside, _tree_path(prefix, inside), details.st_size)


def _regular(path: Path) -> os.stat_result | None:
    """The details of a regular file; None for a link or a device, and for what is gone by now."""
    try:
        details = path.lstat()
    except OSError:
        return None
    return details if stat.S_ISREG(details.st_mode) else None


def _prefix_of(folder: Path) -> str:
    """What stands before a folder's own files in the tree: the part of its path from ``projects/`` on."""
    parts = folder.resolve().parts
    if "projects" in parts:
        at = len(parts) - 1 - parts[::-1].index("projects")
        inside = parts[at + 1 :]
        if not inside or inside[0].startswith("-"):
            return "/".join(("projects", *inside))
    return ""


def _tree_path(prefix: str, inside: str) -> str:
    """
    >>> _tree_path("", "backup/projects/-home-ada/1.jsonl")
    'projects/-home-ada/1.jsonl'
    >>> _tree_path("projects/-home-ada", "1.jsonl")
    'projects/-home-ada/1.jsonl'
    >>> _tree_path("", "notes/1.jsonl")
    'projects/notes/1.jsonl'
    """
    if prefix:
        return f"{prefix}/{inside}"
    if inside in ROOT_FILES:
        return inside
    at = f"/{inside}".find("/projects/")
    return inside[at:] if at >= 0 else f"projects/{inside}"


def _tree_path_of_file(place: Path, name: str) -> str:
    """The tree path of a lone file, where its own path (or the one it was uploaded with) tells it."""
    given = clean_name(name or place.resolve().as_posix())
    if PurePosixPath(given).name in ROOT_FILES:
        return PurePosixPath(given).name
    match = re.search(r"(?:^|/)(projects/-[^/]+/.+)$", given, re.DOTALL)
    if match:
        return match.group(1)
    # A folder that was picked in the browser comes as files with paths below it.
    return _tree_path("", given) if name and "/" in given else ""


def _open_file(path: Path, offset: int) -> Stream:
    try:
        stream = path.open("rb", buffering=BUFFER_BYTES)
    except OSError as error:
        raise BadInput(
            f"{clean_name(path.name)} cannot be read: {error.strerror}.", hint="Check its permissions."
        ) from error
    stream.seek(offset)
    return stream


# ------------------------------------------------------------------ zip


def _zip_members(place: Path, name: str) -> Iterator[Entry | None]:
    for number, info in enumerate(_open_zip(place, name).infolist()):
        if not info.filename or info.is_dir():
            continue
        inside = clean_name(info.filename)
        if _is_transcript(info, inside):
            _check_member(info, f"{inside} in {name}")
            tree_path = _tree_path("", inside)
            yield Entry(str(place), f"{name}: {inside}", tree_path, info.file_size, number)
        else:
            yield None


def _open_zip(place: Path, name: str) -> zipfile.ZipFile:
    """The zip, with a list of entries that is known to fit into memory."""
    try:
        with place.open("rb") as stream:
            end: Any = zipfile._EndRecData(stream)  # type: ignore[attr-defined]  # what ZipFile itself reads
        if end is None:
            raise _bad_zip(f"{name} is a zip that is cut off: its list of entries is missing.")
        entries, size = end[4], end[5]
        if entries > MAX_ZIP_ENTRIES or size > MAX_ZIP_DIRECTORY_BYTES:
            raise _bad_zip(f"{name} has {entries:,} entries; at most {MAX_ZIP_ENTRIES:,} are read.")
        return zipfile.ZipFile(place)
    except ZIP_FAULTS as error:
        raise _bad_zip(f"{name} is a damaged zip: {error}.") from error


class _OpenZips(threading.local):
    """The zip that was opened last stays open (in each thread), since the list of its entries takes long to
    read."""

    def __init__(self) -> None:
        self.key: tuple[Any, ...] = ()
        self.archive: zipfile.ZipFile | None = None

    def give(self, place: Path, name: str) -> zipfile.ZipFile:
        key = _file_key(place)
        if self.archive is None or self.key != key:
            self.close()
            self.archive, self.key = _open_zip(place, name), key
        return self.archive

    def close(self) -> None:
        if self.archive is not None:
            self.archive.close()
        self.archive, self.key = None, ()


_open_zips = _OpenZips()


def close_zips() -> None:
    """Close the zip that was kept open in this thread: nothing of it is needed any more. Idempotent."""
    _open_zips.close()


def _file_key(place: Path) -> tuple[Any, ...]:
    try:
        details = place.stat()
    except OSError as error:
        raise _bad_zip(f"{clean_name(place.name)} is gone.") from error
    return str(place), details.st_ino, details.st_size, details.st_mtime_ns


def _bad_zip(message: str) -> BadInput:
    return BadInput(message, code="bad_zip", hint="Make the zip again, or choose the folder itself.")


def _is_transcript(info: zipfile.ZipInfo, inside: str) -> bool:
    is_link = stat.S_ISLNK(info.external_attr >> 16)
    return inside.endswith(TRANSCRIPT_ENDINGS) and not inside.startswith("__MACOSX/") and not is_link


def _check_member(info: zipfile.ZipInfo, shown: str) -> None:
    if info.flag_bits & 0x1:
        raise BadInput(f"{shown} is encrypted.", code="bad_zip", hint="Make a zip without a password.")
    if info.compress_type not in ZIP_METHODS:
        # The other methods unpack without bounds.
        raise BadInput(
            f"{shown} is packed in an unusual way.", code="bad_zip", hint="Make the zip with deflate."
        )
    ratio = info.file_size / max(1, info.compress_size)
    if ratio > MAX_ZIP_RATIO and info.file_size > MIN_SUSPECT_BYTES:
        raise BadInput(
            f"{shown} grows {ratio:,.0f} times when unpacked, which no transcript does.",
            code="zip_bomb",
            hint="Give the transcript itself instead of the zip.",
        )


def _open_member(entry: Entry, number: int, offset: int) -> Stream:
    archive = _open_zips.give(Path(entry.source), entry.name)
    members = archive.infolist()
    if number >= len(members):
        raise _bad_zip(f"{entry.name} is another zip than it was.")
    stream = _BoundedMember(entry.name, archive, members[number])
    while offset > 0:
        block = stream.read(min(offset, SKIP_BLOCK))
        if not block:
            raise _bad_zip(f"{entry.name} is shorter than it was.")
        offset -= len(block)
    return stream


class _BoundedMember:
    """Reads a member, counting its real bytes: a size that lies or a bad checksum is refused."""

    def __init__(self, name: str, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> None:
        self.name, self.left = name, info.file_size
        try:
            self.stream = io.BufferedReader(archive.open(info), BUFFER_BYTES)  # type: ignore[type-var]
        except ZIP_FAULTS as error:
            raise _bad_zip(f"{name} is damaged: {error}.") from error

    def read(self, size: int) -> bytes:
        return self._counted(self.stream.read, size)

    def readline(self, limit: int) -> bytes:
        return self._counted(self.stream.readline, limit)

    def _counted(self, read: Callable[[int], bytes], size: int) -> bytes:
        try:
            block = read(size)
        except ZIP_FAULTS as error:
            raise _bad_zip(f"{self.name} is damaged: {error}.") from error
        self.left -= len(block)
        if self.left < 0 or (self.left > 0 and not block and size):
            raise _bad_zip(f"{self.name} is of another size than the zip says.")
        return block

    def close(self) -> None:
        self.stream.close()
