"""Room on the disks: imports wait while there is too little of it, and new uploads are refused."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

from django.conf import settings
from django.db.models import F, Sum

from archive import disk
from archive.errors import OutOfSpace, Unavailable
from imports.models import Upload, UploadState
from jobs.progress import Progress

LOOK_SECONDS = 5.0

Step = TypeVar("Step")


def paced(steps: Iterator[Step], progress: Progress) -> Iterator[Step]:
    """The steps as they are pulled, none of them while a disk is too full.

    Looks at the disks at the start and then every five seconds; raises what ``progress.check`` raises.
    """
    next_look = 0.0
    while True:
        if time.monotonic() >= next_look:
            progress.pause_while(full_disk)
            next_look = time.monotonic() + LOOK_SECONDS
        try:
            step = next(steps)
        except StopIteration:
            return
        yield step


def full_disk() -> str:
    """Which disk is too full to go on, in words; "" when there is room, or nobody can say."""
    limit = settings.CLAUDELENS_DISK_PAUSE_PERCENT
    for name, percent in _disks():
        if percent >= limit:
            return f"{name} is {percent:.0f} % full"
    return ""


def _disks() -> Iterator[tuple[str, float]]:
    try:
        yield "the database's disk", disk.used_percent()
    except Unavailable:
        pass  # whoever writes next waits for the server
    total, _, free = shutil.disk_usage(settings.CLAUDELENS_DATA_DIR)
    yield "the data folder's disk", 100.0 * (total - free) / total


def require_room(size: int) -> None:
    """Refuse an upload that would fill the disk beyond the mark, counting what others still have to send.

    :raises OutOfSpace: it would
    """
    folder = Path(settings.CLAUDELENS_UPLOAD_DIR)
    folder.mkdir(parents=True, exist_ok=True)
    total, _, free = shutil.disk_usage(folder)
    still_open = Upload.objects.filter(state=UploadState.OPEN)
    promised = still_open.aggregate(sum=Sum(F("size") - F("offset")))["sum"] or 0
    if total - free + promised + size > total * settings.CLAUDELENS_DISK_FULL_PERCENT / 100:
        raise OutOfSpace(
            "The server's disk is nearly full; it takes no new uploads.",
            hint="Ask the operator to free space, then send the file again.",
        )
