"""How long a finished file stays: longer than it would, or no longer at all."""

from __future__ import annotations

from datetime import datetime, timedelta
from math import ceil
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from archive.errors import BadInput, Gone, NotFound
from exports.models import Artifact, ArtifactState, ExportJob

DAY = timedelta(days=1)


def latest_expiry(artifact: Artifact) -> datetime:
    """Until when the artifact may be kept at most, however often that is asked for."""
    return artifact.created_at + DAY * settings.CLAUDELENS_ARTIFACT_MAX_DAYS


def kept_artifacts(job: ExportJob, number: int | None = None) -> list[Artifact]:
    """The files of the export that are still kept, or the one of them with that number.

    :raises NotFound: the export never had such a file
    :raises Gone: it has expired or was deleted
    """
    wanted = Artifact.objects.filter(job=job, **({} if number is None else {"number": number}))
    found = list(wanted.select_related("job").order_by("number"))
    if not found:
        raise NotFound("This export has no such file.", hint="Wait until it is completed.")
    kept = [artifact for artifact in found if not artifact.is_expired]
    if not kept:
        again = "Make the same export again."
        raise Gone("This file is no longer kept.", hint=again, code="artifact_expired")
    return kept


def keep_until(artifacts: list[Artifact], days: int) -> None:
    """Keep all of them until so many days from now; earlier than before is allowed, too. All or none.

    :raises BadInput: that is less than a day, or longer than the settings allow for one of them
    :raises Gone: one has expired or was deleted meanwhile
    """
    now, latest = timezone.now(), min(map(latest_expiry, artifacts))
    ends = min(now + DAY * _checked(days, ceil((latest - now) / DAY)), latest)
    with transaction.atomic():
        for artifact in artifacts:
            still = Artifact.objects.kept().filter(pk=artifact.pk, expires_at__gt=now)
            if not still.update(expires_at=ends):
                raise Gone(f"{artifact.filename} is no longer kept.", code="artifact_expired")
            artifact.expires_at = ends


def _checked(days: int, most: int) -> int:
    if not 1 <= days <= most:
        raise BadInput(
            f"days: {days:,} is not between 1 and {max(0, most):,}.",
            hint=f"A file is kept for {settings.CLAUDELENS_ARTIFACT_MAX_DAYS:,} days in all.",
            code="bad_expiry",
        )
    return days


def delete_now(artifacts: list[Artifact], by: Any) -> int:
    """Delete the bytes of all of them and say so in the job's log; who downloaded them stays known.

    Marked first, so that whoever asks from then on is told 410. Returns how many this call deleted.
    """
    deleted = 0
    for artifact in artifacts:
        gone = {"state": ArtifactState.EXPIRED, "expires_at": timezone.now()}
        if Artifact.objects.kept().filter(pk=artifact.pk).update(**gone):
            artifact.path.unlink(missing_ok=True)
            artifact.job.log("info", f"{by} deleted {artifact.filename}.")
            deleted += 1
    return deleted
