from archive.errors import BadInput
from jobs.commands import JobCommand
from jobs.runner import enqueue
from tests.jobs.drill.models import DrillJob, run_drill


class Command(JobCommand):
    def add_command_arguments(self, parser):
        parser.add_argument("length", type=int)
        parser.add_argument("--problem", default="")
        parser.add_argument("--pause", type=float, default=0)

    def create_job(self, options, owner):
        if options["length"] < 0:
            raise BadInput("A drill cannot be shorter than nothing.", hint="Give 0 or more.")
        parameters = {"problem": options["problem"], "pause": options["pause"]}
        job = DrillJob.objects.create(owner=owner, records_total=options["length"], parameters=parameters)
        enqueue(job)
        return job

    def run_job(self, job, reporter):
        run_drill(job, reporter)

    def result(self, job):
        return {"length": job.records_total}
