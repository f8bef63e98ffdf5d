"""A job's progress on a terminal. Apart from the other reporters, since only commands need its library."""

import sys
from typing import TextIO

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from jobs.reporters import Snapshot, end_line, facts


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
