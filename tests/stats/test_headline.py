from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm
from statsmodels.stats.weightstats import ttost_paired

from bench.stats.clusters import Clusters, clustered_mean, critical_value
from bench.stats.combine import macro
from bench.stats.estimate import Basis
from bench.stats.headline import detectable, headline, tost
from bench.stats.paired import cluster_bonett_price
from bench.types import BenchError


def interval(lo, hi, level=0.95, value=None):
    """An estimate with a given interval, around its middle unless `value` is given."""
    middle = (lo + hi) / 2 if value is None else value
    basis = Basis("given", level, 500, 500)
    return basis.estimate(middle, (lo, hi), se=(hi - lo) / 4, n_eff=500.0, df=499.0)


def verdict(lo, hi, lo90, hi90, margin=0.02):
    value = (lo + hi) / 2
    return headline(interval(lo, hi), interval(lo90, hi90, 0.9, value), margin)


@pytest.mark.parametrize(
    ("at95", "at90", "word", "facts"),
    [
        # facts: superior, non-inferior, equivalent, inferior
        ((0.01, 0.05), (0.013, 0.047), "superior", (1, 1, 0, 0)),
        ((0.001, 0.015), (0.002, 0.014), "superior", (1, 1, 1, 0)),
        ((-0.01, 0.01), (-0.008, 0.008), "equivalent", (0, 1, 1, 0)),
        ((-0.021, 0.021), (-0.018, 0.018), "equivalent", (0, 0, 1, 0)),
        ((-0.01, 0.05), (-0.005, 0.045), "non-inferior", (0, 1, 0, 0)),
        ((-0.015, -0.001), (-0.014, -0.002), "inferior", (0, 1, 1, 1)),
        ((-0.05, -0.01), (-0.047, -0.013), "inferior", (0, 0, 0, 1)),
        ((-0.05, 0.03), (-0.045, 0.025), "undecided", (0, 0, 0, 0)),
        # Bounds that are met exactly are not passed.
        ((0.0, 0.05), (0.004, 0.046), "non-inferior", (0, 1, 0, 0)),
        ((-0.02, 0.05), (-0.015, 0.045), "undecided", (0, 0, 0, 0)),
        ((-0.05, 0.0), (-0.046, -0.004), "undecided", (0, 0, 0, 0)),
        ((-0.01, 0.022), (-0.008, 0.02), "non-inferior", (0, 1, 0, 0)),
    ],
)
def test_verdict_rule(at95, at90, word, facts):
    found = verdict(*at95, *at90)
    assert found.verdict == word
    assert (found.superior, found.non_inferior, found.equivalent, found.inferior) == facts


def test_facts_beside_the_word_are_in_the_note():
    assert "within the margin" in verdict(0.001, 0.015, 0.002, 0.014).note
    assert "within the margin" in verdict(-0.015, -0.001, -0.014, -0.002).note
    assert "within the margin" in verdict(-0.019, -0.001, -0.0205, -0.0005).note
    assert verdict(0.01, 0.05, 0.013, 0.047).note == ""
    assert verdict(-0.05, -0.01, -0.047, -0.013).note == ""


@given(st.floats(-0.5, 0.5), st.floats(0.001, 0.3), st.floats(0.5, 0.9))
def test_smallest_margins_are_the_ones_at_which_the_verdict_turns(value, half, ratio):
    at95 = interval(value - half, value + half, value=value)
    at90 = interval(value - half * ratio, value + half * ratio, 0.9, value)
    found = headline(at95, at90)
    assert (found.smallest_margin == 0) == (at95.lo >= 0)
    for smallest, fact in (
        (found.smallest_margin, "non_inferior"),
        (found.smallest_equivalence, "equivalent"),
    ):
        assert getattr(headline(at95, at90, smallest + 1e-9), fact)
        if smallest > 1e-6:
            assert not getattr(headline(at95, at90, smallest - 1e-9), fact)


