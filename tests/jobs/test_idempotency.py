from datetime import timedelta

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone
from rest_framework.test import APIClient

from archive.errors import Conflict
from jobs.idempotency import claim_key, expire_keys, fingerprint, keep_answer, release_key
from jobs.models import IdempotencyKey
from tests.jobs.drill.models import DrillJob

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("drill_urls")]
URL = "/api/v1/drills/"


@pytest.fixture
def send(people):
    def post(body, key="k1", user=None):
        client = APIClient()
        client.force_authenticate(user or people.alice)
        return client.post(URL, body, format="json", headers={"Idempotency-Key": key} if key else {})

    return post


def test_the_same_request_under_one_key_makes_one_job_and_gets_one_answer(send):
    first, second = send({"length": 3}), send({"length": 3})
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json() == second.json()
    assert first["Location"] == second["Location"]
    assert "Idempotent-Replayed" not in first
    assert second["Idempotent-Replayed"] == "true"
    assert DrillJob.objects.count() == 1


def test_another_request_under_the_same_key_is_refused(send):
    send({"length": 3})
    refused = send({"length": 4})
    assert refused.status_code == 422
    assert refused["Content-Type"] == "application/problem+json"
    assert refused.json()["code"] == "idempotency_key_reused"
    assert DrillJob.objects.count() == 1


def test_a_request_while_the_first_is_still_at_work_is_a_conflict(send, people):
    IdempotencyKey.objects.create(
        user=people.alice, key="k1", fingerprint=fingerprint("POST", URL, {"length": 3})
    )
    refused = send({"length": 3})
    assert (refused.status_code, refused.json()["code"]) == (409, "idempotency_key_in_use")
    assert DrillJob.objects.count() == 0


def test_of_many_who_claim_a_key_at_once_one_gets_it(people, in_threads):
    def attempt():
        try:
            return claim_key(people.alice, "k", "f").pk
        except Conflict:
            return None

    assert len([key for key in in_threads(attempt, 6) if key]) == 1


def test_without_a_key_every_request_has_its_effect(send):
    assert send({"length": 3}, key="").status_code == 201
    assert send({"length": 3}, key="").status_code == 201
    assert DrillJob.objects.count() == 2


def test_keys_of_two_users_have_nothing_to_do_with_each_other(send, people):
    send({"length": 3})
    assert send({"length": 4}, user=people.bob).status_code == 201


def test_a_refused_request_may_be_corrected_under_its_key(send):
    assert send({"length": "wrong"}).status_code == 400
    assert send({"length": 3}).status_code == 201


def test_a_key_that_is_too_long_is_refused(send):
    assert send({"length": 3}, key="k" * 256).status_code == 400


def test_a_key_is_forgotten_after_a_day(send):
    send({"length": 3})
    IdempotencyKey.objects.update(created_at=timezone.now() - timedelta(hours=25))
    assert send({"length": 4}).status_code == 201
    IdempotencyKey.objects.update(created_at=timezone.now() - timedelta(hours=25))
    assert expire_keys() == 1


def test_a_claim_left_behind_by_a_crash_is_taken_over(people):
    claim_key(people.alice, "k", "f")
    IdempotencyKey.objects.update(created_at=timezone.now() - timedelta(minutes=11))
    assert claim_key(people.alice, "k", "f").status is None


def test_a_key_can_be_given_back_or_kept_with_its_answer(people):
    release_key(claim_key(people.alice, "k", "f"))
    keep_answer(claim_key(people.alice, "k", "f"), 201, {"a": 1}, {})
    assert claim_key(people.alice, "k", "f").body == {"a": 1}


def test_two_requests_are_the_same_only_with_the_same_files():
    def print_of(content):
        return fingerprint("POST", URL, {"file": SimpleUploadedFile("a.jsonl", content)}["file"])

    assert print_of(b"1") == print_of(b"1")
    assert print_of(b"1") != print_of(b"2")
