"""``manage.py export_archive``: write the archive, or a part of it, to a path."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from exports import services
from exports.models import ExportJob
from exports.part_files import WrittenFile
from exports.renderers import RENDERERS
from jobs.commands import JobCommand
from jobs.reporters import Reporter

FILTERS = ("project", "session", "source", "model")


class Command(JobCommand):
    """Export conversations as files. The path appears when everything is written, or not at all."""

    help = (
        "Export the archive. claude-code writes the original tree into a folder, or into a zip if "
        "the path ends in .zip; the other formats write one file."
    )
    _written: list[WrittenFile]

    def add_command_arguments(self, parser: CommandParser) -> None:
        """What, in which format, and where to."""
        parser.add_argument("--format", required=True, help=f"One of: {', '.join(RENDERERS)}.")
        parser.add_argument("--output", required=True, help="Where to: a file or a folder.")
        for name in FILTERS:
            parser.add_argument(
                f"--{name}", action="append", default=[], help=f"Only this {name}; may be repeated."
            )
        parser.add_argument("--since", help="From this date or time on (ISO 8601; UTC).")
        parser.add_argument("--until", help="Before this date or time, which is not included.")
        parser.add_argument("--force", action="store_true", help="Write into a folder that is not empty.")

    def create_job(self, options: dict[str, Any], owner: Any) -> ExportJob:
        """Refuse what cannot work before anything is done."""
        asked = {name: options[name] for name in (*FILTERS, "since", "until") if options[name]}
        where = services.choose_output(options["format"], Path(options["output"]), force=options["force"])
        return services.create_export(owner, format=options["format"], asked=asked, parameters=where)

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
