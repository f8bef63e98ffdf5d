"""Where the files come from: one file, a folder tree, a container of one; listed in order, opened on demand.

Nothing is ever extracted under a name of its own. Every file gets its *tree path*, the path that it has below
``~/.claude`` and gets in an export again: ``projects/<folder>/<session>.jsonl``.
"""

import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from archive.errors import BadInput, NotFound
from imports.naming import PASSED_FOLDERS, beside_projects, clean_name, is_listed, is_side_file, sniff
from imports.readers.containers.bounds import (
    DEFAULT_BOUNDS,
    Bounds,
    SourceTooLarge,
    nested_too_deep,
    too_many_entries,
    unpacks_too_much,
)
from imports.readers.containers.layers import Fault, Gzip, Layers, ZipMember, Zstd
from imports.readers.containers.listing import Member, packed_size, tar_members, zip_members
from imports.readers.containers.opening import HEAD, Opener, close_containers, open_file
from imports.readers.containers.streams import Stream

__all__ = ["Bounds", "Entry", "Listing", "Stream", "close_containers", "list_entries"]

ROOT_FILES = ("history.jsonl",)
PACKED: dict[str, Gzip | Zstd] = {"gzip": Gzip(), "zstandard": Zstd()}
PACKED_ENDING = re.compile(r"(\.(gz|zst))+$", re.IGNORECASE)
CONTAINER_ENDING = re.compile(r"(\.tar)?\.(zip|tar|tgz|gz|zst)$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Entry:
    """One file of a source. Plain values: another process can open it as well.

    ``name`` is for people, and ``number`` tells those of one job apart that are called the same.
    ``tree_path`` is "" for a lone file whose folder only its lines can tell; ``inside`` is its path within
    the source.
    ``size`` is about how many bytes it has, exactly where ``exact_size`` says so. ``layers`` lie between
    ``source``, a file on the disk, and its bytes.
    """

    source: str
    name: str
    tree_path: str
    size: int
    layers: Layers = ()
    number: int = 1
    inside: str = ""
    exact_size: bool = True
    bounds: Bounds = DEFAULT_BOUNDS

    @property
    def label(self) -> str:
        return self.name if self.number == 1 else f"{self.name} ({self.number})"

    def open(self, offset: int = 0) -> Stream:
        """The file's bytes from ``offset`` on. Raises ``BadInput`` when it cannot be read."""
        if not self.layers:
            stream: Stream = open_file(self.source, offset)
            return stream
        return Opener(self.source, self.name, self.bounds).stream(self.layers, offset)


@dataclass(frozen=True, slots=True)
class Listing:
    """A source's files in the order of their tree paths, those of one container together; and how many other
    files were passed over."""

    entries: list[Entry]
    passed_over: int = 0


def list_entries(path: str, name: str = "", bounds: Bounds = DEFAULT_BOUNDS) -> Listing:
    """The files below ``path``: itself, a folder's, or a container's. ``name`` is what people call it.

    A file that is given by itself is listed whatever its ending: its content decides later. What cannot be
    read within a folder or a container is listed, too, and says so when it is opened. Nothing is unpacked for
    it but containers that lie packed in others. Raises ``NotFound`` for a missing path and ``BadInput`` for
    one that holds nothing to import, or goes beyond the bounds.
    """
    place, shown = Path(path), clean_name(name or Path(path).name)
    try:
        details = place.stat()
    except (OSError, ValueError) as error:
        raise NotFound(f"There is no {clean_name(name or path)}.", hint="Check the path.") from error
    listing = _Listing(bounds)
    if stat.S_ISDIR(details.st_mode):
        entries = listing.folder(place)
    elif stat.S_ISREG(details.st_mode):
        file = Entry(str(place), shown, _tree_path_of_file(place, name), details.st_size, bounds=bounds)
        entries = [_named_inside(each, shown) for each in listing.expanded(file, 0)]
    else:
        raise BadInput(f"{shown} is neither a file nor a folder.", hint="Choose a transcript or a container.")
    if not entries:
        raise BadInput(
            f"{shown} holds nothing to import: "
            f"none of its {listing.passed_over:,} files is of a kind that is looked at.",
            code="nothing_to_import",
            hint="Choose ~/.claude/projects, one of its folders, an export, or a container of them.",
        )
    return Listing(entries, listing.passed_over)


class _Listing:
    """A listing in the making: what is counted over all of its containers."""

    def __init__(self, bounds: Bounds) -> None:
        self.bounds = bounds
        self.passed_over = self.members = self.unpacked = 0

    def folder(self, folder: Path) -> list[Entry]:
        """A folder's files. One that cannot be read is no reason to leave the others."""
        return self._in_order(self._expanded_or_fault(entry, 0) for entry in self._walk(folder))

    def _walk(self, folder: Path) -> Iterator[Entry]:
        prefix = _prefix_of(folder)
        for base, folders, names in os.walk(folder):
            folders[:] = [each for each in folders if each not in PASSED_FOLDERS]
            for name in names:
                path = Path(base, name)
                inside = clean_name(path.relative_to(folder).as_posix())
                details = _regular(path) if is_listed(inside) else None
                if details is None:
                    self.passed_over += 1
                    continue
                tree_path = _tree_path(prefix, inside)
                yield Entry(str(path), inside, tree_path, details.st_size, inside=inside, bounds=self.bounds)

    def _in_order(self, found: Iterator[tuple[Entry, list[Entry]]]) -> list[Entry]:
        """By the tree paths, but what one container holds together: it is unpacked once. Transcripts come
        first: they tell the project of a conversation that has other files."""
        ordered = sorted(
            found, key=lambda each: (is_side_file(each[0].tree_path), each[0].tree_path, each[0].name)
        )
        return [entry for _, entries in ordered for entry in entries]

    def _expanded_or_fault(self, file: Entry, level: int) -> tuple[Entry, list[Entry]]:
        try:
            return file, self.expanded(file, level)
        except SourceTooLarge:
            raise
        except BadInput as error:
            return file, [replace(file, layers=(Fault.of(error),))]

    def expanded(self, file: Entry, level: int) -> list[Entry]:
        """What a file is, by its content: itself, or the files that it contains. ``level`` is how many
        containers it lies in."""
        kind = self._kind(file)
        if kind not in ("zip", "tar", *PACKED):
            return [file]
        if level >= self.bounds.levels:
            raise nested_too_deep(file.name, self.bounds)
        if kind not in PACKED:
            return self._contained(file, kind, level)
        content = self._unpacked(file, PACKED[kind])
        if self._kind(content) == "tar":
            return self._contained(replace(file, layers=content.layers), "tar", level)
        return self.expanded(content, level + 1)

    def _kind(self, file: Entry) -> str:
        return sniff(Opener(file.source, file.name, self.bounds, HEAD).head(file.layers))

    def _unpacked(self, file: Entry, layer: Gzip | Zstd) -> Entry:
        """The one file that a packed one holds."""
        opener, size = Opener(file.source, file.name, self.bounds), file.size
        if opener.is_in_place(file.layers):
            size = packed_size(layer, opener.window(file.layers))
        return replace(
            file,
            layers=(*file.layers, layer),
            inside=PACKED_ENDING.sub("", file.inside),
            size=size,
            exact_size=False,
        )

    def _contained(self, container: Entry, kind: str, level: int) -> list[Entry]:
        """The files in a zip or tar; behind the whole ones of a damaged one stands its fault."""
        entries: list[tuple[Entry, list[Entry]]] = []
        fault: list[Entry] = []
        try:
            for member in self._members(container, kind):
                self._count(container, member)
                entries.append(self._expanded_or_fault(_entry_in(container, member), level + 1))
        except SourceTooLarge:
            raise
        except BadInput as error:
            if not entries:
                raise
            fault = [replace(container, layers=(Fault.of(error),), size=0)]
        return self._in_order(iter(entries)) + fault

    def _members(self, container: Entry, kind: str) -> Iterator[Member]:
        """The members that are looked at; the others are counted."""
        window = Opener(container.source, container.name, self.bounds).window(container.layers)
        if kind == "zip":
            members = zip_members(window, container.name, self.bounds)
        else:
            members = tar_members(window, container.name)
        for member in members:
            self.members += 1
            if self.members > self.bounds.entries:
                raise too_many_entries(container.name, self.bounds)
            if member is None or not is_listed(member.path):
                self.passed_over += 1
            else:
                yield member

    def _count(self, container: Entry, member: Member) -> None:
        if isinstance(member.layer, ZipMember) and not member.layer.is_stored:
            self.unpacked += member.size
        if self.unpacked > self.bounds.unpacked:
            raise unpacks_too_much(container.name, self.bounds)


def _entry_in(container: Entry, member: Member) -> Entry:
    """A member as an entry of its own. (What was given itself has no ``inside``.)"""
    path, inside = member.path, f"{container.inside}/{member.path}"
    is_at_root = path in ROOT_FILES or beside_projects(path)
    if container.inside and not is_at_root and "/projects/" not in f"/{path}":
        tree_path = _tree_path(CONTAINER_ENDING.sub("", container.tree_path), path)
    else:
        tree_path = _tree_path("", path)
    return replace(
        container,
        name=f"{container.name}: {path}",
        tree_path=tree_path,
        size=member.size,
        layers=(*container.layers, member.layer),
        inside=inside.removeprefix("/"),
        exact_size=True,
    )


def _named_inside(entry: Entry, shown: str) -> Entry:
    return (
        entry
        if entry.inside
        else replace(entry, inside=PACKED_ENDING.sub("", shown) if entry.layers else shown)
    )


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
    >>> _tree_path("", "backup/projects/-home-ada/1.jsonl.gz")
    'projects/-home-ada/1.jsonl'
    >>> _tree_path("projects/-home-ada", "1.jsonl")
    'projects/-home-ada/1.jsonl'
    >>> _tree_path("", "notes/1.jsonl")
    'projects/notes/1.jsonl'
    """
    inside = PACKED_ENDING.sub("", inside)
    if prefix:
        return f"{prefix}/{inside}"
    if inside in ROOT_FILES:
        return inside
    if beside := beside_projects(inside):
        return beside
    at = f"/{inside}".find("/projects/")
    return inside[at:] if at >= 0 else f"projects/{inside}"


def _tree_path_of_file(place: Path, name: str) -> str:
    """The tree path of a lone file, where its own path (or the one it was uploaded with) tells it."""
    given = PACKED_ENDING.sub("", clean_name(name or place.resolve().as_posix()))
    if PurePosixPath(given).name in ROOT_FILES:
        return PurePosixPath(given).name
    match = re.search(r"(?:^|/)(projects/-[^/]+/.+)$", given, re.DOTALL)
    if match:
        return match.group(1)
    # A folder that was picked in the browser comes as files with paths below it.
    return _tree_path("", given) if name and "/" in given else ""
