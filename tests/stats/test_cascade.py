from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.stats.cascade import cascade, deferral_threshold
from bench.types import BenchError

ROWS = st.lists(
    st.tuples(
        st.sampled_from([0.5, 0.6, 0.8, 0.9]),
        st.integers(0, 1),
        st.integers(0, 1),
        st.integers(0, 5),
    ),
    min_size=2,
    max_size=30,
)


def run(confidence, cheap, strong, clusters=None, thresholds=(), **options):
    ids = np.arange(len(confidence)) if clusters is None else clusters
    costs = {"cheap_cost": 0.2, "strong_cost": 6.0, **options}
    return cascade(confidence, cheap, strong, ids, thresholds, **costs)


def sample(rng, g, digits=9):
    ids = np.repeat(np.arange(g), 3)
    c = np.round(rng.uniform(0.5, 1, g)[ids] * rng.uniform(0.9, 1, 3 * g), digits)
    return c, (rng.random(3 * g) < c).astype(float), (rng.random(3 * g) < 0.85).astype(float), ids


def test_cascade_vector(vector):
    v = vector("cost.cascade")
    i = v.inputs
    found = run(
        i["conf"],
        i["cheap_ok"],
        i["exp_ok"],
        thresholds=i["thresholds"],
        cheap_cost=i["cheap_cost"],
        strong_cost=i["exp_cost"],
    )
    for point, t in zip(found.points, i["thresholds"], strict=True):
        v.close(point.accuracy.estimate, str(t), "accuracy")
        v.close(point.cost, str(t), "cost")
        v.close(point.deferral, str(t), "deferral")
    first, last = found.points[0], found.points[-1]
    assert first.random == first.oracle == first.accuracy.estimate == 0.625
    assert last.random == last.oracle == last.accuracy.estimate == 0.75
    assert [p.oracle for p in found.points] == [0.625, 0.875, 1, 1, 0.75]
    assert found.points[2].random == pytest.approx(0.6875)


@given(ROWS)
def test_gain_is_the_area_between_the_curves(rows):
    c, cheap, strong, _ = (np.array(x, float) for x in zip(*rows, strict=True))
    n, gain = c.size, strong - cheap
    mean = np.array([gain[c == x].mean() for x in c])  # ties in expected order
    curve = np.append(0, np.cumsum(mean[np.argsort(c, kind="stable")])) / n
    random = np.linspace(0, gain.mean(), n + 1)
    best = np.append(0, np.cumsum(np.sort(gain)[::-1])) / n
    e = run(c, cheap, strong)
    assert e.gain.estimate == pytest.approx(np.trapezoid(curve - random, dx=1 / n), abs=1e-12)
    assert e.oracle_gain == pytest.approx(np.trapezoid(best - random, dx=1 / n), abs=1e-12)
    assert e.gain.estimate <= e.oracle_gain + 1e-12


@given(ROWS, st.randoms(use_true_random=False))
def test_cascade_properties(rows, random):
    c, cheap, strong, ids = (np.array(x, float) for x in zip(*rows, strict=True))
    grid = [0.0, 0.55, 0.7, 0.85, 1.1]
    a = run(c, cheap, strong, ids, grid)
    assert np.all(np.diff([p.deferral for p in a.points]) >= 0)
    for p in a.points:
        assert p.accuracy.estimate <= p.oracle + 1e-12 and p.random <= p.oracle + 1e-12
    e = a.gain
    assert math.isnan(e.lo) or e.lo <= e.estimate <= e.hi
    order = list(range(c.size))
    random.shuffle(order)
    b = run(c[order], cheap[order], strong[order], [str(i) for i in ids[order]], grid)
    np.testing.assert_allclose(
        (e.estimate, e.lo, e.hi), (b.gain.estimate, b.gain.lo, b.gain.hi), atol=1e-9
    )
    # The other way round: what routing by confidence gains, routing by doubt loses.
    other = run(1 - c, cheap, strong, ids).gain
    np.testing.assert_allclose((e.estimate, e.lo), (-other.estimate, -other.hi), atol=1e-9)


@pytest.mark.parametrize("digits", [9, 1])
def test_error_of_the_gain_against_resampled_prompts(digits):
    rng = np.random.default_rng(digits)
    c, cheap, strong, ids = sample(rng, 120, digits)
    found = []
    for _ in range(600):
        rows = (rng.integers(0, 120, 120)[:, None] * 3 + np.arange(3)).ravel()
        found.append(run(c[rows], cheap[rows], strong[rows]).gain.estimate)
    e = run(c, cheap, strong, ids).gain
    assert e.se == pytest.approx(np.std(found), rel=0.1)
    assert e.lo > 0


def test_deferral_threshold():
    c = [0.9, 0.5, 0.7, 0.7, 0.6]
    kept = {0: 0.5, 0.2: 0.6, 0.4: 0.7, 0.6: 0.7, 0.8: 0.9, 1: math.inf}
    assert {rate: deferral_threshold(c, rate) for rate in kept} == kept
    for rate, t in kept.items():
        assert np.mean(np.array(c) < t) <= rate
    for bad in ((c, 1.5), ([], 0.5)):
        with pytest.raises(BenchError, match="at least one and from 0 to 1"):
            deferral_threshold(*bad)


def test_cascade_zoo():
    empty = run([], [], [], thresholds=[0.5])
    assert empty.gain.status == "insufficient" and math.isnan(empty.oracle_gain)
    assert empty.points[0].accuracy.status == "insufficient"
    assert math.isnan(empty.points[0].deferral) and math.isnan(empty.points[0].oracle)
    assert run([0.5], [1], [0], thresholds=[0.6]).gain.status == "insufficient"
    assert run([0.5, 0.6], [1, 0], [0, 1], ["p", "p"]).gain.status == "one_cluster"
    same = run([0.5, 0.6, 0.7], [1, 0, 1], [1, 0, 1]).gain
    assert (same.estimate, same.status) == (0, "degenerate")
    flat = run(np.full(40, 0.7), np.resize([0, 1], 40), np.ones(40))
    assert flat.gain.estimate == pytest.approx(0, abs=1e-12)
    with pytest.raises(BenchError, match=r"cheap\[0\] is 2"):
        run([0.5], [2], [1])
    with pytest.raises(BenchError, match="1 confidences, 2 and 1 credits"):
        run([0.5], [1, 1], [1])
    with pytest.raises(BenchError, match=r"strong judge\[1\] is -1"):
        run([0.5], [1], [1], strong_cost=-1)
