"""What a response costs: Anthropic's price list, dated, with everything that changes a price."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from archive import costs

NOW = datetime(2026, 6, 1, tzinfo=UTC)
# Model, and US dollars per million tokens: input, output, cache written for 5 minutes and 1 hour, cache read.
LIST = [
    ("claude-3-opus-20240229", "15", "75", "18.75", "30", "1.5"),
    ("claude-opus-4-20250514", "15", "75", "18.75", "30", "1.5"),
    ("claude-opus-4-1-20250805", "15", "75", "18.75", "30", "1.5"),
    ("claude-opus-4-5-20251101", "5", "25", "6.25", "10", "0.5"),
    ("claude-opus-4-6", "5", "25", "6.25", "10", "0.5"),
    ("claude-opus-4-7", "5", "25", "6.25", "10", "0.5"),
    ("claude-3-5-sonnet-20241022", "3", "15", "3.75", "6", "0.3"),
    ("claude-3-7-sonnet-20250219", "3", "15", "3.75", "6", "0.3"),
    ("claude-sonnet-4-20250514", "3", "15", "3.75", "6", "0.3"),
    ("claude-sonnet-4-5-20250929", "3", "15", "3.75", "6", "0.3"),
    ("claude-sonnet-4-6", "3", "15", "3.75", "6", "0.3"),
    ("claude-3-haiku-20240307", "0.25", "1.25", "0.3", "0.5", "0.03"),
    ("claude-3-5-haiku-20241022", "0.8", "4", "1", "1.6", "0.08"),
    ("claude-haiku-4-5-20251001", "1", "5", "1.25", "2", "0.1"),
]
KINDS = ("input", "output", "cacheWrite5m", "cacheWrite1h", "cacheRead")


@pytest.fixture(autouse=True)
def no_overrides():
    costs.configure({})
    yield
    costs.configure({})


@pytest.mark.parametrize("row", LIST, ids=lambda row: row[0])
def test_the_price_list(row):
    model, *rates = row
    for kind, rate in zip(KINDS, rates, strict=True):
        assert costs.price(model, {kind: 1000}, NOW) == Decimal(rate) / 1000, kind


def test_kinds_add_up_exactly():
    usage = {"input": 7, "output": 11, "cacheRead": 13, "cacheWrite5m": 17, "cacheWrite1h": 19}
    dollars = sum(Decimal(rate) * usage[kind] for kind, rate in zip(KINDS, LIST[2][1:], strict=True))
    assert costs.price(LIST[2][0], usage, NOW) == dollars / 10**6


@pytest.mark.parametrize(
    "name",
    [
        "us.anthropic.claude-sonnet-4-20250514-v1:0",
        "anthropic/claude-sonnet-4-20250514",
        "claude-sonnet-4@20250514",
        "claude-sonnet-4-20250514[1m]",
        " Claude-Sonnet-4-20250514 ",
    ],
)
def test_providers_names_for_a_model_are_known(name):
    assert costs.price(name, {"input": 10**6 // 10}, NOW) == Decimal("0.3")


@pytest.mark.parametrize(
    "name",
    ["", "gpt-99", "deepseek-chat", "claude-unheard-of-99", "x" * 1000, "<synthetic>", "\ud800", "a b$"],
)
def test_an_unknown_model_is_unpriced_never_free(name):
    assert costs.price(name, {"input": 5}, NOW) is None


def test_above_the_threshold_the_whole_request_costs_more():
    below = {"input": 100_000, "cacheRead": 50_000, "cacheWrite5m": 50_000, "output": 1000}
    above = below | {"input": 100_001}
    assert costs.price("claude-sonnet-4-5-20250929", below, NOW) == Decimal("0.5175")
    assert (
        costs.price("claude-sonnet-4-5-20250929", above, NOW)
        == (Decimal(6) * 100_001 + Decimal("0.6") * 50_000 + Decimal("7.5") * 50_000 + Decimal("22.5") * 1000)
        / 10**6
    )


def test_prices_are_those_of_the_day():
    long = {"input": 300_000}
    before, after = datetime(2026, 3, 12, tzinfo=UTC), datetime(2026, 3, 13, tzinfo=UTC)
    assert costs.price("claude-opus-4-6", long, before) == Decimal(3)
    assert costs.price("claude-opus-4-6", long, after) == Decimal("1.5")
    assert costs.price("claude-sonnet-4-6", long, before) == Decimal("1.8")
    assert costs.price("claude-sonnet-4-6", long, after) == Decimal("0.9")


def test_what_else_changes_a_price():
    plain = costs.price("claude-opus-4-8", {"input": 1000}, NOW)
    assert plain == Decimal("0.005")
    assert costs.price("claude-opus-4-8", {"input": 1000, "speed": "fast"}, NOW) == plain * 2
    assert costs.price("claude-opus-4-8", {"input": 1000, "tier": "batch"}, NOW) == plain / 2
    assert costs.price("claude-opus-4-8", {"input": 1000, "geo": "us"}, NOW) == plain * Decimal("1.1")
    assert costs.price("claude-opus-4-8", {"input": 1000, "speed": "standard"}, NOW) == plain
    assert costs.price("claude-opus-4-8", {"webSearches": 3}, NOW) == Decimal("0.03")


def test_a_response_without_time_has_today_s_price():
    assert costs.price("claude-opus-4-5", {"output": 1000}, None) == Decimal("0.025")


def test_the_operator_s_own_rates_come_first_and_the_longest_name_wins():
    costs.configure(
        {
            "claude-": {"input": 1, "output": 2},
            "claude-opus-4-5": {"input": "0.5", "output": 4, "cacheRead": 0},
        }
    )
    assert costs.price("claude-sonnet-4", {"input": 10**6, "cacheRead": 10**6}, NOW) == Decimal("1.1")
    assert costs.price("claude-sonnet-4", {"cacheWrite5m": 10**6, "cacheWrite1h": 10**6}, NOW) == Decimal(
        "3.25"
    )
    assert costs.price("claude-opus-4-5-20251101", {"input": 10**6, "cacheRead": 10**6}, NOW) == Decimal(
        "0.5"
    )
    costs.configure({})
    assert costs.price("claude-sonnet-4-20250514", {"input": 10**6 // 10}, NOW) == Decimal("0.3")


@pytest.mark.parametrize(
    ("bad", "told"),
    [
        ({"input": 1}, "needs input and output"),
        ({"input": 1, "output": 2, "wrong": 3}, "needs input and output"),
        ({}, "needs input and output"),
        ({"input": "x", "output": 1}, "0 or more"),
        ({"input": -1, "output": 1}, "0 or more"),
        ({"input": "NaN", "output": 1}, "0 or more"),
    ],
)
def test_rates_that_are_none_are_refused(bad, told):
    with pytest.raises(ValueError, match=told):
        costs.configure({"claude": bad})


def test_no_number_of_tokens_is_too_large():
    most = dict.fromkeys(KINDS, 10**12)
    assert costs.price("claude-3-opus-20240229", most, NOW) == Decimal(140250000)
