"""A judge on pairs that were tampered with (a fake citation, a majority that is said to agree,
padding, ...) beside the same pairs left alone, asked twice.

Verdicts are in content coordinates: +1 for the first response, 0 a tie, -1 for the second, NaN or
None where there is none. It is a bias only where the tampering leaves the quality as it was, which
has to be checked apart (by humans or by rule) and the other pairs left out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bench.stats.clusters import Clusters, Floats
from bench.stats.estimate import Estimate
from bench.stats.intervals import cluster_wilson
from bench.stats.paired import cluster_bonett_price
from bench.stats.verdicts import complete, verdicts


@dataclass(frozen=True, slots=True)
class Perturbation:
    """`robustness`: share of verdicts that the tampering leaves as they were, `consistency`: that
    asking again does (Ye et al. 2024). `excess_flip`: consistency less robustness, what is more
    than noise.

    `directional`: share of verdicts that move towards the favoured response less that of those
    that move away. `pull`: share of verdicts for the favoured response, ties 1/2, less that when
    asked again; the fairer of both where the tampering speaks for what the judge had not picked,
    as noise alone then moves verdicts towards it. Both over the pairs with a favoured response.
    """

    robustness: Estimate
    consistency: Estimate
    excess_flip: Estimate
    directional: Estimate
    pull: Estimate


def perturbation(
    original: ArrayLike,
    perturbed: ArrayLike,
    asked_again: ArrayLike,
    clusters: Clusters | ArrayLike,
    *,
    favoured: ArrayLike | None = None,
    level: float = 0.95,
) -> Perturbation:
    """`original`, `perturbed`, `asked_again`: (n,) verdicts on the same pairs. `favoured`: (n,) the
    response that the tampering speaks for, as a verdict; 0 for neither, which is also the default.
    `clusters`: (n,) prompt ids. Pairs without all three verdicts are left out and count as
    missing. Intervals: cluster-adjusted Wilson, and Bonett and Price for the differences.
    """
    said = {
        "original": verdicts(original, "original"),
        "perturbed": verdicts(perturbed, "perturbed"),
        "asked_again": verdicts(asked_again, "asked_again"),
    }
    side = np.zeros(said["original"].size) if favoured is None else verdicts(favoured, "favoured")
    rows = complete(**said, favoured=side)
    groups, missing = Clusters.of(clusters, rows.size).take(rows), int(np.sum(~rows))
    was, now, again = (values[rows] for values in said.values())
    same, noise = (now == was).astype(float), (again == was).astype(float)
    speaks: NDArray[np.bool_] = side[rows] != 0

    def gap(values: Floats, of: NDArray[np.bool_] | None = None) -> Estimate:
        kept = (values, groups) if of is None else (values[of], groups.take(of))
        return cluster_bonett_price(*kept, level=level, missing=missing)

    return Perturbation(
        robustness=cluster_wilson(same, groups, level=level, missing=missing),
        consistency=cluster_wilson(noise, groups, level=level, missing=missing),
        excess_flip=gap(noise - same),
        directional=gap(np.sign(now - was) * side[rows], speaks),
        pull=gap((now - again) / 2 * side[rows], speaks),
    )
