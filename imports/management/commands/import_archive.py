"""Import files, folders and exports that lie on this server."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from imports import services
from imports.models import ImportJob
from imports.server_files import find_sources
from jobs.commands import JobCommand
from jobs.reporters import Reporter


class Command(JobCommand):
    """``manage.py import_archive ~/.claude/projects export.zip``"""

    help = (
        "Import transcripts and exports from files and folders on this server. "
        "Importing the same files again adds nothing twice."
    )

    def add_command_arguments(self, parser: CommandParser) -> None:
        """What to import."""
        parser.add_argument(
            "paths", nargs="+", metavar="PATH", help="A transcript, an export, or a folder of them."
        )

    def create_job(self, options: dict[str, Any], owner: Any) -> ImportJob:
        """An import of every file that the paths mean."""
        return services.create_import(owner, sources=find_sources(options["paths"]))

    def run_job(self, job: ImportJob, reporter: Reporter) -> None:
        """Run it here."""
        services.run_import(job, reporter)

    def result(self, job: ImportJob) -> dict[str, Any]:
        """The figures that scripts read."""
        seconds = 0.0
        if job.started_at and job.finished_at:
            seconds = (job.finished_at - job.started_at).total_seconds()
        return {
            "job": str(job.pk),
            "sessions": job.sessions,
            "refusedFiles": job.refused_files,
            "bytes": job.bytes_done,
            "seconds": round(seconds, 3),
        }
