"""How the showings of an item become one outcome. Pure, on arrays.

A verdict names a set of best responses (`top_set`, a bit mask in item coordinates). Its *credit*
against a label is the share of that set that the label has on top: 1 right, 0 wrong, in between
for a tie. A *rule* turns the credits of an item's orders into one outcome in [0, 1]; a *policy*
says what a failed verdict is worth. NaN is "no outcome": the item is dropped.

Rules (definitions as in the peers that use them):
  mean      mean of the orders' credits
  strict    1 if every order is right alone, else 0
  tie       the credit if all orders name the same set, else that of a tie between all (FastChat)
  net_vote  +1 right, -1 wrong, 0 otherwise, failures 0: 1 if the sum is positive (JudgeBench)
  first     the credit of the first order alone: what a user of one order gets
  decisive  the credit if all orders name the same single response, else dropped
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from bench.types import BenchError

Rule = Literal["mean", "strict", "tie", "net_vote", "first", "decisive"]
Policy = Literal["wrong", "half", "chance", "drop"]
RULES: tuple[Rule, ...] = get_args(Rule)
POLICIES: tuple[Policy, ...] = get_args(Policy)

Floats = NDArray[np.float64]
Masks = NDArray[np.int64]
Bools = NDArray[np.bool_]


def top_set(utilities: Sequence[float]) -> int:
    """Bit mask of the responses with the highest utility."""
    best = max(utilities)
    return sum(1 << i for i, u in enumerate(utilities) if u == best)


def credit(judge: Masks, label: Masks) -> Floats:
    """Share of the judge's top set that is in the label's; arrays of one shape."""
    shared: Floats = np.bitwise_count(judge & label) / np.maximum(np.bitwise_count(judge), 1)
    return shared


def outcome(
    picks: Masks,
    failed: Bools,
    label: Masks,
    n_responses: NDArray[np.int64],
    rule: Rule,
    policy: Policy,
) -> Floats:
    """One outcome in [0, 1] per row, NaN where it is dropped.

    `picks`: (rows, orders) top sets, anything where `failed`; `failed`: (rows, orders), the order
    gave no verdict; `label`: (rows,) top sets of the label; `n_responses`: (rows,).
    Raises BenchError for an unknown rule or policy.
    """
    if rule not in RULES or policy not in POLICIES:
        raise BenchError(
            f"rule {rule!r} with policy {policy!r}: rules are {', '.join(RULES)}; "
            f"policies are {', '.join(POLICIES)}"
        )
    chance = np.bitwise_count(label) / n_responses
    worth: dict[str, Floats] = {
        "wrong": np.zeros_like(chance),
        "half": np.full_like(chance, 0.5),
        "chance": chance,
        "drop": np.full_like(chance, np.nan),
    }
    credits = np.where(failed, worth[policy][:, None], credit(picks, label[:, None]))
    return _RULES[rule](picks, failed, credits, chance)


def _mean(picks: Masks, failed: Bools, credits: Floats, chance: Floats) -> Floats:
    known = ~np.isnan(credits)
    total = np.where(known, credits, 0.0).sum(axis=1)
    count = known.sum(axis=1)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _strict(picks: Masks, failed: Bools, credits: Floats, chance: Floats) -> Floats:
    right = (credits == 1).all(axis=1).astype(float)
    return np.where(np.isnan(credits).any(axis=1), np.nan, right)


def _tie(picks: Masks, failed: Bools, credits: Floats, chance: Floats) -> Floats:
    agreed = np.where(_same(picks), credits[:, 0], chance)
    # With a failure there is nothing to agree with: the item is worth what its failures are.
    worth = np.where(failed, credits, np.inf).min(axis=1)
    return np.where(failed.any(axis=1), worth, agreed)


def _net_vote(picks: Masks, failed: Bools, credits: Floats, chance: Floats) -> Floats:
    votes = np.where(failed, 0, (credits == 1).astype(int) - (credits == 0).astype(int))
    won = (votes.sum(axis=1) > 0).astype(float)
    return np.where(failed.all(axis=1), credits[:, 0], won)


def _first(picks: Masks, failed: Bools, credits: Floats, chance: Floats) -> Floats:
    return credits[:, 0]


def _decisive(picks: Masks, failed: Bools, credits: Floats, chance: Floats) -> Floats:
    single = np.bitwise_count(picks[:, 0]) == 1
    kept = _same(picks) & single & ~failed.any(axis=1)
    return np.where(kept, credits[:, 0], np.nan)


def _same(picks: Masks) -> Bools:
    same: Bools = (picks == picks[:, :1]).all(axis=1)
    return same


_RULES: dict[str, Callable[[Masks, Bools, Floats, Floats], Floats]] = {
    "mean": _mean,
    "strict": _strict,
    "tie": _tie,
    "net_vote": _net_vote,
    "first": _first,
    "decisive": _decisive,
}
