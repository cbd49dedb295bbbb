"""Agreement of a judge with humans where either may call a tie.

Verdicts in item coordinates: +1 the first response, 0 a tie, -1 the second.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bench.stats.clusters import Clusters, Floats, checked
from bench.stats.estimate import Estimate
from bench.stats.intervals import cluster_wilson
from bench.stats.kappa import table_cells
from bench.types import BenchError


@dataclass(frozen=True, slots=True)
class Agreement:
    """What is true of one judge, by what becomes of ties (three-way and two-way: setups S1 and S2
    of Zheng et al. 2023).

    `half_credit`: items that the human decided, a tie of the judge counting 1/2; guessing has 1/2
    and so has tying, hence nothing is gained by either. `three_way`: a tie is a class of its own;
    guessing has 1/3, and a judge that ties often gains where humans do, so read it with
    `judge_ties` and `human_ties`, the shares of ties. `two_way`: items that both decided; a judge
    gains by tying on what is hard, so read it with `coverage`, the share of the items decided by
    the human that the judge decides as well.
    """

    half_credit: Estimate
    three_way: Estimate
    two_way: Estimate
    coverage: Estimate
    judge_ties: Estimate
    human_ties: Estimate


def agreement(
    judge: ArrayLike,
    human: ArrayLike,
    clusters: Clusters | ArrayLike,
    *,
    level: float = 0.95,
    missing: int = 0,
) -> Agreement:
    """`judge`, `human`: (n,) verdicts, `clusters`: (n,) prompt ids. Several orders or annotators
    of an item are rows with the same cluster.

    Cluster-adjusted Wilson intervals. Rows that a number does not look at count as missing there.
    No row left: insufficient. Raises BenchError for a value that is no verdict.
    """
    cells = table_cells(judge, human, -1, 3)
    ours, theirs = cells // 3 - 1, cells % 3 - 1
    groups = Clusters.of(clusters, cells.size)

    def mean(what: str, credit: Floats | NDArray[np.bool_], of: NDArray[np.bool_]) -> Estimate:
        left_out = missing + int(np.count_nonzero(~of))
        found = cluster_wilson(credit[of], groups.take(of), level=level, missing=left_out)
        return replace(found, method=f"{what}, {found.method}")

    decided, every = theirs != 0, np.ones(cells.size, np.bool_)
    return Agreement(
        half_credit=mean("agreement, ties half", (1 + ours * theirs) / 2, decided),
        three_way=mean("three-way agreement", ours == theirs, every),
        two_way=mean("two-way agreement", ours == theirs, decided & (ours != 0)),
        coverage=mean("share decided by the judge", ours != 0, decided),
        judge_ties=mean("share of ties", ours == 0, every),
        human_ties=mean("share of ties", theirs == 0, every),
    )


def soft_agreement(
    judge: ArrayLike,
    human: ArrayLike,
    clusters: Clusters | ArrayLike,
    *,
    level: float = 0.95,
    missing: int = 0,
) -> Estimate:
    """Mean of 1 - |h - s| for strengths of preference in [0, 1]: 1 the first response, 0 the
    second, 1/2 a tie. Where the human is 0 or 1 it is the probability given to the human's choice.

    `judge`, `human`: (n,). Cluster-adjusted Wilson interval.
    """
    ours, theirs = checked(judge, 0, 1, "judge"), checked(human, 0, 1, "human")
    if ours.size != theirs.size:
        raise BenchError(f"{ours.size} values of the judge for {theirs.size} of the human")
    found = cluster_wilson(1 - np.abs(ours - theirs), clusters, level=level, missing=missing)
    return replace(found, method=f"soft agreement, {found.method}")


@dataclass(frozen=True, slots=True)
class AgainstVotes:
    """A judge against items with several human votes, every item counting the same.

    `each`: against one human drawn at random. `majority`: against all votes, a split counting 1/2.
    `majority_of_rest`: against the majority without one human, averaged over who is left out; the
    only one to set beside the humans' own `leave_one_out`, because both then face the same
    majorities. `majority` has one vote more in its reference and flatters the judge.
    """

    each: Estimate
    majority: Estimate
    majority_of_rest: Estimate


def against_votes(
    judge: ArrayLike,
    votes: ArrayLike,
    first: ArrayLike,
    clusters: Clusters | ArrayLike,
    *,
    level: float = 0.95,
    missing: int = 0,
) -> AgainstVotes:
    """`judge`: (n,) verdicts, a tie counting 1/2. `votes`: (n,) decisive votes m. `first`: (n,)
    those k for the first response. `clusters`: (n,) prompt ids.

    Items with no vote, and for `majority_of_rest` those with one, count as missing. With one vote
    `each` and `majority` are the same. Cluster-adjusted Wilson intervals.
    """
    ours, m, k = _voted(judge, votes, first)
    groups = Clusters.of(clusters, m.size)

    def mean(what: str, credit: Floats, of: NDArray[np.bool_]) -> Estimate:
        left_out = missing + int(np.count_nonzero(~of))
        found = cluster_wilson(credit[of], groups.take(of), level=level, missing=left_out)
        return replace(found, method=f"judge against {what}, {found.method}")

    lead = 2 * k - m  # of the first response
    share = k / np.maximum(m, 1)
    # With probability `share` the one left out is a voter for the first response.
    rest = share * np.sign(lead - 1) + (1 - share) * np.sign(lead + 1)
    return AgainstVotes(
        each=mean("each human", (1 + ours * (2 * share - 1)) / 2, m >= 1),
        majority=mean("the majority", (1 + ours * np.sign(lead)) / 2, m >= 1),
        majority_of_rest=mean("the majority of the rest", (1 + ours * rest) / 2, m >= 2),
    )


def _voted(judge: ArrayLike, votes: ArrayLike, first: ArrayLike) -> tuple[Floats, Floats, Floats]:
    ours = checked(judge, -1, 1, "judge")
    m, k = checked(votes, 0, 1e6, "votes"), checked(first, 0, 1e6, "first")
    if not ours.size == m.size == k.size:
        raise BenchError(
            f"{ours.size} verdicts, {m.size} numbers of votes and {k.size} of first votes; "
            "one each per item expected"
        )
    bad = (ours % 1 != 0) | (m % 1 != 0) | (k % 1 != 0) | (k > m)
    if bad.any():
        i = int(np.argmax(bad))
        raise BenchError(
            f"item {i}: verdict {ours[i]:g}, {k[i]:g} votes for the first response of {m[i]:g}; "
            "-1, 0 or 1 and whole numbers expected, the first no larger than the second"
        )
    return ours, m, k
