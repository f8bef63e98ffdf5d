"""Files on their way in: created, found, taken whole, expired. Their bytes: ``imports.parts``."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from archive import files
from archive.errors import ArchiveError, BadInput, Conflict, Gone, NotFound, TooLarge, Unavailable
from imports import limits
from imports.models import ImportJob, Upload, UploadQuerySet, UploadState
from imports.naming import check_extension, clean_name
from imports.parts import Part, Readable, append_part
from imports.room import require_room
from jobs.states import ACTIVE, DONE

LOOK_UP_AT_ONCE = 500
_WAITING = (UploadState.OPEN, UploadState.COMPLETE)


def create_upload(owner: Any, *, name: str, size: int) -> Upload:
    """Make room for a file of ``size`` bytes.

    :raises BadInput: no bytes announced, or a name of another kind of file
    :raises TooLarge: over the limit of one file, or of all the owner's files together
    :raises TooMany: the owner has begun too many within an hour
    :raises OutOfSpace: the disk would be too full
    """
    name = clean_name(name)
    check_extension(name)
    _check_size(name, size)
    require_room(size)
    with transaction.atomic():
        limits.check_upload(owner, size)
        upload = _new_row(owner, name, size)
    upload.path.parent.mkdir(parents=True, exist_ok=True)
    os.close(os.open(upload.path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    return upload


def _new_row(owner: Any, name: str, size: int) -> Upload:
    key = uuid.uuid4()
    return Upload.objects.create(
        id=key,
        owner=owner,
        name=name,
        storage_name=key.hex,
        size=size,
        expires_at=Upload.new_expiry(),
    )


def _check_size(name: str, size: int) -> None:
    if size <= 0:
        raise BadInput(f"“{name}” is empty.", hint="Choose a file that has content.", code="empty_file")
    limit = settings.CLAUDELENS_UPLOAD_MAX_BYTES
    if size > limit:
        raise TooLarge(
            f"“{name}” has {size:,} bytes; one file may have {limit:,}.",
            hint="Split it, or import it on the server with `manage.py import_archive PATH`.",
        )


def find_upload(user: Any, upload_id: Any) -> Upload:
    """The user's upload of that id, while parts can be sent to it or it waits for its import.

    :raises NotFound: there is none, or it is somebody else's
    :raises Gone: it has expired, or an import has it
    """
    return find_uploads(user, [upload_id])[0]


def find_uploads(user: Any, upload_ids: Sequence[Any]) -> list[Upload]:
    """The same for several, in their order; one that is named twice counts once."""
    wanted = list(dict.fromkeys(str(key) for key in upload_ids))
    if not wanted:
        return []  # a command without a user: its files lie on the server
    visible = Upload.objects.visible_to(user)
    found: dict[str, Upload] = {}
    for start in range(0, len(wanted), LOOK_UP_AT_ONCE):
        some = visible.filter(pk__in=wanted[start : start + LOOK_UP_AT_ONCE])
        found.update((str(upload.pk), upload) for upload in some)
    return [_usable(found.get(key)) for key in wanted]


def _usable(upload: Upload | None) -> Upload:
    if upload is None:
        raise NotFound("There is no such upload.", hint="Start the upload again.")
    if upload.state == UploadState.USED:
        raise Gone("This upload was given to an import.", hint="Send the file again if needed.")
    if upload.state == UploadState.EXPIRED or upload.expires_at <= timezone.now():
        raise Gone("This upload has expired.", hint="Start the upload again.")
    return upload


def imports_before(uploads: Sequence[Upload]) -> dict[str, ImportJob]:
    """The newest completed imports that took in files of the very same bytes for the same owners, by the
    SHA-256 of those."""
    hashes = sorted({upload.sha256 for upload in uploads} - {""})
    owners = {upload.owner_id for upload in uploads}
    found: dict[str, ImportJob] = {}
    for start in range(0, len(hashes), LOOK_UP_AT_ONCE):
        some = hashes[start : start + LOOK_UP_AT_ONCE]
        same = Upload.objects.filter(owner__in=owners, sha256__in=some, job__state__in=DONE)
        for one in same.select_related("job").order_by("job__finished_at"):
            if one.job and not one.job.is_dry_run:
                found[one.sha256] = one.job
    return found


def imported_before(upload: Upload) -> ImportJob | None:
    """The owner's newest completed import of a file with the very same bytes."""
    return imports_before([upload]).get(upload.sha256)


def is_held(upload: Upload) -> bool | None:
    """Whether the archive holds a file of exactly these bytes, whoever brought it; None: unknown."""
    try:
        return bool(upload.sha256) and files.whole_file(upload.size, upload.sha256) is not None
    except Unavailable:
        return None


