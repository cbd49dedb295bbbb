from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.stats.pareto import frontier, pareto
from bench.types import BenchError

POINTS = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=8)


def test_pareto_vector(vector):
    v = vector("cost.pareto")
    names, points = zip(*v.inputs["points"].items(), strict=True)
    on = frontier(*np.array(points).T)
    assert [n for n, yes in zip(names, on, strict=True) if yes] == v.expected["frontier"]
    assert [n for n, yes in zip(names, on, strict=True) if not yes] == v.expected["dominated"]


@given(POINTS)
def test_frontier_by_definition(points):
    def beaten(a):
        return any(b != a and b[0] <= a[0] and b[1] >= a[1] for b in points)

    assert frontier(*np.array(points).T).tolist() == [not beaten(a) for a in points]


def test_probability_of_being_on_the_frontier():
    rng = np.random.default_rng(2)
    hard = rng.random(200)
    weak, fair, good = (hard < p for p in (0.5, 0.7, 0.9))
    noise = rng.permutation(fair)  # as good as `fair` on average, and dearer
    p = pareto([1, 2, 2.5, 3, 4], [weak, fair, noise, good, weak], np.arange(200))
    assert p.on.tolist() == [True, True, False, True, False]
    assert p.score == pytest.approx([x.mean() for x in (weak, fair, noise, good, weak)])
    # The judges share their hard items, so the order of the first is the same in every resample.
    assert p.probability[[0, 1, 3, 4]].tolist() == [1, 1, 1, 0]
    assert 0.4 < p.probability[2] < 0.6


def test_equal_judges_stay_equal_in_every_resample():
    credit = np.random.default_rng(0).random(150)
    p = pareto([1, 1, 2], [credit, credit, credit], np.arange(150) // 2)
    assert p.on.tolist() == [True, True, False] and p.probability.tolist() == [1, 1, 0]


@given(st.permutations(range(4)), st.integers(0, 9))
def test_order_of_judges_and_items_does_not_matter(order, seed):
    rng = np.random.default_rng(seed)
    credits, cost, prompts = rng.integers(0, 3, (4, 30)) / 2, rng.random(4), rng.integers(0, 4, 30)
    a = pareto(cost, credits, prompts, replicates=300)
    b = pareto(cost[order], credits[list(order)], prompts, replicates=300)
    assert a.probability[order].tolist() == b.probability.tolist()
    shuffled = rng.permutation(30)
    c = pareto(
        cost, credits[:, shuffled], prompts[shuffled], replicates=300
    )  # 4^4 draws, each once
    np.testing.assert_allclose(a.probability, c.probability, atol=1e-12)
    assert (a.probability >= 0).all() and (a.probability <= 1).all()


def test_edges():
    one = pareto([1], [[1.0, 0.0]], ["p", "p"])
    assert one.on.tolist() == [True] and np.isnan(one.probability).all()
    assert pareto([1], [[0.0, 0.0]], [0, 1]).probability.tolist() == [1]
    free = pareto([0, 0], [[1, 0, 1], [1, 1, 1]], [0, 1, 2])
    assert free.on.tolist() == [False, True] and 0 < free.probability[0] < 1
    assert frontier([], []).tolist() == []


def test_bad_input_is_refused():
    with pytest.raises(BenchError, match=r"cost\[1\] is nan"):
        frontier([1, np.nan], [1, 1])
    with pytest.raises(BenchError, match="2 costs for 1 judges"):
        frontier([1, 2], [1])
    with pytest.raises(BenchError, match=r"credits\[1\]\[0\] is 2"):
        pareto([1, 2], [[1], [2]], [0])
    with pytest.raises(BenchError, match=r"\[2, 1\] credits"):
        pareto([1, 2], [[1, 1], [1]], [0, 1])
    with pytest.raises(BenchError, match="at least one"):
        pareto([], [], [])
