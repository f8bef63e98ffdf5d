"""Rotates, moves between tiers and recalls, drawn by lot and without end, in a process of its own beside exports."""

from __future__ import annotations

import random
import traceback
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

from archive import connection, emptied, lots, mover, partitions, recalling, rotation, sweeping
from archive.move_plans import PlannedMove
from archive.partitions import Tier
from tests.archive.mover_child import FORKS, Given, configure

TIERS = (Tier.HOT, Tier.WARM, Tier.COLD, Tier.FROZEN)
WAYS = {
    Tier.HOT: (Tier.WARM, Tier.WARM, Tier.COLD, Tier.FROZEN),
    Tier.WARM: (Tier.COLD,),
    Tier.COLD: (Tier.FROZEN,),
    Tier.FROZEN: (Tier.COLD,),
}


class Mess:
    """What one child does to the archive. Each step is one that a nightly job or a person takes as well."""

    def __init__(self, given: Given) -> None:
        self.given = given
        self.chance = random.Random(given.token)
        self.rotations = 0

    def rotate(self) -> None:
        self.rotations += 1
        list(rotation.rotate(f"rotation-{self.given.token}-{self.rotations}", 1))

    def move(self) -> None:
        """Some batches of every partition of a tier, or all of them."""
        source = self.chance.choice(TIERS)
        target = self.chance.choice(WAYS[source])
        found = [each for each in partitions.find_partitions() if each.tier == source and each.count != 0]
        self.chance.shuffle(found)
        moves = mover.move([PlannedMove(each.name, target) for each in found], self.given.job, self.given.token)
        for _ in islice(moves, self.chance.choice((2, 5, 1000))):
            pass
        moves.close()
        sweeping.recover()  # the batch that was copied ahead would stay busy until the next run

    def recall(self) -> None:
        """Some batches, as an import does that changes messages of theirs."""
        numbers = [int(each["_id"]) for each in connection.database().tier_batches.find({"partition": {"$ne": ""}}, {"_id": 1})]
        recalling.recall(self.chance.sample(numbers, min(len(numbers), self.chance.choice((1, 3, 10)))))

    def step(self) -> None:
        ways: list[Callable[[], Any]] = [self.move, self.rotate, self.recall, emptied.drop_empty_partitions]
        self.chance.choices(ways, (6, 2, 2, 2))[0]()


def work(given: Given) -> None:
    """The child's life."""
    configure(given)
    lots.BATCH_DOCS = given.batch_docs
    try:
        mess = Mess(given)
        sweeping.recover()  # a recall waits for what a dead mover was at, until the next run
        if rotation.plan_rotation().half_done:  # movers wait for what a dead rotator holds, until it is run again
            mess.rotate()
        while True:
            mess.step()
    except BaseException:
        (Path(given.folder) / f"died-{given.token}.txt").write_text(traceback.format_exc())
        raise


def start(given: Given) -> Any:
    """The process, which ends when it is killed."""
    process = FORKS.Process(target=work, args=(given,), daemon=True)
    process.start()
    return process
