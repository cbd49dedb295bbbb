from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.stats.ppi import Share, ppi_weight, prediction_powered, rogan_gladen
from bench.types import BenchError


def counted(inputs):
    """Labels, verdicts on them, other verdicts from the counts of a vector."""
    n11, n10, n01, n00 = (
        inputs[k] for k in ("n11_human1_judge1", "n10_human1_judge0", "n01_human0_judge1", "n00")
    )
    y = np.repeat([1.0, 1, 0, 0], [n11, n10, n01, n00])
    f = np.repeat([1.0, 0, 1, 0], [n11, n10, n01, n00])
    return y, f, (np.arange(inputs["unlabeled_n"]) < inputs["unlabeled_judge_ones"]).astype(float)


def powered(y, f, u, clusters=None, others=None, **options):
    first = np.arange(len(y)) if clusters is None else clusters
    second = 10_000_000 + np.arange(len(u)) if others is None else others
    return prediction_powered(y, f, u, first, second, **options)


def sample(rng, n, n_other, rate=0.6, hit=0.9, g=None):
    """Rows of a population whose mean is `rate`; `g` prompts if not one each."""
    total = n + n_other
    ids = np.arange(total) if g is None else np.arange(total) % g
    skill = rng.beta(6 * rate, 6 * (1 - rate), ids.max() + 1)[ids]
    y = (rng.random(total) < skill).astype(float)
    f = np.where(rng.random(total) < hit, y, 1 - y)
    return y[:n], f[:n], f[n:], ids[:n], ids[n:]


def test_ppi_vector(vector):
    v = vector("ppi.winrate")
    y, f, u = counted(v.inputs)
    c = powered(y, f, u)
    v.close(c.human.estimate, "classical_mean")
    v.close(c.human.se, "classical_se")
    v.close(c.judge.estimate, "judge_only_mean")  # here of all verdicts, within the tolerance
    v.close(ppi_weight(y, f, u), "lambda_opt")
    v.close(c.corrected.estimate, "ppi_pp")
    v.close(c.corrected.estimate, "ppi_py_point")
    v.close(c.corrected.se, "ppi_pp_se")
    v.close((c.corrected.lo, c.corrected.hi), "ppi_pp_ci95")
    v.close((c.corrected.lo, c.corrected.hi), "ppi_py_ci95")
    assert c.n_ratio == pytest.approx(v.expected["effective_n_ratio"], rel=0.02)
    assert c.bias.estimate == pytest.approx((9 - 5) / 150)


def test_rogan_gladen_vector(vector):
    v = vector("ppi.winrate")
    _, _, u = counted(v.inputs)
    hit, miss = Share(79, 84), Share(57, 66)
    v.close(hit.value, "sensitivity")
    v.close(miss.value, "specificity")
    r = rogan_gladen(Share(u.sum(), u.size), hit, miss)
    v.close(r.apparent, "judge_only_mean")
    for key, value in {
        "rogan_gladen": r.delta.estimate,
        "rogan_gladen_se_delta": r.delta.se,
        "rogan_gladen_ci95_delta": (r.delta.lo, r.delta.hi),
        "lang_reiczigel_point": r.adjusted.estimate,
        "lang_reiczigel_ci95": (r.adjusted.lo, r.adjusted.hi),
    }.items():
        np.testing.assert_allclose(value, v.expected[key], atol=1e-8, err_msg=key)


def test_rogan_gladen_edge_vector(vector):
    v = vector("ppi.rg_degenerate")
    results = [rogan_gladen(*(Share(100 * p, 100) for p in case)) for case in v.inputs["cases"]]
    none, below, above = results
    for e in (none.delta, none.adjusted):
        assert math.isnan(e.estimate) and e.status == "out_of_range"
    assert none.apparent == 0.6
    v.close(below.delta.estimate, "apparent .3 sens .9 spec .6", "clipped")
    assert below.delta.status == v.expected["apparent .3 sens .9 spec .6"]["flag"]
    assert "-0.2 before" in below.delta.note
    v.close(above.delta.estimate, "apparent .95 sens .9 spec .9", "clipped")
    assert above.delta.status == "out_of_range" and "1.06 before" in above.delta.note


