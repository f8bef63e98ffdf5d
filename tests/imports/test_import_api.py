"""Imports over the API: made, run, watched, refused."""

import json

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from imports import services, uploads
from imports.models import ImportJob, Upload, UploadState
from jobs.states import JobState
from tests.imports.conftest import logged_in
from tests.imports.transcripts import transcript

IMPORTS = "/api/v1/imports/"


@pytest.fixture(autouse=True)
def _servers(archive_db, redis_server):
    """Every import needs the archive, and a broker to ring."""


def post(tus, body, **headers):
    return tus.client.post(IMPORTS, json.dumps(body), content_type="application/json", headers=headers)


def run(answer) -> ImportJob:
    """What the worker does with the job that was made."""
    assert answer.status_code == 202, answer.content
    job = ImportJob.objects.get(pk=answer.json()["id"])
    services.run_import(job)
    job.refresh_from_db()
    return job


def test_an_upload_is_imported_and_its_bytes_are_given_back(alice):
    body = transcript(6)
    upload = alice.send(body)
    answer = post(alice, {"uploads": [upload]})
    assert answer["Location"] == f"{IMPORTS}{answer.json()['id']}/"
    assert answer.json()["url"] == f"/imports/{answer.json()['id']}/"
    assert answer.json()["state"] == "queued"
    job = run(answer)
    assert (job.state, job.error_message) == (JobState.COMPLETED, "")
    assert job.counts == {"seen": 6, "inserted": 6, "duplicates": 0, "updated": 0, "skipped": 0, "rejected": 0}
    shown = alice.client.get(answer["Location"]).json()
    assert (shown["sessions"], shown["refusedFiles"], shown["bytesDone"]) == (1, 0, len(body))
    assert shown["files"][0]["name"] == "a.jsonl"
    assert "path" not in shown["files"][0]
    left = Upload.objects.get()
    assert (left.state, left.path.exists()) == (UploadState.USED, False)


def test_the_same_content_at_once_is_409_and_names_the_first_job(alice, bob):
    body = transcript(4)
    first = post(alice, {"uploads": [alice.send(body)]}).json()["id"]
    refused = post(alice, {"uploads": [alice.send(body, "other-name.jsonl")]})
    assert (refused.status_code, refused.json()["code"]) == (409, "already_importing")
    assert first in refused.json()["hint"]
    by_bob = post(bob, {"uploads": [bob.send(body)]})
    assert by_bob.status_code == 409
    assert first not in by_bob.content.decode()
    assert Upload.objects.filter(state=UploadState.COMPLETE).count() == 2


def test_the_same_content_later_is_recognised_and_adds_nothing(alice):
    body = transcript(4)
    first = run(post(alice, {"uploads": [alice.send(body)]}))
    second = run(post(alice, {"uploads": [alice.send(body)]}))
    assert (second.counts["inserted"], second.counts["duplicates"]) == (0, 4)
    shown = alice.client.get(f"{IMPORTS}{second.pk}/").json()
    assert shown["importedBefore"]["job"] == str(first.pk)
    assert alice.client.get(f"{IMPORTS}{first.pk}/").json()["importedBefore"] is None


def test_an_upload_is_imported_once(alice):
    upload = alice.send(transcript())
    assert post(alice, {"uploads": [upload]}).status_code == 202
    again = post(alice, {"uploads": [upload]})
    assert (again.status_code, again.json()["code"]) == (410, "gone")


def test_the_same_request_under_one_key_has_one_effect(alice):
    body = {"uploads": [alice.send(transcript())]}
    first = post(alice, body, **{"Idempotency-Key": "k1"})
    second = post(alice, body, **{"Idempotency-Key": "k1"})
    assert (first.status_code, second.status_code) == (202, 202)
    assert first.json()["id"] == second.json()["id"]
    assert first["Location"] == second["Location"]
    assert ImportJob.objects.count() == 1


def test_an_upload_that_is_not_whole_is_refused(alice):
    url = alice.begin(100)
    refused = post(alice, {"uploads": [url.rstrip("/").rsplit("/", 1)[-1]]})
    assert (refused.status_code, refused.json()["code"]) == (400, "upload_incomplete")


@pytest.mark.parametrize("body", [b"\x1f\x8b\x08\x00rest", b"\x28\xb5\x2f\xfdrest"])
def test_a_damaged_container_is_refused_by_its_import(alice, body):
    job = run(post(alice, {"uploads": [alice.send(body)]}))
    assert job.state == JobState.FAILED
    assert (job.error_code, bool(job.error_hint)) == ("bad_container", True)


