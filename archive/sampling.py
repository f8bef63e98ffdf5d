"""How much a filter lets through, told soon: from messages picked at random, from the first, from files.

Whatever takes longer than the ``seconds`` it is given raises ``TooSlow``.
"""

from dataclasses import dataclass
from functools import partial

from archive import connection, grouping, moments
from archive.choosing import Wanted, wanted_by
from archive.collections import FILES, KEYS, SESSIONS
from archive.connection import Document
from archive.files import SourceFile, from_document
from archive.filters import MessageFilter
from archive.hydration import hydrated
from archive.matching import content_of
from archive.moments import Moment
from archive.reader import ORDERS, find_by_ids
from archive.records import NOT_KEPT
from archive.scanning import Scan

SAMPLE_SIZE = 1000
# MongoDB picks documents at random only where they are less than a twentieth of all; else it reads them all.
SPARSE = 25
# A sample of n documents without a match leaves room for 3/n of all, nineteen times in twenty.
RULE_OF_THREE = 3
LARGEST_SHOWN = 1_000_000

Sized = tuple[bytes, int]
"""The id of a message, and how many bytes it takes as it is stored."""
SIZED: Document = {"_id": 1, "sessionId": 1, "bytes": {"$bsonSize": "$$ROOT"}}
SIZED_KEYS: Document = {"_id": 1, "sessionId": 1, "bytes": 1}
SIZES = {False: SIZED, True: SIZED_KEYS}


@dataclass(frozen=True, slots=True)
class Sample:
    """Of ``looked_at`` messages out of ``total`` those that a filter lets through."""

    looked_at: int
    total: int
    found: list[Sized]

    @property
    def expected(self) -> int:
        """How many of all the filter lets through, by this sample; at most so many where it found none."""
        if not self.looked_at:
            return self.total
        return (len(self.found) or RULE_OF_THREE) * self.total // max(self.looked_at, RULE_OF_THREE)


def sample_messages(message_filter: MessageFilter, seconds: float) -> Sample:
    """Messages picked at random from all over the archive; none where it is too small to pick from."""
    with connection.translated(), connection.within(seconds):
        size, total, found = moments.at_one_moment(partial(_sample, message_filter))
        if message_filter.chooses_sessions:
            chosen = _chosen(message_filter, {each["sessionId"] for each in found})
            found = [each for each in found if each["sessionId"] in chosen]
    return Sample(size, total, [_sized(each) for each in found])


def _sample(message_filter: MessageFilter, moment: Moment) -> tuple[int, int, list[Document]]:
    """How many were looked at, of how many, and those that fit; of each collection its share."""
    totals = {name: connection.collection(name).estimated_document_count() for name in moment.cards()}
    total = sum(totals.values())
    share = min(SAMPLE_SIZE, total // SPARSE) / max(1, total)
    sizes = {name: round(share * held) for name, held in totals.items()}
    found = [
        each for name, size in sizes.items() if size for each in _picked(message_filter, name, size, moment)
    ]
    return sum(sizes.values()), total, found


def _picked(message_filter: MessageFilter, name: str, size: int, moment: Moment) -> list[Document]:
    wanted = Wanted(message_filter, {})
    is_packed = name == KEYS and message_filter.reads_content
    stages: list[Document] = [
        {"$sample": {"size": size}},
        {"$match": wanted.key_query if name == KEYS else wanted.query},
        {"$project": (SIZED_KEYS | {"batch": 1}) if is_packed else SIZES[name == KEYS]},
    ]
    found = list(connection.collection(name).aggregate(stages, session=moment.session))
    if not is_packed:
        return found
    fits = content_of(message_filter)
    return [row for row, message in zip(found, hydrated(moment, found), strict=True) if fits(message)]


def _chosen(message_filter: MessageFilter, session_ids: set[str]) -> set[str]:
    query = {"$and": [message_filter.session_query(), {"_id": {"$in": sorted(session_ids)}}]}
    return {each["_id"] for each in connection.collection(SESSIONS).find(query, {"_id": 1})}


def count_sessions_of(message_filter: MessageFilter, seconds: float) -> int:
    """How many sessions have a message that the filter fits."""
    with connection.translated(), connection.within(seconds):
        if message_filter == MessageFilter():
            return connection.collection(SESSIONS).count_documents({"messageCount": {"$gt": 0}})
        return sum(1 for _ in grouping.distinct_values(message_filter, "sessionId"))


def first_messages(message_filter: MessageFilter, limit: int, seconds: float) -> list[Sized]:
    """The first messages that the filter fits, by session."""
    found: list[bytes] = []
    fields = {"_id": 1, **{name: 1 for name, _ in ORDERS["session"]}}
    with connection.translated(), connection.within(seconds):
        for wanted in wanted_by(message_filter):
            scan = Scan(wanted, ORDERS["session"], fields=fields, limit=limit - len(found))
            found += (bytes(each["_id"]) for each in scan.run())
            if len(found) >= limit:
                break
        sizes = moments.at_one_moment(partial(_sizes, found))
    return [(key, sizes[key]) for key in found if key in sizes]


def _sizes(keys: list[bytes], moment: Moment) -> dict[bytes, int]:
    found: dict[bytes, int] = {}
    for name in moment.cards():
        stages: list[Document] = [{"$match": {"_id": {"$in": keys}}}, {"$project": SIZES[name == KEYS]}]
        found.update(map(_sized, connection.collection(name).aggregate(stages, session=moment.session)))
    return found


def read_small(sized: list[Sized], most_bytes: int) -> list[Document]:
    """These messages by session and place, as many as fit in ``most_bytes`` and are not over-long."""
    chosen, left = [], most_bytes
    for key, size in sized:
        if size <= min(left, LARGEST_SHOWN):
            chosen.append(key)
            left -= size
    found = find_by_ids(chosen).values()
    return sorted(found, key=lambda each: [each[name] for name, _ in ORDERS["session"]])


def _sized(document: Document) -> Sized:
    return bytes(document["_id"]), document["bytes"]


@dataclass(frozen=True, slots=True)
class FileTotals:
    """Original files that would be given back whole: how many, their bytes and records, and the first few."""

    files: int = 0
    bytes: int = 0
    records: int = 0
    first: tuple[SourceFile, ...] = ()


def total_files(message_filter: MessageFilter, seconds: float, shown: int) -> FileTotals:
    """The files that hold any message the filter fits."""
    source = connection.collection(FILES)
    wanted: Document = {"size": {"$gt": 0}, "layout": {"$ne": NOT_KEPT}}
    sums = {"_id": None, **{name: {"$sum": f"${name}"} for name in ("size", "records")}}
    with connection.translated(), connection.within(seconds):
        if message_filter != MessageFilter():
            wanted["_id"] = {"$in": sorted(set(grouping.distinct_values(message_filter, "fileId")))}
        stages: list[Document] = [{"$match": wanted}, {"$group": {**sums, "files": {"$sum": 1}}}]
        for found in source.aggregate(stages):
            first = source.find(wanted).sort("path", 1).limit(shown) if shown else ()
            return FileTotals(
                found["files"], found["size"], found["records"], tuple(map(from_document, first))
            )
    return FileTotals()
