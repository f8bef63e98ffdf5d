"""Who is told of a job's progress besides its row: nobody, a terminal, or a log of plain lines."""

import sys
import time
from typing import Any, Protocol, TextIO

from jobs.wording import human_bytes, human_count, human_seconds

Snapshot = dict[str, Any]


class Reporter(Protocol):
    """Told of each published snapshot (at most two a second), of log lines, and of the end."""

    def update(self, snapshot: Snapshot) -> None: ...

    def log(self, level: str, text: str) -> None: ...

    def finish(self, snapshot: Snapshot) -> None: ...


class NullReporter:
    """Tells nobody."""

    def update(self, snapshot: Snapshot) -> None:
        """Nothing."""

    def log(self, level: str, text: str) -> None:
        """Nothing."""

    def finish(self, snapshot: Snapshot) -> None:
        """Nothing."""


class LineReporter:
    """Plain lines, for logs and pipes: one every few seconds, one for each change of phase."""

    def __init__(self, out: TextIO | None = None, every: float = 5.0) -> None:
        self._out = out or sys.stderr
        self._every = every
        self._next = 0.0
        self._phase = ""

    def update(self, snapshot: Snapshot) -> None:
        """Print the snapshot when it is time, or when the phase is another."""
        now = time.monotonic()
        if now < self._next and snapshot["phase"] == self._phase:
            return
        self._next, self._phase = now + self._every, snapshot["phase"]
        self._print(progress_line(snapshot))

    def log(self, level: str, text: str) -> None:
        """Print the line with its level."""
        self._print(f"{level}: {text}")

    def finish(self, snapshot: Snapshot) -> None:
        """Print how it ended."""
        self._print(end_line(snapshot))

    def _print(self, line: str) -> None:
        print(line, file=self._out, flush=True)


def facts(snapshot: Snapshot) -> list[str]:
    """The figures of a snapshot, in words, those that are known."""
    told = [f"{human_count(snapshot['recordsDone'])} records"]
    if snapshot["bytesDone"]:
        told.append(_of_total(snapshot))
    if snapshot["rate"]:
        told.append(f"{human_count(round(snapshot['rate']))} records/s")
    if snapshot["etaSeconds"] is not None:
        told.append(f"{human_seconds(snapshot['etaSeconds'])} left")
    return told


def _of_total(snapshot: Snapshot) -> str:
    done = human_bytes(snapshot["bytesDone"])
    total = snapshot["bytesTotal"]
    return f"{done} of {human_bytes(total)}" if total else done


def progress_line(snapshot: Snapshot) -> str:
    """One line that says how far a job is."""
    percent = "" if snapshot["percent"] is None else f"{snapshot['percent']:.0f} %, "
    return f"{snapshot['phase'] or snapshot['stateLabel']}: {percent}{', '.join(facts(snapshot))}"


def end_line(snapshot: Snapshot) -> str:
    """One line that says how a job ended, with its counts; the error is told by the caller."""
    counts = ", ".join(f"{human_count(n)} {name}" for name, n in snapshot["counts"].items() if n)
    return f"{snapshot['title']}: {snapshot['stateLabel'].lower()}" + (f" ({counts})" if counts else "")
