"""Estimates of several data sets, or of several judges, with their variances: pooled or regressed.

Both are one model: y = X b + u + e, with Var(u) = tau^2 I between the studies and Var(e) known, a
matrix where the studies share items.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from bench.stats.clusters import Floats, checked, critical_value
from bench.stats.estimate import Basis, Estimate
from bench.stats.heterogeneity import Spread, cochran_q, effects
from bench.types import BenchError

Method = Literal["REML", "PM", "DL"]
MIN_DF = 3
"""Judges beyond the number of coefficients, below which no regression is fitted."""

_SINGULAR = 1e-10


@dataclass(frozen=True, slots=True)
class Meta:
    """`random`: mean of the studies' population, `fixed`: of these studies. `tau2`: variance
    between studies. `prediction`: where the true value of one more study is expected, NaN below
    three studies. `spread`: Cochran's Q and I^2."""

    random: Estimate
    fixed: Estimate
    tau2: float
    prediction: tuple[float, float]
    spread: Spread


@dataclass(frozen=True, slots=True)
class MetaRegression:
    """`coefficients`: by name, "intercept" first. `tau2`: variance between judges that nothing
    explains. `s2`: Knapp & Hartung's factor before it is held at 1. `vif`: variance inflation of
    each covariate by the others: 5 says that size and training cannot be told apart."""

    coefficients: dict[str, Estimate]
    tau2: float
    s2: float
    vif: dict[str, float]


@dataclass(frozen=True, eq=False)
class _Fit:
    """Generalised least squares at one tau^2: coefficients, their covariance, the weighted
    residual sum of squares, and the restricted log-likelihood up to a constant."""

    b: Floats
    covariance: Floats
    rss: float
    likelihood: float


def _fit(y: Floats, x: Floats, v: Floats, tau2: float) -> _Fit:
    """`y`: (k,), `x`: (k, p), `v`: (k, k) known covariance."""
    total = v + tau2 * np.eye(y.size)
    weighted = np.linalg.solve(total, x)
    information = x.T @ weighted
    covariance = np.linalg.inv(information)
    b = covariance @ (weighted.T @ y)
    residual = y - x @ b
    rss = float(residual @ np.linalg.solve(total, residual))
    logdet = float(np.linalg.slogdet(total)[1] + np.linalg.slogdet(information)[1])
    return _Fit(b, covariance, rss, -(logdet + rss) / 2)


def tau2_reml(y: Floats, x: Floats, v: Floats) -> float:
    """Restricted maximum likelihood, at least 0. Searched over a grid first, because the
    likelihood may have two peaks."""
    from scipy.optimize import minimize_scalar

    def loss(tau2: float) -> float:
        return -_fit(y, x, v, tau2).likelihood

    residual = y - x @ np.linalg.lstsq(x, y, rcond=None)[0]
    top = y.size * float(np.max(residual**2))
    least = top * 1e-8
    if least < np.finfo(float).tiny:  # all the same, as far as numbers go
        return 0.0
    grid = np.concatenate([[0.0], np.geomspace(least, top, 60)])
    best = int(np.argmin([loss(t) for t in grid]))
    if best == 0:
        return 0.0
    bracket = grid[best - 1], grid[min(best + 1, grid.size - 1)]
    found = minimize_scalar(loss, bounds=bracket, method="bounded", options={"xatol": top * 1e-12})
    return float(found.x)


def tau2_paule_mandel(y: Floats, x: Floats, v: Floats) -> float:
    """The tau^2 at which the weighted residual sum of squares is its expectation k - p (Paule &
    Mandel 1982), or 0."""
    from scipy.optimize import brentq

    df = y.size - int(x.shape[1])

    def excess(tau2: float) -> float:
        return _fit(y, x, v, tau2).rss - df

    if excess(0.0) <= 0:
        return 0.0
    top = 1.0
    while excess(top) > 0:
        top *= 10
    return float(brentq(excess, 0.0, top, xtol=1e-15, rtol=1e-12))


def tau2_dersimonian_laird(y: Floats, x: Floats, v: Floats) -> float:
    """Moment estimate from Cochran's Q (DerSimonian & Laird 1986), or 0."""
    inverse = np.linalg.inv(v)
    fit = _fit(y, x, v, 0.0)
    scale = float(np.trace(inverse) - np.trace(fit.covariance @ x.T @ inverse @ inverse @ x))
    return max(0.0, (fit.rss - (y.size - int(x.shape[1]))) / scale)


_BETWEEN: Mapping[Method, Callable[[Floats, Floats, Floats], float]] = {
    "REML": tau2_reml,
    "PM": tau2_paule_mandel,
    "DL": tau2_dersimonian_laird,
}


