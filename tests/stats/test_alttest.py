from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import ttest_1samp

from bench.stats.alttest import alternative_annotator_test
from bench.types import BenchError


def table(vector):
    """Vector -> (items, annotators) labels, judge, by item number."""
    humans, judge = vector.inputs["humans"], vector.inputs["judge"]
    items = sorted(judge, key=lambda i: int(i[1:]))
    labels = [[float(humans[h].get(i, math.nan)) for h in sorted(humans)] for i in items]
    return np.array(labels), np.array([float(judge[i]) for i in items])


def crowd(rng, n, accuracies, judge, q=3):
    """Annotators and a judge that know the label with these probabilities and else guess."""
    truth = rng.integers(0, q, n)
    says = [np.where(rng.random(n) < a, truth, rng.integers(0, q, n)) for a in [*accuracies, judge]]
    return np.stack(says[:-1], axis=1).astype(float), says[-1].astype(float)


@pytest.mark.parametrize("name", ["alttest.eps_0.1", "alttest.eps_0.2"])
def test_vectors(vector, name):
    v = vector(name)
    humans, judge = table(v)
    found = alternative_annotator_test(humans, judge, range(60), epsilon=v.inputs["epsilon"])
    v.close(found.p, "p")
    v.close(found.advantage, "rho_j")
    assert found.rejected.tolist() == v.expected["rejected"]
    v.close(found.omega, "omega")
    v.close(found.rho.estimate, "rho")
    assert found.passes and found.n_items.tolist() == [60, 60, 60, 30] and found.note == ""
    assert 0 <= found.rho.lo < found.rho.estimate < found.rho.hi <= 1


def test_p_values_are_those_of_scipy():
    humans, judge = crowd(np.random.default_rng(1), 200, [0.8, 0.7, 0.9], 0.8)
    found = alternative_annotator_test(humans, judge, range(200), epsilon=0.15, replicates=50)
    for j in range(3):
        others = np.delete(humans, j, axis=1)
        ours = (others == judge[:, None]).mean(axis=1)
        theirs = (others == humans[:, [j]]).mean(axis=1)
        d = (theirs >= ours).astype(float) - (ours >= theirs)
        expected = ttest_1samp(d, 0.15, alternative="less")
        assert found.p[j] == pytest.approx(expected.pvalue, rel=1e-9)
        assert (found.difference[j], found.df[j]) == pytest.approx((d.mean(), 199))


@pytest.mark.parametrize("name", ["alttest.eps_0.1", "alttest.eps_0.2"])
def test_smallest_epsilon_is_where_the_judge_begins_to_pass(vector, name):
    for humans, judge in (
        table(vector(name)),
        crowd(np.random.default_rng(2), 300, [0.9, 0.8, 0.7, 0.9, 0.6], 0.7),
    ):
        found = alternative_annotator_test(humans, judge, range(len(judge)))
        least = found.smallest_epsilon
        assert found.omega_at(least.estimate + 1e-9) >= 0.5 > found.omega_at(least.estimate - 1e-9)
        assert least.lo < least.estimate < least.hi
    curve = [found.omega_at(e) for e in np.linspace(-1, 2, 60)]
    assert curve == sorted(curve) and curve[0] == 0 and curve[-1] == 1


def test_repeated_items_do_not_count_twice():
    """Every item twice on its prompt: the clustered test says what the items said once."""
    humans, judge = crowd(np.random.default_rng(3), 150, [0.8, 0.7, 0.9], 0.8)
    once = alternative_annotator_test(humans, judge, range(150), replicates=200)
    both = np.concatenate([humans, humans]), np.concatenate([judge, judge])
    twice = alternative_annotator_test(*both, np.tile(np.arange(150), 2), replicates=200)
    np.testing.assert_allclose(twice.p, once.p, rtol=1e-9)
    assert twice.smallest_epsilon.estimate == pytest.approx(once.smallest_epsilon.estimate)
    assert (twice.rho.lo, twice.rho.hi) == pytest.approx((once.rho.lo, once.rho.hi))
    naive = alternative_annotator_test(*both, range(300), replicates=50)
    np.testing.assert_allclose(naive.se, once.se / math.sqrt(2), rtol=0.01)


def test_like_prompts_never_shorten_the_error():
    """Two prompts with the same mean differences: no variation between them, and no certainty."""
    humans, judge = crowd(np.random.default_rng(4), 40, [0.6, 0.6, 0.6], 0.6)
    both = np.concatenate([humans, humans]), np.concatenate([judge, judge])
    found = alternative_annotator_test(*both, np.repeat([0, 1], 40), replicates=50)
    assert np.all(found.se > 0.05) and np.all(found.df == 1)


