"""How much one user may send and have imported at once, counted exactly from the rows.

Superusers have no limits but the quota, and neither has a command without a user. Call these inside the
transaction that adds the row: the user's own row is locked, so that of two requests at once one is the last.
"""

from __future__ import annotations

from datetime import timedelta
from math import ceil
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.db.models import QuerySet, Sum
from django.utils import timezone

from archive.errors import TooLarge, TooMany
from imports.models import ImportJob, Upload
from jobs.models import JobQuerySet

HOUR = timedelta(hours=1)
LOOK_AGAIN_SECONDS = 30


def check_upload(owner: Any, size: int) -> None:
    """Whether the user may begin one more upload, of ``size`` bytes.

    :raises TooLarge: all the user's files together would pass the quota
    :raises TooMany: as many as an hour allows were begun in the last one
    """
    _lock(owner)
    _check_quota(owner, size)
    if not owner.is_superuser:
        _check_rate("uploads", Upload.objects.filter(owner=owner), settings.CLAUDELENS_UPLOADS_PER_HOUR)


def check_import(owner: Any) -> None:
    """Whether the user may start one more import.

    :raises TooMany: enough of them run or wait, or were started in the last hour
    """
    if owner is None or owner.is_superuser:
        return
    _lock(owner)
    mine = ImportJob.objects.filter(owner=owner)
    _check_rate("imports", mine, settings.CLAUDELENS_IMPORTS_PER_HOUR)
    _check_active(mine)


def check_again(owner: Any) -> None:
    """Whether one more of the user's imports may be sent on its way again.

    :raises TooMany: enough of them run or wait
    """
    if owner is None or owner.is_superuser:
        return
    _lock(owner)
    _check_active(ImportJob.objects.filter(owner=owner))


def _lock(owner: Any) -> None:
    get_user_model().objects.select_for_update().filter(pk=owner.pk).first()


def _check_quota(owner: Any, size: int) -> None:
    held = Upload.objects.on_disk().filter(owner=owner).aggregate(sum=Sum("size"))["sum"] or 0
    quota = settings.CLAUDELENS_UPLOAD_QUOTA_BYTES
    if held + size > quota:
        raise TooLarge(
            f"Your uploads hold {held:,} bytes; with this file they would pass {quota:,}.",
            hint="Import or delete what you have uploaded, or wait until it expires.",
            code="quota_exceeded",
        )


def _check_rate(what: str, mine: QuerySet[Any], limit: int) -> None:
    """The ``limit``-th newest row must be older than an hour; if it is not, it says for how long."""
    if not limit:
        return
    now = timezone.now()
    newest = mine.filter(created_at__gt=now - HOUR).order_by("-created_at")
    last = newest.values_list("created_at", flat=True)[limit - 1 : limit].first()
    if last is not None:
        raise TooMany(
            f"Your limit of {what} within an hour, {limit:,}, is reached.",
            hint="Wait a while. Many files go faster as one zip.",
            retry_after=ceil((last + HOUR - now).total_seconds()),
        )


def _check_active(mine: JobQuerySet) -> None:
    limit = settings.CLAUDELENS_ACTIVE_IMPORTS
    if limit and mine.active().count() >= limit:
        raise TooMany(
            f"Your limit of imports that run or wait at once, {limit:,}, is reached.",
            hint="Wait until one has ended. Many files go faster as one zip.",
            retry_after=LOOK_AGAIN_SECONDS,
        )
