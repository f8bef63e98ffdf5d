"""``manage.py export_archive``: write the archive, or a part of it, to a path."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from exports import presets, services
from exports.choices import FIELDS as CHOICES
from exports.command_options import add_options, given_of
from exports.filters import FIELDS as FILTERS
from exports.models import ExportJob
from exports.part_files import WrittenFile
from exports.presets import Wanted
from exports.renderers import RENDERERS
from jobs.commands import JobCommand
from jobs.reporters import Reporter


class Command(JobCommand):
    """Export conversations as files. The path appears when everything is written, or not at all."""

    help = (
        "Export the archive. claude-code writes the original tree into a folder, or into a zip if "
        "the path ends in .zip; the other formats write one file, or a folder of parts."
    )
    _written: list[WrittenFile]

    def add_command_arguments(self, parser: CommandParser) -> None:
        """What, in which format, and where to."""
        parser.add_argument(
            "--format", default="", help=f"One of: {', '.join(RENDERERS)}. That of the preset without it."
        )
        parser.add_argument(
            "--preset",
            default="",
            help="A preset of the user, or a shared one, by its name; other options go before what is in it.",
        )
        parser.add_argument("--output", required=True, help="Where to: a file or a folder.")
        add_options(parser)
        parser.add_argument("--force", action="store_true", help="Write into a folder that is not empty.")

    def create_job(self, options: dict[str, Any], owner: Any) -> ExportJob:
        """Refuse what cannot work before anything is done."""
        asked, choices = (given_of(options, words) for words in (FILTERS, CHOICES))
        given = Wanted(options["format"], asked, choices)
        wanted = presets.combined(owner, options["preset"], given)
        where = services.choose_output(wanted.format, Path(options["output"]), force=options["force"])
        return services.create_export(
            owner, format=wanted.format, asked=wanted.asked, choices=wanted.choices, parameters=where
        )

    def run_job(self, job: ExportJob, reporter: Reporter) -> None:
        """Run it here and remember what was written."""
        self._written = services.run_export(job, reporter)

    def result(self, job: ExportJob) -> dict[str, Any]:
        """The files by their paths below the output, and exact figures."""
        started, finished = job.started_at, job.finished_at
        return {
            "job": str(job.pk),
            "messages": job.counts.get("messages", 0),
            "sessions": job.counts.get("sessions", 0),
            "files": [
                {"path": file.path.as_posix(), "bytes": file.bytes, "sha256": file.sha256}
                for file in self._written
            ],
            "seconds": (finished - started).total_seconds() if started and finished else None,
        }
