from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.proportion import proportion_confint

from bench.stats import Clusters, cluster_wilson, pooled_deff, wilson
from bench.stats.intervals import clopper_pearson, jeffreys
from bench.types import BenchError

CREDIT = st.sampled_from([0.0, 0.25, 0.5, 1.0])
ROWS = st.lists(st.tuples(CREDIT, st.integers(0, 6)), min_size=1, max_size=40)


def rows(pairs):
    values, clusters = zip(*pairs, strict=True)
    return np.array(values), np.array(clusters)


def interval(e):
    return e.estimate, e.lo, e.hi, e.se, e.n_eff, e.df


def test_wilson_vector(vector):
    v = vector("ci.proportion")
    for text in v.inputs["x_over_n"]:
        x, n = map(int, text.split("/"))
        e = wilson(x, n)
        v.close((e.lo, e.hi), text, "wilson")
        assert e.lo <= e.estimate == x / n <= e.hi


@pytest.mark.parametrize(("x", "n", "level"), [(0, 7, 0.9), (3, 11, 0.99), (500, 1000, 0.5)])
def test_wilson_agrees_with_statsmodels(x, n, level):
    e = wilson(x, n, level)
    expected = proportion_confint(x, n, alpha=1 - level, method="wilson")
    np.testing.assert_allclose((e.lo, e.hi), expected, atol=1e-12)


@pytest.mark.parametrize("interval_of", [clopper_pearson, jeffreys])
def test_clopper_pearson_and_jeffreys_vector(vector, interval_of):
    v = vector("ci.proportion")
    for text in v.inputs["x_over_n"]:
        x, n = map(int, text.split("/"))
        e = interval_of(x, n)
        v.close((e.lo, e.hi), text, interval_of.__name__)
        assert 0 <= e.lo < e.estimate + 1e-12 and e.estimate - 1e-12 < e.hi <= 1
        assert math.isnan(e.se) == (interval_of is clopper_pearson and x in (0, n))


@pytest.mark.parametrize(("x", "n", "level"), [(0, 7, 0.9), (3, 11, 0.99), (500, 1000, 0.5)])
def test_exact_intervals_agree_with_statsmodels(x, n, level):
    for ours, method in ((clopper_pearson, "beta"), (jeffreys, "jeffreys")):
        e = ours(x, n, level)
        expected = proportion_confint(x, n, alpha=1 - level, method=method)
        np.testing.assert_allclose((e.lo, e.hi), expected, atol=1e-9)


@pytest.mark.parametrize("interval_of", [clopper_pearson, jeffreys])
def test_exact_intervals_refuse_what_is_none(interval_of):
    assert interval_of(0, 0).status == "insufficient"
    with pytest.raises(BenchError, match="3 successes of 2"):
        interval_of(3, 2)
    with pytest.raises(BenchError, match="level is 95"):
        interval_of(1, 2, 95)


def test_cluster_wilson_vector(vector):
    v = vector("ci.cluster_wilson")
    correct, size = (np.array(v.inputs[k], int) for k in ("correct", "size"))
    values = np.concatenate(
        [np.repeat([1, 0], [c, s - c]) for c, s in zip(correct, size, strict=True)]
    )
    clusters = np.repeat(np.arange(size.size), size)
    e = cluster_wilson(values, clusters, missing=2)
    v.close(e.estimate, "p")
    v.close(e.se, "se_cr1")
    v.close(e.n_eff, "n_eff")
    v.close(e.df + 1, "G_eff")
    v.close((e.lo, e.hi), "ci95")
    assert (e.n_items, e.n_clusters, e.n_missing, e.status) == (39, 12, 2, "ok_small")
    right = cluster_wilson(np.ones(39), clusters)
    v.close((right.lo, right.hi), "all_correct_case", "ci95")
    assert right.estimate == right.hi == 1
    assert math.isnan(right.se) and right.note


def test_edge_vector(vector):
    v = vector("edge.empty_and_single")
    empty = cluster_wilson([], [], missing=3)
    assert (empty.status, empty.n_missing) == (v.expected["n=0"]["status"], 3)
    assert all(math.isnan(x) for x in interval(empty))
    assert wilson(0, 0).status == "insufficient"
    for one in (cluster_wilson([1.0], ["p"]), wilson(1, 1)):
        v.close(one.estimate, "n=1 correct", "estimate")
        v.close((one.lo, one.hi), "n=1 correct", "wilson95")
        assert math.isnan(one.se)
        assert one.status == v.expected["n=1 correct"]["status"]
    single = cluster_wilson([1, 1, 1, 1, 0], ["p"] * 5)
    v.close(single.estimate, "G=1", "estimate")
    assert single.status == v.expected["G=1"]["status"]
    assert math.isnan(single.se) and math.isnan(single.lo) and math.isnan(single.hi)


