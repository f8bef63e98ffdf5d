"""The manifest of a frozen month: what its objects hold, told beside them.

With it they can be looked through, compared and carried elsewhere without the database. It follows the
journal: whatever changes a month in the catalogue makes its manifest stale, and it is written anew once
that is done.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import orjson

from archive import connection, object_store
from archive.collections import PARTITIONS, TIER_BATCHES
from archive.connection import Document
from archive.errors import NotFound
from archive.partitions import Tier, frozen_month, frozen_name

FORMAT = "claudelens-frozen/1"
NAME = "manifest.json"
FIELDS = {
    "object": 1, "objectBytes": 1, "count": 1, "bytes": 1, "undated": 1, "since": 1, "until": 1, "digest": 1,
}  # fmt: skip


def manifest_name(month: str) -> str:
    """``frozen/2026_03/manifest.json``."""
    return f"frozen/{month}/{NAME}"


def manifest_of(month: str) -> bytes:
    """What the manifest of the month has to say now, as JSON. The same journal gives the same bytes."""
    query = {"partition": frozen_name(month)}
    with connection.translated():
        objects = [_told(each) for each in connection.collection(TIER_BATCHES).find(query, FIELDS)]
    sums = {name: sum(each[name] for each in objects) for name in ("messages", "bytes", "storedBytes")}
    told = {
        "format": FORMAT,
        "month": month.replace("_", "-"),
        **sums,
        "objects": sorted(objects, key=lambda each: each["name"]),
    }
    return orjson.dumps(told, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def _told(batch: Document) -> dict[str, Any]:
    return {
        "name": batch["object"].rpartition("/")[2],
        "messages": int(batch["count"]),
        "bytes": int(batch["bytes"]),
        "storedBytes": int(batch.get("objectBytes", 0)),
        "undated": int(batch.get("undated", 0)),
        "since": _time(batch.get("since")),
        "until": _time(batch.get("until")),
        "documentsSha256": bytes(batch["digest"]).hex(),
    }


def _time(moment: datetime | None) -> str | None:
    if moment is None:
        return None
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def write(month: str) -> None:
    """Write what the journal says now. Idempotent. Raises what the store raises."""
    object_store.store().write(manifest_name(month), manifest_of(month))


def write_stale() -> list[str]:
    """Write the manifests of the frozen months that have changed since theirs was written; the months.

    Idempotent, and safe to be killed: a month is up to date once the catalogue says so. Memory is one
    manifest. Raises what the store raises.
    """
    written = []
    with connection.translated():
        catalogue = connection.collection(PARTITIONS)
        for partition in filter(_is_stale, list(catalogue.find({"tier": Tier.FROZEN}))):
            month = frozen_month(partition["_id"])
            write(month)
            # What has changed since it was looked at is not in this manifest, and leaves it stale.
            catalogue.update_one({"_id": partition["_id"]}, {"$set": {"listed": _changes(partition)}})
            written.append(month)
    return written


def differs(month: str) -> bool:
    """Whether the manifest is missing or says something else than the journal, though the month has not
    changed since it was written."""
    with connection.translated():
        before = _frozen(month)
        if before is None or _is_stale(before):
            return False
        try:
            is_alike = object_store.store().read(manifest_name(month)) == manifest_of(month)
        except NotFound:
            is_alike = False
        after = _frozen(month)
        return not is_alike and after is not None and _changes(after) == _changes(before)


def remove(month: str) -> None:
    """Delete the manifest of a month of which nothing is frozen any more. Idempotent."""
    object_store.store().delete(manifest_name(month))


def _frozen(month: str) -> Document | None:
    return connection.collection(PARTITIONS).find_one({"_id": frozen_name(month)})


def _changes(partition: Document) -> int:
    return int(partition.get("changes", 0))


def _is_stale(partition: Document) -> bool:
    return bool(partition.get("listed") != _changes(partition))
