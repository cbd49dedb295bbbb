from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.proportion import confint_proportions_2indep

from bench.stats.clusters import Clusters, mean_variance
from bench.stats.twogroups import two_groups
from bench.types import BenchError

ROWS = st.lists(
    st.tuples(st.sampled_from([0, 0.5, 1]), st.booleans(), st.integers(0, 25)),
    min_size=2,
    max_size=60,
)


def rows(triples):
    return tuple(np.array(x) for x in zip(*triples, strict=True))


def test_independent_groups_are_newcombe_s():
    """As many prompts as rows: MOVER of two Wilson intervals is Newcombe's method 10, but for the
    critical value of t."""
    credit = np.repeat([1, 0, 1, 0], [620, 80, 180, 120])
    first = np.arange(1000) < 700
    e = two_groups(credit, first, range(1000)).difference
    lo, hi = confint_proportions_2indep(620, 700, 180, 300, method="newcomb", compare="diff")
    np.testing.assert_allclose((e.lo, e.hi), (lo, hi), atol=5e-4)
    assert e.estimate == pytest.approx(620 / 700 - 0.6)


@given(ROWS, st.randoms(use_true_random=False))
def test_what_must_not_matter(triples, random):
    credit, first, ids = rows(triples)
    e = two_groups(credit, first, ids)
    order = random.sample(range(ids.size), ids.size)
    for other, sign in (
        (two_groups(credit[order], first[order], [f"p{i}" for i in ids[order]]), 1),
        (two_groups(credit, ~first, ids), -1),
        (two_groups(1 - credit, first, ids), -1),
    ):
        a, b = e.difference, other.difference
        assert a.status == b.status
        np.testing.assert_allclose(a.estimate, sign * b.estimate, atol=1e-12)
        np.testing.assert_allclose(
            (a.lo, a.hi), (b.lo, b.hi) if sign > 0 else (-b.hi, -b.lo), atol=1e-9
        )
    for x in (e.difference, e.mean):
        if not math.isnan(x.lo):
            assert x.lo - 1e-9 <= x.estimate <= x.hi + 1e-9
        if first.all() or not first.any():
            assert x.status == "insufficient"


def test_error_with_shared_prompts_is_that_of_the_influence():
    rng = np.random.default_rng(3)
    ids = np.repeat(np.arange(100), 6)
    first = rng.random(600) < 0.4
    credit = (rng.random(600) < rng.beta(2, 1, 100)[ids]).astype(float)
    e = two_groups(credit, first, ids)
    parts = [np.where(g, (credit - credit[g].mean()) / g.mean(), 0) for g in (first, ~first)]
    groups = Clusters.of(ids, 600)
    for found, influence in ((e.difference, parts[0] - parts[1]), (e.mean, sum(parts) / 2)):
        assert found.se == pytest.approx(math.sqrt(mean_variance(influence, groups)), rel=0.02)
    apart = two_groups(credit, first, np.append(ids[first], ids[~first] + 1000)[np.argsort(
        np.append(np.flatnonzero(first), np.flatnonzero(~first)))])  # fmt: skip
    assert e.difference.se < apart.difference.se < apart.difference.se + e.mean.se
    assert apart.mean.se < e.mean.se


def test_coverage():
    """60 prompts whose rows fall in both groups and share a chance of being right."""
    rng = np.random.default_rng(4)
    ids, hits, runs = np.repeat(np.arange(60), 4), np.zeros(2), 1000
    for _ in range(runs):
        chance = rng.beta(8, 2, 60)[ids]
        first = rng.random(240) < 0.5
        credit = rng.random(240) < chance - 0.1 * first
        e = two_groups(credit, first, ids)
        hits += [e.difference.lo <= -0.1 <= e.difference.hi, e.mean.lo <= 0.75 <= e.mean.hi]
    assert (hits / runs >= 0.93).all(), hits / runs


def test_no_variation_still_has_a_width():
    e = two_groups(np.ones(80), np.arange(80) < 40, range(80))
    assert e.difference.estimate == 0
    assert -0.2 < e.difference.lo < 0 < e.difference.hi < 0.2
    assert (e.mean.estimate, e.mean.hi) == (1, 1)
    assert e.mean.lo < 0.96
    assert math.isnan(e.difference.se)


def test_two_prompts_do_not_make_the_error_vanish():
    """With two prompts the correlation is 1 or -1 whatever the data."""
    credit, first = [1, 0, 1, 1, 0, 0, 1, 0], np.resize([True, False], 8)
    e = two_groups(credit, first, [1, 1, 1, 1, 2, 2, 2, 2])
    assert e.difference.hi - e.difference.lo > 0.5


def test_degenerate_zoo():
    e = two_groups([], np.zeros(0, bool), [])
    assert e.difference.status == e.mean.status == "insufficient"
    few = two_groups(np.ones(50), np.arange(50) < 29, range(50), smallest=30)
    assert few.difference.status == "insufficient"
    assert "29 and 21 rows" in few.difference.note
    lone = two_groups([1, 0, 1, 0], np.array([1, 1, 0, 0], bool), ["p", "p", "q", "r"])
    assert lone.difference.status == "one_cluster"
    assert lone.difference.estimate == 0
    with pytest.raises(BenchError, match="1 rows in groups for 2"):
        two_groups([1, 0], np.ones(1, bool), [1, 2])
    with pytest.raises(BenchError, match=r"credit\[0\] is nan"):
        two_groups([math.nan, 0], np.ones(2, bool), [1, 2])
