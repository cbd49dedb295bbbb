from __future__ import annotations

import math

import numpy as np
import pytest

from bench.stats.latent import latent_truth
from bench.types import BenchError


def crowd(rng, n, accuracies, shares=(0.5, 0.5)):
    """(truth, labels): raters right with these probabilities, else any other class."""
    q = len(shares)
    truth = rng.choice(q, n, p=shares)
    wrong = (truth[:, None] + rng.integers(1, q, (n, len(accuracies)))) % q
    right = rng.random((n, len(accuracies))) < accuracies
    return truth, np.where(right, truth[:, None], wrong).astype(float)


def slow_em(labels, steps=400):
    """Dawid & Skene by loops over items, raters and classes; no smoothing, binary."""
    n, raters = labels.shape
    t = np.stack([(labels == c).mean(axis=1) for c in (0, 1)], axis=1)
    for _ in range(steps):
        p = t.mean(axis=0)
        pi = np.zeros((raters, 2, 2))
        for j in range(raters):
            for c in (0, 1):
                for said in (0, 1):
                    pi[j, c, said] = t[labels[:, j] == said, c].sum() / t[:, c].sum()
        for i in range(n):
            odds = [
                p[c] * math.prod(pi[j, c, int(labels[i, j])] for j in range(raters)) for c in (0, 1)
            ]
            t[i] = np.array(odds) / sum(odds)
    return p, pi, t


def test_vector_of_1979(vector):
    v = vector("latent.dawid_skene_1979")
    ratings = np.full((45, 5, 3), math.nan)
    for i, item in enumerate(v.inputs["responses"]):
        for j, given in enumerate(item):
            ratings[i, j, : len(given)] = given
    found = latent_truth(ratings, range(45), smoothing=0, replicates=20)
    v.close([e.estimate for e in found.shares], "class_marginals")
    v.close(found.confusion[0], "error_rates_observer1")
    v.close(found.posterior[2], "posterior_patient3")
    best = found.classes[found.posterior.argmax(axis=1)][:10]
    assert best.tolist() == v.expected["map_class_first10"]
    assert found.note == "" and found.gain < 5


def test_binary_vector(vector):
    v = vector("latent.dawid_skene_binary")
    found = latent_truth(v.inputs["labels"], range(40), smoothing=0, replicates=20)
    v.close([e.estimate for e in found.shares], "priors")
    v.close(found.confusion[:, 1, 1], "sensitivity_label1")
    v.close(found.confusion[:, 0, 0], "specificity_label0")
    v.close(found.posterior[:, 1], "posterior_label1")


def test_fit_is_that_of_a_slow_em():
    _, labels = crowd(np.random.default_rng(1), 80, [0.9, 0.8, 0.7])
    found = latent_truth(labels, range(80), smoothing=0, replicates=10)
    p, pi, t = slow_em(labels)
    np.testing.assert_allclose([e.estimate for e in found.shares], p, atol=1e-5)
    np.testing.assert_allclose(found.confusion, pi, atol=1e-4)
    np.testing.assert_allclose(found.posterior, t, atol=1e-4)
    accuracy = [p @ np.diagonal(pi[j]) for j in range(3)]
    np.testing.assert_allclose([e.estimate for e in found.accuracy], accuracy, atol=1e-4)
    log = np.log(
        sum(
            p[c] * np.prod([pi[j, c, labels[:, j].astype(int)] for j in range(3)], axis=0)
            for c in (0, 1)
        )
    ).sum()
    assert found.likelihood == pytest.approx(log, abs=1e-5)


def test_raters_and_judge_are_recovered():
    accuracies, shares = [0.9, 0.8, 0.7, 0.75], [0.5, 0.3, 0.2]
    truth, labels = crowd(np.random.default_rng(2), 4000, [*accuracies, 0.85], shares)
    ratings, judge = labels[:, :4], labels[:, 4]
    ratings[np.random.default_rng(3).random(ratings.shape) < 0.2] = math.nan
    found = latent_truth(ratings, np.repeat(np.arange(2000), 2), judge, replicates=60)
    for e, wanted in zip([*found.accuracy, *found.shares], [*accuracies, *shares], strict=True):
        assert e.lo - 0.01 < wanted < e.hi + 0.01 and e.hi - e.lo < 0.1
    assert found.judge.lo - 0.005 < 0.85 < found.judge.hi + 0.005
    assert found.judge.n_clusters == 2000
    # The probability of the class he names would say less.
    known = ~np.isnan(found.posterior[:, 0])
    naive = found.posterior[known, judge[known].astype(int)].mean()
    assert naive < found.judge.lo
    assert np.mean(found.posterior[known].argmax(axis=1) == truth[known]) > 0.9
    assert abs(found.gain) < 1e-3 or found.gain < 0


def test_coverage_of_the_judge():
    hits, runs = 0, 80
    for seed in range(runs):
        _, labels = crowd(np.random.default_rng([4, seed]), 150, [0.8, 0.8, 0.8, 0.8, 0.75])
        e = latent_truth(labels[:, :4], range(150), labels[:, 4], replicates=60).judge
        hits += e.lo <= 0.75 <= e.hi
    assert hits / runs >= 0.87  # 60 replicates, 80 runs


