"""The upload protocol, answer by answer."""

import base64
import hashlib
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from imports import parts, uploads
from imports.models import Upload, UploadState
from tests.imports.conftest import logged_in
from tests.imports.tus_client import PART, Tus, V, metadata

LINE = b'{"type":"user","uuid":"u1"}\n'


def one() -> Upload:
    return Upload.objects.get()


def code(answer) -> str:
    assert answer["Content-Type"] == "application/problem+json", answer.content
    return answer.json()["code"]


def checksum(body: bytes, algorithm="sha256") -> str:
    return f"{algorithm} {base64.b64encode(hashlib.new(algorithm, body).digest()).decode()}"


def test_options_says_what_the_server_speaks_without_signing_in(db):
    answer = Client().options("/api/v1/uploads/")
    assert answer.status_code == 204
    assert answer["Tus-Version"] == "1.0.0"
    assert answer["Tus-Extension"] == "creation,checksum,expiration,termination"
    assert answer["Tus-Checksum-Algorithm"] == "sha256,sha1"
    assert int(answer["Tus-Max-Size"]) > 10**9


def test_a_file_in_two_parts_is_kept_whole_under_a_name_of_ours(alice, upload_dir):
    body = LINE * 10
    url = alice.begin(len(body), "../../etc/Übung.jsonl")
    assert alice.patch(url, 0, body[:100])["Upload-Offset"] == "100"
    head = alice.head(url)
    assert (head["Upload-Offset"], head["Upload-Length"]) == ("100", str(len(body)))
    assert head["Cache-Control"] == "no-store"
    assert head["Upload-Expires"].endswith("GMT")
    assert alice.patch(url, 100, body[100:]).status_code == 204
    upload = one()
    assert (upload.state, upload.content) == ("complete", "json-lines")
    assert upload.sha256 == hashlib.sha256(body).hexdigest()
    assert upload.name == "etc/Übung.jsonl"
    assert upload.path.read_bytes() == body
    assert upload.path.parent == upload_dir
    assert upload.path.stat().st_mode & 0o777 == 0o600


def test_the_hash_is_right_when_another_process_took_the_first_part(alice):
    body = LINE * 10
    url = alice.begin(len(body))
    alice.patch(url, 0, body[:100])
    parts._hashes.drop(one().pk)
    alice.patch(url, 100, body[100:])
    assert one().sha256 == hashlib.sha256(body).hexdigest()


@pytest.mark.parametrize(
    ("headers", "status", "expected"),
    [
        ({"Tus-Resumable": None}, 412, "tus_version"),
        ({"Tus-Resumable": "0.2.2"}, 412, "tus_version"),
        ({"Upload-Length": None}, 400, "bad_header"),
        ({"Upload-Length": "-1"}, 400, "bad_header"),
        ({"Upload-Length": "١٢"}, 400, "bad_header"),
        ({"Upload-Length": "9" * 30}, 400, "bad_header"),
        ({"Upload-Length": "0"}, 400, "empty_file"),
        ({"Upload-Metadata": None}, 400, "bad_header"),
        ({"Upload-Metadata": "filename ***"}, 400, "bad_header"),
        ({"Upload-Metadata": "filename " + base64.b64encode(b"\xff\xfe").decode()}, 400, "bad_header"),
        ({"Upload-Metadata": metadata(filename="a.exe")}, 400, "wrong_type"),
        ({"Upload-Metadata": metadata(filename="jsonl")}, 400, "wrong_type"),
    ],
)
def test_a_creation_that_cannot_be_taken_is_refused_by_name(alice, headers, status, expected):
    answer = alice.create(10, **headers)
    assert (answer.status_code, code(answer)) == (status, expected)
    assert answer["Tus-Resumable"] == "1.0.0"
    assert not Upload.objects.exists()
    if status == 412:
        assert answer["Tus-Version"] == "1.0.0"


def test_a_refused_kind_of_file_says_what_is_accepted(alice):
    assert ".jsonl" in alice.create(10, "virus.exe").json()["hint"]


def test_more_than_one_file_may_hold_is_413(alice, settings):
    settings.CLAUDELENS_UPLOAD_MAX_BYTES = 100
    assert alice.create(101).status_code == 413
    assert alice.create(100).status_code == 201


