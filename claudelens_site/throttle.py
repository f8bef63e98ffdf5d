"""How many API requests one user may send in a minute, counted in the cache.

Where the cache does not answer, everything passes, and for a while it is not asked.
"""

import time
from typing import Any

from django.conf import settings
from django.core.cache import cache
from redis.exceptions import RedisError
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from jobs.progress import Silence

MINUTE = 60

silence = Silence()


class PerUserThrottle(BaseThrottle):
    """Refuses more than ``CLAUDELENS_API_PER_MINUTE`` requests of one user in a minute of the clock.

    0 sets no limit; superusers have none.
    """

    def allow_request(self, request: Request, view: Any) -> bool:
        """Count the request and say whether it may pass."""
        limit, user = settings.CLAUDELENS_API_PER_MINUTE, request.user
        if limit < 1 or user.pk is None or user.is_superuser or silence.holds():
            return True
        try:
            return _count(f"requests.{user.pk}.{time.time() // MINUTE:.0f}") <= limit
        except (RedisError, OSError):
            silence.begin()
            return True

    def wait(self) -> float:
        """Seconds until the next minute begins."""
        return MINUTE - time.time() % MINUTE


def _count(key: str) -> int:
    cache.add(key, 0, timeout=2 * MINUTE)
    return int(cache.incr(key))
