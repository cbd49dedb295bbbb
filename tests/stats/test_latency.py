from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom, quantile_test

from bench.stats.latency import interval_ranks, latency, quantile, throughput
from bench.types import BenchError


def test_latency_vector(vector):
    v = vector("cost.latency")
    found = latency(v.inputs["latency_s"])
    for name in ("p50", "p95", "p99"):
        v.close(getattr(found, name).estimate, name)
    v.close(found.mean, "mean")
    v.close(found.geometric_mean, "geo_mean")
    lower, upper = interval_ranks(20, 0.5, 0.95)
    v.close((lower, upper), "median_ci_ranks_1based")
    v.close((found.p50.lo, found.p50.hi), "median_ci")
    v.close(binom.cdf(upper - 1, 20, 0.5) - binom.cdf(lower - 1, 20, 0.5), "coverage")
    assert v.expected["p95_ci_upper_defined"] is False
    assert found.p95.hi == math.inf and "above 2.5" in found.p95.note


def test_throughput_vector(vector):
    v = vector("cost.basic")
    api = v.inputs["api"]
    v.close(throughput(api["n_judgments"], api["wall_s"]), "throughput_judgments_per_s")
    with pytest.raises(BenchError, match="4 judgments in 0 s"):
        throughput(4, 0)


def test_p95_has_an_upper_end_from_72_values():
    assert quantile(np.arange(71), 0.95).hi == math.inf
    assert quantile(np.arange(72), 0.95).hi == 71
    assert quantile(np.arange(4), 0.5).lo == 0


@given(st.integers(2, 150), st.sampled_from([0.1, 0.5, 0.9, 0.95]), st.sampled_from([0.8, 0.95]))
def test_ranks_are_the_narrowest_with_both_tails_small_enough(n, p, level):
    lower, upper = interval_ranks(n, p, level)
    tail = (1 - level) / 2
    assert binom.cdf(lower - 1, n, p) <= tail < binom.cdf(lower, n, p)
    assert binom.sf(upper - 1, n, p) <= tail < binom.sf(upper - 2, n, p)


@pytest.mark.parametrize("p", [0.5, 0.95])
def test_interval_agrees_with_scipy(p):
    x = np.random.default_rng(0).gamma(2, 1, 400)
    other = quantile_test(x, p=p).confidence_interval(0.95)
    e = quantile(x, p)
    np.testing.assert_allclose((e.lo, e.hi), (other.low, other.high))


@given(st.lists(st.integers(0, 9), min_size=1, max_size=40), st.floats(0.01, 0.99))
def test_quantile_properties(values, p):
    e = quantile(values, p)
    assert e.estimate == np.quantile(values, p)
    if len(values) == 1:
        assert e.status == "insufficient" and math.isnan(e.lo)
        return
    assert 0 <= e.lo <= e.estimate <= e.hi
    again = quantile([3 * x for x in values[::-1]], p)
    np.testing.assert_allclose(
        (again.estimate, again.lo, again.hi), (3 * e.estimate, 3 * e.lo, 3 * e.hi)
    )
    narrow = quantile(values, p, level=0.5)
    assert e.lo <= narrow.lo and narrow.hi <= e.hi


def test_coverage():
    rng = np.random.default_rng(1)
    truth = -math.log(0.05)
    found = [quantile(rng.exponential(size=120), 0.95) for _ in range(800)]
    assert np.mean([e.lo <= truth <= e.hi for e in found]) >= 0.935


def test_latency_zoo():
    empty = latency([], missing=3)
    assert empty.p50.status == "insufficient" and empty.p50.n_missing == 3
    assert math.isnan(empty.mean) and math.isnan(empty.geometric_mean)
    assert latency([0.0, 2.0]).geometric_mean == 0
    same = latency([2.0] * 100).p95
    assert same.lo == same.estimate == same.hi == 2
    with pytest.raises(BenchError, match=r"seconds\[1\] is nan"):
        latency([1, math.nan])
    with pytest.raises(BenchError, match=r"seconds\[0\] is -1"):
        latency([-1])
    with pytest.raises(BenchError, match="quantile is 1"):
        quantile([1], 1)
    with pytest.raises(BenchError, match="level is 95"):
        quantile([1, 2], 0.5, level=95)
