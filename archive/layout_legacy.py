"""Collections of messages that an older version, or a plain monthly layout, left: ``messages`` and
``messages_YYYY_MM`` that the catalogue does not know. They become sealed hot partitions as they are."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import combinations

from pymongo.errors import OperationFailure

from archive import claudelens_source, connection, events, indexes, partitions
from archive.collections import HOT_SPEC, MESSAGES, PARTITIONS
from archive.connection import Document
from archive.errors import BadInput, Conflict
from archive.layout_sides import HotSide, total
from archive.unit_of_work import Transactions, UnitOfWork

SHOWN = 3


class NotOurMessages(BadInput):
    """A collection that has the name of old messages holds something else."""

    code = "layout_foreign"


class Overlapping(Conflict):
    """The same messages lie in two collections: one of the two has to go before."""

    code = "layout_overlap"


def find_legacy() -> list[str]:
    """The collections that hold messages of ours and that the catalogue does not know. Raises
    ``NotOurMessages`` naming one that holds other documents, ``Unavailable``."""
    known = {each.name for each in partitions.find_partitions()}
    with connection.translated():
        names = connection.database().list_collection_names(filter={"type": "collection"})
    old = (name for name in sorted(names) if claudelens_source.MESSAGES.fullmatch(name) and name not in known)
    found = [name for name in old if connection.collection(name).find_one({}, {"_id": 1}) is not None]
    for name in found:
        _check_shape(name)
    return found


def _check_shape(name: str) -> None:
    other = {"$nor": [HOT_SPEC.validator]}
    with connection.translated():
        found = connection.collection(name).find_one(other, {"_id": 1})
    if found is not None:
        raise NotOurMessages(
            f"{name} holds documents that are no messages of this archive: {str(found['_id'])[:60]!r}.",
            hint="Bring messages of an older program in with: manage.py migrate_claudelens",
        )


def adopt(names: list[str]) -> Iterator[int]:
    """Give these collections every index and the validator, and enter them in the catalogue as sealed: from
    then on their messages are read, and known to imports. Yields how many messages each has. Idempotent.

    Raises ``Overlapping``, having entered none of them, where a message lies in two collections.
    """
    for name in names:
        with connection.translated():
            try:
                indexes.ensure(replace(HOT_SPEC, name=name))
            except OperationFailure as error:
                raise Conflict(
                    f"{name} cannot get the indexes that messages have: {error.details or error}",
                    hint="Drop the index that is in the way, then create again.",
                    code="layout_index",
                ) from error
        yield 0
    rows = HotSide(names).rows()
    _in_turn(lambda unit: _enter(unit, rows))
    try:
        for first, second in combinations([MESSAGES, *names], 2):
            _check_apart(first, second)
    except Overlapping:
        _in_turn(lambda unit: _strike(unit, names))
        raise
    yield total(rows)


def _in_turn(work: Callable[[UnitOfWork], None]) -> None:
    transactions = Transactions()
    try:
        with connection.translated():
            transactions.run(work)
    finally:
        transactions.close()


def _enter(unit: UnitOfWork, rows: list[Document]) -> None:
    events.take_turn(unit)
    for row in rows:
        unit[PARTITIONS].replace_one({"_id": row["_id"]}, row, upsert=True, session=unit.session)
    partitions.raise_version(unit)


def _strike(unit: UnitOfWork, names: list[str]) -> None:
    events.take_turn(unit)
    unit[PARTITIONS].delete_many({"_id": {"$in": names}}, session=unit.session)
    partitions.raise_version(unit)


def _check_apart(first: str, second: str) -> None:
    other = HotSide([second])
    twice = 0
    shown: list[str] = []
    for ids in HotSide([first]).ids():
        both = sorted(other.present(ids))
        twice += len(both)
        shown += [each.hex()[:16] for each in both[: SHOWN - len(shown)]]
    if twice:
        raise Overlapping(
            f"{twice:,} messages lie in {first} and in {second}, such as {', '.join(shown)}.",
            hint=f"Roll back the imports that brought them a second time, or drop {second} if it is a copy.",
        )
