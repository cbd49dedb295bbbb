"""Does a judge's preference form an order? Triples of systems that answered the same prompt.

A triple of systems a, b, c is complete when all three of its pairs were judged at that prompt.
With > for preferred and ~ for a tie, complete triples are of six kinds, whatever their names:

    order     a > b > c, a > c
    cycle     a > b > c, c > a
    chain     a > b > c, a ~ c: the middle one separates two that tie
    shared    one tie, and its two systems both beat or both lose to the third
    split     a ~ b ~ c, a > c: two ties, and the ends differ
    equal     three ties

Order, shared and equal are what a ranking with ties can give. The other three contradict ever
milder demands: a cycle contradicts every ranking; a chain contradicts that preference is
transitive; a split contradicts only that ties are, and is what a judge with a threshold of
perception gives without any error (Luce 1956). A judge that tosses a coin, without ties, makes
cycles of 1/4 of the triples (Kendall & Babington Smith 1940).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from bench.stats.clusters import Clusters, Floats, Ints, checked
from bench.stats.estimate import Basis, Estimate
from bench.stats.intervals import wilson
from bench.stats.resample import REPLICATES, Resample
from bench.types import BenchError

ORDER, CYCLE, CHAIN, SHARED, SPLIT, EQUAL = range(6)


@dataclass(frozen=True, slots=True)
class Triples:
    """Complete triples by kind (see the module)."""

    order: int
    cycle: int
    chain: int
    shared: int
    split: int
    equal: int


@dataclass(frozen=True, slots=True)
class Transitivity:
    """How often preferences over three systems contradict a ranking.

    `cycles`: share of cycles among the decided triples (no tie in them).
    `chains`: of the triples with a > b > c, the share where a > c does not follow: a tie or a
    cycle.
    `weak`: share of all complete triples that no ranking with ties gives: cycle, chain or split.
    `triples`: how many of each kind; `incomplete`: triples of systems of one prompt of which a
    pair was not judged.
    """

    cycles: Estimate
    chains: Estimate
    weak: Estimate
    triples: Triples
    incomplete: int


def transitivity(
    first: ArrayLike,
    second: ArrayLike,
    outcomes: ArrayLike,
    clusters: Clusters | ArrayLike,
    *,
    level: float = 0.95,
    replicates: int = REPLICATES,
    seed: int = 0,
) -> Transitivity:
    """Cycles and milder contradictions of pairwise outcomes at each prompt.

    `first`, `second`: (n,) names of the two systems. `outcomes`: (n,) +1 the first was preferred,
    0 tie, -1 the second, orders already combined; leave out a pair without an outcome, and its
    triples count as incomplete. `clusters`: (n,) prompt ids; triples are formed within a prompt.

    Ratios of sums over prompts with the cluster bootstrap over the prompts that have a complete
    triple; the three share their resamples. `n_items` is the number of triples below the line,
    `n_missing` the incomplete ones.

    No triple below the line: insufficient. Where no resample differs, as with no cycle at all, the
    interval is Wilson's for as many rows as prompts. Raises BenchError for an outcome that is not
    -1, 0 or 1, a system against itself, and a pair that occurs twice at one prompt, with the
    position.
    """
    sign = checked(outcomes, -1, 1, "outcomes")
    groups = Clusters.of(clusters, sign.size)
    ends = _coded(first, second, sign.size)
    _check(sign, ends, groups)
    local, n_systems = _within(ends, groups)
    counts = _triples(sign, local, groups)
    complete = counts.sum(axis=1)
    possible = n_systems * (n_systems - 1) * (n_systems - 2) // 6
    incomplete = int(possible.sum() - complete.sum())
    shares = _Shares(_resampled(counts, groups, replicates, seed), level, incomplete)
    return Transitivity(
        cycles=shares.of("cycles of decided triples", [CYCLE], [ORDER, CYCLE]),
        chains=shares.of("broken chains", [CYCLE, CHAIN], [ORDER, CYCLE, CHAIN]),
        weak=shares.of("triples against every ranking", [CYCLE, CHAIN, SPLIT], list(range(6))),
        triples=Triples(*(int(kind) for kind in counts.sum(axis=0))),
        incomplete=incomplete,
    )


def _coded(first: ArrayLike, second: ArrayLike, n: int) -> Ints:
    """(2, n) systems as codes. Raises BenchError for a wrong length and for a missing name."""
    names = []
    for what, side in (("first", first), ("second", second)):
        values = np.asarray(side).tolist()
        if len(values) != n:
            raise BenchError(f"{len(values)} systems in {what} for {n} outcomes; {n} expected")
        for i, value in enumerate(values):
            if value is None or value != value:
                raise BenchError(f"{what}[{i}] is {value}; the name of a system expected")
        names += values
    return Clusters.of(names, 2 * n).codes.reshape(2, n)


def _check(sign: Floats, ends: Ints, groups: Clusters) -> None:
    uneven = sign != np.round(sign)
    if uneven.any():
        i = int(np.argmax(uneven))
        raise BenchError(f"outcomes[{i}] is {sign[i]}; -1, 0 or 1 expected")
    itself = ends[0] == ends[1]
    if itself.any():
        i = int(np.argmax(itself))
        raise BenchError(f"row {i} compares a system with itself; two systems expected")
    pairs = np.stack([groups.codes, ends.min(axis=0), ends.max(axis=0)])
    _, leading = np.unique(pairs, axis=1, return_index=True)
    if leading.size < sign.size:
        i = int(np.setdiff1d(np.arange(sign.size), leading)[0])
        raise BenchError(
            f"row {i} has a pair of systems that another row of its prompt has; one outcome per "
            "prompt and pair expected. Combine orders and repeats first."
        )


def _within(ends: Ints, groups: Clusters) -> tuple[Ints, Ints]:
    """(2, n) codes of systems numbered anew within each prompt, and (G,) systems per prompt."""
    n_systems = int(ends.max(initial=0)) + 1
    present, place = np.unique(groups.codes * n_systems + ends, return_inverse=True)
    prompt = present // n_systems
    number = np.arange(present.size) - np.searchsorted(prompt, prompt)
    local: Ints = number[place].reshape(ends.shape)
    return local, np.bincount(prompt, minlength=groups.n_clusters)


def _triples(sign: Floats, local: Ints, groups: Clusters) -> Floats:
    """(G, 6) complete triples of each prompt by kind, from products of its relations as matrices:
    (W W)[a, c] is the number of b with a > b > c."""
    side = int(local.max(initial=-1)) + 1
    won = np.zeros((groups.n_clusters, side, side))
    tied = np.zeros_like(won)
    for (a, b), way in ((local, sign), (local[::-1], -sign)):
        won[groups.codes, a, b] = way > 0
        tied[groups.codes, a, b] = way == 0

    def meeting(path: Floats, closing: Floats) -> Floats:
        total: Floats = np.einsum("gij,gij->g", path, closing)
        return total

    lost = won.swapaxes(1, 2)
    chains, ties = won @ won, tied @ tied
    kinds = {  # divided by how often the product counts one triple
        ORDER: meeting(chains, won),
        CYCLE: meeting(chains, lost) / 3,
        CHAIN: meeting(chains, tied),
        SHARED: meeting(won @ lost + lost @ won, tied) / 2,
        SPLIT: meeting(ties, won),
        EQUAL: meeting(ties, tied) / 6,
    }
    return np.stack([kinds[kind] for kind in range(6)], axis=1)


def _resampled(counts: Floats, groups: Clusters, replicates: int, seed: int) -> Resample:
    """The sums of the (G, 6) counts, over the prompts that have a triple.

    The counts of a prompt stand on its first row, so that it has as many rows as were judged.
    """
    leading = np.unique(groups.codes, return_index=True)[1]
    on_rows = np.zeros((groups.n_items, counts.shape[1]))
    on_rows[leading] = counts
    rows = counts.sum(axis=1)[groups.codes] > 0
    return Resample.of(list(on_rows[rows].T), groups.take(rows), replicates=replicates, seed=seed)


@dataclass(frozen=True, eq=False)
class _Shares:
    """Ratios of kinds of triples on one resample."""

    resample: Resample
    level: float
    missing: int

    def of(self, name: str, bad: list[int], among: list[int]) -> Estimate:
        n = int(self.resample.observed[0, among].sum())
        if n == 0:
            basis = Basis(name, self.level, 0, self.resample.groups.n_clusters, self.missing)
            return basis.undefined("insufficient", "no such triples")
        found = self.resample.estimate(
            lambda sums: _ratio(sums[:, bad].sum(axis=1), sums[:, among].sum(axis=1)),
            name,
            level=self.level,
            n_items=n,
            missing=self.missing,
            bounds=(0.0, 1.0),
        )
        if found.status != "degenerate" or math.isnan(found.estimate):
            return found
        # No prompt differs from another: the prompts, not their triples, are what was seen.
        prompts = found.n_clusters
        bound = wilson(found.estimate * prompts, prompts, self.level)
        note = f"{found.note}: Wilson interval for as many rows as prompts"
        return replace(found, lo=bound.lo, hi=bound.hi, status="ok_small", note=note)


def _ratio(top: Floats, bottom: Floats) -> Floats:
    known = bottom > 0
    share: Floats = np.where(known, top / np.where(known, bottom, 1), np.nan)
    return share
