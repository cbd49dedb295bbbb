"""Do the intervals hold what they promise? Coverage and type-I error of the defaults, cell by cell,
next to what is usual, with Monte-Carlo errors.

    python tests/simulate/grid.py [--runs 4000] [--short]

Bars, each missed only by more than 2 Monte-Carlo errors: coverage of 95 % intervals >= .93 (one
judge) and >= .94 (two), except where a cell says otherwise; from 10 prompts down <= .995; up to 80
prompts no lower than the t interval with G - 1 degrees of freedom (CR1-t) and the percentile
bootstrap; at a true null cluster tests reject <= .06; and p-values are no smaller than uniform
(Kolmogorov-Smirnov), those of the sign flips uniform where differences are continuous. Where they
are counts, p-values are lumpy; and those of the default interval, which is drawn towards 0, are
larger with few prompts. McNemar's test on items is shown
because it fails. Exit code 1 when a bar is missed.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

import numpy as np
from cells import PAIRED, SINGLE, Cell, Floats, Paired, Single, name, runs_of
from numpy.typing import NDArray
from scipy.stats import binom, kstest

from bench.stats.clusters import critical_value
from bench.stats.estimate import Estimate
from bench.stats.heterogeneity import two_sided_p
from bench.stats.intervals import cluster_wilson
from bench.stats.paired import cluster_bonett_price
from bench.stats.resample import percentile_interval, weights
from bench.stats.signflip import signflip

RUNS, SHORT_RUNS = 4000, 200
REPLICATES = 1000
DEFAULT, T, PERCENTILE, OURS = "default", "CR1-t", "percentile", "bootstrap"
SIGNFLIP, INTERVAL_P, MCNEMAR = "sign-flip", "p of interval", "McNemar on items"
ALMOST_NEVER = 1e-3
"""p of the Kolmogorov-Smirnov test below which p-values are not called uniform."""


@dataclass(frozen=True)
class Result:
    """Of one cell: whether each run's interval held the truth, its width, and p-values (null cells
    only), by method."""

    cell: Cell
    held: dict[str, NDArray[np.bool_]]
    width: dict[str, float]
    p: dict[str, Floats]


@dataclass(frozen=True)
class Bar:
    what: str
    value: float
    bar: float
    error: float
    at_least: bool = True

    @property
    def met(self) -> bool:
        slack = 2 * self.error
        return self.value >= self.bar - slack if self.at_least else self.value <= self.bar + slack


def simulate(cell: Cell, runs: int) -> Result:
    """All methods on the same runs."""
    bounds = np.empty((4, 2, runs))
    sums = np.empty((runs, cell.g, 2))
    p: dict[str, list[float]] = {SIGNFLIP: [], INTERVAL_P: [], MCNEMAR: []}
    estimates, groups = [], []
    for i, (values, clusters) in enumerate(runs_of(cell, runs)):
        interval = cluster_wilson if isinstance(cell, Single) else cluster_bonett_price
        e = interval(values, clusters)
        bounds[0, :, i], bounds[1, :, i] = (e.lo, e.hi), t_interval(e, cell.g)
        sums[i] = np.column_stack([clusters.sums(values), clusters.sizes])
        estimates.append(e.estimate)
        groups.append(clusters)
        if isinstance(cell, Paired) and cell.null:
            p[SIGNFLIP].append(signflip(values, clusters, seed=i))
            p[INTERVAL_P].append(two_sided_p(e))
            p[MCNEMAR].append(mcnemar(values))
    for i, draws in enumerate(bootstrap_means(sums)):
        bounds[2, :, i] = np.quantile(draws, [0.025, 0.975])
        bounds[3, :, i] = percentile_interval(draws, estimates[i], 0.95, groups[i])
    names = (DEFAULT, T, PERCENTILE, OURS)
    held = (bounds[:, 0] <= cell.truth + 1e-9) & (bounds[:, 1] >= cell.truth - 1e-9)
    width = (bounds[:, 1] - bounds[:, 0]).mean(axis=1)
    return Result(
        cell,
        dict(zip(names, held, strict=True)),
        dict(zip(names, map(float, width), strict=True)),
        {name: np.array(values) for name, values in p.items() if values},
    )


def t_interval(e: Estimate, g: int) -> tuple[float, float]:
    """The usual clustered interval; of no width where nothing varies, as usual."""
    half = 0.0 if math.isnan(e.se) else critical_value(0.95, g - 1) * e.se
    return e.estimate - half, e.estimate + half


def bootstrap_means(sums: Floats) -> Floats:
    """(runs, G, 2) sums and sizes -> (runs, replicates) means over redrawn clusters. A replicate's
    weights depend on its number alone, so one matrix serves all runs, as it does in the product."""
    drawn = weights(sums.shape[1], range(REPLICATES))
    out = np.empty((len(sums), REPLICATES))
    for i, run in enumerate(sums):
        total = drawn @ run
        out[i] = total[:, 0] / total[:, 1]
    return out


def mcnemar(differences: Floats) -> float:
    """Exact p of items that only one judge won, prompts ignored. Half wins count by their sign."""
    b, c = int((differences > 0).sum()), int((differences < 0).sum())
    return min(1.0, 2 * float(binom.cdf(min(b, c), b + c, 0.5)))


def rate(hits: NDArray[np.bool_]) -> tuple[float, float]:
    """A share and its Monte-Carlo error; no smaller than that of one hit or miss."""
    share = float(hits.mean())
    held = min(max(share, 1 / hits.size), 1 - 1 / hits.size)
    return share, math.sqrt(held * (1 - held) / hits.size)


def bars(result: Result) -> list[Bar]:
    cell, default = result.cell, result.held[DEFAULT]
    share, error = rate(default)
    found = [Bar("coverage", share, cell.floor, error)]
    if cell.g <= 10:
        found.append(Bar("over-coverage", share, 0.995, error, at_least=False))
    if cell.g <= 80:
        for other in (T, PERCENTILE):
            gain = default.astype(float) - result.held[other]
            found.append(
                Bar(f"coverage over {other}", gain.mean(), 0, gain.std() / math.sqrt(gain.size))
            )
    return found + (null_bars(cell, result.p) if isinstance(cell, Paired) and cell.null else [])


def null_bars(cell: Paired, p: dict[str, Floats]) -> list[Bar]:
    found = []
    for test in (SIGNFLIP, INTERVAL_P):
        share, error = rate(p[test] <= 0.05)
        found.append(Bar(f"rejections by {test}", share, 0.06, error, at_least=False))
        if cell.soft or test == SIGNFLIP:
            side = "two-sided" if cell.soft and test == SIGNFLIP else "greater"
            uniform = float(kstest(p[test], "uniform", alternative=side).pvalue)
            found.append(Bar(f"uniformity of {test} (p)", uniform, ALMOST_NEVER, 0.0))
    return found


def show(result: Result, checks: Sequence[Bar]) -> None:
    print(name(result.cell))
    for method, held in result.held.items():
        share, error = rate(held)
        print(
            f"    {method:18} covers {share:.3f} ± {error:.3f}   width {result.width[method]:.4f}"
        )
    for test, p in result.p.items():
        share, error = rate(p <= 0.05)
        print(f"    {test:18} rejects {share:.3f} ± {error:.3f}")
    for check in checks:
        if not check.met:
            print(f"  MISSED {check.what}: {check.value:.4f}, bar {check.bar}, ± {check.error:.4f}")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, help=f"of each cell (default {RUNS})")
    parser.add_argument("--short", action="store_true", help=f"{SHORT_RUNS} runs")
    options = parser.parse_args(arguments)
    runs = options.runs or (SHORT_RUNS if options.short else RUNS)
    grid = [*SINGLE, *PAIRED]
    missed = 0
    with ProcessPoolExecutor(2) as pool:
        for result in pool.map(simulate, grid, [runs] * len(grid)):
            checks = bars(result)
            show(result, checks)
            missed += sum(not check.met for check in checks)
    print(f"{len(grid)} cells of {runs} runs, {missed} bars missed")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
