"""Estimates of domains -> one overall; and what failures could have changed."""

from __future__ import annotations

import math
from collections.abc import Sequence

from bench.stats.estimate import Basis, Estimate
from bench.types import BenchError


def macro(estimates: Sequence[Estimate], names: Sequence[str] | None = None) -> Estimate:
    """Unweighted mean over domains, each counting the same whatever its size.

    Interval by MOVER (Zou & Donner 2008): lo = mean - sqrt(sum (w_k (e_k - lo_k))^2) with
    w_k = 1 / K, hi likewise; the domains count as independent. It inherits the shape of the
    domains' intervals, so it has a width also where all domains are at 0 or 1. Counts are sums:
    a prompt that is in two domains counts twice. `names`: of the domains, for notes.

    A domain without an estimate leaves none overall, one without an interval leaves no interval,
    and the note names it; a domain that is ok_small makes the whole so. No domain: insufficient.
    Raises BenchError when levels differ, or names do not match.
    """
    names = [f"domain {i}" for i in range(len(estimates))] if names is None else names
    basis = _basis(estimates, names)
    if not estimates:
        return basis.undefined("insufficient", "no domains")
    k = len(estimates)
    value = math.fsum(e.estimate for e in estimates) / k
    for what, numbers in (
        ("estimate", [e.estimate for e in estimates]),
        ("interval", [e.hi - e.lo for e in estimates]),
    ):
        lost = [i for i, number in enumerate(numbers) if math.isnan(number)]
        if lost:
            named = ", ".join(f"{names[i]} ({estimates[i].status})" for i in lost)
            return basis.undefined(estimates[lost[0]].status, f"no {what} in {named}", value)
    below = math.hypot(*(e.estimate - e.lo for e in estimates)) / k
    above = math.hypot(*(e.hi - e.estimate for e in estimates)) / k
    small = [name for e, name in zip(estimates, names, strict=True) if e.status == "ok_small"]
    return basis.estimate(
        value,
        (value - below, value + above),
        se=math.hypot(*(e.se for e in estimates)) / k,
        n_eff=math.nan,
        df=math.nan,
        status="ok_small" if small else "ok",
        note=f"small: {', '.join(small)}" if small else "",
    )


def _basis(estimates: Sequence[Estimate], names: Sequence[str]) -> Basis:
    levels = sorted({e.level for e in estimates})
    if len(names) != len(estimates):
        raise BenchError(f"{len(names)} names for {len(estimates)} estimates; one each expected")
    if len(levels) > 1:
        raise BenchError(f"estimates have the levels {levels}; one level expected")
    methods = ", ".join(sorted({e.method for e in estimates}))
    return Basis(
        method=f"macro mean of {len(estimates)} domains, MOVER ({methods})",
        level=levels[0] if levels else math.nan,
        n_items=sum(e.n_items for e in estimates),
        n_clusters=sum(e.n_clusters for e in estimates),
        n_missing=sum(e.n_missing for e in estimates),
    )


def failure_bounds(credit_sum: float, n_ok: int, n_failed: int) -> tuple[float, float]:
    """Mean credit if every failed item had been wrong, and if every one had been right.

    `credit_sum`: of the `n_ok` items that have a verdict. No item at all: NaN, NaN. Raises
    BenchError for counts below 0 or a sum outside [0, n_ok].
    """
    if n_failed < 0 or not 0 <= credit_sum <= n_ok:
        raise BenchError(
            f"credit {credit_sum} over {n_ok} verdicts and {n_failed} failures; counts of at "
            "least 0 and a credit from 0 to the number of verdicts expected"
        )
    n = n_ok + n_failed
    return (credit_sum / n, (credit_sum + n_failed) / n) if n else (math.nan, math.nan)
