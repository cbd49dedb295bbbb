"""Whether a judge likes the responses of its own family: of its own model, of models that it
descends from, or of the model that wrote its training labels (preference leakage).

Verdicts are in content coordinates: +1 for the first response, 0 a tie, -1 for the second, means
over orders between them, NaN or None where there is none.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bench.stats.clusters import Clusters, Floats
from bench.stats.estimate import Basis, Estimate
from bench.stats.intervals import cluster_wilson
from bench.stats.paired import cluster_bonett_price
from bench.stats.resample import REPLICATES, bootstrap
from bench.stats.twogroups import TwoGroups, two_groups
from bench.stats.verdicts import complete, maybe
from bench.types import BenchError

MIN_PAIRS = 30
"""In a cell, below which nothing is said."""


@dataclass(frozen=True, slots=True)
class Affinity:
    """On the pairs with one response of the family and one of another.

    `judge`, `others`, `human`: share for the family's response, ties 1/2; `others` is the mean of
    the other judges. `over_human`, `over_others`: judge less those, on the same pairs; a judge of
    the family may rightly like better responses, so only these differences are bias. `ratio`:
    judge over human. `equal_opportunity`: `first` is the agreement with humans where they prefer
    the family's response, `second` where they prefer the other one, `difference` the bias; humans'
    ties are left out.

    The intervals are those of Wilson, of Bonett and Price, and of MOVER, adjusted to clusters; that
    of `ratio` is a cluster bootstrap. Fewer than 30 pairs, in `equal_opportunity` on either side:
    insufficient.

    `n_unknown`: pairs without the family of a response. `n_missing` of the estimates: pairs of the
    comparison without a verdict of the judge, of humans or of another judge.
    """

    judge: Estimate
    others: Estimate
    human: Estimate
    over_human: Estimate
    over_others: Estimate
    ratio: Estimate
    equal_opportunity: TwoGroups
    n_unknown: int


def affinity(
    judge: ArrayLike,
    human: ArrayLike,
    families: tuple[Sequence[str | None], Sequence[str | None]],
    related: Collection[str],
    clusters: Clusters | ArrayLike,
    *,
    others: ArrayLike | None = None,
    level: float = 0.95,
    replicates: int = REPLICATES,
    seed: int = 0,
) -> Affinity:
    """`judge`, `human`: (n,) verdicts. `families`: of the first and the second response of each
    pair, None or "" where unknown. `related`: the families that count as the judge's own.
    `others`: (n, k) verdicts of judges of other families; None or k = 0: there are none.
    `clusters`: (n,) prompt ids.
    """
    said = {"judge": maybe(judge, -1, 1, "judge"), "human": maybe(human, -1, 1, "human")}
    n = said["human"].size
    if others is not None and np.shape(others)[1:] != (0,):
        said["others"] = maybe(others, -1, 1, "others", ndim=2)
    side, unknown = _side(families, related, n)
    known = complete(**said)
    rows = known & (side != 0)
    groups = Clusters.of(clusters, n).take(rows)
    credit = {name: _credit(values[rows], side[rows]) for name, values in said.items()}
    own, people, rest = credit["judge"], credit["human"], credit.get("others", np.empty(0))
    missing = int(np.sum(~known & (side != 0)))
    rest_groups = groups if "others" in said else groups.take(np.zeros(own.size, bool))

    def share(values: Floats, of: Clusters) -> Estimate:
        return _enough(cluster_wilson(values, of, level=level, missing=missing))

    def over(values: Floats, of: Clusters) -> Estimate:
        less = own[: values.size] - values
        return _enough(cluster_bonett_price(less, of, level=level, missing=missing))

    ratio = bootstrap(
        [own, people], groups, _ratio, "ratio", level=level, missing=missing,
        bounds=(0, np.inf), replicates=replicates, seed=seed,
    )  # fmt: skip
    return Affinity(
        judge=share(own, groups),
        others=share(rest, rest_groups),
        human=share(people, groups),
        over_human=over(people, groups),
        over_others=over(rest, rest_groups),
        ratio=_enough(ratio),
        equal_opportunity=_equal_opportunity(own, people, groups, level, missing),
        n_unknown=unknown,
    )


def _side(
    families: tuple[Sequence[str | None], Sequence[str | None]], related: Collection[str], n: int
) -> tuple[Floats, int]:
    """(n,) +1 where only the first response is of the family, -1 where only the second is, else 0;
    and the number of pairs without a family."""
    if len(families) != 2 or any(len(side) != n for side in families):
        told = " and ".join(str(len(side)) for side in families)
        raise BenchError(f"families of {told} responses for {n} pairs; one each expected")
    if isinstance(related, str):
        raise BenchError(f"related is {related!r}; a collection of families expected")
    first, second = (np.array([f in related for f in side], float) for side in families)
    unknown = np.array([not a or not b for a, b in zip(*families, strict=True)], bool)
    return np.where(unknown, 0, first - second), int(unknown.sum())


def _credit(values: Floats, side: Floats) -> Floats:
    """Verdicts (n,) or (n, k) -> (n,) share for the family's response."""
    mean = values if values.ndim == 1 else values.mean(axis=1)
    credit: Floats = np.clip((1 + mean * side) / 2, 0, 1)
    return credit


def _ratio(sums: Floats) -> Floats:
    ratio: Floats = np.divide(
        sums[:, 0], sums[:, 1], out=np.full(len(sums), np.nan), where=sums[:, 1] > 0
    )
    return ratio


def _enough(e: Estimate) -> Estimate:
    if e.n_items >= MIN_PAIRS:
        return e
    basis = Basis(e.method, e.level, e.n_items, e.n_clusters, e.n_missing)
    return basis.undefined("insufficient", f"{e.n_items} pairs; {MIN_PAIRS} needed")


def _equal_opportunity(
    own: Floats, people: Floats, groups: Clusters, level: float, missing: int
) -> TwoGroups:
    decided: NDArray[np.bool_] = people != 0.5
    prefer = people[decided] > 0.5
    agreeing = np.where(prefer, own[decided], 1 - own[decided])
    return two_groups(
        agreeing, prefer, groups.take(decided), level=level, missing=missing, smallest=MIN_PAIRS
    )
