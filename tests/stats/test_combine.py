from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.stats import (
    Basis,
    cluster_bonett_price,
    cluster_wilson,
    failure_bounds,
    macro,
    symmetrised_kappa,
    wilson,
)
from bench.types import BenchError


def test_macro_by_hand():
    a, b = wilson(30, 100), wilson(180, 200)
    e = macro([a, b], names=["chat", "math"])
    assert e.estimate == pytest.approx(0.6)
    assert e.lo == pytest.approx(0.6 - math.hypot(0.3 - a.lo, 0.9 - b.lo) / 2)
    assert e.hi == pytest.approx(0.6 + math.hypot(a.hi - 0.3, b.hi - 0.9) / 2)
    assert e.se == pytest.approx(math.hypot(a.se, b.se) / 2)
    assert (e.n_items, e.n_clusters, e.status, e.note) == (300, 300, "ok", "")
    assert "macro mean of 2 domains" in e.method


def test_one_domain_is_itself():
    a = cluster_wilson(np.resize([0, 1, 1], 60), np.arange(60) // 2, missing=5)
    e = macro([a])
    np.testing.assert_allclose((e.estimate, e.lo, e.hi, e.se), (a.estimate, a.lo, a.hi, a.se))
    assert (e.n_items, e.n_clusters, e.n_missing) == (60, 30, 5)


def test_all_domains_at_the_ceiling_leave_a_width():
    e = macro([cluster_wilson(np.ones(50), np.arange(50))] * 6)
    assert e.estimate == e.hi == 1 and 0.95 < e.lo < 0.99


SUCCESSES = st.lists(st.integers(1, 40).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))


@given(SUCCESSES)
def test_macro_stays_in_range_and_is_narrower_than_the_mean_of_intervals(pairs):
    parts = [wilson(x, n) for x, n in pairs]
    e = macro(parts)
    if not parts:
        assert e.status == "insufficient" and math.isnan(e.estimate)
        return
    assert 0 <= e.lo < e.hi <= 1 + 1e-12 and e.lo <= e.estimate <= e.hi
    assert e.lo >= np.mean([p.lo for p in parts]) - 1e-12
    assert e.hi <= np.mean([p.hi for p in parts]) + 1e-12
    backwards = macro(parts[::-1])
    np.testing.assert_allclose(
        (e.estimate, e.lo, e.hi), [backwards.estimate, backwards.lo, backwards.hi]
    )


def test_macro_of_differences_and_kappas():
    d = np.resize([1.0, -1, 0, 0, 1], 100)
    plus, minus = (cluster_bonett_price(s * d, np.arange(100)) for s in (1, -1))
    e = macro([plus, minus])
    assert e.estimate == 0 and e.lo == pytest.approx(-e.hi)
    side = np.resize([1, -1, 1], 60)
    kappas = [symmetrised_kappa(side, np.roll(side, k), np.arange(60)) for k in (0, 1)]
    assert -1 < macro(kappas).lo < macro(kappas).estimate < macro(kappas).hi < 1


def test_a_domain_without_estimate_or_interval_is_named():
    ok = wilson(50, 100)
    empty = cluster_wilson([], [])
    alone = cluster_wilson([1, 0, 1], ["p"] * 3)
    e = macro([ok, empty, alone], names=["chat", "math", "code"])
    assert math.isnan(e.estimate) and e.status == "insufficient" and e.n_items == 103
    assert "math (insufficient)" in e.note and "code" not in e.note
    e = macro([ok, alone])
    assert e.estimate == pytest.approx((0.5 + 2 / 3) / 2) and math.isnan(e.lo)
    assert e.status == "one_cluster" and "domain 1 (one_cluster)" in e.note
    small = macro([ok, wilson(5, 10)], names=["chat", "math"])
    assert small.status == "ok_small" and small.note == "small: math"


def test_macro_refuses_what_does_not_match():
    with pytest.raises(BenchError, match="one level expected"):
        macro([wilson(1, 2), wilson(1, 2, 0.9)])
    with pytest.raises(BenchError, match="1 names for 2"):
        macro([wilson(1, 2)] * 2, names=["a"])


def test_macro_coverage():
    """Six domains of very different size and accuracy; 15 to 80 prompts."""
    rng = np.random.default_rng(40)
    accuracy = np.array([0.98, 0.9, 0.7, 0.6, 0.5, 0.95])
    prompts = [15, 20, 40, 80, 15, 30]
    hits, runs = 0, 500
    for _ in range(runs):
        parts = []
        for p, g in zip(accuracy, prompts, strict=True):
            right = rng.beta(p * 8, (1 - p) * 8, g)
            clusters = np.repeat(np.arange(g), 2)
            parts.append(cluster_wilson(rng.random(2 * g) < right[clusters], clusters))
        e = macro(parts)
        hits += e.lo <= accuracy.mean() <= e.hi
    assert hits / runs >= 0.93


def test_failure_bounds_vector(vector):
    v = vector("missing.bounds")
    n, parsed, correct = (v.inputs[k] for k in ("n", "parsed", "correct"))
    low, high = failure_bounds(correct, parsed, n - parsed)
    v.close(low, "lower_bound")
    v.close(high, "upper_bound")
    assert failure_bounds(2.5, 4, 0) == (0.625, 0.625)
    assert failure_bounds(0, 0, 3) == (0, 1)
    assert all(math.isnan(x) for x in failure_bounds(0, 0, 0))


@pytest.mark.parametrize("bad", [(5, 4, 1), (-1, 4, 1), (1, 4, -1), (math.nan, 4, 0)])
def test_failure_bounds_refuses_nonsense(bad):
    with pytest.raises(BenchError, match="expected"):
        failure_bounds(*bad)


def test_estimate_cannot_be_changed():
    e = Basis("by hand", 0.95, 40, 40).estimate(0.5, (0.4, 0.6), se=0.05, n_eff=40, df=39)
    assert e.status == "ok" and replace(e, note="x").note == "x"
    with pytest.raises(AttributeError):
        e.lo = 0.0
