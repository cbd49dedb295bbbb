from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest, kstest, permutation_test

from bench.stats.signflip import signflip
from bench.types import BenchError

ROWS = st.lists(
    st.tuples(st.sampled_from([-1.0, -0.5, 0.0, 0.25, 1.0]), st.integers(0, 5)),
    min_size=1,
    max_size=30,
)


def columns(rows):
    d, clusters = zip(*rows, strict=True)
    return np.array(d), np.array(clusters)


def enumerated(sums, alternative="two-sided"):
    """Share of all sign vectors that are at least as extreme, by brute force."""
    total = sum(sums)
    flips = [sum(s * x for s, x in zip(f, sums, strict=True))
             for f in itertools.product([1, -1], repeat=len(sums))]  # fmt: skip
    if alternative == "two-sided":
        return np.mean([abs(f) >= abs(total) - 1e-9 for f in flips])
    return np.mean([f >= total - 1e-9 for f in flips])


def test_vector(vector):
    v = vector("test.signflip")
    sums = v.inputs["cluster_diff_sums"]
    v.close(signflip(sums, range(8)), "p_two_sided")
    v.close(signflip(sums, range(8), alternative="greater"), "p_greater")


@given(ROWS, st.sampled_from(["two-sided", "greater"]))
def test_few_prompts_are_enumerated(rows, alternative):
    d, clusters = columns(rows)
    sums = np.bincount(clusters, weights=d)
    p = signflip(d, clusters, alternative=alternative)
    assert p == pytest.approx(enumerated(sums, alternative))


@pytest.mark.parametrize("n", [15, 64, 65, 300])
def test_one_row_a_prompt_is_the_sign_test(n):
    """All differences 1 or -1: then the number of flips is binomial."""
    d = np.where(np.arange(n) < 0.6 * n, 1.0, -1.0)
    expected = binomtest(int((d > 0).sum()), n).pvalue
    p = signflip(d, np.arange(n), replicates=40_000)
    assert p == pytest.approx(
        expected, abs=4 * math.sqrt(expected * (1 - expected) / 40_000) + 5e-5
    )


def test_agrees_with_scipy_on_unequal_differences():
    d = np.random.default_rng(1).normal(0.35, 1, 40)
    other = permutation_test(
        (d,), np.mean, permutation_type="samples", n_resamples=20_000, rng=np.random.default_rng(2)
    )
    assert signflip(d, np.arange(40)) == pytest.approx(other.pvalue, abs=0.01)


def test_strata_count_alike_whatever_their_size():
    """A first domain of 4 rows, all lost, against a second of 40 rows that are mostly won."""
    d = np.array([-1.0] * 4 + [1.0] * 8 + [0.0] * 32)
    strata = ["small"] * 4 + ["large"] * 40
    means = np.array([-1 / 4] * 4 + [1 / 40] * 8)
    p = signflip(d, np.arange(44), strata=strata, alternative="greater")
    assert p == pytest.approx(enumerated(means, "greater"))
    assert p > 0.9 > 0.5 > signflip(d, np.arange(44), alternative="greater")
    assert signflip(d, np.arange(44), strata=["one"] * 44) == signflip(d, np.arange(44))


def test_a_prompt_in_two_domains_flips_as_one():
    d = np.array([1.0, 1.0, 1.0, 1.0])
    assert signflip(d, [0, 1, 0, 1], strata=["a", "a", "b", "b"]) == 0.5


@given(ROWS, st.randoms(use_true_random=False))
def test_row_order_names_and_swapped_judges_do_not_matter(rows, random):
    d, clusters = columns(rows * 4)
    clusters = clusters + 6 * (np.arange(d.size) // len(rows))
    order = list(range(d.size))
    random.shuffle(order)
    p = signflip(d, clusters, replicates=200)
    assert p == signflip(d[order], [f"p{99 - c}" for c in clusters[order]], replicates=200)
    assert p == signflip(-d, clusters, replicates=200)


def test_seed_decides_and_nothing_is_ever_zero():
    d = np.random.default_rng(0).normal(0.1, 1, 100)
    assert signflip(d, np.arange(100)) == signflip(d, np.arange(100))
    assert signflip(d, np.arange(100)) != signflip(d, np.arange(100), seed=1)
    assert signflip(np.ones(100), np.arange(100), replicates=99) == 0.01


def test_many_prompts_read_the_same_signs_in_every_chunk():
    """70,000 prompts need 25 chunks; a sign test again, by the normal law."""
    d = np.where(np.arange(70_000) % 1000 < 503, 1.0, -1.0)
    z = 420 / math.sqrt(70_000)
    expected = math.erfc(z / math.sqrt(2))
    assert signflip(d, np.arange(70_000), replicates=3000) == pytest.approx(expected, abs=0.025)


def test_edges():
    assert math.isnan(signflip([], []))
    assert signflip([0.0, 0.0], [1, 2]) == 1
    assert signflip([1.0], ["p"]) == 1
    assert signflip([1.0, 1.0, 1.0], ["p"] * 3) == 1
    assert signflip([1.0, -1.0, 0.5, -0.5], ["p", "p", "q", "q"]) == 1
    with pytest.raises(BenchError, match=r"differences\[1\] is nan"):
        signflip([0, math.nan], [1, 2])
    with pytest.raises(BenchError, match=r"differences\[1\] is inf"):
        signflip([0, math.inf], [1, 2])
    with pytest.raises(BenchError, match="1 cluster ids for 2"):
        signflip([0, 1], [1])
    with pytest.raises(BenchError, match="1 cluster ids for 2"):
        signflip([0, 1], [1, 2], strata=["a"])
    with pytest.raises(BenchError, match="less"):
        signflip([0, 1], [1, 2], alternative="less")


def test_p_is_uniform_at_a_clustered_null():
    rng = np.random.default_rng(3)
    ids = np.repeat(np.arange(40), 4)
    p = [
        signflip(rng.normal(0, 0.6, 40)[ids] + rng.normal(0, 1, 160), ids, replicates=499)
        for _ in range(1000)
    ]
    assert kstest(p, "uniform").pvalue > 0.001
    assert np.mean(np.array(p) <= 0.05) < 0.07