def test_more_than_the_owner_may_hold_is_413_until_something_is_deleted(alice, bob, settings):
    settings.CLAUDELENS_UPLOAD_QUOTA_BYTES = 100
    url = alice.begin(60)
    refused = alice.create(60)
    assert (refused.status_code, code(refused)) == (413, "quota_exceeded")
    assert bob.create(60).status_code == 201
    assert alice.delete(url).status_code == 204
    assert alice.create(60).status_code == 201


def test_a_nearly_full_disk_is_507(alice, settings):
    settings.CLAUDELENS_DISK_FULL_PERCENT = 0
    refused = alice.create(10)
    assert (refused.status_code, code(refused)) == (507, "out_of_space")


def test_a_part_at_another_offset_is_409_with_the_right_one(alice):
    url = alice.begin(100)
    alice.patch(url, 0, b"x" * 40)
    for offset in (0, 39, 41, 100):
        refused = alice.patch(url, offset, b"y" * 10)
        assert (refused.status_code, refused["Upload-Offset"], code(refused)) == (409, "40", "offset_conflict")
    assert one().path.read_bytes() == b"x" * 40


def test_a_part_while_another_is_being_written_is_409(alice):
    import fcntl

    url = alice.begin(100)
    with one().path.open("r+b") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        assert alice.patch(url, 0, b"x" * 10).status_code == 409
    assert alice.patch(url, 0, b"x" * 10).status_code == 204


@pytest.mark.parametrize("algorithm", ["sha256", "sha1"])
def test_a_part_with_the_right_checksum_is_taken(alice, algorithm):
    url = alice.begin(100)
    sent = alice.patch(url, 0, b"x" * 40, Upload_Checksum=checksum(b"x" * 40, algorithm))
    assert sent.status_code == 204


def test_a_part_that_was_changed_on_its_way_is_460_and_nothing_of_it_is_kept(alice):
    url = alice.begin(100)
    alice.patch(url, 0, b"x" * 40)
    refused = alice.patch(url, 40, b"y" * 40, Upload_Checksum=checksum(b"z" * 40))
    assert (refused.status_code, code(refused)) == (460, "checksum_mismatch")
    assert alice.head(url)["Upload-Offset"] == "40"
    assert one().path.stat().st_size == 40
    alice.patch(url, 40, b"y" * 60)
    assert one().sha256 == hashlib.sha256(b"x" * 40 + b"y" * 60).hexdigest()


@pytest.mark.parametrize("value", ["md5 abc=", "sha256", "sha256 ***", ""])
def test_an_unreadable_checksum_is_400(alice, value):
    url = alice.begin(100)
    refused = alice.patch(url, 0, b"x", Upload_Checksum=value)
    assert (refused.status_code, code(refused)) == (400, "bad_checksum")


def test_a_part_of_another_content_type_is_415(alice):
    url = alice.begin(100)
    assert alice.patch(url, 0, b"x", content_type="application/json").status_code == 415
    assert alice.patch(url, 0, b"x", content_type="text/plain").status_code == 415


def test_a_part_without_an_offset_is_400(alice):
    url = alice.begin(100)
    assert alice.patch(url, 0, b"x", Upload_Offset=None).status_code == 400


def test_a_part_over_the_limit_is_413_and_nothing_of_it_is_kept(alice, settings):
    settings.CLAUDELENS_UPLOAD_PART_BYTES = 50
    url = alice.begin(100)
    refused = alice.patch(url, 0, b"x" * 51)
    assert (refused.status_code, code(refused)) == (413, "part_too_large")
    assert one().path.stat().st_size == 0
    assert alice.patch(url, 0, b"x" * 50).status_code == 204


def test_a_part_past_the_announced_end_is_413(alice):
    url = alice.begin(10)
    assert alice.patch(url, 0, b"x" * 11).status_code == 413
    assert alice.patch(url, 0, b"x" * 10).status_code == 204
    assert alice.patch(url, 10, b"x").status_code == 413


def test_an_empty_part_changes_nothing(alice):
    url = alice.begin(10)
    assert alice.patch(url, 0, b"")["Upload-Offset"] == "0"
    alice.patch(url, 0, b"x" * 10)
    assert alice.patch(url, 10, b"")["Upload-Offset"] == "10"
    assert one().state == UploadState.COMPLETE


