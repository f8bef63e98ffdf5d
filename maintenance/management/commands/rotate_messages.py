"""``manage.py rotate_messages``: seal the hot messages under the name of a month."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from maintenance.commands import MaintenanceCommand


class Command(MaintenanceCommand):
    """Rotate when it is due, or now."""

    help = "Seal messages_current under the name of the month and begin a new one, while writers wait."
    step = "rotate"

    def add_step_arguments(self, parser: CommandParser) -> None:
        """When it is due."""
        parser.add_argument("--always", action="store_true", help="Rotate whatever the size.")
        parser.add_argument(
            "--above-bytes", type=int, help="Rotate above this size. Without it: as the storage policy says."
        )

    def parameters(self, options: dict[str, Any]) -> dict[str, Any]:
        """What was given."""
        given = {"always": options["always"], "aboveBytes": options["above_bytes"]}
        return {name: value for name, value in given.items() if value not in (False, None)}
