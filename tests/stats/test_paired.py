from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import t

from bench.stats import cluster_bonett_price
from bench.stats.paired import macro_bonett_price
from bench.types import BenchError

DIFFERENCE = st.sampled_from([-1.0, -0.5, 0.0, 0.25, 1.0])
ROWS = st.lists(st.tuples(DIFFERENCE, st.integers(0, 6)), min_size=2, max_size=40)


def rows(pairs):
    values, clusters = zip(*pairs, strict=True)
    return np.array(values), np.array(clusters)


def test_vector(vector):
    v = vector("ci.cluster_bonett_price")
    sums, size = (np.array(v.inputs[k], int) for k in ("cluster_sum_of_differences", "size"))
    clusters = np.repeat(np.arange(size.size), size)
    d = np.zeros(clusters.size)
    starts = np.concatenate([[0], np.cumsum(size)[:-1]])
    for start, total in zip(starts, sums, strict=True):
        d[start : start + abs(total)] = np.sign(total)
    for spare in (starts[8], starts[10]):  # a win and a loss more in prompts with room
        d[spare + 2 : spare + 4] = 1, -1
    assert ((d == 1).sum(), (d == -1).sum()) == (v.inputs["b"], v.inputs["c"])
    e = cluster_bonett_price(d, clusters, missing=1)
    v.close(e.estimate, "diff")
    v.close(e.se, "se_cr1")
    v.close(e.df + 1, "G_eff")
    v.close((e.lo, e.hi), "ci95")
    assert e.n_eff == 39, "a design effect below 1 counts as 1"
    assert (e.n_items, e.n_clusters, e.n_missing, e.status) == (39, 12, 1, "ok_small")


@given(ROWS)
def test_fractional_differences_are_wald_after_two_imagined_items(pairs):
    d, _ = rows(pairs)
    e = cluster_bonett_price(d, np.arange(d.size))
    weights = np.append(np.full(d.size, e.n_eff / d.size), [1, 1])
    values = np.append(d, [1, -1])
    n = weights.sum()
    centre = weights @ values / n
    half = t.ppf(0.975, d.size - 1) * math.sqrt(weights @ (values - centre) ** 2 / n / n)
    wald = max(-1, min(centre - half, d.mean())), min(1, max(centre + half, d.mean()))
    np.testing.assert_allclose((e.lo, e.hi), wald, atol=1e-9)


@given(ROWS, st.randoms(use_true_random=False))
def test_row_order_and_cluster_names_do_not_matter(pairs, random):
    d, clusters = rows(pairs)
    order = list(range(d.size))
    random.shuffle(order)
    a = cluster_bonett_price(d, clusters)
    b = cluster_bonett_price(d[order], [f"p{9 - c}" for c in clusters[order]])
    np.testing.assert_allclose((a.estimate, a.lo, a.hi), (b.estimate, b.lo, b.hi), atol=1e-9)
    assert a.status == b.status


@given(ROWS)
def test_swapping_the_judges_negates(pairs):
    d, clusters = rows(pairs)
    a, b = cluster_bonett_price(d, clusters), cluster_bonett_price(-d, clusters)
    np.testing.assert_allclose((a.estimate, a.lo, a.hi), (-b.estimate, -b.hi, -b.lo), atol=1e-9)


@given(ROWS)
def test_interval_holds_the_estimate_levels_nest_and_width_is_never_zero(pairs):
    d, clusters = rows(pairs)
    inner, outer = (cluster_bonett_price(d, clusters, level=x) for x in (0.3, 0.95))
    if inner.status == "one_cluster":
        assert inner.n_clusters == 1 and math.isnan(inner.lo) and not math.isnan(inner.estimate)
        return
    assert -1 <= outer.lo <= inner.lo <= inner.estimate <= inner.hi <= outer.hi <= 1
    assert inner.lo < inner.hi


def test_judges_that_never_differ():
    e = cluster_bonett_price(np.zeros(100), np.arange(100))
    assert e.estimate == 0 and -0.05 < e.lo < 0 < e.hi < 0.05
    assert math.isnan(e.se) and e.note


