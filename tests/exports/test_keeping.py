"""Finished files stay longer, or go at once, as their owner says and the settings allow."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db.models import QuerySet
from django.test import Client
from django.utils import timezone

from exports.artifacts import expire_artifacts
from exports.models import Artifact, Download, ExportJob

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def where(kept: ExportJob) -> str:
    return f"/api/v1/exports/{kept.pk}/artifacts/"


@pytest.fixture
def second(kept: ExportJob, artifacts_dir: Path) -> Artifact:
    """The second file of the export."""
    path = artifacts_dir / "second.jsonl"
    path.write_bytes(b"x")
    return Artifact.objects.create(
        job=kept, number=2, storage_name=path.name, filename="second.jsonl", media_type="x", bytes=1,
        sha256="0" * 64, expires_at=timezone.now() + timedelta(days=1),
    )


def patch(client: Client, where: str, asked: Any) -> Any:
    return client.patch(where, asked, content_type="application/json")


def days_left(artifact: Artifact) -> float:
    artifact.refresh_from_db()
    return (artifact.expires_at - timezone.now()) / timedelta(days=1)


def test_a_file_is_kept_longer_and_shorter(alice: Client, where: str, kept: ExportJob) -> None:
    answer = patch(alice, where, {"days": 30})
    assert answer.status_code == 200
    assert [each["state"] for each in answer.json()] == ["ready"]
    assert days_left(kept.artifact) == pytest.approx(30, abs=0.01)
    assert patch(alice, f"{where}1/", {"days": 2}).json()["expiresAt"].endswith("Z")
    assert days_left(kept.artifact) == pytest.approx(2, abs=0.01)


def test_all_files_or_one_of_them(alice: Client, where: str, kept: ExportJob, second: Artifact) -> None:
    assert len(patch(alice, where, {"days": 30}).json()) == 2
    patch(alice, f"{where}2/", {"days": 5})
    assert days_left(kept.artifact) == pytest.approx(30, abs=0.01)
    assert days_left(second) == pytest.approx(5, abs=0.01)
    assert alice.delete(f"{where}2/").status_code == 204
    assert not second.path.exists()
    assert kept.artifact.path.exists()


def test_never_longer_than_the_settings_allow_however_often(alice: Client, where: str, kept: ExportJob) -> None:
    assert patch(alice, where, {"days": 90}).status_code == 200
    assert days_left(kept.artifact) <= 90
    Artifact.objects.update(created_at=timezone.now() - timedelta(days=60, minutes=1))
    assert patch(alice, where, {"days": 30}).status_code == 200
    assert days_left(kept.artifact) < 30
    refused = patch(alice, where, {"days": 31})
    assert (refused.status_code, refused.json()["code"]) == (400, "bad_expiry")
    assert "between 1 and 30" in refused.json()["detail"]
    assert "90 days" in refused.json()["hint"]


@pytest.mark.parametrize("asked", [{}, {"days": 0}, {"days": -3}, {"days": "x"}, {"days": None}, {"days": 10**12}, {"day": 3}, [], {"days": 3, "expiresAt": "2030-01-01"}])
def test_what_cannot_be_meant_changes_nothing(alice: Client, where: str, kept: ExportJob, asked: Any) -> None:
    before = kept.artifact.expires_at
    assert patch(alice, where, asked).status_code == 400
    assert Artifact.objects.get().expires_at == before


def test_delete_now_is_at_once_and_the_log_keeps_it(alice: Client, where: str, kept: ExportJob) -> None:
    download = f"/api/v1/exports/{kept.pk}/download/"
    response = alice.get(download)
    assert alice.delete(where).status_code == 204
    assert b"".join(response.streaming_content), "a download that is under way goes on"
    assert not kept.artifact.path.exists()
    assert alice.get(download).json()["code"] == "artifact_expired"
    assert Download.objects.count() == 1
    assert [line.text for line in kept.log_lines()] == [f"alice deleted {kept.artifact.filename}."]
    again = alice.delete(where)
    assert (again.status_code, again.json()["code"]) == (410, "artifact_expired")
    assert patch(alice, where, {"days": 3}).status_code == 410


def test_a_file_that_is_not_there_is_not_found(alice: Client, where: str) -> None:
    assert alice.delete(f"{where}2/").status_code == 404
    assert patch(alice, f"{where}99999999999/", {"days": 3}).status_code == 404
    Artifact.objects.all().delete()
    assert alice.delete(where).status_code == 404


def test_a_file_that_is_kept_longer_at_the_last_moment_is_not_deleted(kept: ExportJob, monkeypatch: Any) -> None:
    Artifact.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    really = QuerySet.iterator

    def prolonged(rows: Any, *args: Any, **options: Any) -> Any:
        found = list(really(rows, *args, **options))
        Artifact.objects.update(expires_at=timezone.now() + timedelta(days=1))
        return iter(found)

    monkeypatch.setattr(QuerySet, "iterator", prolonged)
    assert expire_artifacts() == 0
    assert kept.artifact.is_ready
    assert kept.artifact.path.exists()


def test_both_from_the_page(alice: Client, kept: ExportJob) -> None:
    page = f"/exports/{kept.pk}/"
    assert "Keep longer, or delete" in alice.get(page).content.decode()
    assert "Kept until" in alice.post(f"{page}keep/", {"days": "20"}, follow=True).content.decode()
    assert days_left(kept.artifact) == pytest.approx(20, abs=0.01)
    for wrong in ("", "0", "x", "99999"):
        assert "callout--error" in alice.post(f"{page}keep/", {"days": wrong}, follow=True).content.decode()
    assert "The file was deleted." in alice.post(f"{page}delete/", follow=True).content.decode()
    assert "no longer kept" in alice.post(f"{page}delete/", follow=True).content.decode()
    assert not kept.artifact.path.exists()
