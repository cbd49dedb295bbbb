from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.calibration import calibration_curve
from sklearn.isotonic import IsotonicRegression

from bench.stats.calibration import brier
from bench.stats.reliability import (
    binned_errors,
    corp,
    equal_mass_bins,
    equal_width_bins,
    isotonic,
    murphy,
    reliability_diagram,
)
from bench.types import BenchError

CONFIDENCE = st.sampled_from([0.0, 0.25, 0.5, 0.6, 0.75, 0.9, 1.0])
ROWS = st.lists(
    st.tuples(CONFIDENCE, st.sampled_from([0.0, 0.5, 1.0]), st.integers(0, 5)),
    min_size=2,
    max_size=40,
)


def columns(triples):
    return tuple(np.array(x, float) for x in zip(*triples, strict=True))


def errors(c, y, bins, clusters=None, **options):
    ids = np.arange(len(c)) if clusters is None else clusters
    return binned_errors(c, y, bins, ids, **{"replicates": 200, **options})


def calibrated(seed, n=600):
    rng = np.random.default_rng(seed)
    c = rng.uniform(0.5, 1, n)
    return c, (rng.random(n) < c).astype(float)


def test_binned_vector(vector):
    v = vector("cal.binary200")
    c, y = np.array(v.inputs["confidence"]), np.array(v.inputs["correct"])
    width = errors(c, y, equal_width_bins(c, 10), smallest=1)
    v.close(width.ece.estimate, "ece_width10_right_closed")
    v.close(width.largest.estimate, "mce_width10")
    v.close(errors(c, y, equal_width_bins(c)).ece.estimate, "ece_width15")
    v.close(errors(c, y, equal_mass_bins(c, 10)).ece.estimate, "ece_equal_mass10")
    # The vector divides tied rows by their order; bins of exactly twenty.
    twenty = np.empty(200, int)
    twenty[np.argsort(c, kind="stable")] = np.arange(200) // 20
    mass = errors(c, y, twenty)
    v.close(mass.ece.estimate, "ece_equal_mass10")
    v.close(mass.rms.estimate, "rms_ce_equal_mass10")
    v.close(mass.squared.estimate, "debiased_sq_ce_equal_mass10")
    assert math.isnan(mass.largest.estimate)  # no bin has 30 rows


def test_decomposition_vectors(vector):
    v = vector("cal.binary200")
    c, y = v.inputs["confidence"], v.inputs["correct"]
    m = murphy(c, y, equal_width_bins(c, 10))
    v.close(m.reliability, "murphy", "reliability")
    v.close(m.resolution, "murphy", "resolution")
    v.close(m.uncertainty, "murphy", "uncertainty")
    v.close(m.within_variance, "murphy", "within_bin_variance")
    v.close(m.within_covariance, "murphy", "within_bin_covariance")
    p = corp(c, y)
    v.close(p.miscalibration, "corp_isotonic", "MCB")
    v.close(p.discrimination, "corp_isotonic", "DSC")
    v.close(p.uncertainty, "corp_isotonic", "UNC")


@given(ROWS, st.integers(1, 6))
def test_decompositions_add_up_to_the_brier_score(triples, k):
    c, y, _ = columns(triples)
    score = brier(c, y, range(c.size)).estimate
    for bins in (equal_mass_bins(c, k), equal_width_bins(c, k)):
        m = murphy(c, y, bins)
        total = m.reliability - m.resolution + m.uncertainty
        assert total + m.within_variance - m.within_covariance == pytest.approx(score)
    p = corp(c, y)
    assert p.miscalibration - p.discrimination + p.uncertainty == pytest.approx(score)
    assert min(p.miscalibration, p.discrimination) >= 0


@given(ROWS)
def test_isotonic_agrees_with_sklearn(triples):
    c, y, _ = columns(triples)
    other = IsotonicRegression(out_of_bounds="clip").fit(c, y)
    grid = np.linspace(-0.2, 1.2, 23)
    np.testing.assert_allclose(isotonic(c, y)(grid), other.predict(grid), atol=1e-12)


def test_bins():
    assert equal_width_bins([0, 0.1, 0.1000001, 0.5, 0.95, 1], 10).tolist() == [0, 0, 1, 4, 9, 9]
    assert equal_width_bins(np.arange(1, 11) / 10, 10).tolist() == list(range(10))
    assert equal_mass_bins(np.arange(1, 13) / 20, 4).tolist() == np.repeat(range(4), 3).tolist()
    assert np.unique(equal_mass_bins([0.5] * 9 + [0.7], 5)).size == 2
    assert equal_mass_bins([], 4).size == equal_width_bins([], 4).size == 0
    for bins in (equal_mass_bins, equal_width_bins):
        with pytest.raises(BenchError, match="0 bins"):
            bins([0.5], 0)
        with pytest.raises(BenchError, match=r"confidence\[0\] is nan"):
            bins([math.nan])


@given(st.lists(st.integers(0, 20), min_size=1, max_size=60), st.integers(1, 8))
def test_equal_mass_bins_rise_with_the_confidence_and_keep_ties_together(values, k):
    c = np.array(values) / 20
    bins = equal_mass_bins(c, k)
    order = np.argsort(c, kind="stable")
    assert (np.diff(bins[order]) >= 0).all() and bins.min() >= 0 and bins.max() < k
    for value in set(c):
        assert np.unique(bins[c == value]).size == 1


