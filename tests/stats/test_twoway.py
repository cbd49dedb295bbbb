from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.stats.clusters import Clusters, mean_variance
from bench.stats.twoway import two_way_mean, two_way_variance
from bench.types import BenchError

ROWS = st.lists(
    st.tuples(st.sampled_from([-1.0, 0.0, 0.5, 2.0]), st.integers(0, 4), st.integers(0, 4)),
    min_size=2,
    max_size=40,
)


def columns(rows):
    return tuple(np.array(x) for x in zip(*rows, strict=True))


def test_vector(vector):
    v = vector("se.two_way")
    x, question, pair = (np.array(v.inputs[k]) for k in ("value", "question", "model_pair"))
    ways = Clusters.of(question, x.size), Clusters.of(pair, x.size)
    v.close(math.sqrt(two_way_variance(x, *ways, small_sample=False)), "se_two_way")
    v.close(mean_variance(x, ways[0], small_sample=False), "var_question")
    e = two_way_mean(x, question, pair)
    v.close(e.estimate, "mean")
    assert e.se > v.expected["se_two_way"] and e.df == pytest.approx(5)
    assert (e.n_items, e.n_clusters, e.status) == (48, 6, "ok_small")
    assert (e.hi - e.lo) / 2 == pytest.approx(2.570582 * e.se, rel=1e-6)  # t(5)


@given(ROWS)
def test_bounds_and_symmetry(rows):
    x, a, b = columns(rows)
    e, other = two_way_mean(x, a, b), two_way_mean(x, b, a)
    np.testing.assert_allclose((e.lo, e.hi, e.se), (other.lo, other.hi, other.se), atol=1e-9)
    if not math.isnan(e.se):
        one_way = [math.sqrt(mean_variance(x, Clusters.of(ids, x.size))) for ids in (a, b)]
        assert e.se >= max(one_way) - 1e-9
        assert e.lo <= e.estimate <= e.hi


@given(ROWS)
def test_the_same_clusters_twice_are_one_way(rows):
    x, a, _ = columns(rows)
    groups = Clusters.of(a, x.size)
    if groups.n_clusters > 1:
        expected = mean_variance(x, groups)
        assert two_way_variance(x, groups, groups) == pytest.approx(expected, abs=1e-12)


def test_negative_difference_falls_back_to_the_larger_way():
    """Values that cancel within both rows and columns, so that only the cells vary."""
    x = np.array([1.0, -1.0, -1.0, 1.0, 0.2, 0.0])
    a, b = [0, 0, 1, 1, 2, 3], [0, 1, 0, 1, 2, 3]
    ways = [Clusters.of(ids, 6) for ids in (a, b)]
    assert two_way_variance(x, *ways) == max(mean_variance(x, way) for way in ways) > 0


def test_coverage_of_crossed_effects():
    """30 prompts by 30 annotators, both with effects: a one-way error is far too small."""
    rng = np.random.default_rng(0)
    a, b = np.repeat(np.arange(30), 30), np.tile(np.arange(30), 30)
    two, one, runs = 0, 0, 400
    for _ in range(runs):
        x = rng.normal(0, 0.5, 30)[a] + rng.normal(0, 0.5, 30)[b] + rng.normal(0, 1, 900)
        e = two_way_mean(x, a, b)
        two += e.lo <= 0 <= e.hi
        one += abs(x.mean()) < 2.045 * math.sqrt(mean_variance(x, Clusters.of(a, 900)))
    assert two / runs > 0.92 > 0.87 > one / runs


def test_edges():
    for n in (0, 1):
        assert two_way_mean(np.ones(n), np.arange(n), np.arange(n)).status == "insufficient"
    e = two_way_mean([1, 2, 3], ["p"] * 3, [0, 1, 2], missing=2)
    assert (e.status, e.estimate, e.n_missing) == ("one_cluster", 2, 2) and math.isnan(e.lo)
    constant = two_way_mean([0.1] * 9, np.arange(9) // 3, np.arange(9) % 3)
    assert constant.status == "degenerate" and constant.estimate == pytest.approx(0.1)
    for bad in (math.nan, math.inf):
        with pytest.raises(BenchError, match=r"values\[1\]"):
            two_way_mean([1, bad], [0, 1], [0, 1])
    with pytest.raises(BenchError, match="1 cluster ids"):
        two_way_mean([1, 2], [0, 1], [0])
