"""Moves round and round through the tiers in a process of its own, to be killed there.

It is forked from a server that has imported everything, so that a kill costs no start-up.
"""

import multiprocessing
import threading
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from archive import connection, lots, mover, object_store, partitions, recalling
from archive.move_plans import PlannedMove
from archive.partitions import Tier

FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["tests.archive.mover_child", "archive.mover", "archive.recalling"])
DOWN = {Tier.HOT: Tier.WARM, Tier.WARM: Tier.COLD, Tier.COLD: Tier.FROZEN, Tier.FROZEN: Tier.COLD}


@dataclass(frozen=True)
class Given:
    """What a child is told. It waits for good when ``reached`` was told ``stop`` so many ``times``."""

    url: str
    database: str
    folder: str
    token: int
    stop: str = ""
    times: int = 1
    job: str = "mover"
    rounds: int = 1_000_000
    batch_docs: int = 20


def planned(source: Tier, target: Tier | None = None) -> list[PlannedMove]:
    """Everything of a tier goes to the next one, or to ``target``."""
    return [
        PlannedMove(each.name, target or DOWN[source])
        for each in partitions.find_partitions()
        if each.tier == source and each.count != 0
    ]


def steps(given: Given, reached: Any) -> Iterator[None]:
    """Down to frozen, up to cold again, and back to hot."""
    for number in range(given.rounds):
        ways = [(Tier.HOT, Tier.COLD)] if number % 3 == 2 else [(Tier.HOT, None), (Tier.WARM, None)]
        for source, target in [*ways, (Tier.COLD, None), (Tier.FROZEN, None)]:
            for _ in mover.move(planned(source, target), given.job, given.token, reached=reached):
                yield
        for batch in list(connection.database().tier_batches.find({"partition": {"$ne": ""}}, {"_id": 1})):
            recalling.recall([int(batch["_id"])])
            reached("recalled")
            yield


def configure(given: Given) -> None:
    connection.configure(given.url, given.database)
    store = object_store.FolderStore(Path(given.folder))
    object_store.configure(lambda: store)


def work(given: Given, told: Any) -> None:
    """The child's life. ``told`` is set when it waits to be killed."""
    configure(given)
    lots.BATCH_DOCS = given.batch_docs
    left = [given.times]

    def reached(point: str) -> None:
        if point == given.stop:
            left[0] -= 1
            if not left[0]:
                told.set()
                threading.Event().wait()

    try:
        for _ in steps(given, reached):
            pass
    except BaseException:
        (Path(given.folder) / f"died-{given.token}.txt").write_text(traceback.format_exc())
        raise


def start(given: Given) -> tuple[Any, Any]:
    """The process, and what is set when it waits."""
    told = FORKS.Event()
    process = FORKS.Process(target=work, args=(given, told), daemon=True)
    process.start()
    return process, told


