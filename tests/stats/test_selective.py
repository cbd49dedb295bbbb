from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.proportion import proportion_confint

from bench.stats.selective import aurc, coverage_at_risk, guarantee, selective_risks
from bench.types import BenchError

ROWS = st.lists(
    st.tuples(st.sampled_from([0.5, 0.6, 0.7, 0.8, 0.9]), st.integers(0, 1), st.integers(0, 5)),
    min_size=2,
    max_size=30,
)


def columns(triples):
    return tuple(np.array(x, float) for x in zip(*triples, strict=True))


def sample(rng, g, m=3, digits=9):
    ids = np.repeat(np.arange(g), m)
    c = rng.uniform(0.5, 1, g)[ids] * rng.uniform(0.9, 1, g * m)
    return np.round(c, digits), (rng.random(g * m) < c).astype(float), ids


def test_aurc_vectors(vector):
    v = vector("cal.binary200")
    a = aurc(v.inputs["confidence"], v.inputs["correct"], np.arange(200))
    v.close(a.aurc.estimate, "aurc")
    v.close(a.oracle, "aurc_oracle")
    v.close(a.excess.estimate, "e_aurc")
    v.close(a.random, "aurc_random")
    point = coverage_at_risk(v.inputs["confidence"], v.inputs["correct"], 0.2)
    v.close(point.coverage, "max_coverage_at_risk_0.2")
    v = vector("cal.aurc_hand")
    c, y = v.inputs["confidence"], v.inputs["correct"]
    v.close(selective_risks(c, y), "selective_risks")
    v.close(aurc(c, y, range(4)).aurc.estimate, "aurc")
    v.close(aurc(c, y, range(4)).oracle, "oracle_aurc")


def test_risks_are_means_over_the_orders_of_ties():
    c, y = [0.9, 0.8, 0.8, 0.8, 0.5], np.array([1, 0, 1, 0, 1])
    orders = [[0, *middle, 4] for middle in itertools.permutations([1, 2, 3])]
    curves = [np.cumsum(1 - y[o]) / np.arange(1, 6) for o in orders]
    np.testing.assert_allclose(selective_risks(c, y), np.mean(curves, axis=0))


@pytest.mark.parametrize("digits", [9, 1])
def test_error_of_the_areas_against_resampled_prompts(digits):
    rng = np.random.default_rng(digits)
    c, y, ids = sample(rng, 120, digits=digits)
    found = []
    for _ in range(600):
        rows = (rng.integers(0, 120, 120)[:, None] * 3 + np.arange(3)).ravel()
        a = aurc(c[rows], y[rows], np.arange(360))
        found.append((a.aurc.estimate, a.excess.estimate))
    a = aurc(c, y, ids)
    np.testing.assert_allclose((a.aurc.se, a.excess.se), np.std(found, axis=0), rtol=0.1)


@pytest.mark.parametrize("digits", [9, 1])
def test_coverage_of_the_area(digits):
    rng = np.random.default_rng(7)
    truth = aurc(*sample(rng, 200_000, digits=digits)).aurc.estimate
    areas = [aurc(*sample(rng, 60, digits=digits)).aurc for _ in range(1000)]
    assert np.mean([a.lo <= truth <= a.hi for a in areas]) >= 0.92


@given(ROWS, st.randoms(use_true_random=False))
def test_area_properties(triples, random):
    c, y, ids = columns(triples)
    a = aurc(c, y, ids)
    assert 0 <= a.oracle <= a.aurc.estimate + 1e-12 and a.excess.estimate >= -1e-12
    for e in (a.aurc, a.excess):
        assert math.isnan(e.lo) or e.lo <= e.estimate <= e.hi
    assert a.aurc.estimate == pytest.approx(selective_risks(c, y).mean())
    assert selective_risks(c, y)[-1] == pytest.approx(a.random)
    order = list(range(c.size))
    random.shuffle(order)
    b = aurc(c[order] / 2, y[order], [str(i) for i in ids[order]])
    ours, others = ([e.estimate, e.lo, e.hi, e.se] for e in (a.aurc, b.aurc))
    np.testing.assert_allclose(ours, others, rtol=1e-7, atol=1e-9)


def test_confidence_that_says_nothing():
    y = np.resize([1, 1, 1, 0], 80)
    a = aurc(np.full(80, 0.9), y, np.arange(80))
    assert a.aurc.estimate == a.random == 0.25
    # All verdicts are tied: the area is the share of errors, and so is its error.
    assert a.aurc.se == pytest.approx(math.sqrt(0.25 * 0.75 / 79))


def test_area_zoo():
    empty = aurc([], [], [], missing=2)
    assert empty.aurc.status == "insufficient" and empty.aurc.n_missing == 2
    assert math.isnan(empty.oracle) and math.isnan(empty.random)
    assert aurc([0.5], [1], [0]).aurc.status == "insufficient"
    assert aurc([0.5, 0.6], [1, 0], ["p", "p"]).aurc.status == "one_cluster"
    right = aurc([0.5, 0.6, 0.7], [1, 1, 1], range(3))
    assert right.aurc.estimate == 0 and right.aurc.status == "degenerate"
    wrong = aurc([0.5, 0.6, 0.7], [0, 0, 0], range(3))
    assert (wrong.aurc.estimate, wrong.oracle, wrong.excess.estimate) == (1, 1, 0)
    assert wrong.excess.status == "degenerate"
    with pytest.raises(BenchError, match=r"confidence\[0\] is nan"):
        aurc([math.nan], [1], [0])


