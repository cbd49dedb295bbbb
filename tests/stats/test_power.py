from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from bench.stats.power import (
    design_effect,
    detectable_difference,
    exact_power,
    required_items,
    required_items_for_mean,
)
from bench.types import BenchError


def test_vector(vector):
    v = vector("power.paired")
    for difference, discordance in v.inputs["cases"]:
        key = json.dumps([difference, discordance])
        v.close(required_items(difference, discordance), "n", key)
    for n, discordance in v.inputs["mde_cases"]:
        v.close(detectable_difference(n, discordance), "mde", json.dumps([n, discordance]))
    v.close(exact_power(200, 0.1, 0.3), "exact_power_n200_delta.1_disc.3")
    v.close(required_items_for_mean(0.03, 0.2 - 0.03**2), "miller_formula_n")
    v.close(design_effect(4, 0.3), "design_effect_m4_icc.3")


@given(
    st.floats(0.01, 1), st.floats(0.02, 1), st.floats(0.55, 0.99), st.floats(1, 8)
)  # fmt: skip
def test_detectable_difference_inverts_required_items(discordance, share, power, deff):
    difference = share * discordance
    n = required_items(difference, discordance, power=power, deff=deff)
    assert required_items(-difference, discordance, power=power, deff=deff) == pytest.approx(n)
    found = detectable_difference(n * (1 + 1e-9), discordance, power=power, deff=deff)
    assert found == pytest.approx(difference, rel=1e-5)


@given(st.integers(50, 5000), st.floats(0.05, 0.8))
def test_more_items_show_smaller_differences(n, discordance):
    few, many = (detectable_difference(k, discordance) for k in (n, 2 * n))
    assert math.isnan(few) or many < few <= discordance


def test_design_effect_scales_items():
    assert required_items(0.05, 0.3, deff=3) == pytest.approx(3 * required_items(0.05, 0.3))
    assert detectable_difference(900, 0.3, deff=3) == pytest.approx(detectable_difference(300, 0.3))


@pytest.mark.parametrize(("n", "difference", "discordance"), [(12, 0.3, 0.5), (25, 0.0, 0.4)])
def test_exact_power_by_enumeration(n, difference, discordance):
    win, loss = (discordance + difference) / 2, (discordance - difference) / 2
    power = 0.0
    for b in range(n + 1):
        for c in range(n + 1 - b):
            if b + c and binomtest(b, b + c).pvalue <= 0.05:
                ways = math.comb(n, b) * math.comb(n - b, c)
                power += ways * win**b * loss**c * (1 - discordance) ** (n - b - c)
    assert exact_power(n, difference, discordance) == pytest.approx(power, abs=1e-12)


def test_exact_power_against_the_normal_formula():
    """The exact test is conservative, so it has a little less."""
    n = math.ceil(required_items(0.05, 0.2))
    assert 0.75 < exact_power(n, 0.05, 0.2) < 0.8
    assert exact_power(n, 0.0, 0.2) <= 0.05


def test_edges():
    assert required_items(0, 0.2) == math.inf
    assert required_items_for_mean(0, 0.2) == math.inf
    assert math.isnan(detectable_difference(3, 0.2)), "3 items show nothing"
    assert math.isnan(detectable_difference(0, 0.2))
    assert exact_power(0, 0.1, 0.3) == 0
    assert exact_power(50, 0, 0) == 0
    assert exact_power(5, 0.5, 0.5) == 0, "five of five has p = .0625"
    assert exact_power(5, 1, 1, alpha=0.0625) == 1, "a p of exactly alpha rejects"
    assert exact_power(400, 0.9, 0.9) == pytest.approx(1)
    assert design_effect(1, 0.9) == 1
    for wrong in (
        lambda: required_items(0.3, 0.2),
        lambda: required_items(0.1, 1.2),
        lambda: required_items(math.nan, 0.2),
        lambda: required_items(0.1, 0.2, power=1),
        lambda: required_items(0.1, 0.2, alpha=5),
        lambda: required_items_for_mean(0.1, -1),
        lambda: detectable_difference(100, 0.2, power=0.4),
        lambda: exact_power(-1, 0.1, 0.2),
        lambda: design_effect(0.5, 0.2),
    ):
        with pytest.raises(BenchError):
            wrong()


def test_power_by_simulation():
    rng = np.random.default_rng(4)
    n, runs = 300, 4000
    m = rng.binomial(n, 0.3, runs)
    b = rng.binomial(m, (0.3 + 0.1) / 0.6)
    p = {(x, k): binomtest(x, k).pvalue for x, k in set(zip(b.tolist(), m.tolist(), strict=True))}
    power = np.mean([p[pair] <= 0.05 for pair in zip(b.tolist(), m.tolist(), strict=True)])
    assert power == pytest.approx(exact_power(n, 0.1, 0.3), abs=0.02)
