"""Two judges over several domains: each domain, the mean of domains, all rows, and whether these
agree."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from bench.stats.clusters import Clusters, checked
from bench.stats.combine import macro
from bench.stats.estimate import Estimate
from bench.stats.heterogeneity import (
    Contradiction,
    Spread,
    cochran_q,
    contradiction,
    two_sided_p,
    working_variance,
)
from bench.stats.multiplicity import holm
from bench.stats.paired import cluster_bonett_price, macro_bonett_price
from bench.types import BenchError

NO_MISSING: Mapping[str, int] = {}


@dataclass(frozen=True, slots=True)
class DomainContrast:
    """`domains`: difference of each domain by name. `p_holm`: their two-sided p after Holm, NaN
    where a domain has no interval. `macro`: unweighted mean over domains, the headline. `micro`:
    all rows alike. `spread`, `contradiction`: over the domains that have an interval; where
    `contradiction.flag` is set, the overall numbers need the domain table beside them."""

    domains: dict[str, Estimate]
    p_holm: dict[str, float]
    macro: Estimate
    micro: Estimate
    spread: Spread
    contradiction: Contradiction


def contrast_domains(
    differences: ArrayLike,
    clusters: Clusters | ArrayLike,
    domains: ArrayLike,
    *,
    level: float = 0.95,
    missing: Mapping[str, int] = NO_MISSING,
) -> DomainContrast:
    """`differences`: (n,) credit of the first judge minus that of the second, in [-1, 1], one per
    item. `clusters`: (n,) prompt ids. `domains`: (n,) names. `missing`: by domain, the items that
    have no difference; a domain of which all items are missing counts as insufficient.

    Domains and micro mean by `cluster_bonett_price`, macro mean by `macro_bonett_price`. Raises
    BenchError for a value that is NaN or outside [-1, 1], with its position.
    """
    d = checked(differences, -1, 1, "differences")
    groups = Clusters.of(clusters, d.size)
    labels = np.asarray(domains, dtype=np.str_)
    if labels.shape != d.shape:
        raise BenchError(f"{labels.size} domains for {d.size} differences; one each expected")
    by_name = {}
    for name in sorted({*map(str, labels), *missing}):
        rows = labels == name
        by_name[name] = cluster_bonett_price(
            d[rows], groups.take(rows), level=level, missing=missing.get(name, 0)
        )
    names, parts = list(by_name), list(by_name.values())
    mean = macro(parts, names)  # says which domain has no number, or no interval
    if not math.isnan(mean.lo):
        mean = macro_bonett_price(d, groups, labels, level=level, missing=sum(missing.values()))
    pooled = cluster_bonett_price(d, groups, level=level, missing=sum(missing.values()))
    known = {name: e for name, e in by_name.items() if not math.isnan(e.lo)}
    adjusted = holm([two_sided_p(e) for e in known.values()])
    p_holm = dict.fromkeys(names, math.nan) | dict(zip(known, map(float, adjusted), strict=True))
    return DomainContrast(
        domains=by_name,
        p_holm=p_holm,
        macro=mean,
        micro=pooled,
        spread=cochran_q(
            [e.estimate for e in known.values()], [working_variance(e) for e in known.values()]
        ),
        contradiction=contradiction(mean.estimate, pooled.estimate, parts, names),
    )


def stratified_mcnemar(wins: ArrayLike, losses: ArrayLike) -> tuple[float, float]:
    """Statistic and p of McNemar's test over K strata: (sum b - sum c)^2 / (sum b + sum c), chi
    square with 1 degree of freedom, without continuity correction.

    `wins`, `losses`: (K,) items that only the first, only the second judge has right. For
    published tables alone: it takes items for independent. No discordant item: 0 and 1.
    """
    from scipy.special import chdtrc

    b, c = (checked(x, 0, math.inf, w) for x, w in ((wins, "wins"), (losses, "losses")))
    if b.size != c.size:
        raise BenchError(f"{b.size} strata of wins, {c.size} of losses; as many expected")
    discordant = float(b.sum() + c.sum())
    if discordant == 0:
        return 0.0, 1.0
    statistic = float(b.sum() - c.sum()) ** 2 / discordant
    return statistic, float(chdtrc(1, statistic))
