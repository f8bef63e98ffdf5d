"""A process of its own that renders a span of an export into a file.

Parent and child speak over a pair of sockets: the parent sends one ``Rendering``, the child answers with what
it has counted so far, twice a second, and in the end with all of it or with its refusal. Both ends are ours
and of one version; nothing from outside is unpickled. The child ends when its parent does, and what it wrote
is removed by the parent, or by the next try.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection, Pipe
from pathlib import Path
from types import TracebackType
from typing import Self

from archive import connection, garbage, object_store
from archive.errors import ArchiveError, Unavailable
from archive.filters import MessageFilter
from archive.scanning import Span
from exports.choices import Choices
from exports.material import ArchiveMaterial
from exports.part_files import PlainFile
from exports.renderers import RENDERERS
from exports.renderers.base import gather
from exports.shaping import shaped
from exports.tallies import Tally, copied

ROOT = Path(__file__).resolve().parent.parent
TELL_SECONDS = 0.5


@dataclass(frozen=True)
class Rendering:
    """A span of what a filter fits, to be rendered in a format, without its frame, into ``path``."""

    format: str
    choices: Choices
    filter: MessageFilter
    span: Span
    path: Path


class RenderProcess:
    """Renders beside this process while the ``with`` block runs; ``tally`` is what it last told."""

    def __init__(self, rendering: Rendering) -> None:
        self.path = rendering.path
        self.tally = Tally()
        self._rendering = rendering
        self._is_done = False

    def __enter__(self) -> Self:
        self._line, theirs = Pipe()
        command = [sys.executable, "-m", "exports.render_process", str(theirs.fileno())]
        self._process = subprocess.Popen(command, pass_fds=[theirs.fileno()], cwd=ROOT)
        theirs.close()
        self._line.send((connection.configuration(), object_store.opening_name(), self._rendering))
        return self

    def wait(self) -> Iterator[bytes]:
        """Nothing, again and again, until the file is whole. Raises Unavailable when the process has died,
        and what it refused."""
        while not self._is_done:
            if self._line.poll(TELL_SECONDS):
                self._hear()
            yield b""

    def look(self) -> None:
        """Take over what it has told meanwhile. Raises as ``wait``."""
        while not self._is_done and self._line.poll():
            self._hear()

    def _hear(self) -> None:
        try:
            told = self._line.recv()
        except (EOFError, OSError) as error:
            raise Unavailable("A process of the export has died.", hint="The job tries again.") from error
        if isinstance(told, ArchiveError):
            raise told
        self.tally, self._is_done = told

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.kill()
        self._process.wait()
        self._line.close()
        self.path.unlink(missing_ok=True)


def serve(line: Connection) -> None:
    """The child's work: one rendering. Ends with the parent, at once."""
    archive, store, rendering = line.recv()
    threading.Thread(target=_end_with_parent, args=(line,), daemon=True).start()
    connection.configure(archive.url, archive.name, **archive.options)
    object_store.configure_by_name(store)
    garbage.collect_seldom()
    try:
        told: tuple[Tally, bool] | ArchiveError = _render(rendering, line), True
    except ArchiveError as refusal:
        told = refusal
    line.send(told)


def _render(rendering: Rendering, line: Connection) -> Tally:
    framing = RENDERERS[rendering.format].framing
    if framing is None:
        raise AssertionError(f"{rendering.format} is made in one piece")
    material = ArchiveMaterial(rendering.filter, span=rendering.span)
    due = time.monotonic()
    with PlainFile(rendering.path) as file:
        for piece in gather(framing.body(shaped(material, rendering.choices), rendering.choices)):
            file.write(piece)
            if time.monotonic() >= due:
                line.send((copied(material), False))
                due = time.monotonic() + TELL_SECONDS
    return copied(material)


def _end_with_parent(line: Connection) -> None:
    """The parent says nothing more: what comes next is its end."""
    line.poll(None)
    os._exit(1)


if __name__ == "__main__":
    serve(Connection(int(sys.argv[1])))
