"""Files and folders that lie on the server itself, named by their paths."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from imports.readers.sources import list_entries


def find_sources(paths: Sequence[str]) -> list[dict[str, Any]]:
    """What the paths mean, as a job keeps it; one that is named twice counts once.

    :raises NotFound: nothing is there
    :raises BadInput: it holds no transcripts, or cannot be read
    """
    places = dict.fromkeys(Path(path).expanduser().absolute() for path in paths)
    return [_source(place) for place in places]


def _source(place: Path) -> dict[str, Any]:
    entries = list_entries(str(place)).entries
    return {
        "path": str(place),
        "name": place.name or "all files",
        "upload": None,
        "sha256": "",
        "bytes": sum(entry.size for entry in entries),
        "files": len(entries),
    }
