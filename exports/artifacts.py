"""The life of a finished file: kept, found, offered, counted, expired."""

from __future__ import annotations

import time
from http import HTTPStatus
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.http import HttpResponseBase
from django.utils import timezone
from django.utils.text import slugify

from archive.errors import Conflict, Gone, NotFound, OutOfSpace
from exports import limits
from exports.building import Built, BuiltPart, Order
from exports.checksums import require_good, stamp_of
from exports.downloads import Download, Request, respond, sent_part
from exports.finished.download_log import log_download, taker_of
from exports.models import Artifact, ArtifactState, ExportJob, Link, artifact_folder, new_expiry
from exports.shaping import losses, masked_facts
from jobs.claims import write_held

LONGEST_NUMBER = 9
STRAY_SECONDS = 24 * 3600
"""How old a file must be before the sweep takes it for a stray: older than any gap in a job."""


def keep_artifacts(job: ExportJob, token: int, order: Order, built: Built) -> list[Artifact]:
    """Remember the files that were written, all at once; those of earlier tries are deleted.

    Raises LostClaim, having changed nothing, when another try has begun since: the rows are written
    in one transaction with a write that only the holder of ``token`` may do. Raises OutOfSpace, having
    deleted the files, when the owner's files would pass the quota with them.
    """
    try:
        with transaction.atomic():
            write_held(job, token)
            limits.check_written(job, sum(part.file.bytes for part in built.parts))
            Artifact.objects.filter(job=job).delete()
            kept = [_artifact(job, order, part, len(built.parts)) for part in built.parts]
            Artifact.objects.bulk_create(kept)
    except OutOfSpace:
        for part in built.parts:
            part.file.path.unlink(missing_ok=True)
        raise
    remove_earlier(job, token)
    return kept


def _artifact(job: ExportJob, order: Order, part: BuiltPart, of: int) -> Artifact:
    measured = {"bytes": part.file.bytes, "sha256": part.file.sha256}
    now = timezone.now()
    return Artifact(
        job=job,
        number=part.number,
        storage_name=part.file.path.name,
        filename=person_filename(job, order, part.label),
        media_type=order.media_type,
        messages=part.tally.message_count,
        sessions=part.tally.session_count,
        manifest=make_manifest(job, order, part, of) | measured,
        stamp=stamp_of(part.file.path),
        checked_at=now,
        created_at=now,
        expires_at=new_expiry(),
        **measured,
    )


def remove_earlier(job: ExportJob, token: int) -> None:
    """Delete the files of tries before ``token``: those of one that was killed were never kept."""
    for path in artifact_folder().glob(f"{job.pk}-*"):
        number = path.name.removeprefix(f"{job.pk}-").partition(".")[0]
        if number.isdigit() and int(number) < token:
            path.unlink(missing_ok=True)


def person_filename(job: ExportJob, order: Order, label: str = "") -> str:
    """What the download is called: what it is, when it was asked for, and which part it is."""
    words = (slugify(order.renderer.name), job.created_at.strftime("%Y%m%d-%H%M%S"), label)
    return f"claudelens-{'-'.join(filter(None, words))}{order.extension}"


def make_manifest(job: ExportJob, order: Order, part: BuiltPart, of: int) -> dict[str, Any]:
    """What is in the file and what is not, and how it was made, for people and programs."""
    tally = part.tally
    return {
        "program": {"name": "ClaudeLens", "version": settings.CLAUDELENS_VERSION},
        "format": order.renderer.name,
        "formatVersion": order.renderer.version,
        "filter": job.filter,
        "resolved": order.filter.to_dict(),
        "choices": order.choices.to_dict(),
        "part": {"number": part.number, "of": of, "label": part.label},
        "counts": tally.counts,
        "empty": tally.is_empty,
        "loses": losses(order.renderer.loses, tally.changes),
        **tally.changes.as_dict(),
        "notes": tally.notes.first,
        "noteCount": tally.notes.total,
        "copies": masked_facts(order.choices, tally.copies.first),
        "copyCount": tally.copies.total,
        "damaged": masked_facts(order.choices, tally.damaged.first),
        "damagedCount": tally.damaged.total,
    }


