"""How an export's files come about: rendered, packed, hashed, written, synced, and only then named.

The renderer pulls from the archive in this thread; packing, hashing and writing go on in another, behind a
bounded queue, and let Python run meanwhile. What is killed starts again from nothing: an export is read in
one pass, and neither half a file nor some of the parts are ever seen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from archive import months
from archive.filters import MessageFilter
from exports import sharing
from exports.choices import Choices
from exports.packing import PACKINGS, start_packer
from exports.part_files import PartFile, WrittenFile, part_path
from exports.renderers.base import Renderer
from exports.splitting import Part, split
from exports.stages import Stage
from exports.tallies import Tally, Together, copied

HANDED_BYTES = 1024**2
"""What is handed to the other thread at once: each time costs both of them some 50 µs."""

Tick = Callable[[Together], None]
"""Told after every piece how much there is; raises to stop."""


@dataclass(frozen=True)
class Attempt:
    """One try of one job: its parts carry its own name, so that an overtaken try harms nobody."""

    job_id: str
    token: int

    @property
    def mark(self) -> str:
        """Different for every try."""
        return f"{self.job_id}-{self.token}"


@dataclass(frozen=True)
class Order:
    """What is to be built: messages of a filter, in a format, packed and split as chosen, by as many
    ``processes`` as may be."""

    renderer: Renderer
    choices: Choices
    filter: MessageFilter
    processes: int = 1

    @property
    def extension(self) -> str:
        """How the names of its files end."""
        return self.renderer.extension_of(self.choices) + PACKINGS[self.choices.compression].extension

    @property
    def media_type(self) -> str:
        """What its files are."""
        return PACKINGS[self.choices.compression].media_type or self.renderer.media_type_of(self.choices)


@dataclass(frozen=True)
class BuiltPart:
    """A part that is whole: its file, and what came of it."""

    number: int
    label: str
    file: WrittenFile
    tally: Tally


@dataclass(frozen=True)
class Built:
    """All parts of an export, and what came of them together."""

    parts: list[BuiltPart]
    total: Tally


class PackedFile:
    """A file that is packed, hashed and written in a thread of its own; ``commit`` puts it in its place.

    Raises as ``PartFile``, maybe some pieces later. ``given`` counts the bytes before they are packed.
    Memory: ``HANDED_BYTES`` for each piece that waits for the thread.
    """

    def __init__(self, final: Path, mark: str, choices: Choices) -> None:
        self.given = 0
        self._held: list[bytes] = []
        self._held_bytes = 0
        self._file = PartFile(final, mark)
        self._packer = start_packer(choices)
        self._stage = Stage(self._take)
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        self._stack.enter_context(self._file)
        self._stack.enter_context(self._stage)
        return self

    def write(self, data: bytes) -> None:
        """Take the next piece."""
        self.given += len(data)
        self._held.append(data)
        self._held_bytes += len(data)
        if self._held_bytes >= HANDED_BYTES:
            self._hand_on()

    def _hand_on(self) -> None:
        self._stage.put(b"".join(self._held))
        self._held, self._held_bytes = [], 0

    def _take(self, data: bytes) -> None:
        packed = self._packer.compress(data)
        if packed:
            self._file.write(packed)

    def commit(self) -> WrittenFile:
        """Wait for all that was written, and name it."""
        self._hand_on()
        self._stage.finish()
        if rest := self._packer.flush():
            self._file.write(rest)
        return self._file.commit()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.__exit__(kind, error, trace)


def build(order: Order, place: Callable[[Part], Path], attempt: Attempt, tick: Tick) -> Built:
    """Make all parts of an export; ``place`` says where each is to be. All of them are there in the end, or
    none. Memory: a batch of messages and a few pieces, whatever the size."""
    builder = _Builder(order, attempt, tick)
    with ExitStack() as undo:
        for part in split(order.choices, order.filter, builder.is_full):
            final = place(part)
            builder.build(part, final)
            undo.callback(final.unlink, missing_ok=True)
        total = builder.total()
        tick(Together([total]))
        undo.pop_all()
    return Built(builder.parts, total)


@dataclass
class _Builder:
    order: Order
    attempt: Attempt
    tick: Tick
    done: Tally = field(default_factory=Tally)
    parts: list[BuiltPart] = field(default_factory=list)
    _out: PackedFile | None = None

    def is_full(self) -> bool:
        """Whether the part in work has as many bytes as it should."""
        return self._out is not None and self._out.given >= self.order.choices.split_bytes

    def build(self, part: Part, final: Path) -> None:
        """Write one part and add it to the others."""
        with PackedFile(final, self.attempt.mark, self.order.choices) as self._out:
            job = sharing.Job(self.order.renderer, self.order.choices, part.material)
            for chunk in self._rendered(job, final):
                if chunk:
                    self._out.write(chunk)
                self.tick(Together([self.done, part.material, *job.others]))
            self.tick(Together([self.done, part.material]))
            written = self._out.commit()
        self.parts.append(BuiltPart(part.number, part.label, written, copied(part.material)))
        self.done.take_in(part.material)

    def _rendered(self, job: sharing.Job, final: Path) -> Iterator[bytes]:
        spans = sharing.spans_of(job, self.order.processes)
        if not spans or job.framing is None:
            return job.renderer.render(job.material, job.choices)
        return sharing.render_shared(job, job.framing, spans, part_path(final, self.attempt.mark))

    def total(self) -> Tally:
        """All parts together; conversations that go on over months are counted once."""
        if self.order.choices.split == "month" and self.done.message_count:
            self.done.session_count = months.count_sessions(self.order.filter)
        return self.done
