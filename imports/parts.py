"""Appending to an upload, part by part, so that a cut loses at most the part on its way.

A part is written at the offset that the row names, synced to the disk, and only then the row's
offset moves (compare-and-set). Whatever is cut, killed or sent twice, the offset names bytes that
are really there, and the sender continues from it.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Any, Protocol

from django.conf import settings

from archive.errors import ArchiveError, BadInput, Conflict, Gone, OutOfSpace, TooLarge
from imports.hashing import PIECE, RunningHashes, sha256_of_file
from imports.models import Upload, UploadState
from imports.naming import HEAD_BYTES, sniff

_TAKING = (UploadState.OPEN, UploadState.COMPLETE)

_hashes = RunningHashes()


class Readable(Protocol):
    """Anything that gives bytes in pieces."""

    def read(self, size: int, /) -> bytes: ...


class OffsetConflict(Conflict):
    """The part does not start where the upload stands; ``offset`` is where it does."""

    code = "offset_conflict"

    def __init__(self, message: str, *, offset: int) -> None:
        super().__init__(message, hint=f"Continue from byte {offset}.")
        self.offset = offset


class ChecksumMismatch(ArchiveError):
    """The bytes of a part are not those that were sent; nothing of it was kept."""

    code = "checksum_mismatch"


@dataclass(frozen=True)
class Checksum:
    """What a part's bytes must hash to."""

    algorithm: str
    digest: bytes


@dataclass(frozen=True)
class Part:
    """One piece of an upload: where it starts, its bytes, how many are announced (if known)."""

    offset: int
    stream: Readable
    length: int | None = None
    checksum: Checksum | None = None


def append_part(upload: Upload, part: Part) -> Upload:
    """Write one part, sync it, move the offset; returns the upload as it then is.

    Either the whole part counts or nothing of it. Of several writers at one offset exactly one
    wins. Memory: one piece of 1 MiB.

    :raises OffsetConflict: the part starts elsewhere than the upload stands, or another is writing
    :raises ChecksumMismatch: the bytes are not those that were sent
    :raises TooLarge: longer than a part may be, or past the announced end
    :raises OutOfSpace: the disk took no more
    """
    with _only_writer(upload) as file:
        upload.refresh_from_db()
        _check_offset(upload, part)
        room = min(settings.CLAUDELENS_UPLOAD_PART_BYTES, upload.size - upload.offset)
        _check_length(part, room)
        try:
            written, running = _write(file, upload, part, room)
        except (ArchiveError, OSError) as error:
            file.truncate(upload.offset)
            _refuse_if_full(error)
            raise
        _advance(upload, written, running)
    return upload


@contextlib.contextmanager
def _only_writer(upload: Upload) -> Iterator[IO[bytes]]:
    """Hold the file's lock while its bytes and its row are brought forward together."""
    try:
        file = upload.path.open("r+b", buffering=0)
    except FileNotFoundError:
        raise Gone("The bytes of this upload are gone.", hint="Start it again.") from None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            upload.refresh_from_db()
            raise OffsetConflict("Another part is being written.", offset=upload.offset) from None
        yield file


def _check_offset(upload: Upload, part: Part) -> None:
    if part.offset != upload.offset or upload.state not in _TAKING:
        raise OffsetConflict(
            f"The part starts at byte {part.offset}, the upload stands at {upload.offset}.",
            offset=upload.offset,
        )


def _check_length(part: Part, room: int) -> None:
    if part.length is not None and part.length > room:
        raise _too_long(room)


def _too_long(room: int) -> TooLarge:
    return TooLarge(
        f"The part is longer than the {room:,} bytes that can be taken here.",
        hint=f"Send parts of at most {settings.CLAUDELENS_UPLOAD_PART_BYTES:,} bytes, "
        "and no more than the announced Upload-Length.",
        code="part_too_large",
    )


def _write(file: IO[bytes], upload: Upload, part: Part, room: int) -> tuple[int, Any]:
    """Write the part's bytes and sync; returns their number and the file's running hash."""
    running = _hashes.take(upload.pk, upload.offset)
    check = hashlib.new(part.checksum.algorithm) if part.checksum else None
    written = 0
    file.seek(upload.offset)
    while piece := part.stream.read(min(PIECE, room - written + 1)):
        written += len(piece)
        if written > room:
            raise _too_long(room)
        _write_all(file, piece)
        for digest in (running, check):
            if digest is not None:
                digest.update(piece)
    _check_whole(part, written, check)
    os.fsync(file.fileno())
    return written, running


def _write_all(file: IO[bytes], piece: bytes) -> None:
    """An unbuffered file may take less than it is given."""
    view = memoryview(piece)
    while view:
        view = view[file.write(view) :]


def _check_whole(part: Part, written: int, check: Any) -> None:
    if part.length is not None and written != part.length:
        raise BadInput(
            f"The part announced {part.length:,} bytes and brought {written:,}.",
            hint="Send it again.",
            code="part_truncated",
        )
    if part.checksum and check.digest() != part.checksum.digest:
        raise ChecksumMismatch("The part was changed on its way.", hint="Send it again.")


def _refuse_if_full(error: Exception) -> None:
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        hint = "Continue when there is room again."
        raise OutOfSpace("The server's disk is full.", hint=hint) from error


def _advance(upload: Upload, written: int, running: Any) -> None:
    """Move the row's offset from what we saw; a row that has moved on belongs to another writer."""
    seen, upload.offset = upload.offset, upload.offset + written
    upload.expires_at = Upload.new_expiry()
    if upload.is_complete:
        _complete(upload, running)
    elif running is not None:
        _hashes.put(upload.pk, upload.offset, running)
    fields = ("offset", "expires_at", "sha256", "content", "state")
    moved = Upload.objects.filter(pk=upload.pk, offset=seen, state__in=_TAKING).update(
        **{name: getattr(upload, name) for name in fields}
    )
    if not moved:
        upload.refresh_from_db()
        raise OffsetConflict("Another part came first.", offset=upload.offset)


def _complete(upload: Upload, running: Any) -> None:
    """Every byte is here: name them by their hash and say what they look like."""
    _hashes.drop(upload.pk)
    upload.sha256 = (running or sha256_of_file(upload.path)).hexdigest()
    with upload.path.open("rb") as file:
        upload.content = sniff(file.read(HEAD_BYTES))
    upload.state = UploadState.COMPLETE