@given(st.tuples(*[st.floats(0.01, 0.99)] * 3), st.integers(5, 500))
def test_rogan_gladen_properties(shares, n):
    p, hit, miss = (Share(x * n, n) for x in shares)
    r = rogan_gladen(p, hit, miss)
    if hit.value + miss.value <= 1:
        assert math.isnan(r.delta.estimate)
        return
    for e in (r.delta, r.adjusted):
        assert 0 <= e.lo <= e.estimate <= e.hi <= 1
    if r.delta.status != "out_of_range":
        back = r.delta.estimate * hit.value + (1 - r.delta.estimate) * (1 - miss.value)
        assert back == pytest.approx(p.value)
    # Calling a win a loss turns everything round.
    other = rogan_gladen(Share(n - p.hits, n), miss, hit)
    for a, b in ((r.delta, other.delta), (r.adjusted, other.adjusted)):
        np.testing.assert_allclose((a.estimate, a.lo), (1 - b.estimate, 1 - b.hi), atol=1e-9)


@pytest.mark.parametrize("hits", [(10, 10, 10), (0, 8, 10), (10, 10, 8)])
def test_shares_that_do_not_vary_leave_the_delta_method_no_error(hits):
    r = rogan_gladen(*(Share(h, 10) for h in hits))
    assert r.delta.status == "degenerate" and r.delta.estimate == pytest.approx(hits[0] / 10)
    assert math.isnan(r.delta.lo) and math.isnan(r.delta.se)
    assert r.adjusted.lo < r.adjusted.hi and r.adjusted.se > 0


def test_lang_reiczigel_holds_its_level_with_few_calibration_items():
    rng, hits, runs = np.random.default_rng(1), 0, 2000
    for _ in range(runs):
        wins = Share(rng.binomial(500, 0.3 * 0.85 + 0.7 * 0.15), 500)
        e = rogan_gladen(wins, Share(rng.binomial(25, 0.85), 25), Share(rng.binomial(25, 0.85), 25))
        hits += e.adjusted.lo <= 0.3 <= e.adjusted.hi
    assert hits / runs >= 0.94


def test_weight_is_that_of_least_error():
    y, f, u, *_ = sample(np.random.default_rng(2), 300, 900)
    best = ppi_weight(y, f, u)

    def variance(w):
        every = np.concatenate([f, u])
        return (
            w**2 * every.var() / u.size
            + (y.var() - 2 * w * np.cov(y, f, ddof=0)[0, 1] + w**2 * every.var()) / y.size
        )

    assert 0.3 < best < 0.9
    assert variance(best) < min(variance(best - 0.01), variance(best + 0.01))
    assert ppi_weight(y, 1 - f, 1 - u) == 0  # a judge that is wrong is not used
    assert ppi_weight(y, np.ones(300), np.ones(900)) == 0


def test_many_labels_take_one_weight_and_few_are_cross_fitted():
    rng = np.random.default_rng(3)
    y, f, u, ids, others = sample(rng, 250, 800)
    c = powered(y, f, u, ids, others)
    w = ppi_weight(y, f, u)
    assert c.weight == w
    assert c.corrected.estimate == pytest.approx(y.mean() + w * (u.mean() - f.mean()))
    few = powered(y[:100], f[:100], u, ids[:100], others)
    assert few.weight != ppi_weight(y[:100], f[:100], u)
    assert few.weight == pytest.approx(ppi_weight(y[:100], f[:100], u), abs=0.05)


