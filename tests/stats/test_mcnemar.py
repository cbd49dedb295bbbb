from __future__ import annotations

import math
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.contingency_tables import mcnemar as statsmodels_mcnemar

from bench.stats.mcnemar import conditional_odds_ratio, mcnemar, mcnemar_p
from bench.types import BenchError

COUNT = st.integers(0, 60)


def rows(b, c, same=10):
    return np.repeat([1, -1, 0], [b, c, same])


def test_vector(vector):
    v = vector("test.mcnemar")
    for text in v.inputs["cases"]:
        b, c = map(int, re.findall(r"\d+", text))
        found = mcnemar(rows(b, c), np.arange(b + c + 10))
        v.close(found.p, text, "exact_p")
        v.close(found.mid_p, text, "mid_p")
        assert (found.first_only, found.second_only) == (b, c)


def test_odds_ratio_vector(vector):
    v = vector("test.conditional_or")
    e = conditional_odds_ratio(v.inputs["b"], v.inputs["c"])
    v.close(e.estimate, "odds_ratio")
    v.close((e.lo, e.hi), "exact_ci95")
    v.close(mcnemar_p(30, 15)[0], "mcnemar_exact_p")
    low, high = v.expected["wald_ci95"]
    assert e.se / 2 == pytest.approx(math.log(high / low) / (2 * 1.959964), rel=1e-6)


@given(COUNT, COUNT)
def test_agrees_with_statsmodels(b, c):
    p, mid = mcnemar_p(b, c)
    if b + c:
        assert p == pytest.approx(statsmodels_mcnemar([[5, b], [c, 5]], exact=True).pvalue)
    assert 0 < mid <= p <= 1
    assert mcnemar_p(c, b) == (p, mid)


@given(COUNT, COUNT)
def test_odds_ratio_leaves_one_out_exactly_when_the_test_rejects(b, c):
    e = conditional_odds_ratio(b, c)
    if b + c:
        assert e.lo <= e.estimate <= e.hi
        assert (not e.lo <= 1 <= e.hi) == (mcnemar_p(b, c)[0] < 0.05)
    mirror = conditional_odds_ratio(c, b)
    if b and c:
        np.testing.assert_allclose((1 / e.hi, 1 / e.lo), (mirror.lo, mirror.hi), rtol=1e-9)


def test_clustered_or_fractional_rows_are_sent_to_signflip():
    with pytest.raises(BenchError, match="signflip"):
        mcnemar([1, -1, 0], ["p", "p", "q"])
    with pytest.raises(BenchError, match=r"differences\[1\] is 0.5.*signflip"):
        mcnemar([1, 0.5], [1, 2])
    with pytest.raises(BenchError, match=r"differences\[0\] is nan"):
        mcnemar([math.nan, 0], [1, 2])
    with pytest.raises(BenchError, match="-1"):
        mcnemar_p(-1, 2)


def test_degenerate_zoo():
    same = mcnemar(np.zeros(20), np.arange(20))
    assert (same.p, same.mid_p, same.odds_ratio.status) == (1, 1, "degenerate")
    assert math.isnan(same.odds_ratio.estimate)
    for n in (0, 1):
        assert math.isnan(mcnemar(np.ones(n), np.arange(n)).p)
    won = conditional_odds_ratio(8, 0)
    assert won.estimate == won.hi == math.inf and 1 < won.lo < 5 and math.isnan(won.se)
    lost = conditional_odds_ratio(0, 8)
    assert lost.estimate == lost.lo == 0 and lost.hi == pytest.approx(1 / won.lo)
