"""Bring a site's databases up to date: run it once before each new version starts."""

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from claudelens_site import preparation


class Command(BaseCommand):
    """``manage.py prepare``"""

    help = "Make or update the SQL tables, the collections and indexes, and the first admin."

    def add_arguments(self, parser: CommandParser) -> None:
        """``--json`` as everywhere."""
        parser.add_argument("--json", action="store_true", help="Print the result as JSON.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Prepare, and say what was made."""
        servers = preparation.start_servers()
        try:
            preparation.prepare()
            admin = preparation.make_first_admin()
        finally:
            servers.stop()
        if options["json"]:
            self.stdout.write(json.dumps({"adminMade": admin.name if admin else None}))
            return
        self.stdout.write("The databases are ready.")
        if admin:
            self.stdout.write(f"Administrator: {admin.name}   password: {admin.password}")
