"""verify_archive: the command, its plan, its exit code and what is kept of it."""

import io
import json

import pytest
from bson.int64 import Int64
from django.core.management import call_command

from archive import partitions, verifying
from archive.errors import BadInput
from maintenance import services
from maintenance.models import MaintenanceJob
from maintenance.steps import STEPS
from tests.imports.running import run
from tests.samples.making import ONE, conversation, joined, session_file, write

pytestmark = pytest.mark.django_db


@pytest.fixture
def archive(archive_db, tmp_path, settings):
    settings.CLAUDELENS_ENSURE_SERVERS = ""
    partitions.ensure_current()
    write(tmp_path, session_file(ONE), joined(conversation(ONE, 12)))
    run(tmp_path)
    return archive_db


def command(*arguments: str) -> tuple[int, str]:
    """The exit code and what was printed."""
    out = io.StringIO()
    try:
        call_command("verify_archive", *arguments, "--verbosity", "0", stdout=out)
    except SystemExit as ended:
        return int(ended.code or 0), out.getvalue()
    return 0, out.getvalue()


def answer(printed: str) -> dict:
    return json.loads(printed.splitlines()[-1])


def test_an_archive_that_holds_ends_with_0_and_says_so(archive):
    code, printed = command()
    assert code == 0
    assert "Everything holds." in printed
    (kept,) = verifying.find_verifications()
    assert (kept["violations"], kept["looked"]["ids"]) == (0, 12)


def test_what_does_not_hold_ends_with_3_and_is_told_by_name(archive):
    archive.sessions.update_one({"_id": ONE}, {"$inc": {"messageCount": Int64(1)}})
    code, printed = command("--json")
    told = answer(printed)
    assert (code, told["exitCode"]) == (3, 3)
    assert told["state"] == "completed_with_errors"
    assert told["result"]["found"] == {"project_sums_differ": 1, "session_count_differs": 1}
    assert {each["subject"] for each in told["result"]["findings"]} >= {ONE}
    job = MaintenanceJob.objects.get()
    assert job.counts["violations"] == 2
    assert verifying.find_verifications()[0]["jobId"] == str(job.pk)


def test_a_dry_run_looks_at_nothing_and_its_plan_can_be_run(archive):
    archive.sessions.update_one({"_id": ONE}, {"$inc": {"messageCount": Int64(1)}})
    code, printed = command("--dry-run", "--json", "--deep", "--check", "sessions")
    told = answer(printed)
    assert code == 0
    assert [row["check"] for row in told["plan"]["items"]] == ["sessions"]
    assert verifying.find_verifications() == []
    code, printed = command("--plan", told["id"], "--json")
    assert code == 3
    assert set(answer(printed)["result"]["found"]) == {"session_count_differs"}
    assert answer(printed)["result"]["deep"] is True


@pytest.mark.parametrize(
    "wrong", [{"deep": "yes"}, {"repair": 1}, {"checks": ["nothing"]}, {"checks": "nothing"}, {"all": True}]
)
def test_parameters_that_cannot_be_taken_are_named(archive, wrong):
    with pytest.raises(BadInput) as refusal:
        services.create_job("verify", wrong)
    assert next(iter(wrong)) in refusal.value.message
    assert not MaintenanceJob.objects.exists()


def test_the_plan_says_what_the_command_will_do(archive):
    step = STEPS["verify"]
    assert "every payload" in step.plan(step.understand({"deep": True})).summary
    assert "removed" in step.plan(step.understand({"repair": True})).summary
    assert len(step.plan(step.understand({})).items) == len(verifying.CHECKS)


def test_the_storage_page_tells_what_the_last_proof_found(archive, client, people):
    client.force_login(people.root)
    assert "Not looked at yet" in client.get("/maintenance/storage/").content.decode()
    command()
    assert "Everything held" in client.get("/maintenance/storage/").content.decode()
    archive.sessions.update_one({"_id": ONE}, {"$inc": {"messageCount": Int64(1)}})
    command()
    page = client.get("/maintenance/storage/").content.decode()
    assert "2 violations" in page
    assert "session_count_differs" in page
    assert f"Session {ONE} counts 13 messages; there are 12." in page
