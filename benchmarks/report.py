"""Telling the results: tables for people, JSON lines for programs."""

import json
import os
import platform
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.targets import Check

Row = Mapping[str, Any]


class Report:
    """Collects what was measured. Every row goes to ``path`` as a JSON line at once; tables come when asked.

    With ``as_json`` the lines go to standard output too, and no tables.
    """

    def __init__(self, path: Path, *, as_json: bool) -> None:
        self.path = path
        self.as_json = as_json
        self.checks: list[Check] = []
        self.console = Console(width=None if sys.stdout.isatty() else 120)
        self.notes = Console(stderr=True)
        path.parent.mkdir(parents=True, exist_ok=True)
        self._write({"kind": "machine", **machine()})

    def say(self, text: str) -> None:
        """Tell what is going on, to whoever waits."""
        self.notes.print(text, style="dim", highlight=False)

    def row(self, bench: str, values: Row) -> None:
        """Keep one measured run."""
        self._write({"kind": "run", "bench": bench, **values})

    def check(self, *checks: Check) -> None:
        for each in checks:
            self.checks.append(each)
            self._write(each.as_dict())

    def table(self, title: str, headings: list[str], lines: list[list[str]]) -> None:
        """Show lines whose first cell is a name and whose others are numbers."""
        if self.as_json:
            return
        table = Table(title=title, title_justify="left", title_style="bold")
        for number, heading in enumerate(headings):
            table.add_column(heading, justify="right" if number else "left", overflow="fold")
        for line in lines:
            table.add_row(*line)
        self.console.print(table)

    def conclude(self) -> int:
        """Show the checks; the exit code: 1 when a hard one was missed."""
        lines = [
            [f"{each.bench}: {each.name}", f"{each.value:.2f}{each.unit}", each.wanted, each.verdict]
            for each in self.checks
        ]
        self.table("Targets", ["what", "measured", "wanted", ""], lines)
        missed = [each for each in self.checks if each.hard and not each.is_met]
        self.say(f"{len(self.checks) - len(missed)} of {len(self.checks)} held. Every run: {self.path}")
        return 1 if missed else 0

    def _write(self, values: Row) -> None:
        line = json.dumps({"at": datetime.now(UTC).isoformat(timespec="seconds"), **values})
        with self.path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")
        if self.as_json:
            print(line, flush=True)


def machine() -> dict[str, Any]:
    """What the numbers were measured on, and how busy it was."""
    return {
        "python": platform.python_version(),
        "system": platform.platform(),
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 2),
        "command": " ".join(sys.argv),
    }
