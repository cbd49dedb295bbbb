"""Half credits in the cluster-adjusted Wilson interval."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.stats.intervals import cluster_wilson, fractional_rows, wilson

CREDIT = st.lists(st.sampled_from([0.0, 0.25, 0.5, 1.0]), min_size=2, max_size=40).map(np.array)


@given(st.lists(st.booleans(), min_size=2), st.floats(1, 100), st.floats(0.1, 5))
def test_whole_credits_are_worth_themselves(right, n_eff, critical):
    assert fractional_rows(np.array(right, float), n_eff, critical) == pytest.approx(n_eff)


@given(CREDIT, st.floats(0.1, 5))
def test_fractional_credits_are_worth_more_and_not_without_end(credit, critical):
    rows = fractional_rows(credit, credit.size, critical)
    assert credit.size * (1 - 1e-12) <= rows <= credit.size * (1 + credit.size / critical**2)


def test_many_rows_are_worth_the_ratio_of_variances():
    """Half of the credits 1/2, the others 0 or 1 alike: variance 1/8 instead of 1/4."""
    credit = np.tile([0.5, 0.0, 0.5, 1.0], 10_000)
    assert fractional_rows(credit, credit.size, 1.96) == pytest.approx(2 * credit.size, rel=1e-3)


def test_interval_against_walds_where_both_hold():
    credit = np.random.default_rng(0).choice([0.0, 0.5, 1.0], 4000, p=[0.1, 0.3, 0.6])
    e = cluster_wilson(credit, np.arange(4000))
    half = 1.96 * credit.std() / math.sqrt(4000)
    np.testing.assert_allclose((e.lo, e.hi), (e.estimate - half, e.estimate + half), atol=2e-4)
    assert e.n_eff == pytest.approx(4000, rel=0.05), "counts items, not what they are worth"
    plain = wilson(float(credit.sum()), 4000)
    assert e.hi - e.lo < 0.9 * (plain.hi - plain.lo)


def test_credits_without_variation_are_worth_themselves():
    for value in (0.0, 0.5, 1.0):
        assert fractional_rows(np.full(9, value), 7.0, 2.0) == 7.0
