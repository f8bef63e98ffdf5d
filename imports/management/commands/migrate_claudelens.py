"""Take in the database of a ClaudeLens that was there before this program."""

from __future__ import annotations

import sys
from typing import Any

from django.core.management.base import CommandParser

from archive.conflicts import STRATEGIES
from imports import migration
from imports.models import ImportJob
from jobs.commands import JobCommand
from jobs.reporters import Reporter


class Command(JobCommand):
    """``manage.py migrate_claudelens mongodb://host/claudelens``"""

    help = (
        "Take in all conversations of a classic ClaudeLens database, which is only read. "
        "Run again, it goes on where it stopped and adds what is new."
    )

    def add_command_arguments(self, parser: CommandParser) -> None:
        """Which database, and how."""
        parser.add_argument(
            "url", metavar="URL", help="Of its MongoDB; - reads it from standard input, away from other eyes."
        )
        parser.add_argument("--database", default="", help="Its name. Default: the URL's, else claudelens.")
        parser.add_argument(
            "--conflict", choices=STRATEGIES, help="When a message is held with other content."
        )
        parser.add_argument(
            "--dry-run", action="store_true", help="Read it and count what would be imported; change nothing."
        )

    def create_job(self, options: dict[str, Any], owner: Any) -> ImportJob:
        """An import of what the database will be read into."""
        url = sys.stdin.readline().strip() if options["url"] == "-" else options["url"]
        self.migration, self.held = migration.find_migration(url, options["database"])
        asked = {"dry_run": options["dry_run"]}
        if options["conflict"]:
            asked["conflict"] = options["conflict"]
        return migration.create_migration(owner, self.migration, asked)

    def run_job(self, job: ImportJob, reporter: Reporter) -> None:
        """Read and import, here."""
        migration.run_migration(job, self.migration, reporter)

    def result(self, job: ImportJob) -> dict[str, Any]:
        """What was there, and what is here now."""
        told = {"job": str(job.pk), "sessions": job.sessions, "there": self.held}
        return told if job.is_dry_run else told | {"here": migration.report_of(job)}
