"""``manage.py migrate_tiers``: move messages down by their age."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from maintenance.commands import MaintenanceCommand


class Command(MaintenanceCommand):
    """The step ``tier``."""

    help = "Move messages down by their age: hot to warm, warm to cold, cold to frozen."
    step = "tier"

    def add_step_arguments(self, parser: CommandParser) -> None:
        """How, and what."""
        parser.add_argument("--now", action="store_true", help="Whatever the quiet hours are.")
        parser.add_argument(
            "--tier",
            action="append",
            default=[],
            help="Only what leaves this tier: hot, warm, cold; repeatable.",
        )

    def parameters(self, options: dict[str, Any]) -> dict[str, Any]:
        """What was given."""
        return {name: value for name, value in (("now", options["now"]), ("tiers", options["tier"])) if value}
