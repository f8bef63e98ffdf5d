"""Whole messages from their keys, wherever they lie."""

from collections import defaultdict
from collections.abc import Iterable, Sequence

from archive import journal, places
from archive.connection import Document
from archive.errors import Unavailable
from archive.journal import TierBatch
from archive.moments import Moment, MomentLost
from archive.partitions import Tier, tier_of

AT_ONCE = 200
"""So many messages are fetched together: as many as a scan fetches of hot ones."""


class Missing(Unavailable):
    """The archive has the keys of messages that are not where their batch says."""

    code = "messages_missing"


def hydrated(moment: Moment, rows: Sequence[Document]) -> list[Document]:
    """The whole messages of these rows of ``message_keys``, in their order.

    Raises ``MomentLost`` where they moved on meanwhile, ``Missing`` where they are gone, ``Unavailable``
    where the store of the frozen ones does not answer. Memory is those messages, and what the place keeps.
    """
    batches = _batches(moment, {int(row["batch"]) for row in rows})
    lying: dict[Tier, list[Document]] = defaultdict(list)
    for row in rows:
        lying[tier_of(batches[int(row["batch"])].partition)].append(row)
    found: dict[bytes, Document] = {}
    for tier, those in lying.items():
        named = {int(row["batch"]) for row in those}
        ids = [bytes(row["_id"]) for row in those]
        wanted = [batches[number] for number in sorted(named)]
        for message in places.place_of(tier).fetch(moment.session, wanted, ids):
            found[bytes(message["_id"])] = message
    _require_all(rows, found, batches, moment)
    return [found[bytes(row["_id"])] for row in rows]


def _batches(moment: Moment, numbers: set[int]) -> dict[int, TierBatch]:
    """Where these batches lie, remembered as long as the moment is open."""
    unknown = numbers - moment.batches.keys()
    if unknown:
        if len(moment.batches) > 10 * AT_ONCE:
            moment.batches.clear()
            unknown = numbers
        moment.batches.update(journal.find_batches(sorted(unknown), moment.session))
    if numbers - moment.batches.keys():
        raise Missing(
            f"Batch {min(numbers - moment.batches.keys())} is not in the archive's journal.",
            hint="Run verify_archive.",
        )
    return moment.batches


def _require_all(
    rows: Sequence[Document],
    found: Iterable[bytes],
    batches: dict[int, TierBatch],
    moment: Moment,
) -> None:
    held = set(found)
    gone = {int(row["batch"]) for row in rows if bytes(row["_id"]) not in held}
    if not gone:
        return
    moment.check()
    now = journal.find_batches(sorted(gone))
    for number in gone:
        before, after = batches[number], now.get(number)
        if after is None or (before.partition, before.mark, before.object) != (
            after.partition,
            after.mark,
            after.object,
        ):
            raise MomentLost
    raise Missing(
        f"Messages of batch {min(gone)} are not in {batches[min(gone)].partition}.",
        hint="Run verify_archive.",
    )
