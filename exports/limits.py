"""How many exports one user may have made, and how much of them is kept, counted exactly from the rows.

Superusers have no limits but the quota; a command that writes to a path of its own has none. Call these
inside the transaction that adds the row: the user's own row is locked, so that of two requests at once one is
the last.
"""

from __future__ import annotations

from datetime import timedelta
from math import ceil
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.db.models import Sum
from django.utils import timezone

from archive.errors import OutOfSpace, TooMany
from exports.models import Artifact, ExportJob

DAY = timedelta(days=1)
LOOK_AGAIN_SECONDS = 30


def check_export(owner: Any) -> None:
    """Whether the user may have one more export made.

    :raises OutOfSpace: the user's kept files fill the quota already
    :raises TooMany: enough exports run or wait, or were begun in the last day
    """
    if owner is None:
        return
    _lock(owner)
    _check_quota(owner, 1)
    if not owner.is_superuser:
        _check_rate(owner)
        _check_active(owner)


def check_again(owner: Any) -> None:
    """Whether one of the user's exports may be built anew. Raises as ``check_export``, but for the rate."""
    if owner is None:
        return
    _lock(owner)
    _check_quota(owner, 1)
    if not owner.is_superuser:
        _check_active(owner)


def check_written(job: ExportJob, size: int) -> None:
    """Whether the files of the job, ``size`` bytes together, may be kept beside the owner's others.

    :raises OutOfSpace: they would pass the quota
    """
    if job.owner is None:
        return
    _lock(job.owner)
    _check_quota(job.owner, size, but=job)


def _lock(owner: Any) -> None:
    get_user_model().objects.select_for_update().filter(pk=owner.pk).first()


def kept_bytes(owner: Any, but: ExportJob | None = None) -> int:
    """How much the user's kept files hold; those of the job ``but``, which are to be replaced, left out."""
    others = Artifact.objects.kept().filter(job__owner=owner).exclude(job=but)
    return others.aggregate(sum=Sum("bytes"))["sum"] or 0


def _check_quota(owner: Any, size: int, but: ExportJob | None = None) -> None:
    held, quota = kept_bytes(owner, but), settings.CLAUDELENS_ARTIFACT_QUOTA_BYTES
    if held + size > quota:
        raise OutOfSpace(
            f"Your exports hold {held:,} bytes; with this one they would pass {quota:,}.",
            hint="Delete files of finished exports, wait until they expire, or narrow the export.",
            code="export_quota_exceeded",
        )


def _check_rate(owner: Any) -> None:
    """The ``limit``-th newest row must be older than a day; if it is not, it says for how long."""
    limit = settings.CLAUDELENS_EXPORTS_PER_DAY
    if not limit:
        return
    now = timezone.now()
    newest = ExportJob.objects.filter(owner=owner, created_at__gt=now - DAY).order_by("-created_at")
    last = newest.values_list("created_at", flat=True)[limit - 1 : limit].first()
    if last is not None:
        raise TooMany(
            f"Your limit of exports within a day, {limit:,}, is reached.",
            hint="Wait a while. One export may hold many conversations.",
            retry_after=ceil((last + DAY - now).total_seconds()),
        )


def _check_active(owner: Any) -> None:
    limit = settings.CLAUDELENS_ACTIVE_EXPORTS
    if limit and ExportJob.objects.filter(owner=owner).active().count() >= limit:
        raise TooMany(
            f"Your limit of exports that run or wait at once, {limit:,}, is reached.",
            hint="Wait until one has ended.",
            retry_after=LOOK_AGAIN_SECONDS,
        )
