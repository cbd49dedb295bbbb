"""The curve of a cascade, from the ledger alone, against a computation by hand."""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from bench.ledger import Ledger
from bench.plan import Plan, trials
from bench.types import Item, JudgeCard, Message, Status, Trial, Verdict, failure, verdict
from reports.cascade import NO_VERDICT, cascade_table, margins_of
from reports.cascade_view import show_cascade
from reports.study import Study

Says = Callable[[int, Trial], Sequence[float] | Status]


def card(name: str, **more: Any) -> JudgeCard:
    return JudgeCard(
        name, "made", more.pop("protocols", ("pairwise",)), settings={"n": name}, **more
    )


def ledger_of(
    folder: Path, items: Sequence[Item], judges: dict[str, tuple[JudgeCard, Says]]
) -> Path:
    path = folder / "ledger.sqlite"
    with Ledger(path, write=True) as ledger:
        cards = [judge for judge, _ in judges.values()]
        ledger.write_plan(Plan(tuple(judges), ("made",)), items, cards)
        for judge, says in judges.values():
            ledger.append(_verdict(t, says(i, t)) for i, t in trials(items, judge))
    return path


def _verdict(trial: Trial, said: Sequence[float] | Status) -> Verdict:
    return failure(trial, said) if isinstance(said, Status) else verdict(trial, said)


N = 300


@pytest.fixture
def items(make_item) -> list[Item]:
    """Pairs, two to a prompt, in two domains; response 0 is right."""
    return [
        make_item(i, domain=f"domain {i // 2 % 2}", prompt=(Message("user", f"question {i // 2}"),))
        for i in range(N)
    ]


def sure_when_right(draw: np.random.Generator) -> Says:
    """Right on most items, with a margin that tells."""
    right = draw.random(N) < 0.7
    size = np.where(right, draw.exponential(2, N), draw.exponential(0.5, N)) * np.where(
        right, 1, -1
    )
    noise = draw.normal(0, 0.1, (N, 2))
    fails = draw.random(N) < 0.05

    def says(i: int, trial: Trial) -> Sequence[float] | Status:
        if fails[i] and trial.order == (1, 0):
            return Status.UNPARSED
        return [(size[i] + noise[i, trial.order[0]]) * (k == 0) for k in trial.order]

    return says


def steady(draw: np.random.Generator, skill: float) -> Says:
    right = draw.random(N) < skill
    return lambda i, trial: [float((k == 0) == right[i]) for k in trial.order]


def test_the_curve_is_what_comes_out_by_hand(tmp_path, items) -> None:
    draw = np.random.default_rng(0)
    says = sure_when_right(draw)
    judges = {"s": (card("s"), says), "l": (card("l", paid=True), steady(draw, 0.8))}
    with Ledger(ledger_of(tmp_path, items, judges)) as ledger:
        study = Study.of(ledger)
        table = cascade_table(ledger, study, "s", "l", {"s": 1.0, "l": 20.0})
    margins = np.empty(N)
    for i, item in enumerate(items):
        rows = [says(i, Trial("", item, o, "pairwise", 0, 0)) for o in ((0, 1), (1, 0))]
        if Status.UNPARSED in rows:
            margins[i] = NO_VERDICT
        else:
            margins[i] = abs((rows[0][0] - rows[0][1] + rows[1][1] - rows[1][0]) / 2)
    s, l_ = study.scores["s"], study.scores["l"]
    assert set(table.scope) == {"pooled", "domain"}
    for group, rows in table.groupby("group"):
        here = np.array([group in ("micro", item.domain) for item in items])
        assert (rows.n_items == here.sum()).all()
        for row in rows.itertuples():
            handed = here & (margins < row.threshold)
            assert row.deferral == pytest.approx(handed.sum() / here.sum())
            assert row.accuracy == pytest.approx(np.where(handed, l_, s)[here].mean())
            assert row.accuracy_lo < row.accuracy < row.accuracy_hi
            assert row.usd_per_1000_items == pytest.approx(1 + 20 * row.deferral)
            gains = np.sort((l_ - s)[here])[::-1]
            best = s[here].mean() + gains[: handed.sum()].sum() / here.sum()
            assert row.oracle == pytest.approx(best)
            between = s[here].mean() + row.deferral * (l_ - s)[here].mean()
            assert row.random == pytest.approx(between)
    whole = table[table.scope == "pooled"]
    assert whole.deferral.round(2).tolist() == [0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1]
    assert whole.accuracy.iloc[0] == pytest.approx(s.mean()), "the small judge alone"
    assert whole.accuracy.iloc[-1] == pytest.approx(l_.mean()), "the large judge alone"
    assert whole.accuracy.max() > l_.mean(), "each knows what the other does not"
    assert whole.gain_lo.iloc[0] > 0, "the margin finds what to hand over"
    assert whole.gain.iloc[0] < whole.oracle_gain.iloc[0]
    assert (whole.note == "").all()
    printed = io.StringIO()
    show_cascade(table, Console(file=printed, width=120))
    first = printed.getvalue().splitlines()[3]
    assert first.split()[0] == "0%" and f"{s.mean():.3f} [" in first
    assert len(printed.getvalue().splitlines()) == 3 + 11


