"""Where the files come from: one file, a folder tree, or a zip of one; listed in order, opened on demand.

Nothing is ever extracted to disk. Every file gets its *tree path*, the path that it has below ``~/.claude``
and gets in an export again: ``projects/<folder>/<session>.jsonl``.
"""

import os
import re
import stat
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Protocol

from archive.errors import BadInput, NotFound

TRANSCRIPT_ENDINGS = (".jsonl", ".ndjson")
MAX_ZIP_ENTRIES = 200_000
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
    ``name`` is for people."""

    source: str
    member: str
    name: str
    tree_path: str
    size: int

    def open(self, offset: int = 0) -> Stream:
        """The file's bytes from ``offset`` on. Raises ``BadInput`` or ``NotFound`` when it cannot be read."""
        return _open_member(self, offset) if self.member else _open_file(Path(self.source), offset)


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
    place = Path(path)
    if not place.exists():
        raise NotFound(f"There is no {name or path}.", hint="Check the path.")
    if place.is_dir():
        return _sorted(_walk(place), place.name or str(place))
    if zipfile.is_zipfile(place):
        return _sorted(_zip_members(place, name or place.name), name or place.name)
    shown = name or place.name
    return Listing([Entry(str(place), "", shown, _tree_path_of_file(place, name), place.stat().st_size)])


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
            details = path.lstat()
            if not stat.S_ISREG(details.st_mode) or not name.endswith(TRANSCRIPT_ENDINGS):
                yield None
                continue
            inside = path.relative_to(folder).as_posix()
            yield Entry(str(path), "", inside, _tree_path(prefix, inside), details.st_size)


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
    given = _clean(name) if name else place.resolve().as_posix()
    if PurePosixPath(given).name in ROOT_FILES:
        return PurePosixPath(given).name
    match = re.search(r"(?:^|/)(projects/-[^/]+/.+)$", given)
    if match:
        return match.group(1)
    # A folder that was picked in the browser comes as files with paths below it.
    return _tree_path("", given) if name and "/" in given else ""


def _open_file(path: Path, offset: int) -> Stream:
    try:
        stream = path.open("rb", buffering=BUFFER_BYTES)
    except OSError as error:
        raise BadInput(
            f"{path.name} cannot be read: {error.strerror}.", hint="Check its permissions."
        ) from error
    stream.seek(offset)
    return stream


# ------------------------------------------------------------------ zip


def _zip_members(place: Path, name: str) -> Iterator[Entry | None]:
    try:
        with zipfile.ZipFile(place) as archive:
            members = archive.infolist()
    except (zipfile.BadZipFile, NotImplementedError) as error:
        raise BadInput(
            f"{name} is a damaged zip: {error}.", code="bad_zip", hint="Make the zip again."
        ) from error
    if len(members) > MAX_ZIP_ENTRIES:
        raise BadInput(
            f"{name} has {len(members):,} entries; at most {MAX_ZIP_ENTRIES:,} are read.", code="bad_zip"
        )
    for member in members:
        if member.is_dir():
            continue
        inside = _clean(member.filename)
        is_transcript = inside.endswith(TRANSCRIPT_ENDINGS) and not inside.startswith("__MACOSX/")
        yield _member_entry(place, name, member, inside) if is_transcript else None


def _member_entry(place: Path, name: str, member: zipfile.ZipInfo, inside: str) -> Entry:
    if member.flag_bits & 0x1:
        raise BadInput(
            f"{inside} in {name} is encrypted.", code="bad_zip", hint="Make a zip without a password."
        )
    ratio = member.file_size / max(1, member.compress_size)
    if ratio > MAX_ZIP_RATIO and member.file_size > MIN_SUSPECT_BYTES:
        raise BadInput(
            f"{inside} in {name} grows {ratio:,.0f} times when unpacked, which no transcript does.",
            code="zip_bomb",
            hint="Give the transcript itself instead of the zip.",
        )
    return Entry(str(place), member.filename, f"{name}: {inside}", _tree_path("", inside), member.file_size)


def _clean(path: str) -> str:
    """A relative path without drive, root or ways up, whatever the zip or the browser said.

    >>> _clean("../../etc/passwd"), _clean("C:\\\\x\\\\y.jsonl")
    ('etc/passwd', 'x/y.jsonl')
    """
    parts = re.sub(r"^[A-Za-z]:", "", path.replace("\\", "/")).split("/")
    return "/".join(part for part in parts if part not in ("", ".", "..")) or "unnamed"


def _open_member(entry: Entry, offset: int) -> Stream:
    archive = zipfile.ZipFile(entry.source)
    try:
        stream = _BoundedMember(archive, entry)
        while offset > 0:
            offset -= len(stream.read(min(offset, SKIP_BLOCK)) or _ended(entry))
    except BadInput:
        archive.close()
        raise
    return stream


def _ended(entry: Entry) -> bytes:
    raise BadInput(f"{entry.name} is shorter than it was.", hint="Import it again.", code="bad_zip")


class _BoundedMember:
    """Reads a member line by line, counting its real bytes: a size that lies or a bad checksum is refused."""

    def __init__(self, archive: zipfile.ZipFile, entry: Entry) -> None:
        self.archive, self.entry, self.left = archive, entry, entry.size
        try:
            self.stream = archive.open(entry.member)
        except (zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
            raise self._damaged(error) from error

    def _damaged(self, error: Exception) -> BadInput:
        return BadInput(f"{self.entry.name} is damaged: {error}.", code="bad_zip", hint="Make the zip again.")

    def read(self, size: int) -> bytes:
        return self._counted(self.stream.read, size)

    def readline(self, limit: int) -> bytes:
        return self._counted(self.stream.readline, limit)

    def _counted(self, read: Callable[[int], bytes], size: int) -> bytes:
        try:
            block = read(size)
        except (zipfile.BadZipFile, EOFError, zlib.error) as error:
            raise self._damaged(error) from error
        self.left -= len(block)
        if self.left < 0:
            raise BadInput(
                f"{self.entry.name} holds more than the zip says.", code="zip_bomb", hint="Make it again."
            )
        return block

    def close(self) -> None:
        self.stream.close()
        self.archive.close()
