from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.stats.ranks import compact_letters, probability_best, rank_intervals
from bench.types import BenchError


@st.composite
def matrices(draw):
    """Significance among judges in descending order, any pattern."""
    j = draw(st.integers(1, 7))
    cells = draw(st.lists(st.booleans(), min_size=j * j, max_size=j * j))
    return np.triu(np.array(cells).reshape(j, j), 1)


@pytest.mark.parametrize("name", ["rank.tie_groups", "rank.cld_chain"])
def test_vectors(vector, name):
    v = vector(name)
    order = v.inputs["order"]
    better = np.zeros((len(order),) * 2, bool)
    for high, low in v.inputs["significant"]:
        better[order.index(high), order.index(low)] = True
    assert dict(zip(order, compact_letters(better), strict=True)) == v.expected["letters"]
    ranks = rank_intervals(better)
    assert {n: list(r) for n, r in zip(order, ranks, strict=True)} == v.expected["rank_interval"]


@given(matrices())
def test_two_share_a_letter_exactly_when_they_do_not_differ(better):
    letters = compact_letters(better)
    for i, k in itertools.combinations(range(len(better)), 2):
        assert bool(set(letters[i]) & set(letters[k])) != bool(better[i, k])
    assert all(letters)


@given(matrices())
def test_letters_are_the_maximal_sets_without_a_difference(better):
    j = len(better)
    free = [
        set(s) for r in range(1, j + 1) for s in itertools.combinations(range(j), r)
        if not any(better[i, k] for i, k in itertools.combinations(s, 2))
    ]  # fmt: skip
    maximal = sum(not any(s < other for other in free) for s in free)
    assert len(set("".join(compact_letters(better)))) == maximal


@given(matrices())
def test_rank_intervals_hold_the_order(better):
    ranks = rank_intervals(better)
    assert (ranks[:, 0] >= 1).all() and (ranks[:, 1] <= len(better)).all()
    assert (ranks[:, 0] <= ranks[:, 1]).all()


def test_no_difference_and_total_order():
    none, all_ = np.zeros((4, 4), bool), np.triu(np.ones((4, 4), bool), 1)
    assert compact_letters(none) == ("a",) * 4
    assert rank_intervals(none).tolist() == [[1, 4]] * 4
    assert compact_letters(all_) == ("a", "b", "c", "d")
    assert rank_intervals(all_).tolist() == [[1, 1], [2, 2], [3, 3], [4, 4]]
    many = compact_letters(np.triu(np.ones((60, 60), bool), 1))
    assert len(set(many)) == 60 and many[52] == "a'"
    assert compact_letters(np.zeros((0, 0))) == () and rank_intervals(np.zeros((0, 0))).size == 0


def test_bad_matrices():
    with pytest.raises(BenchError, match="square"):
        rank_intervals([[True, False]])
    with pytest.raises(BenchError, match=r"better\[0, 1\] and better\[1, 0\]"):
        compact_letters([[False, True], [True, False]])
    with pytest.raises(BenchError, match=r"better\[1, 1\]"):
        compact_letters([[False, False], [False, True]])


def test_probability_best():
    rng = np.random.default_rng(0)
    ids = np.repeat(np.arange(200), 2)
    credits = (rng.random((400, 3)) < [0.9, 0.7, 0.7]).astype(float)
    shares = probability_best(credits, ids)
    assert shares.sum() == pytest.approx(1) and shares[0] > 0.99
    same = probability_best(np.column_stack([credits, credits[:, 0]]), ids)
    assert same[0] == same[3] == pytest.approx(0.5, abs=0.005)
    se = np.sqrt(np.sum(np.bincount(ids, credits[:, 1] - credits[:, 2]) ** 2)) / 400
    z = (credits[:, 1] - credits[:, 2]).mean() / se
    normal = 0.5 * math.erfc(-z / math.sqrt(2))
    assert probability_best(credits[:, 1:], ids)[0] == pytest.approx(normal, abs=0.03)


def test_probability_best_of_the_mean_over_domains():
    """The first judge wins a domain of 30 items, the second one of 300, by less."""
    rng = np.random.default_rng(1)
    small = np.arange(330) < 30
    first = np.where(small, 1.0, 0.6)
    second = np.where(small, rng.random(330) < 0.4, rng.random(330) < 0.75)
    credits = np.column_stack([first, second])
    assert probability_best(credits, np.arange(330))[0] < 0.1
    assert probability_best(credits, np.arange(330), small)[0] > 0.9


def test_probability_best_edges():
    assert np.isnan(probability_best(np.ones((3, 2)), ["p"] * 3)).all()
    assert np.isnan(probability_best(np.ones((0, 2)), [])).all()
    assert probability_best([[1.0], [0.0]], [0, 1]) == [1]
    with pytest.raises(BenchError, match=r"credits\[0, 1\] is nan"):
        probability_best([[1, math.nan], [1, 1]], [0, 1])
