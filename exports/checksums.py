"""Whether an artifact's bytes are still those that were written: known without reading them each time.

A hash says it, but hashing a gigabyte takes seconds. So each check leaves a stamp of what the file system
tells about the file; while the stamp fits, the last check stands. A file that looks otherwise is hashed again
before a byte of it is sent. And the clock hashes each one again now and then: a disk may forget a bit without
telling.
"""

from __future__ import annotations

import os
import time
from datetime import timedelta
from hashlib import sha256
from pathlib import Path

from django.db.models import F, QuerySet
from django.utils import timezone

from archive.errors import Conflict, Unavailable
from exports.models import Artifact, ArtifactState

CHUNK_BYTES = 1024**2
MOST_INLINE_BYTES = 256 * 1024**2
"""As much as a request may hash before it answers: under a second. Larger files wait for the clock."""
CHECK_AGAIN = timedelta(days=7)
CHECK_SECONDS = 120.0
"""How long one ring of the clock hashes; what is left over comes first the next time."""


def stamp_of(path: Path) -> str:
    """What the file system says of the file. Raises FileNotFoundError.

    The inode changes with a replaced file, the ctime with any write or touch: nobody can set it back.
    """
    told = path.stat()
    return f"{told.st_ino}-{told.st_size}-{told.st_mtime_ns}-{told.st_ctime_ns}"


def require_good(artifact: Artifact) -> None:
    """Raise Conflict unless the bytes are those that were written, by the last check or by a new one.

    :raises FileNotFoundError: there is no file
    :raises Unavailable: the file is too large to be hashed while somebody waits; the clock does it
    """
    if stamp_of(artifact.path) != artifact.stamp:
        _check_now(artifact)
    if artifact.state == ArtifactState.DAMAGED:
        raise Conflict(
            f"{artifact.filename} is not what was written: {_damage(artifact)}.",
            hint="It was damaged on the disk: make the same export again, and tell your administrator.",
            code="artifact_damaged",
        )


def _check_now(artifact: Artifact) -> None:
    size = artifact.path.stat().st_size
    if size == artifact.bytes and size > MOST_INLINE_BYTES:
        raise Unavailable(
            f"{artifact.filename} looks otherwise on the disk than when it was last checked.",
            hint="It is checked within some minutes; then try again.",
            code="artifact_unchecked",
        )
    check_artifact(artifact)


def _damage(artifact: Artifact) -> str:
    size = artifact.path.stat().st_size
    if size != artifact.bytes:
        return f"it has {size:,} bytes and should have {artifact.bytes:,}"
    return "its SHA-256 is another one"


def check_artifact(artifact: Artifact) -> bool:
    """Hash the file, remember what came of it, and say whether it is good. Raises FileNotFoundError.

    The stamp is taken before the bytes are read: what changes meanwhile is checked again.
    """
    stamp = stamp_of(artifact.path)
    is_good = artifact.path.stat().st_size == artifact.bytes and _hash(artifact.path) == artifact.sha256
    was_good = artifact.state == ArtifactState.READY
    artifact.state = ArtifactState.READY if is_good else ArtifactState.DAMAGED
    artifact.stamp, artifact.checked_at = stamp, timezone.now()
    found = {"state": artifact.state, "stamp": stamp, "checked_at": artifact.checked_at}
    Artifact.objects.kept().filter(pk=artifact.pk, sha256=artifact.sha256).update(**found)
    if was_good and not is_good:
        artifact.job.log("error", f"{artifact.filename} was damaged on the disk: {_damage(artifact)}.")
    return is_good


def _hash(path: Path) -> str:
    """The file's SHA-256; its pages are not left in the memory that others need."""
    found = sha256()
    with path.open("rb", buffering=0) as file:
        while data := file.read(CHUNK_BYTES):
            found.update(data)
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    return found.hexdigest()


def check_artifacts(seconds: float = CHECK_SECONDS) -> int:
    """Hash what looks otherwise than it did, then what was not hashed for a week, for so long at most.

    Those that were checked longest ago come first. Returns how many were hashed. Safe beside itself.
    """
    end, checked = time.monotonic() + seconds, 0
    for artifact in _due():
        if time.monotonic() > end:
            break
        try:
            check_artifact(artifact)
        except FileNotFoundError:
            continue  # told to whoever asks for it
        checked += 1
    return checked


def _due() -> list[Artifact]:
    kept = list(_kept_longest_unchecked_first())
    changed = [artifact for artifact in kept if not _looks_as_checked(artifact)]
    seen, before = {artifact.pk for artifact in changed}, timezone.now() - CHECK_AGAIN
    return changed + [
        artifact
        for artifact in kept
        if artifact.pk not in seen and artifact.checked_at and artifact.checked_at < before
    ]


def _kept_longest_unchecked_first() -> QuerySet[Artifact]:
    kept = Artifact.objects.kept().select_related("job").defer("manifest")
    return kept.order_by(F("checked_at").asc(nulls_first=True))


def _looks_as_checked(artifact: Artifact) -> bool:
    try:
        return artifact.checked_at is not None and stamp_of(artifact.path) == artifact.stamp
    except FileNotFoundError:
        return False
