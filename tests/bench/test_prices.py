from __future__ import annotations

from dataclasses import replace

import pytest

from bench.prices import price_date, priced, with_cost
from bench.types import JudgeCard, Usage

PRICE = (2.0, 0.5, 10.0)
CARD = JudgeCard("j", "prompted", ("pairwise",), usd_per_mtok=PRICE)


def test_cached_input_has_its_own_price() -> None:
    usage = Usage(prompt_tokens=1000, cached_tokens=400, completion_tokens=50, reasoning_tokens=30)
    cost = with_cost(usage, CARD).cost_usd
    assert cost == pytest.approx((600 * 2.0 + 400 * 0.5 + 50 * 10.0) / 1e6)
    assert with_cost(usage, replace(CARD, price_share=0.5)).cost_usd == pytest.approx(cost / 2)


def test_a_machine_is_paid_by_the_hour() -> None:
    card = replace(CARD, usd_per_mtok=None, usd_per_hour=3.6)
    assert with_cost(Usage(latency_s=2.0), card).cost_usd == pytest.approx(0.002)
    assert with_cost(Usage(prompt_tokens=5), card).cost_usd is None
    assert with_cost(Usage(latency_s=2.0, cost_usd=1.0), card).cost_usd == 1.0


@pytest.mark.parametrize("usage", [Usage(), Usage(prompt_tokens=5), Usage(completion_tokens=5)])
def test_a_missing_count_is_never_free(usage: Usage) -> None:
    assert with_cost(usage, CARD).cost_usd is None


def test_list_prices_go_by_the_whole_model_name() -> None:
    card = JudgeCard("j", "prompted", ("pairwise",), model="openai/gpt-5.2")
    assert priced(card).usd_per_mtok == (1.75, 1.75, 14.0)
    own = JudgeCard("j", "prompted", ("pairwise",), model="openai/gpt-5.2", usd_per_mtok=PRICE)
    assert priced(own).usd_per_mtok == PRICE
    assert priced(JudgeCard("j", "probe", ("pointwise",), model="gpt-5.2")).usd_per_mtok is None
    assert len(price_date()) == 10
