"""Conflicts: a new message whose session and uuid another message holds, with other content.

A transcript that was edited or redacted holds such messages. What becomes of them is the import's choice;
a message that loses is *set aside*: it leaves the conversation and is kept whole in ``message_versions``, so
that every file still comes back byte for byte.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from bson.binary import Binary
from bson.codec_options import CodecOptions
from bson.objectid import ObjectId
from bson.raw_bson import RawBSONDocument

from archive import partitions
from archive.collections import SESSIONS, VERSIONS
from archive.connection import Document
from archive.errors import Conflict
from archive.partitions import Holding
from archive.records import Message, encode, identity, line_of, with_fields, with_identity
from archive.unit_of_work import UnitOfWork

KEEP_BOTH = "keep-both"
SKIP = "skip"
REPLACE = "replace"
FAIL = "fail"
STRATEGIES = (KEEP_BOTH, SKIP, REPLACE, FAIL)

RAW = CodecOptions(document_class=RawBSONDocument)

Fresh = list[tuple[Message, bytes]]
Name = tuple[str, str]


class ConflictFound(Conflict):
    """The archive holds a message of the same session and uuid with other content."""

    code = "conflict_found"

    def __init__(self, message: Message, path: str) -> None:
        super().__init__(
            f"{path}, line {line_of(message.seq):,}: the archive holds message "
            f"{message.document['uuid']} of this conversation with other content.",
            hint="Choose what becomes of conflicts: keep-both, skip or replace.",
        )


@dataclass(frozen=True, slots=True)
class Holder:
    """A message that has its session and uuid now. ``key`` is the same for the repetitions of one record;
    ``message`` is set where this very batch brings it, ``batch`` where it has left hot."""

    identity: bytes
    key: bytes
    message: Message | None = None
    batch: int | None = None


@dataclass(slots=True)
class Settled:
    """What becomes of a batch's new messages.

    ``stored`` go into the archive; ``set_aside`` go with their identity and the winner's among the versions.
    ``replaced`` are those in the archive already that go there, each with its winner; ``elsewhere`` names the
    batches of those that have left hot. Of ``set_aside`` those
    in ``skipped`` were never part of the conversation. Counts are by file; ``unsettled`` is the first
    conflict that must not be.
    """

    fresh: Fresh
    stored: Fresh
    set_aside: list[tuple[Message, bytes, bytes]] = field(default_factory=list)
    replaced: dict[bytes, bytes] = field(default_factory=dict)
    elsewhere: set[int] = field(default_factory=set)
    skipped: set[bytes] = field(default_factory=set)
    conflicts: Counter[ObjectId] = field(default_factory=Counter)
    updates: Counter[ObjectId] = field(default_factory=Counter)
    skips: Counter[ObjectId] = field(default_factory=Counter)
    unsettled: Message | None = None

    @property
    def entered(self) -> list[Message]:
        """What became part of its conversation, be it for a moment."""
        return [message for message, identity in self.fresh if identity not in self.skipped]

    @property
    def left(self) -> list[Message]:
        """Which of those were replaced within the batch."""
        return [message for message, identity, _ in self.set_aside if identity not in self.skipped]


def settle(unit: UnitOfWork, messages: list[Message], fresh: Fresh, strategy: str) -> Settled:
    """Find the conflicts of a batch's new messages and settle them by the strategy, in the batch's order.

    A query on sessions and one on each partition, and nothing else where there are none.
    """
    named: dict[Name, Fresh] = defaultdict(list)
    for message, each in fresh:
        if uuid := message.document.get("uuid"):
            named[message.session_id, uuid].append((message, each))
    held = _holders(unit, named)
    contested = [name for name, members in named.items() if name in held or len(members) > 1]
    settled = Settled(fresh, fresh)
    if contested:
        order = {id(message): number for number, message in enumerate(messages)}
        for name in contested:
            members = sorted(named[name], key=lambda member: order[id(member[0])])
            _settle_one(settled, members, held.get(name, []), strategy)
        lost = {identity for _, identity, _ in settled.set_aside}
        settled.stored = [member for member in fresh if member[1] not in lost]
    return settled


def _holders(unit: UnitOfWork, names: Iterable[Name]) -> dict[Name, list[Holder]]:
    by_session: dict[str, list[str]] = defaultdict(list)
    for session_id, uuid in names:
        by_session[session_id].append(uuid)
    # A session that nobody knows yet, as most of a first import, holds no message.
    known = unit[SESSIONS].find({"_id": {"$in": list(by_session)}}, {"_id": 1}, session=unit.session)
    wanted = [{"sessionId": each["_id"], "uuid": {"$in": by_session[each["_id"]]}} for each in known]
    if not wanted:
        return {}
    fields = {"sessionId": 1, "uuid": 1, "contentHash": 1, "batch": 1}
    holders: dict[Name, list[Holder]] = defaultdict(list)
    for name in unit.cards:
        for each in unit[name].find({"$or": wanted}, fields, session=unit.session):
            holders[each["sessionId"], each["uuid"]].append(_holder(each))
    return holders


def _holder(card: Document) -> Holder:
    # Where a message has left hot, only that of a repeated record tells its content.
    content = card.get("contentHash")
    key = card["_id"] if content is None else identity(card["sessionId"], content)
    return Holder(card["_id"], key, batch=card.get("batch"))


def _settle_one(settled: Settled, members: Fresh, holders: list[Holder], strategy: str) -> None:
    """Settle the new messages of one session and uuid, one after the other."""
    for message, each in members:
        others = [holder for holder in holders if holder.key != message.key]
        mine = Holder(each, message.key, message)
        if not others:
            holders = [*holders, mine]
            continue
        settled.conflicts[message.file_id] += 1
        if strategy == KEEP_BOTH:
            holders = [*holders, mine]
        elif strategy == SKIP:
            settled.skips[message.file_id] += 1
            settled.skipped.add(each)
            settled.set_aside.append((message, each, others[0].identity))
        elif strategy == REPLACE:
            settled.updates[message.file_id] += 1
            _replace(settled, others, each)
            holders = [holder for holder in holders if holder.key == message.key] + [mine]
        else:
            settled.unsettled = settled.unsettled or message


def _replace(settled: Settled, losers: list[Holder], winner: bytes) -> None:
    for loser in losers:
        if loser.message is None:
            settled.replaced[loser.identity] = winner
            if loser.batch is not None:
                settled.elsewhere.add(loser.batch)
        else:
            settled.set_aside.append((loser.message, loser.identity, winner))


def record_versions(unit: UnitOfWork, settled: Settled, job_id: str, strategy: str) -> list[tuple[str, bool]]:
    """Set aside inside ``unit`` what lost; the session, and whether it was a prompt, of each message that was
    replaced in the archive."""
    facts = {"jobId": job_id, "strategy": strategy, "at": datetime.now(UTC)}
    aside = [
        _aside(with_identity(encode(message), each), winner, facts)
        for message, each, winner in settled.set_aside
    ]
    gone = []
    for document in _taken_out(unit, list(settled.replaced)):
        gone.append((document["sessionId"], bool(document.get("isPrompt"))))
        aside.append(_aside(bytes(document.raw), settled.replaced[bytes(document["_id"])], facts))
    if aside:
        unit[VERSIONS].insert_many(aside, session=unit.session)
    return gone


def _taken_out(unit: UnitOfWork, ids: list[bytes]) -> list[RawBSONDocument]:
    """Delete these messages from the hot partitions they are in; what they were."""
    if not ids:
        return []
    chosen = {"_id": {"$in": ids}}
    taken: list[RawBSONDocument] = []
    for name in unit.hot:
        found = list(unit[name].with_options(RAW).find(chosen, session=unit.session))
        if found:
            unit[name].delete_many(chosen, session=unit.session)
            sized = ((each.get("timestamp"), len(each.raw)) for each in found)
            partitions.lose(unit, name, Holding.of(sized))
            taken += found
    return taken


def _aside(encoded: bytes, winner: bytes, facts: dict[str, Any]) -> RawBSONDocument:
    return RawBSONDocument(with_fields(encoded, {"setAside": {"winnerId": Binary(winner), **facts}}))
