"""Partitions that hold nothing any more are struck from the catalogue, and their collections dropped."""

from archive import connection, manifests, partitions
from archive.collections import TIER_BATCHES
from archive.partitions import Tier, tier_of
from archive.unit_of_work import Transactions, UnitOfWork


def drop_empty_partitions() -> list[str]:
    """Strike sealed hot months, cold and frozen ones that hold nothing any more, and drop their collections;
    their names. Idempotent."""
    dropped = []
    for partition in partitions.find_partitions():
        is_done = partition.count == 0 and partition.tier != Tier.WARM
        if is_done and partition.state == partitions.PartitionState.SEALED and _strike(partition.name):
            dropped.append(partition.name)
    return dropped


def _strike(name: str) -> bool:
    is_frozen = tier_of(name) == Tier.FROZEN
    if is_frozen:
        manifests.remove(partitions.frozen_month(name))
    transactions = Transactions()

    def work(unit: UnitOfWork) -> bool:
        if not is_frozen and unit[name].find_one({}, {"_id": 1}, session=unit.session) is not None:
            return False
        if unit[TIER_BATCHES].find_one({"partition": name}, {"_id": 1}, session=unit.session) is not None:
            return False
        partitions.remove(unit, name)
        return True

    try:
        with connection.translated():
            is_struck = transactions.run(work)
            if is_struck and not is_frozen:
                connection.database().drop_collection(name)
    finally:
        transactions.close()
    return is_struck
