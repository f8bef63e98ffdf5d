"""Give back to the disk what lies free in the files."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from archive.compaction import LEAST_FREE_BYTES, LEAST_FREE_PERCENT
from jobs.wording import human_bytes
from maintenance.commands import MaintenanceCommand

MIB = 1024 * 1024


class Command(MaintenanceCommand):
    """``manage.py compact_collections --dry-run``"""

    help = "Compact the collections in whose files much lies free, one after another."
    step = "compact"

    def add_step_arguments(self, parser: CommandParser) -> None:
        """Which ones, and from when on."""
        parser.add_argument(
            "--collection",
            action="append",
            default=[],
            metavar="NAME",
            help="Only this one, whatever lies free in it. Repeatable.",
        )
        parser.add_argument(
            "--min-free-mb",
            type=int,
            help=f"So many MiB must lie free. Default: {LEAST_FREE_BYTES // MIB}.",
        )
        parser.add_argument(
            "--min-free-percent",
            type=int,
            help=f"And so many percent of the collection. Default: {LEAST_FREE_PERCENT}.",
        )
        parser.add_argument("--force", action="store_true", help="Even when the server is busy.")

    def parameters(self, options: dict[str, Any]) -> dict[str, Any]:
        """What was asked for."""
        megabytes = options["min_free_mb"]
        asked = {
            "collections": options["collection"] or None,
            "minFreeBytes": None if megabytes is None else megabytes * MIB,
            "minFreePercent": options["min_free_percent"],
            "force": options["force"] or None,
        }
        return {name: value for name, value in asked.items() if value is not None}

    def tell(self, answer: dict[str, Any]) -> None:
        """Each collection: what would be given back, or what was."""
        for item in answer["plan"]["items"] if answer["plan"] and answer["dryRun"] else []:
            free, stored = human_bytes(item["freeBytes"]), human_bytes(item["storedBytes"])
            self.stdout.write(f"{item['collection']}: {free} of {stored} free")
        for each in answer["result"].get("compacted", []):
            before, after = human_bytes(each["beforeBytes"]), human_bytes(each["afterBytes"])
            self.stdout.write(f"{each['collection']}: {before} -> {after} in {each['seconds']} s")
        super().tell(answer)
