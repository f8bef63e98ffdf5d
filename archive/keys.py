"""The keys of messages that have left hot: one row each, by which they are found wherever they lie.

A row has the names that a hot message has, so that a query on these fields alone is the same for both. It
never changes while its message moves on: the row names the batch, and the batch (``tier_batches``) says in
which partition it lies.
"""

from collections.abc import Mapping
from typing import Any

from bson.int64 import Int64

from archive.connection import Document
from archive.records import identity

COPIED = (
    "sessionId", "projectId", "fileId", "seq", "uuid", "type", "role", "model", "source", "gitBranch",
    "isSidechain", "isPrompt", "timestamp", "crc32", "importId",
)  # fmt: skip
KEY_FIELDS = frozenset({"_id", *COPIED})
"""What a query or projection may ask of a row and of a hot message alike."""


def key_row(message: Mapping[str, Any], size: int, batch: int) -> Document:
    """The row of a stored message that takes ``size`` bytes as BSON and leaves hot with ``batch``."""
    held = dict(message.items())  # of BSON that is read as it is asked, once for all of it
    row: dict[str, Any] = {"_id": held["_id"]}
    for name in COPIED:
        if name in held:
            row[name] = held[name]
    # Only of a repeated record is the content not told by the id (``archive.records.identity``).
    if identity(held["sessionId"], held["contentHash"]) != held["_id"]:
        row["contentHash"] = held["contentHash"]
    row["bytes"], row["batch"] = Int64(size), Int64(batch)
    return row


def are_of_keys(fields: Document | None) -> bool:
    """Whether a projection asks for nothing but what a row has."""
    return (
        bool(fields)
        and all(name in KEY_FIELDS if kept else name == "_id" for name, kept in (fields or {}).items())
        and any((fields or {}).values())
    )
