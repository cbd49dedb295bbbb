from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import beta as beta_function
from scipy.stats import multivariate_normal, norm

from bench.stats.sequential import (
    mcnemar_e_value,
    mean_difference_sequence,
    obrien_fleming,
    signflip_e_values,
    win_share_sequence,
)
from bench.types import BenchError

COUNT = st.integers(0, 300)


def test_boundary_vector(vector):
    v = vector("seq.lan_demets_obf")
    looks = obrien_fleming(v.inputs["information_fractions"], v.inputs["alpha"])
    v.close(looks.alpha, "cumulative_alpha")
    v.close(looks.z, "z_bounds")
    np.testing.assert_allclose(looks.z, [4.877, 3.357, 2.680, 2.290, 2.031], atol=1e-3)


@pytest.mark.parametrize("t", [[0.5, 1.0], [0.3, 0.35, 0.9], [0.4, 0.7, 1.0]])
def test_the_law_of_all_looks_spends_what_it_should(t):
    """Chance to stay within all boundaries from the joint normal law, not by recursion."""
    looks = obrien_fleming(t, 0.1)
    covariance = np.sqrt(np.minimum.outer(t, t) / np.maximum.outer(t, t))
    inside = multivariate_normal(np.zeros(len(t)), covariance, abseps=1e-8, releps=1e-8).cdf(
        looks.z, lower_limit=-np.array(looks.z)
    )
    assert 1 - inside == pytest.approx(looks.alpha[-1], abs=2e-5)


def test_one_look_is_no_correction():
    assert obrien_fleming([1.0]).z[0] == pytest.approx(norm.ppf(0.975))
    assert obrien_fleming([1.0], 0.01).alpha[0] == pytest.approx(0.01)


def test_many_looks_by_simulation():
    t = np.arange(1, 41) / 40
    looks = obrien_fleming(t)
    steps = np.random.default_rng(0).normal(0, math.sqrt(1 / 40), (40_000, 40))
    z = np.abs(np.cumsum(steps, axis=1)) / np.sqrt(t)
    assert (z >= looks.z).any(axis=1).mean() == pytest.approx(0.05, abs=0.004)
    assert looks.alpha[-1] == pytest.approx(0.05)
    assert (np.diff(looks.z) < 0).all() and 12 < looks.z[0] < 15


@pytest.mark.parametrize("t", [[], [0.0, 1.0], [0.5, 0.5], [1.0, 0.5], [0.5, 1.5]])
def test_wrong_looks(t):
    with pytest.raises(BenchError):
        obrien_fleming(t)


def test_e_value_vector(vector):
    v = vector("seq.mcnemar_evalue")
    for text in v.inputs["cases"]:
        v.close(mcnemar_e_value(*map(int, text.split(","))), text)


def test_e_value_is_a_fair_bet():
    """Whatever happened, its mean after one more fair item is what it was."""
    for b, c in itertools.product(range(5), range(5)):
        after = (mcnemar_e_value(b + 1, c) + mcnemar_e_value(b, c + 1)) / 2
        assert after == pytest.approx(mcnemar_e_value(b, c))
    assert mcnemar_e_value(5000, 0) == math.inf
    with pytest.raises(BenchError, match="-1"):
        mcnemar_e_value(-1, 0)


@given(COUNT, COUNT, st.sampled_from([0.8, 0.95, 0.99]))
def test_confidence_sequence_is_the_inverted_e_value(b, c, level):
    e = win_share_sequence(b, c, level)
    if b + c == 0:
        assert e.status == "insufficient" and math.isnan(e.estimate)
        return
    assert 0 <= e.lo <= e.estimate <= e.hi <= 1 and e.lo < e.hi
    outside = not e.lo <= 0.5 <= e.hi
    assert outside == (mcnemar_e_value(b, c) > 1 / (1 - level))
    if b and c and b + c < 60:
        for q in (e.lo, e.hi):
            ratio = beta_function(b + 1, c + 1) / (q**b * (1 - q) ** c)
            assert ratio == pytest.approx(1 / (1 - level), rel=1e-5)
    mirror = win_share_sequence(c, b, level)
    np.testing.assert_allclose((1 - e.hi, 1 - e.lo), (mirror.lo, mirror.hi), atol=1e-9)


def test_confidence_sequence_holds_at_all_times():
    rng = np.random.default_rng(1)
    runs, n, q = 2000, 400, 0.6
    b = np.cumsum(rng.random((runs, n)) < q, axis=1)
    held = np.ones(runs, bool)
    for k in range(1, n + 1):
        ends = [win_share_sequence(x, k - x) for x in range(k + 1)] if k % 40 == 0 else None
        if ends:
            inside = np.array([e.lo <= q <= e.hi for e in ends])
            held &= inside[b[:, k - 1]]
    assert held.mean() >= 0.95
    with pytest.raises(BenchError, match="level"):
        win_share_sequence(1, 1, 95)


