"""The whole promise in one command: files in, a look at them, the same bytes out."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from rich.console import Console
from rich.table import Table

from archive import connection, sessions
from claudelens_site import embedded
from claudelens_site.same_files import differences

SAMPLES = Path(__file__).resolve().parents[2] / "samples"
OWN = ("MONGODB_URL", "REDIS_URL", "DATABASE_URL", "MONGODB_DATABASE")


class Command(BaseCommand):
    """``manage.py demo``"""

    help = (
        "Import the sample conversations into a new, temporary archive, show them, export them "
        "and compare the export with the originals byte by byte. Leaves nothing behind."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        """Do it; the last line is ``identical``, or the exit code is 1."""
        with temporary_archive() as folder:
            imported = self.run("import_archive", str(SAMPLES))
            self.show(imported)
            self.run("export_archive", "--format", "claude-code", "--output", str(folder / "out"))
            different = differences(SAMPLES, folder / "out")
        if different:
            raise CommandError("The export differs:\n" + "\n".join(different))
        count = sum(1 for path in SAMPLES.rglob("*") if path.is_file())
        self.stdout.write(f"{count} files exported as claude-code, compared byte by byte:")
        self.stdout.write("identical")

    def run(self, *arguments: str) -> dict[str, Any]:
        """Run a command of ours in a process of its own; its answer. Raises CommandError."""
        command = [sys.executable, sys.argv[0], *arguments, "--json", "--verbosity=0"]
        ended = subprocess.run(command, check=False, stdout=subprocess.PIPE, text=True)
        if ended.returncode:
            raise CommandError(f"{arguments[0]} ended with {ended.returncode}.")
        answer: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])
        return answer

    def show(self, imported: dict[str, Any]) -> None:
        """A table of what is in the archive now."""
        table = Table(title="The archive after importing the samples")
        table.add_column("Conversation")
        table.add_column("Messages", justify="right")
        table.add_column("Cost", justify="right")
        page = sessions.page_sessions(sessions.SessionFilter(), cursor=None, limit=50)
        for session in page.items:
            cost = f"${session['totalCost']:.4f}"
            table.add_row(session["title"], str(session["messageCount"]), cost)
        Console(file=sys.stdout).print(table)
        told = ", ".join(f"{count} {name}" for name, count in imported["counts"].items() if count)
        self.stdout.write(f"Records: {told}.")


@contextmanager
def temporary_archive() -> Iterator[Path]:
    """A data folder with servers of its own, gone afterwards with all that runs in it."""
    for name in OWN:
        os.environ.pop(name, None)
    with tempfile.TemporaryDirectory(prefix="claudelens-demo-") as name:
        folder = Path(name)
        os.environ["CLAUDELENS_DATA_DIR"] = name
        servers = embedded.ensure_running(folder)
        connection.configure(servers.mongodb_url, settings.MONGODB_DATABASE)
        try:
            yield folder
        finally:
            connection.close()
            servers.stop()
