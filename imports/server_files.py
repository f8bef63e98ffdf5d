"""Files that lie on the server itself: which ones a path means, and what they are called."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from archive.errors import BadInput
from imports.naming import ACCEPTED_WORDS, clean_name, fits_folder

PROJECTS = "projects"


def find_sources(paths: Sequence[str]) -> list[dict[str, Any]]:
    """Name every file that the paths mean: files as they are, folders with all that fits in them.

    Sorted within each folder; a file that is named twice counts once. Symbolic links to folders
    are not followed.

    :raises BadInput: a path that is not there or cannot be read, or nothing to import in any
    """
    found = {str(file): name for path in paths for file, name in _files_of(Path(path))}
    if not found:
        raise BadInput(
            f"There is nothing to import in {', '.join(paths)}.",
            hint=f"Looked for {ACCEPTED_WORDS}.",
            code="nothing_chosen",
        )
    return [_source(path, name) for path, name in found.items()]


def _source(path: str, name: str) -> dict[str, Any]:
    size = os.stat(path).st_size  # noqa: PTH116 (one call per file of thousands)
    return {"path": path, "name": name, "upload": None, "sha256": "", "bytes": size}


def _files_of(path: Path) -> Iterator[tuple[Path, str]]:
    path = path.expanduser().absolute()
    if path.is_dir():
        yield from _files_in(path)
    elif not path.is_file():
        raise BadInput(
            f"There is no file or folder {path}.", hint="Check the path.", code="path_not_found"
        )
    elif not os.access(path, os.R_OK):
        raise BadInput(
            f"{path} cannot be read.", hint="Check its permissions.", code="path_not_readable"
        )
    else:
        yield path, name_of(path, root=path.parent)


def _files_in(folder: Path) -> Iterable[tuple[Path, str]]:
    for where, folders, files in os.walk(folder, onerror=_refuse):
        folders.sort()
        for file in sorted(files):
            path = Path(where, file)
            if fits_folder(file) and path.is_file():
                yield path, name_of(path, root=folder.parent)


def _refuse(error: OSError) -> None:
    raise BadInput(
        f"{error.filename} cannot be read: {error.strerror}.",
        hint="Check its permissions.",
        code="path_not_readable",
    ) from error


def name_of(path: Path, *, root: Path) -> str:
    """What we call the file: from its ``projects`` folder on, else relative to ``root``."""
    folders = path.parts[:-1]
    if PROJECTS in folders:
        start = len(folders) - 1 - folders[::-1].index(PROJECTS)
        return clean_name("/".join(path.parts[start:]))
    return clean_name(path.relative_to(root).as_posix())