@pytest.mark.parametrize("d", [[], [1.0]])
def test_fewer_than_two_items(d):
    e = cluster_bonett_price(d, list(range(len(d))))
    assert e.status == "insufficient" and math.isnan(e.estimate) and e.n_items == len(d)


def test_bad_values():
    with pytest.raises(BenchError, match=r"differences\[1\] is nan"):
        cluster_bonett_price([0, math.nan], [1, 2])
    with pytest.raises(BenchError, match=r"differences\[0\] is 2"):
        cluster_bonett_price([2, 0], [1, 2])


def test_coverage_near_the_ceiling():
    """20 prompts of about 3 items, two judges at .97 and .95 that share hard prompts."""
    rng = np.random.default_rng(22)
    hits, runs = 0, 1000
    for _ in range(runs):
        clusters = np.repeat(np.arange(20), rng.integers(1, 6, 20))
        hard = rng.beta(0.05 * 4, 0.95 * 4, 20)[clusters]
        first = rng.random(clusters.size) >= hard * 0.6
        second = rng.random(clusters.size) >= hard
        e = cluster_bonett_price(first.astype(float) - second, clusters)
        hits += e.lo <= 0.02 <= e.hi
    assert hits / runs >= 0.94


def test_coverage_of_half_credits():
    """Means of two orders in 40 prompts of 3 pairs: 0, 1/2 or 1 for each judge."""
    rng = np.random.default_rng(23)
    hits, runs = 0, 1000
    clusters = np.repeat(np.arange(40), 3)
    for _ in range(runs):
        first = rng.binomial(2, rng.beta(4, 1, 40)[clusters]) / 2
        second = rng.binomial(2, rng.beta(3.5, 1.5, 40)[clusters]) / 2
        e = cluster_bonett_price(first - second, clusters)
        hits += e.lo <= 0.1 <= e.hi
    assert hits / runs >= 0.94


def test_the_mean_over_domains():
    rng = np.random.default_rng(2)
    clusters = rng.integers(0, 50, 400)
    domains = np.array(["chat", "code", "math"])[clusters % 3]
    d = rng.choice([-1.0, 0.0, 0.5, 1.0], 400)
    e = macro_bonett_price(d, clusters, domains, missing=2)
    parts = [cluster_bonett_price(d[domains == n], clusters[domains == n]) for n in set(domains)]
    assert e.estimate == pytest.approx(np.mean([p.estimate for p in parts]))
    assert e.se == pytest.approx(math.sqrt(sum(p.se**2 for p in parts)) / 3)
    assert min(p.df for p in parts) < e.df < sum(p.df for p in parts)
    assert e.hi - e.lo < np.mean([p.hi - p.lo for p in parts])
    assert (e.n_items, e.n_clusters, e.n_missing) == (400, len(set(clusters)), 2)
    one = macro_bonett_price(d, clusters, ["one"] * 400)
    plain = cluster_bonett_price(d, clusters)
    assert (one.estimate, one.method) == (plain.estimate, plain.method)
    assert (one.lo, one.hi, one.df) == pytest.approx((plain.lo, plain.hi, plain.df))


def test_a_domain_that_has_too_little_leaves_no_mean():
    d, clusters = [1.0, 0, 1, 0, 1], [0, 1, 2, 3, 4]
    assert macro_bonett_price(d, clusters, [0, 0, 0, 0, 1]).status == "insufficient"
    e = macro_bonett_price(d, [0, 1, 2, 3, 3], [0, 0, 0, 1, 1])
    assert e.status == "one_cluster" and math.isnan(e.lo)
    assert macro_bonett_price([], [], []).status == "insufficient"


def test_coverage_of_the_mean_over_domains():
    """Two domains of 8 prompts, 3 items each."""
    rng = np.random.default_rng(24)
    hits, runs = 0, 1000
    clusters = np.repeat(np.arange(16), 3)
    for _ in range(runs):
        first = rng.random(48) < rng.beta(4, 1, 16)[clusters]
        second = rng.random(48) < rng.beta(3.5, 1.5, 16)[clusters]
        e = macro_bonett_price(first.astype(float) - second, clusters, clusters % 2)
        hits += e.lo <= 0.1 <= e.hi
    assert hits / runs >= 0.95
