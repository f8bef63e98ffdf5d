"""Prove that nothing is lost, doubled or out of place."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from archive.verifying import CHECKS
from maintenance.commands import MaintenanceCommand


class Command(MaintenanceCommand):
    """``manage.py verify_archive --deep``"""

    help = "Check everything that is stored, and name what does not hold. Exit code 3 when anything does not."
    step = "verify"

    def add_step_arguments(self, parser: CommandParser) -> None:
        """How thoroughly."""
        parser.add_argument("--deep", action="store_true", help="Read every payload and every frozen object.")
        parser.add_argument("--repair", action="store_true", help="Remove copies that belong to no batch.")
        parser.add_argument(
            "--check", action="append", choices=CHECKS, default=[], help="Only this one. Repeatable."
        )

    def parameters(self, options: dict[str, Any]) -> dict[str, Any]:
        """What was asked for."""
        asked = {"deep": options["deep"], "repair": options["repair"], "checks": options["check"]}
        return {name: value for name, value in asked.items() if value}

    def tell(self, answer: dict[str, Any]) -> None:
        """Each finding by its name."""
        super().tell(answer)
        for each in answer["result"].get("findings", []):
            self.stdout.write(f"{each['name']}: {each['message']}{' Repaired.' if each['repaired'] else ''}")
        if answer["result"] and not answer["result"]["violations"]:
            self.stdout.write("Everything holds.")
