"""What verdicts cost, in US dollars: per judgment, item, valid and right verdict; and when training
a judge pays. A judgment is one showing of an item in one order; retries are part of its cost."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from bench.stats.clusters import (
    NO_VARIANCE,
    Clusters,
    Floats,
    checked,
    critical_value,
    mean_variance,
)
from bench.stats.estimate import Basis, Estimate, Soundness
from bench.stats.intervals import NO_ERROR
from bench.types import BenchError


@dataclass(frozen=True, slots=True)
class Cost:
    """`total`: USD of all judgments. `unknown`: judgments without a cost, which count as the mean
    of the others, never as free; the notes say so.

    `per_1000_judgments`, `per_1000_items` (all orders and votes of an item), `per_1000_valid`:
    USD per 1,000. `per_correct`: USD per right verdict, the cost of a pass (Erol et al. 2025).
    `per_correct_above_chance`: USD per right verdict more than a coin would have, which is free.
    """

    total: float
    unknown: int
    per_1000_judgments: Estimate
    per_1000_items: Estimate
    per_1000_valid: Estimate
    per_correct: Estimate
    per_correct_above_chance: Estimate


def cost(
    usd: ArrayLike,
    valid: ArrayLike,
    credit: ArrayLike,
    items: ArrayLike,
    clusters: Clusters | ArrayLike,
    *,
    chance: float = 0.5,
    level: float = 0.95,
) -> Cost:
    """Costs of the judgments of one judge, failed ones included.

    `usd`: (n,) at least 0, NaN where unknown. `valid`: (n,) 1 where there is a verdict, else 0.
    `credit`: (n,) in [0, 1]; without a verdict it counts 0. `items`: (n,) item ids. `clusters`:
    (n,) prompt ids. `chance`: credit that a coin has.

    Each is a ratio of two totals with Fieller's interval (1954), from CR1 variances and
    t(G_eff - 1); its upper end is infinite where the divisor may be 0. A divisor of 0 or less:
    infinite, out_of_range. No known cost: NaN, insufficient.
    """
    paid, unknown = _known(usd)
    ok = checked(valid, 0, 1, "valid")
    right = checked(credit, 0, 1, "credit")
    if not paid.size == ok.size == right.size:
        raise BenchError(
            f"{paid.size} costs, {ok.size} validities and {right.size} credits; one each expected"
        )
    groups, shown = Clusters.of(clusters, paid.size), Clusters.of(items, paid.size)
    note = f"{unknown} unknown costs taken as the mean of the others" if unknown else ""

    def per(divisor: Floats, what: str, scale: float = 1.0) -> Estimate:
        method = f"USD per {what}, clustered Fieller"
        return _ratio(
            scale * paid,
            divisor,
            groups,
            Basis(method, level, paid.size, groups.n_clusters, unknown),
            note,
        )

    return Cost(
        math.fsum(paid) if paid.size else math.nan,
        unknown,
        per(np.ones(paid.size), "1,000 judgments", 1000),
        per(1 / shown.sizes[shown.codes], "1,000 items", 1000),
        per(ok, "1,000 valid verdicts", 1000),
        per(right * ok, "right verdict"),
        per(right * ok - chance, f"right verdict above {chance:g}"),
    )


def _known(usd: ArrayLike) -> tuple[Floats, int]:
    """Costs with the unknown ones at the mean of the known (NaN if none is), and their number."""
    paid = np.array(usd, dtype=np.float64)
    known = ~np.isnan(paid)
    checked(np.where(known, paid, 0), 0, np.finfo(np.float64).max, "usd")
    paid[~known] = paid[known].mean() if known.any() else math.nan
    return paid, int(np.count_nonzero(~known))


def _ratio(top: Floats, bottom: Floats, groups: Clusters, basis: Basis, note: str) -> Estimate:
    """Total of `top` (each at least 0) over that of `bottom`, with Fieller's interval."""
    n = top.size
    if n == 0 or math.isnan(top[0]):
        return basis.undefined("insufficient", "no known cost")
    scale = float(top.mean()) or 1.0  # prices are small numbers: compare variances at size 1
    a, b = float(top.mean()) / scale, float(bottom.mean())
    positive = b > 1e-12
    value = scale * a / b if positive else math.inf
    if n == 1:
        return basis.undefined("insufficient", "one judgment: its error is unknown", value)
    if groups.n_clusters == 1:
        return basis.undefined("one_cluster", "one prompt: its error is unknown", value)
    residual = (top / scale - a / b * bottom) / b if positive else bottom
    variance = mean_variance(residual, groups)
    if variance < NO_VARIANCE:
        status: Soundness = "degenerate" if positive else "out_of_range"
        return basis.undefined(status, "; ".join(filter(None, (NO_ERROR, note))), value)
    lo, hi = _fieller(top / scale, bottom, groups, critical_value(basis.level, groups.df))
    none = "" if positive else "not above 0: no money buys one"
    return basis.estimate(
        value,
        (min(scale * lo, value), max(scale * hi, value)),
        se=scale * math.sqrt(variance) if positive else math.nan,
        n_eff=math.nan,
        df=groups.df,
        status=None if positive else "out_of_range",
        note="; ".join(filter(None, (none, note))),
    )


