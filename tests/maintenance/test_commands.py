"""What every command of maintenance can do: a dry run, its plan, one JSON object."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from maintenance.commands import MaintenanceCommand
from maintenance.models import MaintenanceJob

pytestmark = pytest.mark.django_db(transaction=True)


class DrillCommand(MaintenanceCommand):
    step = "drill"

    def add_step_arguments(self, parser: Any) -> None:
        parser.add_argument("--month", default="")

    def parameters(self, options: dict[str, Any]) -> dict[str, Any]:
        return {"month": options["month"]} if options["month"] else {}


@pytest.fixture
def command(archive_db: Any, drill: Any) -> Any:
    def run(*args: str) -> str:
        out = io.StringIO()
        call_command(DrillCommand(), *args, stdout=out, stderr=io.StringIO(), verbosity=0)
        return out.getvalue()

    return run


def test_a_dry_run_tells_its_plan_and_how_to_run_it(command: Any, drill: Any) -> None:
    told = command("--dry-run", "--month", "2026_02")
    job = MaintenanceJob.objects.get()
    assert told.splitlines() == [
        "3 things of 2026_02",
        f"Nothing was done. To run this plan: manage.py verify_archive --plan {job.pk}",
    ]
    assert drill.done == []
    drill.size = 9
    assert command("--plan", str(job.pk)).splitlines() == ["3 things of 2026_02"]
    assert len(drill.done) == 3


def test_json_is_one_object_with_plan_and_result(command: Any) -> None:
    planned = json.loads(command("--dry-run", "--json"))
    assert (planned["step"], planned["dryRun"], planned["exitCode"]) == ("drill", True, 0)
    assert planned["plan"]["totals"] == {"messages": 3, "bytes": 6144}
    done = json.loads(command("--plan", planned["id"], "--json"))
    assert (done["dryRun"], done["result"], done["counts"]) == (False, {"last": 2}, {"counted": 3})


def test_what_cannot_be_done_is_refused_with_exit_code_2(command: Any) -> None:
    for args, named in ((("--month", "never"), "month"), (("--plan", "x"), "no maintenance job"), (("--plan", "x", "--dry-run"), "'x'")):
        with pytest.raises(CommandError, match=named) as refusal:
            command(*args)
        assert refusal.value.returncode == 2
