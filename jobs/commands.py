"""What every command that runs a job shares: servers, owner, progress, answer and exit code.

Exit codes: 0 completed, 3 completed with errors, 2 refused (bad input or usage), 1 a bug,
75 a server did not answer (run it again), 130 cancelled.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol, TextIO, cast

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.module_loading import import_string

from archive.errors import ArchiveError, BadInput, Unavailable
from jobs.models import Job
from jobs.reporters import LineReporter, NullReporter, Reporter
from jobs.runner import held_back, run_now
from jobs.states import EXIT_TRY_AGAIN
from jobs.terminal import RichReporter

EXIT_REFUSED = 2
EXIT_INTERRUPTED = 130


class Servers(Protocol):
    """What the site's hook returns: the servers that it started, to be stopped afterwards."""

    def stop(self) -> Any: ...


@contextmanager
def servers_running() -> Iterator[None]:
    """Have the archive's servers run while the block does, where the site knows how to.

    The site names its hook in ``CLAUDELENS_ENSURE_SERVERS`` (a dotted path).
    """
    hook: str = getattr(settings, "CLAUDELENS_ENSURE_SERVERS", "")
    servers: Servers | None = import_string(hook)() if hook else None
    try:
        yield
    finally:
        if servers is not None:
            servers.stop()


class ArchiveCommand(BaseCommand):
    """A command over the archive: runs with the servers up, tells refusals with their hint.

    A concrete command implements ``add_command_arguments`` and ``work``; what ``work`` returns is
    the answer that ``--json`` prints as the last line of stdout.
    """

    def add_arguments(self, parser: CommandParser) -> None:
        """``--json`` and ``--user`` for every command."""
        parser.add_argument(
            "--json", action="store_true", help="Print the result as one JSON object, as last line."
        )
        parser.add_argument("--user", default="", help="Who it is done for. Default: the first superuser.")
        self.add_command_arguments(parser)

    def add_command_arguments(self, parser: CommandParser) -> None:
        """The arguments of the concrete command."""

    def work(self, options: dict[str, Any]) -> dict[str, Any]:
        """Do it, and return the answer."""
        raise NotImplementedError

    def handle(self, *args: Any, **options: Any) -> None:
        """Do the work; a refusal becomes a message and an exit code."""
        try:
            with servers_running():
                answer = self.work(options)
        except ArchiveError as refusal:
            code = EXIT_TRY_AGAIN if isinstance(refusal, Unavailable) else EXIT_REFUSED
            told = {"code": refusal.code, "message": refusal.message, "hint": refusal.hint}
            self.conclude({"error": told, "exitCode": code}, options)
        except KeyboardInterrupt:
            told = {"code": "interrupted", "message": "Interrupted.", "hint": ""}
            self.conclude({"error": told, "exitCode": EXIT_INTERRUPTED}, options)
        else:
            self.conclude(answer, options)

    def conclude(self, answer: dict[str, Any], options: dict[str, Any]) -> None:
        """Print the answer, tell the error, and leave with the exit code."""
        if options["json"]:
            self.stdout.write(json.dumps(answer, default=str))
        code: int = answer.get("exitCode", 0)
        error = answer.get("error")
        if error:
            raise CommandError("\n".join(filter(None, _told(error))), returncode=code)
        if code:
            raise SystemExit(code)

    def owner(self, options: dict[str, Any]) -> Any:
        """The user named by ``--user``, else the first superuser, else None.

        Raises BadInput when there is no user of that name.
        """
        users = get_user_model()._default_manager.order_by("pk")
        name = options["user"]
        if not name:
            return users.filter(is_superuser=True, is_active=True).first()
        found = users.filter(**{get_user_model().USERNAME_FIELD: name}).first()
        if found is None:
            raise BadInput(
                f"There is no user {name!r}.",
                hint="Make one with: manage.py createsuperuser",
                code="unknown_user",
            )
        return found

    def reporter(self, options: dict[str, Any]) -> Reporter:
        """A live bar on a terminal, plain lines elsewhere, nothing with ``--verbosity 0``."""
        if options["verbosity"] == 0:
            return NullReporter()
        out = cast(TextIO, getattr(self.stderr, "_out", self.stderr))
        return RichReporter(out) if self.stderr.isatty() else LineReporter(out)


class JobCommand(ArchiveCommand):
    """A command that makes a job and runs it here, telling its progress on stderr.

    A concrete command implements ``create_job(options, owner)`` (calling its service; no worker is
    told) and ``run_job(job, reporter)``. Ctrl-C cancels the job properly.
    """

    def create_job(self, options: dict[str, Any], owner: Any) -> Job:
        """Make the job that the options ask for."""
        raise NotImplementedError

    def run_job(self, job: Any, reporter: Reporter) -> Any:
        """Run it: the service's ``run_...`` verb."""
        raise NotImplementedError

    def result(self, job: Any) -> dict[str, Any]:
        """What the answer holds besides the job's snapshot; camelCase, JSON-able."""
        return {}

    def work(self, options: dict[str, Any]) -> dict[str, Any]:
        """Make the job, run it, and answer with its snapshot and exit code."""
        with held_back():
            job = self.create_job(options, self.owner(options))
        ended = run_now(job, self.run_job, self.reporter(options))
        return {**ended.snapshot(), **self.result(ended), "exitCode": ended.exit_code}


def _told(error: dict[str, str]) -> tuple[str, str]:
    return error["message"], error["hint"]
