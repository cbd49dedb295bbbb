from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.multitest import multipletests

from bench.stats.multiplicity import benjamini_hochberg, benjamini_yekutieli, bonferroni, holm
from bench.types import BenchError

METHODS = {
    "bonferroni": bonferroni,
    "holm": holm,
    "bh": benjamini_hochberg,
    "by": benjamini_yekutieli,
}
STATSMODELS = {"bonferroni": "bonferroni", "holm": "holm", "bh": "fdr_bh", "by": "fdr_by"}
P = st.lists(
    st.one_of(st.floats(0, 1), st.sampled_from([0.01, 0.02, 0.5])), min_size=1, max_size=25
)


@pytest.mark.parametrize("name", METHODS)
def test_vector(vector, name):
    v = vector("mult.bh1995")
    adjusted = METHODS[name](v.inputs["p"])
    v.close(adjusted, name)
    assert (adjusted <= 0.05).sum() == v.expected[f"n_reject_{name}"]


@pytest.mark.parametrize("name", METHODS)
@given(P)
def test_agrees_with_statsmodels(name, p):
    expected = multipletests(p, method=STATSMODELS[name])[1]
    np.testing.assert_allclose(METHODS[name](p), expected, atol=1e-12)


@pytest.mark.parametrize("name", METHODS)
@given(P, st.randoms(use_true_random=False))
def test_keeps_the_order_given(name, p, random):
    order = list(range(len(p)))
    random.shuffle(order)
    values = np.array(p)
    np.testing.assert_allclose(METHODS[name](values)[order], METHODS[name](values[order]))


@pytest.mark.parametrize("name", METHODS)
def test_edges(name):
    adjust = METHODS[name]
    assert adjust([]).shape == (0,)
    assert adjust([0.3]) == pytest.approx([0.3])
    with pytest.raises(BenchError, match=r"p\[1\] is nan"):
        adjust([0.1, math.nan])
    with pytest.raises(BenchError, match=r"p\[0\] is 1.5"):
        adjust([1.5])
