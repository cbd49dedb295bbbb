from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

from bench.stats.calibration import log_loss
from bench.stats.clusters import Clusters
from bench.stats.recalibrate import (
    fit,
    folds,
    logit,
    out_of_fold,
    platt,
    recalibration,
    temperature,
)
from bench.types import BenchError

METHODS = ["temperature", "platt", "isotonic"]
ROWS = st.lists(
    st.tuples(st.sampled_from([0.0, 0.5, 0.6, 0.8, 0.95, 1.0]), st.integers(0, 1)),
    min_size=1,
    max_size=30,
)


def too_sure(seed=0, g=150, m=4, factor=3.0):
    """The log odds stated are `factor` times the true ones."""
    rng = np.random.default_rng(seed)
    ids = np.repeat(np.arange(g), m)
    odds = rng.normal(0.8, 0.6, g)[ids]
    true, stated = (1 / (1 + np.exp(-x * odds)) for x in (1, factor))
    return stated, (rng.random(g * m) < true).astype(float), ids


def test_temperature_vector(vector):
    v = vector("cal.binary200")
    c, y = v.inputs["confidence"], v.inputs["correct"]
    v.close(temperature(c, y), "temperature_in_sample")
    after = log_loss(fit(c, y, "temperature")(np.array(c)), y, range(200))
    v.close(after.estimate, "log_loss_after_T")


def test_temperature_finds_the_factor():
    c, y, _ = too_sure(g=5000)
    assert temperature(c, y) == pytest.approx(3, rel=0.05)


@pytest.mark.parametrize("seed", range(3))
def test_platt_agrees_with_sklearn(seed):
    c, y, _ = too_sure(seed, g=40)
    right, wrong = y.sum(), (1 - y).sum()
    target = np.where(y == 1, (right + 1) / (right + 2), 1 / (wrong + 2))
    x = np.tile(logit(c), 2)[:, None]
    other = LogisticRegression(C=1e12, tol=1e-10, max_iter=1000).fit(
        x, np.repeat([1, 0], c.size), sample_weight=np.concatenate([target, 1 - target])
    )
    np.testing.assert_allclose(platt(c, y), (other.coef_[0, 0], other.intercept_[0]), atol=1e-4)


@given(ROWS, st.sampled_from(METHODS))
def test_maps_rise_within_bounds(rows, method):
    c, y = (np.array(x, float) for x in zip(*rows, strict=True))
    mended = fit(c, y, method)(np.linspace(0, 1, 50))
    assert (mended >= 0).all() and (mended <= 1).all()
    if method != "platt":  # Platt's slope may be negative
        assert (np.diff(mended) >= -1e-12).all()


def test_one_outcome_only():
    c = np.array([0.6, 0.7, 0.9])
    assert 0.01 <= temperature(c, np.ones(3)) < 0.02
    assert temperature(c, np.zeros(3)) == pytest.approx(100, rel=1e-3)
    assert (fit(c, np.ones(3), "platt")(c) > 0.5).all()
    assert fit(c, np.ones(3), "isotonic")(c).tolist() == [1, 1, 1]
    slope, intercept = platt([0.7, 0.7, 0.7], [1, 1, 0])
    assert slope == 0 and 1 / (1 + math.exp(-intercept)) == pytest.approx((2 * 3 / 4 + 1 / 3) / 3)


@given(st.integers(1, 40), st.integers(2, 6), st.integers(0, 3))
def test_folds_keep_prompts_whole_and_differ_by_one(g, k, seed):
    groups = Clusters.of(np.repeat(np.arange(g), 2), 2 * g)
    fold = folds(groups, k, seed)
    assert (fold[::2] == fold[1::2]).all()
    sizes = np.bincount(fold[::2], minlength=k)
    assert sizes.size == k and sizes.max() - sizes.min() <= 1


@pytest.mark.parametrize("method", METHODS)
def test_no_row_sees_its_own_prompt(method):
    c, y, ids = too_sure(1, g=20)
    before = out_of_fold(c, y, ids, method)
    for prompt in range(3):
        changed = np.where(ids == prompt, y[ids == prompt].mean() < 0.5, y)
        after = out_of_fold(c, changed, ids, method)
        np.testing.assert_array_equal(after[ids == prompt], before[ids == prompt])
        assert (after != before).any()


@pytest.mark.parametrize("method", METHODS)
def test_recalibration_mends_a_judge_that_is_too_sure(method):
    c, y, ids = too_sure(2)
    r = recalibration(c, y, ids, method, replicates=300, missing=2)
    assert r.after.binned.ece.estimate < r.before.binned.ece.estimate / 2
    assert r.after.log_loss.estimate < r.before.log_loss.estimate
    change = r.after.brier.estimate - r.before.brier.estimate
    assert r.brier_change.estimate == pytest.approx(change)
    assert r.brier_change.hi < 0 and r.brier_change.n_missing == 2
    np.testing.assert_array_equal(r.confidence, out_of_fold(c, y, ids, method))


def test_a_calibrated_judge_gains_nothing_out_of_fold():
    c, y, ids = too_sure(3, factor=1.0)
    r = recalibration(c, y, ids, "isotonic", replicates=10)
    in_sample = np.mean((fit(c, y, "isotonic")(c) - y) ** 2)
    assert in_sample < r.before.brier.estimate
    assert r.brier_change.estimate > 0


def test_bad_input_is_refused():
    for method in METHODS:
        with pytest.raises(BenchError, match="no rows"):
            fit([], [], method)
        with pytest.raises(BenchError, match="1 prompts; at least two"):
            out_of_fold([0.5, 0.6], [1, 0], ["p", "p"], method)
    with pytest.raises(BenchError, match="method 'beta'"):
        fit([0.5], [1], "beta")
    with pytest.raises(BenchError, match="1 folds"):
        folds(Clusters.of([1, 2], 2), 1)
    with pytest.raises(BenchError, match=r"confidence\[0\] is nan"):
        temperature([math.nan], [1])
