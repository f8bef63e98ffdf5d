"""One file made by several processes: each renders a span of the sessions, and their bytes are joined.

The joined bytes are those that one process would have made: a format says how with its ``framing``. Every
process reads by a cursor of its own and goes on by key, so what holds for one scan holds for all of them
together: what was there before and is not deleted is in it once, what comes in meanwhile is in it or not.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from archive import sessions
from archive.filters import MessageFilter
from archive.scanning import Span
from exports.choices import Choices
from exports.material import ArchiveMaterial
from exports.render_process import Rendering, RenderProcess
from exports.renderers.base import Framing, Renderer, gather
from exports.shaping import shaped
from exports.tallies import Tally

WORTH_MESSAGES = 50_000
"""Fewer than these are rendered before another process has begun."""
COPY_BYTES = 512 * 1024
OWN_SHARE = 0.53
"""Of two halves, the larger is for the process that joins them: the other takes a moment to start."""


@dataclass(frozen=True)
class Job:
    """What is rendered: all of ``material``, in a format, as chosen."""

    renderer: Renderer
    choices: Choices
    material: ArchiveMaterial
    others: list[Tally] = field(default_factory=list)
    """What other processes have told of the same file so far."""

    @property
    def framing(self) -> Framing | None:
        """How its document is put together, where it can be."""
        rows = self.renderer.rows_of(self.choices)
        is_one = self.renderer.layout_of(self.choices) == "one" and rows in ("", "messages")
        return self.renderer.framing if is_one and self.material.is_full is None else None


def spans_of(job: Job, processes: int) -> list[Span]:
    """The spans that so many processes would take; empty where one does it alone."""
    if processes < 2 or job.framing is None or job.material.span != Span():
        return []
    borders = _borders(job.material.filter, processes)
    if not borders:
        return []
    return [Span(first, before) for first, before in zip(["", *borders], [*borders, ""], strict=True)]


def _borders(wanted: MessageFilter, processes: int) -> list[str]:
    """The sessions at which the spans after the first begin, by how many messages the sessions have."""
    total = sum(count for _, count in sessions.message_counts(wanted))
    if total < WORTH_MESSAGES:
        return []
    rest = (1 - OWN_SHARE * 2 / processes) / (processes - 1)
    ends = [total * (OWN_SHARE * 2 / processes + rest * number) for number in range(processes - 1)]
    borders, seen = [], 0
    for session_id, count in sessions.message_counts(wanted):
        if ends and seen >= ends[0]:
            borders.append(session_id)
            ends = [end for end in ends if end > seen]
        seen += count
    return borders


def render_shared(job: Job, framing: Framing, spans: list[Span], beside: Path) -> Iterator[bytes]:
    """The whole document in pieces; an empty one now and then while it is waited for another process.

    The others write files beside ``beside``, which are gone in the end. Raises Unavailable when one of them
    dies, and whatever they raise.
    """
    with ExitStack() as stack:
        others = [
            stack.enter_context(RenderProcess(_rendering(job, span, beside, number)))
            for number, span in enumerate(spans[1:], 1)
        ]
        job.others[:] = [other.tally for other in others]
        yield framing.head(job.choices)
        job.material.span = spans[0]
        is_begun = False
        for piece in gather(framing.body(shaped(job.material, job.choices), job.choices)):
            is_begun = True
            yield piece
            for other in others:
                other.look()
            job.others[:] = [other.tally for other in others]
        for other in others:
            for nothing in other.wait():
                job.others[0] = other.tally
                yield nothing
            job.material.take_in(other.tally)
            del job.others[0]
            for piece in _joined(other.path, framing.separator if is_begun else b""):
                is_begun = True
                yield piece
        yield framing.tail


def _rendering(job: Job, span: Span, beside: Path, number: int) -> Rendering:
    path = beside.with_name(f"{beside.name}.{number}.part")
    return Rendering(job.renderer.name, job.choices, job.material.filter, span, path)


def _joined(path: Path, separator: bytes) -> Iterator[bytes]:
    """The file in pieces, the separator before them; nothing where it is empty."""
    with path.open("rb", buffering=0) as file:
        while piece := file.read(COPY_BYTES):
            yield separator + piece if separator else piece
            separator = b""
