"""The documents of a conversation: a list to read beside it, and each of them to download."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from archive import reader
from archive.artifacts import Artifact, replay
from archive.errors import NotFound
from browse.blocks import Piece, brief_of, cut
from browse.conversation import Chosen
from browse.values import counted, mapping

SHOWN = 50
AT_ONCE = 50
KINDS = {
    "application/vnd.ant.code": "Code",
    "application/vnd.ant.mermaid": "Diagram",
    "application/vnd.ant.react": "React component",
    "image/svg+xml": "SVG",
    "text/html": "HTML",
    "text/markdown": "Markdown",
}


@dataclass(frozen=True, slots=True)
class Listed:
    """An artifact as the page shows it; ``number`` (from 0) names it in the address of its download."""

    number: int
    title: str
    brief: str
    source: Piece


def listed(chosen: Chosen) -> list[Listed]:
    """The artifacts of the version that is read (where all are shown: of the current one), the first ones."""
    return [_listed(*each) for each in enumerate(artifacts_of(chosen)[:SHOWN])]


def artifacts_of(chosen: Chosen) -> list[Artifact]:
    """Memory: the texts of the artifacts in all their versions, and some messages at once."""
    return replay(_records(chosen))


def one_of(chosen: Chosen, number: str) -> Artifact:
    """The artifact of this number. Raises ``NotFound``."""
    found = artifacts_of(chosen)
    if number.isascii() and number.isdigit() and int(number[:9]) < len(found):
        return found[int(number[:9])]
    raise NotFound("There is no such artifact in this conversation.")


def _records(chosen: Chosen) -> Iterator[Mapping[str, Any]]:
    if chosen.grown is None:
        return
    ids = (chosen.version or chosen.grown.current).ids
    for start in range(0, len(ids), AT_ONCE):
        yield from (mapping(each.get("record")) for each in reader.get_messages(ids[start : start + AT_ONCE]))


def _listed(number: int, artifact: Artifact) -> Listed:
    kind = artifact.language or KINDS.get(artifact.type, artifact.type)
    versions = counted(len(artifact.versions), "version")
    failed = f"{counted(artifact.failed, 'change')} did not fit" if artifact.failed else ""
    brief = " · ".join(each for each in (kind[:40], versions, failed) if each)
    title = brief_of(artifact.title) or brief_of(artifact.id) or "Untitled"
    return Listed(number, title, brief_of(brief), cut(artifact.content))
