"""Undo an import, exactly to what was there before."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from archive.errors import NotFound
from imports import rollback, services
from imports.models import ImportJob
from jobs.commands import EXIT_REFUSED, ArchiveCommand
from jobs.models import find_job
from jobs.runner import held_back, run_now
from jobs.states import JobState


class Command(ArchiveCommand):
    """``manage.py roll_back_import 2f6c48f6-…``"""

    help = (
        "Undo an import: the archive is then exactly as it was before. "
        "Refused, and nothing changed, where later imports built on it."
    )

    def add_command_arguments(self, parser: CommandParser) -> None:
        """Which import."""
        parser.add_argument("job", metavar="JOB", help="The import's id.")
        parser.add_argument(
            "--dry-run", action="store_true", help="Only tell what would change, and what stands in the way."
        )

    def work(self, options: dict[str, Any]) -> dict[str, Any]:
        """Undo it here, telling the progress on stderr; or tell what that would do."""
        job = find_job(options["job"])
        if not isinstance(job, ImportJob):
            raise NotFound(f"There is no import {options['job']!r}.", hint="See the list of imports.")
        if options["dry_run"]:
            return self._tell(rollback.plan(job))
        with held_back():
            services.roll_back_import(job)
        ended = run_now(job, services.run_import, self.reporter(options))
        code = 0 if ended.state == JobState.ROLLED_BACK else ended.exit_code or EXIT_REFUSED
        return {**ended.snapshot(), "job": str(ended.pk), "exitCode": code}

    def _tell(self, plan: dict[str, Any]) -> dict[str, Any]:
        changes = {name: count for name, count in plan["changes"].items() if count}
        self.stderr.write(f"Would change: {changes or 'nothing'}")
        if plan["refusal"]:
            self.stderr.write(plan["refusal"])
        return {**plan, "exitCode": EXIT_REFUSED if plan["refusal"] else 0}
