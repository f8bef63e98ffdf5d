"""What one API response cost, in US dollars, as ``Decimal``; an unknown model is unpriced, never 0.

Rates come from the genai-prices package (dated, retired models included) under the operator's
overrides. The whole request is charged at the higher rate once its input (fresh, written to and read
from the cache together) passes a model's threshold, as Anthropic's price list says.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from importlib import metadata
from typing import Any

from archive import money

# Factors as (numerator, denominator) of what is charged.
FACTORS = {("speed", "fast"): (2, 1), ("tier", "batch"): (1, 2), ("geo", "us"): (11, 10)}
PRICE_VERSION = f"genai-prices {metadata.version('genai-prices')}"
SYNTHETIC_MODEL = "<synthetic>"

# Our token kinds -> the attribute of a genai-prices rate table.
RATE_NAMES = {
    "input": "input_mtok",
    "output": "output_mtok",
    "cacheRead": "cache_read_mtok",
    "cacheWrite5m": "cache_write_mtok",
    "cacheWrite1h": "cache_write_1h_mtok",
}
INPUT_KINDS = ("input", "cacheRead", "cacheWrite5m", "cacheWrite1h")
WEB_SEARCHES_PER_RATE = 1000


@dataclass(frozen=True, slots=True)
class Rate:
    """Picodollars a token, and the other ones for requests above a threshold of input tokens."""

    base: int
    tiers: tuple[tuple[int, int], ...] = ()

    def at(self, total_input: int) -> int:
        price = self.base
        for start, tier_price in self.tiers:
            if total_input > start:
                price = tier_price
        return price


@dataclass(frozen=True, slots=True)
class Rates:
    """A model's rates by kind of token, and the picodollars of a web search."""

    by_kind: tuple[tuple[str, Rate], ...]
    web_search: int


# 1 USD for a million tokens is a million picodollars for one.
PICODOLLARS_PER_TOKEN = 1_000_000


_overrides: dict[str, dict[str, Decimal]] = {}


def configure(overrides: Mapping[str, Mapping[str, Any]]) -> None:
    """Set the operator's own rates, ``{model prefix: {"input": 3, "output": 15}}`` in USD per million tokens.

    Kinds are ``input``, ``output``, ``cacheRead``, ``cacheWrite5m``, ``cacheWrite1h``; missing cache kinds
    follow Anthropic's rule (0.1, 1.25 and 2 times the input rate). Raises ``ValueError`` for anything else.
    """
    checked = {model: _checked(model, rates) for model, rates in overrides.items()}
    _overrides.clear()
    _overrides.update(checked)
    _rates_on.cache_clear()


def _checked(model: str, rates: Mapping[str, Any]) -> dict[str, Decimal]:
    unknown = set(rates) - set(RATE_NAMES)
    if unknown or not {"input", "output"} <= set(rates):
        raise ValueError(
            f"Price override of {model!r} needs input and output, and knows only {sorted(RATE_NAMES)}."
        )
    try:
        checked = {kind: Decimal(str(value)) for kind, value in rates.items()}
    except InvalidOperation:
        checked = {}
    if not checked or not all(value.is_finite() and value >= 0 for value in checked.values()):
        raise ValueError(f"Price override of {model!r}: rates are numbers of US dollars, 0 or more.")
    return checked


def price(model: str, usage: Mapping[str, Any], at: datetime | None) -> Decimal | None:
    """The cost of one response in US dollars, or None where no rate is known for ``model``.

    ``usage`` counts tokens under the kinds above, ``webSearches``, and names ``speed``, ``tier``, ``geo``
    where they change the price; ``at`` is the time of the request (None: today's rates).
    """
    cost = picodollars(model, usage, at)
    return None if cost is None else money.to_decimal(cost)


