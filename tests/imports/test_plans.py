"""Looking before importing: previews, dry runs and the imports that follow them, and records tried again."""

import base64
import csv
import io
import json
from io import StringIO

import pytest
from django.core.management import call_command

from imports import services
from imports.models import ImportJob, Upload, UploadState
from jobs.states import JobState
from tests.imports.test_import_api import IMPORTS, post, run
from tests.imports.transcripts import transcript
from tests.samples.making import ONE, dump, joined, user

PREVIEWS = "/api/v1/import-previews/"
BAD = [b"{bad", b"\xff\xfe", b'=1+1,"x"', b"// note"]


@pytest.fixture(autouse=True)
def _servers(archive_db, redis_server):
    """Everything here asks the archive."""


def with_bad_lines(count=6) -> bytes:
    return joined([*(dump(user(ONE, number)) for number in range(count)), *BAD])


def look(tus, body):
    return tus.client.post(PREVIEWS, json.dumps(body), content_type="application/json")


def messages(db) -> int:
    return db.messages_current.count_documents({})


def test_a_preview_tells_what_an_import_would_find(alice, archive_db):
    answer = look(alice, {"uploads": [alice.send(with_bad_lines())]})
    assert answer.status_code == 200
    told = answer.json()
    assert (told["fileCount"], told["lookedAt"], told["isWhole"]) == (1, 10, True)
    assert told["expected"] == {"new": 6, "known": 0, "conflicts": 0}
    assert told["formats"] == {"Claude Code transcript": 1}
    assert [message["text"] for message in told["messages"]] == [f"Question {n}" for n in range(6)]
    assert {each["code"]: each["count"] for each in told["files"][0]["problems"]} == {"not_json": 2, "invalid_utf8": 1, "comment": 1}
    assert messages(archive_db) == 0
    assert Upload.objects.get().state == UploadState.COMPLETE


def test_a_preview_shows_nothing_of_other_people(alice, bob):
    assert look(bob, {"uploads": [alice.send(transcript())]}).status_code == 404


@pytest.mark.parametrize(
    ("options", "code", "told"),
    [
        ({"format": "word"}, "unknown_format", "claude-code"),
        ({"format": 5}, "bad_option", "format"),
        ({"mapping": []}, "bad_option", "mapping"),
        ({"conflict": "win"}, "bad_option", "keep-both"),
        ({"mode": None}, "bad_option", "all-or-nothing"),
        ({"max_errors": -1}, "bad_option", "max_errors"),
        ({"max_errors": True}, "bad_option", "max_errors"),
        ({"reject_percent": 101}, "bad_option", "reject_percent"),
        ({"dry_run": "yes"}, "bad_option", "dry_run"),
        ({"speed": 1}, "unknown_option", "reject_percent"),
    ],
)
def test_an_option_that_cannot_be_is_named(alice, options, code, told):
    upload = alice.send(transcript())
    for answer in (post(alice, {"uploads": [upload], "options": options}), look(alice, {"uploads": [upload], "options": options})):
        assert (answer.status_code, answer.json()["code"]) == (400, code)
        assert told in answer.content.decode()
        assert answer["Content-Type"] == "application/problem+json"
    assert Upload.objects.get().state == UploadState.COMPLETE


def test_a_form_takes_options_too(alice):
    form = {"file": io.BytesIO(transcript(3)), "options": json.dumps({"dry_run": True})}
    form["file"].name = "a.jsonl"
    assert run(alice.client.post(IMPORTS, form)).parameters["options"]["dry_run"] is True
    form = {"file": io.BytesIO(transcript(3)), "options": "[1"}
    form["file"].name = "a.jsonl"
    assert alice.client.post(IMPORTS, form).status_code == 400


def test_a_dry_run_changes_nothing_and_its_import_comes_out_the_same(alice, archive_db):
    plan = run(post(alice, {"uploads": [alice.send(with_bad_lines())], "options": {"dry_run": True}}))
    assert plan.state == JobState.COMPLETED_WITH_ERRORS
    assert (plan.counts["inserted"], plan.counts["rejected"], messages(archive_db)) == (6, 4, 0)
    assert archive_db.source_files.count_documents({}) == 0
    job = run(alice.client.post(f"{IMPORTS}{plan.pk}/run/"))
    assert job.pk != plan.pk
    assert {name: job.counts[name] for name in plan.counts} == plan.counts
    assert messages(archive_db) == 6
    assert job.parameters["differences"] == []
    assert not Upload.objects.get().path.exists()
    again = alice.client.post(f"{IMPORTS}{plan.pk}/run/")
    assert (again.status_code, again.json()["code"]) == (410, "gone")


