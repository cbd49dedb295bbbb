from __future__ import annotations

import math

import krippendorff
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.inter_rater import fleiss_kappa

from bench.stats.alpha import conger_kappa, krippendorff_alpha, many_raters
from bench.stats.kappa import cohen_kappa
from bench.stats.table import paradox
from bench.types import BenchError

METRICS = ["nominal", "ordinal", "interval", "ratio"]
NAN = math.nan


@pytest.fixture
def textbook(vector):
    v = vector("agree.krippendorff_4x12")
    return v, np.array(v.inputs["ratings_annotator_by_item"], float).T


def random_ratings(seed, n=60, raters=4, q=5, gaps=0.3):
    rng = np.random.default_rng(seed)
    truth = rng.integers(1, q + 1, n)[:, None]
    given = np.where(rng.random((n, raters)) < 0.6, truth, rng.integers(1, q + 1, (n, raters)))
    return np.where(rng.random((n, raters)) < gaps, NAN, given)


def test_alpha_vector(textbook):
    v, ratings = textbook
    for metric in METRICS:
        e = krippendorff_alpha(ratings, np.arange(12), metric=metric)
        v.close(e.estimate, f"alpha_{metric}")
        assert (e.n_items, e.n_missing, e.status) == (11, 1, "ok_small")
        assert e.lo < e.estimate < e.hi <= 1
    # The published error is linearised, ours resampled.
    nominal = krippendorff_alpha(ratings, np.arange(12))
    assert nominal.se == pytest.approx(v.expected["krippendorff_se"], rel=0.03)


def test_many_raters_vector(textbook):
    v, ratings = textbook
    found = many_raters(ratings, np.arange(12), range(1, 6))
    v.close(found.fleiss.estimate, "fleiss_general")
    v.close(found.ac1.estimate, "gwet_ac1")
    v.close(found.brennan_prediger.estimate, "brennan_prediger")
    v.close(conger_kappa(ratings, np.arange(12), range(1, 6)).estimate, "conger_kappa")
    assert (found.ac1.n_items, found.ac1.n_missing, found.ac1.n_clusters) == (11, 1, 12)
    left_out = [
        many_raters(np.delete(ratings, i, 0), np.arange(11), range(1, 6), replicates=9).ac1.estimate
        for i in range(12)
    ]
    # The published error is larger: it counts the item with one rating as if nobody agreed on it.
    assert found.ac1.se == pytest.approx(math.sqrt(11 * 11 / 12 * np.var(left_out)), rel=0.03)
    assert found.ac1.se < v.expected["gwet_ac1_se"]


def test_fleiss_vector(vector):
    v = vector("agree.fleiss_10x5")
    counts = np.array(v.inputs["counts"])
    ratings = [np.repeat(np.arange(5), row) for row in counts]
    e = many_raters(ratings, np.arange(10), range(5)).fleiss
    v.close(e.estimate, "kappa")
    assert e.estimate == pytest.approx(fleiss_kappa(counts))
    chance = v.expected["Pe_bar"]
    assert e.estimate == pytest.approx((v.expected["P_bar"] - chance) / (1 - chance))


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("seed", range(3))
def test_alpha_agrees_with_the_package(metric, seed):
    ratings = random_ratings(seed, raters=seed + 2)
    other = krippendorff.alpha(ratings.T, level_of_measurement=metric)
    e = krippendorff_alpha(ratings, np.arange(60), metric=metric, replicates=50)
    assert e.estimate == pytest.approx(other, abs=1e-12)


@pytest.mark.parametrize("metric", METRICS)
def test_every_resample_is_the_alpha_of_its_items(metric):
    """Three prompts: all 27 resamples, each taken anew by hand."""
    ratings, prompts = random_ratings(9, n=12, gaps=0), np.repeat(np.arange(3), 4)
    draws = [np.array([a, b, c]) for a in range(3) for b in range(3) for c in range(3)]
    alphas = [
        krippendorff.alpha(
            np.concatenate([ratings[prompts == g] for g in draw]).T, level_of_measurement=metric
        )
        for draw in draws
    ]
    e = krippendorff_alpha(ratings, prompts, metric=metric)
    assert e.se == pytest.approx(np.std(alphas), abs=1e-12)


def test_two_raters_without_gaps_meet_the_two_by_two_coefficients():
    judge, human = (
        np.array([1, 1, 0, 1, 0, 0, 1, 0, 1, 1]),
        np.array([1, 0, 0, 1, 0, 1, 1, 0, 1, 1]),
    )
    ratings, items = np.stack([judge, human], axis=1), np.arange(10)
    block, many = paradox(judge, human, items), many_raters(ratings, items, [0, 1])
    assert krippendorff_alpha(ratings, items).estimate == pytest.approx(block.alpha.estimate)
    assert many.fleiss.estimate == pytest.approx(block.pi.estimate)
    assert many.ac1.estimate == pytest.approx(block.ac1.estimate)
    assert many.brennan_prediger.estimate == pytest.approx(block.s.estimate)
    conger = conger_kappa(ratings, items, [0, 1]).estimate
    assert conger == pytest.approx(cohen_kappa(judge, human, 2).estimate)


