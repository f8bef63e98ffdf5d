"""Imports in preparation: their files, and what was chosen for them so far, until they are imports."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from archive.errors import BadInput, Gone, NotFound
from imports import plans, services, uploads
from imports.formats import FORMATS
from imports.models import ImportDraft, ImportJob, Upload, title_of
from imports.options import check_options, choice_of
from imports.preview import Columns, Preview, find_columns, list_formats
from imports.rejected_files import rejected_again


def create_draft(
    owner: Any, upload_ids: Sequence[UUID | str], options: Mapping[str, Any] | None = None
) -> ImportDraft:
    """Keep complete uploads together until they are imported.

    :raises BadInput: nothing chosen, an upload that is incomplete or no text, unknown option
    :raises NotFound: an upload is somebody else's
    :raises Gone: an upload has expired, or an import has it
    """
    check_options(options or {})
    found = uploads.find_uploads(owner, upload_ids)
    for upload in found:
        services.check_importable(upload)
    if not found:
        raise BadInput("No file was chosen.", hint="Choose at least one.", code="nothing_chosen")
    draft: ImportDraft = ImportDraft.objects.create(
        owner=owner,
        uploads=[str(upload.pk) for upload in found],
        title=title_of([upload.name for upload in found]),
        options=dict(options or {}),
    )
    return draft


def draft_form_files(owner: Any, files: Sequence[Any]) -> ImportDraft:
    """Take the small files of a form as a draft; on a refusal none of them is kept.

    :raises ArchiveError: as ``receive_form_files`` and ``create_draft``
    """
    with uploads.form_files(owner, files) as received:
        return create_draft(owner, [upload.pk for upload in received])


def find_draft(user: Any, draft_id: UUID) -> ImportDraft:
    """The user's draft of that id. Raises ``NotFound`` when there is none, or it is somebody else's."""
    draft: ImportDraft | None = ImportDraft.objects.visible_to(user).filter(pk=draft_id).first()
    if draft is None:
        raise NotFound("There is no such draft.", hint="It may have expired: send the files again.")
    return draft


def open_drafts(user: Any, limit: int) -> list[ImportDraft]:
    """The user's own drafts that are not imported yet, newest first."""
    return list(ImportDraft.objects.filter(owner=user).open()[:limit])


def choose(draft: ImportDraft, **chosen: Any) -> None:
    """Remember options, checked together with those chosen before. Raises ``BadInput``."""
    options = {**draft.options, **chosen}
    check_options(options)
    draft.options = options
    draft.save()


def formats_of(draft: ImportDraft, **chosen: Any) -> Preview:
    """What each of its first files is, by the options so far and these.

    :raises ArchiveError: an upload is gone, or nothing can be looked at
    """
    return list_formats(_sources(draft), choice_of(check_options({**draft.options, **chosen})))


def choose_format(draft: ImportDraft, name: str) -> Preview:
    """Read the files as the format of this name, "" for what each is by its content; what they are then.

    Nothing is remembered where they cannot be read as it. A table can, whatever its columns hold: that is
    asked for next. Raises as ``formats_of``.
    """
    other = {"format": name, "mapping": {} if name != draft.options.get("format", "") else _mapping(draft)}
    found = formats_of(draft, **other)
    may_be_table = FORMATS[name].needs_mapping if name else has_table(found)
    is_table = may_be_table and columns_of(draft, format=name) is not None
    if is_table or not name or any(each.format for each in found.files):
        draft.needs_mapping = is_table
        choose(draft, **other)
    return found


def has_table(found: Preview) -> bool:
    """Whether any of the files is of a format whose columns somebody has to name."""
    return any(FORMATS[each.format].needs_mapping for each in found.files if each.format)


def _mapping(draft: ImportDraft) -> dict[str, Any]:
    return dict(draft.options.get("mapping", {}))


def columns_of(draft: ImportDraft, **chosen: Any) -> Columns | None:
    """The columns of its first table, by the options so far and these. Raises as ``formats_of``."""
    return find_columns(_sources(draft), choice_of(check_options({**draft.options, **chosen})))


def preview_of(draft: ImportDraft) -> Preview:
    """What its import would find. Raises as ``formats_of``."""
    return services.preview_import(draft.owner, uploads=draft.uploads, options=draft.options)


def _sources(draft: ImportDraft) -> list[dict[str, Any]]:
    return [upload.as_source() for upload in uploads.find_uploads(draft.owner, draft.uploads)]


def earlier_imports(draft: ImportDraft) -> dict[int, ImportJob]:
    """The imports that took in its uploads before, by the upload's number in the draft."""
    found = uploads.find_uploads(draft.owner, draft.uploads)
    earlier = uploads.imports_before(found)
    return {number: earlier[each.sha256] for number, each in enumerate(found) if each.sha256 in earlier}


def start_import(draft: ImportDraft, *, dry_run: bool) -> ImportJob:
    """Make its import, for good or as a dry run, and send it on its way.

    :raises ArchiveError: as ``services.create_import``
    """
    with transaction.atomic():
        options = {**draft.options, "dry_run": dry_run}
        job = services.create_import(draft.owner, uploads=draft.uploads, options=options)
        draft.job = job
        draft.save()
    return job


def reopen_plan(user: Any, plan: ImportJob) -> ImportDraft:
    """A draft of a finished dry run's files and options, to choose otherwise.

    :raises Conflict: it is no finished dry run
    :raises Gone: its files are no longer kept
    """
    options = plans.options_of_plan(plan)
    with transaction.atomic():
        freed = plans.hand_over_uploads(plan)
        if not freed:
            raise Gone("The files of this dry run are no longer kept.", hint="Send them again.")
        return create_draft(user, [upload.pk for upload in freed], options)


def draft_rejected(job: ImportJob) -> ImportDraft:
    """A draft of the records that an import rejected, with its options.

    :raises BadInput: there are none that can be tried again
    :raises ArchiveError: as ``imports.uploads.create_upload``
    """
    upload = rejected_again(job)
    return create_draft(job.owner, [upload.pk], job.parameters["options"] | {"dry_run": False})


def discard_draft(draft: ImportDraft) -> None:
    """Delete it, and those of its uploads that no import has."""
    for upload in Upload.objects.filter(owner=draft.owner, pk__in=draft.uploads):
        uploads.remove_upload(upload)
    draft.delete()


def expire_drafts() -> int:
    """Delete drafts that nobody touched for as long as uploads are kept. Idempotent; returns how many."""
    oldest = timezone.now() - timedelta(hours=settings.CLAUDELENS_UPLOAD_EXPIRY_HOURS)
    deleted, _ = ImportDraft.objects.filter(updated_at__lt=oldest).delete()
    return deleted
