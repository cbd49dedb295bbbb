"""How far is the label of one item to be trusted, by what its own annotators say?

An annotator's choice is a set of best responses (`bench.outcome.top_set`); two agree when their
sets are the same, so a tie is an answer like others. Of one item this is a description, not an
estimate: strata that compare judges are in `bench.stats.strata`, which does not sort and score by
the same votes.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations


@dataclass(frozen=True, slots=True)
class LabelReliability:
    """`n_votes`: annotators. `stratum`: unanimous, majority (more than half), split, or single for
    fewer than two votes. `agreement`: share of pairs of annotators who agree, NaN for single.
    `reliability`: posterior mean, from a uniform prior, of the chance that one more annotator says
    what most said: (k + 1) / (m + 2) with k of m votes; 1/2 without a vote. `retest`: share of
    second answers that are the same as the first by the same annotator, NaN without one."""

    n_votes: int
    stratum: str
    agreement: float
    reliability: float
    retest: float


def label_reliability(
    votes: Sequence[int], retests: Sequence[tuple[int, int]] = ()
) -> LabelReliability:
    """`votes`: sets of best responses, one per annotator. `retests`: (first, second) answer of an
    annotator who was asked again."""
    m, most = len(votes), max(Counter(votes).values(), default=0)
    pairs = [a == b for a, b in combinations(votes, 2)]
    same = [first == second for first, second in retests]
    return LabelReliability(
        m,
        _stratum(m, most),
        sum(pairs) / len(pairs) if pairs else math.nan,
        (most + 1) / (m + 2),
        sum(same) / len(same) if same else math.nan,
    )


def _stratum(votes: int, most: int) -> str:
    if votes < 2:
        return "single"
    return "unanimous" if most == votes else "majority" if 2 * most > votes else "split"