def _fieller(top: Floats, bottom: Floats, groups: Clusters, critical: float) -> tuple[float, float]:
    """Ratios R >= 0 for which the mean of top - R bottom is within `critical` errors of 0. Where
    the divisor is not clearly above 0 there is no upper end, and where it is clearly below, no
    finite ratio."""
    q = critical**2
    v_top, v_bottom = mean_variance(top, groups), mean_variance(bottom, groups)
    covariance = (mean_variance(top + bottom, groups) - v_top - v_bottom) / 2
    a = float(bottom.mean()) ** 2 - q * v_bottom
    b = float(top.mean() * bottom.mean()) - q * covariance
    c = float(top.mean()) ** 2 - q * v_top
    if a > 0 and bottom.mean() < 0:
        return math.inf, math.inf
    reach = b + math.sqrt(max(0.0, b * b - a * c))
    lo = c / reach if c > 0 and reach > 0 else 0.0
    return lo, reach / a if a > 0 else math.inf


def gpu_usd_per_1000(usd_per_hour: float, judgments_per_s: float, utilisation: float) -> float:
    """Rent of a machine per 1,000 judgments. `judgments_per_s`: when it works. `utilisation`: share
    of the paid hours in which it does, in (0, 1]; 1 leaves out that it idles."""
    _above_zero(judgments_per_s=judgments_per_s, utilisation=utilisation)
    return 1000 * usd_per_hour / (judgments_per_s * 3600 * utilisation)


def kwh_per_1000(watts: float, judgments_per_s: float, pue: float = 1.0) -> float:
    """Energy of 1,000 judgments at full load. `pue`: energy of the building over that of the
    machine."""
    _above_zero(judgments_per_s=judgments_per_s)
    return watts * pue / judgments_per_s / 3600


def amortised(fixed: float, usd_per_1000: float, volumes: ArrayLike) -> Floats:
    """(v,) USD per 1,000 judgments when `fixed` USD are spread over each of these numbers of
    judgments."""
    count = checked(volumes, 0, math.inf, "volumes")
    _above_zero(**{f"volumes[{i}]": v for i, v in enumerate(count)})
    return 1000 * fixed / count + usd_per_1000


def break_even_volume(fixed: float, api_per_1000: float, local_per_1000: float) -> float:
    """Judgments after which `fixed` USD (labels, training, engineering) are saved; infinite where
    a local judgment costs no less."""
    saved = api_per_1000 - local_per_1000
    return 1000 * fixed / saved if saved > 0 else math.inf


def break_even(fixed: float, api: Estimate, local: Estimate | float) -> Estimate:
    """`break_even_volume` with the interval of the saving: `api` less `local`, both USD per 1,000
    judgments and independent, by MOVER (Zou & Donner 2008). `local`: a number where it is
    computed, not measured. Infinite, never: out_of_range. A price without interval: none here.
    Raises BenchError when `fixed` is below 0 or levels differ."""
    if not 0 <= fixed < math.inf:
        raise BenchError(f"fixed cost is {fixed}; a number of at least 0 expected")
    if isinstance(local, Estimate) and local.level != api.level:
        raise BenchError(f"levels {api.level} and {local.level}; one level expected")
    value, lo, hi = (
        (local.estimate, local.lo, local.hi) if isinstance(local, Estimate) else (local,) * 3
    )
    basis = Basis("break-even volume, MOVER", api.level, api.n_items, api.n_clusters, api.n_missing)
    if math.isnan(api.estimate - value):
        return basis.undefined("insufficient", "a cost is unknown")
    volume = break_even_volume(fixed, api.estimate, value)
    never = "a local judgment costs no less: never" if math.isinf(volume) else ""
    if math.isnan(api.lo + api.hi + lo + hi):
        status: Soundness = "out_of_range" if never else "degenerate"
        return basis.undefined(status, never or "a price has no interval", volume)
    saved = api.estimate - value
    least = saved - math.hypot(api.estimate - api.lo, hi - value)
    most = saved + math.hypot(api.hi - api.estimate, value - lo)
    return basis.estimate(
        volume,
        (break_even_volume(fixed, most, 0), break_even_volume(fixed, least, 0)),
        se=math.nan,
        n_eff=math.nan,
        df=math.nan,
        status="out_of_range" if never else None,
        note=never,
    )


def one_way(
    outcome: Callable[..., float],
    base: Mapping[str, float],
    ranges: Mapping[str, tuple[float, float]],
) -> dict[str, tuple[float, float]]:
    """One-way sensitivity: `outcome(**base)` with each named value at the ends of its range in
    turn, the others as in `base`. Raises BenchError for a range of no value in `base`."""
    strange = sorted(set(ranges) - set(base))
    if strange:
        raise BenchError(f"no base value for {', '.join(strange)}")
    return {
        name: (outcome(**{**base, name: lo}), outcome(**{**base, name: hi}))
        for name, (lo, hi) in ranges.items()
    }


def _above_zero(**values: float) -> None:
    for name, value in values.items():
        if not value > 0:
            raise BenchError(f"{name} is {value}; a number above 0 expected")
