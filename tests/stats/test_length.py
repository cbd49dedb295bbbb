from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.stats.clusters import mean_variance
from bench.stats.feature_effect import feature_effects
from bench.stats.length import (
    balanced_agreement,
    controlled_agreement,
    length_effect,
    longer_preference,
    position_and_length,
)
from bench.stats.logit import fit_logit
from bench.types import BenchError

SIDE = {"A": 1, "B": -1}


def cr0(e):
    """The error without the factor G / (G - 1)."""
    return e.se * math.sqrt((e.n_clusters - 1) / e.n_clusters)


def simulated(n=400, love=0.0, seed=0):
    """Humans with a taste for length; a judge that follows them, and loves length beyond that."""
    rng = np.random.default_rng(seed)
    d = rng.normal(0, 300, n)
    human = np.where(rng.random(n) < 1 / (1 + np.exp(-d / 600)), 1, -1)
    odds = 1.5 * human + love * d / 300
    judge = np.where(rng.random(n) < 1 / (1 + np.exp(-odds)), 1, -1)
    return judge, human, d, rng.integers(0, n // 4, n)


def test_longer_preference_vector(vector):
    v = vector("bias.prefer_longer")
    judge, human = ([SIDE[x] for x in v.inputs[k]] for k in ("judge", "human"))
    d = np.subtract(v.inputs["lenA"], v.inputs["lenB"])
    e = longer_preference(judge, human, d, range(8), min_gap=v.inputs["min_gap"])
    v.close(e.excess.n_items, "n_eligible")
    v.close(e.judge.estimate, "judge_prefers_longer")
    v.close(e.human.estimate, "human_prefers_longer")
    v.close(e.excess.estimate, "excess")
    assert e.excess.lo < e.excess.estimate < e.excess.hi


@given(st.integers(0, 10_000))
def test_naming_the_responses_does_not_matter(seed):
    """Exchanging the responses of any pair changes nothing but the frame."""
    rng = np.random.default_rng(seed)
    judge, human, d = rng.choice([-1, 0, 1, np.nan], (3, 40))
    d *= rng.integers(1, 500, 40)
    flip, ids = rng.choice([-1, 1], 40), rng.integers(0, 15, 40)
    for f in (longer_preference, balanced_agreement):
        a, b = f(judge, human, d, ids), f(flip * judge, flip * human, flip * d, ids)
        for name in a.__slots__:
            x, y = getattr(a, name), getattr(b, name)
            np.testing.assert_allclose(
                (x.estimate, x.lo, x.hi), (y.estimate, y.lo, y.hi), atol=1e-9
            )
            assert x.status == y.status


def test_position_and_length_vector(vector):
    v = vector("bias.logit_position_length")
    rows = np.array(v.inputs["rows_item_cluster_order_human_dlen_first"])
    own, swapped = rows[rows[:, 2] > 0], rows[rows[:, 2] < 0]
    np.testing.assert_array_equal(own[:, [0, 1, 3, 4]], swapped[:, [0, 1, 3, 4]])
    _, ids, _, human, d, _ = own.T
    first, second = (2 * x[:, 5] - 1 for x in (own, swapped))
    e = position_and_length(first, second, human, d, ids)
    v.close(e.position.estimate, "alpha_position")
    v.close(e.quality.estimate, "beta_human")
    v.close(e.length.estimate, "gamma_length")
    v.close([cr0(x) for x in (e.position, e.quality, e.length)], "se_cluster_CR0")
    assert e.tradeoff.estimate == pytest.approx(e.length.estimate / e.quality.estimate)
    assert e.tradeoff.lo < e.tradeoff.estimate < e.tradeoff.hi
    # In content coordinates: what the judge says over both orders, against humans.
    judge = (first - second) / 2
    f = feature_effects(judge, human, {"length": d}, ids)["length"]
    v.close(f.judge.estimate, "judge_length_coef_content_frame")
    v.close(f.human.estimate, "human_length_coef")
    v.close(f.excess.estimate, "excess_length_coef")
    v.close(cr0(f.excess), "excess_length_se_cluster")
    v.close(f.excess.estimate / cr0(f.excess), "excess_z")
    scaled = length_effect(judge, human, d, ids)
    assert scaled.excess_ame.estimate == pytest.approx(f.excess_ame.estimate * d.std())


def test_missing_verdicts_leave_their_row_out():
    judge, human, d, ids = simulated()
    order = np.where(np.arange(400) % 2, 1, -1)
    first, swapped = judge.astype(float), -judge * order.astype(float)
    first[:3] = np.nan
    d = d.copy()
    d[9] = np.nan
    e = position_and_length(first, swapped, human, d, ids)
    assert (e.length.n_items, e.length.n_missing) == (795, 5)
    f = length_effect(first, human, d, ids)
    assert (f.judge.n_items, f.excess_ame.n_missing) == (396, 4)


def test_a_taste_that_humans_share_is_no_bias_and_one_beyond_it_is():
    fair, fond = (length_effect(*simulated(4000, love, 3)) for love in (0.0, 0.7))
    assert fair.human_ame.lo > 0
    assert fair.excess_ame.hi < 0  # a judge that errs dilutes the taste that it follows
    assert fond.excess_ame.lo > 0.03
    assert fond.excess_ame.estimate == pytest.approx(
        fond.judge_ame.estimate - fond.human_ame.estimate
    )


def test_error_of_the_excess_knows_that_both_saw_the_same_pairs():
    judge, human, d, ids = simulated(2000, 0, 5)
    e = length_effect(judge, human, d, ids)
    assert e.excess_ame.se < math.hypot(e.judge_ame.se, e.human_ame.se) * 0.9
    same = length_effect(human, human, d, ids)
    assert same.excess_ame.estimate == 0
    assert same.excess_ame.status == "degenerate"


def test_length_edge_cases():
    judge, human, d, ids = simulated()
    constant = length_effect(judge, human, np.full(400, 7.0), ids)
    assert constant.excess_ame.status == "degenerate"
    assert "constant" in constant.excess_ame.note
    few = length_effect(judge[:49], human[:49], d[:49], ids[:49])
    assert few.excess_ame.status == few.judge.status == "insufficient"
    ruler = length_effect(np.sign(d), human, d, ids)
    assert "ridge" in ruler.judge.note
    assert ruler.excess_ame.lo > 0.1
    locked = length_effect(np.ones(400), human, d, ids)
    assert locked.judge.status == locked.excess.status == "insufficient"
    assert locked.human.status == "ok"
    ties = length_effect(np.zeros(400), human, d, ids)  # quasi-binomial: half everywhere
    assert ties.judge_ame.estimate == pytest.approx(0, abs=1e-12)
    assert ties.excess_ame.hi < 0
    none = length_effect([], [], [], [])
    assert none.excess_ame.status == "insufficient"
    with pytest.raises(BenchError, match=r"judge\[0\] is 2"):
        length_effect([2], [1], [3], [1])
    with pytest.raises(BenchError, match="judge verdict 1, human verdict 2"):
        length_effect([1], [1, 1], [3], [1])


def test_balanced_agreement_vector(vector):
    v = vector("bias.length_balanced_agreement")
    longer, shorter = v.inputs["longer_preferred"], v.inputs["shorter_preferred"]
    right = np.concatenate([np.arange(x["n"]) < x["agree"] for x in (longer, shorter)])
    d = np.repeat([50, -50], [longer["n"], shorter["n"]])
    e = balanced_agreement(np.where(right, 1, -1), np.ones(100), d, range(100))
    v.close(right.mean(), "raw")
    v.close(e.longer.estimate, "agree_longer")
    v.close(e.shorter.estimate, "agree_shorter")
    v.close(e.balanced.estimate, "length_balanced")
    v.close(e.gap.estimate, "alignment_gap")
    # CR1 of each group of single rows is n / (n - 1) times the binomial variance.
    uncorrected = math.hypot(e.longer.se * math.sqrt(69 / 70), e.shorter.se * math.sqrt(29 / 30))
    v.close(uncorrected, "gap_se_iid")
    assert e.gap.se == pytest.approx(v.expected["gap_se_iid"], rel=0.02)
    assert e.gap.lo < e.gap.estimate < e.gap.hi


def test_balanced_agreement_edge_cases():
    # A judge's tie counts half; humans' ties and equal lengths are out, missing are counted.
    e = balanced_agreement([0, 1, 1, None, 1], [1, -1, 0, 1, 1], [5, -5, 5, 5, 0], range(5))
    assert (e.longer.estimate, e.longer.n_items) == (0.25, 2)
    assert e.gap.n_missing == 1
    only = balanced_agreement([1] * 5, [1] * 5, [9] * 5, range(5))
    assert only.gap.status == only.balanced.status == "insufficient"
    ruler = balanced_agreement(np.resize([1, -1], 80), np.resize([1, 1, -1, -1], 80),
                               np.resize([7, -7], 80), range(80))  # fmt: skip
    assert (ruler.gap.estimate, ruler.balanced.estimate) == (1, 0.5)


def test_controlled_agreement_is_the_fit_at_length_0():
    judge, human, d, ids = simulated(600, 0.8, 7)
    e = controlled_agreement(judge, human, d, ids)
    right, longer = (judge == human).astype(float), human * d
    x = np.tanh(longer / math.sqrt(np.mean(longer**2)))
    fit = fit_logit({"x": x}, right, ids)
    alpha = fit.coefficient("intercept").estimate("")
    assert e.estimate == pytest.approx(1 / (1 + math.exp(-alpha.estimate)))
    # Delta method on the intercept.
    assert e.se == pytest.approx(e.estimate * (1 - e.estimate) * alpha.se)
    # The error counts that the coefficients are estimated: that of the raw mean is smaller.
    assert e.se > math.sqrt(mean_variance(right, fit.groups))
    assert e.lo < e.estimate < e.hi


def test_controlled_agreement_with_domains():
    judge, human, d, ids = simulated(900, 0.8, 8)
    domains = np.resize(["code", "chat", "math"], 900)
    e = controlled_agreement(judge, human, d, ids, domains=domains)
    assert e.estimate == pytest.approx(
        controlled_agreement(judge, human, d, ids).estimate, abs=0.01
    )
    hard = domains == "math"
    worse = controlled_agreement(np.where(hard, -human, judge), human, d, ids, domains=domains)
    assert worse.estimate < e.estimate - 0.2
    assert "ridge" in worse.note
    with pytest.raises(BenchError, match="2 domains for 900 pairs"):
        controlled_agreement(judge, human, d, ids, domains=["a", "b"])


def test_controlled_agreement_covers_a_refit_bootstrap():
    """The error of the influence function is that of refitting on resampled prompts."""
    judge, human, d, ids = simulated(400, 0.8, 9)
    e = controlled_agreement(judge, human, d, ids)
    rng, draws = np.random.default_rng(1), []
    members = [np.flatnonzero(ids == i) for i in np.unique(ids)]
    for _ in range(300):
        rows = np.concatenate([members[i] for i in rng.integers(0, len(members), len(members))])
        fitted = controlled_agreement(judge[rows], human[rows], d[rows], range(rows.size))
        draws.append(fitted.estimate)
    assert e.se == pytest.approx(np.std(draws), rel=0.15)


def test_controlled_agreement_edge_cases():
    judge, human, d, ids = simulated()
    assert controlled_agreement([], [], [], []).status == "insufficient"
    assert controlled_agreement(human, human, d, ids).status == "insufficient"  # no error to fit
    flat = controlled_agreement(judge, human, np.zeros(400), ids)
    assert flat.estimate == pytest.approx(np.mean(judge == human))
    assert "constant" in flat.note
    some = np.where(np.arange(400) < 5, np.nan, judge)
    assert controlled_agreement(some, human, d, ids).n_missing == 5
