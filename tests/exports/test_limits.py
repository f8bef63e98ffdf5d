"""How much of the server one person's exports may take: refused by name, before and after they are built."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from exports import limits
from exports.models import Artifact, ExportJob
from exports.services import create_export, run_export

pytestmark = pytest.mark.django_db(transaction=True)
BASE = "/api/v1/exports/"


@pytest.fixture
def ask(people: Any, archive_db: Any, artifacts_dir: Path) -> Callable[..., Any]:
    """``ask("bob")``: bob asks for an export."""

    def post(name: str = "alice") -> Any:
        client = Client()
        client.force_login(getattr(people, name))
        return client.post(BASE, {"format": "jsonl"}, content_type="application/json")

    return post


def is_problem(answer: Any, status: int, code: str) -> bool:
    assert (answer.status_code, answer["Content-Type"]) == (status, "application/problem+json"), answer.content
    told = answer.json()
    assert (told["status"], told["code"]) == (status, code)
    assert told["detail"]
    assert told["hint"]
    return True


def test_too_many_at_once_are_429_until_one_ends(ask: Any, settings: Any) -> None:
    settings.CLAUDELENS_ACTIVE_EXPORTS = 1
    first = ExportJob.objects.get(pk=ask().json()["id"])
    refused = ask()
    assert is_problem(refused, 429, "rate_limited")
    assert int(refused["Retry-After"]) > 0
    assert ExportJob.objects.count() == 1
    run_export(first)
    assert ask().status_code == 202


def test_more_than_a_day_allows_are_429_and_say_when_to_come_again(ask: Any, settings: Any) -> None:
    settings.CLAUDELENS_EXPORTS_PER_DAY = 2
    for _ in range(2):
        assert ask().status_code == 202
    ExportJob.objects.update(created_at=timezone.now() - timedelta(hours=23))
    refused = ask()
    assert is_problem(refused, 429, "rate_limited")
    assert 3590 < int(refused["Retry-After"]) <= 3600
    ExportJob.objects.update(created_at=timezone.now() - timedelta(hours=25))
    assert ask().status_code == 202


def test_building_one_again_counts_as_one_at_once(ask: Any, settings: Any, people: Any) -> None:
    settings.CLAUDELENS_ACTIVE_EXPORTS = 1
    client = Client()
    client.force_login(people.alice)
    stopped = f"{BASE}{ask().json()['id']}/"
    client.post(f"{stopped}cancel/")
    assert ask().status_code == 202
    assert is_problem(client.post(f"{stopped}retry/"), 429, "rate_limited")
    assert client.get(stopped).json()["state"] == "cancelled"


def test_others_and_superusers_are_not_held_up(ask: Any, settings: Any) -> None:
    settings.CLAUDELENS_ACTIVE_EXPORTS = settings.CLAUDELENS_EXPORTS_PER_DAY = 1
    for name in ("alice", "bob", "root", "root"):
        assert ask(name).status_code == 202


def test_zero_sets_no_limit_and_a_command_has_none(ask: Any, settings: Any, tmp_path: Path) -> None:
    settings.CLAUDELENS_ACTIVE_EXPORTS = settings.CLAUDELENS_EXPORTS_PER_DAY = 0
    for _ in range(3):
        assert ask().status_code == 202
    settings.CLAUDELENS_ACTIVE_EXPORTS = settings.CLAUDELENS_ARTIFACT_QUOTA_BYTES = 1
    for _ in range(2):
        create_export(None, format="jsonl", asked={}, parameters={"output": str(tmp_path / "x")})


def test_a_full_quota_is_507_until_something_is_deleted(ask: Any, settings: Any, kept: ExportJob, people: Any) -> None:
    settings.CLAUDELENS_ARTIFACT_QUOTA_BYTES = 300_000
    assert is_problem(ask(), 507, "export_quota_exceeded")
    assert ask("bob").status_code == 202
    client = Client()
    client.force_login(people.alice)
    assert client.delete(f"{BASE}{kept.pk}/artifacts/").status_code == 204
    assert ask().status_code == 202


def test_the_quota_is_the_superusers_too(ask: Any, settings: Any, kept: ExportJob, people: Any) -> None:
    settings.CLAUDELENS_ARTIFACT_QUOTA_BYTES = 1000
    ExportJob.objects.update(owner=people.root)
    assert is_problem(ask("root"), 507, "export_quota_exceeded")


def test_a_damaged_file_counts_and_an_expired_one_does_not(kept: ExportJob, people: Any) -> None:
    Artifact.objects.update(state="damaged")
    assert limits.kept_bytes(people.alice) == 300_000
    assert limits.kept_bytes(people.bob) == 0
    Artifact.objects.update(state="expired")
    assert limits.kept_bytes(people.alice) == 0


def test_a_file_that_would_pass_the_quota_is_not_kept(
    tree: Any, ask: Any, settings: Any, kept: ExportJob, artifacts_dir: Path
) -> None:
    settings.CLAUDELENS_ARTIFACT_QUOTA_BYTES = 300_100
    job = ExportJob.objects.get(pk=ask().json()["id"])
    before = set(artifacts_dir.iterdir())
    run_export(job)
    job.refresh_from_db()
    assert (job.state, job.error_code) == ("failed", "export_quota_exceeded")
    assert "300,100" in job.error_message
    assert job.error_hint
    assert job.artifact is None
    assert set(artifacts_dir.iterdir()) == before
    settings.CLAUDELENS_ARTIFACT_QUOTA_BYTES = 10_000_000
    client = Client()
    client.force_login(job.owner)
    assert client.post(f"{BASE}{job.pk}/retry/").status_code == 202
    run_export(ExportJob.objects.get(pk=job.pk))
    assert ExportJob.objects.get(pk=job.pk).artifact is not None


def test_of_two_at_once_one_is_the_last(people: Any, archive_db: Any, artifacts_dir: Path, settings: Any, in_threads: Any) -> None:
    settings.CLAUDELENS_ACTIVE_EXPORTS = 1

    def attempt() -> str:
        client = Client()
        client.force_login(people.alice)
        return str(client.post(BASE, {"format": "jsonl"}, content_type="application/json").status_code)

    assert sorted(in_threads(attempt, 3)) == ["202", "429", "429"]


def test_the_page_says_it_in_a_sentence(ask: Any, settings: Any, people: Any) -> None:
    settings.CLAUDELENS_ACTIVE_EXPORTS = 1
    assert ask().status_code == 202
    client = Client()
    client.force_login(people.alice)
    page = client.post("/exports/new/", {"format": "json"})
    assert "Your limit of exports that run or wait at once, 1, is reached." in page.content.decode()