def take_uploads(uploads: Sequence[Upload], job: ImportJob) -> None:
    """Give complete uploads to an import, all of them; call it inside the job's transaction.

    :raises Conflict: another import was faster with one of them
    """
    keys = [upload.pk for upload in uploads]
    taken = 0
    for start in range(0, len(keys), LOOK_UP_AT_ONCE):
        some = Upload.objects.filter(pk__in=keys[start : start + LOOK_UP_AT_ONCE])
        complete = some.filter(state=UploadState.COMPLETE)
        taken += complete.update(state=UploadState.USED, job=job)
    if taken != len(keys):
        raise Conflict("One of the uploads was given to another import.", code="upload_used")


def receive_whole(owner: Any, *, name: str, size: int, stream: Readable) -> Upload:
    """Take a small file in one go (a form); the same checks and the same end as part by part."""
    upload = create_upload(owner, name=name, size=size)
    try:
        while upload.offset < upload.size:
            piece = min(settings.CLAUDELENS_UPLOAD_PART_BYTES, upload.size - upload.offset)
            append_part(upload, Part(upload.offset, _Limited(stream, piece), length=piece))
    except (ArchiveError, OSError):
        remove_upload(upload)
        raise
    return upload


class _Limited:
    """The next ``left`` bytes of a stream."""

    def __init__(self, stream: Readable, left: int) -> None:
        self._stream, self._left = stream, left

    def read(self, size: int, /) -> bytes:
        piece = self._stream.read(min(size, self._left))
        self._left -= len(piece)
        return piece


def remove_upload(upload: Upload) -> bool:
    """Delete its bytes and give their room back; the row stays as expired.

    False when it was taken by an import, or removed, in the meantime.
    """
    now = timezone.now()
    mine = Upload.objects.filter(pk=upload.pk, state__in=_WAITING)
    if not mine.update(state=UploadState.EXPIRED, removed_at=now):
        return False
    upload.path.unlink(missing_ok=True)
    return True


def release_bytes(uploads: UploadQuerySet) -> int:
    """Delete the bytes of uploads whose import is done; their rows keep saying what they were."""
    held = list(uploads.filter(state=UploadState.USED, removed_at__isnull=True))
    for upload in held:
        upload.path.unlink(missing_ok=True)
        Upload.objects.filter(pk=upload.pk).update(removed_at=timezone.now())
    return len(held)


def expire_uploads() -> int:
    """Delete what nobody continued or imported in time, and what finished imports left.

    The bytes of an import that failed stay until they expire, so that it can be tried again.
    Idempotent; returns how many were deleted.
    """
    late = Q(expires_at__lte=timezone.now())
    removed = sum(map(remove_upload, Upload.objects.filter(late, state__in=_WAITING)))
    removed += _remove_strays()
    return removed + release_bytes(Upload.objects.filter(late).exclude(job__state__in=ACTIVE))


def _remove_strays() -> int:
    """Delete old files that no row knows: what a killed process left between file and commit."""
    folder = Path(settings.CLAUDELENS_UPLOAD_DIR)
    oldest = timezone.now().timestamp() - settings.CLAUDELENS_UPLOAD_EXPIRY_HOURS * 3600
    old = [path for path in folder.glob("*") if path.is_file() and path.stat().st_mtime < oldest]
    strays = [path for path in old if not Upload.objects.filter(storage_name=path.name).exists()]
    for path in strays:
        path.unlink(missing_ok=True)
    return len(strays)


def check_form_size(content_length: str | None) -> None:
    """Refuse a form before its body is read.

    :raises TooLarge: naming the limit and the way round it
    """
    limit = settings.CLAUDELENS_MULTIPART_MAX_BYTES
    if content_length is None or not content_length.isdigit() or int(content_length) > limit:
        raise TooLarge(
            f"A form may bring {limit:,} bytes.",
            hint="Send larger files in parts to /api/v1/uploads/ (tus), as the upload page does.",
            code="form_too_large",
        )


def receive_form_files(owner: Any, files: Sequence[Any]) -> list[Upload]:
    """Take the files of a form, all or none.

    :raises BadInput: none (a form that was cut on its way brings none, too), or an empty one
    """
    if not files:
        raise BadInput(
            "The form brought no file.",
            hint="Choose one (the field is called “file”); if you did, it was cut: send it again.",
            code="nothing_chosen",
        )
    received: list[Upload] = []
    try:
        for file in files:
            upload = receive_whole(owner, name=file.name, size=file.size, stream=file)
            received.append(upload)
    except ArchiveError:
        for upload in received:
            remove_upload(upload)
        raise
    return received


@contextmanager
def form_files(owner: Any, files: Sequence[Any]) -> Iterator[list[Upload]]:
    """The files of a form as uploads, which are removed again where a refusal is raised meanwhile.

    :raises ArchiveError: as ``receive_form_files``
    """
    received = receive_form_files(owner, files)
    try:
        yield received
    except ArchiveError:
        for upload in received:
            remove_upload(upload)
        raise
