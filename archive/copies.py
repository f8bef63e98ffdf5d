"""Telling new messages from known ones: repetitions in one file, and copies in other files.

A record that stands k times in one file is k messages, with repetition numbers 0 … k-1. A record that
stands in two files is one message with a *copy* in the second file, so that both come back whole. The
database itself is asked, never a memory of what was read: so it is right after a crash, and memory stays
flat. Only records whose key is taken already come this way; new ones cost one look-up. A message that was
set aside is known like any other.
"""

from collections import defaultdict
from dataclasses import dataclass
from datetime import timedelta

from bson.objectid import ObjectId

from archive.collections import COPIES, KEYS, VERSIONS
from archive.connection import Document
from archive.partitions import Partition, PartitionState, Tier
from archive.records import Message, exact_bytes, identity_of, long
from archive.unit_of_work import UnitOfWork


@dataclass(frozen=True, slots=True)
class Copy:
    """A message that also stands in another file. ``raw`` is set where its bytes are not the original's;
    ``is_plain`` then tells that they are followed by the file's own line end."""

    file_id: ObjectId
    seq: int
    message_id: bytes
    session_id: str
    raw: bytes | None
    is_plain: bool


# So many repetitions of a record are looked up with those of all others; seldom are there more.
FIRST = 8

Fresh = list[tuple[Message, bytes]]


@dataclass(frozen=True, slots=True)
class Home:
    """Where a stored message has its place, and the CRC-32 of its bytes (None: it keeps them exactly)."""

    file_id: ObjectId
    crc: int | None


class Resolver:
    """Decides for one batch, inside its transaction, what is new and what is a copy."""

    def __init__(self, unit: UnitOfWork, known_until: dict[ObjectId, int]) -> None:
        self.unit = unit
        self.known_until = known_until
        self.places = [*unit.cards, VERSIONS]
        self.homes: dict[bytes, Home | None] = {}
        self.copied: dict[tuple[ObjectId, bytes], bool] = {}

    def resolve(self, messages: list[Message], found: set[bytes]) -> tuple[Fresh, list[Copy]]:
        """New messages with their identity, and copies; every other message is a duplicate.

        ``found`` holds those keys of the messages that are in the archive.
        """
        fresh: Fresh = []
        unclear: list[list[Message]] = []
        for (_, key), family in _families(messages).items():
            if len(family) == 1 and key not in found and key not in self.homes:
                fresh.append((family[0], key))
            else:
                unclear.append(
                    [message for message in family if key not in found or not self._is_known(message)]
                )
            self.homes.setdefault(key, None)
        # What this batch inserts is taken from here on; every other key has still to be looked up.
        self.homes = {key: _home_of(message) for message, key in fresh}
        copies: list[Copy] = []
        self._place_all(unclear, fresh, copies)
        return fresh, copies

    def _is_known(self, message: Message) -> bool:
        """Whether it stands in a part of its file that was imported before: then it has its place."""
        return message.end <= self.known_until.get(message.file_id, 0)

    def _place_all(self, families: list[list[Message]], fresh: Fresh, copies: list[Copy]) -> None:
        there = self._filled_places([message for family in families for message in family])
        rest = [[each for each in family if (each.file_id, each.seq) not in there] for family in families]
        rest = [family for family in rest if family]
        self._fetch([(family[0], number) for family in rest for number in range(min(len(family), FIRST) + 1)])
        for family in rest:
            self._place(family, fresh, copies)

    def _filled_places(self, members: list[Message]) -> set[tuple[ObjectId, int]]:
        """Places of these messages that are filled already: another import of the same file came first."""
        by_file: dict[ObjectId, list[int]] = defaultdict(list)
        for message in members:
            by_file[message.file_id].append(message.seq)
        places: set[tuple[ObjectId, int]] = set()
        for file_id, seqs in by_file.items():
            for name in (*self.places, COPIES):
                filled = self._find(name, {"fileId": file_id, "seq": {"$in": seqs}}, {"seq": 1, "_id": 0})
                places.update((file_id, each["seq"]) for each in filled)
        return places

    def _place(self, family: list[Message], fresh: Fresh, copies: list[Copy]) -> None:
        """Give each of the family (one record, several places in one file) the next repetition number that
        this file has not used: a new message where nobody has it, a copy where another file does."""
        number = self._first_unused(family[0])
        self._fetch([(family[0], number + further) for further in range(len(family) + 1)])
        for message in family:
            while self._uses(message, number):
                number += 1
            identity = identity_of(message.key, number)
            home = self._home(identity)
            if home is None:
                fresh.append((message, identity))
                self.homes[identity] = _home_of(message)
            else:
                copies.append(_copy(message, identity, home))
                self.copied[message.file_id, identity] = True

    def _first_unused(self, message: Message) -> int:
        """The lowest repetition number this file may use, found by doubling and halving: a file of a million
        equal lines costs some twenty look-ups for each batch."""
        if not self._uses(message, 0):
            return 0
        low, high = 0, 1
        while self._uses(message, high):
            low, high = high, high * 2
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if self._uses(message, middle) else (low, middle)
        return high

    def _uses(self, message: Message, number: int) -> bool:
        """Whether the message's file already has a place for this repetition of it."""
        identity = identity_of(message.key, number)
        home = self._home(identity)
        if home is None or home.file_id == message.file_id:
            return home is not None
        self._fetch([(message, number)])
        return self.copied[message.file_id, identity]

    def _home(self, identity: bytes) -> Home | None:
        if identity not in self.homes:
            self._fetch_homes([identity])
        return self.homes[identity]

    def _fetch(self, wanted: list[tuple[Message, int]]) -> None:
        """Look up homes and copies of these repetitions, all in two queries for each file."""
        by_file: dict[ObjectId, list[bytes]] = defaultdict(list)
        for message, number in wanted:
            identity = identity_of(message.key, number)
            if (message.file_id, identity) not in self.copied:
                by_file[message.file_id].append(identity)
        for file_id, identities in by_file.items():
            self._fetch_homes([each for each in identities if each not in self.homes])
            query = {"fileId": file_id, "messageId": {"$in": identities}}
            held = {each["messageId"] for each in self._find(COPIES, query, {"messageId": 1, "_id": 0})}
            self.copied.update({(file_id, each): each in held for each in identities})

    def _fetch_homes(self, identities: list[bytes]) -> None:
        if not identities:
            return
        fields = {"fileId": 1, "crc32": 1}
        query = {"_id": {"$in": identities}}
        found = {each["_id"]: each for name in self.places for each in self._find(name, query, fields)}
        for identity in identities:
            each = found.get(identity)
            self.homes[identity] = Home(each["fileId"], each.get("crc32")) if each else None

    def _find(self, name: str, query: Document, fields: Document) -> list[Document]:
        return list(self.unit[name].find(query, fields, session=self.unit.session))


