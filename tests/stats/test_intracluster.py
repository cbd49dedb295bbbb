from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.formula.api import ols
from statsmodels.stats.anova import anova_lm

from bench.stats.intracluster import intracluster_correlation
from bench.types import BenchError


def nested(rng, g, r, most=7):
    """Normal values of g prompts of 1 to `most` items, correlated r within."""
    ids = np.repeat(np.arange(g), rng.integers(1, most + 1, g))
    shared, own = rng.standard_normal(g)[ids], rng.standard_normal(ids.size)
    return math.sqrt(r) * shared + math.sqrt(1 - r) * own, ids


@pytest.mark.parametrize("seed", range(4))
def test_agrees_with_an_analysis_of_variance(seed):
    x, ids = nested(np.random.default_rng(seed), 25, 0.4)
    between, within = anova_lm(ols("x ~ C(p)", pd.DataFrame({"x": x, "p": ids})).fit())["mean_sq"]
    sizes = np.bincount(ids)
    m = (ids.size - np.sum(sizes**2) / ids.size) / 24
    e = intracluster_correlation(x, ids)
    assert e.estimate == pytest.approx((between - within) / (between + (m - 1) * within))
    assert -1 / (m - 1) < e.lo < e.estimate < e.hi < 1


@settings(max_examples=30)
@given(st.integers(0, 99), st.sampled_from([1e-200, 1e-9, 1e6, 1e200]), st.sampled_from([0, 3, -7]))
def test_the_unit_does_not_matter(seed, unit, shift):
    x, ids = nested(np.random.default_rng(seed), 12, 0.5)
    a = intracluster_correlation(x, ids)
    b = intracluster_correlation(unit * (x + shift), ids)
    assert b.status == a.status
    assert (b.estimate, b.lo, b.hi) == pytest.approx((a.estimate, a.lo, a.hi), abs=1e-6)


@pytest.mark.parametrize("g, r", [(15, 0.0), (15, 0.4), (30, 0.4)])
def test_few_prompts_hold_the_level(g, r):
    rng, held = np.random.default_rng(3), 0
    for _ in range(60):
        e = intracluster_correlation(*nested(rng, g, r))
        held += e.lo <= r <= e.hi
    assert held >= 54  # 2 standard errors below 95 % is 53.6


def test_what_has_no_interval():
    ids = np.repeat(np.arange(6), 3)
    degenerate = {
        "constant": (np.full(18, 0.1), ids),
        "alone": (np.arange(6.0), np.arange(6)),
        "alike": (ids * 1e-9, ids),
        "same means": ([0, 1, 0, 1, 0, 1, 0, 1, 0, 1], [0, 0, 1, 1, 2, 2, 2, 2, 3, 3]),
    }
    for name, (x, clusters) in degenerate.items():
        e = intracluster_correlation(x, clusters)
        assert e.status == "degenerate" and math.isnan(e.lo) and math.isnan(e.se), name
    assert intracluster_correlation(*degenerate["alike"]).estimate == pytest.approx(1)
    assert intracluster_correlation(*degenerate["same means"]).estimate < -0.3
    assert intracluster_correlation([], []).status == "insufficient"
    assert intracluster_correlation([1, 2], ["p", "p"]).status in ("one_cluster", "degenerate")
    with pytest.raises(BenchError, match=r"values\[1\] is nan"):
        intracluster_correlation([0, math.nan], [0, 1])
