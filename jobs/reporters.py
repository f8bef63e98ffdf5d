"""Who is told of a job's progress besides its row: nobody, a terminal, or a log of plain lines."""

import sys
import time
from typing import Any, Protocol, TextIO

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

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


class RichReporter:
    """A live bar on a terminal."""

    def __init__(self, out: TextIO | None = None) -> None:
        self._console = Console(file=out or sys.stderr)
        self._bar = Progress(
            TextColumn("[bold]{task.description}", markup=True),
            BarColumn(),
            TextColumn("{task.fields[facts]}", markup=False),
            TimeElapsedColumn(),
            console=self._console,
            transient=True,
        )
        self._task: TaskID | None = None

    def update(self, snapshot: Snapshot) -> None:
        """Move the bar."""
        if self._task is None:
            self._task = self._bar.add_task("", total=None, facts="")
            self._bar.start()
        self._bar.update(
            self._task,
            description=snapshot["phase"].replace("[", "\\[") or snapshot["stateLabel"],
            total=None if snapshot["percent"] is None else 100.0,
            completed=snapshot["percent"] or 0.0,
            facts=", ".join(facts(snapshot)),
        )

    def log(self, level: str, text: str) -> None:
        """Print the line above the bar."""
        self._console.print(f"{level}: {text}", markup=False, highlight=False)

    def finish(self, snapshot: Snapshot) -> None:
        """Take the bar away and print how it ended."""
        if self._task is not None:
            self._bar.stop()
        self._console.print(end_line(snapshot), markup=False, highlight=False)


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
