from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from bench.stats.intervals import cluster_wilson
from bench.stats.rmbench import DOMAINS, overall, style_matrix
from bench.types import BenchError

STYLES = list(itertools.product(range(3), repeat=2))


def of_scores(prompts: list[tuple[list[float], list[float]]]):
    """The matrix of a scalar judge: (scores of the right, of the wrong answer by style)."""
    wins, chosen, rejected, ids = [], [], [], []
    for number, (right, wrong) in enumerate(prompts):
        for i, j in STYLES:
            wins.append(float(right[i] > wrong[j]))
            chosen.append(i)
            rejected.append(j)
            ids.append(number)
    return style_matrix(wins, chosen, rejected, ids)


# Two prompts, worked out by hand. Right answers by style against wrong ones by style:
#   prompt 0: (1, 2, 3) against (0, 2, 4)     prompt 1: (5, 5, 5) against (5, 4, 6)
#     wins: 1 . .   (1 > 0; 1 > 2 no; ...)      wins: . 1 .   (5 > 5 is a tie, no win)
#           1 . .   (2 > 2 is a tie)                  . 1 .
#           1 1 .                                     . 1 .
PROMPTS = [([1.0, 2.0, 3.0], [0.0, 2.0, 4.0]), ([5.0, 5.0, 5.0], [5.0, 4.0, 6.0])]
CELLS = [[1 / 2, 1 / 2, 0], [1 / 2, 1 / 2, 0], [1 / 2, 1, 0]]


def test_the_matrix_by_hand() -> None:
    made = of_scores(PROMPTS)
    assert [[made.cells[i, j].estimate for j in range(3)] for i in range(3)] == CELLS
    # above the diagonal: 1/2, 0, 0; on it: 1/2, 1/2, 0; below it: 1/2, 1/2, 1
    assert made.hard.estimate == pytest.approx(1 / 6)
    assert made.normal.estimate == pytest.approx(1 / 3)
    assert made.easy.estimate == pytest.approx(2 / 3)
    assert made.score.estimate == pytest.approx((1 / 6 + 1 / 3 + 2 / 3) / 3)


def test_against_the_formula_on_random_scores() -> None:
    """The authors' way: sums of triangles of the matrix of means."""
    rng = np.random.default_rng(3)
    scores = [(list(rng.integers(0, 5, 3)), list(rng.integers(0, 4, 3))) for _ in range(40)]
    matrix = np.mean(
        [[[r[i] > w[j] for j in range(3)] for i in range(3)] for r, w in scores], axis=0
    )
    made = of_scores(scores)
    expected = (np.triu(matrix, 1).sum() / 3, np.diag(matrix).mean(), np.tril(matrix, -1).sum() / 3)
    found = [made.hard.estimate, made.normal.estimate, made.easy.estimate]
    np.testing.assert_allclose(found, expected, atol=1e-12)
    assert made.score.estimate == pytest.approx(np.mean(expected), abs=1e-12)


def test_a_judge_of_style_alone() -> None:
    """It always takes the fancier text, and there is no winner between two of one style."""
    made = of_scores([([1, 2, 3], [1, 2, 3])] * 30)
    assert [e.estimate for e in (made.hard, made.normal, made.easy)] == [0, 0, 1]
    assert made.score.estimate == pytest.approx(1 / 3)


def test_prompts_are_the_unit() -> None:
    """Nine equal pairs a prompt tell no more than one of them."""
    rng = np.random.default_rng(5)
    right = rng.random(60) < 0.7
    made = of_scores([([9.0] * 3 if r else [0.0] * 3, [5.0] * 3) for r in right])
    one = cluster_wilson(right.astype(float), np.arange(60))
    assert (made.score.n_items, made.score.n_clusters) == (540, 60)
    assert made.score.hi - made.score.lo == pytest.approx(one.hi - one.lo, rel=0.05)


def test_the_four_domains_count_alike() -> None:
    domains = {
        "chat": of_scores(PROMPTS),
        "math": of_scores([([9, 9, 9], [1, 1, 1])] * 50),
        "code": of_scores([([1, 2, 3], [1, 2, 3])] * 20),
        "safety": of_scores([([1, 1, 1], [9, 9, 9])] * 5),
    }
    made = overall(domains)
    assert made.hard.estimate == pytest.approx((1 / 6 + 1 + 0 + 0) / 4)
    assert made.normal.estimate == pytest.approx((1 / 3 + 1 + 0 + 0) / 4)
    assert made.easy.estimate == pytest.approx((2 / 3 + 1 + 1 + 0) / 4)
    assert made.score.estimate == pytest.approx((7 / 18 + 1 + 1 / 3 + 0) / 4)
    assert made.cells[2, 1].estimate == pytest.approx((1 + 1 + 1 + 0) / 4)
    assert made.score.lo < made.score.estimate < made.score.hi
    del domains["code"]
    with pytest.raises(BenchError, match="chat, math, code, safety expected"):
        overall(domains)
    assert len(DOMAINS) == 4


def test_pairs_without_an_answer_are_missing_and_uneven_cells_are_told() -> None:
    wins = [1.0] * 8 + [math.nan]  # the cell (2, 2) of one prompt
    made = style_matrix(wins * 2, *zip(*STYLES * 2, strict=True), [0] * 9 + [1] * 9)
    assert math.isnan(made.cells[2, 2].estimate)
    assert (made.normal.n_items, made.normal.n_missing) == (4, 2)
    assert made.score.estimate == 1
    assert "some prompts lack pairs" in made.score.note
    assert "lack pairs" not in of_scores(PROMPTS).score.note


def test_other_styles_are_told() -> None:
    with pytest.raises(BenchError, match="one of 0, 1, 2 for each side"):
        style_matrix([1.0], [3], [0], ["p"])
    with pytest.raises(BenchError, match="one of 0, 1, 2 for each side"):
        style_matrix([1.0], ["concise"], [0], ["p"])
    with pytest.raises(BenchError, match=r"wins\[0\] is 2"):
        style_matrix([2.0], [0], [0], ["p"])