def test_status_is_ok_only_with_enough_items_prompts_and_failures():
    half = np.tile([0.0, 1.0], 100)
    assert cluster_wilson(half, np.arange(200)).status == "ok"
    assert cluster_wilson(half, np.arange(200) % 19).status == "ok_small"
    assert cluster_wilson(half[:28], np.arange(28)).status == "ok_small"
    few_failures = np.arange(200) >= 4
    assert cluster_wilson(few_failures, np.arange(200)).status == "ok_small"
    # 10 failures, all in one prompt of 10: as many as one.
    assert cluster_wilson(np.arange(200) >= 10, np.arange(200) // 10).status == "ok_small"


def test_undecided_judge_still_has_a_width():
    e = cluster_wilson(np.full(50, 0.5), np.arange(50) // 2)
    assert e.lo < 0.4 and e.hi > 0.6 and math.isnan(e.se)
    third = cluster_wilson(np.full(30, 0.1 + 0.2), np.arange(30) // 3)
    assert third.n_eff == 30, "rounding noise is not a design effect"


@given(ROWS, st.randoms(use_true_random=False))
def test_row_order_and_cluster_names_do_not_matter(pairs, random):
    values, clusters = rows(pairs)
    e = cluster_wilson(values, clusters)
    order = list(range(len(pairs)))
    random.shuffle(order)
    names = [f"prompt {7 - c}" for c in clusters[order]]
    other = cluster_wilson(values[order], names)
    np.testing.assert_allclose(interval(e), interval(other), rtol=1e-9, atol=1e-12)
    assert e.status == other.status


@given(ROWS)
def test_interval_holds_the_estimate_and_levels_nest(pairs):
    values, clusters = rows(pairs)
    inner, middle, outer = (cluster_wilson(values, clusters, level=x) for x in (0.1, 0.8, 0.99))
    if inner.status == "one_cluster":
        return
    assert 0 <= outer.lo <= middle.lo <= inner.lo <= inner.estimate
    assert inner.estimate <= inner.hi <= middle.hi <= outer.hi <= 1
    assert middle.lo < middle.hi


@given(ROWS)
def test_mirror(pairs):
    values, clusters = rows(pairs)
    e, mirror = cluster_wilson(values, clusters), cluster_wilson(1 - values, clusters)
    np.testing.assert_allclose((1 - e.hi, 1 - e.lo), (mirror.lo, mirror.hi), atol=1e-9)


@given(ROWS)
def test_repeating_every_item_within_its_prompt_tells_nothing_new(pairs):
    values, clusters = rows(pairs)
    once, twice = (cluster_wilson(np.tile(values, k), np.tile(clusters, k)) for k in (1, 2))
    if once.n_clusters < 2:
        return
    np.testing.assert_allclose((once.se, once.df), (twice.se, twice.df), rtol=1e-9)
    if not math.isnan(once.se) and once.n_eff < once.n_items:
        # The design effect doubles exactly where it was not held at 1.
        np.testing.assert_allclose(interval(once), interval(twice), rtol=1e-9)
    elif not math.isnan(once.se):
        assert once.n_eff <= twice.n_eff * (1 + 1e-9)


@pytest.mark.parametrize(
    ("values", "where"), [([1, math.nan], "1"), ([0, 0, 1.5], "2"), ([-0.1], "0")]
)
def test_bad_value_is_refused_with_its_position(values, where):
    with pytest.raises(BenchError, match=rf"values\[{where}\]"):
        cluster_wilson(values, list(range(len(values))))


def test_other_bad_input():
    with pytest.raises(BenchError, match="1 cluster ids for 2 values"):
        cluster_wilson([0, 1], ["a"])
    with pytest.raises(BenchError, match="level is 95"):
        cluster_wilson([0, 1], ["a", "b"], level=95)
    with pytest.raises(BenchError, match="shape"):
        cluster_wilson([[0, 1]], ["a"])
    with pytest.raises(BenchError, match="3 successes of 2"):
        wilson(3, 2)


def test_coverage_near_the_ceiling():
    """20 prompts of about 3 items, accuracy .95, intra-prompt correlation .1."""
    rng = np.random.default_rng(20)
    hits, runs, rho = 0, 1000, 0.1
    for _ in range(runs):
        size = rng.integers(1, 6, 20)
        right = rng.beta(0.95 * (1 / rho - 1), 0.05 * (1 / rho - 1), 20)
        clusters = np.repeat(np.arange(20), size)
        e = cluster_wilson(rng.random(clusters.size) < right[clusters], clusters)
        hits += e.lo <= 0.95 <= e.hi
    assert hits / runs >= 0.93


def test_coverage_with_one_giant_prompt():
    rng = np.random.default_rng(21)
    clusters = Clusters.of(np.repeat(np.arange(30), [60] + [6] * 29), 234)
    hits, runs, rho = 0, 1000, 0.2
    for _ in range(runs):
        right = rng.beta(0.75 * (1 / rho - 1), 0.25 * (1 / rho - 1), 30)
        e = cluster_wilson(rng.random(234) < right[clusters.codes], clusters)
        hits += e.lo <= 0.75 <= e.hi
    assert hits / runs >= 0.93


def test_constant_credit_borrows_the_design_effect_of_others() -> None:
    """40 prompts of 5 items, other judges right or wrong by whole prompts: 40 effective items."""
    clusters = np.repeat(np.arange(40), 5)
    others = [np.repeat(np.arange(40) % k == 0, 5).astype(float) for k in (2, 3)]
    deff = pooled_deff(others, Clusters.of(clusters, 200))
    assert deff == pytest.approx(5, rel=0.06)
    assert pooled_deff([np.ones(200)], Clusters.of(clusters, 200)) == 1
    alone = cluster_wilson(np.zeros(200), clusters)
    borrowed = cluster_wilson(np.zeros(200), clusters, deff=deff)
    assert alone.hi < 0.03 < 0.07 < borrowed.hi
    assert borrowed.n_eff == pytest.approx(200 / deff)
    varied = np.repeat(np.arange(40) % 2, 5).astype(float)
    assert cluster_wilson(varied, clusters, deff=99) == cluster_wilson(varied, clusters)