def meta_analysis(
    estimates: ArrayLike, variances: ArrayLike, *, method: Method = "REML", level: float = 0.95
) -> Meta:
    """Pools k studies that share no items.

    Random effects with the Hartung-Knapp error, its factor held at 1 or above, and t(k - 1)
    (Hartung & Knapp 2001; Roever et al. 2015). Fixed effect with the normal law. Prediction
    interval: mean +- t(k - 2) sqrt(tau^2 + se^2), se without the factor (Higgins et al. 2009).

    `estimates`: (k,) in any unit; `variances`: (k,) their squared errors. No study: insufficient.
    One study: it alone, normal interval. Two: no prediction interval.
    Raises BenchError for what is not finite or a variance that is not above 0.
    """
    y, v = effects(estimates, variances)
    k, nan = y.size, math.nan
    critical = critical_value(level)
    fixed_basis = Basis("fixed effect", level, k, k)
    if k == 0:
        none = fixed_basis.undefined("insufficient", "no studies")
        return Meta(none, none, nan, (nan, nan), cochran_q(y, v))
    x, known = np.ones((k, 1)), np.diag(v)
    fixed = _normal(fixed_basis, _fit(y, x, known, 0.0), critical)
    if k == 1:
        return Meta(fixed, fixed, nan, (nan, nan), cochran_q(y, v))
    tau2 = _BETWEEN[method](y, x, known)
    fit = _fit(y, x, known, tau2)
    random = _knapp_hartung(Basis(f"random effects, {method}, Hartung-Knapp", level, k, k), fit, 0)
    prediction = (nan, nan)
    if k > 2:
        half = critical_value(level, k - 2) * math.sqrt(tau2 + float(fit.covariance[0, 0]))
        prediction = (float(fit.b[0]) - half, float(fit.b[0]) + half)
    return Meta(random, fixed, tau2, prediction, cochran_q(y, v))


def _normal(basis: Basis, fit: _Fit, critical: float) -> Estimate:
    value, se = float(fit.b[0]), math.sqrt(fit.covariance[0, 0])
    note = "one study" if basis.n_items == 1 else ""
    interval = (value - critical * se, value + critical * se)
    return basis.estimate(value, interval, se=se, n_eff=math.nan, df=math.inf, note=note)


def _knapp_hartung(basis: Basis, fit: _Fit, i: int) -> Estimate:
    """Coefficient `i`, its error widened where the residuals exceed the model (Knapp & Hartung
    2003) and never shortened."""
    df = basis.n_items - fit.b.size
    value = float(fit.b[i])
    se = math.sqrt(fit.covariance[i, i] * max(1.0, fit.rss / df))
    half = critical_value(basis.level, df) * se
    return basis.estimate(value, (value - half, value + half), se=se, n_eff=math.nan, df=df)


def meta_regression(
    estimates: ArrayLike,
    covariates: Mapping[str, ArrayLike],
    covariance: ArrayLike,
    *,
    level: float = 0.95,
) -> MetaRegression:
    """Judges' accuracies (or logits) explained by size, training, domain: REML between judges,
    Knapp-Hartung errors (factor at least 1), t(J - p).

    `estimates`: (J,). `covariates`: by name (J,) numbers; an intercept is added. `covariance`: (J,)
    squared errors, or (J, J) with the covariances of judges that share items, as a cluster
    bootstrap of all judges gives them; positive definite.

    Fewer than three judges more than coefficients: insufficient. Covariates that determine one
    another (a constant one too): degenerate, VIF infinite. Raises BenchError for other bad input.
    """
    y = checked(estimates, -math.inf, math.inf, "estimates")
    v = _covariance(covariance, y)
    columns = {n: checked(c, -math.inf, math.inf, n) for n, c in covariates.items()}
    for name, column in columns.items():
        if column.size != y.size:
            raise BenchError(f"{name} has {column.size} values for {y.size} judges")
    names = ["intercept", *columns]
    basis = Basis("meta-regression, REML, Knapp-Hartung", level, y.size, y.size)
    if y.size - len(names) < MIN_DF:
        lacking = f"{y.size} judges for {len(names)} coefficients; {MIN_DF} more expected"
        none = basis.undefined("insufficient", lacking)
        return MetaRegression(
            dict.fromkeys(names, none), math.nan, math.nan, dict.fromkeys(columns, math.nan)
        )
    vif = {name: _vif(name, columns) for name in columns}
    if math.inf in vif.values():
        caught = ", ".join(name for name, value in vif.items() if math.isinf(value))
        none = basis.undefined("degenerate", f"constant, or determined by the others: {caught}")
        return MetaRegression(dict.fromkeys(names, none), math.nan, math.nan, vif)
    x = np.column_stack([np.ones(y.size), *columns.values()])
    tau2 = tau2_reml(y, x, v)
    fit = _fit(y, x, v, tau2)
    return MetaRegression(
        {name: _knapp_hartung(basis, fit, i) for i, name in enumerate(names)},
        tau2,
        fit.rss / (y.size - len(names)),
        vif,
    )


def _covariance(covariance: ArrayLike, y: Floats) -> Floats:
    """(J,) variances or a (J, J) covariance -> (J, J), checked."""
    v = np.asarray(covariance, dtype=np.float64)
    if v.ndim == 1:
        return np.diag(effects(y, v)[1])
    if v.shape != (y.size, y.size) or not np.allclose(v, v.T, rtol=1e-8, atol=0):
        raise BenchError(f"covariance has shape {v.shape}; symmetric {y.size} by {y.size} expected")
    if y.size and not np.linalg.eigvalsh(v)[0] > 0:
        raise BenchError("covariance is not positive definite: do two judges agree everywhere?")
    return v


def _vif(name: str, columns: Mapping[str, Floats]) -> float:
    """1 / (1 - R^2) of one covariate on the others and an intercept; infinite when exact."""
    target = columns[name] - columns[name].mean()
    total = float(target @ target)
    others = [np.ones(target.size), *(c for n, c in columns.items() if n != name)]
    x = np.column_stack(others)
    residual = target - x @ np.linalg.lstsq(x, target, rcond=None)[0]
    left = float(residual @ residual)
    scale = float(columns[name] @ columns[name])
    return total / left if total > _SINGULAR * scale and left > _SINGULAR * total else math.inf