def test_errors_are_those_of_the_linearised_two_rater_forms():
    ratings = random_ratings(3, n=400, raters=2, q=2, gaps=0) - 1
    prompts = np.arange(400) // 2
    block = paradox(*ratings.T, prompts)
    many = many_raters(ratings, prompts, [0, 1])
    for ours, closed in (
        (many.fleiss, block.pi),
        (many.ac1, block.ac1),
        (many.brennan_prediger, block.s),
        (krippendorff_alpha(ratings, prompts), block.alpha),
        (conger_kappa(ratings, prompts, [0, 1]), block.kappa),
    ):
        assert ours.se == pytest.approx(closed.se, rel=0.03)
        assert (ours.lo, ours.hi) == pytest.approx((closed.lo, closed.hi), abs=0.015)


@pytest.mark.parametrize("metric", METRICS)
@settings(max_examples=25)
@given(
    st.lists(st.tuples(*[st.sampled_from([1.0, 2.0, 3.0, 5.0, NAN])] * 3), min_size=3, max_size=12),
    st.randoms(use_true_random=False),
)
def test_what_must_not_matter(metric, table, random):
    ratings, ids = np.array(table), np.arange(len(table)) // 2
    e = krippendorff_alpha(ratings, ids, metric=metric, replicates=100)
    order = list(range(len(table)))
    random.shuffle(order)
    changed = {"nominal": -ratings, "ordinal": ratings**3, "interval": 7 - 2 * ratings}
    for other in (
        krippendorff_alpha(ratings[:, [2, 0, 1]], ids, metric=metric, replicates=100),
        krippendorff_alpha(ratings[order], ids[order], metric=metric, replicates=100),
        krippendorff_alpha(changed.get(metric, 3 * ratings), ids, metric=metric, replicates=100),
    ):
        np.testing.assert_allclose(
            (e.estimate, e.lo, e.hi), (other.estimate, other.lo, other.hi), atol=1e-9
        )
        assert e.status == other.status
    assert math.isnan(e.lo) or e.lo <= e.estimate <= e.hi <= 1


def test_unused_category_counts_where_it_should():
    ratings, items = random_ratings(1), np.arange(60)
    five, seven = (many_raters(ratings, items, range(1, q + 1), replicates=50) for q in (5, 7))
    assert five.fleiss.estimate == pytest.approx(seven.fleiss.estimate)
    assert five.ac1.estimate < seven.ac1.estimate
    assert five.brennan_prediger.estimate < seven.brennan_prediger.estimate


def test_degenerate_zoo():
    ones, items = np.ones((30, 3)), np.arange(30)
    assert (krippendorff_alpha(ones, items).status, krippendorff_alpha(ones, items).n_items) == (
        "degenerate",
        30,
    )
    assert math.isnan(krippendorff_alpha(ones, items).estimate)
    same = many_raters(ones, items, [0, 1])
    assert math.isnan(same.fleiss.estimate) and same.fleiss.status == "degenerate"
    assert same.ac1.estimate == same.brennan_prediger.estimate == 1
    assert math.isnan(same.ac1.lo) and same.ac1.status == "degenerate"
    perfect = krippendorff_alpha(np.repeat(items[:, None] % 3, 2, axis=1), items)
    assert (perfect.estimate, perfect.status) == (1, "degenerate") and math.isnan(perfect.lo)
    gaps = np.full((30, 3), NAN)
    gaps[:, 0] = items % 2
    for e in (
        krippendorff_alpha(gaps, items),
        many_raters(gaps, items, [0, 1]).ac1,
        conger_kappa(gaps, items, [0, 1]),
        krippendorff_alpha(np.zeros((0, 3)), []),
        many_raters(np.zeros((0, 3)), [], [0, 1]).fleiss,
        conger_kappa(np.zeros((0, 3)), [], [0, 1]),
        krippendorff_alpha([[1, 2]], [0]),
        many_raters([[1, 2]], [0], [1, 2]).fleiss,
    ):
        assert e.status == "insufficient" and math.isnan(e.estimate)
    assert krippendorff_alpha(gaps, items).n_missing == 30
    single = krippendorff_alpha(random_ratings(1), np.zeros(60))
    assert single.status == "one_cluster" and math.isnan(single.lo) and 0 < single.estimate < 1


def test_bad_input():
    with pytest.raises(BenchError, match=r"ratings\[1, 0\] is infinite"):
        krippendorff_alpha([[1, 2], [math.inf, 1]], [1, 2])
    with pytest.raises(BenchError, match="shape"):
        krippendorff_alpha([1, 2], [1, 2])
    with pytest.raises(BenchError, match="metric 'circular'"):
        krippendorff_alpha([[1, 2]], [1], metric="circular")
    with pytest.raises(BenchError, match="ratio metric"):
        krippendorff_alpha([[-1, 2]], [1], metric="ratio")
    with pytest.raises(BenchError, match="at most 1000"):
        krippendorff_alpha(np.arange(100).reshape(50, 2), np.arange(50), metric="ordinal")
    with pytest.raises(BenchError, match=r"ratings\[0, 1\] is 4"):
        many_raters([[1, 4]], [1], [1, 2, 3])
    with pytest.raises(BenchError, match="at least 2 numbers"):
        conger_kappa([[1, 1]], [1], [1])
