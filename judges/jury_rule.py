"""How the answers of a jury become one verdict, and what that needs to learn.

Vote: each member's weight goes to the response that it has on top, shared where several are. A
member without a verdict votes for nobody and stays in the denominator, so a response wins only if
it leads by more than the failed members weigh: on pairs a majority of all members. What they could
have turned is no verdict; a tie between those who voted is a tie.

Mean: of the members' utilities, each less its mean over the responses shown. They have no common
scale (characters, log-odds, ratings), and rescaling by the responses of one item would make every
preference equally strong, a vote. So each member is divided by the root mean square of its centred
utilities on the dev split, which needs no label; or left as it is, where all are on one scale. A
failed member pulls towards the tie.

Weights from the dev split: the log-odds of a member's accuracy there less those of chance, the best
weights of independent voters (Nitzan & Paroush 1982), 0 for one no better than chance. The weights
for a dev prompt come from the dev prompts of other folds, so nothing is scored by itself and no
item has to leave the run.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from bench.outcome import top_set
from bench.types import Item
from judges.dev import Said
from judges.panel import Answer

FOLDS = 5
LEAST_DEV = 2 * FOLDS
DIGITS = 12  # shares that are equal but for rounding are a tie


@dataclass(frozen=True)
class Rule:
    """How answers become one. `weights`: one row of member weights per fold of dev prompts, and a
    last one for all other prompts. `scales`: what each member's utilities are divided by, None for
    a vote."""

    weights: tuple[tuple[float, ...], ...]
    scales: tuple[float, ...] | None

    def weights_for(self, item: Item) -> tuple[float, ...]:
        """The members' weights for one item."""
        if len(self.weights) == 1 or item.split != "dev":
            return self.weights[-1]
        return self.weights[_fold(item)]

    def utilities(self, item: Item, answers: Sequence[Answer]) -> list[float] | None:
        """(responses,) utilities in item order, from one answer per member; None for no verdict."""
        weights = self.weights_for(item)
        rows = []
        for seat, answer in enumerate(answers):
            if answer.utilities is not None and weights[seat] > 0:
                given = answer.utilities
                row = _vote(given) if self.scales is None else _centred(given, self.scales[seat])
                rows.append([weights[seat] * value for value in row])
        if not rows:
            return None
        total = math.fsum(weights)
        shares = [round(math.fsum(column) / total, DIGITS) for column in zip(*rows, strict=True)]
        failed = math.fsum(w for w, a in zip(weights, answers, strict=True) if a.utilities is None)
        return None if self.scales is None and _open(shares, failed / total) else shares


def _vote(utilities: Sequence[float]) -> list[float]:
    top = top_set(utilities)
    return [(top >> i & 1) / top.bit_count() for i in range(len(utilities))]


def _centred(utilities: Sequence[float], scale: float) -> list[float]:
    mean = fmean(utilities)
    return [(u - mean) / scale for u in utilities]


def _open(shares: Sequence[float], failed: float) -> bool:
    """Whether the members that failed, a share of all weight, could have changed who is on top."""
    first, second = sorted(shares, reverse=True)[:2]
    return failed > 0 and first - second <= failed + 10**-DIGITS


def _fold(item: Item) -> int:
    # Other digits than Item.split uses, so that folds are balanced within the dev split.
    return int(item.prompt_key[8:16], 16) % FOLDS


def deciding(item: Item) -> list[int]:
    """Top sets of the labels that do not tie all."""
    tops = [top_set(label.utilities) for label in item.labels]
    return [top for top in tops if top.bit_count() < len(item.responses)]


def spread(said: Sequence[Said]) -> float:
    """Root mean square of a member's centred utilities; 1 where they never differ."""
    values = [c for showings in said for u in showings if u for c in _centred(u, 1.0)]
    rms = math.hypot(*values) / math.sqrt(max(1, len(values)))
    return float(f"{rms:.6g}") or 1.0


def learnt_weights(
    items: Sequence[Item], said: Sequence[Sequence[Said]], left_out: int | None
) -> tuple[float, ...]:
    """(members,) log-odds of dev accuracy less those of chance, at least 0, on the folds that are
    not left out. Accuracy is shrunk by two items at chance."""
    kept = [n for n, item in enumerate(items) if _fold(item) != left_out]
    chance = fmean(
        fmean(t.bit_count() for t in deciding(items[n])) / len(items[n].responses) for n in kept
    )
    found = []
    for member in said:
        right = math.fsum(_credit(member[n], deciding(items[n])) for n in kept)
        p = (right + 2 * chance) / (len(kept) + 2)
        found.append(max(0.0, float(f"{_logit(p) - _logit(chance):.6g}")))
    return tuple(found)


def _credit(showings: Said, votes: Sequence[int]) -> float:
    """Mean over orders and labels of the credit (bench.outcome); nothing for a failure."""
    tops = [0 if u is None else top_set(u) for u in showings]
    return fmean((t & v).bit_count() / max(1, t.bit_count()) for t in tops for v in votes)


def _logit(p: float) -> float:
    return math.log(p / (1 - p))
