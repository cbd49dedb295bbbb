from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.formula.api import ols
from statsmodels.stats.anova import anova_lm

from bench.stats.components import components, planned_se
from bench.types import BenchError

SHAPES = st.tuples(st.integers(2, 6), st.integers(2, 3), st.integers(2, 4), st.integers(0, 9999))


def credits(shape, seed=0):
    return np.random.default_rng(seed).integers(0, 2, shape).astype(float)


def test_vector(vector):
    v = vector("var.components")
    x = np.array(v.inputs["correct"])
    found = components(x)
    v.close(found.mean, "mean")
    for key, value in (
        ("MS_item", found.ms_item),
        ("MS_order", found.ms_order),
        ("MS_item_order", found.ms_item_order),
        ("MS_repeat", found.ms_repeat),
        ("var_repeat", found.repeat.raw),
        ("var_item_order", found.item_order.raw),
        ("var_item_raw", found.item.raw),
        ("var_order_raw", found.order.raw),
    ):
        v.close(value, key)
    assert found.order.value == 0 and v.expected["truncated_at_zero"]
    single = components(x[:, :1])
    v.close(single.item.raw, "single_order", "between_var_corrected")
    v.close(single.repeat.raw, "single_order", "mean_within_var_ddof1")
    v.close(single.ms_item / 3, "single_order", "var_of_item_means_ddof1")
    for repeats, key in ((3, "se_mean_K3"), (math.inf, "se_if_K_infinite"), (1, "se_if_K1")):
        v.close(planned_se(single, 4, 1, repeats), "single_order", key)


@given(SHAPES)
def test_mean_squares_agree_with_statsmodels(shape):
    *shape, seed = shape
    x = credits(shape, seed) + np.random.default_rng(seed).normal(size=shape)
    item, order, _ = np.indices(shape).reshape(3, -1)
    table = pd.DataFrame({"x": x.ravel(), "item": item, "order": order})
    squares = anova_lm(ols("x ~ C(item) * C(order)", table).fit())["mean_sq"]
    found = components(x)
    expected = squares[["C(item)", "C(order)", "C(item):C(order)", "Residual"]]
    ours = (found.ms_item, found.ms_order, found.ms_item_order, found.ms_repeat)
    np.testing.assert_allclose(ours, expected, rtol=1e-8, atol=1e-10)


def test_components_are_found_again():
    rng = np.random.default_rng(1)
    n = 4000
    x = (rng.normal(0, 0.7, (n, 1, 1)) + rng.normal(0, 0.4, (n, 2, 1))
         + rng.normal(0, 0.5, (n, 2, 3)) + np.array([0.1, -0.1])[:, None])  # fmt: skip
    found = components(x)
    ours = (found.item.value, found.item_order.value, found.repeat.value, found.order.value)
    np.testing.assert_allclose(ours, (0.49, 0.16, 0.25, 0.02), rtol=0.08)


def test_planned_error_is_the_observed_one():
    """For the plan that was carried out: the spread of the item means over n."""
    rng = np.random.default_rng(3)
    right = (rng.random((50, 1, 1)) + rng.random((50, 2, 1))) / 2
    x = (rng.random((50, 2, 3)) < right).astype(float)
    found = components(x)
    assert min(found.item.raw, found.item_order.raw) > 0, "nothing is cut"
    expected = x.mean(axis=(1, 2)).std(ddof=1) / math.sqrt(50)
    assert planned_se(found, 50, 2, 3) == pytest.approx(expected)


@given(SHAPES)
def test_more_never_hurts(shape):
    *shape, seed = shape
    found = components(credits(shape, seed))
    base = planned_se(found, 100, 1, 1)
    for plan in ((200, 1, 1), (100, 2, 1), (100, 1, 4), (100, 1, math.inf)):
        assert planned_se(found, *plan) <= base + 1e-12
    assert planned_se(found, 100, deff=4) >= planned_se(found, 100)


def test_deterministic_judge():
    x = np.repeat(credits((20, 2, 1)), 3, axis=2)
    found = components(x)
    assert found.repeat.value == 0 and "deterministic" in found.note
    assert planned_se(found, 20, 2, 1) == planned_se(found, 20, 2, 9)
    assert components(credits((20, 2, 3))).note == ""


def test_design_effect_is_of_the_items_alone():
    found = components(np.repeat(np.random.default_rng(0).random((40, 1, 1)) > 0.5, 2, axis=2))
    assert planned_se(found, 9, 1, 2, deff=4) == pytest.approx(2 * planned_se(found, 9, 1, 2))
    half = components(credits((40, 2, 2)))
    per_order = (half.item_order.value + half.repeat.value) / 2
    assert planned_se(half, 1, 2, deff=9) ** 2 == pytest.approx(9 * half.item.value + per_order)


def test_what_a_design_cannot_tell_is_nan():
    once = components(credits((20, 2, 1)))
    assert math.isnan(once.repeat.raw) and math.isnan(once.ms_repeat)
    assert once.item_order.raw == pytest.approx(once.ms_item_order)
    assert planned_se(once, 20, 2, 1) > 0
    plain = components(credits((20, 1, 1)))
    assert math.isnan(plain.order.value) and math.isnan(plain.item_order.value)
    spread = credits((20, 1, 1)).std(ddof=1)
    assert planned_se(plain, 20, 1) == pytest.approx(spread / math.sqrt(20))
    one = components(credits((1, 2, 3)))
    assert math.isnan(one.item.value) and math.isnan(planned_se(one, 20))
    constant = components(np.ones((5, 2, 2)))
    assert (constant.item.value, constant.repeat.value, planned_se(constant, 5)) == (0, 0, 0)


def test_bad_input():
    with pytest.raises(BenchError, match="items x orders x repeats"):
        components([[1, 0]])
    with pytest.raises(BenchError, match="items x orders x repeats"):
        components(np.ones((0, 2, 2)))
    with pytest.raises(BenchError, match="item 1, order 0, repeat 1 is nan"):
        components([[[1, 0]], [[1, math.nan]]])
    found = components(credits((5, 2, 2)))
    for plan in ((0, 2, 1), (5, 0, 1), (5, 2, 0)):
        with pytest.raises(BenchError, match="at least"):
            planned_se(found, *plan)
