"""The reliability of one item's label, by hand and against a simulation of its prior."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pytest

from bench.stats.label_reliability import label_reliability

A, B, TIE = 1, 2, 3


@pytest.mark.parametrize(
    ("votes", "stratum", "agreement", "reliability"),
    [
        ([], "single", math.nan, 1 / 2),
        ([A], "single", math.nan, 2 / 3),
        ([A, A], "unanimous", 1, 3 / 4),
        ([A, B], "split", 0, 2 / 4),
        ([A, A, B], "majority", 1 / 3, 3 / 5),
        ([A, TIE, B], "split", 0, 2 / 5),
        ([A, A, B, B], "split", 2 / 6, 3 / 6),
        ([TIE, TIE, TIE], "unanimous", 1, 4 / 5),
    ],
)
def test_by_hand(votes: list[int], stratum: str, agreement: float, reliability: float) -> None:
    found = label_reliability(votes)
    assert (found.n_votes, found.stratum) == (len(votes), stratum)
    assert found.agreement == pytest.approx(agreement, nan_ok=True)
    assert found.reliability == pytest.approx(reliability)
    assert math.isnan(found.retest)


def test_retests_are_second_answers() -> None:
    assert label_reliability([A, B], [(A, A), (B, A), (B, B), (A, TIE)]).retest == 0.5


def test_reliability_is_the_chance_that_one_more_agrees() -> None:
    """Annotators who say A with a probability drawn uniformly: of items on which 3 of 4 said A, in
    this share the fifth did."""
    rng = np.random.default_rng(0)
    p = rng.random(400_000)
    said = rng.random((5, p.size)) < p
    like = said[:4].sum(axis=0) == 3
    expected = label_reliability([A, A, A, B]).reliability
    assert said[4][like].mean() == pytest.approx(expected, abs=0.005)


def test_agreement_is_that_of_pairs() -> None:
    votes = [A, A, B, TIE, A, B]
    pairs = list(combinations(votes, 2))
    assert label_reliability(votes).agreement == sum(a == b for a, b in pairs) / len(pairs)
