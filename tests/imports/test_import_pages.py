"""The pages of imports, as staff see them."""

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from imports import services
from imports.models import ImportJob
from tests.imports.conftest import logged_in
from tests.imports.transcripts import transcript


@pytest.fixture(autouse=True)
def _servers(archive_db, redis_server):
    """Pages show what the archive holds."""


def imported(tus, body, name="a.jsonl") -> ImportJob:
    job = services.create_import(_owner(tus), uploads=[tus.send(body, name)], options={"reject_percent": 100})
    services.run_import(job)
    job.refresh_from_db()
    return job


def _owner(tus):
    from django.contrib.auth import get_user_model

    return get_user_model().objects.get(pk=tus.client.session["_auth_user_id"])


def text(answer) -> str:
    assert answer.status_code == 200
    return answer.content.decode()


def test_an_empty_list_says_what_to_do(alice):
    assert "/imports/new/" in text(alice.client.get("/imports/"))
    assert "Nothing has been imported yet" in text(alice.client.get("/imports/"))


def test_the_list_shows_own_imports_only(alice, bob, people):
    job = imported(alice, transcript())
    assert str(job.pk) in text(alice.client.get("/imports/"))
    assert str(job.pk) not in text(bob.client.get("/imports/"))
    assert str(job.pk) in text(logged_in(people.root).get("/imports/"))


def test_a_page_of_an_import_tells_counts_and_files(alice):
    job = imported(alice, transcript(6))
    page = text(alice.client.get(f"/imports/{job.pk}/"))
    assert "a.jsonl" in page
    assert 'data-field="counts.inserted">6<' in page
    assert "/sessions/" in page
    assert "every record was understood" in page


def test_rejected_records_are_grouped_and_escaped(alice):
    job = imported(alice, transcript(4) + b"<script>alert(1)</script>\n\x1b[31mbroken\n")
    page = text(alice.client.get(f"/imports/{job.pk}/"))
    assert "<script>alert(1)" not in page
    assert "&lt;script&gt;alert(1)" in page
    assert "\x1b" not in page
    assert "2 ×" in page


def test_a_failed_import_tells_why_and_what_next(alice):
    job = imported(alice, b"id,title\n1,2\n", "a.txt")
    page = text(alice.client.get(f"/imports/{job.pk}/"))
    assert "Run again" in page


def test_the_same_content_before_is_told(alice):
    first = imported(alice, transcript())
    second = imported(alice, transcript())
    assert f"/imports/{first.pk}/" in text(alice.client.get(f"/imports/{second.pk}/"))


def test_an_unused_upload_is_offered_again(alice):
    upload = alice.send(transcript())
    assert upload in text(alice.client.get("/imports/new/"))
    answer = alice.client.post("/imports/new/", {"upload": [upload], "then": "import"})
    assert answer.status_code == 302
    assert answer["Location"] == f"/imports/{ImportJob.objects.get().pk}/"


def test_without_scripts_a_form_brings_small_files(alice):
    file = SimpleUploadedFile("a.jsonl", transcript())
    assert alice.client.post("/imports/new/", {"file": file, "then": "import"}).status_code == 302
    assert ImportJob.objects.count() == 1
    refused = alice.client.post("/imports/new/", {"file": SimpleUploadedFile("a.exe", b"MZ"), "then": "import"})
    assert refused.status_code == 400
    assert "not a kind of file" in refused.content.decode()


def test_somebody_elses_import_is_404(alice, bob):
    job = imported(alice, transcript())
    assert bob.client.get(f"/imports/{job.pk}/").status_code == 404
    assert bob.client.post(f"/imports/{job.pk}/cancel/").status_code == 404
    assert bob.client.post(f"/imports/{job.pk}/retry/").status_code == 404


def test_a_finished_import_cannot_be_cancelled_and_the_page_says_so(alice):
    job = imported(alice, transcript())
    answer = alice.client.post(f"/imports/{job.pk}/cancel/", follow=True)
    assert "can no longer be cancelled" in answer.content.decode()


@pytest.mark.parametrize("path", ["/imports/", "/imports/new/", "/imports/00000000-0000-4000-8000-000000000000/"])
def test_people_who_are_no_staff_are_sent_to_sign_in(people, path):
    for client in (Client(), logged_in(people.charlie)):
        assert client.get(path)["Location"].startswith("/accounts/login/")


def test_cancel_and_retry_are_posts(alice):
    job = imported(alice, transcript())
    assert alice.client.get(f"/imports/{job.pk}/cancel/").status_code == 405


def test_admin_shows_imports_and_uploads(alice, bob, people):
    job = imported(alice, transcript())
    root = logged_in(people.root)
    assert "a.jsonl" in text(root.get("/admin/imports/importjob/"))
    assert "1 rejected" not in text(root.get(f"/admin/imports/importjob/{job.pk}/change/"))
    assert "a.jsonl" in text(root.get("/admin/imports/upload/"))
    upload = job.uploads.get()
    assert upload.sha256 in text(root.get(f"/admin/imports/upload/{upload.pk}/change/"))
    assert "a.jsonl" in text(alice.client.get("/admin/imports/upload/"))
    assert "a.jsonl" not in text(bob.client.get("/admin/imports/upload/"))
