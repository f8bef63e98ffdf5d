"""Everything at once, on one machine: the servers, the site, a worker, the scheduler."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from claudelens_site import embedded, ports, preparation
from claudelens_site.supervisor import Supervisor, site_children

SAMPLES = Path(__file__).resolve().parents[2] / "samples"
MARKER = "samples-imported"


class Command(BaseCommand):
    """``manage.py up``"""

    help = "Start ClaudeLens with all it needs, and stop all of it with Ctrl-C."

    def add_arguments(self, parser: CommandParser) -> None:
        """Where to listen, and whether to begin with the samples."""
        parser.add_argument("--host", default="127.0.0.1", help="Address to listen on.")
        parser.add_argument("--port", type=int, help="Port. Default: PORT, else 8000 or the next free.")
        parser.add_argument("--no-samples", action="store_true", help="Begin with an empty archive.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Start, watch, stop."""
        port = self.choose_port(options["host"], options["port"])
        self.say("Starting the database servers …")
        try:
            servers = preparation.start_servers()
        except embedded.ServerStartError as error:
            raise CommandError(f"{error}\n{error.hint}") from error
        supervisor = Supervisor(site_children(options["host"], port, settings.CLAUDELENS_DATA_DIR), self.say)
        supervisor.listen_to_signals()
        try:
            self.first_steps(with_samples=not options["no_samples"])
            self.serve(supervisor, options["host"], port)
        finally:
            self.say("Stopping …")
            supervisor.stop()
            servers.stop()
            self.say("Stopped. Your data stays in " + str(settings.CLAUDELENS_DATA_DIR))

    def choose_port(self, host: str, asked: int | None) -> int:
        """The port of the option, of PORT, or the first free one from 8000 on."""
        is_explicit = asked is not None or "PORT" in os.environ
        try:
            return ports.choose(host, asked or settings.PORT, is_explicit=is_explicit)
        except (ports.PortTakenError, OSError) as error:
            raise CommandError(f"{error} Choose another with: manage.py up --port N") from error

    def first_steps(self, *, with_samples: bool) -> None:
        """Tables, indexes, the administrator, and on a first start something to look at."""
        preparation.prepare()
        admin = preparation.make_first_admin()
        if with_samples:
            self.import_samples()
        if admin:
            self.say(f"Administrator: {admin.name}   password: {admin.password}")
            self.say("It is shown this once. Change it at /admin/password_change/.")

    def import_samples(self) -> None:
        """Import the sample conversations, once in the life of a data folder."""
        marker = settings.CLAUDELENS_DATA_DIR / MARKER
        if marker.exists():
            return
        self.say("Importing the sample conversations …")
        command = [sys.executable, sys.argv[0], "import_archive", str(SAMPLES), "--verbosity=0"]
        ended = subprocess.run(command, check=False)
        if ended.returncode:
            self.say(f"The samples were not imported (exit {ended.returncode}); going on without.")
        marker.touch()

    def serve(self, supervisor: Supervisor, host: str, port: int) -> None:
        """Run the site until a signal."""
        if supervisor.is_stopping:
            return
        supervisor.start()
        self.say(f"ClaudeLens is at http://{_shown(host)}:{port}/   (Ctrl-C stops it)")
        supervisor.watch()

    def say(self, line: str) -> None:
        """One line, at once: the output may be a pipe."""
        self.stdout.write(line)
        self.stdout.flush()


def _shown(host: str) -> str:
    if host in {"127.0.0.1", "0.0.0.0", "::", "::1"}:  # noqa: S104  (shown, not bound)
        return "localhost"
    return f"[{host}]" if ":" in host else host