def test_a_repeated_prompt_counts_once():
    _, labels = crowd(np.random.default_rng(5), 60, [0.9, 0.8, 0.8, 0.8])
    ratings, judge = labels[:, :3], labels[:, 3]
    once = latent_truth(ratings, range(60), judge, smoothing=0, replicates=100)
    both = np.concatenate([ratings, ratings]), np.tile(np.arange(60), 2)
    twice = latent_truth(*both, np.concatenate([judge, judge]), smoothing=0, replicates=100)
    assert twice.judge.estimate == pytest.approx(once.judge.estimate, abs=1e-4)
    assert twice.judge.se == pytest.approx(once.judge.se, rel=0.02)


def test_names_and_order_do_not_matter():
    _, labels = crowd(np.random.default_rng(6), 90, [0.9, 0.8, 0.7, 0.8], (0.6, 0.4))
    ids = np.repeat(np.arange(30), 3)
    a = latent_truth(labels[:, :3], ids, labels[:, 3], replicates=20)
    swapped = 1 - labels[:, [2, 1, 0, 3]]
    b = latent_truth(swapped[:, :3], [f"p{i:02}" for i in ids], swapped[:, 3], replicates=20)
    np.testing.assert_allclose(a.posterior, b.posterior[:, ::-1], atol=1e-5)
    np.testing.assert_allclose(a.confusion, b.confusion[::-1, ::-1, ::-1], atol=1e-5)
    np.testing.assert_allclose((a.judge.lo, a.judge.hi), (b.judge.lo, b.judge.hi), atol=1e-4)


def test_failures_are_wrong_and_silent_items_are_missing():
    _, labels = crowd(np.random.default_rng(7), 200, [0.9, 0.9, 0.9, 1.0])
    ratings, judge = labels[:, :3], labels[:, 3]
    full = latent_truth(ratings, range(200), judge, replicates=20)
    assert full.judge.estimate == pytest.approx(1, abs=0.06)
    failed = latent_truth(
        ratings, range(200), np.where(np.arange(200) < 100, math.nan, judge), replicates=20
    )
    assert failed.judge.estimate == pytest.approx(0.5, abs=0.08)
    more = np.vstack([ratings, [[math.nan] * 3]])
    silent = latent_truth(more, range(201), np.append(judge, 1), replicates=20)
    assert silent.judge.estimate == full.judge.estimate and silent.judge.n_missing == 1
    assert np.isnan(silent.posterior[200]).all() and silent.posterior.shape == (201, 2)
    assert latent_truth(ratings, range(200), replicates=5).judge is None


def test_smoothing_keeps_every_label_possible():
    _, labels = crowd(np.random.default_rng(8), 60, [0.95, 1.0, 0.95])
    exact = latent_truth(labels, range(60), smoothing=0, replicates=5)
    smooth = latent_truth(labels, range(60), replicates=5)
    assert exact.confusion.min() < 1e-9 < 1e-5 < smooth.confusion.min()
    np.testing.assert_allclose(smooth.confusion.sum(axis=2), 1)


def test_refusals():
    rng = np.random.default_rng(9)
    _, labels = crowd(rng, 60, [0.9, 0.9, 0.9])
    two = latent_truth(labels[:, :2], range(60), labels[:, 2])
    lone = labels.copy()
    lone[:, 1:] = math.nan
    noise = rng.integers(0, 2, (60, 4)).astype(float)
    contrary = np.stack([np.arange(60) % 3 == j for j in range(3)], axis=1).astype(float)
    for found, status in (
        (two, "insufficient"),
        (latent_truth(lone, range(60), labels[:, 1]), "insufficient"),
        (latent_truth(np.zeros((0, 3)), [], []), "insufficient"),
        (latent_truth(noise, range(60), labels[:, 0]), "out_of_range"),
        (latent_truth(contrary, range(60), labels[:, 0]), "out_of_range"),
        (latent_truth(np.ones((60, 3)), range(60), labels[:, 0]), "degenerate"),
    ):
        assert found.judge.status == status and math.isnan(found.judge.estimate) and found.note
        assert np.isnan(found.posterior).all() and math.isnan(found.gain)
    single = latent_truth(labels, ["p"] * 60, labels[:, 0])
    assert single.judge.status == "one_cluster" and math.isnan(single.judge.lo)


def test_bad_input():
    with pytest.raises(BenchError, match=r"ratings\[0, 1\] is inf"):
        latent_truth([[1, math.inf, 1]], [0])
    with pytest.raises(BenchError, match="rows: ratings 1, judge 2"):
        latent_truth([[1, 1, 1]], [0], [1, 1])
    with pytest.raises(BenchError, match="smoothing is -1"):
        latent_truth([[1, 1, 1]], [0], smoothing=-1)
    with pytest.raises(BenchError, match=r"shape \(3,\)"):
        latent_truth([1, 1, 1], [0, 1, 2])
    with pytest.raises(BenchError, match="ratings: "):
        latent_truth([[1, 1, 1], [1]], [0, 1])
    with pytest.raises(BenchError, match="ratings: "):
        latent_truth([["A", "B", "A"]], [0])