def test_zero_variance():
    same = np.tile([[1.0, 1.0, 1.0]], (40, 1))
    perfect = alternative_annotator_test(same, np.ones(40), range(40))
    np.testing.assert_array_equal(perfect.p, [0, 0, 0])
    assert perfect.omega == 1 and perfect.rho.estimate == 1
    assert perfect.rho.status == "degenerate" and math.isnan(perfect.rho.lo)
    np.testing.assert_array_equal(perfect.p_values(0), [1, 1, 1])
    wrong = alternative_annotator_test(same, np.zeros(40), range(40))
    np.testing.assert_array_equal(wrong.p, [1, 1, 1])
    assert wrong.omega == 0 and not wrong.passes


def test_a_failure_agrees_with_nobody():
    humans, judge = crowd(np.random.default_rng(5), 120, [0.8, 0.8, 0.8], 0.8)
    failed = judge.copy()
    failed[:60] = math.nan
    a = alternative_annotator_test(humans, failed, range(120), replicates=50)
    wrong = np.where(np.isnan(failed), 99, failed)  # a label that nobody gave
    b = alternative_annotator_test(humans, wrong, range(120), replicates=50)
    np.testing.assert_allclose((a.p, a.advantage), (b.p, b.advantage))
    full = alternative_annotator_test(humans, judge, range(120), replicates=50)
    assert np.all(a.advantage < full.advantage)


def test_names_and_order_do_not_matter():
    rng = np.random.default_rng(6)
    humans, judge = crowd(rng, 90, [0.8, 0.7, 0.9, 0.6], 0.8)
    humans[rng.random(humans.shape) < 0.2] = math.nan
    ids = np.repeat(np.arange(30), 3)
    a = alternative_annotator_test(humans, judge, ids, replicates=50)
    b = alternative_annotator_test(7 - humans[:, ::-1], 7 - judge, [f"p{i}" for i in ids])
    np.testing.assert_allclose(a.p, b.p[::-1], rtol=1e-9)
    rows = rng.permutation(90)
    c = alternative_annotator_test(humans[rows], judge[rows], ids[rows], replicates=50)
    np.testing.assert_allclose(a.p, c.p, rtol=1e-9)
    assert a.smallest_epsilon.estimate == pytest.approx(c.smallest_epsilon.estimate)


def test_size_at_the_margin():
    """Judge and humans alike and epsilon 0: few annotators are to be rejected."""
    rejected = []
    for seed in range(200):
        data = crowd(np.random.default_rng([7, seed]), 100, [0.7] * 4, 0.7)
        found = alternative_annotator_test(*data, range(100), epsilon=0, replicates=20)
        rejected.append(found.rejected.any())
    assert np.mean(rejected) <= 0.08


def test_refusals():
    humans, judge = crowd(np.random.default_rng(8), 100, [0.8] * 4, 0.8)
    two = alternative_annotator_test(humans[:, :2], judge, range(100))
    assert two.rho.status == two.smallest_epsilon.status == "insufficient"
    assert math.isnan(two.omega) and not two.passes and two.p.size == 0
    few = alternative_annotator_test(humans[:29], judge[:29], range(29))
    assert few.rho.status == "insufficient" and "0 annotators" in few.note
    one_prompt = alternative_annotator_test(humans, judge, ["p"] * 100)
    assert one_prompt.rho.status == "insufficient"
    assert alternative_annotator_test(np.zeros((0, 3)), [], []).rho.status == "insufficient"
    sparse = humans.copy()
    sparse[29:, 2] = math.nan
    found = alternative_annotator_test(sparse, judge, range(100), replicates=50)
    assert found.annotators.tolist() == [0, 1, 3] and found.note.endswith("[2]")
    alone = np.vstack([humans, [1, math.nan, math.nan, math.nan]])
    kept = alternative_annotator_test(alone, np.append(judge, 1), range(101), replicates=50)
    assert kept.rho.n_missing == 1 and kept.rho.n_items == 100


def test_bad_input():
    with pytest.raises(BenchError, match="rows: humans 2, judge 1"):
        alternative_annotator_test(np.zeros((2, 3)), [1], [0, 1])
    with pytest.raises(BenchError, match=r"judge\[0\] is inf"):
        alternative_annotator_test(np.zeros((1, 3)), [math.inf], [0])
    with pytest.raises(BenchError, match="q 2"):
        alternative_annotator_test(np.zeros((1, 3)), [1], [0], q=2)
    with pytest.raises(BenchError, match=r"humans has shape \(2,\)"):
        alternative_annotator_test([1, 2], [1, 2], [0, 1])
