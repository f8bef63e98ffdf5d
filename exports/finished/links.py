"""Links: addresses that let whoever holds them download one artifact, for a while."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.core.signing import BadSignature, Signer
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from archive.errors import BadInput, Conflict, Gone, NotFound
from exports import artifacts
from exports.models import Artifact, ExportJob, Link, LinkState

SALT = "exports.link"
MOST_LINKS = 100
"""Open links to one artifact; nobody can look after more."""
ASK_AGAIN = "Ask whoever sent you the link for a new one."


def _signer() -> Signer:
    return Signer(salt=SALT, sep=".")


def token_of(link: Link) -> str:
    """What stands in the link's address: its id and a signature, 76 characters, and nothing else."""
    return _signer().sign(link.pk.hex)


def find_link(token: str) -> Link:
    """The open link that ``token`` was made for.

    :raises NotFound: it was made by nobody, or the link is no longer known; always in the same words
    :raises Gone: the link was revoked or has expired, or its file has
    """
    try:
        link = _links().filter(pk=UUID(hex=_signer().unsign(token))).first()
    except (BadSignature, ValueError):
        link = None
    if link is None:
        raise NotFound("There is no such link.", hint="Check that the address is complete.")
    _refuse_closed(link)
    return link


def _links() -> QuerySet[Link]:
    return Link.objects.select_related("owner", "artifact__job")


def _refuse_closed(link: Link) -> None:
    match link.state:
        case LinkState.REVOKED:
            raise Gone("This link was revoked.", hint=ASK_AGAIN, code="link_revoked")
        case LinkState.EXPIRED if link.artifact.is_expired:
            raise Gone("The file of this link is no longer kept.", hint=ASK_AGAIN, code="artifact_expired")
        case LinkState.EXPIRED:
            raise Gone("The time of this link is over.", hint=ASK_AGAIN, code="link_expired")


def make_link(owner: Any, artifact: Artifact, *, hours: int | None = None, note: str = "") -> Link:
    """Make a link that works for so many hours, but never longer than the artifact is kept.

    :raises BadInput: ``hours`` is not from 1 to the longest that the settings allow
    :raises Conflict: the artifact is damaged, or has too many open links
    :raises Gone: the artifact has expired or was deleted
    """
    lasts = _duration(hours)
    artifacts.check_download(artifact)
    with transaction.atomic():
        Artifact.objects.select_for_update().get(pk=artifact.pk)
        _refuse_too_many(artifact)
        ends = min(timezone.now() + lasts, artifact.expires_at)
        return Link.objects.create(owner=owner, artifact=artifact, expires_at=ends, note=note)


def _duration(hours: int | None) -> timedelta:
    longest = settings.CLAUDELENS_LINK_MAX_HOURS
    wanted = min(settings.CLAUDELENS_LINK_HOURS, longest) if hours is None else hours
    if not 1 <= wanted <= longest:
        raise BadInput(
            f"hours: {wanted:,} is not between 1 and {longest:,}.",
            hint=f"A link works for {longest:,} hours at most.",
            code="bad_expiry",
        )
    return timedelta(hours=wanted)


def _refuse_too_many(artifact: Artifact) -> None:
    is_open = {"revoked_at": None, "expires_at__gt": timezone.now()}
    if artifact.links.filter(**is_open).count() >= MOST_LINKS:
        raise Conflict(
            f"There are {MOST_LINKS} open links to {artifact.filename}.",
            hint="Revoke those that are no longer needed.",
            code="too_many_links",
        )


def links_of(job: ExportJob) -> QuerySet[Link]:
    """All links to the export's files, newest first."""
    return _links().filter(artifact__job=job)


def link_of(job: ExportJob, link_id: Any) -> Link:
    """One of them. Raises NotFound."""
    link = links_of(job).filter(pk=link_id).first()
    if link is None:
        raise NotFound("This export has no such link.")
    return link


def revoke_link(link: Link) -> bool:
    """Let the link lead nowhere from now on. Idempotent; says whether it was this call that did it.

    A download that is under way goes on to its end.
    """
    return bool(Link.objects.filter(pk=link.pk, revoked_at=None).update(revoked_at=timezone.now()))


def ends_with_file(link: Link) -> bool:
    """Whether it ends because its artifact does, not because its own time is over."""
    return link.expires_at >= link.artifact.expires_at
