"""What tonight's move would do, for the admin and the pages. Counted at most once a minute."""

from __future__ import annotations

from dataclasses import dataclass

from django.core.cache import cache
from redis.exceptions import RedisError

from archive.errors import ArchiveError
from maintenance.steps import STEPS

KEY = "maintenance-tonight"
SECONDS = 60


@dataclass(frozen=True, slots=True)
class Preview:
    """The plan of a step in a sentence; or, where it could not be made, why."""

    text: str
    is_refusal: bool = False


def tonight() -> Preview:
    """What the nightly move would do if it began now."""
    step = STEPS.get("tier")
    if step is None:
        return Preview("There is no nightly move.", is_refusal=True)
    try:
        kept = cache.get(KEY)
        if kept is None:
            kept = step.plan(step.understand({})).summary
            cache.set(KEY, kept, SECONDS)
    except ArchiveError as refusal:
        return Preview(f"{refusal.message} {refusal.hint}".strip(), is_refusal=True)
    except RedisError:
        return Preview("Redis does not answer.", is_refusal=True)
    return Preview(str(kept))


def forget() -> None:
    """Count anew: a policy has changed."""
    try:
        cache.delete(KEY)
    except RedisError:
        return
