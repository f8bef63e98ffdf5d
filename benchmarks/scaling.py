"""What so many messages need: ``python -m benchmarks.scaling`` prints the tables of docs/scaling.md.

Computed from ``measured.json`` (each figure with the command that measured it) and the assumptions below.
"""

import json
import random
import sys
from itertools import islice
from pathlib import Path

MEASURED = json.loads(Path(__file__).with_name("measured.json").read_text())
COUNTS = (10**6, 10**7, 10**8, 10**9, 10**10)
# Assumptions: three years of messages that come in evenly, under the default policy.
DAYS = 3 * 365
HOT_DAYS, WARM_DAYS = 7, 83
SHARD_DISK = 4e12  # bytes of disk that one shard fills at most
SHARD_MEMORY = 128e9
MEMORY_SHARE = 0.5  # of the memory is WiredTiger's cache
CACHED_DATA = 0.1  # of warm data is read often
SIMULATED = 10**9
SHARDS = (3, 10, 30)
SEED = 1
AT_ONCE = 100_000


def value(name):
    """One measured figure."""
    return MEASURED[name]["value"]


def need(count):
    """Bytes by tier, bytes of memory, shards, and seconds of the nightly move, for so many messages."""
    hot = count * HOT_DAYS / DAYS
    warm = count * WARM_DAYS / DAYS
    cold = count - hot - warm
    disk = {
        "hot": hot * (value("hotDisk") + value("hotIndex")),
        "warm": warm * value("hotDisk") * value("warmRatio"),
        "cold": cold * value("hotDisk") * value("coldRatio"),
        "keys": (warm + cold) * (value("keysDisk") + value("keysIndex")),
    }
    indexes = hot * value("hotIndex") + (hot + warm) * value("keysIndex")
    memory = (indexes + hot * value("hotDisk") + CACHED_DATA * disk["warm"]) / MEMORY_SHARE
    shards = max(1, -(-sum(disk.values()) // SHARD_DISK), -(-memory // SHARD_MEMORY))
    # What one day brought goes hot to warm, as much warm to cold.
    night = 2 * count / DAYS / value("movesPerSecond")
    return disk, memory, int(shards), night


def told(size):
    """
    >>> told(1_500), told(2_340_000_000)
    ('1.5 KB', '2.3 GB')
    """
    for unit, one in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6)):
        if size >= one:
            return f"{size / one:,.1f} {unit}"
    return f"{size / 1e3:,.1f} KB"


def lasting(seconds):
    """
    >>> lasting(0.4), lasting(90), lasting(7200)
    ('1 s', '2 min', '2.0 h')
    """
    if seconds < 60:
        return f"{max(1, round(seconds))} s"
    return f"{round(seconds / 60)} min" if seconds < 3600 else f"{seconds / 3600:.1f} h"


def table():
    """The lines of the table of needs."""
    yield "| messages | hot | warm | cold | keys | disk | memory | shards | nightly move |"
    yield "|---|---|---|---|---|---|---|---|---|"
    for count in COUNTS:
        disk, memory, shards, night = need(count)
        sizes = [*(disk[name] for name in ("hot", "warm", "cold", "keys")), sum(disk.values()), memory]
        yield f"| {count:,} | {' | '.join(map(told, sizes))} | {shards} | {lasting(night)} |"


def spread(messages, seed=SEED):
    """Messages on each of the finest shards: sessions of the measured sizes, each on a shard by chance."""
    some = random.Random(seed)
    sizes, finest = value("sessionSizes"), max(SHARDS)
    filled = [0] * finest
    sessions = 0
    while messages > 0:
        chosen = some.choices(sizes, k=min(AT_ONCE, max(1, messages // max(sizes))))
        for size, shard in zip(chosen, some.choices(range(finest), k=len(chosen)), strict=True):
            filled[shard] += size
        messages -= sum(chosen)
        sessions += len(chosen)
    return filled, sessions


def balance(messages=SIMULATED):
    """The lines of the table of balance."""
    filled, sessions = spread(messages)
    yield "| shards | conversations | emptiest | fullest | fullest ÷ mean |"
    yield "|---|---|---|---|---|"
    for shards in SHARDS:
        run = iter(filled)
        each = [sum(islice(run, len(filled) // shards)) for _ in range(shards)]
        skew = max(each) * shards / sum(each)
        yield f"| {shards} | {sessions:,} | {min(each):,} | {max(each):,} | {skew:.4f} |"


def figures():
    """The lines of the table of what was measured."""
    yield "| figure | value | measured by |"
    yield "|---|---|---|"
    for name, each in sorted(MEASURED.items()):
        shown = each["value"]
        if isinstance(shown, list):
            mean = sum(shown) / len(shown)
            shown = f"{len(shown):,} conversations, mean {mean:.1f}, largest {max(shown):,}"
        yield f"| {name} | {shown} | {each['command']} |"


def main():
    for lines in (table(), balance(), figures()):
        sys.stdout.write("\n".join(lines) + "\n\n")


if __name__ == "__main__":
    main()
