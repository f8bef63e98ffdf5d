"""What becomes of hot months once they are sealed and old: kept, or offloaded to files. A plan.

No message is ever deleted by its age: conversations, sums and files would no longer be whole.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from archive.errors import BadInput
from archive.partitions import Partition, PartitionState, Tier, find_partitions


class Retention(StrEnum):
    """What a policy wishes."""

    KEEP = "keep"
    OFFLOAD = "offload"


class Action(StrEnum):
    """What is done with one partition: its messages are offloaded, or, since it has none, its collection is
    dropped."""

    OFFLOAD = "offload"
    DROP_EMPTY = "drop_empty"


@dataclass(frozen=True, slots=True)
class Retained:
    """One sealed partition and what is done with it."""

    partition: str
    action: Action
    messages: int
    bytes: int


def plan_retention(retention: str, older_than: datetime) -> list[Retained]:
    """What a policy does with the sealed hot partitions whose last message is older. Reads only.

    What has nothing in it any more, since all of it was offloaded or moved, is dropped, whatever the policy.
    Raises ``BadInput`` for a policy that there is not, ``Unavailable``.
    """
    if retention not in tuple(Retention):
        raise BadInput(
            f"There is no retention “{retention[:40]}”.",
            hint=f"There are: {', '.join(Retention)}. Messages are never deleted by their age.",
        )
    return list(_planned(find_partitions(), Retention(retention), older_than))


def _planned(among: Iterable[Partition], retention: Retention, older_than: datetime) -> Iterable[Retained]:
    for each in among:
        is_old = each.until is not None and each.until < older_than
        if each.tier != Tier.HOT or each.state != PartitionState.SEALED or each.count is None:
            continue
        if each.count == 0:
            yield Retained(each.name, Action.DROP_EMPTY, 0, 0)
        elif is_old and retention == Retention.OFFLOAD:
            yield Retained(each.name, Action.OFFLOAD, each.count, each.bytes or 0)
