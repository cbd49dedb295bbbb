"""Reliability, risk against coverage, and break-even volume: planted numbers are found."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from bench.ledger import Ledger
from bench.plan import Plan, trials
from bench.types import Item, JudgeCard, verdict
from reports.break_even import FIXED_USD, break_even_table
from reports.tables import build

CARD = JudgeCard("judge", "k", ("pairwise",), settings={"x": 1})


def tables(
    folder: Path, items: list[Item], said: Callable[[int], tuple[bool, float]]
) -> dict[str, pd.DataFrame]:
    """Of one judge: said(item number) -> whether it is right, and how sure."""
    with Ledger(folder / "ledger.sqlite", write=True) as ledger:
        ledger.write_plan(Plan((CARD.name,), ("made",)), items, [CARD])
        made = []
        for i, trial in trials(items, CARD):
            right, sure = said(i)
            shown = [float((k == 0) == right) for k in trial.order]
            made.append(verdict(trial, shown, confidence=sure))
        ledger.append(made)
        return build(ledger)


def test_one_confidence_is_one_bin_and_one_point(tmp_path: Path, make_item) -> None:
    made = tables(tmp_path, [make_item(n) for n in range(40)], lambda n: (n % 10 < 7, 0.9))
    row = made["reliability"].iloc[0]
    assert len(made["reliability"]) == len(made["risk_coverage"]) == 1
    assert (row.n_items, row.confidence) == (40, pytest.approx(0.9))
    assert row.correct == pytest.approx(0.7)
    assert row.correct_lo < 0.7 < row.correct_hi
    assert row.band_lo < 0.9 < row.band_hi
    point = made["risk_coverage"].iloc[0]
    assert (point.coverage, point.threshold) == (1, pytest.approx(0.9))
    assert (point.risk, point.random) == pytest.approx((0.3, 0.3))


def test_errors_among_the_doubtful_are_left_behind(tmp_path: Path, make_item) -> None:
    """Sure and right of twenty; in doubt, and right of half, of twenty others."""
    items = [make_item(n) for n in range(40)]
    made = tables(tmp_path, items, lambda n: (n < 20 or n % 2 == 0, 0.95 if n < 20 else 0.6))
    table = made["risk_coverage"]
    assert table.coverage.tolist() == [0.5, 1]
    assert table.threshold.tolist() == pytest.approx([0.95, 0.6])
    assert table.risk.tolist() == pytest.approx([0, 0.25])
    assert (table.random == 0.25).all()
    assert table.n_items.tolist() == [20, 40]
    area = made["calibration"].set_index("scope").loc["pooled"].aurc
    assert 0 < area < 0.25, "it is below what a confidence that says nothing has"


def card(name: str, *, trained: bool) -> JudgeCard:
    return JudgeCard(name, "probe" if trained else "prompted", ("pairwise",), trained=trained)


def prices(**usd: float) -> pd.DataFrame:
    """Rows of the table `cost`, each price known to a tenth."""
    rows = [
        {
            "judge": judge,
            "judgments": 100,
            "n_prompts": 50,
            "usd_per_1000": value,
            "usd_per_1000_lo": 0.9 * value,
            "usd_per_1000_hi": 1.1 * value,
        }
        for judge, value in usd.items()
    ]
    return pd.DataFrame(rows)


def test_a_volume_is_what_was_spent_over_what_is_saved() -> None:
    cards = [card("small", trained=True), card("large", trained=False), card("dear", trained=True)]
    cards.append(card("unpriced", trained=False))
    table = break_even_table(cards, prices(small=1, large=3, dear=4, unpriced=math.nan))
    assert list(zip(table.small, table.large, strict=True)) == [
        ("small", "large"),
        ("dear", "large"),
    ]
    row, never = table.iloc[0], table.iloc[1]
    assert row.saving == 2
    assert row.volume == FIXED_USD / 2 * 1000
    half = math.hypot(0.3, 0.1)  # of the saving's interval
    assert row.volume_lo == pytest.approx(FIXED_USD / (2 + half) * 1000)
    assert row.volume_hi == pytest.approx(FIXED_USD / (2 - half) * 1000)
    assert math.isinf(never.volume) and never.volume_status == "out_of_range"
