"""What an export is split into: one file, one for each month, or as many as a size makes.

Every part is an export of its own, whole and valid, read by a cursor of its own. Parts of a size are made one
after the other: each goes on behind the last message of the one before, in the same conversation if need be.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from archive import months
from archive.errors import BadInput
from archive.filters import MessageFilter
from archive.scanning import Span
from exports.choices import Choices
from exports.filters import BadFilter
from exports.material import ArchiveMaterial
from exports.renderers.base import Renderer

MOST_PARTS = 1000
UNDATED = "undated"


@dataclass(frozen=True)
class Part:
    """One file to be: its number from 1, what tells it from the others in its name, and what goes in."""

    number: int
    label: str
    material: ArchiveMaterial


def refuse_split(renderer: Renderer, choices: Choices) -> None:
    """Raise BadFilter where the format cannot be split so."""
    if choices.split == "month" and "files" in renderer.needs:
        raise BadFilter(
            "split", f"{renderer.name} has whole files, which span months.", hint="Split it by a size."
        )
    if choices.split_bytes and renderer.rows_of(choices) not in ("", "messages"):
        raise BadFilter("split", "only messages are split by a size.", hint="Split it by month.")


def split(choices: Choices, wanted: MessageFilter, is_full: Callable[[], bool]) -> Iterator[Part]:
    """The parts in their order, each to be rendered before the next one is asked for.

    ``is_full`` tells whether the part in work has reached its size. Raises BadInput past ``MOST_PARTS``.
    """
    if choices.split == "month":
        parts = _by_month(wanted)
    elif choices.split_bytes:
        parts = _by_size(wanted, is_full)
    else:
        parts = iter([("", ArchiveMaterial(wanted))])
    for number, (label, material) in enumerate(parts, 1):
        if number > MOST_PARTS:
            raise BadInput(
                f"This export would have more than {MOST_PARTS:,} parts.",
                hint="Split it by a larger size.",
                code="too_many_parts",
            )
        yield Part(number, label, material)


def _by_month(wanted: MessageFilter) -> Iterator[tuple[str, ArchiveMaterial]]:
    found, undated = months.months_of(wanted)
    for month in found:
        since = max(filter(None, (wanted.since, month.since)))
        until = min(filter(None, (wanted.until, month.until)), default=None)
        yield month.name, ArchiveMaterial(replace(wanted, since=since, until=until))
    if undated or not found:
        yield UNDATED, ArchiveMaterial(wanted, span=Span(undated=True))


def _by_size(wanted: MessageFilter, is_full: Callable[[], bool]) -> Iterator[tuple[str, ArchiveMaterial]]:
    material, number = ArchiveMaterial(wanted, is_full=is_full), 1
    yield f"part-{number:03}", material
    while material.rest is not None:
        number += 1
        material = next_part(material, material.rest)
        yield f"part-{number:03}", material


def next_part(before: ArchiveMaterial, span: Span) -> ArchiveMaterial:
    """The material of the next part: nothing is counted yet, names that were given stay given."""
    return ArchiveMaterial(
        before.filter, span=span, is_full=before.is_full, names=before.names, exported=before.exported
    )
