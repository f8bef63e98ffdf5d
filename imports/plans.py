"""Dry runs as plans: the import that follows one, and where it differed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from archive.errors import Conflict
from imports.models import ImportJob, Upload, UploadState
from jobs.states import DONE

COMPARED = ("seen", "inserted", "duplicates", "updated", "skipped", "rejected", "conflicts")


def is_plan(job: ImportJob) -> bool:
    """Whether the job was a dry run."""
    return bool(job.parameters["options"].get("dry_run"))


def options_of_plan(job: ImportJob) -> dict[str, Any]:
    """The options with which a finished dry run's import is done.

    :raises Conflict: it is no dry run, or has not come to its end
    """
    if not is_plan(job):
        raise Conflict(f"{job.title} was no dry run.", hint="Start a new import.", code="not_a_dry_run")
    if job.state not in DONE:
        raise Conflict(
            f"The dry run of {job.title} has not come to its end.",
            hint="Wait for it, or start it again.",
            code="not_a_dry_run",
        )
    return {**job.parameters["options"], "dry_run": False}


def hand_over_uploads(plan: ImportJob) -> list[Upload]:
    """Free the files that a dry run has kept, for the import that follows; call it inside that one's
    transaction. An upload that has expired meanwhile stays where it is."""
    kept = Upload.objects.filter(job=plan, state=UploadState.USED, removed_at__isnull=True)
    keys = list(kept.values_list("pk", flat=True))
    kept.update(state=UploadState.COMPLETE, job=None, expires_at=Upload.new_expiry())
    order = {source["upload"]: number for number, source in enumerate(plan.sources)}
    return sorted(Upload.objects.filter(pk__in=keys), key=lambda upload: order.get(str(upload.pk), 0))


def differences(planned: Mapping[str, int], actual: Mapping[str, int]) -> list[dict[str, Any]]:
    """The counts that came out otherwise than planned.

    >>> differences({"seen": 3, "inserted": 3}, {"seen": 3, "inserted": 2, "duplicates": 1})
    [{'name': 'inserted', 'planned': 3, 'actual': 2}, {'name': 'duplicates', 'planned': 0, 'actual': 1}]
    """
    pairs = ((name, planned.get(name, 0), actual.get(name, 0)) for name in COMPARED)
    return [{"name": name, "planned": one, "actual": other} for name, one, other in pairs if one != other]


def told(found: list[dict[str, Any]]) -> str:
    """The differences as a sentence for the log."""
    if not found:
        return "It came out as the dry run said."
    each = (f"{d['name']} {d['actual']:,} instead of {d['planned']:,}" for d in found)
    return f"Other than in the dry run: {', '.join(each)}."