def test_errors_by_hand():
    """Bin 0: gap .1, bin 1: gap -.3, of 2 and 3 rows."""
    c, y = [0.5, 0.7, 0.6, 0.7, 0.8], [1, 0, 1, 1, 1]
    e = errors(c, y, [0, 0, 1, 1, 1], smallest=2)
    assert e.ece.estimate == pytest.approx((2 * 0.1 + 3 * 0.3) / 5)
    assert e.rms.estimate == pytest.approx(math.sqrt((2 * 0.01 + 3 * 0.09) / 5))
    assert e.squared.estimate == pytest.approx((2 * (0.01 - 0.25) + 3 * 0.09) / 5)
    assert e.largest.estimate == pytest.approx(0.3)
    only = errors(c, [1, 0, 1, 1, 0], [0, 0, 0, 0, 1], smallest=2)
    assert only.largest.estimate == pytest.approx(0.125)  # not the .8 of the lonely row


@given(ROWS)
def test_ranges_and_intervals(triples):
    c, y, ids = columns(triples)
    e = errors(c, y, equal_mass_bins(c, 4), ids, replicates=50, smallest=1)
    assert e.ece.estimate <= e.rms.estimate + 1e-9 <= e.largest.estimate + 2e-9
    assert e.squared.estimate <= e.rms.estimate**2 + 1e-9
    for part in (e.ece, e.rms, e.squared, e.largest):
        if math.isnan(part.lo):
            assert part.status in ("one_cluster", "degenerate") and part.note
        else:
            assert part.lo <= part.estimate <= part.hi


@given(ROWS, st.randoms(use_true_random=False))
def test_order_of_rows_does_not_matter(triples, random):
    c, y, ids = columns(triples)
    order = list(range(c.size))
    random.shuffle(order)
    a = errors(c, y, equal_mass_bins(c, 3), ids, replicates=1)
    b = errors(c[order], y[order], equal_mass_bins(c[order], 3), ids[order], replicates=1)
    for name in ("ece", "rms", "squared"):
        assert getattr(a, name).estimate == pytest.approx(getattr(b, name).estimate, abs=1e-12)


def test_debiased_square_is_unbiased_where_the_ece_is_not():
    found = [errors(c, y, equal_mass_bins(c), replicates=1) for c, y in map(calibrated, range(300))]
    squares = np.array([e.squared.estimate for e in found])
    assert abs(squares.mean()) < 4 * squares.std() / math.sqrt(300)
    assert squares.min() < 0
    assert np.mean([e.ece.estimate for e in found]) > 0.03


@pytest.mark.parametrize("gap, prompts", [(0.0, 200), (0.1, 200), (0.1, 50)])
def test_intervals_hold_the_error_of_the_judge(gap, prompts):
    rng, held, runs = np.random.default_rng(5), np.zeros(4), 100
    for _ in range(runs):
        ids, c = np.repeat(np.arange(prompts), 200 // prompts), rng.uniform(0.5, 1, 200)
        luck = np.where(rng.random(200) < 0.4, rng.random(prompts)[ids], rng.random(200))
        e = errors(c, (luck < c - gap).astype(float), equal_mass_bins(c, 10), ids, smallest=5)
        truth = gap, gap, gap**2, gap
        parts = e.ece, e.rms, e.squared, e.largest
        held += [p.lo - 1e-9 <= t <= p.hi for p, t in zip(parts, truth, strict=True)]
    assert (held >= 0.9 * runs).all(), held


def test_reliability_diagram():
    c, y = calibrated(1)
    bins = equal_mass_bins(c, 10)
    points = reliability_diagram(c, y, bins, np.arange(600))
    share, mean = calibration_curve(y, c, n_bins=10, strategy="quantile")
    np.testing.assert_allclose([p.confidence for p in points], mean)
    np.testing.assert_allclose([p.correct.estimate for p in points], share)
    for p in points:
        assert p.band[0] < p.confidence < p.band[1] and p.correct.lo < p.correct.estimate
    # Twice the same rows in each prompt: bands as wide as before.
    twice = reliability_diagram(*(np.tile(x, 2) for x in (c, y, bins, np.arange(600))))
    for p, q in zip(points, twice, strict=True):
        assert np.subtract(*q.band) == pytest.approx(np.subtract(*p.band), abs=0.02)


def test_bands_hold_calibrated_bins():
    inside = [
        p.band[0] <= p.correct.estimate <= p.band[1]
        for c, y in map(calibrated, range(100))
        for p in reliability_diagram(c, y, equal_mass_bins(c, 6), np.arange(600), level=0.9)
    ]
    assert 0.88 < np.mean(inside) < 0.97


def test_reliability_zoo():
    empty = errors([], [], [], missing=1)
    for part in (empty.ece, empty.rms, empty.squared, empty.largest):
        assert part.status == "insufficient" and math.isnan(part.estimate) and part.n_missing == 1
    assert errors([0.5], [1], [0]).ece.status == "insufficient"
    single = errors([0.5, 0.7], [1, 0], [0, 1], ["p", "p"])
    assert single.ece.status == "one_cluster" and single.ece.estimate == pytest.approx(0.6)
    right = errors([0.8, 0.9, 0.7], [1, 1, 1], [0, 0, 0])
    assert right.ece.estimate == pytest.approx(0.2) and right.ece.lo < 0.2 < right.ece.hi
    assert reliability_diagram([], [], [], []) == []
    assert all(math.isnan(x) for x in (murphy([], [], []).reliability, corp([], []).uncertainty))
    one = reliability_diagram([0.9], [1], [3], ["p"])[0]
    assert one.confidence == 0.9 and one.correct.estimate == 1 and one.band == (0, 1)
    with pytest.raises(BenchError, match="1 cluster ids for 2 values"):
        murphy([0.5, 0.5], [1, 0], [0])
    with pytest.raises(BenchError, match="level is 2"):
        reliability_diagram([0.5], [1], [0], [0], level=2)
