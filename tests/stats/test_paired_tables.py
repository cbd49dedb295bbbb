from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from statsmodels.stats.proportion import proportion_confint

from bench.stats.paired import cluster_bonett_price
from bench.stats.paired_tables import PairedTable, bonett_price, newcombe, tango
from bench.types import BenchError

INTERVALS = {"bonett_price": bonett_price, "newcombe10": newcombe, "tango_score": tango}
COUNTS = st.tuples(*[st.integers(0, 25)] * 4)


@pytest.mark.parametrize("name", INTERVALS)
def test_vector(vector, name):
    v = vector("ci.paired_diff")
    for text in v.inputs["tables"]:
        e = INTERVALS[name](PairedTable(*json.loads(text)))
        v.close(e.estimate, text, "diff")
        v.close((e.lo, e.hi), text, name)


def test_standard_error_is_walds(vector):
    v = vector("ci.paired_diff")
    e = tango(PairedTable(130, 30, 15, 25))
    low, high = v.expected["[130, 30, 15, 25]"]["wald"]
    assert e.se * 1.959964 * 2 == pytest.approx(high - low, rel=1e-6)
    assert math.isnan(tango(PairedTable(20, 0, 0, 0)).se)


@pytest.mark.parametrize("name", INTERVALS)
@given(COUNTS)
def test_swap_nesting_and_range(name, counts):
    assume(sum(counts) >= 2)
    both, b, c, neither = counts
    interval = INTERVALS[name]
    e, narrow = interval(PairedTable(*counts)), interval(PairedTable(*counts), 0.5)
    other = interval(PairedTable(both, c, b, neither))
    np.testing.assert_allclose((e.lo, e.hi), (-other.hi, -other.lo), atol=1e-7)
    assert -1 <= e.lo <= narrow.lo + 1e-7 and narrow.hi - 1e-7 <= e.hi <= 1
    assert e.lo <= e.estimate <= e.hi and e.lo < e.hi


@given(COUNTS)
def test_bonett_price_is_the_clustered_one_with_a_prompt_an_item(counts):
    assume(sum(counts) >= 2)
    table = PairedTable(*counts)
    d = np.repeat([0, 1, -1, 0], counts)
    e, clustered = bonett_price(table), cluster_bonett_price(d, np.arange(d.size))
    # Apart from the critical value and, at most, G / (G - 1) in the design effect.
    assert clustered.lo <= e.lo + 1e-9 and e.hi <= clustered.hi + 1e-9
    many = np.tile(d, 2000 // d.size)
    big = PairedTable(*(x * (2000 // d.size) for x in counts))
    ours = cluster_bonett_price(many, np.arange(many.size))
    np.testing.assert_allclose((ours.lo, ours.hi), (bonett_price(big).lo, bonett_price(big).hi),
                               atol=2e-3)  # fmt: skip


@pytest.mark.parametrize("counts", [(36, 12, 2, 0), (10, 4, 9, 3), (0, 5, 0, 15)])
def test_tango_against_the_likelihood(counts):
    """At both ends the score, with the discordant shares that maximise the likelihood given the
    difference found numerically, is the critical value."""
    table = PairedTable(*counts)
    b, c, n = table.first, table.second, table.n
    e = tango(table)
    for end in (e.lo, e.hi):

        def loss(q, end=end):
            p = q + end
            return -((b * math.log(p) if b else 0) + (c * math.log(q) if c else 0)
                     + (n - b - c) * math.log(max(1 - p - q, 1e-300)))  # fmt: skip

        span = (max(0, -end) + 1e-12, (1 - end) / 2 - 1e-12)
        q = minimize_scalar(loss, bounds=span, method="bounded", options={"xatol": 1e-12}).x
        score = (b - c - n * end) / math.sqrt(n * (2 * q + end - end**2))
        assert abs(score) == pytest.approx(1.959964, abs=1e-4)


def test_judges_that_never_differ_are_a_proportion():
    """Score interval of no discordant item: Wilson's upper limit of 0 / n on either side."""
    e = tango(PairedTable(20, 0, 0, 0))
    assert e.hi == -e.lo == pytest.approx(proportion_confint(0, 20, method="wilson")[1])


@pytest.mark.parametrize("name", INTERVALS)
def test_edges(name):
    interval = INTERVALS[name]
    for counts in ((0, 0, 0, 0), (1, 0, 0, 0)):
        e = interval(PairedTable(*counts))
        assert e.status == "insufficient" and math.isnan(e.lo)
    for b, c in ((9, 0), (0, 9)):
        e = interval(PairedTable(0, b, c, 0))
        assert abs(e.estimate) == 1 and e.hi - e.lo > 0.1 and abs(e.lo) <= 1 and abs(e.hi) <= 1
    with pytest.raises(BenchError, match="second is -1"):
        PairedTable(1, 1, -1, 1)
    with pytest.raises(BenchError, match="level"):
        interval(PairedTable(1, 1, 1, 1), 95)
