"""The verbs of an import: create, run, cancel, retry. Page, API, task and command call these."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import IntegrityError, transaction

from archive.conflicts import KEEP_BOTH
from archive.errors import ArchiveError, BadInput, Conflict, Gone
from archive.invariants import check_import
from imports import limits, plans, rollback
from imports.models import ImportJob, Upload, UploadState
from imports.naming import ACCEPTED_WORDS
from imports.options import check_options, choice_of
from imports.pipeline import ImportOptions, Source, Step, import_batches
from imports.preview import Preview, preview
from imports.room import paced
from imports.uploads import (
    find_uploads,
    form_files,
    release_bytes,
    take_uploads,
)
from jobs import runner
from jobs.progress import Progress
from jobs.states import ACTIVE, DONE, JobState

UNREADABLE = {"binary": "holds neither text nor a container of it"}
REJECT_GRACE = 1000


def create_import(
    owner: Any,
    *,
    uploads: Sequence[UUID | str] = (),
    sources: Sequence[Mapping[str, Any]] = (),
    options: Mapping[str, Any] | None = None,
) -> ImportJob:
    """Make a job for complete uploads, or for files on the server, and send it on its way.

    :raises BadInput: nothing chosen, an upload that is incomplete or no text, unknown option
    :raises Conflict: the same content is being imported right now, or an upload was used already
    :raises TooMany: the owner has started too many
    """
    checked = check_options(options or {})
    found = find_uploads(owner, uploads)
    return _create(owner, found, sources, {"options": checked})


def _create(
    owner: Any, found: Sequence[Upload], sources: Sequence[Mapping[str, Any]], parameters: dict[str, Any]
) -> ImportJob:
    for upload in found:
        check_importable(upload)
    chosen = [*(upload.as_source() for upload in found), *map(dict, sources)]
    if not chosen:
        raise BadInput("No file was chosen.", hint="Choose at least one.", code="nothing_chosen")
    job = ImportJob(owner=owner, sources=chosen, parameters=parameters)
    job.file_hash = content_hash(chosen)
    job.bytes_total = job.bytes_given
    _save_once(job, found)
    return job


def preview_import(
    owner: Any,
    *,
    uploads: Sequence[UUID | str] = (),
    sources: Sequence[Mapping[str, Any]] = (),
    options: Mapping[str, Any] | None = None,
) -> Preview:
    """What an import of these would find, told within about two seconds. Changes nothing.

    :raises ArchiveError: as ``create_import`` and ``imports.preview.preview``
    """
    checked = check_options(options or {})
    found = find_uploads(owner, uploads)
    for upload in found:
        check_importable(upload)
    return preview([*(upload.as_source() for upload in found), *sources], choice_of(checked))


def run_planned(plan: ImportJob) -> ImportJob:
    """Import for good what a dry run has looked at, with its options. Afterwards the job tells where it
    differed.

    :raises Conflict: it is no finished dry run, or the same content is being imported
    :raises Gone: its files are no longer kept
    """
    options = plans.options_of_plan(plan)
    with transaction.atomic():
        uploads = plans.hand_over_uploads(plan)
        on_server = [source for source in plan.sources if not source.get("upload")]
        if not uploads and not on_server:
            raise Gone("The files of this dry run are no longer kept.", hint="Send them again.")
        planned = {"job": str(plan.pk), "counts": plan.counts}
        return _create(plan.owner, uploads, on_server, {"options": options, "planned": planned})


def import_form_files(
    owner: Any, files: Sequence[Any], options: Mapping[str, Any] | None = None
) -> ImportJob:
    """Take the small files of a form and import them; on a refusal none of them is kept.

    :raises ArchiveError: as ``receive_form_files`` and ``create_import``
    """
    with form_files(owner, files) as received:
        return create_import(owner, uploads=[upload.pk for upload in received], options=options)


def check_importable(upload: Upload) -> None:
    """Refuse an upload that has not fully arrived, or that no reader could read.

    :raises BadInput: naming the file and what to do
    """
    if upload.state != UploadState.COMPLETE:
        raise BadInput(
            f"“{upload.name}” has {upload.offset:,} of {upload.size:,} bytes.",
            hint="Send the rest first.",
            code="upload_incomplete",
        )
    if upload.content in UNREADABLE:
        raise BadInput(
            f"“{upload.name}” {UNREADABLE[upload.content]}.",
            hint=f"Accepted are {ACCEPTED_WORDS}.",
            code="wrong_type",
        )


def content_hash(sources: Sequence[Mapping[str, Any]]) -> str:
    """One hash over what all files hold, whatever their order; "" when one is not known."""
    hashes = sorted(source.get("sha256", "") for source in sources)
    if not all(hashes):
        return ""
    return hashes[0] if len(hashes) == 1 else hashlib.sha256("".join(hashes).encode()).hexdigest()


def _save_once(job: ImportJob, uploads: Sequence[Upload]) -> None:
    """Save the job, take its uploads, ring the bell: all of it or nothing."""
    try:
        with transaction.atomic():
            limits.check_import(job.owner)
            job.save(force_insert=True)
            take_uploads(uploads, job)
            runner.enqueue(job)
    except IntegrityError as error:
        raise _already_running(job) from error


def _already_running(job: ImportJob) -> Conflict:
    """Name the first job, if its owner is the one who asks."""
    first = ImportJob.objects.filter(file_hash=job.file_hash, state__in=ACTIVE).first()
    mine = first is not None and first.owner_id == job.owner_id
    return Conflict(
        "The same content is being imported right now.",
        hint=f"See import {first.pk}." if first and mine else "Somebody else has started it.",
        code="already_importing",
    )


def run_import(
    job: ImportJob, reporter: Any = None, prepare: Callable[[Progress], None] | None = None
) -> None:
    """Import the job's files, from its checkpoint to the end. Safe to repeat. ``prepare`` is done before, as
    part of the job.

    :raises jobs.claims.NotClaimed: somebody else holds it, or it has ended
    """
    with runner.running(job, reporter) as progress:
        if rollback.is_due(job):
            rollback.undo(job, progress)
        else:
            if prepare is not None:
                prepare(progress)
            _import(job, progress)
    tidy_up(job)


def _import(job: ImportJob, progress: Progress) -> None:
    try:
        _check_sources(job)
        _end(job, progress, _pull(job, progress))
    except (runner.Cancelled, ArchiveError) as stop:
        if not rollback.is_all_or_nothing(job):
            raise
        rollback.undo(job, progress, rollback.reason_of(stop))


def _pull(job: ImportJob, progress: Progress) -> Step | None:
    sources = [Source(each["path"], each["name"] if each["upload"] else "") for each in job.sources]
    asked = job.parameters["options"]
    options = ImportOptions(
        settings.CLAUDELENS_MAX_RECORD_BYTES,
        settings.CLAUDELENS_BATCH_DOCS,
        choice=choice_of(asked),
        conflict=asked.get("conflict", KEEP_BOTH),
        dry_run=asked.get("dry_run", False),
    )
    last = None
    steps = import_batches(
        sources, job_id=str(job.pk), token=progress.token, options=options, log=progress.log
    )
    # Closed at once, whatever is raised: what is on its way to the database is there before anything else.
    with closing(steps):
        for last in paced(steps, progress):
            if last.phase != job.phase or last.bytes_total != job.bytes_total:
                progress.phase(last.phase, bytes_total=last.bytes_total)
            progress.advance(last)
            if rollback.is_all_or_nothing(job):
                rollback.check_all_good(job, last)
            _check_rejected(last, asked)
    return last


def _check_rejected(step: Step, asked: Mapping[str, Any]) -> None:
    """Stop before a file of another kind, or a damaged one, fills the list of rejected records."""
    seen, rejected = step.counts["seen"], step.counts["rejected"]
    percent, at_most = asked["reject_percent"], asked.get("max_errors", settings.CLAUDELENS_MAX_REJECTED)
    if rejected > at_most:
        raise BadInput(
            f"{rejected:,} of {seen:,} records were rejected, more than {at_most:,}.",
            hint="Look at the reasons below. To import the rest all the same, send the files "
            "again with a higher max_errors.",
            code="too_many_rejected",
        )
    if rejected >= REJECT_GRACE and rejected * 100 > seen * percent:
        raise BadInput(
            f"{rejected:,} of {seen:,} records were rejected, more than {percent:g} percent.",
            hint="Look at the reasons below. To import the rest all the same, send the files "
            "again with the option reject_percent=100.",
            code="too_many_rejected",
        )


def _check_sources(job: ImportJob) -> None:
    """Name the first file that is no longer there before anything is read."""
    for source in job.sources:
        if not Path(source["path"]).exists():
            raise BadInput(
                f"“{source['name']}” is no longer on the server.",
                hint=source.get("hint", "Uploads are kept for a while only: send it again."),
                code="file_gone",
            )


def _end(job: ImportJob, progress: Progress, last: Step | None) -> None:
    """Say how it ended, after checking that every record is accounted for."""
    if last is None:
        return
    counts = last.counts
    check_import(str(job.pk))
    if planned := job.parameters.get("planned"):
        job.parameters["differences"] = plans.differences(planned["counts"], counts)
        progress.log("info", plans.told(job.parameters["differences"]))
    ImportJob.objects.filter(pk=job.pk, token=progress.token).update(
        parameters=job.parameters, sessions=last.sessions, refused_files=last.refused_files
    )
    if counts["rejected"] or last.refused_files:
        progress.finish_with_errors()


def tidy_up(job: ImportJob) -> None:
    """Give back the room of a completed job's uploads; what failed keeps them for a retry, and a dry run for
    the import that follows."""
    job.refresh_from_db()
    if job.state in (*DONE, JobState.ROLLED_BACK) and not plans.is_plan(job):
        release_bytes(Upload.objects.filter(job=job))


def cancel_import(job: ImportJob) -> None:
    """Ask the job to stop after its batch; what was imported stays.

    :raises Conflict: it has ended already
    """
    runner.request_cancel(job)


def retry_import(job: ImportJob) -> None:
    """Send a failed, errored or cancelled job on its way again, from where it stood.

    :raises Conflict: it is no such job, or the same content is being imported by another
    :raises TooMany: enough of the owner's imports run or wait
    """
    with transaction.atomic():
        limits.check_again(job.owner)
        runner.retry(job)


def roll_back_import(job: ImportJob) -> None:
    """Undo what an ended import did, exactly to what was there before.

    :raises Conflict: later imports built on it, or it is at work
    """
    rollback.roll_back_import(job)


def earlier_import(job: ImportJob) -> ImportJob | None:
    """The owner's newest completed import of the very same content before this one."""
    if not job.file_hash:
        return None
    same = ImportJob.objects.filter(file_hash=job.file_hash, owner=job.owner, state__in=DONE)
    newest = same.filter(created_at__lt=job.created_at).order_by("-created_at")
    return next((earlier for earlier in newest if not earlier.is_dry_run), None)
