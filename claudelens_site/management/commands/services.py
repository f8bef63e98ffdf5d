"""The embedded MongoDB and Redis: start them to stay, stop them, ask for them."""

import json
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from claudelens_site import embedded


class Command(BaseCommand):
    """``manage.py services start|stop|status``"""

    help = "Start, stop or show the embedded MongoDB and Redis of the data folder."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        """What to do."""
        parser.add_argument("action", choices=("start", "stop", "status"))
        parser.add_argument("--json", action="store_true", help="Print the result as JSON.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Do it, then show how things are."""
        data_dir: Path = settings.CLAUDELENS_DATA_DIR
        try:
            getattr(self, options["action"])(data_dir)
        except embedded.ServerStartError as error:
            raise CommandError(f"{error}\n{error.hint}") from error
        self.show(data_dir, as_json=options["json"])

    def start(self, data_dir: Path) -> None:
        """Start them, to stay until ``services stop``."""
        servers = embedded.ensure_running(data_dir)
        embedded.keep(data_dir, running=True)
        servers.stop()

    def stop(self, data_dir: Path) -> None:
        """Stop them, unless somebody works with them at this moment."""
        if data_dir.is_dir():
            embedded.keep(data_dir, running=False)
        embedded.stop_unused(data_dir)
        if embedded.states(data_dir):
            raise CommandError(
                "They are in use. They stop by themselves once their last user ends "
                "(a running `manage.py up` or another command)."
            )

    def status(self, data_dir: Path) -> None:
        """Showing is all."""

    def show(self, data_dir: Path, *, as_json: bool) -> None:
        """One line for each server."""
        running = embedded.states(data_dir)
        answer = {name: _shown(running.get(name)) for name in embedded.URL_FORMS}
        if as_json:
            self.stdout.write(json.dumps(answer))
            return
        for name, state in answer.items():
            url = f" at {state['url']} (process {state['pid']})" if state["running"] else ""
            self.stdout.write(f"{name:8} {'running' if state['running'] else 'stopped'}{url}")


def _shown(state: embedded.ServerState | None) -> dict[str, Any]:
    if state is None:
        return {"running": False, "url": None, "pid": None}
    return {"running": True, "url": state.url, "pid": state.pid}