def find_export(owner: Any, job_id: Any) -> ExportJob:
    """The job, where it is the owner's to see. Raises NotFound."""
    job: ExportJob | None = ExportJob.objects.visible_to(owner).filter(pk=job_id).first()
    if job is None:
        raise NotFound("There is no such export, or it is not yours to see.")
    return job


def part_number(asked: str | None) -> int:
    """The number of a part as an address tells it; the first without one. Raises NotFound."""
    if asked is None:
        return 1
    if not asked.isascii() or not asked.isdigit() or len(asked) > LONGEST_NUMBER:
        raise NotFound(f"{asked[:20]!r} is no part of this export.", hint="Parts have numbers, from 1 on.")
    return int(asked)


def find_artifact(owner: Any, job_id: Any, number: int = 1) -> Artifact:
    """The artifact with that number of a job that is the owner's to see.

    Raises NotFound (no such job or number, or not theirs), Conflict (not finished).
    """
    job = find_export(owner, job_id)
    files = {artifact.number: artifact for artifact in job.artifacts.all()}
    if not files:
        raise Conflict(
            f"This export has no file: it is {job.get_state_display().lower()}.",
            hint="Wait until it is completed, or retry it.",
            code="export_not_ready",
        )
    if number not in files:
        raise NotFound(
            f"This export has no file {number:,}.", hint=f"Its files have the numbers 1 to {len(files):,}."
        )
    return files[number]


def check_download(artifact: Artifact) -> Download:
    """The artifact as it can be sent now.

    Raises Gone when it has expired or was deleted, Conflict when its bytes are not what they were,
    Unavailable when that has to be found out first.
    """
    if artifact.is_expired:
        raise Gone(
            f"{artifact.filename} was kept until {artifact.expires_at:%Y-%m-%d %H:%M} UTC.",
            hint="Make the same export again.",
            code="artifact_expired",
        )
    try:
        require_good(artifact)
    except FileNotFoundError:
        raise _missing(artifact) from None
    return Download(artifact.path, artifact.filename, artifact.media_type, artifact.bytes, artifact.sha256)


def _missing(artifact: Artifact) -> Gone:
    return Gone(
        f"{artifact.filename} is no longer on the server's disk.",
        hint="Make the same export again.",
        code="artifact_missing",
    )


def offer(request: Request, artifact: Artifact, link: Link | None = None) -> HttpResponseBase:
    """Answer a GET or HEAD for the artifact, through ``link`` where that is what was followed.

    What sends bytes is logged before the first of them; a download of the whole is counted.
    Raises as ``check_download``.
    """
    download = check_download(artifact)
    try:
        response = respond(request, download)
    except FileNotFoundError:
        raise _missing(artifact) from None
    part = sent_part(request, download, response)
    if part is not None:
        with transaction.atomic():
            log_download(artifact, taker_of(request, link), part)
            if response.status_code == HTTPStatus.OK and part.length == download.size:
                Artifact.objects.filter(pk=artifact.pk).update(downloads=F("downloads") + 1)
    return response


def expire_artifacts() -> int:
    """Mark what is past its time, delete its bytes, sweep strays. Idempotent; safe beside itself.

    Marked first: whoever asks from then on is told 410. A download under way keeps its open file.
    """
    due = Artifact.objects.kept().filter(expires_at__lte=timezone.now())
    expired = 0
    for artifact in due.defer("manifest").iterator():
        # Asked again in the writing: it may be kept longer by now.
        marked = due.filter(pk=artifact.pk).update(state=ArtifactState.EXPIRED)
        if marked:
            artifact.path.unlink(missing_ok=True)
        expired += marked
    sweep_strays()
    return expired


def sweep_strays() -> int:
    """Delete files that no artifact names and no job is writing any more."""
    if not artifact_folder().is_dir():
        return 0
    oldest = time.time() - STRAY_SECONDS
    kept = set(Artifact.objects.kept().values_list("storage_name", flat=True))
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
