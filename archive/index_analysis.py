"""All indexes looked at together: what they are used for, what is advised, what is due."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from archive import connection, index_changes
from archive.index_advice import Advice, Judgement, Limits, is_slow, judge, missed, missing, removals
from archive.index_changes import AdviceRow, AdviceState
from archive.index_usage import IndexFact, collections_with_indexes, read_facts, usage_of
from archive.query_stats import ShapeFigures, explain_shape, find_shapes, largest_of, may_have_more_indexes

MOST_EXPLAINED = 20


@dataclass(frozen=True, slots=True)
class Analysis:
    """What was found: each index, what is advised, hidden ones whose time has come, created ones that newer
    collections lack, and hidden ones that slow queries would use."""

    judgements: list[Judgement]
    advice: list[Advice]
    due: list[AdviceRow]
    lacking: list[tuple[AdviceRow, str]]
    missed: list[AdviceRow]


def judgements(limits: Limits | None = None) -> list[Judgement]:
    """Each index of partitions and keys, and what to think of it. Reads only. Raises ``Unavailable``."""
    limits = limits or Limits()
    facts = read_facts(collections_with_indexes())
    return judge(facts, usage_of(facts, limits.unused_days), limits, datetime.now(UTC))


def analyse(limits: Limits) -> Analysis:
    """Look at everything. Changes nothing but the figures of queries, which are written out first.

    Asks the server to explain at most 20 slow shapes. Raises ``Unavailable``.
    """
    connection.write_query_figures()
    found = judgements(limits)
    facts = [each.fact for each in found]
    slow = [each for each in find_shapes(limits.unused_days) if is_slow(each, limits) and _may_have(each)]
    advice = [*removals(found), *_missing(slow, facts, limits)]
    hidden = _missed(slow, facts)
    due = [each for each in index_changes.due_to_drop(limits.hidden_days) if each not in hidden]
    return Analysis(found, advice, due, index_changes.lacking(), hidden)


def _missed(slow: list[ShapeFigures], facts: list[IndexFact]) -> list[AdviceRow]:
    """Rows of hidden indexes that queries miss: they are not dropped."""
    wanted = {fact.name for each in slow if (fact := missed(each, facts)) is not None}
    rows = index_changes.find_advice([AdviceState.HIDDEN])
    return [each for each in rows if each.index in wanted]


def _missing(slow: list[ShapeFigures], facts: list[IndexFact], limits: Limits) -> list[Advice]:
    """The indexes that slow shapes want, each once, the most wanted first."""
    largest = {
        family: largest_of(family, {each.collection for each in facts})
        for family in {each.shape.collection for each in slow}
    }
    wanted: dict[str, Advice] = {}
    for figures in slow[:MOST_EXPLAINED]:
        each = _wanted(figures, largest[figures.shape.collection], facts, limits)
        if each is not None:
            wanted.setdefault(each.id, each)
    return list(wanted.values())


def _may_have(figures: ShapeFigures) -> bool:
    return may_have_more_indexes(figures.shape.collection) and bool(figures.shape.index_keys())


def _wanted(figures: ShapeFigures, largest: str, facts: list[IndexFact], limits: Limits) -> Advice | None:
    return missing(figures, explain_shape(figures.shape, largest), facts, limits) if largest else None
