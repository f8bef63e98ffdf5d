"""Wrong links, counted by the network address of whoever sends them; many of them close the door a while.

Counted in the cache by the minute of the clock. Where the cache does not answer nobody is refused: a
signature of 256 bits is what keeps guessers out, this only keeps them quiet.
"""

from __future__ import annotations

import ipaddress
import time

from django.conf import settings
from django.core.cache import cache
from redis.exceptions import RedisError

from archive.errors import TooMany
from jobs.progress import Silence

MINUTE = 60
NEIGHBOURS_V6 = 64
"""A person has a whole IPv6 network of this prefix, so it counts as one address."""

silence = Silence()


def refuse_guesser(address: str | None) -> None:
    """Raise TooMany when as many wrong links as are allowed came from there in this minute."""
    limit = settings.CLAUDELENS_WRONG_LINKS_PER_MINUTE
    if limit and _wrong_so_far(address) >= limit:
        raise TooMany(
            "Too many wrong links came from your address.",
            hint="Wait a minute, and check that the address is complete.",
            retry_after=int(MINUTE - time.time() % MINUTE) + 1,
        )


def count_wrong_link(address: str | None) -> None:
    """Remember one more."""
    if silence.holds():
        return
    try:
        cache.add(_key(address), 0, timeout=2 * MINUTE)
        cache.incr(_key(address))
    except (RedisError, OSError):
        silence.begin()


def _wrong_so_far(address: str | None) -> int:
    if silence.holds():
        return 0
    try:
        return int(cache.get(_key(address), 0))
    except (RedisError, OSError):
        silence.begin()
        return 0


def _key(address: str | None) -> str:
    return f"wrong-links.{_neighbourhood(address)}.{time.time() // MINUTE:.0f}"


def _neighbourhood(address: str | None) -> str:
    if address and ":" in address:
        return str(ipaddress.ip_network((address, NEIGHBOURS_V6), strict=False).network_address)
    return address or "unknown"
