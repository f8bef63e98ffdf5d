"""Folders that an export fills: the original tree, or its parts. All files appear together, or none."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from archive.errors import Conflict
from exports.building import Attempt, Built, Order, Tick, build
from exports.part_files import (
    PartFile,
    WrittenFile,
    cannot_write,
    part_path,
    remove_parts,
    sync_folder,
)
from exports.renderers.base import Material
from exports.renderers.claude_code import members


@dataclass(frozen=True)
class Folder:
    """Where the files are to be, and whether other things may be there: with ``force`` they stay, and files
    of the same name are replaced."""

    path: Path
    force: bool = False


def write_tree(
    material: Material, folder: Folder, attempt: Attempt, tick: Callable[[], None]
) -> list[WrittenFile]:
    """Write the original tree. Raises Conflict when the folder is in use, BadInput where nothing can be."""
    with _whole(folder, attempt) as building:
        written = list(_write_members(material, building, attempt, tick))
        tick()
    return written


def write_parts(order: Order, folder: Folder, attempt: Attempt, tick: Tick) -> Built:
    """Write every part of an export as a file. Raises as ``write_tree``."""
    with _whole(folder, attempt) as building:
        name = order.renderer.name
        return build(order, lambda part: building / f"{name}-{part.label}{order.extension}", attempt, tick)


@contextmanager
def _whole(folder: Folder, attempt: Attempt) -> Iterator[Path]:
    """A folder beside it, which takes its place when the block is through, and is gone when it fails."""
    refuse_occupied(folder)
    remove_parts(folder.path.parent, attempt.job_id)
    building = part_path(folder.path, attempt.mark)
    try:
        building.mkdir(parents=True)
        yield building
        _move_into_place(building, folder.path)
    except OSError as error:
        raise cannot_write(folder.path, error) from error
    finally:
        shutil.rmtree(building, ignore_errors=True)


def refuse_occupied(folder: Folder) -> None:
    """Raise Conflict when something is there that an export would mix with or replace."""
    path = folder.path
    if path.is_dir() and not folder.force and any(path.iterdir()):
        raise Conflict(
            f"{path} is not empty.",
            hint="Name a new folder, or give --force to write into this one.",
            code="folder_not_empty",
        )
    if path.exists() and not path.is_dir():
        raise Conflict(
            f"{path} is a file, not a folder.",
            hint="Name a folder, or a path that ends in .zip.",
            code="not_a_folder",
        )


def _write_members(
    material: Material, folder: Path, attempt: Attempt, tick: Callable[[], None]
) -> Iterator[WrittenFile]:
    for name, source in members(material):
        with PartFile(folder / name, attempt.mark) as part:
            for chunk in material.chunks(source):
                part.write(chunk)
                tick()
            done = part.commit()
        yield WrittenFile(Path(name), done.bytes, done.sha256)


def _move_into_place(building: Path, final: Path) -> None:
    """One rename where nothing is there yet; else file by file, each one whole."""
    if final.is_dir() and not any(final.iterdir()):
        final.rmdir()
    if not final.exists():
        building.rename(final)
        sync_folder(final.parent)
        return
    for path in sorted(building.rglob("*")):
        if path.is_file():
            target = final / path.relative_to(building)
            target.parent.mkdir(parents=True, exist_ok=True)
            path.replace(target)
