"""The development server, with the same bounded web server as production."""

from typing import Any

from daphne.management.commands.runserver import Command as DaphneCommand

from claudelens_site.server import Server


class Command(DaphneCommand):  # type: ignore[misc]
    """daphne's runserver, with back-pressure."""

    server_cls: Any = Server