@pytest.mark.parametrize(("n", "g"), [(40, None), (60, None), (300, 120)])
def test_coverage_and_unbiasedness(n, g):
    rng = np.random.default_rng(n)
    found = [powered(*sample(rng, n, 900, g=g)) for _ in range(800)]
    values = np.array([c.corrected.estimate for c in found])
    assert abs(values.mean() - 0.6) < 4 * values.std() / math.sqrt(800)
    assert np.mean([c.corrected.lo <= 0.6 <= c.corrected.hi for c in found]) >= 0.93
    assert np.mean([c.corrected.se for c in found]) == pytest.approx(values.std(), rel=0.1)
    assert values.std() < np.std([c.human.estimate for c in found])


def test_useless_judge_leaves_the_human_mean():
    rng = np.random.default_rng(5)
    y, _, u, ids, others = sample(rng, 100, 500)
    c = powered(y, np.ones(100), np.ones(500), ids, others)
    assert c.weight == 0 and c.corrected.estimate == pytest.approx(c.human.estimate)
    assert c.n_ratio == pytest.approx(1)
    perfect = powered(y, y, u, ids, others)
    assert perfect.weight > 0.7 and perfect.n_ratio > 3
    assert perfect.bias.estimate == 0


def test_repeating_every_row_within_its_prompt_tells_nothing_new():
    y, f, u, ids, others = sample(np.random.default_rng(6), 220, 500)
    a = powered(y, f, u, ids, others)
    b = powered(*(np.tile(x, 2) for x in (y, f, u, ids, others)))
    for name in ("estimate", "lo", "hi", "se"):
        assert getattr(a.corrected, name) == pytest.approx(getattr(b.corrected, name))
    assert a.n_ratio == pytest.approx(b.n_ratio)


def test_ids_of_any_kind():
    y, f, u, ids, others = sample(np.random.default_rng(7), 60, 90, g=30)
    a = powered(y, f, u, ids, others)
    b = powered(y, f, u, [f"p{i:03}" for i in ids], [f"p{i:03}" for i in others])
    assert a.corrected.estimate == b.corrected.estimate
    assert a.corrected.se == pytest.approx(b.corrected.se)


@pytest.mark.parametrize(
    ("rows", "status"),
    [
        (([], [], [1, 0]), "insufficient"),
        (([1] * 9 + [0] * 10, [1] * 19, [1, 0]), "insufficient"),
        (([1] * 30, [0, 1] * 15, [1, 0]), "degenerate"),
        (([1, 0] * 15, [0, 1] * 15, []), "insufficient"),
    ],
)
def test_refusals_still_show_judge_and_bias(rows, status):
    c = powered(*rows, missing=3)
    assert c.corrected.status == status and math.isnan(c.corrected.estimate)
    assert math.isnan(c.weight) and math.isnan(c.n_ratio) and c.judge.n_missing == 3
    assert c.judge.estimate == np.mean([*rows[1], *rows[2]])
    if rows[0]:
        assert c.bias.estimate == pytest.approx(np.mean(rows[1]) - np.mean(rows[0]))


def test_other_edges():
    one = powered([1, 0] * 15, [1, 0] * 15, [1, 0], ["p"] * 30, ["q", "r"])
    assert one.corrected.status == "one_cluster" and math.isnan(one.corrected.lo)
    pairs = powered([1, 0] * 15, [1, 1] * 15, [1, 1], np.arange(30) // 2)
    assert (pairs.corrected.estimate, pairs.corrected.status) == (0.5, "degenerate")
    assert math.isnan(pairs.n_ratio)
    with pytest.raises(BenchError, match="2 labels and 1 verdicts"):
        powered([1, 0], [1], [1])
    with pytest.raises(BenchError, match=r"labels\[0\] is nan"):
        powered([math.nan], [1], [1])
    with pytest.raises(BenchError, match="3 cluster ids for 4 values"):
        powered([1, 0], [1, 0], [1, 0], [1, 2], [3])
    with pytest.raises(BenchError, match="sensitivity is 3 of 2"):
        rogan_gladen(Share(1, 2), Share(3, 2), Share(1, 2))
    with pytest.raises(BenchError, match="wins is 0 of 0"):
        rogan_gladen(Share(0, 0), Share(1, 2), Share(1, 2))
