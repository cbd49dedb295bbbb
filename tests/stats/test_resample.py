from __future__ import annotations

import hashlib
import math
import os
import subprocess
import sys

import numpy as np
import pytest

from bench.stats.clusters import Clusters, mean_variance
from bench.stats.resample import Resample, bootstrap, resampled_sums, weights


def ratio(sums):
    with np.errstate(invalid="ignore"):
        return sums[:, 1] / sums[:, 0]


def clustered(g, seed=3):
    """0/1 rows of g clusters, correlated within, and their clusters."""
    rng = np.random.default_rng(seed)
    ids = np.repeat(np.arange(g), rng.integers(1, 6, g))
    clusters = Clusters.of(ids, ids.size)
    return (rng.random(ids.size) < rng.random(g)[ids]).astype(float), clusters


def test_all_resamples_of_four_clusters(vector):
    v = vector("boot.exact_cluster")
    size, correct = (np.array(v.inputs[k]) for k in ("items_per_cluster", "correct_per_cluster"))
    sums = resampled_sums(np.stack([size, correct], axis=1))
    assert len(sums) == 4**4
    draws = ratio(sums)
    v.close(correct.sum() / size.sum(), "estimate")
    v.close(draws.mean(), "boot_mean")
    v.close(draws.std(), "boot_sd")
    for q in ("0.025", "0.975"):
        v.close(np.quantile(draws, float(q), method="inverted_cdf"), f"quantile_{q}_inverted_cdf")
        v.close(np.quantile(draws, float(q)), f"quantile_{q}_linear")


@pytest.mark.parametrize("g", [30, 1000])
def test_error_is_the_analytic_one(g):
    values, clusters = clustered(g)
    e = bootstrap([np.ones(values.size), values], clusters, ratio, "mean")
    cr0 = math.sqrt(mean_variance(values, clusters, small_sample=False))
    assert e.se == pytest.approx(cr0, rel=0.02 if g == 1000 else 0.04)
    assert e.estimate == pytest.approx(values.mean())
    assert e.lo < e.estimate < e.hi


@pytest.mark.parametrize("g", [40, 700])
def test_weights_have_the_moments_of_a_bootstrap(g):
    drawn = weights(g, range(4000))
    assert drawn.mean() == pytest.approx(1, abs=0.01)
    assert drawn.var() == pytest.approx(1, abs=0.03)
    if g < 100:
        assert (drawn.sum(axis=1) == g).all()


def test_a_cluster_keeps_its_weights_whatever_follows_it():
    np.testing.assert_array_equal(weights(150, range(9)), weights(4000, range(9))[:, :150])
    assert (weights(150, range(9)) != weights(150, range(9), seed=1)).any()


@pytest.mark.parametrize("g", [4, 37, 501])
def test_same_bytes_whatever_the_chunk_and_the_other_columns(g):
    statistics = np.random.default_rng(5).random((g, 3)) * [3, 1e9, 1e-9]
    whole = resampled_sums(statistics, replicates=300)
    for chunk in (1, 7, 256, 1000):
        again = resampled_sums(statistics, replicates=300, chunk=chunk)
        assert whole.tobytes() == again.tobytes()
    # One column takes another BLAS routine, which sums in another order.
    for k in range(3):
        alone = resampled_sums(np.ascontiguousarray(statistics[:, [k]]), replicates=300)
        assert whole[:, k].tobytes() == alone[:, 0].tobytes()


SCRIPT = """
import hashlib, numpy as np
from bench.stats.resample import resampled_sums
sums = resampled_sums(np.random.default_rng(0).random((3000, 40)), replicates=600)
print(hashlib.sha256(sums.tobytes()).hexdigest())
"""


def test_same_bytes_whatever_the_threads():
    ours = resampled_sums(np.random.default_rng(0).random((3000, 40)), replicates=600)
    digests = {hashlib.sha256(ours.tobytes()).hexdigest()}
    for threads in ("1", "2", "5"):
        variables = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
        env = os.environ | dict.fromkeys(variables, threads)
        made = subprocess.run(
            [sys.executable, "-c", SCRIPT], env=env, capture_output=True, text=True, check=True
        )
        digests.add(made.stdout.strip())
    assert len(digests) == 1


def test_two_statistics_of_one_resample_are_paired():
    values, clusters = clustered(200)
    columns = [np.ones(values.size), values]
    one = Resample.of([*columns, 1 - values], clusters)
    right = bootstrap(columns, clusters, ratio, "mean")
    again = one.estimate(ratio, "mean")
    wrong = one.estimate(lambda sums: 1 - sums[:, 2] / sums[:, 0], "mean")
    for field in ("estimate", "lo", "hi", "se"):
        assert getattr(right, field) == getattr(again, field)
        assert getattr(right, field) == pytest.approx(getattr(wrong, field), abs=1e-12)


def test_what_has_no_interval_says_why():
    ones = np.ones(6)
    assert bootstrap([[], []], [], ratio, "mean").status == "insufficient"
    assert bootstrap([ones, ones], np.zeros(6), ratio, "mean").status == "one_cluster"
    constant = bootstrap([ones, ones], np.arange(6), ratio, "mean")
    assert (constant.status, constant.estimate) == ("degenerate", 1)
    assert math.isnan(constant.lo)
    undefined = bootstrap([np.zeros(6), ones], np.arange(6), lambda s: s[:, 1] * np.nan, "mean")
    assert undefined.status == "degenerate"
    assert math.isnan(undefined.estimate)
    # The only row that defines the ratio is missing from a third of the resamples.
    rare = bootstrap([np.eye(9)[0], np.eye(9)[0]], np.arange(9), ratio, "mean")
    assert (rare.status, rare.estimate) == ("degenerate", 1)
    assert "34%" in rare.note or "35%" in rare.note  # (8/9)^9


def test_a_small_column_keeps_its_digits_beside_a_large_one():
    small = np.random.default_rng(6).random(40)
    beside = resampled_sums(np.stack([1e12 * np.ones(40), small, np.zeros(40)], axis=1))
    assert beside[:, 1].tobytes() == resampled_sums(small[:, None])[:, 0].tobytes()
    np.testing.assert_allclose(
        resampled_sums(1e-9 * small[:, None], replicates=9),
        1e-9 * resampled_sums(small[:, None], replicates=9),
        rtol=1e-10,
    )
    assert (beside[:, 2] == 0).all()


def test_named_prompts_may_come_in_any_order():
    values, clusters = clustered(30)
    ids = [f"prompt {code}" for code in clusters.codes]
    order = np.random.default_rng(7).permutation(values.size)
    columns = np.ones(values.size), values
    one = bootstrap(columns, ids, ratio, "mean")
    other = bootstrap([c[order] for c in columns], [ids[i] for i in order], ratio, "mean")
    assert (one.lo, one.hi, one.se) == (other.lo, other.hi, other.se)
