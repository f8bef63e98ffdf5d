"""`claude-code`: the original transcript files, byte for byte, under their own names."""

from __future__ import annotations

from collections.abc import Iterator

from exports.choices import Choices
from exports.renderers.base import Material, Renderer, SourceFile, gather
from exports.renderers.zips import zipped


def members(material: Material) -> Iterator[tuple[str, SourceFile]]:
    """Each file with the safe name it gets; a name that had to change is noted."""
    for file in material.files():
        name = material.file_name(file.path)
        if name != file.path:
            material.note(f"{file.path!r} is called {name!r} here: its own name is not safe or taken.")
        yield name, file


def render(material: Material, choices: Choices) -> Iterator[bytes]:
    """A zip of the original tree. Memory: one chunk, and 1 KB a file for its directory."""
    return gather(zipped((name, material.chunks(file)) for name, file in members(material)))


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
    packs_itself="its zip is packed",
    loses=("Nothing: every line is the very bytes that were imported.",),
    render=render,
)
