from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics

from bench.stats.calibration import auroc, brier, brier_skill, log_loss, overconfidence
from bench.stats.clusters import Clusters, clustered_mean, critical_value
from bench.types import BenchError

ROWS = st.lists(
    st.tuples(
        st.sampled_from([0.0, 0.2, 0.5, 0.7, 0.9, 1.0]), st.integers(0, 1), st.integers(0, 5)
    ),
    min_size=2,
    max_size=40,
)
MEASURES = [auroc, brier, brier_skill, log_loss, overconfidence]


def columns(triples):
    return tuple(np.array(x, float) for x in zip(*triples, strict=True))


def clustered(seed=0, g=150, m=4):
    rng = np.random.default_rng(seed)
    ids = np.repeat(np.arange(g), m)
    c = np.clip(rng.beta(6, 2, g)[ids] + rng.normal(0, 0.1, g * m), 0.01, 0.99)
    return c, (rng.random(g * m) < c**1.5).astype(float), ids


def few(measure, *rows, **options):
    """Without the cost of ten thousand replicates."""
    more = {"replicates": 300} if measure is brier_skill else {}
    return measure(*rows, **more, **options)


def numbers(e):
    return e.estimate, e.lo, e.hi, e.se


def test_calibration_vector(vector):
    v = vector("cal.binary200")
    c, y = v.inputs["confidence"], v.inputs["correct"]
    ids = np.arange(200)
    v.close(brier(c, y, ids).estimate, "brier")
    v.close(brier_skill(c, y, ids).estimate, "brier_skill")
    v.close(log_loss(c, y, ids).estimate, "log_loss")
    v.close(auroc(c, y, ids).estimate, "auroc")
    gap = v.expected["mean_confidence"] - v.expected["accuracy"]
    assert overconfidence(c, y, ids).estimate == pytest.approx(gap)


def test_auroc_of_the_hand_example(vector):
    v = vector("cal.aurc_hand")
    v.close(auroc(v.inputs["confidence"], v.inputs["correct"], range(4)).estimate, "auroc")


def test_scores_agree_with_sklearn():
    c, y, ids = clustered()
    c = np.round(c, 1)  # many ties, some of them 0 or 1
    assert auroc(c, y, ids).estimate == pytest.approx(metrics.roc_auc_score(y, c))
    assert brier(c, y, ids).estimate == pytest.approx(metrics.brier_score_loss(y, c))
    clipped = np.clip(c, 1e-6, 1 - 1e-6)
    loss = log_loss(c, y, ids)
    assert loss.estimate == pytest.approx(metrics.log_loss(y, clipped))
    assert f"{np.sum((c == 0) | (c == 1))} confidences clipped" in loss.note


def test_auroc_error_is_that_of_delong():
    """With independent rows: variances of the two placement values over their numbers."""
    c, y, _ = clustered(1)
    right, wrong = c[y == 1], c[y == 0]
    wins = np.sign(right[:, None] - wrong[None, :]) / 2 + 0.5
    delong = wins.mean(axis=1).var() / right.size + wins.mean(axis=0).var() / wrong.size
    assert auroc(c, y, np.arange(c.size)).se == pytest.approx(math.sqrt(delong), rel=1e-3)


@pytest.mark.parametrize("measure", [auroc, brier_skill])
def test_error_of_a_ratio_against_resampled_prompts(measure):
    c, y, ids = clustered(2)
    rng, found = np.random.default_rng(0), []
    for _ in range(400):
        draw = rng.integers(0, 150, 150)
        rows = (draw[:, None] * 4 + np.arange(4)).ravel()
        e = few(measure, c[rows], y[rows], np.arange(rows.size))
        found.append(e.estimate)
    assert few(measure, c, y, ids).se == pytest.approx(np.std(found), rel=0.12)


def test_means_have_the_clustered_t_interval():
    c, y, ids = clustered(3)
    groups = Clusters.of(ids, ids.size)
    mean = clustered_mean((c - y) ** 2, groups)
    half = critical_value(0.9, groups.df) * mean.se
    e = brier(c, y, ids, level=0.9, missing=3)
    np.testing.assert_allclose(
        numbers(e), (mean.value, mean.value - half, mean.value + half, mean.se)
    )
    assert (e.n_items, e.n_clusters, e.n_missing, e.status) == (600, 150, 3, "ok")


def test_soft_labels():
    """The Brier score of two humans' shares is that of the humans less their spread."""
    c, share = np.array([0.9, 0.6, 0.2]), np.array([1.0, 0.5, 0.5])
    humans = np.array([[1, 1], [1, 0], [0, 1]])
    one_each = brier(np.repeat(c, 2), humans.ravel(), np.repeat(range(3), 2)).estimate
    spread = np.mean(humans.var(axis=1))
    assert brier(c, share, range(3)).estimate == pytest.approx(one_each - spread)
    assert log_loss(c, share, range(3)).estimate == pytest.approx(
        log_loss(np.repeat(c, 2), humans.ravel(), np.repeat(range(3), 2)).estimate
    )
    with pytest.raises(BenchError, match=r"correct\[1\] is 0.5; 0 or 1 expected"):
        auroc(c, share, range(3))