def test_an_import_tells_where_it_differed_from_its_dry_run(alice, archive_db):
    plan = run(post(alice, {"uploads": [alice.send(with_bad_lines())], "options": {"dry_run": True}}))
    run(post(alice, {"uploads": [alice.send(joined([dump(user(ONE, 2))]), "b.jsonl")]}))
    job = run(alice.client.post(f"{IMPORTS}{plan.pk}/run/"))
    assert job.parameters["differences"] == [
        {"name": "inserted", "planned": 6, "actual": 5},
        {"name": "duplicates", "planned": 0, "actual": 1},
    ]
    assert "inserted 5 instead of 6" in "\n".join(line.text for line in job.log_lines())


def test_only_a_finished_dry_run_can_be_run_and_only_by_its_owner(alice, bob):
    real = run(post(alice, {"uploads": [alice.send(transcript())]}))
    refused = alice.client.post(f"{IMPORTS}{real.pk}/run/")
    assert (refused.status_code, refused.json()["code"]) == (409, "not_a_dry_run")
    waiting = post(alice, {"uploads": [alice.send(transcript(9))], "options": {"dry_run": True}}).json()["id"]
    assert alice.client.post(f"{IMPORTS}{waiting}/run/").status_code == 409
    for verb in ("run", "rejected/again"):
        assert bob.client.post(f"{IMPORTS}{real.pk}/{verb}/").status_code == 404
    assert bob.client.get(f"{IMPORTS}{real.pk}/rejected/download/").status_code == 404


def test_rejected_records_come_back_as_files(alice):
    job = run(post(alice, {"uploads": [alice.send(with_bad_lines())]}))
    url = f"{IMPORTS}{job.pk}/rejected/download/"
    answer = alice.client.get(url)
    assert answer["Content-Disposition"].startswith("attachment")
    lines = [json.loads(line) for line in answer.getvalue().splitlines()]
    assert [line["line"] for line in lines] == [7, 8, 9, 10]
    assert [line["text"].encode() if "text" in line else base64.b64decode(line["base64"]) for line in lines] == BAD
    assert all(line["code"] and line["reason"] and line["hint"] for line in lines)
    table = list(csv.DictReader(io.StringIO(alice.client.get(url, {"as": "csv"}).getvalue().decode())))
    assert [row["text"] for row in table] == ["{bad", "", '\'=1+1,"x"', "// note"]
    refused = alice.client.get(url, {"as": "xlsx"})
    assert (refused.status_code, refused.json()["code"]) == (400, "bad_form")


def test_only_the_rejected_records_are_tried_again(alice, archive_db):
    body = joined([dump(user(ONE, number)) for number in range(3)] + [b"{bad", dump({"a": "x" * 3000, **user(ONE, 9)})])
    job = run(post(alice, {"uploads": [alice.send(body)]}))
    answer = alice.client.post(f"{IMPORTS}{job.pk}/rejected/again/")
    assert answer.status_code == 201, answer.content
    upload = Upload.objects.get(pk=answer.json()["id"])
    assert (upload.path.read_bytes(), upload.name) == (b"{bad\n", f"rejected-{str(job.pk)[:8]}.jsonl")
    clean = run(post(alice, {"uploads": [alice.send(transcript(2))]}))
    refused = alice.client.post(f"{IMPORTS}{clean.pk}/rejected/again/")
    assert (refused.status_code, refused.json()["code"]) == (400, "nothing_rejected")


def test_the_formats_are_listed(alice):
    told = alice.client.get("/api/v1/import-formats/").json()
    assert {"claude-code", "claude-ai"} <= {each["name"] for each in told}
    assert all(each["label"] and each["description"] for each in told)


def command(*arguments):
    """Looking ends well; a job over bad lines ends with errors (3)."""
    out, err = StringIO(), StringIO()
    code = 0
    try:
        call_command("import_archive", *map(str, arguments), "--json", stdout=out, stderr=err)
    except SystemExit as ended:
        code = ended.code
    assert code == (0 if "--preview" in arguments else 3)
    return json.loads(out.getvalue().splitlines()[-1]), err.getvalue()


def test_the_command_looks_tries_and_imports(people, archive_db, tmp_path):
    (tmp_path / "a.jsonl").write_bytes(with_bad_lines())
    told, said = command(tmp_path, "--preview")
    assert (told["expected"]["new"], told["file_count"]) == (6, 1)
    assert "6 are new" in said
    assert not ImportJob.objects.exists()
    told, _ = command(tmp_path, "--dry-run", "--conflict", "skip", "--max-errors", "9")
    assert (told["counts"]["inserted"], messages(archive_db)) == (6, 0)
    job = ImportJob.objects.get()
    assert job.parameters["options"] | {"dry_run": None} == services.check_options({"conflict": "skip", "max_errors": 9}) | {"dry_run": None}
    told, _ = command(tmp_path)
    assert (told["counts"]["inserted"], messages(archive_db)) == (6, 6)