def picodollars(model: str, usage: Mapping[str, Any], at: datetime | None) -> int | None:
    """``price`` in picodollars."""
    rates = rates_of(bare_model(model), at.date() if at else None)
    if rates is None:
        return None
    total_input = sum(usage.get(kind, 0) for kind in INPUT_KINDS)
    cost: int = 0
    for kind, rate in rates.by_kind:
        cost += (rate.at(total_input) if rate.tiers else rate.base) * usage.get(kind, 0)
    for (name, value), (numerator, denominator) in FACTORS.items():
        if usage.get(name) == value:
            cost = cost * numerator // denominator
    searches: int = usage.get("webSearches", 0)
    return cost + rates.web_search * searches


_DECORATIONS = re.compile(r"^(?:[a-z]{2,6}\.)?(?:anthropic[./])|\[1m\]$|-fast$|-v\d+(?::\d+)?$|@\d+$")


@lru_cache(maxsize=4096)
def bare_model(model: str) -> str:
    """The model's own name, without what providers put around it.

    >>> bare_model("us.anthropic.claude-sonnet-4-20250514-v1:0")
    'claude-sonnet-4-20250514'
    >>> bare_model("claude-opus-4-1-20250805[1m]")
    'claude-opus-4-1-20250805'
    """
    return _DECORATIONS.sub("", model.strip().lower())


def warm() -> None:
    """Load the price table now and not in the middle of the first transaction. Idempotent."""
    _is_dated("claude-sonnet-4-20250514")


def rates_of(model: str, day: date | None) -> Rates | None:
    """The rates of ``model`` on ``day``: the longest override that fits, else the price table's."""
    return _rates_on(model, day if _is_dated(model) else None)


@lru_cache(maxsize=4096)
def _rates_on(model: str, day: date | None) -> Rates | None:
    fitting = [prefix for prefix in _overrides if model.startswith(prefix)]
    if fitting:
        return _override_rates(_overrides[max(fitting, key=len)])
    found = _look_up(model, day)
    return None if found is None else _table_rates(found.model_price)


@lru_cache(maxsize=4096)
def _is_dated(model: str) -> bool:
    """Whether the price table has several prices for the model, by date."""
    found = _look_up(model, None)
    return found is not None and isinstance(found.model.prices, list)


def _look_up(model: str, day: date | None) -> Any | None:
    # Imported on first use: ten megabytes that a web process never needs.
    import genai_prices

    try:
        return genai_prices.calc_price(
            genai_prices.Usage(input_tokens=0, output_tokens=0),
            model_ref=model,
            provider_id="anthropic",
            genai_request_timestamp=datetime.combine(day, time(12), UTC) if day else None,
        )
    except LookupError:
        return None


def _override_rates(given: Mapping[str, Decimal]) -> Rates:
    fresh = given["input"]
    defaults = {
        "cacheRead": fresh / 10,
        "cacheWrite5m": fresh * Decimal("1.25"),
        "cacheWrite1h": fresh * 2,
    }
    by_kind = {**defaults, **given}
    return Rates(tuple((kind, Rate(_per_token(usd))) for kind, usd in by_kind.items()), _per_search(10))


def _table_rates(table: Any) -> Rates:
    # A table without a rate of its own for one kind of cache charges it like the fresh input.
    fresh = _rate(table.input_mtok) or Rate(0)
    by_kind = tuple((kind, _rate(getattr(table, name)) or fresh) for kind, name in RATE_NAMES.items())
    return Rates(by_kind, _per_search(table.web_searches_kcount or 0))


def _per_search(usd_per_thousand: Decimal | int) -> int:
    return money.from_dollars(Decimal(usd_per_thousand)) // WEB_SEARCHES_PER_RATE


def _per_token(usd_per_million: Decimal) -> int:
    return int(usd_per_million * PICODOLLARS_PER_TOKEN)


def _rate(value: Any) -> Rate | None:
    if value is None:
        return None
    if hasattr(value, "tiers"):
        tiers = tuple((tier.start, _per_token(tier.price)) for tier in value.tiers)
        return Rate(_per_token(value.base), tiers)
    return Rate(_per_token(Decimal(value)))
