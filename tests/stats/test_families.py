from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import ttest_ind

from bench.stats.families import families
from bench.stats.paired import cluster_bonett_price, macro_bonett_price
from bench.types import BenchError

RNG = np.random.default_rng(6)
FIRST = (RNG.random((200, 3)) < [0.7, 0.8, 0.75]).astype(float)
SECOND = (RNG.random((200, 4)) < [0.85, 0.65, 0.7, 0.8]).astype(float)
CLUSTERS = RNG.integers(0, 70, 200)
DOMAINS = RNG.choice(["chat", "code", "math"], 200)


def numbers(e):
    return e.estimate, e.lo, e.hi, e.se, e.df


def test_these_judges_are_a_paired_difference_of_family_means():
    d = FIRST.mean(axis=1) - SECOND.mean(axis=1)
    assert families(FIRST, SECOND, CLUSTERS).these == cluster_bonett_price(d, CLUSTERS)
    found = families(FIRST, SECOND, CLUSTERS, DOMAINS, missing=2).these
    assert found == macro_bonett_price(d, CLUSTERS, DOMAINS, missing=2)
    assert (found.n_items, found.n_missing) == (200, 2)
    assert found.n_clusters == np.unique(CLUSTERS).size, "a prompt in two domains counts once"


def test_with_endless_items_only_judges_are_random():
    """No item noise at all: Welch's t interval of the judges' means."""
    first, second = np.array([0.7, 0.8, 0.76]), np.array([0.6, 0.75, 0.5, 0.9])
    found = families(np.tile(first, (500, 1)), np.tile(second, (500, 1)), np.arange(500))
    welch = ttest_ind(first, second, equal_var=False)
    low, high = welch.confidence_interval()
    e = found.judges_like_these
    # The 500 constant differences still count with the width of their interval.
    np.testing.assert_allclose((e.lo, e.hi), (low, high), atol=2e-3)
    np.testing.assert_allclose(e.df, welch.df, rtol=0.02)
    np.testing.assert_allclose(
        (found.spread_first, found.spread_second), (first.std(ddof=1), second.std(ddof=1))
    )


def test_variance_adds_up():
    found = families(FIRST, SECOND, CLUSTERS, DOMAINS)
    between = found.spread_first**2 / 3 + found.spread_second**2 / 4
    expected = math.sqrt(found.these.se**2 + between)
    assert found.judges_like_these.se == pytest.approx(expected)
    means = np.mean([FIRST[d == DOMAINS].mean(axis=0) for d in ("chat", "code", "math")], axis=0)
    assert found.spread_first == pytest.approx(means.std(ddof=1))
    assert found.judges_like_these.status == "ok_small"


@given(st.randoms(use_true_random=False), st.booleans())
def test_symmetries(random, split):
    domains = DOMAINS if split else None
    found = families(FIRST, SECOND, CLUSTERS, domains)
    rows, judges = list(range(200)), list(range(4))
    random.shuffle(rows)
    random.shuffle(judges)
    again = families(
        FIRST[rows], SECOND[rows][:, judges], CLUSTERS[rows], None if not split else DOMAINS[rows]
    )
    swapped = families(SECOND, FIRST, CLUSTERS, domains)
    for a, b, c in (
        (found.these, again.these, swapped.these),
        (found.judges_like_these, again.judges_like_these, swapped.judges_like_these),
    ):
        np.testing.assert_allclose(numbers(a)[:4], numbers(b)[:4], atol=1e-9)
        np.testing.assert_allclose((a.estimate, a.lo, a.hi), (-c.estimate, -c.hi, -c.lo), atol=1e-9)
        assert a.lo <= a.estimate <= a.hi
    assert found.judges_like_these.lo <= found.these.lo
    assert found.judges_like_these.hi >= found.these.hi


def test_identical_judges_never_make_the_wider_claim_the_surer_one():
    same = np.tile(FIRST[:, :1], (1, 6)), np.tile(SECOND[:, :1], (1, 6))
    found = families(*same, CLUSTERS)
    assert found.spread_first == pytest.approx(0)
    assert found.judges_like_these.lo <= found.these.lo
    assert found.judges_like_these.hi >= found.these.hi
    assert found.judges_like_these.status == "ok"


def test_one_judge_in_a_family():
    found = families(FIRST[:, :1], SECOND, CLUSTERS)
    assert not math.isnan(found.these.lo)
    assert found.judges_like_these.status == "insufficient"
    assert found.judges_like_these.estimate == found.these.estimate
    assert math.isnan(found.judges_like_these.lo) and math.isnan(found.spread_first)


def test_too_little_data():
    for n, clusters, status in ((0, [], "insufficient"), (3, ["p"] * 3, "one_cluster")):
        found = families(FIRST[:n], SECOND[:n], clusters)
        assert found.these.status == found.judges_like_these.status == status
        assert math.isnan(found.judges_like_these.lo)
    lone = families(FIRST[:9], SECOND[:9], np.arange(9), ["a"] * 8 + ["b"])
    assert lone.these.status == "insufficient" and math.isnan(lone.judges_like_these.lo)


def test_coverage_when_judges_are_drawn():
    """Judges of two families with equal means, spread .06, on 120 prompts of 2 items."""
    rng = np.random.default_rng(7)
    clusters = np.repeat(np.arange(120), 2)
    wide = narrow = 0
    runs = 300
    for _ in range(runs):
        ease = np.repeat(rng.normal(0, 0.15, 120), 2)[:, None]
        first, second = (
            rng.random((240, 4)) < np.clip(0.7 + rng.normal(0, 0.06, 4) + ease, 0, 1)
            for _ in range(2)
        )
        found = families(first, second, clusters)
        wide += found.judges_like_these.lo <= 0 <= found.judges_like_these.hi
        narrow += found.these.lo <= 0 <= found.these.hi
    assert wide / runs >= 0.93
    assert narrow / runs < 0.85, "these judges say nothing about their like"


def test_bad_input():
    with pytest.raises(BenchError, match="200 items of the first family, 9 of the second"):
        families(FIRST, SECOND[:9], CLUSTERS)
    with pytest.raises(BenchError, match=r"judge 1 of second\[2\]"):
        families(np.ones((3, 2)), [[1, 1], [1, 1], [1, math.nan]], [1, 2, 3])
    with pytest.raises(BenchError, match="items by judges"):
        families(np.ones(3), np.ones((3, 1)), [1, 2, 3])
    with pytest.raises(BenchError, match="1 domains for 3 items"):
        families(np.ones((3, 1)), np.ones((3, 1)), [1, 2, 3], ["a"])
