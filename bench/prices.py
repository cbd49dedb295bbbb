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


def with_cost(usage: Usage, price: Price | None) -> Usage:
    """`usage` with its cost in US dollars. Stays unknown without a price or without both token
    counts: a missing count is never a zero. Reasoning tokens are part of the completion."""
    prompt, completion = usage.prompt_tokens, usage.completion_tokens
    if usage.cost_usd is not None or price is None or prompt is None or completion is None:
        return usage
    cached = min(usage.cached_tokens or 0, prompt)  # some servers count otherwise
    per_input, per_cached, per_output = price
    cost = (prompt - cached) * per_input + cached * per_cached + completion * per_output
    return replace(usage, cost_usd=cost / 1e6)
