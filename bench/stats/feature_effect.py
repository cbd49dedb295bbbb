"""How features of the responses move a judge, and how they move humans on the same pairs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from bench.stats.clusters import Clusters
from bench.stats.estimate import Estimate
from bench.stats.logit import Effect, fit_logit
from bench.stats.verdicts import complete, maybe


@dataclass(frozen=True, slots=True)
class FeatureEffect:
    """Per unit of the feature's difference. `judge`, `human`, `excess` (judge less human): change
    of the log odds of the first response. `judge_ame`, `human_ame`, `excess_ame`: average change
    of its probability; `excess_ame` is the bias to report, as log odds grow with how decided a
    judge is and so differ between judge and humans that like the feature alike. A judge that errs
    dilutes the taste of the humans that it follows, so its excess may be below 0."""

    judge: Estimate
    human: Estimate
    excess: Estimate
    judge_ame: Estimate
    human_ame: Estimate
    excess_ame: Estimate


def feature_effects(
    judge: ArrayLike,
    human: ArrayLike,
    features: Mapping[str, ArrayLike],
    clusters: Clusters | ArrayLike,
    *,
    level: float = 0.95,
) -> dict[str, FeatureEffect]:
    """One logistic regression on all features for the judge, one for the humans, and their
    difference with the error of both together.

    `judge`, `human`: (n,) in [-1, 1] in content coordinates, +1 for the first response, -1 for the
    second, between them for ties and means over orders or annotators. `features`: (n,) by name,
    that of the first response less that of the second. `clusters`: (n,) prompt ids. Rows where
    anything is NaN or None are left out and count as missing. What is refused, dropped and
    penalised: `fit_logit`.
    """
    said = {k: maybe(v, -1, 1, k) for k, v in (("judge", judge), ("human", human))}
    given = {k: maybe(v, -np.inf, np.inf, k) for k, v in features.items()}
    rows = complete(**{f"{k} verdict": v for k, v in said.items()}, **given)
    groups = Clusters.of(clusters, rows.size).take(rows)
    columns = {name: x[rows] for name, x in given.items()}
    missing = int(np.sum(~rows))
    of_judge, of_human = (fit_logit(columns, (1 + v[rows]) / 2, groups) for v in said.values())

    def three(a: Effect, b: Effect, what: str) -> list[Estimate]:
        return [e.estimate(what, level=level, missing=missing) for e in (a, b, a - b)]

    return {
        name: FeatureEffect(
            *three(of_judge.coefficient(name), of_human.coefficient(name), "log odds"),
            *three(of_judge.marginal(name), of_human.marginal(name), "average marginal effect"),
        )
        for name in columns
    }
