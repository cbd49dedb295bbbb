from __future__ import annotations

from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.outcome import POLICIES, RULES, Policy, Rule, outcome, top_set
from bench.types import BenchError

A, B, TIE = 1, 2, 3  # top sets of a pair


def one(
    picks: list[int], rule: Rule, policy: Policy = "wrong", label: int = A, n: int = 2
) -> float:
    """Outcome of one item; a pick of 0 is a failed verdict."""
    top = np.array([picks])
    value = outcome(top, top == 0, np.array([label]), np.array([n]), rule, policy)
    return float(value[0])


@pytest.mark.parametrize(
    ("picks", "expected"),
    [  # mean, strict, tie, net_vote, first, decisive
        ([A, A], (1, 1, 1, 1, 1, 1)),
        ([B, B], (0, 0, 0, 0, 0, 0)),
        ([A, B], (0.5, 0, 0.5, 0, 1, np.nan)),
        ([B, A], (0.5, 0, 0.5, 0, 0, np.nan)),
        ([A, TIE], (0.75, 0, 0.5, 1, 1, np.nan)),
        ([TIE, B], (0.25, 0, 0.5, 0, 0.5, np.nan)),
        ([TIE, TIE], (0.5, 0, 0.5, 0, 0.5, np.nan)),
    ],
)
def test_every_rule_on_every_pattern_of_a_pair(picks: list[int], expected) -> None:
    for rule, value in zip(RULES, expected, strict=True):
        assert one(picks, rule) == pytest.approx(value, nan_ok=True), rule


@pytest.mark.parametrize(
    ("policy", "expected"),
    [  # mean, strict, tie, net_vote, first, decisive
        ("wrong", (0.5, 0, 0, 1, 0, np.nan)),
        ("half", (0.75, 0, 0.5, 1, 0.5, np.nan)),
        ("chance", (0.75, 0, 0.5, 1, 0.5, np.nan)),
        ("drop", (1, np.nan, np.nan, 1, np.nan, np.nan)),
    ],
)
def test_a_failed_first_order_beside_a_right_one(policy: Policy, expected) -> None:
    for rule, value in zip(RULES, expected, strict=True):
        assert one([0, A], rule, policy) == pytest.approx(value, nan_ok=True), rule


def test_chance_is_a_quarter_for_one_right_of_four() -> None:
    assert one([0], "mean", "chance", label=0b0001, n=4) == 0.25
    assert one([0], "mean", "half", label=0b0001, n=4) == 0.5


def test_a_tie_with_the_right_response_earns_its_share() -> None:
    assert one([0b0011], "mean", label=0b0001, n=4) == 0.5
    assert one([0b0111], "mean", label=0b0101, n=4) == pytest.approx(2 / 3)


def test_top_sets() -> None:
    assert top_set([0.1, 0.9, 0.9]) == 0b110
    assert top_set([1.0] * 4) == 0b1111


def test_unknown_names_are_refused_with_the_valid_ones() -> None:
    with pytest.raises(BenchError, match="rules are mean, strict"):
        one([A], "average")  # type: ignore[arg-type]


PICKS = st.lists(st.tuples(*[st.sampled_from([A, B, TIE, 0])] * 2), min_size=1, max_size=20)
SWAP = np.array([0, B, A, TIE])


@given(PICKS, st.sampled_from(get_args(Rule)), st.sampled_from(get_args(Policy)))
def test_swapping_the_answers_everywhere_changes_nothing(picks, rule: Rule, policy: Policy) -> None:
    top = np.array(picks)
    label = np.where(np.arange(len(top)) % 2, A, B)
    n = np.full(len(top), 2)
    before = outcome(top, top == 0, label, n, rule, policy)
    after = outcome(SWAP[top], top == 0, SWAP[label], n, rule, policy)
    np.testing.assert_array_equal(before, after)
    # Against the opposite label, what was won is lost (unless failures are always wrong).
    if rule in ("mean", "tie", "first") and policy in ("half", "chance", "drop"):
        opposite = outcome(top, top == 0, SWAP[label], n, rule, policy)
        np.testing.assert_allclose(before + opposite, np.where(np.isnan(before), np.nan, 1.0))


@given(PICKS, st.sampled_from(get_args(Policy)))
def test_strict_is_never_above_the_other_rules(picks, policy: Policy) -> None:
    top = np.array(picks)
    args = (top, top == 0, np.full(len(top), A), np.full(len(top), 2))
    strict = outcome(*args, "strict", policy)
    for rule in ("mean", "tie", "net_vote", "first"):
        other = outcome(*args, rule, policy)
        both = ~np.isnan(strict) & ~np.isnan(other)
        assert (strict[both] <= other[both]).all(), rule
    values = outcome(*args, "mean", policy)
    assert ((values >= 0) & (values <= 1) | np.isnan(values)).all()
    decisive_verdicts = np.isin(top, [A, B]).all(axis=1)
    np.testing.assert_array_equal(
        outcome(*args, "tie", policy)[decisive_verdicts], values[decisive_verdicts]
    )


def test_all_policies_are_covered_above() -> None:
    assert set(POLICIES) == {"wrong", "half", "chance", "drop"}