def test_post_with_a_method_override_is_a_patch(alice):
    url = alice.begin(10)
    sent = alice.client.generic(
        "POST", url, b"x" * 10, content_type=PART,
        headers=V | {"Upload-Offset": "0", "X-HTTP-Method-Override": "PATCH"},
    )
    assert sent.status_code == 204
    assert one().is_complete


def test_a_deleted_upload_is_gone_with_its_bytes(alice):
    url = alice.begin(10)
    assert alice.delete(url).status_code == 204
    assert alice.head(url).status_code == 410
    assert alice.patch(url, 0, b"x").status_code == 410
    assert not one().path.exists()


def test_an_upload_that_nobody_continued_expires(alice, settings):
    url = alice.begin(10)
    Upload.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert alice.head(url).status_code == 410
    assert uploads.expire_uploads() == 1
    assert not one().path.exists()
    assert uploads.expire_uploads() == 0
    settings.CLAUDELENS_UPLOAD_QUOTA_BYTES = 10
    assert alice.create(10).status_code == 201


def test_a_part_puts_the_expiry_off(alice):
    url = alice.begin(10)
    soon = timezone.now() + timedelta(minutes=1)
    Upload.objects.update(expires_at=soon)
    alice.patch(url, 0, b"x")
    assert one().expires_at > soon


def test_an_unknown_upload_is_404(alice):
    assert alice.head("/api/v1/uploads/00000000-0000-4000-8000-000000000000/").status_code == 404


def test_somebody_elses_upload_is_404_for_every_verb(alice, bob, people):
    url = alice.begin(10)
    assert bob.head(url).status_code == 404
    assert bob.client.get(url).status_code == 404
    assert bob.patch(url, 0, b"x").status_code == 404
    assert bob.delete(url).status_code == 404
    assert bob.client.get("/api/v1/uploads/").json() == []
    assert [each["name"] for each in alice.client.get("/api/v1/uploads/").json()] == ["a.jsonl"]
    assert Tus(logged_in(people.root)).head(url).status_code == 200


def test_nobody_and_people_who_are_no_staff_may_not_upload(people, upload_dir):
    assert Tus(Client()).create(10).status_code == 401
    assert Tus(logged_in(people.charlie)).create(10).status_code == 403


def test_a_session_needs_the_csrf_token_for_every_change(people, upload_dir):
    client = logged_in(people.alice, enforce_csrf_checks=True)
    tus = Tus(client)
    assert tus.create(10).status_code == 403
    token = "t" * 32
    client.cookies["claudelens_csrf"] = token
    made = tus.create(10, X_CSRFToken=token)
    assert made.status_code == 201, made.content
    url = made["Location"]
    assert tus.patch(url, 0, b"x").status_code == 403
    assert tus.patch(url, 0, b"x", X_CSRFToken=token).status_code == 204
    assert tus.delete(url).status_code == 403


def test_a_token_needs_no_csrf_token(people, upload_dir):
    from knox.models import AuthToken

    _, token = AuthToken.objects.create(people.alice)
    tus = Tus(Client(enforce_csrf_checks=True))
    made = tus.create(10, Authorization=f"Token {token}")
    assert made.status_code == 201
    assert tus.patch(made["Location"], 0, b"x" * 10, Authorization=f"Token {token}").status_code == 204


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (LINE, "json-lines"),
        (b'\xef\xbb\xbf{"a":1}\n{}', "json-lines"),
        (b'[{"uuid":"x"}]', "json"),
        (b'{\n  "a": 1\n}', "json"),
        (b"PK\x03\x04rest", "zip"),
        (b"\x1f\x8b\x08rest", "gzip"),
        (b"\x28\xb5\x2f\xfdrest", "zstandard"),
        (b"id,title\n1,2\n", "text"),
        ('{"a":1}\n'.encode("utf-16"), "json-lines"),
        (b"\x7fELF\x00\x00", "binary"),
    ],
)
def test_what_a_file_looks_like_is_told_by_its_bytes(alice, body, expected):
    alice.send(body, "a.txt")
    assert one().content == expected


def test_the_relative_path_of_a_chosen_folder_is_kept(alice):
    path = "projects/-home-me/0123.jsonl"
    sent = metadata(filename="0123.jsonl", relativePath=path)
    assert alice.create(10, Upload_Metadata=sent).status_code == 201
    assert one().name == path
