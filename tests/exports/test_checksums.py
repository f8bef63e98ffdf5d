"""Bytes that are not those that were written are never sent as good, once anybody could know."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from exports import checksums
from exports.checksums import check_artifacts, stamp_of
from exports.models import Artifact, ExportJob
from exports.tasks import check_artifacts as check_task

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def where(kept: ExportJob) -> str:
    return f"/api/v1/exports/{kept.pk}/download/"


@pytest.fixture
def hashed(monkeypatch: Any) -> list[Path]:
    """The files that were hashed, as they are."""
    seen: list[Path] = []
    really = checksums._hash

    def watched(path: Path) -> str:
        seen.append(path)
        return really(path)

    monkeypatch.setattr(checksums, "_hash", watched)
    return seen


def artifact() -> Artifact:
    return Artifact.objects.get()


def flip(path: Path, at: int = 150_000) -> None:
    """One bit of one byte, the size as it was."""
    with path.open("r+b") as file:
        file.seek(at)
        byte = file.read(1)[0]
        file.seek(at)
        file.write(bytes([byte ^ 1]))


def flip_unseen(path: Path) -> None:
    """A flipped bit of which the file system tells nothing: what is remembered is what it tells now."""
    flip(path)
    Artifact.objects.update(stamp=stamp_of(path))


def refused(answer: Any) -> bool:
    assert (answer.status_code, answer.json()["code"]) == (409, "artifact_damaged")
    assert answer.json()["hint"]
    return True


def test_a_file_is_hashed_once_and_then_believed(alice: Client, where: str, hashed: list[Path]) -> None:
    for _ in range(5):
        assert alice.get(where).status_code == 200
    assert len(hashed) == 1


def test_an_export_just_written_is_not_hashed_again(
    export: Any, alice: Client, tree: Any, hashed: list[Path]
) -> None:
    job = export("jsonl")
    assert alice.get(f"/api/v1/exports/{job.pk}/download/").status_code == 200
    assert not hashed
    assert artifact().checked_at is not None


def test_a_flipped_bit_is_found_before_a_byte_is_sent(alice: Client, where: str) -> None:
    assert alice.get(where).status_code == 200
    flip(artifact().path)
    assert refused(alice.get(where))
    assert refused(alice.get(where, headers={"Range": "bytes=0-9"}))
    assert alice.head(where).status_code == 409
    assert artifact().state == "damaged"


def test_what_the_file_system_does_not_tell_is_found_by_the_clock(alice: Client, where: str) -> None:
    assert alice.get(where).status_code == 200
    flip_unseen(artifact().path)
    Artifact.objects.update(checked_at=timezone.now() - timedelta(days=8))
    assert check_task() == 1
    assert refused(alice.get(where))


def test_damage_is_told_on_the_page_and_in_the_log(alice: Client, kept: ExportJob, where: str) -> None:
    flip(artifact().path)
    alice.get(where)
    alice.get(where)
    assert [line.level for line in kept.log_lines()] == ["error"]
    page = alice.get(f"/exports/{kept.pk}/").content.decode()
    assert "damaged on the server" in page
    assert f"/exports/{kept.pk}/download/" not in page
    assert alice.get(f"/api/v1/exports/{kept.pk}/").json()["artifact"]["state"] == "damaged"


def test_a_file_that_is_put_back_is_good_again(alice: Client, where: str) -> None:
    good = artifact().path.read_bytes()
    flip(artifact().path)
    assert refused(alice.get(where))
    artifact().path.write_bytes(good)
    assert alice.get(where).status_code == 200
    assert artifact().state == "ready"


def test_a_file_with_its_old_times_is_looked_at_again(alice: Client, where: str) -> None:
    assert alice.get(where).status_code == 200
    path = artifact().path
    times = path.stat()
    flip(path)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert refused(alice.get(where))


def test_one_too_large_for_a_request_waits_for_the_clock(
    alice: Client, where: str, monkeypatch: Any, hashed: list[Path]
) -> None:
    monkeypatch.setattr(checksums, "MOST_INLINE_BYTES", 1000)
    waiting = alice.get(where)
    assert (waiting.status_code, waiting.json()["code"]) == (503, "artifact_unchecked")
    assert not hashed
    assert check_artifacts() == 1
    assert alice.get(where).status_code == 200


def test_the_clock_takes_what_changed_first_then_the_oldest_and_stops_in_time(
    kept: ExportJob, artifacts_dir: Path, hashed: list[Path]
) -> None:
    first = artifact()
    now = timezone.now()
    for number, age in ((2, 9), (3, 20), (4, 1)):
        path = artifacts_dir / f"{number}.jsonl"
        path.write_bytes(first.path.read_bytes())
        Artifact.objects.create(
            job=kept, number=number, storage_name=path.name, filename=path.name, media_type="x", bytes=first.bytes,
            sha256=first.sha256, expires_at=first.expires_at, stamp=stamp_of(path), checked_at=now - timedelta(days=age),
        )
    assert check_artifacts(seconds=-1) == 0
    assert check_artifacts() == 3
    assert [path.name for path in hashed] == [first.storage_name, "3.jsonl", "2.jsonl"]
    assert check_artifacts() == 0


def test_files_that_are_gone_or_expired_are_passed_over(kept: ExportJob) -> None:
    artifact().path.unlink()
    assert check_artifacts() == 0
    assert artifact().state == "ready", "who asks for it is told that it is gone"
    Artifact.objects.update(state="expired")
    assert check_artifacts() == 0


def test_an_artifact_that_expires_meanwhile_stays_expired(kept: ExportJob) -> None:
    early = artifact()
    Artifact.objects.update(state="expired")
    checksums.check_artifact(early)
    assert artifact().state == "expired"


def test_a_damaged_file_expires_like_any_other(kept: ExportJob) -> None:
    from exports.tasks import expire_artifacts

    path = artifact().path
    Artifact.objects.update(state="damaged", expires_at=timezone.now() - timedelta(seconds=1))
    assert expire_artifacts() == 1
    assert artifact().state == "expired"
    assert not path.exists()
