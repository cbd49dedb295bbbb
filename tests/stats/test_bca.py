from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import bootstrap as scipy_bootstrap

from bench.stats.bca import acceleration, bca, bca_interval, jackknife_se
from bench.stats.resample import resampled_sums


def correlation(sums):
    n, x, y, xx, yy, xy = sums.T
    return (n * xy - x * y) / np.sqrt((n * xx - x**2) * (n * yy - y**2))


def ratio(sums):
    with np.errstate(invalid="ignore", divide="ignore"):
        return sums[:, 1] / sums[:, 0]


def test_law_school_vector(vector):
    v = vector("boot.bca_law")
    x, y = (np.array(v.inputs[k]) / 100 for k in ("lsat", "gpa"))
    x, y = x - x.mean(), y - y.mean()
    columns = np.stack([np.ones(15), x, y, x * x, y * y, x * y], axis=1)
    total = columns.sum(axis=0, keepdims=True)
    value, without = float(correlation(total)[0]), correlation(total - columns)
    draws = correlation(resampled_sums(columns, replicates=40_000))
    v.abs_tol = 1e-6
    v.close(value, "corr")
    v.close(acceleration(without), "acceleration")
    v.close(jackknife_se(without), "jackknife_se")
    v.abs_tol = 0.01
    v.close(bca_interval(draws, value, acceleration(without)), "bca95")
    v.close(draws.std(), "boot_se")


def test_agrees_with_scipy_on_a_skewed_mean():
    x = np.random.default_rng(0).exponential(size=60)
    other = scipy_bootstrap((x,), np.mean, method="BCa", n_resamples=20_000,
                            rng=np.random.default_rng(1))  # fmt: skip
    e = bca([np.ones(60), x], np.arange(60), ratio, "mean", replicates=20_000)
    expected = other.confidence_interval
    np.testing.assert_allclose((e.lo, e.hi), (expected.low, expected.high), atol=0.015)
    assert e.se == pytest.approx(other.standard_error, rel=0.03)
    assert e.hi - e.estimate > e.estimate - e.lo, "skewed to the right"


def test_without_bias_and_skew_it_is_the_percentile_interval():
    draws = np.random.default_rng(0).normal(size=20_001)
    lo, hi = bca_interval(draws, float(np.median(draws)), 0.0)
    np.testing.assert_allclose((lo, hi), np.quantile(draws, [0.025, 0.975]), atol=1e-3)
    assert bca_interval(draws, 9.0, 0.0)[1] == 9, "an estimate beyond all draws is still inside"


def test_clusters_not_rows_are_resampled():
    rng = np.random.default_rng(2)
    ids = np.repeat(np.arange(50), 8)
    x = rng.random(50)[ids]
    whole = bca([np.ones(400), x], ids, ratio, "mean")
    one = bca([np.ones(50), x[::8]], np.arange(50), ratio, "mean")
    np.testing.assert_allclose((whole.lo, whole.hi), (one.lo, one.hi), atol=1e-9)


def test_refusals():
    x = np.arange(39) % 2
    few = bca([np.ones(39), x], np.arange(39), ratio, "mean", missing=3)
    assert (few.status, few.n_missing) == ("insufficient", 3)
    assert few.estimate == pytest.approx(19 / 39) and math.isnan(few.lo)
    assert math.isnan(bca([[], []], [], ratio, "mean").estimate)
    constant = bca([np.ones(50), np.ones(50)], np.arange(50), ratio, "mean")
    assert (constant.status, constant.estimate) == ("degenerate", 1)
    rare = np.eye(50)[0]
    assert bca([rare, rare], np.arange(50), ratio, "mean").status == "degenerate"
