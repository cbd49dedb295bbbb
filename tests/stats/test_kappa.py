from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.inter_rater import cohens_kappa

from bench.stats import Clusters, cohen_kappa, symmetrised_kappa
from bench.stats.clusters import mean_variance
from bench.stats.kappa import kappa_of_table
from bench.types import BenchError

VERDICT = st.sampled_from([-1, 0, 1])
ROWS = st.lists(st.tuples(VERDICT, VERDICT, st.integers(0, 6)), min_size=2, max_size=40)


def rows(triples):
    return tuple(np.array(x) for x in zip(*triples, strict=True))


def rows_of_table(table):
    """Judge by human counts -> one row per count."""
    table = np.array(table, dtype=int)
    q = len(table)
    judge, human = np.divmod(np.repeat(np.arange(q * q), table.ravel()), q)
    return judge, human, q


def numbers(e):
    return e.estimate, e.lo, e.hi, e.se, e.n_eff, e.df


TABLES = "wiki_2x2 prev_balanced prev_asym paradox_hi paradox_lo gwet weighted_3x3 fce_3x3"


@pytest.mark.parametrize("name", TABLES.split())
def test_kappa_vectors(vector, name):
    v = vector(f"agree.{name}")
    e = cohen_kappa(*rows_of_table(v.inputs["table"]))
    v.close(e.estimate, "kappa")
    v.close(e.se, "kappa_se")
    assert e.lo < e.estimate < e.hi


@pytest.mark.parametrize("seed", range(5))
def test_cohen_kappa_agrees_with_statsmodels(seed):
    table = np.random.default_rng(seed).integers(0, 30, (seed + 2, seed + 2))
    e, other = cohen_kappa(*rows_of_table(table)), cohens_kappa(table)
    np.testing.assert_allclose((e.estimate, e.se), (other.kappa, other.std_kappa), atol=1e-12)


def test_clustered_error_vector(vector):
    v = vector("se.kappa_cluster")
    judge, human, ids = (np.array(v.inputs[k]) for k in ("judge", "human", "cluster"))
    v.close(cohen_kappa(judge, human, 2).estimate, "kappa")
    v.close(cohen_kappa(judge, human, 2).se, "se_iid")
    v.close(cohen_kappa(judge, human, 2, ids).se, "se_cluster_CR1")
    shares = np.bincount(judge * 2 + human, minlength=4).reshape(2, 2) / judge.size
    influence = kappa_of_table(shares).influence[judge, human]
    cr0 = mean_variance(influence, Clusters.of(ids, ids.size), small_sample=False)
    v.close(math.sqrt(cr0), "se_cluster_CR0")


def test_chosen_frame_trap_vector(vector):
    v = vector("agree.chosen_frame_trap")
    judge, human, q = rows_of_table(v.inputs["table"])
    trapped = cohen_kappa(judge, human, q, np.arange(100))
    v.close(trapped.estimate, "kappa_content_frame")
    assert trapped.status == "degenerate" and math.isnan(trapped.lo)
    free = symmetrised_kappa(1 - 2 * judge, 1 - 2 * human, np.arange(100))
    v.close(free.estimate, "kappa_symmetrised")
    assert 0.6 < free.lo < 0.8 < free.hi < 0.9 and free.status == "ok"


def test_symmetrised_vector(vector):
    v = vector("agree.symmetrised_3x3")
    judge, human, q = rows_of_table(v.inputs["table_rows_judge_cols_human"])
    v.close(symmetrised_kappa(1 - judge, 1 - human, np.arange(100)).estimate, "kappa_symmetrised")
    v.close(cohen_kappa(judge, human, q).estimate, "kappa_raw_frame")


def test_one_class_vector(vector):
    v = vector("agree.near_perfect_single")
    assert v.expected["kappa"] is None
    e = cohen_kappa(*rows_of_table(v.inputs["table"]))
    assert math.isnan(e.estimate) and e.status == "degenerate"
    # Symmetrised, the same rows are fifty agreements.
    assert symmetrised_kappa(np.ones(50), np.ones(50), np.arange(50)).estimate == 1


@given(ROWS)
def test_symmetrised_is_cohen_of_rows_and_their_mirror_image(triples):
    judge, human, clusters = rows(triples)
    a = symmetrised_kappa(judge, human, clusters)
    both = np.concatenate([judge, -judge]) + 1, np.concatenate([human, -human]) + 1
    b = cohen_kappa(*both, 3, np.tile(clusters, 2))
    np.testing.assert_allclose(a.estimate, b.estimate, atol=1e-12)
    if not (math.isnan(a.se) or math.isnan(b.se)):
        np.testing.assert_allclose(numbers(a)[:4], numbers(b)[:4], atol=1e-9)