def test_a_margin_that_says_nothing_gains_nothing(tmp_path, items) -> None:
    draw = np.random.default_rng(1)
    right, size = draw.random(N) < 0.7, draw.exponential(1, N)
    judges: dict[str, tuple[JudgeCard, Says]] = {
        "s": (card("s"), lambda i, t: [size[i] * ((k == 0) == right[i]) for k in t.order]),
        "l": (card("l"), steady(draw, 0.9)),
    }
    with Ledger(ledger_of(tmp_path, items, judges)) as ledger:
        table = cascade_table(ledger, Study.of(ledger), "s", "l", {})
    row = table[table.scope == "pooled"].iloc[0]
    assert row.gain_lo < 0 < row.gain_hi


def test_costs_that_are_not_known(tmp_path, items) -> None:
    draw = np.random.default_rng(2)
    judges = {"s": (card("s"), steady(draw, 0.7)), "l": (card("l", paid=True), steady(draw, 0.9))}
    with Ledger(ledger_of(tmp_path, items, judges)) as ledger:
        study = Study.of(ledger)
        local = cascade_table(ledger, study, "s", "l", {"l": 20.0})
        unknown = cascade_table(ledger, study, "s", "l", {"s": 1.0, "l": math.nan})
        neither = cascade_table(ledger, study, "s", "l", {})
    assert local.usd_per_1000_items.max() == 20
    assert set(local.note) == {"the cost of s is not known"}
    assert unknown.usd_per_1000_items.isna().all()
    assert set(unknown.note) == {"the cost of l is not known"}
    assert neither.usd_per_1000_items.isna().all()
    whole = local[local.scope == "pooled"]
    assert whole.deferral.tolist() == [0, 1], "one margin for all: nothing between the ends"


def test_margins_of_every_kind_of_showing(tmp_path, make_item) -> None:
    items = [make_item(i, n=3) for i in range(4)]
    point = card("point", protocols=("pointwise",), order_free=True)
    lists = card("lists", protocols=("listwise",), samples=2)

    def listed(i: int, t: Trial) -> Sequence[float] | Status:
        if i == 0:  # one of two samples fails: the other counts
            return Status.UNPARSED if t.repeat == 0 else [float(k == 1) for k in t.order]
        if i == 1 and t.order == (0, 1, 2):
            return Status.UNPARSED
        if i == 2:
            return Status.ERROR if t.order == (2, 1, 0) else [1.0, 0.0, 0.0]
        return [4.0 * (slot == 0) for slot in range(3)]  # all orders: all alike

    judges: dict[str, tuple[JudgeCard, Says]] = {
        "point": (
            point,
            lambda i, t: Status.REFUSED if i == 3 and t.order == (2,) else [t.order[0] ** 2.0 * i],
        ),
        "lists": (lists, listed),
    }
    with Ledger(ledger_of(tmp_path, items, judges)) as ledger:
        assert margins_of(ledger, point, 4).tolist() == [0, 3, 6, NO_VERDICT]
        found = margins_of(ledger, lists, 4)
    assert found[:2].tolist() == [1, NO_VERDICT]
    assert math.isnan(found[2])
    assert found[3] == pytest.approx(0)


def test_only_items_that_both_have_a_score_for_count(tmp_path, items) -> None:
    draw = np.random.default_rng(3)
    large = steady(draw, 0.9)
    judges: dict[str, tuple[JudgeCard, Says]] = {
        "s": (card("s"), sure_when_right(draw)),
        "l": (card("l"), lambda i, t: Status.ERROR if i % 3 == 0 else large(i, t)),
    }
    with Ledger(ledger_of(tmp_path, items, judges)) as ledger:
        table = cascade_table(ledger, Study.of(ledger), "s", "l", {})
    assert set(table[table.scope == "pooled"].n_items) == {200}
