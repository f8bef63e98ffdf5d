"""What is thought of an index, from facts that are made up; and that uses before a restart are not forgotten."""

from datetime import UTC, datetime, timedelta

import pytest

from archive.collections import HOT_SPEC, KEYS, SPECS
from archive.index_advice import (
    PROTECTED,
    REASONS,
    Limits,
    Verdict,
    judge,
    missing,
    removals,
    required_keys,
)
from archive.index_usage import IndexFact, Usage, uses_since
from archive.query_shapes import Shape
from archive.query_stats import Explanation, ShapeFigures

NOW = datetime(2026, 11, 24, tzinfo=UTC)
LONG_AGO = NOW - timedelta(days=100)


def index(*fields, collection="messages_current", **more):
    keys = tuple((name.removeprefix("-"), -1 if name.startswith("-") else 1) for name in fields)
    return IndexFact(collection, "_".join(fields), keys, 1000, **more)


LIMITS = Limits()


def verdicts(*facts, used=0, since=LONG_AGO, limits=LIMITS):
    usage = {(each.collection, each.name): Usage(used, since) for each in facts}
    return [each.verdict for each in judge(facts, usage, limits, NOW)]


def test_every_index_of_the_product_is_required_with_a_reason():
    for spec in (HOT_SPEC, next(each for each in SPECS if each.name == KEYS)):
        for each in spec.indexes:
            assert each.keys in REASONS, each
            fact = IndexFact(spec.name, each.name, each.keys)
            (told,) = judge([fact], {}, Limits(), NOW)
            assert told.verdict == Verdict.REQUIRED
            assert "In use by the product" in told.reason


def test_those_of_warm_and_of_sealed_months_are_too():
    assert len(required_keys("messages_timeseries")) == 2
    assert required_keys("messages_2026_03") == required_keys("messages_current")
    assert required_keys("messages_archive_2026_03") == frozenset()


def test_never_used_for_long_is_unused():
    assert verdicts(index("cwd")) == [Verdict.UNUSED]
    assert verdicts(index("cwd"), used=1) == [Verdict.USED]
    assert verdicts(index("cwd"), used=4, limits=Limits(min_uses=5)) == [Verdict.UNUSED]


def test_watched_for_too_short_is_unknown():
    assert verdicts(index("cwd"), since=NOW - timedelta(days=29)) == [Verdict.UNKNOWN]
    assert verdicts(index("cwd"), since=NOW - timedelta(days=29), limits=Limits(unused_days=28)) == [Verdict.UNUSED]


def test_not_told_by_the_server_is_unknown():
    assert [each.verdict for each in judge([index("cwd")], {}, Limits(), NOW)] == [Verdict.UNKNOWN]


@pytest.mark.parametrize(
    ("fact", "verdict"),
    [
        (index("cwd", unique=True), Verdict.UNIQUE),
        (index("importedAt", options=(("expireAfterSeconds", 5),)), Verdict.EXPIRING),
        (IndexFact("messages_current", "_id_", (("_id", 1),)), Verdict.REQUIRED),
    ],
)
def test_what_is_protected_is_never_advised_against(fact, verdict):
    longer = index("cwd", "seq"), index("importedAt", "seq"), index("_id", "seq")
    told = judge([fact, *longer], {(fact.collection, fact.name): Usage(0, LONG_AGO)}, Limits(), NOW)
    assert told[0].verdict == verdict
    assert verdict in PROTECTED
    assert removals(told) == []


@pytest.mark.parametrize("longer", [index("cwd", "seq"), index("-cwd", "seq"), index("cwd", "-seq")])
def test_the_beginning_of_a_longer_index_is_redundant(longer):
    assert verdicts(index("cwd"), longer, used=9) == [Verdict.REDUNDANT, Verdict.USED]


