"""`claude-code`: the original transcript files, byte for byte, under their own names."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from typing import IO, Any, cast

from exports.renderers.base import Material, Renderer, SourceFile, gather
from exports.renderers.names import UniqueNames

COMPRESSION_LEVEL = 1
"""Transcripts shrink to a fifth at once; higher levels cost thrice the time for a tenth more."""


class _Outlet:
    """A file object that keeps what was written until it is taken; zipfile cannot seek in it."""

    def __init__(self) -> None:
        self._held: list[bytes] = []

    def write(self, data: Any) -> int:
        self._held.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        """Nothing to do: whoever pulls writes."""

    def take(self) -> bytes:
        """Everything written since the last time."""
        data = b"".join(self._held)
        self._held.clear()
        return data


def members(material: Material) -> Iterator[tuple[str, SourceFile]]:
    """Each file with the safe name it gets; a name that had to change is noted."""
    names = UniqueNames()
    for file in material.files():
        name = names.give(file.path)
        if name != file.path:
            material.note(f"{file.path!r} is called {name!r} here: its own name is not safe or taken.")
        yield name, file


def _zipped(material: Material) -> Iterator[bytes]:
    outlet = _Outlet()
    # A plain name gives every member the same date (1980) and mode: the same files, the same zip.
    stream = cast(IO[bytes], outlet)
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED, compresslevel=COMPRESSION_LEVEL) as out:
        for name, file in members(material):
            with out.open(name, "w", force_zip64=True) as member:
                for chunk in material.chunks(file):
                    member.write(chunk)
                    yield outlet.take()
            yield outlet.take()
    yield outlet.take()


def render(material: Material) -> Iterator[bytes]:
    """A zip of the original tree. Memory: one chunk, and 1 KB a file for its directory."""
    return gather(_zipped(material))


RENDERER = Renderer(
    name="claude-code",
    label="Claude Code files, byte for byte",
    description=(
        "The original transcripts in a zip, in their own folders, subagents in place. "
        "Whole files: a file is exported if one of its messages matches."
    ),
    extension=".zip",
    media_type="application/zip",
    needs=frozenset({"files"}),
    loses=("Nothing: every line is the very bytes that were imported.",),
    render=render,
)