def test_coverage_at_risk_keeps_whole_ties():
    c, y = [0.9, 0.9, 0.8, 0.8, 0.7, 0.6], [1, 1, 1, 0, 0, 1]
    at = coverage_at_risk(c, y, 0.25)
    assert (at.threshold, at.coverage, at.risk) == (0.8, pytest.approx(4 / 6), 0.25)
    assert coverage_at_risk(c, y, 0.24).threshold == 0.9
    assert coverage_at_risk(c, y, 1).coverage == 1
    none = coverage_at_risk([0.9, 0.9, 0.4], [1, 0, 1], 0.1)
    assert none.coverage == 0 and none.threshold == math.inf and math.isnan(none.risk)
    assert coverage_at_risk([], [], 0.5).coverage == 0


def test_guarantee_vector(vector):
    v = vector("cal.selective_guarantee")
    i = v.inputs
    g = guarantee(
        i["confidence"], i["correct"], range(120), i["thresholds"], risk=i["risk"], delta=i["delta"]
    )
    assert g.threshold == v.expected["selected"] and g.coverage == 0.3
    assert [s.passed for s in g.steps] == [True, False, True, False]
    for s in g.steps:
        for key, value in (("n", s.n), ("errors", s.errors), ("cp_upper_95", s.upper)):
            v.close(value, "per_threshold", f"{s.threshold:g}", key)


@given(st.integers(1, 60), st.integers(0, 60), st.sampled_from([0.05, 0.1]))
def test_bound_agrees_with_statsmodels(n, wrong, delta):
    wrong = min(n, wrong)
    y = np.arange(n) >= wrong
    step = guarantee(np.full(n, 0.9), y, range(n), [0.5], risk=0.1, delta=delta).steps[0]
    other = proportion_confint(wrong, n, alpha=2 * delta, method="beta")[1]
    assert step.upper == pytest.approx(1 if wrong == n else other)


def test_shared_prompts_cost_rows():
    rng = np.random.default_rng(0)
    ids = np.repeat(np.arange(60), 4)
    y = (rng.random(60) < 0.95)[ids].astype(float)  # the rows of a prompt share their fate
    apart = guarantee(np.full(240, 0.9), y, np.arange(240), [0.5], risk=0.1).steps[0]
    shared = guarantee(np.full(240, 0.9), y, ids, [0.5], risk=0.1).steps[0]
    assert apart.deff == 1 and shared.deff == pytest.approx(4, rel=0.05)
    by_prompt = guarantee(np.full(60, 0.9), y[::4], range(60), [0.5], risk=0.1).steps[0]
    assert shared.upper == pytest.approx(by_prompt.upper, rel=0.03)
    assert shared.upper > apart.upper
    # No error at all: as if every prompt were one row.
    perfect = guarantee(np.full(240, 0.9), np.ones(240), ids, [0.5], risk=0.1).steps[0]
    assert perfect.upper == pytest.approx(1 - 0.05 ** (1 / 60))


def test_guarantee_holds():
    """Errors rise as confidence falls; the kept risk may exceed 15 % in 10 % of the runs."""
    rng = np.random.default_rng(3)
    grid = [0.95, 0.9, 0.85, 0.8, 0.75, 0.7, 0.6]
    broken, runs, some = 0, 600, 0
    for _ in range(runs):
        ids = np.repeat(np.arange(100), 2)
        c = rng.uniform(0.5, 1, 100)[ids]
        y = rng.random(200) < c
        g = guarantee(c, y, ids, grid, risk=0.15, delta=0.1)
        some += g.coverage > 0
        broken += g.threshold < 0.7  # confidence is true: the kept risk is (1 - threshold) / 2
    assert broken / runs <= 0.1 and some / runs > 0.3


def test_guarantee_zoo():
    none = guarantee([0.6, 0.7], [0, 1], [0, 1], [0.5, 0.9], risk=0.1)
    assert math.isnan(none.threshold) and none.coverage == 0
    first = none.steps[0]
    assert (first.threshold, first.n, first.upper) == (0.9, 0, 1)
    assert guarantee([], [], [], [0.5], risk=0.1).coverage == 0
    assert guarantee([0.9], [1], [0], [], risk=0.1).steps == ()
    single = guarantee(np.full(50, 0.9), np.ones(50), ["p"] * 50, [0.5], risk=0.1).steps[0]
    assert single.upper == pytest.approx(0.95) and not single.passed
    for bad in ({"risk": 0}, {"risk": 0.1, "delta": 1}):
        with pytest.raises(BenchError, match="between 0 and 1 expected"):
            guarantee([0.5], [1], [0], [0.5], **bad)
    with pytest.raises(BenchError, match=r"thresholds\[1\] is nan"):
        guarantee([0.5], [1], [0], [0.5, math.nan], risk=0.1)
