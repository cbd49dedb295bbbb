"""Logistic regression with cluster-robust errors, and what follows from it.

Every result is an `Effect`: a number and its influence function on the rows. Two effects on the
same rows, a judge's and a human's, can therefore be subtracted and keep the error of the
difference, however correlated they are.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from bench.stats.clusters import Clusters, Floats, checked, mean_variance
from bench.stats.estimate import Basis, Estimate, Soundness
from bench.stats.intervals import clustered_t
from bench.types import BenchError

INTERCEPT = "intercept"
MIN_ROWS = 50
MIN_EVENTS = 10
"""Of the rarer response, for each coefficient."""

RIDGE = 0.16
"""Penalty on a coefficient per standard deviation: a normal prior of mean 0 and SD 2.5."""

CLEAR = 1.96
"""Errors from 0 that a divisor must have."""

_LEAST_INFORMATION = 1e-2  # an error above 10 per standard deviation: nothing is known
_CONSTANT = 1e-12
_FINITE = float(np.finfo(np.float64).max)
_STEPS = 100


@dataclass(frozen=True, eq=False)
class Effect:
    """`value`: a number read off a fit. `influence`: (n,) n times what each row adds to it, mean 0.
    `status`: None, or why there is no number, or why not to trust it. `note`: likewise in words."""

    value: float
    influence: Floats
    groups: Clusters
    status: Soundness | None = None
    note: str = ""

    def __sub__(self, other: Effect) -> Effect:
        """Difference of two effects on the same rows."""
        notes = dict.fromkeys(note for note in (self.note, other.note) if note)
        lost = [e.status for e in (self, other) if math.isnan(e.value)]
        return Effect(
            self.value - other.value,
            self.influence - other.influence,
            self.groups,
            lost[0] if lost else self.status or other.status,
            "; ".join(notes),
        )

    @property
    def per_row(self) -> Floats:
        """(n,) values whose clustered mean and error are those of the effect."""
        return self.value + self.influence

    def estimate(
        self,
        method: str,
        *,
        level: float = 0.95,
        missing: int = 0,
        bounds: tuple[float, float] = (-math.inf, math.inf),
    ) -> Estimate:
        """CR1 error and the critical value of t(G_eff - 1)."""
        name = f"{method}, cluster-robust"
        if math.isnan(self.value):
            n, g = self.influence.size, self.groups.n_clusters
            basis = Basis(name, level, n, g, missing)
            return basis.undefined(self.status or "degenerate", self.note)
        found = clustered_t(
            self.per_row, self.groups, name, level=level, missing=missing, bounds=bounds
        )
        note = "; ".join(filter(None, (found.note, self.note)))
        doubt = None if math.isnan(found.lo) else self.status
        return replace(found, status=doubt or found.status, note=note)


@dataclass(frozen=True, eq=False)
class Logit:
    """A fit of P(response) = 1 / (1 + exp(-design @ coefficients)).

    `names`: of the coefficients, intercept first. `design`: (n, k). `influence`: (n, k), of the
    coefficients. `dropped`: columns that were constant. `status`, `note`: as in `Effect`; a fit
    that was refused has NaN for every coefficient.
    """

    names: tuple[str, ...]
    design: Floats
    coefficients: Floats
    influence: Floats
    groups: Clusters
    dropped: frozenset[str]
    status: Soundness | None = None
    note: str = ""

    def coefficient(self, name: str) -> Effect:
        """Change of the log odds per unit of the column; NaN for a column that was dropped."""
        k = self._index(name)
        if k is None or self.refused:
            return self._undefined("constant column")
        return self._effect(float(self.coefficients[k]), self.influence[:, k])

    def ratio(self, above: str, below: str) -> Effect:
        """Of two coefficients: how much of the one column outweighs a unit of the other. NaN where
        the lower one is within 1.96 errors of 0."""
        a, b = self.coefficient(above), self.coefficient(below)
        if math.isnan(a.value + b.value):
            return self._undefined("constant column")
        if not b.value**2 > CLEAR**2 * mean_variance(b.influence, self.groups):
            return self._undefined(f"the coefficient of {below} is not clear of 0")
        value = a.value / b.value
        return self._effect(value, (a.influence - value * b.influence) / b.value)

    def marginal(self, name: str) -> Effect:
        """Average marginal effect: mean change of the probability per unit of the column."""
        k = self._index(name)
        if k is None or self.refused:
            return self.coefficient(name)
        gamma = float(self.coefficients[k])
        p = _expit(self.design @ self.coefficients)
        slope = p * (1 - p)
        value = gamma * float(slope.mean())
        gradient = gamma * np.mean((slope * (1 - 2 * p))[:, None] * self.design, axis=0)
        gradient[k] += slope.mean()
        return self._effect(value, gamma * slope - value + self.influence @ gradient)

    def predicted(self, at: Mapping[str, float]) -> Effect:
        """Mean probability over the rows with the columns of `at` set to these values. A column
        that was dropped says nothing of other values and is left as it is."""
        if self.refused:
            return self._undefined("")
        design = self.design.copy()
        for name, value in at.items():
            k = self._index(name)
            if k is not None:
                design[:, k] = value
        p = _expit(design @ self.coefficients)
        mean, gradient = float(p.mean()), np.mean((p * (1 - p))[:, None] * design, axis=0)
        return self._effect(mean, p - mean + self.influence @ gradient)

    @property
    def refused(self) -> bool:
        return self.status == "insufficient"

    def _effect(self, value: float, influence: Floats) -> Effect:
        return Effect(value, influence, self.groups, self.status, self.note)

    def _undefined(self, why: str) -> Effect:
        lost = np.full(len(self.design), math.nan)
        if self.refused:
            return Effect(math.nan, lost, self.groups, self.status, self.note)
        return Effect(math.nan, lost, self.groups, "degenerate", self.note or why)

    def _index(self, name: str) -> int | None:
        if name in self.names:
            return self.names.index(name)
        if name in self.dropped:
            return None
        raise BenchError(f"no column {name!r}; {', '.join(self.names)} expected")


def fit_logit(
    columns: Mapping[str, ArrayLike], response: ArrayLike, clusters: Clusters | ArrayLike
) -> Logit:
    """Maximum likelihood by Newton's method, with an intercept.

    `columns`: (n,) finite numbers by name. `response`: (n,) in [0, 1]; a tie is 1/2
    (quasi-likelihood, Papke & Wooldridge 1996). `clusters`: (n,) prompt ids. The errors are those
    of the sandwich (Liang & Zeger 1986).

    A constant column is dropped. Where the data leave a coefficient without bound (separation) or
    undetermined (columns that imply each other) all but the intercept are penalised by `RIDGE`. The
    note tells both. Refused (insufficient) below 50 rows or 10 of the rarer response, ties
    counting half, per coefficient.
    """
    y = checked(response, 0, 1, "response")
    groups = Clusters.of(clusters, y.size)
    kept, dropped = _informative(columns, y.size)
    names, design = (INTERCEPT, *kept), np.column_stack([np.ones(y.size), *kept.values()])
    notes = [f"constant, so left out: {', '.join(sorted(dropped))}"] if dropped else []
    status: Soundness | None = None
    events, needed = min(float(y.sum()), float(np.sum(1 - y))), MIN_EVENTS * len(names)
    if y.size < MIN_ROWS or events < needed:
        status = "insufficient"
        notes.append(
            f"{y.size} rows, {events:g} of the rarer response; {MIN_ROWS} and {needed} needed"
        )
        beta, influence = np.full(len(names), math.nan), np.full_like(design, math.nan)
    else:
        beta, influence, shrunk = _solve(design, y)
        if shrunk:
            status = "ok_small"
            notes.append("separated or collinear: coefficients are shrunk (ridge)")
    return Logit(names, design, beta, influence, groups, dropped, status, "; ".join(notes))


def _informative(
    columns: Mapping[str, ArrayLike], n: int
) -> tuple[dict[str, Floats], frozenset[str]]:
    """The columns that vary, and the names of those that do not."""
    checked_columns = {name: checked(x, -_FINITE, _FINITE, name) for name, x in columns.items()}
    for name, x in checked_columns.items():
        if x.size != n or name == INTERCEPT:
            raise BenchError(
                f"column {name!r}: {x.size} values for {n} responses; as many expected, and a "
                f"name other than {INTERCEPT}"
            )
    varying = {
        name: x
        for name, x in checked_columns.items()
        if n and np.ptp(x) > _CONSTANT * np.abs(x).max()
    }
    return varying, frozenset(checked_columns) - frozenset(varying)


def _solve(design: Floats, y: Floats) -> tuple[Floats, Floats, bool]:
    """Coefficients (k,), their influence (n, k), and whether a ridge was needed."""
    centre, scale = design.mean(axis=0), design.std(axis=0)
    centre[0], scale[0] = 0, 1
    x = (design - centre) / scale
    penalty = np.zeros(x.shape[1])
    fitted = _newton(x, y, penalty)
    ridge = fitted is None
    if fitted is None:
        penalty[1:] = RIDGE
        fitted = _newton(x, y, penalty)
        assert fitted is not None, "a penalised fit has an optimum"
    beta, information = fitted
    score = x * (y - _expit(x @ beta))[:, None] - penalty * beta / len(y)
    influence = len(y) * np.linalg.solve(information, score.T).T
    # Back to the units of the columns: the intercept takes up what was subtracted.
    back = np.diag(1 / scale)
    back[0] -= centre / scale
    return back @ beta, influence @ back.T, ridge


def _newton(x: Floats, y: Floats, penalty: Floats) -> tuple[Floats, Floats] | None:
    """Optimum (k,) and information (k, k); None where the data determine no optimum."""
    beta = np.zeros(x.shape[1])
    reached = _likelihood(x, y, penalty, beta)
    for _ in range(_STEPS):
        p = _expit(x @ beta)
        information = (x.T * (p * (1 - p))) @ x + np.diag(penalty)
        if np.linalg.eigvalsh(information)[0] < _LEAST_INFORMATION:
            return None
        step = np.linalg.solve(information, x.T @ (y - p) - penalty * beta)
        if np.abs(step).max() < 1e-9:
            return beta, information
        # A full step may overshoot far from the optimum; half of it often enough does not.
        while (now := _likelihood(x, y, penalty, beta + step)) < reached - 1e-9 * abs(reached):
            step /= 2
        beta, reached = beta + step, now
    return None


def _likelihood(x: Floats, y: Floats, penalty: Floats, beta: Floats) -> float:
    eta = x @ beta
    return float(np.sum(y * eta - np.logaddexp(0, eta)) - penalty @ beta**2 / 2)


def _expit(eta: Floats) -> Floats:
    probability: Floats = (1 + np.tanh(eta / 2)) / 2
    return probability
