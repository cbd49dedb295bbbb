from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.stats.pointwise import calibrate_ties, pairwise_accuracy
from bench.stats.rankcorr import PairCounts
from bench.types import BenchError

SCORE = st.integers(0, 5)
ROWS = st.lists(st.tuples(SCORE, SCORE, st.integers(0, 4)), min_size=1, max_size=30)


def rows(triples):
    return tuple(np.array(x) for x in zip(*triples, strict=True))


def by_enumeration(judge, human, prompts, epsilon):
    shares = []
    for p in np.unique(prompts):
        pairs = list(itertools.combinations(np.flatnonzero(prompts == p), 2))
        right = 0
        for i, j in pairs:
            apart = judge[i] - judge[j]
            verdict = 0 if abs(apart) <= epsilon else np.sign(apart)
            right += verdict == np.sign(human[i] - human[j])
        if pairs:
            shares.append(right / len(pairs))
    return np.mean(shares) if shares else math.nan


@pytest.mark.parametrize("name", ["tie_calibration_simple", "tie_calibration_matrix"])
def test_tie_calibration_vectors(vector, name):
    v = vector(f"corr.{name}")
    judge, human = (np.array(v.inputs[f"{k}_scores"], float) for k in ("judge", "human"))
    known = ~np.isnan(judge + human)
    prompts = np.indices(judge.shape)[0][known]
    found = calibrate_ties(judge[known], human[known], prompts)
    v.close(found.widths, "thresholds")
    v.close(found.accuracies, "accuracy")
    v.close(found.epsilon, "best_epsilon")
    v.close(found.accuracy.estimate, "best_accuracy")
    again = pairwise_accuracy(judge[known], human[known], prompts, epsilon=found.epsilon)
    v.close(again.estimate, "best_accuracy")
    if name.endswith("matrix"):
        v.close(found.gain.estimate + found.accuracies[0], "best_accuracy")
    else:
        assert found.gain.status == "insufficient"  # one prompt
    assert "in sample" in found.accuracy.method and "in sample" in found.gain.note
    assert "in sample" not in again.method


def test_global_pairwise_accuracy_vector(vector):
    v = vector("corr.ties")
    e = pairwise_accuracy(v.inputs["judge"], v.inputs["human"], np.zeros(10))
    v.close(e.estimate, "pairwise_accuracy_acc23")
    assert e.n_items == 1
    pairs = PairCounts.of(*(np.array(v.inputs[k], float) for k in ("judge", "human")))
    assert e.estimate == pytest.approx((pairs.concordant + pairs.both_ties) / 45)


@given(ROWS, st.integers(0, 5))
def test_agrees_with_enumeration(triples, epsilon):
    judge, human, prompts = rows(triples)
    e = pairwise_accuracy(judge, human, prompts, epsilon=epsilon, missing=1)
    np.testing.assert_allclose(
        e.estimate, by_enumeration(judge, human, prompts, epsilon), atol=1e-12
    )
    sizes = np.unique(prompts, return_counts=True)[1]
    assert (e.n_items, e.n_missing) == (np.sum(sizes > 1), 1 + np.sum(sizes == 1))
    assert e.status == "insufficient" if e.n_items == 0 else e.lo <= e.estimate <= e.hi


@given(ROWS)
def test_calibration_finds_the_smallest_best_width(triples):
    judge, human, prompts = rows(triples)
    found = calibrate_ties(judge, human, prompts)
    if math.isnan(found.epsilon):
        assert found.accuracy.status == found.gain.status == "insufficient"
        return
    tried = [by_enumeration(judge, human, prompts, w) for w in found.widths]
    np.testing.assert_allclose(found.accuracies, tried, atol=1e-12)
    assert found.epsilon == found.widths[np.argmax(np.round(tried, 9))]
    assert found.accuracy.estimate == pytest.approx(max(tried))
    if found.accuracy.n_items > 1:
        assert found.gain.estimate == pytest.approx(max(tried) - tried[0])


@given(ROWS, st.randoms(use_true_random=False))
def test_what_must_not_matter(triples, random):
    judge, human, prompts = rows(triples)
    e = pairwise_accuracy(judge, human, prompts, epsilon=1)
    order = list(range(judge.size))
    random.shuffle(order)
    shift = 10 * prompts  # a prompt may be harder than another
    for other in (
        pairwise_accuracy(judge[order], human[order], [f"p{p}" for p in prompts[order]], epsilon=1),
        pairwise_accuracy(-judge, -human, prompts, epsilon=1),
        pairwise_accuracy(judge + shift, human**3 + shift, prompts, epsilon=1),
    ):
        got = [(x.estimate, x.lo, x.hi) for x in (e, other)]
        np.testing.assert_allclose(*got, rtol=1e-9, atol=1e-12)


def test_a_fine_judge_of_coarse_humans_gains_out_of_sample_too():
    rng = np.random.default_rng(2)
    truth = rng.integers(0, 3, 1200)
    judge, prompts = truth + rng.normal(0, 0.3, 1200), np.repeat(np.arange(300), 4)
    half = prompts < 150
    chosen = calibrate_ties(judge[half], truth[half], prompts[half])
    plain, tied = (
        pairwise_accuracy(judge[~half], truth[~half], prompts[~half], epsilon=w)
        for w in (0, chosen.epsilon)
    )
    assert plain.hi < tied.lo and chosen.gain.lo > 0
    assert chosen.accuracy.estimate == pytest.approx(tied.estimate, abs=0.05)


def test_degenerate_zoo():
    for n in (0, 1, 3):  # no pair
        e = pairwise_accuracy(np.arange(n), np.arange(n), np.arange(n))
        assert (e.status, e.n_missing) == ("insufficient", n) and math.isnan(e.estimate)
        found = calibrate_ties(np.arange(n), np.arange(n), np.arange(n))
        assert math.isnan(found.epsilon) and math.isnan(found.accuracies[0])
    prompts, human = np.arange(60) // 2, np.arange(60)
    constant = pairwise_accuracy(np.ones(60), human, prompts)
    assert constant.estimate == 0 < constant.hi
    ties = calibrate_ties(human, np.ones(60), prompts)
    assert (ties.epsilon, ties.accuracy.estimate, ties.gain.estimate) == (1, 1, 1)


def test_bad_input():
    for judge, human, message in (
        ([1, math.nan], [1, 2], r"judge\[1\] is nan"),
        ([1, 2], [math.inf, 2], r"human\[0\] is inf"),
        ([1], [1, 2], "1 scores of the judge for 2"),
    ):
        with pytest.raises(BenchError, match=message):
            pairwise_accuracy(judge, human, [1, 1])
    for epsilon in (-1, math.nan):
        with pytest.raises(BenchError, match="epsilon"):
            pairwise_accuracy([1, 2], [1, 2], [1, 1], epsilon=epsilon)