@pytest.mark.parametrize("body", [b"\x7fELF\x00\x00", b"\x00\x01\x02\x03"])
def test_what_holds_no_text_is_refused_and_says_what_is_accepted(alice, body):
    refused = post(alice, {"uploads": [alice.send(body)]})
    assert (refused.status_code, refused.json()["code"]) == (400, "wrong_type")
    assert ".jsonl" in refused.json()["hint"]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"uploads": []},
        {"uploads": "x"},
        {"uploads": ["x"]},
        {"uploads": [{"$ne": None}]},
        [],
        {"uploads": ["00000000-0000-4000-8000-000000000000"], "options": 3},
        {"uploads": ["00000000-0000-4000-8000-000000000000"], "options": {"max_record": 10**9}},
        {"uploads": ["00000000-0000-4000-8000-000000000000"], "options": {"reject_percent": "many"}},
        {"uploads": ["00000000-0000-4000-8000-000000000000"], "options": {"reject_percent": 101}},
    ],
)
def test_a_request_that_makes_no_sense_is_400(alice, body):
    refused = post(alice, body)
    assert refused.status_code == 400, refused.content
    assert refused.json()["detail"]


def test_somebody_elses_upload_or_job_is_404_for_every_verb(alice, bob):
    upload = alice.send(transcript())
    assert post(bob, {"uploads": [upload]}).status_code == 404
    job = post(alice, {"uploads": [upload]}).json()["id"]
    for path in ("", "log/", "rejected/"):
        assert bob.client.get(f"{IMPORTS}{job}/{path}").status_code == 404, path
    for path in ("cancel/", "retry/"):
        assert bob.client.post(f"{IMPORTS}{job}/{path}").status_code == 404, path
    assert bob.client.get(IMPORTS).json()["results"] == []
    assert len(alice.client.get(IMPORTS).json()["results"]) == 1


def test_people_who_are_no_staff_may_not_import(people, alice):
    assert logged_in(people.charlie).get(IMPORTS).status_code == 403
    assert Client().get(IMPORTS).status_code == 401


def form(tus, *files, **headers):
    return tus.client.post(IMPORTS, {"file": list(files)}, headers=headers)


def test_small_files_can_come_as_a_form(alice):
    file = SimpleUploadedFile("a.jsonl", transcript(4))
    job = run(form(alice, file))
    assert (job.state, job.counts["inserted"]) == (JobState.COMPLETED, 4)


def test_a_form_without_a_file_is_refused(alice):
    refused = alice.client.post(IMPORTS, {"other": "x"})
    assert (refused.status_code, refused.json()["code"]) == (400, "nothing_chosen")


def test_a_form_with_an_empty_file_keeps_none_of_its_files(alice, upload_dir):
    good, empty = SimpleUploadedFile("a.jsonl", transcript()), SimpleUploadedFile("b.jsonl", b"")
    refused = form(alice, good, empty)
    assert (refused.status_code, refused.json()["code"]) == (400, "empty_file")
    assert list(upload_dir.iterdir()) == []


def test_a_form_that_is_refused_as_a_whole_keeps_no_bytes(alice, upload_dir):
    form(alice, SimpleUploadedFile("a.jsonl", transcript()))
    held = set(upload_dir.iterdir())
    refused = form(alice, SimpleUploadedFile("b.jsonl", transcript()), **{"Idempotency-Key": "k"})
    assert refused.status_code == 409
    assert set(upload_dir.iterdir()) == held


def test_a_form_over_the_limit_is_413_before_it_is_read(alice, settings):
    settings.CLAUDELENS_MULTIPART_MAX_BYTES = 1000
    refused = form(alice, SimpleUploadedFile("a.jsonl", transcript(20)))
    assert (refused.status_code, refused.json()["code"]) == (413, "form_too_large")


def test_rejected_records_name_file_line_byte_reason_and_hint(alice):
    body = transcript(4) + b'{"type":"user", broken\n' + transcript(2, "6f1c0c3e-0000-4000-8000-000000000002")
    answer = post(alice, {"uploads": [alice.send(body)], "options": {"reject_percent": 50}})
    job = run(answer)
    assert job.state == JobState.COMPLETED_WITH_ERRORS, job.error_message
    assert (job.counts["seen"], job.counts["inserted"], job.counts["rejected"]) == (7, 6, 1)
    page = alice.client.get(f"{IMPORTS}{job.pk}/rejected/").json()
    assert page["next"] is None
    assert sum(page["byCode"].values()) == 1
    [record] = page["results"]
    assert (record["line"], record["byte"]) == (5, len(transcript(4)))
    assert record["reason"]
    assert record["hint"]
    assert record["sample"].startswith('{"type":"user", broken')
    assert alice.client.get(f"{IMPORTS}{job.pk}/rejected/?limit=0").status_code == 400


