"""Import files, folders and exports that lie on this server."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from django.core.management.base import CommandParser

from archive.conflicts import STRATEGIES
from archive.errors import BadInput
from imports import services
from imports.formats import FORMATS
from imports.models import ImportJob
from imports.options import MODES, USER_OPTIONS
from imports.preview import Preview
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
        parser.add_argument("--format", choices=FORMATS, help="Read them as this. Default: by their content.")
        parser.add_argument(
            "--map",
            action="append",
            default=[],
            metavar="FIELD=COLUMN",
            help="For tables: which column a field of a message is in, like --map text=Body. Repeatable.",
        )
        parser.add_argument(
            "--conflict", choices=STRATEGIES, help="When a message is held with other content."
        )
        parser.add_argument("--mode", choices=MODES, help="What bad records mean for the good ones.")
        parser.add_argument(
            "--max-errors", type=int, metavar="N", help="Stop when more records are rejected."
        )
        parser.add_argument(
            "--reject-percent",
            type=float,
            metavar="P",
            help="Stop when more of them, in percent, are rejected.",
        )
        parser.add_argument(
            "--dry-run", action="store_true", help="Count what would be imported, and change nothing."
        )
        parser.add_argument(
            "--preview", action="store_true", help="Only tell formats, problems and what is new; at once."
        )

    def work(self, options: dict[str, Any]) -> dict[str, Any]:
        """Import, or only look."""
        if not options["preview"]:
            return super().work(options)
        sources = find_sources(options["paths"])
        found = services.preview_import(None, sources=sources, options=_asked(options))
        self._show(found)
        return asdict(found) | {"expected": asdict(found.expected), "formats": found.formats}

    def _show(self, found: Preview) -> None:
        for file in found.files:
            said = file.refusal["message"] if file.refusal else file.explanation
            self.stderr.write(f"{file.name}: {said}")
            for problem in file.problems:
                self.stderr.write(f"  {problem.count:,} × {problem.code}: {problem.hint}")
        expected, part = found.expected, "" if found.is_whole else "first "
        self.stderr.write(
            f"{found.file_count:,} files. Of the {part}{found.looked_at:,} records {expected.new:,} are new, "
            f"{expected.known:,} are held, {expected.conflicts:,} conflict."
        )

    def create_job(self, options: dict[str, Any], owner: Any) -> ImportJob:
        """An import of every file that the paths mean."""
        sources = find_sources(options["paths"])
        return services.create_import(owner, sources=sources, options=_asked(options))

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


def _asked(options: dict[str, Any]) -> dict[str, Any]:
    """Those options of the import that were given."""
    given = {name: options[name] for name in USER_OPTIONS if options.get(name) not in (None, False)}
    return given | ({"mapping": dict(map(_pair, options["map"]))} if options["map"] else {})


def _pair(text: str) -> tuple[str, str]:
    name, equals, column = text.partition("=")
    if not (name and equals and column):
        raise BadInput(
            f"--map {text!r} is no FIELD=COLUMN.", hint="Write it like --map text=Body.", code="bad_mapping"
        )
    return name, column
