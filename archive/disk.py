"""How full the database's disk is, as the server itself tells it."""

from typing import Any

import pymongo

from archive import connection

ANSWER_SECONDS = 2.0


def used_percent() -> float:
    """How much of the disk under the database is used, from 0 to 100; of several servers the fullest.

    0 where the server does not tell. Raises ``Unavailable`` when it does not answer within two seconds.
    """
    with connection.translated(), pymongo.timeout(ANSWER_SECONDS):
        told = connection.database().command("dbStats")
    shards = told.get("raw")
    return max(map(_percent, shards.values() if shards else [told]), default=0.0)


def _percent(stats: dict[str, Any]) -> float:
    total = stats.get("fsTotalSize") or 0
    return 100.0 * stats.get("fsUsedSize", 0) / total if total else 0.0