def test_a_file_that_is_no_transcript_fails_and_says_what_it_is(alice):
    job = run(post(alice, {"uploads": [alice.send(b"id,title\n1,2\n", "a.txt")]}))
    assert job.state == JobState.FAILED
    assert job.error_message
    assert job.error_hint


def test_a_failed_import_keeps_its_upload_for_a_retry(alice):
    job = run(post(alice, {"uploads": [alice.send(b"id,title\n1,2\n", "a.txt")]}))
    assert Upload.objects.get().path.exists()
    again = alice.client.post(f"{IMPORTS}{job.pk}/retry/")
    assert (again.status_code, again.json()["state"]) == (202, "queued")


def test_a_retry_while_the_same_content_is_imported_by_another_job_is_409(alice):
    body = b"id,title\n1,2\n"
    failed = run(post(alice, {"uploads": [alice.send(body, "a.txt")]}))
    post(alice, {"uploads": [alice.send(body, "a.txt")]})
    refused = alice.client.post(f"{IMPORTS}{failed.pk}/retry/")
    assert (refused.status_code, refused.json()["code"]) == (409, "job_not_retryable")


def test_an_import_whose_upload_has_expired_says_so(alice):
    answer = post(alice, {"uploads": [alice.send(transcript())]})
    Upload.objects.get().path.unlink()
    job = run(answer)
    assert (job.state, job.error_code) == (JobState.FAILED, "file_gone")


def test_a_queued_import_can_be_cancelled(alice):
    job = post(alice, {"uploads": [alice.send(transcript())]}).json()["id"]
    assert alice.client.post(f"{IMPORTS}{job}/cancel/").json()["state"] == "cancelled"


def test_bytes_of_a_failed_import_are_deleted_when_they_expire(alice):
    run(post(alice, {"uploads": [alice.send(b"id,title\n1,2\n", "a.txt")]}))
    upload = Upload.objects.get()
    assert uploads.expire_uploads() == 0
    Upload.objects.update(expires_at=upload.created_at)
    assert uploads.expire_uploads() == 1
    assert not upload.path.exists()


def test_too_many_rejected_records_end_the_import_unless_it_is_allowed(alice):
    body = transcript(4) + b"{broken}\n" * 2500
    job = run(post(alice, {"uploads": [alice.send(body)]}))
    assert (job.state, job.error_code) == (JobState.FAILED, "too_many_rejected")
    allowed = run(post(alice, {"uploads": [alice.send(body)], "options": {"reject_percent": 100}}))
    assert (allowed.state, allowed.counts["rejected"]) == (JobState.COMPLETED_WITH_ERRORS, 2500)


def test_an_import_whose_counts_do_not_add_up_is_a_bug_and_says_so(alice, archive_db, monkeypatch):
    whole = services.import_batches

    def forgetful(*args, **kwargs):
        yield from whole(*args, **kwargs)
        archive_db.checkpoints.update_one({"_id": kwargs["job_id"]}, {"$inc": {"counts.seen": 1}})

    monkeypatch.setattr(services, "import_batches", forgetful)
    job = run(post(alice, {"uploads": [alice.send(transcript())]}))
    assert (job.state, job.error_code) == (JobState.ERRORED, "internal_error")
    assert "AssertionError" in job.traceback


def test_a_list_of_imports_costs_the_same_whatever_their_number(alice, django_assert_num_queries):
    for number in range(3):
        run(post(alice, {"uploads": [alice.send(transcript(2, text=str(number)))]}))
    with django_assert_num_queries(3):  # session, user, jobs with their owners
        listed = alice.client.get(IMPORTS).json()["results"]
    assert [each["fileCount"] for each in listed] == [1, 1, 1]
    assert "files" not in listed[0]


def test_a_file_that_no_upload_knows_is_deleted_when_it_is_old(alice, upload_dir):
    import os

    kept = Upload.objects.get(pk=alice.send(transcript()))
    stray, young = upload_dir / "stray", upload_dir / "young"
    stray.write_bytes(b"x")
    young.write_bytes(b"x")
    for path in (stray, kept.path):
        os.utime(path, (1, 1))
    assert uploads.expire_uploads() == 1
    assert {path.name for path in upload_dir.iterdir()} == {kept.storage_name, "young"}
