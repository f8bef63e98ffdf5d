"""Plan sharding: keys, balance and commands; with ``apply``, run them against a mongos."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from archive import shard_plan, sharding
from archive.shard_plan import Command
from archive.sharding import ShardingPlan
from jobs.wording import human_count
from maintenance.steps.base import Advance, BadParameter, Holder, Plan, Step, flag, only, whole_number

DEFAULT_SHARDS = 3
MOST_SHARDS = 1000


def understand(asked: Mapping[str, Any]) -> dict[str, Any]:
    """``shards`` is for how many (3 unless given; those of a mongos, if it has more); ``apply`` runs it."""
    only(asked, "shards", "apply")
    shards = whole_number(asked, "shards")
    if shards is None:
        shards = DEFAULT_SHARDS
    if not 2 <= shards <= MOST_SHARDS:
        raise BadParameter("shards", "it is not between 2 and 1000.", hint="Give a number such as 3.")
    return {"shards": shards, "apply": flag(asked, "apply")}


def plan(parameters: dict[str, Any]) -> Plan:
    """One item for each command, in their order. Raises ``NotSharded`` where ``apply`` has no mongos."""
    found = sharding.plan_sharding(parameters["shards"])
    if parameters["apply"]:
        sharding.require_mongos()
    items = [
        {"database": each.database, "command": each.document, "mongosh": each.mongosh()}
        for each in found.commands
    ]
    return Plan(_summary(found), items, {"records": len(items), "shards": found.shards})


def _summary(found: ShardingPlan) -> str:
    open_ones = [each for each in found.spreads if each.name not in found.done]
    if not open_ones:
        return f"Nothing to do: all {len(found.done)} collections are sharded."
    names = ", ".join(f"{each.name} by {_key(each.key)}" for each in open_ones)
    return (
        f"On {found.shards} shards: {names}. The fullest shard has {found.balance.skew:.2f} times "
        f"the mean of {human_count(found.balance.sessions)} conversations."
    )


def _key(key: shard_plan.Key) -> str:
    return ", ".join(f"{kind} {name}" for name, kind in key.items())


def run(parameters: dict[str, Any], plan: Plan, holder: Holder) -> Iterator[Advance]:
    """Run the commands where that was asked for; tell what the plan rests on in any case."""
    if not parameters["apply"]:
        yield Advance(note="Only planned: nothing was applied.", result=report(parameters["shards"]))
        return
    commands = [Command(each["database"], each["command"]) for each in plan.items]
    for done in sharding.apply(commands):
        yield Advance(1, note=done.mongosh(), counts={"applied": 1})


def report(shards: int) -> dict[str, Any]:
    """What the plan rests on, as plain values."""
    found = sharding.plan_sharding(shards)
    chunks = max(each.chunks for each in found.spreads)
    return {
        "isMongos": found.is_mongos,
        "shards": found.shards,
        "collections": [each.to_dict() for each in found.spreads],
        "done": list(found.done),
        "unsharded": shard_plan.UNSHARDED,
        "keys": [
            {
                "field": each.field,
                "values": each.values,
                "topShare": round(each.top_share, 4),
                "rising": round(each.rising, 3),
                "against": each.against(chunks),
            }
            for each in found.keys
        ],
        "hotSessions": [{"sessionId": name, "messages": count} for name, count in found.hot_sessions],
        "balance": {"bytes": list(found.balance.shards), "skew": round(found.balance.skew, 3)},
    }


STEP = Step(
    name="shard",
    label="Plan sharding",
    command="plan_sharding",
    about="Tell how the archive would be spread over shards, and spread it where a mongos is at hand.",
    understand=understand,
    plan=plan,
    run=run,
    asks={"shards": "For how many shards. Empty: 3.", "apply": "Run the commands on the mongos."},
    ticks=("apply",),
)
