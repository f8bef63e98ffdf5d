"""``manage.py offload_archive``: put a month into files."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from maintenance.commands import MaintenanceCommand


class Command(MaintenanceCommand):
    """The step ``offload``."""

    help = "Put the cold messages of a month, or a sealed month, into files."
    step = "offload"

    def add_step_arguments(self, parser: CommandParser) -> None:
        """Which month."""
        parser.add_argument("month", nargs="?", default="", help="Such as 2026_03; not with --plan.")

    def parameters(self, options: dict[str, Any]) -> dict[str, Any]:
        """What was given."""
        return {"month": options["month"]} if options["month"] or not options["plan"] else {}
