"""``manage.py plan_sharding``: how the archive would be spread over shards, and spreading it."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from maintenance.commands import MaintenanceCommand


class Command(MaintenanceCommand):
    """Plan, and with ``--apply`` run the commands on a mongos."""

    help = "Recommend shard keys with the exact commands; --apply runs them on a mongos."
    step = "shard"

    def add_step_arguments(self, parser: CommandParser) -> None:
        """For how many shards."""
        parser.add_argument(
            "--shards", type=int, help="For how many shards. Default: 3, or the mongos's own."
        )
        parser.add_argument("--apply", action="store_true", help="Run the commands on the mongos.")

    def parameters(self, options: dict[str, Any]) -> dict[str, Any]:
        """What was given."""
        given = {"shards": options["shards"], "apply": options["apply"]}
        return {name: value for name, value in given.items() if value not in (False, None)}

    def tell(self, answer: dict[str, Any]) -> None:
        """The plan, and its commands as mongosh takes them."""
        super().tell(answer)
        for item in (answer["plan"] or {}).get("items", []):
            self.stdout.write(item["mongosh"])
