"""What a verdict costs: raw token counts times dated list prices (`prices.yaml`)."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from importlib.resources import files
from typing import Any

import yaml

from bench.types import JudgeCard, Usage

Price = tuple[float, float, float]


@cache
def _table() -> dict[str, Any]:
    text = files("bench").joinpath("prices.yaml").read_text(encoding="utf-8")
    table: dict[str, Any] = yaml.safe_load(text)
    return table


def price_date() -> str:
    """The day of the list prices, YYYY-MM-DD."""
    return str(_table()["date"])


def priced(card: JudgeCard) -> JudgeCard:
    """The card with the list price of its model, if it names none itself and one is known."""
    price = _table()["prices"].get(card.model)
    if card.usd_per_mtok is not None or price is None:
        return card
    per_input, per_cached, per_output = map(float, price)
    return replace(card, usd_per_mtok=(per_input, per_cached, per_output))


def with_cost(usage: Usage, card: JudgeCard) -> Usage:
    """`usage` with its cost in US dollars, by the card's price of tokens, or of the machine's time.
    Stays unknown without a price or without what it is a price of: a missing count is never a zero.
    Reasoning tokens are part of the completion."""
    price, hour = card.usd_per_mtok, card.usd_per_hour
    if usage.cost_usd is not None:
        return usage
    if price is None and hour is not None and usage.latency_s is not None:
        return replace(usage, cost_usd=hour * usage.latency_s / 3600)
    prompt, completion = usage.prompt_tokens, usage.completion_tokens
    if price is None or prompt is None or completion is None:
        return usage
    cached = min(usage.cached_tokens or 0, prompt)  # some servers count otherwise
    per_input, per_cached, per_output = price
    cost = (prompt - cached) * per_input + cached * per_cached + completion * per_output
    return replace(usage, cost_usd=card.price_share * cost / 1e6)