def _families(messages: list[Message]) -> dict[tuple[ObjectId, bytes], list[Message]]:
    families: dict[tuple[ObjectId, bytes], list[Message]] = defaultdict(list)
    for message in messages:
        families[message.file_id, message.key].append(message)
    return families


def _copy(message: Message, identity: bytes, home: Home) -> Copy:
    is_alike = not message.has_raw and message.crc == home.crc
    raw = None if is_alike else exact_bytes(message)
    return Copy(message.file_id, message.seq, identity, message.session_id, raw, not message.has_raw)


def _home_of(message: Message) -> Home:
    return Home(message.file_id, None if message.has_raw else message.crc)


def find_known(unit: UnitOfWork, messages: list[Message]) -> set[bytes]:
    """Which of the keys of these messages the archive has, set aside or not. A partition is asked for those
    that can be in it."""
    wanted = [(each.name, _keys_within(messages, [each])) for each in unit.hot_partitions]
    left = [each for each in unit.partitions if each.tier != Tier.HOT and each.count != 0]
    if left:
        wanted.append((KEYS, _keys_within(messages, left)))
    # In most archives nothing was ever set aside.
    if unit[VERSIONS].find_one({}, {"_id": 1}, session=unit.session) is not None:
        wanted.append((VERSIONS, [message.key for message in messages]))
    return {key for name, keys in wanted if keys for key in _present(unit, name, keys)}


def _present(unit: UnitOfWork, name: str, keys: list[bytes]) -> list[bytes]:
    options = {"session": unit.session, "batch_size": len(keys) + 1}
    return [each["_id"] for each in unit[name].find({"_id": {"$in": keys}}, {"_id": 1}, **options)]


def _keys_within(messages: list[Message], among: list[Partition]) -> list[bytes]:
    """The keys of those messages that one of these partitions can hold. A message that has its time from its
    neighbours may be held under another one."""
    starts = [each.since for each in among if each.since is not None]
    ends = [each.until for each in among if each.until is not None]
    is_bounded = all(each.state == PartitionState.SEALED for each in among)
    if not is_bounded or len(starts) < len(among) or len(ends) < len(among):
        return [each.key for each in messages]
    # Times are stored in whole milliseconds.
    first, last = min(starts), max(ends) + timedelta(milliseconds=1)
    return [
        each.key
        for each in messages
        if not each.is_timed or each.timestamp is None or first <= each.timestamp < last
    ]


def record_copies(unit: UnitOfWork, copies: list[Copy], job_id: str) -> None:
    """Insert the copies that an import found inside ``unit``."""
    if not copies:
        return
    unit[COPIES].insert_many(
        [
            {
                "fileId": copy.file_id,
                "seq": long(copy.seq),
                "messageId": copy.message_id,
                "importId": job_id,
                **({} if copy.raw is None else {"raw": copy.raw, "isPlain": copy.is_plain}),
            }
            for copy in copies
        ],
        session=unit.session,
    )
