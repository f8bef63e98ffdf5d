"""The life of a finished file: kept, found, offered, counted, expired."""

from __future__ import annotations

import time
from http import HTTPStatus
from pathlib import Path
from typing import Any

from django.db import transaction
from django.db.models import F
from django.http import HttpResponseBase
from django.utils import timezone
from django.utils.text import slugify

from archive.errors import Conflict, Gone, NotFound
from exports.downloads import Download, Request, respond
from exports.material import ArchiveMaterial
from exports.models import Artifact, ArtifactState, ExportJob, artifact_folder, new_expiry
from exports.part_files import WrittenFile
from exports.renderers import RENDERERS
from exports.renderers.base import Renderer
from jobs.claims import write_held

STRAY_SECONDS = 24 * 3600
"""How old a file must be before the sweep takes it for a stray: older than any gap in a job."""


def storage_path(job: ExportJob, token: int, renderer: Renderer) -> Path:
    """Where this try of the job puts its artifact: another try, another name."""
    return artifact_folder() / f"{job.pk}-{token}{renderer.extension}"


def keep_artifact(job: ExportJob, token: int, written: WrittenFile, material: ArchiveMaterial) -> Artifact:
    """Remember the file that was written; those of earlier tries are deleted.

    Raises LostClaim, having changed nothing, when another try has begun since: the row is written
    in one transaction with a write that only the holder of ``token`` may do.
    """
    with transaction.atomic():
        write_held(job, token)
        artifact, _ = Artifact.objects.update_or_create(job=job, defaults=_facts(job, written, material))
    _remove_earlier(job, token)
    return artifact


def _facts(job: ExportJob, written: WrittenFile, material: ArchiveMaterial) -> dict[str, Any]:
    renderer = RENDERERS[job.format]
    measured = {"bytes": written.bytes, "sha256": written.sha256}
    return measured | {
        "storage_name": written.path.name,
        "filename": person_filename(job, renderer),
        "media_type": renderer.media_type,
        "messages": material.message_count,
        "sessions": material.session_count,
        "manifest": make_manifest(job, renderer, material) | measured,
        "state": ArtifactState.READY,
        "downloads": 0,
        "created_at": timezone.now(),
        "expires_at": new_expiry(),
    }


def _remove_earlier(job: ExportJob, token: int) -> None:
    for path in artifact_folder().glob(f"{job.pk}-*"):
        number = path.name.removeprefix(f"{job.pk}-").partition(".")[0]
        if number.isdigit() and int(number) < token:
            path.unlink(missing_ok=True)


def person_filename(job: ExportJob, renderer: Renderer) -> str:
    """What the download is called: what it is, and when it was asked for."""
    stamp = job.created_at.strftime("%Y%m%d-%H%M%S")
    return f"claudelens-{slugify(renderer.name)}-{stamp}{renderer.extension}"


def make_manifest(job: ExportJob, renderer: Renderer, material: ArchiveMaterial) -> dict[str, Any]:
    """What is in the export and what is not, for people and programs."""
    return {
        "format": renderer.name,
        "filter": job.filter,
        "counts": material.counts,
        "empty": material.is_empty,
        "loses": list(renderer.loses),
        "notes": material.notes.first,
        "noteCount": material.notes.total,
        "copies": material.copies.first,
        "copyCount": material.copies.total,
        "damaged": material.damaged.first,
        "damagedCount": material.damaged.total,
    }


def find_artifact(owner: Any, job_id: Any) -> Artifact:
    """The downloadable artifact of a job that is the owner's to see.

    Raises NotFound (no such job, or not theirs), Conflict (not finished), Gone (expired, deleted).
    """
    job = ExportJob.objects.visible_to(owner).filter(pk=job_id).first()
    if job is None:
        raise NotFound("There is no such export, or it is not yours to see.")
    artifact = Artifact.objects.filter(job=job).first()
    if artifact is None:
        raise Conflict(
            f"This export has no file: it is {job.get_state_display().lower()}.",
            hint="Wait until it is completed, or retry it.",
            code="export_not_ready",
        )
    return artifact


def check_download(artifact: Artifact) -> Download:
    """The artifact as it can be sent now.

    Raises Gone when it has expired or was deleted, Conflict when its bytes are not what they were.
    """
    if not artifact.is_ready:
        raise Gone(
            f"{artifact.filename} was kept until {artifact.expires_at:%Y-%m-%d %H:%M} UTC.",
            hint="Make the same export again.",
            code="artifact_expired",
        )
    try:
        size = artifact.path.stat().st_size
    except FileNotFoundError:
        raise _missing(artifact) from None
    if size != artifact.bytes:
        raise Conflict(
            f"{artifact.filename} has {size} bytes on the disk and should have {artifact.bytes}.",
            hint="It was damaged: make the same export again, and tell your administrator.",
            code="artifact_damaged",
        )
    return Download(artifact.path, artifact.filename, artifact.media_type, artifact.bytes, artifact.sha256)


def _missing(artifact: Artifact) -> Gone:
    return Gone(
        f"{artifact.filename} is no longer on the server's disk.",
        hint="Make the same export again.",
        code="artifact_missing",
    )


def offer(request: Request, artifact: Artifact) -> HttpResponseBase:
    """Answer a GET or HEAD for the artifact, and count downloads that begin at the beginning.

    Raises as ``check_download``.
    """
    try:
        response = respond(request, check_download(artifact))
    except FileNotFoundError:
        raise _missing(artifact) from None
    if request.method == "GET" and response.status_code == HTTPStatus.OK:
        Artifact.objects.filter(pk=artifact.pk).update(downloads=F("downloads") + 1)
    return response


def expire_artifacts() -> int:
    """Mark what is past its time, delete its bytes, sweep strays. Idempotent; safe beside itself.

    Marked first: whoever asks from then on is told 410. A download under way keeps its open file.
    """
    due = Artifact.objects.filter(state=ArtifactState.READY, expires_at__lte=timezone.now())
    expired = 0
    for artifact in due.iterator():
        expired += Artifact.objects.filter(pk=artifact.pk, state=ArtifactState.READY).update(
            state=ArtifactState.EXPIRED
        )
        artifact.path.unlink(missing_ok=True)
    sweep_strays()
    return expired


def sweep_strays() -> int:
    """Delete files that no artifact names and no job is writing any more."""
    if not artifact_folder().is_dir():
        return 0
    oldest = time.time() - STRAY_SECONDS
    kept = set(Artifact.objects.filter(state=ArtifactState.READY).values_list("storage_name", flat=True))
    unknown = (path for path in artifact_folder().iterdir() if path.name not in kept)
    strays = [path for path in unknown if _is_older(path, oldest)]
    for path in strays:
        path.unlink(missing_ok=True)
    return len(strays)


def _is_older(path: Path, moment: float) -> bool:
    try:
        return path.is_file() and path.stat().st_mtime < moment
    except FileNotFoundError:
        return False
