"""A process of its own that reads files, so that parsing and writing share no interpreter.

Parent and child speak over pipes: the parent sends one ``Reading`` after another, the child answers with
its pieces, each as a length and a pickle. Both ends are ours and of one version; nothing from outside is
unpickled. The child ends when its input does, so it never outlives the parent. It holds a piece or two.
"""

import pickle
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from archive import garbage
from archive.errors import ArchiveError, Unavailable
from imports.reading import Piece, Reading, read_pieces

ROOT = Path(__file__).resolve().parent.parent
HEADER = struct.Struct("<Q")
END = None


class ReaderProcess:
    """Serves one reading at a time; starts on first use, ends with ``close``."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    def read_pieces(self, reading: Reading) -> Iterator[Piece]:
        """As ``reading.read_pieces``, done by the child, which begins at once. Raises ``Unavailable`` when
        the child dies."""
        given, answers = self._pipes()
        try:
            _send(given, reading)
        except BrokenPipeError as error:
            raise self._died() from error
        return self._pieces(answers)

    def _pieces(self, answers: IO[bytes]) -> Iterator[Piece]:
        is_done = False
        try:
            while (answer := self._answer(answers)) is not END:
                if isinstance(answer, ArchiveError):
                    is_done = True
                    raise answer
                yield answer
            is_done = True
        finally:
            if not is_done:
                self.close()  # given up in the middle: the child would go on with what nobody reads

    def _answer(self, stream: IO[bytes]) -> Any:
        answer = _receive(stream)
        if answer is _GONE:
            raise self._died()
        return answer

    def _died(self) -> Unavailable:
        """What a dead child means; the next reading starts another one."""
        self.close()
        return Unavailable("The process that reads the file has died.", hint="The job tries again.")

    def _pipes(self) -> tuple[IO[bytes], IO[bytes]]:
        if self._process is None:
            command = [sys.executable, "-m", "imports.reader_process"]
            self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT)
        given, answers = self._process.stdin, self._process.stdout
        if given is None or answers is None:
            raise AssertionError("both ends are pipes")
        return given, answers

    def close(self) -> None:
        """End the child, whatever it is doing. Idempotent."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.communicate()


_GONE = object()


def _send(stream: IO[bytes], value: Any) -> None:
    data = pickle.dumps(value, pickle.HIGHEST_PROTOCOL)
    stream.write(HEADER.pack(len(data)) + data)
    stream.flush()


def _receive(stream: IO[bytes]) -> Any:
    header = stream.read(HEADER.size)
    if len(header) < HEADER.size:
        return _GONE
    (length,) = HEADER.unpack(header)
    data = stream.read(length)
    return pickle.loads(data) if len(data) == length else _GONE  # noqa: S301 written by our own child


def serve(given: IO[bytes], answers: IO[bytes]) -> None:
    """The child's loop: readings in, pieces out, until the input ends."""
    garbage.collect_seldom()
    while (reading := _receive(given)) is not _GONE:
        try:
            for piece in read_pieces(reading):
                _send(answers, piece)
        except ArchiveError as refusal:
            _send(answers, refusal)
        else:
            _send(answers, END)


if __name__ == "__main__":
    serve(sys.stdin.buffer, sys.stdout.buffer)
