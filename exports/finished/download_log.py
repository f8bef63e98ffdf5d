"""Who downloaded what: a row for each answer that sent bytes, and the rows of one download as one line."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import Count, QuerySet
from django.utils import timezone

from exports.models import Artifact, Download, ExportJob, Link
from exports.ranges import ByteRange

PROGRAM_LENGTH = 200
MOST_ROWS = 10_000
"""Kept of one artifact, whatever its age: whoever asks for single bytes does not fill the disk."""
PAUSE = timedelta(hours=1)
"""A piece that comes later than this after the one before begins another download."""
ROWS_READ = 2_000
LINES_SHOWN = 50


@dataclass(frozen=True)
class Taker:
    """Who asked: a user or the holder of a link, from where, with which program."""

    user: Any = None
    link: Link | None = None
    address: str | None = None
    program: str = ""


def taker_of(request: Any, link: Link | None = None) -> Taker:
    """What a request tells of who sent it. Behind a proxy the server has put the client's address there."""
    user = request.user if link is None and request.user.is_authenticated else None
    program = "".join(filter(str.isprintable, request.headers.get("User-Agent", "")))
    return Taker(user, link, client_address(request), program[:PROGRAM_LENGTH])


def client_address(request: Any) -> str | None:
    """The client's IP address as one text; None where there is none that could be one."""
    try:
        address = ipaddress.ip_address(request.META.get("REMOTE_ADDR", "").partition("%")[0])
    except ValueError:
        return None
    mapped = getattr(address, "ipv4_mapped", None)
    return str(mapped or address)


def log_download(artifact: Artifact, taker: Taker, part: ByteRange) -> None:
    """Add one row, before the first byte: one write, whatever is sent then."""
    Download.objects.create(
        artifact=artifact,
        user=taker.user,
        link=taker.link,
        address=taker.address,
        program=taker.program,
        first_byte=part.start,
        bytes=part.length,
    )


def downloads_of(job: ExportJob) -> QuerySet[Download]:
    """Every row of the export's files, newest first."""
    return Download.objects.filter(artifact__job=job).select_related("artifact", "user", "link")


@dataclass
class Line:
    """One download, in however many pieces it came."""

    first: Download
    last: datetime
    pieces: int = 1

    @property
    def who(self) -> str:
        """The user, or the link by its note."""
        if self.first.user is not None:
            return str(self.first.user.get_username())
        if self.first.link is not None:
            return f"link: {self.first.link.note}" if self.first.link.note else "link without a note"
        return "somebody who is no longer known"


def download_lines(job: ExportJob) -> list[Line]:
    """The newest downloads of the export, newest first; pieces of one download are one line."""
    newest = downloads_of(job).defer("artifact__manifest")[:ROWS_READ]
    return group_downloads(reversed(newest))[:LINES_SHOWN]


def group_downloads(rows: Iterable[Download]) -> list[Line]:
    """Rows, oldest first, as lines, newest first.

    Rows belong together that one taker with one program got of one artifact without a long pause.
    """
    lines: list[Line] = []
    current: dict[tuple[Any, ...], Line] = {}
    for row in rows:
        key = (row.artifact_id, row.user_id, row.link_id, row.address, row.program)
        line = current.get(key)
        if line is None or row.at - line.last > PAUSE:
            current[key] = Line(row, row.at)
            lines.append(current[key])
        else:
            line.pieces += 1
            line.last = row.at
    return sorted(lines, key=lambda line: line.last, reverse=True)


def expire_downloads() -> int:
    """Forget what is older than the settings say, and what an artifact has too much of. Idempotent."""
    oldest = timezone.now() - timedelta(days=settings.CLAUDELENS_DOWNLOAD_LOG_DAYS)
    forgotten, _ = Download.objects.filter(at__lt=oldest).delete()
    counted = Download.objects.order_by().values("artifact").annotate(rows=Count("id"))
    for crowded in counted.filter(rows__gt=MOST_ROWS):
        rows = Download.objects.filter(artifact=crowded["artifact"]).order_by("-id")
        last = rows.values_list("id", flat=True)[MOST_ROWS]
        deleted, _ = rows.filter(id__lte=last).delete()
        forgotten += deleted
    return forgotten