def test_tost_vector(vector):
    v = vector("test.tost")
    b, c, n = (v.inputs[k] for k in ("b_only1", "c_only2", "n"))
    d = np.repeat([1.0, -1.0, 0.0], [b, c, n - b - c])
    mean = clustered_mean(d, Clusters.of(np.arange(n), n))
    v.close(mean.value, "mean_diff")
    v.close(mean.se, "se")
    found = tost(mean.value, mean.se, n - 1, v.inputs["margin"])
    v.close(found.p_noninferior, "p_noninferior")
    v.close(found.p_nonsuperior, "p_nonsuperior")
    v.close(found.p, "p_tost")
    half = critical_value(0.9, n - 1) * mean.se
    v.close((mean.value - half, mean.value + half), "ci90")
    at95, at90 = (cluster_bonett_price(d, np.arange(n), level=level) for level in (0.95, 0.9))
    assert headline(at95, at90, v.inputs["margin"]).verdict == v.expected["verdict_at_.05"]


def test_tost_agrees_with_statsmodels():
    rng = np.random.default_rng(4)
    x, y = rng.normal(0.02, 1, 40), rng.normal(0, 1, 40)
    d = x - y
    p, low, high = ttost_paired(x, y, -0.3, 0.3)
    found = tost(d.mean(), d.std(ddof=1) / math.sqrt(40), 39, 0.3)
    np.testing.assert_allclose(
        (found.p, found.p_noninferior, found.p_nonsuperior), (p, low[1], high[1]), atol=1e-12
    )


def test_tost_without_error_or_margin():
    assert math.isnan(tost(0.0, 0.0, 9).p) and math.isnan(tost(0.0, math.nan, 9).p)
    with pytest.raises(BenchError, match="margin is 0"):
        tost(0.0, 0.1, 9, 0)


def test_detectable_difference_is_found_with_its_power():
    """Normal differences of a known error: power at the MDE is 80 %."""
    z = norm.ppf(0.975)
    se = 0.013
    mde = detectable(interval(-z * se, z * se))
    assert norm.sf(z - mde / se) == pytest.approx(0.8)


def test_works_on_a_macro_mean():
    rng = np.random.default_rng(5)
    d = {k: rng.choice([-1.0, 0.0, 1.0], 400, p=p) for k, p in (
        ("chat", [0.03, 0.87, 0.1]), ("math", [0.02, 0.9, 0.08])
    )}  # fmt: skip
    at = {
        level: macro([cluster_bonett_price(x, np.arange(400), level=level) for x in d.values()])
        for level in (0.95, 0.9)
    }
    found = headline(at[0.95], at[0.9])
    assert found.verdict == "superior"
    assert found.estimate is at[0.95] and found.estimate90 is at[0.9]


def test_no_interval_no_verdict():
    one, one90 = (
        cluster_bonett_price([1.0, 0.0, 1.0], ["a"] * 3, level=level) for level in (0.95, 0.9)
    )
    found = headline(one, one90)
    assert (found.verdict, found.note) == ("undefined", one.note)
    assert not any((found.superior, found.non_inferior, found.equivalent, found.inferior))
    assert math.isnan(found.smallest_margin) and math.isnan(found.mde)
    assert math.isnan(found.smallest_equivalence)
    empty = [cluster_bonett_price([], [], level=level) for level in (0.95, 0.9)]
    assert headline(*empty).verdict == "undefined"


def test_the_same_judge_twice_is_equivalent_at_a_margin_its_data_allow():
    at95, at90 = (
        cluster_bonett_price(np.zeros(60), np.arange(60), level=level) for level in (0.95, 0.9)
    )
    assert headline(at95, at90).verdict == "undecided"
    assert headline(at95, at90, 0.1).verdict == "equivalent"


def test_bad_input():
    good = interval(-0.01, 0.01), interval(-0.008, 0.008, 0.9)
    for margin in (0, -0.1, math.nan, math.inf):
        with pytest.raises(BenchError, match="margin is"):
            headline(*good, margin)
    with pytest.raises(BenchError, match=r"0\.95 and 0\.95; the second at 0\.9"):
        headline(good[0], good[0])
    with pytest.raises(BenchError, match="two differences"):
        headline(good[0], interval(0.2, 0.3, 0.9))
