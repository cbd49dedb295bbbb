from __future__ import annotations

import math

import numpy as np
import pytest

from bench.stats.headline import headline
from bench.stats.kappa import cohen_kappa, symmetrised_kappa
from bench.stats.likeness import human_likeness
from bench.types import BenchError


def crowd(rng, n, accuracies, values=(-1, 0, 1)):
    """(n, raters) labels of raters that know the label with these probabilities and else guess."""
    truth = rng.choice(values, n)
    says = [np.where(rng.random(n) < a, truth, rng.choice(values, n)) for a in accuracies]
    return np.stack(says, axis=1).astype(float)


def test_vector(vector):
    v = vector("human.z_score")
    humans = np.array([v.inputs["humans"][h] for h in ("h0", "h1", "h2")]).T
    found = human_likeness(humans, v.inputs["judge"], range(60))
    v.close(found.human_human, "human_pair_kappas")
    v.close(found.judge_human, "judge_human_kappas")
    v.close(found.z, "z")
    apart = np.mean(v.expected["judge_human_kappas"]) - np.mean(v.expected["human_pair_kappas"])
    v_apart = found.difference
    assert v_apart.estimate == pytest.approx(apart)
    assert v_apart.lo < found.difference90.lo < apart < found.difference90.hi < v_apart.hi


@pytest.mark.parametrize("symmetrise", [False, True])
def test_kappas_are_those_of_the_module_of_kappas(symmetrise):
    rng = np.random.default_rng(1)
    table = crowd(rng, 200, [0.8, 0.7, 0.6, 0.5])
    table[:, 1:][rng.random((200, 3)) < 0.3] = math.nan
    found = human_likeness(
        table[:, 1:], table[:, 0], range(200), symmetrise=symmetrise, replicates=50
    )
    kappas = []
    for a, b in ((0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)):
        rows = ~np.isnan(table[:, a] + table[:, b])
        x, y = table[rows, a], table[rows, b]
        ids = np.arange(rows.sum())
        kappas.append(
            symmetrised_kappa(x, y, ids).estimate
            if symmetrise
            else cohen_kappa(x + 1, y + 1, 3).estimate
        )
    np.testing.assert_allclose([*found.judge_human, *found.human_human], kappas, atol=1e-12)


def test_difference_covers_and_equivalence_is_rare_at_its_margin():
    """Judge and humans alike: 0 is covered. With true margin 0 no margin is trivially met."""
    covered, equivalent = [], []
    for seed in range(150):
        table = crowd(np.random.default_rng([2, seed]), 120, [0.7] * 4)
        found = human_likeness(table[:, 1:], table[:, 0], range(120), replicates=300)
        covered.append(found.difference.lo <= 0 <= found.difference.hi)
        worse = crowd(np.random.default_rng([3, seed]), 120, [0.5, 0.7, 0.7, 0.7])
        found = human_likeness(worse[:, 1:], worse[:, 0], range(120), replicates=300)
        # Kappa is the product of accuracies: .7 (.5 - .7) below, exactly the margin.
        equivalent.append(headline(found.difference, found.difference90, 0.14).equivalent)
    assert np.mean(covered) >= 0.91
    assert np.mean(equivalent) <= 0.09


def test_a_duplicated_prompt_counts_once():
    table = crowd(np.random.default_rng(4), 100, [0.8, 0.7, 0.6])
    once = human_likeness(table[:, 1:], table[:, 0], range(100))
    both = np.concatenate([table, table])
    twice = human_likeness(both[:, 1:], both[:, 0], np.tile(np.arange(100), 2))
    assert twice.difference.estimate == pytest.approx(once.difference.estimate)
    assert twice.difference.se == pytest.approx(once.difference.se, rel=1e-9)


def test_names_order_and_swaps_do_not_matter():
    table = crowd(np.random.default_rng(5), 120, [0.8, 0.7, 0.6, 0.6])
    ids = np.repeat(np.arange(40), 3)
    a = human_likeness(table[:, 1:], table[:, 0], ids, symmetrise=True, replicates=100)
    flip = np.random.default_rng(6).choice([-1, 1], (120, 1))
    for other in (flip * table, -table):
        b = human_likeness(other[:, 1:], other[:, 0], ids, symmetrise=True, replicates=100)
        np.testing.assert_allclose(
            (a.z, a.difference.lo, a.difference.hi), (b.z, b.difference.lo, b.difference.hi)
        )
    c = human_likeness(table[:, :0:-1], table[:, 0], [f"p{i}" for i in ids], symmetrise=True)
    np.testing.assert_allclose(c.judge_human, a.judge_human[::-1])
    assert c.z == pytest.approx(a.z)


def test_the_chosen_frame_needs_symmetry():
    """Everybody's right answer is +1: plain kappa is near 0 whatever the agreement."""
    rng = np.random.default_rng(7)
    table = np.where(rng.random((400, 4)) < 0.9, 1.0, -1.0)
    ids = range(400)
    plain = human_likeness(table[:, 1:], table[:, 0], ids, replicates=50)
    fair = human_likeness(table[:, 1:], table[:, 0], ids, symmetrise=True, replicates=50)
    assert np.all(np.abs(plain.human_human) < 0.2) and np.all(fair.human_human > 0.5)


def test_pairs_with_little_in_common_are_left_out():
    table = crowd(np.random.default_rng(8), 100, [0.8, 0.7, 0.7, 0.7])
    table[29:, 3] = math.nan
    found = human_likeness(table[:, 1:], table[:, 0], range(100), replicates=50)
    assert np.isnan(found.judge_human).tolist() == [False, False, True]
    assert np.isnan(found.human_human).tolist() == [False, True, True]
    assert math.isnan(found.z), "the spread of one pair"
    apart = np.mean(found.judge_human[:2]) - found.human_human[0]
    assert found.difference.estimate == pytest.approx(apart)


def test_too_little_and_constant():
    table = crowd(np.random.default_rng(9), 40, [0.8, 0.7, 0.7])
    ids = range(40)
    for humans, judge, prompts in (
        (table[:29, 1:], table[:29, 0], range(29)),
        (table[:, 1:2], table[:, 0], ids),
        (table[:, 1:], np.full(40, math.nan), ids),
        (np.zeros((0, 3)), [], []),
    ):
        found = human_likeness(humans, judge, prompts)
        assert found.difference.status == found.difference90.status == "insufficient"
        assert math.isnan(found.z) and np.isnan(found.judge_human).all()
    ties = human_likeness(np.zeros((40, 3)), np.zeros(40), ids)
    assert ties.difference.status == "degenerate" and math.isnan(ties.difference.estimate)
    constant = human_likeness(table[:, 1:], np.zeros(40), ids)
    assert np.all(constant.judge_human == 0) and constant.difference.hi < 0
    same = np.tile(table[:, :1], (1, 3))
    perfect = human_likeness(same, table[:, 0], ids)
    assert perfect.difference.estimate == 0 and perfect.difference.status == "degenerate"
    single = human_likeness(table[:, 1:], table[:, 0], ["p"] * 40)
    assert single.difference.status == "one_cluster"
    failed = human_likeness(table[:, 1:], np.where(np.arange(40) < 5, math.nan, table[:, 0]), ids)
    assert failed.difference.n_items == 40 and math.isfinite(failed.difference.lo)


def test_bad_input():
    with pytest.raises(BenchError, match="rows: humans 2, judge 1"):
        human_likeness(np.zeros((2, 3)), [1], [0, 1])
    with pytest.raises(BenchError, match=r"humans\[0, 0\] is inf"):
        human_likeness([[math.inf, 1]], [1], [0])
