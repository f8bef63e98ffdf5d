"""``manage.py run_schedules``: make the exports that are due now, for cron where no beat runs."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

from django.core.management.base import CommandParser

from exports import due
from exports.due import Taken
from exports.models import ExportJob
from exports.services import run_export
from jobs.commands import ArchiveCommand
from jobs.reporters import Reporter
from jobs.runner import held_back, run_now


class Command(ArchiveCommand):
    """Take every slot that is due. Any number of these, and of beats, make each export once."""

    help = (
        "Make the exports of schedules that are due now. Workers build them, unless --run says to do it "
        "here. With --user only the schedules of that user."
    )

    def add_command_arguments(self, parser: CommandParser) -> None:
        """Whether to wait for them."""
        parser.add_argument("--run", action="store_true", help="Build them in this process, one by one.")

    def work(self, options: dict[str, Any]) -> dict[str, Any]:
        """Take what is due, build it if asked to, and tell what came of each slot."""
        owner = self.owner(options) if options["user"] else None
        with held_back() if options["run"] else nullcontext():
            taken = due.run_due(owner=owner)
        made = [each.job for each in taken if each.job is not None] if options["run"] else []
        ended = {job.pk: run_now(job, self._run, self.reporter(options)) for job in made}
        slots = [self._tell(each, ended, options) for each in taken]
        return {"slots": slots, "exitCode": max((job.exit_code for job in ended.values()), default=0)}

    def _run(self, job: ExportJob, reporter: Reporter) -> None:
        run_export(job, reporter)

    def _tell(self, taken: Taken, ended: dict[Any, Any], options: dict[str, Any]) -> dict[str, Any]:
        job = None if taken.job is None else ended.get(taken.job.pk, taken.job)
        state = job.state if job else ""
        if not options["json"]:
            what = f"export {job.pk} {job.get_state_display().lower()}" if job else taken.note
            self.stdout.write(f"{taken.schedule}: {what}")
        return {
            "schedule": taken.schedule.pk,
            "slot": taken.slot.isoformat(),
            "job": str(job.pk) if job else None,
            "state": state,
            "note": taken.note,
        }
