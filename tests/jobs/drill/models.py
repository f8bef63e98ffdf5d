"""The job that counts. Its table is in the tests' database only."""

import time
from dataclasses import dataclass, field

from archive import errors
from jobs.models import Job
from jobs.reporters import Reporter
from jobs.runner import running


class DrillJob(Job):
    task_name = "drill.run"
    queue = "default"
    kind = "drill"
    label = "Drill"

    class Meta(Job.Meta):
        abstract = False


class UndoableJob(DrillJob):
    """One whose cancel has something to undo."""

    cancel_needs_worker = True

    class Meta:
        proxy = True


@dataclass
class Step:
    records_done: int
    bytes_done: int = 0
    phase: str = "counting"
    counts: dict[str, int] = field(default_factory=dict)


PROBLEMS = {
    "refused": lambda: errors.BadInput("It is no transcript.", hint="Send one.", code="no_text"),
    "transient": lambda: errors.Unavailable("The archive did not answer."),
    "bug": lambda: ZeroDivisionError("oh"),
}


def run_drill(job: DrillJob, reporter: Reporter | None = None) -> None:
    """Count from where the job stands to ``records_total``, ``pause`` seconds apart."""
    wanted = job.parameters
    with running(job, reporter) as progress:
        progress.log("info", "effect")
        for number in range(job.records_done + 1, (job.records_total or 0) + 1):
            step = Step(number, bytes_done=number * 10, counts={"seen": number, "inserted": number})
            progress.advance(step)
            time.sleep(wanted.get("pause", 0))
        if problem := wanted.get("problem"):
            error = PROBLEMS[problem]()
            raise error
