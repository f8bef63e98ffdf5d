"""An archive with two conversations, and exports of it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from exports.models import Artifact, ExportJob, artifact_folder
from exports.services import create_export, run_export
from tests.exports.seed import seed, small_tree


@pytest.fixture
def artifacts_dir(settings: Any, tmp_path: Path) -> Path:
    """A folder of this test's own."""
    settings.CLAUDELENS_ARTIFACT_DIR = tmp_path / "artifacts"
    artifact_folder().mkdir()
    return artifact_folder()


@pytest.fixture
def tree(archive_db: Any, people: Any, tmp_path: Path) -> dict[str, bytes]:
    """What is in the archive: the files by their paths."""
    seed(people.alice, tmp_path, small_tree())
    return small_tree()


@pytest.fixture
def export(archive_db: Any, people: Any, artifacts_dir: Path) -> Callable[..., ExportJob]:
    """``export("json", since=…)``: a finished export of alice's."""

    def make(name: str = "json", owner: Any = None, **asked: object) -> ExportJob:
        job = create_export(owner or people.alice, format=name, asked=asked)
        run_export(job)
        return ExportJob.objects.get(pk=job.pk)

    return make


@pytest.fixture
def kept(people: Any, artifacts_dir: Path) -> ExportJob:
    """A finished export of alice's whose file is 300,000 known bytes."""
    job = ExportJob.objects.create(owner=people.alice, format="jsonl", state="completed")
    data = b"".join(f"{number:09}\n".encode() for number in range(30_000))
    (artifacts_dir / f"{job.pk}-1.jsonl").write_bytes(data)
    Artifact.objects.create(
        job=job,
        storage_name=f"{job.pk}-1.jsonl",
        filename='claudelens ĝis "x".jsonl',
        media_type="application/jsonl",
        bytes=len(data),
        sha256=sha256(data).hexdigest(),
        expires_at=timezone.now() + timedelta(days=1),
    )
    return job


@pytest.fixture
def alice(client: Client, people: Any) -> Client:
    """A browser in which alice has signed in."""
    client.force_login(people.alice)
    return client
