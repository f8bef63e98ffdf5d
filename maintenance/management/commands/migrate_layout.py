"""Migrate the layout of the archive, phase by phase, with a way back."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from archive.layouts import ACTIONS, Layout
from maintenance.commands import MaintenanceCommand
from maintenance.steps import migrate


class Command(MaintenanceCommand):
    """``manage.py migrate_layout backfill``"""

    help = (
        "Bring an archive whose messages lie in one big collection, or in monthly ones, into tiers, or back. "
        "Each action is a phase: create, dual-write, backfill, validate, cut-over, finish; roll-back at any "
        "time before finish; status tells where it stands. Exit code 3 when a validation finds a difference."
    )
    step = "migrate"

    def add_step_arguments(self, parser: CommandParser) -> None:
        """Which action."""
        parser.add_argument("action", nargs="?", default="", choices=["", "status", *ACTIONS])
        parser.add_argument("--to", choices=list(Layout), default="", help="For create. Default: tiered.")

    def parameters(self, options: dict[str, Any]) -> dict[str, Any]:
        """What was asked for."""
        if options["plan"]:
            return {}
        return {name: options[name] for name in ("action", "to") if options[name]}

    def work(self, options: dict[str, Any]) -> dict[str, Any]:
        """``status`` only reads, and makes no job."""
        if options["action"] != "status":
            return super().work(options)
        if not options["json"]:
            self.stdout.write("\n".join(migrate.told_status()))
        return migrate.status()
