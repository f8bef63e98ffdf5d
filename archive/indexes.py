"""Making the database what ``archive.collections`` says it is."""

from dataclasses import replace
from typing import Any

from pymongo import IndexModel
from pymongo.errors import CollectionInvalid, OperationFailure

from archive import connection, partitions
from archive.collections import HOT_SPEC, MESSAGES, SPECS, CollectionSpec
from archive.partitions import PartitionState, Tier

NAMESPACE_NOT_FOUND, NAMESPACE_EXISTS = 26, 48


def ensure_indexes() -> None:
    """Create what is missing of every collection, validator and index, those of each hot partition, too.

    Idempotent and safe to run at once from several processes. Fails loudly: an index that cannot be
    built (a different one of the same name, duplicates under a unique one) raises the driver's error.
    Indexes that the product does not know are left alone; so is what a rotation is at work on.
    """
    with connection.translated():
        for spec in SPECS:
            if spec.name != MESSAGES:
                ensure(spec)
        partitions.ensure_current()
        for name in _hot_names():
            _ensure_hot(name)


def _hot_names() -> list[str]:
    """The hot partitions; none while they are rotated: nobody else makes ``messages_current`` then."""
    hot = [each for each in partitions.read_partitions() if each.tier == Tier.HOT]
    return [] if any(each.state == PartitionState.ROTATING for each in hot) else [each.name for each in hot]


def _ensure_hot(name: str) -> None:
    try:
        ensure(replace(HOT_SPEC, name=name))
    except OperationFailure as error:
        # Renamed or dropped since: whoever did that has seen to its indexes.
        if error.code != NAMESPACE_NOT_FOUND or name in _hot_names():
            raise


def ensure(spec: CollectionSpec) -> None:
    """Have this collection, its validator and its indexes. Idempotent; waits for nobody if all is there."""
    database = connection.database()
    there = next(iter(database.list_collections(filter={"name": spec.name})), None)
    if there is None:
        _create(spec)
    elif spec.validator and there["options"].get("validator") != spec.validator:
        # This waits for every transaction that has used the collection, a dead process's too.
        database.command("collMod", spec.name, validator=spec.validator)
    if spec.indexes:
        connection.collection(spec.name).create_indexes(
            [IndexModel(list(index.keys), name=index.name, unique=index.unique) for index in spec.indexes]
        )


def _create(spec: CollectionSpec) -> None:
    try:
        options: dict[str, Any] = {"validator": spec.validator} if spec.validator else {}
        connection.database().create_collection(spec.name, **options)
    except CollectionInvalid:
        return  # another process created it between our look and our call: with the same spec
    except OperationFailure as error:
        if error.code != NAMESPACE_EXISTS:
            raise
