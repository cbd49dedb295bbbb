from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.proportion import confint_proportions_2indep, proportions_ztest

from bench.stats.unpaired import unpaired_difference
from bench.types import BenchError
from reports.published import paper

JUDGES = paper("together").counts["judges"]
N = sum(JUDGES["GPT-5.2"][outcome] for outcome in ("right", "wrong", "disagreement"))


def of_two(numbers):
    return st.tuples(numbers, numbers)


GROUPS = of_two(st.integers(1, 60)).flatmap(
    lambda n: st.tuples(st.tuples(*(st.integers(0, rows) for rows in n)), st.just(n))
)


@given(GROUPS, st.sampled_from([0.5, 0.9, 0.95, 0.99]))
def test_agrees_with_statsmodels(groups, level):
    (s1, s2), (n1, n2) = groups
    found = unpaired_difference(*groups, level=level)
    e = found.difference
    expected = confint_proportions_2indep(s1, n1, s2, n2, "newcomb", "diff", 1 - level)
    np.testing.assert_allclose((e.lo, e.hi), np.clip(expected, -1, 1), atol=1e-12)
    assert -1 <= e.lo <= e.estimate == s1 / n1 - s2 / n2 <= e.hi <= 1
    assert e.hi > e.lo
    if 0 < s1 + s2 < n1 + n2:
        expected = proportions_ztest((s1, s2), (n1, n2))
        np.testing.assert_allclose((found.z, found.p), expected, rtol=1e-9, atol=1e-12)
    else:
        assert math.isnan(found.z) and math.isnan(found.p)


def test_newcombe_1998():
    """Contrast (a) of Newcombe's table II: 56/70 against 48/80, method 10."""
    e = unpaired_difference((56, 48), (70, 80)).difference
    assert (round(e.lo, 4), round(e.hi, 4)) == (0.0524, 0.3339)


@given(GROUPS)
def test_exchanging_the_groups_or_the_classes_negates(groups):
    (s1, s2), (n1, n2) = groups
    one = unpaired_difference((s1, s2), (n1, n2))
    for other in (
        unpaired_difference((s2, s1), (n2, n1)),
        unpaired_difference((n1 - s1, n2 - s2), (n1, n2)),
    ):
        np.testing.assert_allclose(
            (other.difference.estimate, other.difference.lo, other.difference.hi, other.z),
            (-one.difference.estimate, -one.difference.hi, -one.difference.lo, -one.z),
            atol=1e-9,
        )
        np.testing.assert_allclose(other.p, one.p, atol=1e-9)


def test_standard_error_and_counts():
    e = unpaired_difference((60, 30), (100, 50)).difference
    assert e.se == pytest.approx(math.sqrt(0.24 / 100 + 0.24 / 50))
    assert (e.n_items, e.n_clusters, e.n_eff, e.status) == (150, 150, 150, "ok")


def test_edges():
    for n in ((0, 5), (5, 0), (0, 0)):
        found = unpaired_difference((0, 0), n)
        assert found.difference.status == "insufficient"
        assert math.isnan(found.difference.estimate) and math.isnan(found.p)
    alike = unpaired_difference((20, 20), (20, 20))
    assert alike.difference.estimate == 0 and alike.difference.lo < 0 < alike.difference.hi
    assert math.isnan(alike.difference.se) and math.isnan(alike.z) and math.isnan(alike.p)
    assert alike.difference.status == "ok_small"
    single = unpaired_difference((1, 0), (1, 1)).difference
    assert single.hi == 1 and single.lo < 0
    # A p far in the tail is small, not 0.
    assert 0 < unpaired_difference((900, 100), (1_000, 1_000)).p < 1e-200


@pytest.mark.parametrize("successes", [(6, 0), (0, -1), (math.nan, 0)])
def test_bad_counts_are_told(successes):
    with pytest.raises(BenchError, match="of 5; a number from 0 to 5 expected"):
        unpaired_difference(successes, (5, 5))


def test_published_counts_are_whole():
    found = paper("together")
    published = {f.judge: f.number for f in found.figures if f.column == "all"}
    assert JUDGES.keys() == published.keys() and len(JUDGES) == 6 and N == 297
    for name, judge in JUDGES.items():
        assert judge["right"] + judge["wrong"] + judge["disagreement"] == N
        assert round(100 * judge["right"] / N, 2) == published[name]
        assert judge["trained"] == name.endswith("+ DPO")


@pytest.mark.parametrize(
    ("one", "other", "p"),
    [
        ("GPT-OSS-120B + DPO", "GPT-5.2", 0.80),
        ("GPT-OSS-120B + DPO", "GPT-OSS-120B", 0.24),
        ("Qwen3-235B-A22B-Instruct-2507", "GPT-5.2", 0.80),
    ],
)
def test_published_differences_are_not_told_apart(one, other, p):
    found = unpaired_difference((JUDGES[one]["right"], JUDGES[other]["right"]), (N, N))
    assert round(found.p, 2) == p
    assert found.difference.lo < 0 < found.difference.hi


def test_disagreements_decide_the_order_of_published_judges():
    def half(judge):
        return 100 * (judge["right"] + judge["disagreement"] / 2) / N

    def decided(judge):
        return 100 * judge["right"] / (judge["right"] + judge["wrong"])

    large, tuned = JUDGES["GPT-5.2"], JUDGES["GPT-OSS-120B + DPO"]
    assert tuned["right"] > large["right"]
    assert [round(half(j), 1) for j in (large, tuned)] == [73.6, 72.9]
    assert [round(decided(j), 1) for j in (large, tuned)] == [81.0, 78.8]
