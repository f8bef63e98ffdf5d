"""Every collection of the archive, with its validator and indexes, as data."""

from dataclasses import dataclass
from typing import Any

MESSAGES = "messages_current"
COPIES = "message_copies"
VERSIONS = "message_versions"
SESSIONS = "sessions"
PROJECTS = "projects"
FILES = "source_files"
REJECTED = "rejected_records"
IMPORT_FILES = "import_files"
EVENTS = "events"
COUNTERS = "counters"
CHECKPOINTS = "checkpoints"
CALLS = "api_calls"
UNDO = "import_undo"
PARTITIONS = "partitions"
KEYS = "message_keys"
TIER_BATCHES = "tier_batches"
WARM_MESSAGES = "messages_timeseries"
STORAGE_DAILY = "storage_daily"
VERIFICATIONS = "verifications"
QUERY_STATS = "query_stats"
INDEX_USAGE = "index_usage"
INDEX_ADVICE = "index_advice"
LAYOUT_MIGRATIONS = "layout_migrations"

Keys = tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Index:
    """One index: its keys in order, and whether it forbids duplicates."""

    keys: Keys
    unique: bool = False

    @property
    def name(self) -> str:
        return "_".join(f"{field}_{direction}" for field, direction in self.keys)


@dataclass(frozen=True, slots=True)
class CollectionSpec:
    """One collection: a JSON Schema of what every document must have, and its indexes."""

    name: str
    required: tuple[tuple[str, str], ...] = ()
    indexes: tuple[Index, ...] = ()

    @property
    def validator(self) -> dict[str, Any]:
        """The MongoDB validator; empty where nothing is required."""
        if not self.required:
            return {}
        properties = {field: {"bsonType": bson_type} for field, bson_type in self.required}
        return {"$jsonSchema": {"required": [f for f, _ in self.required], "properties": properties}}


def ascending(*fields: str, unique: bool = False) -> Index:
    return Index(tuple((field, 1) for field in fields), unique)


MESSAGE_REQUIRED = (
    ("_id", "binData"),
    ("sessionId", "string"),
    ("type", "string"),
    ("fileId", "objectId"),
    ("seq", "long"),
    ("contentHash", "binData"),
)

# (sessionId, fileId, seq) reads a conversation in its order and (fileId, seq) a file; (sessionId,
# uuid) finds a message's parent. Text search has a collection of its own: a text index here would
# cost two thirds of the import's speed.
MESSAGE_INDEXES = (
    ascending("sessionId", "fileId", "seq"),
    ascending("fileId", "seq"),
    ascending("sessionId", "uuid"),
    ascending("timestamp"),
)

# A sealed month has the same; so has whatever becomes the next ``messages_current``.
HOT_SPEC = CollectionSpec(MESSAGES, MESSAGE_REQUIRED, MESSAGE_INDEXES)

SPECS: tuple[CollectionSpec, ...] = (
    HOT_SPEC,
    # Which collections hold messages: the only source of that.
    CollectionSpec(PARTITIONS, (("tier", "string"), ("state", "string"))),
    # A message that has left hot: what it is found, counted and told apart by, and in which batch it lies. In
    # its names and indexes it is like a hot message, so that one query serves both.
    CollectionSpec(
        KEYS,
        (
            ("_id", "binData"), ("sessionId", "string"), ("type", "string"), ("fileId", "objectId"),
            ("seq", "long"), ("batch", "long"), ("bytes", "long"),
        ),
        (*MESSAGE_INDEXES, ascending("batch")),
    ),
    # Messages that moved together: where they lie, and how far the move is that they are in.
    CollectionSpec(
        TIER_BATCHES,
        (("partition", "string"), ("month", "string"), ("count", "long")),
        (ascending("partition", "until"), ascending("busy", "partition")),
    ),
    # A message that stands in a second file too: where it stands, and its exact bytes where they differ.
    CollectionSpec(
        COPIES,
        (("fileId", "objectId"), ("seq", "long"), ("messageId", "binData")),
        (ascending("fileId", "seq", unique=True), ascending("fileId", "messageId")),
    ),
    # A message that lost a conflict, whole, with what it lost to: files come back with it all the same.
    CollectionSpec(
        VERSIONS,
        (*MESSAGE_REQUIRED, ("setAside", "object")),
        (ascending("fileId", "seq"), ascending("setAside.jobId")),
    ),
    CollectionSpec(
        SESSIONS,
        (("sessionId", "string"), ("messageCount", "long")),
        (
            ascending("projectId", "endedAt"),
            ascending("endedAt", "sessionId"),
            ascending("startedAt", "sessionId"),
            ascending("totalCost", "sessionId"),
            ascending("messageCount", "sessionId"),
            ascending("title", "sessionId"),
            ascending("fileIds"),
        ),
    ),
    CollectionSpec(PROJECTS, (("path", "string"), ("name", "string"))),
    CollectionSpec(
        FILES, (("path", "string"),), (ascending("path", unique=True), ascending("size", "sha256"))
    ),
    CollectionSpec(
        REJECTED,
        (("jobId", "string"), ("fileId", "objectId"), ("seq", "long"), ("code", "string")),
        (ascending("jobId", "fileId", "seq", "part"), ascending("fileId", "seq", "part")),
    ),
    # What became of each file of an import, for its report.
    CollectionSpec(
        IMPORT_FILES, (("jobId", "string"), ("path", "string")), (ascending("jobId", "path", unique=True),)
    ),
    CollectionSpec(EVENTS, (("position", "long"), ("kind", "string")), (ascending("position", unique=True),)),
    # What an import changed, as it was before; ``over`` names the imports whose work that was.
    CollectionSpec(
        UNDO,
        (("jobId", "string"), ("kind", "string")),
        (ascending("jobId", "kind"), ascending("over", "kind")),
    ),
    # What the last proofs of the archive found.
    CollectionSpec(VERIFICATIONS, (("at", "date"), ("violations", "long")), (ascending("at"),)),
    CollectionSpec(COUNTERS),
    CollectionSpec(CHECKPOINTS, (("token", "long"),)),
    # How much room everything took, by day (its id).
    CollectionSpec(STORAGE_DAILY, (("at", "date"), ("tiers", "object"))),
    # Found by its id alone until the pages of usage ask for more.
    CollectionSpec(CALLS, (("sessionId", "string"),)),
    # How often each shape of query was asked on a day, and how long it took.
    CollectionSpec(QUERY_STATS, (("day", "string"), ("shape", "object")), (ascending("day"),)),
    # How often an index had been used whenever somebody looked.
    CollectionSpec(
        INDEX_USAGE,
        (("collection", "string"), ("index", "string"), ("ops", "long"), ("used", "long")),
        (ascending("collection", "index", "at"), ascending("at")),
    ),
    # How far the migrations from one layout to another are; the last one may be under way.
    CollectionSpec(LAYOUT_MIGRATIONS, (("to", "string"), ("phase", "string"))),
    # What should be done about an index, and what a person made of it.
    CollectionSpec(
        INDEX_ADVICE,
        (("kind", "string"), ("collection", "string"), ("state", "string")),
        (ascending("state"),),
    ),
)
