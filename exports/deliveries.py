"""Where an export goes: one file, or a folder with the original tree. Whole, or not at all."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from archive.errors import Conflict
from exports.part_files import (
    PartFile,
    WrittenFile,
    cannot_write,
    part_path,
    remove_parts,
    sync_folder,
)
from exports.renderers.base import Material, Renderer
from exports.renderers.claude_code import members

Tick = Callable[[], None]
"""Called after every piece; raises to stop."""


@dataclass(frozen=True)
class Attempt:
    """One try of one job: its parts carry its own name, so that an overtaken try harms nobody."""

    job_id: str
    token: int

    @property
    def mark(self) -> str:
        """Different for every try."""
        return f"{self.job_id}-{self.token}"


def write_file(
    renderer: Renderer, material: Material, final: Path, attempt: Attempt, tick: Tick
) -> WrittenFile:
    """Render into ``final``. It appears when it is whole, or not at all."""
    remove_parts(final.parent, attempt.job_id)
    with PartFile(final, attempt.mark) as part:
        for chunk in renderer.render(material):
            part.write(chunk)
            tick()
        tick()
        return part.commit()


def write_folder(
    material: Material, final: Path, attempt: Attempt, tick: Tick, *, force: bool = False
) -> list[WrittenFile]:
    """Write the original tree below ``final``; all files appear together, when all are whole.

    With ``force`` the folder may hold other things: they stay, files of the same name are replaced.
    Raises Conflict when ``final`` is not empty, BadInput where it cannot be written.
    """
    refuse_occupied(final, force=force)
    remove_parts(final.parent, attempt.job_id)
    building = part_path(final, attempt.mark)
    try:
        building.mkdir(parents=True)
        written = list(_write_members(material, building, attempt, tick))
        tick()
        _move_into_place(building, final)
    except OSError as error:
        raise cannot_write(final, error) from error
    finally:
        shutil.rmtree(building, ignore_errors=True)
    return written


def refuse_occupied(folder: Path, *, force: bool) -> None:
    """Raise Conflict when something is there that an export would mix with or replace."""
    if folder.is_dir() and not force and any(folder.iterdir()):
        raise Conflict(
            f"{folder} is not empty.",
            hint="Name a new folder, or give --force to write into this one.",
            code="folder_not_empty",
        )
    if folder.exists() and not folder.is_dir():
        raise Conflict(
            f"{folder} is a file, not a folder.",
            hint="Name a folder, or a path that ends in .zip.",
            code="not_a_folder",
        )


def _write_members(material: Material, folder: Path, attempt: Attempt, tick: Tick) -> Iterator[WrittenFile]:
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
