"""What is left of moves: copies that nobody reads, of what has moved on or of movers that died."""

from __future__ import annotations

from collections.abc import Collection

from archive import connection, journal, places
from archive.collections import CHECKPOINTS, TIER_BATCHES
from archive.connection import Document
from archive.journal import TierBatch, place_of_move
from archive.partitions import Tier, tier_of
from archive.unit_of_work import end_session


def remove(batch: TierBatch, entry: Document) -> None:
    """Remove a copy that is nobody's and forget it. Idempotent."""
    there = TierBatch(batch.number, entry["partition"], entry["mark"], entry.get("object", ""), batch.month)
    with connection.translated():
        places.place_of(tier_of(entry["partition"])).remove(there, entry.get("ids"))
        journal.swept(batch.number, entry)


def recover(active: Collection[str] = ()) -> int:
    """Remove the copies of moves that nobody is at work on any more; how many. ``active`` are the jobs that
    are. Idempotent."""
    removed = 0
    with connection.translated():
        busy = list(connection.collection(TIER_BATCHES).find({"busy": True}))
        mine = [each for each in busy if (each.get("move") or {}).get("jobId") not in active]
        for pending in [each["move"] for each in mine if each.get("move")]:
            end_session(pending.get("lsid") or _session_of(pending["jobId"]))
        for each in mine:
            removed += recover_one(each)
    return removed


def _session_of(job_id: str) -> Document | None:
    """The driver session in which a mover commits. A recaller has one of its own, which its entry names."""
    former = connection.collection(CHECKPOINTS).find_one({"_id": job_id}, {"lsid": 1})
    return (former or {}).get("lsid")


def recover_one(found: Document) -> int:
    """Remove what is left of the unfinished moves of a journal's document; how many copies. Idempotent."""
    batches, batch = connection.collection(TIER_BATCHES), journal.from_document(found)
    sweep = list(found.get("sweep", []))
    if found.get("move"):
        entry = place_of_move(found["move"])
        is_written = tier_of(entry["partition"]) in (Tier.WARM, Tier.FROZEN)  # else in the commit alone
        change: Document = {"$set": {"move": None}}
        if is_written:
            change["$push"] = {"sweep": entry}
        still = {
            "_id": found["_id"],
            "move.mark": found["move"]["mark"],
            "move.jobId": found["move"]["jobId"],
        }
        if not batches.update_one(still, change).matched_count:
            return 0  # it was committed after all
        sweep += [entry] if is_written else []
    for entry in sweep:
        remove(batch, entry)
    journal.settle(batch.number)
    return len(sweep)
