"""``manage.py import_archive``: what it takes, what it prints, how it ends."""

import json
import zipfile
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from imports.models import ImportJob
from jobs.states import JobState
from tests.imports.transcripts import transcript

SIX = {"seen", "inserted", "duplicates", "updated", "skipped", "rejected"}
OTHER = "6f1c0c3e-0000-4000-8000-000000000002"


@pytest.fixture(autouse=True)
def _servers(archive_db, redis_server, people):
    """The command runs the import in its own process, for a user."""


def run(*arguments, code=0):
    """The last line of stdout as JSON, after the command ended with ``code``."""
    out = StringIO()
    ended = 0
    try:
        call_command("import_archive", *map(str, arguments), "--json", stdout=out, stderr=StringIO())
    except CommandError as error:
        ended = error.returncode
    except SystemExit as error:
        ended = error.code
    assert ended == code, out.getvalue()
    return json.loads(out.getvalue().splitlines()[-1])


@pytest.fixture
def claude(tmp_path):
    """A small ~/.claude: two transcripts, and side files that are none."""
    folder = tmp_path / ".claude" / "projects" / "-home-ada-work"
    folder.mkdir(parents=True)
    (folder / "6f1c0c3e-0000-4000-8000-000000000001.jsonl").write_bytes(transcript(4))
    (folder / f"{OTHER}.jsonl").write_bytes(transcript(6, OTHER))
    (folder / "notes.txt").write_text("no transcript")
    return folder.parent


def test_a_folder_is_imported_and_the_last_line_says_what_came_of_it(claude):
    told = run(claude)
    assert told["state"] == "completed"
    assert set(told["counts"]) == SIX
    assert (told["counts"]["seen"], told["counts"]["inserted"], told["sessions"]) == (10, 10, 2)
    assert told["bytes"] == len(transcript(4)) + len(transcript(6, OTHER))
    assert told["seconds"] >= 0
    job = ImportJob.objects.get(pk=told["job"])
    assert (job.state, job.owner.username) == (JobState.COMPLETED, "root")


def test_the_same_folder_again_adds_nothing(claude):
    run(claude)
    told = run(claude)
    assert (told["counts"]["inserted"], told["counts"]["duplicates"]) == (0, 10)


def test_a_zip_and_a_single_file_are_imported_too(claude, tmp_path):
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        for path in claude.rglob("*.jsonl"):
            archive.write(path, path.relative_to(claude.parent))
    assert run(tmp_path / "all.zip")["counts"]["inserted"] == 10
    single = next(claude.rglob("*1.jsonl"))
    assert run(single)["counts"]["duplicates"] == 4


def test_rejected_records_end_with_3(tmp_path):
    (tmp_path / "a.jsonl").write_bytes(transcript(4) + b"{broken\n" + transcript(2, OTHER))
    told = run(tmp_path / "a.jsonl", code=3)
    assert (told["state"], told["counts"]["rejected"]) == ("completed_with_errors", 1)


def test_a_missing_path_is_refused_by_name(tmp_path):
    told = run(tmp_path / "nowhere", code=2)
    assert "nowhere" in told["error"]["message"]
    assert not ImportJob.objects.exists()


def test_a_folder_without_transcripts_is_refused(tmp_path):
    told = run(tmp_path, code=2)
    assert told["error"]["hint"]


def test_a_file_that_is_no_transcript_is_refused_with_what_it_is(tmp_path):
    (tmp_path / "a.jsonl").write_text("id,title\n1,2\n")
    told = run(tmp_path / "a.jsonl", code=2)
    assert told["state"] == "failed"
    assert "a.jsonl" in told["error"]["message"]


def test_the_owner_can_be_named_and_must_exist(claude):
    assert ImportJob.objects.get(pk=run(claude, "--user", "alice")["job"]).owner.username == "alice"
    assert run(claude, "--user", "nobody", code=2)["error"]["code"] == "unknown_user"