@pytest.mark.parametrize(
    ("fact", "longer"),
    [
        (index("cwd", "-seq"), index("cwd", "seq", "uuid")),
        (index("seq"), index("cwd", "seq")),
        (index("cwd"), index("cwd", "seq", collection="messages_2026_01")),
        (index("cwd"), index("cwd", "seq", hidden=True)),
        (index("cwd"), index("cwd", "seq", options=(("sparse", True),))),
        (index("cwd", options=(("sparse", True),)), index("cwd", "seq")),
        (index("cwd"), index("cwd", "seq", options=(("partialFilterExpression", 1),))),
        (index("cwd"), index("cwd", "seq", options=(("collation", 1),))),
        (IndexFact("messages_current", "h", (("cwd", "hashed"),)), index("cwd", "seq")),
    ],
)
def test_an_index_that_only_looks_alike_is_not(fact, longer):
    assert Verdict.REDUNDANT not in verdicts(fact, longer, used=9)


def test_a_hidden_one_is_told_as_hidden():
    assert verdicts(index("cwd", hidden=True)) == [Verdict.HIDDEN]


def test_advice_has_the_same_id_whenever_it_is_given():
    usage = {("messages_current", "cwd"): Usage(0, LONG_AGO)}
    first, again = (removals(judge([index("cwd")], usage, Limits(), when))[0] for when in (NOW, NOW + timedelta(days=7)))
    assert first.id == again.id
    assert first.bytes == 1000


class TestMissing:
    SHAPE = Shape("messages", "find", ("cwd",), (), ("-timestamp",))
    SLOW = ShapeFigures(SHAPE, 50, 50 * 90.0, 200.0)
    SCAN = Explanation(scans=True, sorts=True, examined=9000, returned=3)

    def test_a_slow_shape_that_is_scanned_wants_an_index(self):
        wanted = missing(self.SLOW, self.SCAN, [index("seq")], Limits())
        assert (wanted.kind, wanted.collection, wanted.keys) == ("missing", "messages", (("cwd", 1), ("timestamp", -1)))
        assert "9,000 documents looked at for 3" in wanted.reason
        assert "reads the whole collection" in wanted.reason

    def test_so_does_one_that_sorts_in_memory(self):
        assert "sorts in memory" in missing(self.SLOW, Explanation(False, True), [], Limits()).reason

    def test_so_does_one_that_looks_at_far_more_than_it_finds(self):
        assert "far more than it finds" in missing(self.SLOW, Explanation(False, False, 200, 3), [], Limits()).reason

    @pytest.mark.parametrize(
        ("figures", "told", "facts"),
        [
            (SLOW, None, []),
            (SLOW, Explanation(False, False), []),
            (SLOW, Explanation(False, False, 90, 0), []),
            (SLOW, Explanation(False, False, 900, 100), []),
            (SLOW, SCAN, [index("cwd", "-timestamp", "seq", collection="messages_2026_01")]),
            (ShapeFigures(SHAPE, 9, 9 * 90.0, 90.0), SCAN, []),
            (ShapeFigures(SHAPE, 50, 50 * 19.0, 90.0), SCAN, []),
            (ShapeFigures(Shape("messages", "find"), 50, 50 * 90.0, 90.0), SCAN, []),
        ],
    )
    def test_quick_rare_served_or_unbounded_ones_want_none(self, figures, told, facts):
        assert missing(figures, told, facts, Limits()) is None


@pytest.mark.parametrize(
    ("ops", "since", "before", "uses"),
    [
        (7, NOW, None, 7),
        (7, NOW, {"since": NOW, "ops": 5}, 2),
        (7, NOW, {"since": NOW, "ops": 7}, 0),
        (3, NOW, {"since": LONG_AGO, "ops": 5}, 3),
        (9, NOW, {"since": LONG_AGO, "ops": 5}, 9),
        (3, NOW, {"since": NOW, "ops": 5}, 3),
    ],
)
def test_uses_before_a_restart_are_added_and_never_subtracted(ops, since, before, uses):
    assert uses_since(ops, since, before) == uses
