"""The proof that nothing is lost, doubled or out of place: every check, what it found, and its history.

Nothing is stopped for it: each unit of a check looks at one moment, and imports, moves and rotations go on in
between.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from bson.int64 import Int64

from archive import connection, layouts
from archive.checks import catalogue, lying, objects, sums
from archive.checks.base import Asked, Check, Finding, Look
from archive.collections import VERIFICATIONS
from archive.connection import Document

MOST_KEPT = 500
"""So many findings are kept one by one; beyond, they are counted by name alone."""
MOST_VERIFICATIONS = 60
VIOLATIONS: dict[str, str] = {
    "collection_missing": "A collection that must be there is not.",
    "collection_unknown": "A collection holds messages that no reader knows of.",
    "collection_unlike": "A partition is a collection of another kind than its tier's.",
    "validator_differs": "A collection does not check its documents as it must.",
    "index_missing": "A collection lacks an index.",
    "count_differs": "The catalogue tells another number of messages or bytes than there are.",
    "range_differs": "Messages lie outside the times that the catalogue tells.",
    "message_twice": "A message lies in two places.",
    "keys_differ": "A batch has more or fewer keys than messages.",
    "keys_without_batch": "Messages have left hot with a batch that the journal does not have.",
    "partition_unknown": "A batch lies in a partition that the catalogue does not have.",
    "messages_missing": "Messages are not where their batch lies.",
    "messages_without_key": "Messages outside hot have no key: no reader finds them.",
    "messages_differ": "Messages outside hot are not what left hot.",
    "strays": "Copies that a move left behind belong to no batch.",
    "object_missing": "A frozen batch has no stored object.",
    "object_damaged": "A stored object is not what was written.",
    "object_unknown": "A stored object is no batch's.",
    "manifest_differs": "The manifest of a frozen month is missing, or is not what the journal says.",
    "session_missing": "Messages are of a session that there is not.",
    "session_count_differs": "A session counts more or fewer messages than there are.",
    "project_sums_differ": "A project's sums are not those of its sessions.",
    "file_not_whole": "A file has more or fewer records than the archive holds of it.",
}
"""What can be found, by name."""
CHECKS: dict[str, Check] = {
    check.name: check
    for check in (
        Check("collections", "collections, indexes and validators", catalogue.look_at_collections),
        Check("counts", "what the catalogue tells of each partition", catalogue.look_at_counts),
        Check("ids", "no message in two places", lying.look_at_ids),
        Check("batches", "every message where its batch lies", lying.look_at_batches),
        Check("strays", "copies that belong to no batch", lying.look_for_strays),
        Check("objects", "stored objects and manifests of what is frozen", objects.look_at_objects),
        Check("sessions", "messages of each session", sums.look_at_sessions),
        Check("projects", "sums of each project", sums.look_at_projects),
        Check("files", "records of each file", sums.look_at_files),
    )
}


@dataclass(slots=True)
class Verification:
    """What came of looking: how much was looked at by each check, and what was found."""

    started: datetime
    deep: bool
    looked: Counter[str] = field(default_factory=Counter)
    found: Counter[str] = field(default_factory=Counter)
    repaired: int = 0
    findings: list[Finding] = field(default_factory=list)

    def take(self, check: str, look: Look) -> None:
        """Add one unit."""
        self.looked[check] += look.records
        for finding in look.findings:
            self.found[finding.name] += 1
            self.repaired += finding.repaired
            if len(self.findings) < MOST_KEPT:
                self.findings.append(finding)

    @property
    def violations(self) -> int:
        """How many things do not hold, those that were repaired among them."""
        return self.found.total()

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON values."""
        return {
            "startedAt": self.started.isoformat(),
            "deep": self.deep,
            "looked": dict(self.looked),
            "found": dict(self.found),
            "violations": self.violations,
            "repaired": self.repaired,
            "findings": [each.to_dict() for each in self.findings],
        }


def verify(asked: Asked, names: tuple[str, ...] = ()) -> Iterator[tuple[str, Look]]:
    """Every check (or those of these names), unit by unit. Memory is one unit. Raises ``Unavailable``."""
    for name, check in CHECKS.items():
        if not names or name in names:
            for look in check.look(asked):
                yield name, _known(look)


def _known(look: Look) -> Look:
    """Without what the catalogue does not know because the layout is being migrated."""
    unknown = [each for each in look.findings if each.name in ("collection_unknown", "partition_unknown")]
    if not unknown:
        return look
    is_beside = layouts.find_beside()
    told = tuple(each for each in look.findings if each not in unknown or not is_beside(each.subject))
    return Look(look.records, told)


def begin(*, deep: bool) -> Verification:
    """A verification of nothing yet."""
    return Verification(datetime.now(UTC), deep)


def keep(verification: Verification, job_id: str) -> None:
    """Remember it as the job's, and forget those before the last ``MOST_VERIFICATIONS``. Idempotent."""
    told = verification.to_dict()
    told |= {"startedAt": verification.started, "at": datetime.now(UTC)}
    told["violations"] = Int64(verification.violations)
    with connection.translated():
        collection = connection.collection(VERIFICATIONS)
        collection.replace_one({"_id": job_id}, told, upsert=True)
        old = collection.find({}, {"_id": 1}).sort("at", -1).skip(MOST_VERIFICATIONS)
        collection.delete_many({"_id": {"$in": [each["_id"] for each in old]}})


def find_verifications(limit: int = 10) -> list[Document]:
    """The last ones, the newest first: ``jobId``, ``at``, ``startedAt``, ``deep``, ``looked``, ``found``,
    ``violations``, ``repaired``, ``findings``."""
    with connection.translated():
        found = connection.collection(VERIFICATIONS).find().sort("at", -1).limit(limit)
        return [{"jobId": each.pop("_id"), **each} for each in found]
