"""Analyse indexes, and decide about what is advised."""

from __future__ import annotations

import re
from typing import Any

from django.core.management.base import CommandParser

from archive.errors import BadInput
from maintenance.commands import MaintenanceCommand
from maintenance.indexes import services
from maintenance.steps.analyse import PARAMETERS


class Command(MaintenanceCommand):
    """``manage.py analyze_indexes --apply 0123456789ab``"""

    help = "Find indexes that are unused, redundant or missing, and tell what to do about them."
    step = "analyse"

    def add_step_arguments(self, parser: CommandParser) -> None:
        """The limits, and what to decide."""
        for name, (*_, text) in PARAMETERS.items():
            option = re.sub(r"([A-Z])", r"-\1", name).lower()
            parser.add_argument(f"--{option}", dest=name, metavar="N", help=text)
        for verb, text in services.VERBS.items():
            parser.add_argument(f"--{verb}", default="", metavar="ID", help=text)

    def parameters(self, options: dict[str, Any]) -> dict[str, Any]:
        """The limits that were given."""
        return {name: options[name] for name in PARAMETERS if options[name] is not None}

    def work(self, options: dict[str, Any]) -> dict[str, Any]:
        """Decide, if that was asked for, else analyse."""
        asked = [verb for verb in services.VERBS if options[verb]]
        if not asked:
            return super().work(options)
        if len(asked) > 1:
            raise BadInput(
                "Only one of --apply, --dismiss and --undo at a time.", hint="Run it once for each."
            )
        row = services.decide(options[asked[0]], asked[0], self.owner(options))
        told = services.advice_as_dict(row)
        if not options["json"]:
            self.stdout.write(_line(told))
        return told

    def tell(self, answer: dict[str, Any]) -> None:
        """Each piece of advice that is open, and what was done about others."""
        super().tell(answer)
        if not answer["dryRun"]:
            for row in services.list_advice():
                self.stdout.write(_line(row))

    def result(self, job: Any) -> dict[str, Any]:
        """The plan, and all advice there is by now."""
        return {**super().result(job), "advice": services.list_advice()}


def _line(row: dict[str, Any]) -> str:
    what = f"{row['kind']} {row['index']} of {row['collection']}"
    return f"{row['id']}  {row['state']:<9}  {what}: {row['reason']}"