@given(ROWS, st.randoms(use_true_random=False))
def test_order_of_rows_and_names_of_prompts_do_not_matter(triples, random):
    c, y, ids = columns(triples)
    order = list(range(c.size))
    random.shuffle(order)
    names = [f"p{9 - i:g}" for i in ids[order]]
    for measure in (auroc, brier, log_loss, overconfidence):
        a, b = measure(c, y, ids), measure(c[order], y[order], names)
        np.testing.assert_allclose(numbers(a), numbers(b), rtol=1e-7, atol=1e-9)


@given(ROWS)
def test_ranges_and_intervals(triples):
    c, y, ids = columns(triples)
    for measure, (low, high) in {auroc: (0, 1), brier: (0, 1), overconfidence: (-1, 1)}.items():
        e = measure(c, y, ids)
        if math.isnan(e.lo):
            assert e.status in ("one_cluster", "degenerate") and e.note
        else:
            assert low <= e.lo <= e.estimate <= e.hi <= high


@given(ROWS)
def test_auroc_of_the_opposite_confidence(triples):
    c, y, ids = columns(triples)
    a, b = auroc(c, y, ids), auroc(1 - c, y, ids)
    ours, opposite = (a.estimate, a.lo, a.hi), (1 - b.estimate, 1 - b.hi, 1 - b.lo)
    np.testing.assert_allclose(ours, opposite, atol=1e-12)


@pytest.mark.parametrize("measure", [auroc, brier, log_loss])
def test_repeating_every_row_within_its_prompt_tells_nothing_new(measure):
    c, y, ids = clustered(4, g=30)
    a, b = measure(c, y, ids), measure(np.tile(c, 2), np.tile(y, 2), np.tile(ids, 2))
    np.testing.assert_allclose(numbers(a), numbers(b), rtol=1e-9)


@pytest.mark.parametrize("measure", MEASURES)
def test_calibration_zoo(measure):
    empty = few(measure, [], [], [], missing=2)
    assert (empty.status, empty.n_missing) == ("insufficient", 2) and math.isnan(empty.estimate)
    one = few(measure, [0.8], [1], ["p"])
    assert one.status == "insufficient" and math.isnan(one.lo)
    assert math.isnan(one.estimate) == (measure not in (brier, log_loss))
    single = few(measure, [0.8, 0.7, 0.9], [1, 0, 1], ["p"] * 3)
    assert single.status == "one_cluster" and math.isnan(single.lo)
    assert not math.isnan(single.estimate)
    right = few(measure, [0.8, 0.7, 0.9], [1, 1, 1], range(3))
    assert math.isnan(right.estimate) == (measure in (auroc, brier_skill))
    with pytest.raises(BenchError, match=r"confidence\[1\] is nan"):
        measure([0.5, math.nan], [0, 1], [1, 2])
    with pytest.raises(BenchError, match=r"correct\[0\] is 2"):
        measure([0.5], [2], [1])
    with pytest.raises(BenchError, match="2 confidences for 1 outcomes"):
        measure([0.5, 0.5], [1], [1, 2])


def test_constant_confidence():
    y = np.resize([1, 1, 0], 60)
    e = auroc(np.full(60, 0.9), y, np.arange(60))
    assert e.estimate == 0.5 and e.lo < 0.4 and e.hi > 0.6 and math.isnan(e.se) and e.note
    same = brier(np.full(60, 0.9), np.ones(60), np.arange(60))
    assert same.estimate == pytest.approx(0.01) and same.status == "degenerate"


def test_perfect_auroc_has_an_interval():
    e = auroc(np.linspace(0, 1, 60), np.arange(60) >= 20, np.arange(60))
    assert e.estimate == e.hi == 1 and 0.75 < e.lo < 0.9 and math.isnan(e.se)


def test_coverage_of_auroc():
    """40 prompts of 3 rows; the true value by a large sample."""

    def draw(rng, g):
        ids = np.repeat(np.arange(g), 3)
        skill = rng.normal(0, 1, g)[ids]
        c = 1 / (1 + np.exp(-(skill + rng.normal(0, 1, 3 * g))))
        return c, (rng.random(3 * g) < 1 / (1 + np.exp(-1 - skill))).astype(float), ids

    rng = np.random.default_rng(6)
    truth = auroc(*draw(rng, 100_000)).estimate
    intervals = [auroc(*draw(rng, 40)) for _ in range(1000)]
    assert np.mean([e.lo <= truth <= e.hi for e in intervals]) >= 0.93
