from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.contingency_tables import mcnemar

from bench.stats.clusters import Clusters, mean_variance
from bench.stats.contrast_domains import contrast_domains, stratified_mcnemar
from bench.stats.heterogeneity import cochran_q
from bench.stats.paired import cluster_bonett_price, macro_bonett_price
from bench.types import BenchError

ROWS = st.lists(
    st.tuples(st.sampled_from([-1.0, -0.5, 0.0, 1.0]), st.sampled_from("abc"), st.integers(0, 9)),
    min_size=8,
    max_size=40,
)


def differences(table):
    """[both right, only first, only second, neither] -> (n,) differences."""
    both, first, second, neither = table
    return np.repeat([0.0, 1.0, -1.0], [both + neither, first, second])


def test_vector(vector):
    v = vector("test.stratified_diff")
    by_name = {name: differences(table) for name, table in v.inputs["tables"].items()}
    d = np.concatenate(list(by_name.values()))
    names = np.repeat(list(by_name), [x.size for x in by_name.values()])
    found = contrast_domains(d, np.arange(d.size), names)
    assert list(found.domains) == sorted(by_name)
    variances = {}
    for name, e in found.domains.items():
        v.close(e.estimate, "diff", name)
        variances[name] = e.se**2 * (e.n_items - 1) / e.n_items  # the vector has CR0
        v.close(variances[name], "var", name)
        assert np.sign(e.estimate) == v.expected["qualitative_interaction_signs"][name]
        alone = Clusters.of(np.arange(e.n_items), e.n_items)
        plain = mean_variance(by_name[name], alone, small_sample=False)
        assert plain == pytest.approx(variances[name])
    v.close(found.macro.estimate, "macro_diff")
    v.close(math.sqrt(sum(variances.values())) / 3, "macro_se")
    v.close(found.micro.estimate, "micro_diff")
    spread = cochran_q([e.estimate for e in found.domains.values()], list(variances.values()))
    v.close(spread.q, "cochran_Q")
    v.close(spread.p, "Q_p")
    assert spread.df == found.spread.df == v.expected["Q_df"]
    assert found.spread.q == pytest.approx(spread.q, rel=0.01)
    first, second = zip(*(t[1:3] for t in v.inputs["tables"].values()), strict=True)
    statistic, p = stratified_mcnemar(first, second)
    v.close(statistic, "stratified_mcnemar_chi2")
    v.close(p, "stratified_mcnemar_p")


def test_parts_are_the_existing_estimates():
    rng = np.random.default_rng(1)
    d = rng.choice([-1.0, 0.0, 0.5, 1.0], 300)
    clusters, names = rng.integers(0, 60, 300), rng.choice(["chat", "code"], 300)
    found = contrast_domains(d, clusters, names, level=0.9, missing={"chat": 3})
    chat, code = (
        cluster_bonett_price(d[names == n], clusters[names == n], level=0.9, missing=m)
        for n, m in (("chat", 3), ("code", 0))
    )
    assert found.domains == {"chat": chat, "code": code}
    assert found.macro == macro_bonett_price(d, clusters, names, level=0.9, missing=3)
    assert found.micro == cluster_bonett_price(d, clusters, level=0.9, missing=3)


def test_simpsons_paradox_is_flagged():
    """Of paired differences the two means can only part when a large domain goes the other way:
    then each domain counts the same in one, and by its size in the other."""
    d = np.concatenate([differences((60, 30, 5, 5)), differences((700, 20, 80, 200))])
    found = contrast_domains(d, np.arange(d.size), ["small"] * 100 + ["large"] * 1000)
    assert found.macro.estimate > 0 > found.micro.estimate
    assert found.contradiction.flag and found.contradiction.opposite == ("large",)
    assert found.p_holm["large"] < 1e-6 and found.spread.i2 > 0.9
    same = contrast_domains(np.abs(d), np.arange(d.size), ["small"] * 100 + ["large"] * 1000)
    assert not same.contradiction.flag


@given(ROWS, st.randoms(use_true_random=False))
def test_row_order_and_swap(rows, random):
    d, names, clusters = (np.array(x) for x in zip(*rows, strict=True))
    found = contrast_domains(d, clusters, names)
    order = list(range(d.size))
    random.shuffle(order)
    again = contrast_domains(d[order], [f"p{c}" for c in clusters[order]], names[order])
    swapped = contrast_domains(-d, clusters, names)
    for a, b, c in (
        (found.macro, again.macro, swapped.macro),
        (found.micro, again.micro, swapped.micro),
    ):
        np.testing.assert_allclose((a.estimate, a.lo, a.hi), (b.estimate, b.lo, b.hi), atol=1e-9)
        np.testing.assert_allclose((a.estimate, a.lo, a.hi), (-c.estimate, -c.hi, -c.lo), atol=1e-9)
    np.testing.assert_allclose(found.spread.q, swapped.spread.q, atol=1e-9)
    assert found.contradiction.flag == swapped.contradiction.flag


def test_a_domain_that_cannot_be_estimated():
    d, clusters = [0.0, 1.0, 1.0, 0.0], ["p", "q", "r", "r"]
    found = contrast_domains(d, clusters, ["a", "a", "b", "b"], missing={"c": 7})
    assert found.domains["b"].status == "one_cluster"
    assert found.domains["c"].status == "insufficient" and found.domains["c"].n_missing == 7
    assert math.isnan(found.p_holm["b"]) and math.isnan(found.p_holm["c"])
    assert 0 < found.p_holm["a"] <= 1
    assert math.isnan(found.macro.estimate) and "c (insufficient)" in found.macro.note
    assert found.micro.estimate == 0.5 and found.micro.n_missing == 7
    assert math.isnan(found.spread.q) and not found.contradiction.flag


def test_empty_and_constant():
    empty = contrast_domains([], [], [])
    assert empty.domains == {} and empty.macro.status == empty.micro.status == "insufficient"
    tied = contrast_domains(np.zeros(40), np.arange(40), ["a", "b"] * 20)
    assert tied.spread.q == 0 and not tied.contradiction.flag
    assert set(tied.p_holm.values()) == {1.0}


def test_bad_input():
    with pytest.raises(BenchError, match="1 domains for 2 differences"):
        contrast_domains([0, 1], [0, 1], ["a"])
    with pytest.raises(BenchError, match=r"differences\[1\]"):
        contrast_domains([0, math.nan], [0, 1], ["a", "a"])
    with pytest.raises(BenchError, match="2 strata of wins, 1 of losses"):
        stratified_mcnemar([1, 2], [1])
    with pytest.raises(BenchError, match=r"losses\[0\]"):
        stratified_mcnemar([1], [-1])


def test_stratified_mcnemar_is_the_plain_one_of_the_sums():
    statistic, p = stratified_mcnemar([3, 10], [6, 20])
    plain = mcnemar([[0, 13], [26, 0]], exact=False, correction=False)
    np.testing.assert_allclose((statistic, p), (plain.statistic, plain.pvalue), atol=1e-12)
    assert stratified_mcnemar([0, 0], [0, 0]) == (0.0, 1.0)