def test_signflip_bets_are_fair():
    """The mean of the wealth over all signs of all prompts is 1 after each of them."""
    sizes = np.array([0.5, 3.0, 1.0, 0.0, 2.0, 40.0])
    signs = np.array(list(itertools.product([1, -1], repeat=6)))
    wealth = np.array([signflip_e_values(s * sizes) for s in signs])
    np.testing.assert_allclose(wealth.mean(axis=0), 1)
    np.testing.assert_allclose(wealth, [signflip_e_values(-s * sizes) for s in signs])


def test_signflip_by_its_definition():
    x = [1.0, -0.5, 2.0]
    stakes = [s * 2.0**k for k in range(-4, 2) for s in (1, -1)]
    expected = np.mean([math.prod(math.exp(a * v) / math.cosh(a * v) for v in x) for a in stakes])
    assert signflip_e_values(x)[-1] == pytest.approx(expected)


def test_signflip_process_stops_late_at_the_null_and_soon_otherwise():
    rng = np.random.default_rng(2)
    null = [signflip_e_values(rng.choice([-1, 0, 0, 1], 300)).max() for _ in range(2000)]
    assert np.mean(np.array(null) >= 20) <= 0.05
    real = [signflip_e_values(rng.choice([-1, 0, 1, 1], 300)).max() for _ in range(200)]
    assert np.mean(np.array(real) >= 20) > 0.95


DIFFERENCES = st.lists(
    st.tuples(st.sampled_from([-2.0, -1.0, -0.5, 0.0, 0.25, 1.0, 2.0]), st.integers(1, 4)),
    min_size=1,
    max_size=40,
)


@settings(max_examples=40)
@given(DIFFERENCES, st.sampled_from([0.5, 0.8, 0.95]), st.floats(-1, 1))
def test_mean_sequence_is_the_inverted_e_value(rows, level, shift):
    """What it holds at each look is what the e-values do not refuse, 0 and any other shift."""
    sums, sizes = (np.array(x, float) for x in zip(*rows, strict=True))
    found = mean_difference_sequence(sums + shift * sizes, sizes, level=level)
    np.testing.assert_allclose(found.mean, np.cumsum(sums) / np.cumsum(sizes) + shift, atol=1e-12)
    for m in (0, shift, 0.3):
        wealth = signflip_e_values(sums + (shift - m) * sizes)
        clear = np.abs(wealth * (1 - level) - 1) > 1e-6
        outside = (m < found.lo) | (m > found.hi)
        np.testing.assert_array_equal(outside[clear], (wealth >= 1 / (1 - level))[clear])
    mirror = mean_difference_sequence(-sums - shift * sizes, sizes, level=level)
    np.testing.assert_allclose(mirror.lo, -found.hi, atol=1e-9)
    assert ((found.lo <= found.mean) & (found.mean <= found.hi)).all()


def test_mean_sequence_holds_at_all_times():
    rng, truth, looks = np.random.default_rng(4), 0.1, [8, 15, 25, 40, 70, 120]
    held, widths = 0, []
    for _ in range(100):
        sizes = rng.integers(1, 6, 120)
        effect = truth + rng.normal(0, 0.3, 120)  # that the rows of a prompt share
        found = mean_difference_sequence(
            sizes * effect + rng.normal(0, 0.5, 120), sizes, looks=looks
        )
        held += bool(((found.lo <= truth) & (truth <= found.hi)).all())
        widths.append(found.hi - found.lo)
    assert held >= 95
    assert found.prompts.tolist() == looks
    assert (np.diff(np.median(widths, axis=0)) < 0).all()


def test_mean_sequence_edges():
    few = mean_difference_sequence(np.ones(8), np.ones(8))
    assert np.isinf(few.lo[:5]).all() and np.isinf(few.hi[:5]).all()  # 2^4 < 20 < 2^5
    assert np.isfinite(few.lo[5:]).all() and few.lo[7] > few.lo[5]
    empty = mean_difference_sequence([], [])
    assert empty.lo.shape == empty.prompts.shape == (0,)
    assert np.isfinite(mean_difference_sequence([1e200, -1e200] * 5, np.ones(10)).hi[-1])
    for sums, sizes, options, match in (
        ([math.nan], [1], {}, r"sums\[0\]"),
        ([1.0], [0], {}, r"sizes\[0\]"),
        ([1.0, 1.0], [1], {}, "2 sums and 1 sizes"),
        ([1.0], [1], {"looks": [2]}, r"looks\[0\]"),
        ([1.0], [1], {"level": 95}, "level"),
    ):
        with pytest.raises(BenchError, match=match):
            mean_difference_sequence(sums, sizes, **options)


@pytest.mark.filterwarnings("error")
def test_signflip_edges():
    assert signflip_e_values(np.ones(3000))[-1] == math.inf
    assert signflip_e_values([]).shape == (0,)
    np.testing.assert_allclose(signflip_e_values([0.0, 0.0]), 1)
    assert np.isfinite(signflip_e_values([1e300, -1e300])).all()
    for bad in (math.nan, math.inf):
        with pytest.raises(BenchError, match=r"sums\[1\]"):
            signflip_e_values([0, bad])
