"""What every command of maintenance shares: a dry run first, the stored plan, and the answer."""

from __future__ import annotations

from typing import Any, ClassVar

from django.core.management.base import CommandParser

from jobs.commands import JobCommand
from jobs.reporters import Reporter
from maintenance import services
from maintenance.models import MaintenanceJob


class MaintenanceCommand(JobCommand):
    """A command that does one step here, telling its progress on stderr and the plan on stdout.

    A concrete command names its ``step``, adds its own options in ``add_step_arguments`` and says in
    ``parameters`` which of them were given, by the names that the step's ``understand`` takes.
    """

    step: ClassVar[str]

    def add_command_arguments(self, parser: CommandParser) -> None:
        """``--dry-run`` and ``--plan`` for every step."""
        parser.add_argument(
            "--dry-run", action="store_true", help="Only plan it: tell what would be done, and keep the plan."
        )
        parser.add_argument("--plan", default="", metavar="JOB", help="Run exactly the plan of this dry run.")
        self.add_step_arguments(parser)

    def add_step_arguments(self, parser: CommandParser) -> None:
        """The options of the concrete step."""

    def parameters(self, options: dict[str, Any]) -> dict[str, Any]:
        """What the options ask for; leave out what was not given."""
        return {}

    def create_job(self, options: dict[str, Any], owner: Any) -> MaintenanceJob:
        """The job that the options ask for, or the one that runs a stored plan."""
        planned = services.find_job(None, options["plan"]) if options["plan"] else None
        return services.create_job(
            self.step,
            self.parameters(options),
            owner,
            dry_run=options["dry_run"],
            plan_of=planned,
        )

    def run_job(self, job: MaintenanceJob, reporter: Reporter) -> None:
        """Run it here."""
        services.run_maintenance(job, reporter)

    def work(self, options: dict[str, Any]) -> dict[str, Any]:
        """Do it, and tell the plan in words where no JSON was asked for."""
        answer = super().work(options)
        if not options["json"]:
            self.tell(answer)
        return answer

    def tell(self, answer: dict[str, Any]) -> None:
        """The plan in a sentence, and how to run it."""
        if answer["plan"]:
            self.stdout.write(answer["plan"]["summary"])
        if stopped := (answer["result"] or {}).get("stopped"):
            self.stdout.write(f"Not all of it was done. {stopped}")
        if answer["dryRun"] and answer["plan"]:
            name = services.find_step(self.step).command
            self.stdout.write(f"Nothing was done. To run this plan: manage.py {name} --plan {answer['id']}")

    def result(self, job: MaintenanceJob) -> dict[str, Any]:
        """The step, its plan, and what came of it."""
        return {
            "step": job.step,
            "dryRun": job.dry_run,
            "parameters": job.parameters,
            "plan": job.plan,
            "result": job.result,
        }