@given(ROWS, st.randoms(use_true_random=False))
def test_what_must_not_matter(triples, random):
    judge, human, clusters = rows(triples)
    e = symmetrised_kappa(judge, human, clusters)
    order = list(range(judge.size))
    random.shuffle(order)
    names = [f"p{9 - c}" for c in clusters[order]]
    flip = np.array([random.choice([-1, 1]) for _ in order])  # rename the responses of any item
    for other in (
        symmetrised_kappa(judge[order], human[order], names),
        symmetrised_kappa(-judge, -human, clusters),
        symmetrised_kappa(human, judge, clusters),
        symmetrised_kappa(flip * judge, flip * human, clusters),
    ):
        np.testing.assert_allclose(numbers(e), numbers(other), rtol=1e-7, atol=1e-9)
        assert e.status == other.status


@given(ROWS)
def test_interval_holds_the_estimate_and_levels_nest(triples):
    judge, human, clusters = rows(triples)
    inner, outer = (symmetrised_kappa(judge, human, clusters, level=x) for x in (0.3, 0.95))
    if math.isnan(inner.lo):
        assert inner.status in ("one_cluster", "degenerate") and inner.note
        return
    assert -1 <= outer.lo <= inner.lo <= inner.estimate <= inner.hi <= outer.hi <= 1
    assert inner.lo < inner.hi


@given(ROWS)
def test_repeating_every_row_within_its_prompt_tells_nothing_new(triples):
    judge, human, clusters = rows(triples)
    a, b = (
        symmetrised_kappa(np.tile(judge, k), np.tile(human, k), np.tile(clusters, k))
        for k in (1, 2)
    )
    if not math.isnan(a.se):
        np.testing.assert_allclose(numbers(a)[:4], numbers(b)[:4], rtol=1e-7, atol=1e-9)


def test_without_ties_kappa_is_twice_the_accuracy_less_one():
    human = np.tile([1, -1], 50)
    e = symmetrised_kappa(np.where(np.arange(100) < 70, human, -human), human, np.arange(100))
    assert e.estimate == pytest.approx(0.4)


def test_perfect_and_opposite_judges_have_intervals():
    human = np.tile([1, -1], 20)
    right = symmetrised_kappa(human, human, np.arange(40) // 2)
    assert right.estimate == right.hi == 1 and 0.5 < right.lo < 1 and math.isnan(right.se)
    wrong = symmetrised_kappa(-human, human, np.arange(40) // 2)
    assert (wrong.estimate, wrong.lo, wrong.hi) == (-1, -1, pytest.approx(-right.lo))


def test_position_locked_judge_has_an_interval():
    """Always the first slot, both orders pooled: every prompt agrees exactly half the time."""
    judge, human = np.tile([1, -1], 30), np.ones(60)
    e = symmetrised_kappa(judge, human, np.arange(60) // 2)
    assert e.estimate == 0 and -0.4 < e.lo < -0.1 and 0.1 < e.hi < 0.4
    assert math.isnan(e.se) and "no variation" in e.note


def test_degenerate_zoo():
    prompts = np.arange(30)
    mixed = np.resize([1, 0, -1], 30)
    ties = np.zeros(30)
    both = symmetrised_kappa(ties, ties, prompts)
    assert math.isnan(both.estimate) and both.status == "degenerate"
    one = symmetrised_kappa(ties, mixed, prompts)
    assert one.estimate == 0 and math.isnan(one.lo) and one.status == "degenerate"
    for n in (0, 1):
        e = symmetrised_kappa(mixed[:n], mixed[:n], prompts[:n], missing=4)
        assert math.isnan(e.estimate) and e.status == "insufficient" and e.n_missing == 4
    single = symmetrised_kappa(mixed, np.roll(mixed, 1), ["p"] * 30)
    assert single.status == "one_cluster" and math.isnan(single.lo) and single.estimate < 0
    constant = symmetrised_kappa(np.ones(30), mixed, prompts)
    assert -0.5 < constant.lo < constant.estimate < constant.hi < 0.5


def test_bad_values_are_refused_with_their_position():
    with pytest.raises(BenchError, match=r"judge\[1\] is nan"):
        symmetrised_kappa([1, math.nan], [1, 1], [1, 2])
    with pytest.raises(BenchError, match=r"human\[0\] is 0.5; a whole number from -1 to 1"):
        symmetrised_kappa([1, 0], [0.5, 1], [1, 2])
    with pytest.raises(BenchError, match=r"judge\[0\] is 2"):
        cohen_kappa([2, 0], [0, 1], 2)
    with pytest.raises(BenchError, match="at least 2"):
        cohen_kappa([0], [0], 1)
    with pytest.raises(BenchError, match="2 verdicts of the judge for 1"):
        symmetrised_kappa([1, 1], [1], [1, 2])


def test_coverage():
    """60 prompts of 4 rows; verdicts right with a probability that varies by prompt, mean .8."""
    rng = np.random.default_rng(25)
    hits, runs, clusters = 0, 1000, np.repeat(np.arange(60), 4)
    for _ in range(runs):
        right = rng.random(240) < rng.beta(3.2, 0.8, 60)[clusters]
        human = rng.choice([-1, 1], 240)
        e = symmetrised_kappa(np.where(right, human, -human), human, clusters)
        hits += e.lo <= 0.6 <= e.hi
    assert hits / runs >= 0.93
