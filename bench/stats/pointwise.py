"""Scores of single responses, judged by how they order the responses of a prompt, with ties.

A judge that scores on a fine scale hardly ever ties and humans often do. So near scores may be read
as a tie: the width is chosen on one set of prompts and applied to another.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from bench.stats.clusters import Clusters, Floats, Ints, checked
from bench.stats.estimate import Estimate
from bench.stats.intervals import cluster_wilson
from bench.stats.paired import cluster_bonett_price
from bench.types import BenchError

_LARGEST = float(np.finfo(np.float64).max)


@dataclass(frozen=True, eq=False)
class _Pairs:
    """All pairs of responses of a prompt. `gap`: how far apart the judge's scores are. `ordered`,
    `tied`: is the pair right if the judge orders it, or ties it. `prompt`: its number, from 0.
    `weight`: 1 / the prompt's pairs. `alone`: prompts without a pair."""

    gap: Floats
    ordered: Floats
    tied: Floats
    prompt: Ints
    weight: Floats
    n_prompts: int
    alone: int

    def accuracy(self, epsilon: float) -> Floats:
        """(prompts,) share of the pairs that are right."""
        right = np.where(self.gap <= epsilon, self.tied, self.ordered)
        sums = np.bincount(self.prompt, weights=right * self.weight, minlength=self.n_prompts)
        return sums.astype(np.float64, copy=False)


def _pairs(judge: ArrayLike, human: ArrayLike, clusters: Clusters | ArrayLike) -> _Pairs:
    x = checked(judge, -_LARGEST, _LARGEST, "judge")
    y = checked(human, -_LARGEST, _LARGEST, "human")
    if x.size != y.size:
        raise BenchError(f"{x.size} scores of the judge for {y.size} of the human")
    groups = Clusters.of(clusters, x.size)
    first, second = _within(groups)
    apart, truth = x[first] - x[second], np.sign(y[first] - y[second])
    found, prompt = np.unique(groups.codes[first], return_inverse=True)
    return _Pairs(
        gap=np.abs(apart),
        ordered=((np.sign(apart) == truth) & (truth != 0)).astype(np.float64),
        tied=(truth == 0).astype(np.float64),
        prompt=prompt.astype(np.int64),
        weight=1 / np.bincount(prompt, minlength=1)[prompt],
        n_prompts=found.size,
        alone=groups.n_clusters - found.size,
    )


def _within(groups: Clusters) -> tuple[Ints, Ints]:
    """Rows of all pairs within clusters: those of one size at a time."""
    order = np.argsort(groups.codes, kind="stable")
    starts = np.cumsum(groups.sizes) - groups.sizes
    first, second = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    for size in np.unique(groups.sizes):
        a, b = np.triu_indices(int(size), 1)
        begin = starts[groups.sizes == size][:, None]
        first.append(order[(begin + a).ravel()])
        second.append(order[(begin + b).ravel()])
    return np.concatenate(first), np.concatenate(second)


def pairwise_accuracy(
    judge: ArrayLike,
    human: ArrayLike,
    clusters: Clusters | ArrayLike,
    *,
    epsilon: float = 0.0,
    level: float = 0.95,
    missing: int = 0,
) -> Estimate:
    """acc_eq: the share of a prompt's pairs that the judge orders, or ties, as the human does,
    averaged over prompts (Deutsch, Foster & Freitag 2023).

    `judge`, `human`: (n,) finite scores of responses; leave out a response that lacks one.
    `clusters`: (n,) prompt ids. `epsilon`: the judge ties what is at most that far apart; choose it
    on other prompts (`calibrate_ties`). `missing`: prompts that have no scores; those with fewer
    than two are added. Items are prompts. Cluster-adjusted Wilson interval. No prompt with a
    pair: insufficient.
    """
    if not epsilon >= 0:
        raise BenchError(f"epsilon is {epsilon}; a number from 0 on expected")
    pairs = _pairs(judge, human, clusters)
    return _mean_accuracy(pairs, epsilon, level, missing)


def _mean_accuracy(pairs: _Pairs, epsilon: float, level: float, missing: int) -> Estimate:
    credit = np.minimum(pairs.accuracy(epsilon), 1.0)  # sums of thirds may round above 1
    prompts = np.arange(pairs.n_prompts)
    found = cluster_wilson(credit, prompts, level=level, missing=missing + pairs.alone)
    method = f"pairwise accuracy within prompts, ties up to {epsilon:g}, {found.method}"
    return replace(found, method=method)


@dataclass(frozen=True, eq=False)
class TieCalibration:
    """The width that would have served these prompts best, and by how much.

    `epsilon`: the smallest that reaches the greatest accuracy; NaN where there is no pair.
    `accuracy`, `gain` (over ties at equal scores only): in sample, hence too high; never to be
    reported as the judge's. `widths`, `accuracies`: (candidates,) all that were tried, 0 and every
    difference of scores that occurs.
    """

    epsilon: float
    accuracy: Estimate
    gain: Estimate
    widths: Floats
    accuracies: Floats


def calibrate_ties(
    judge: ArrayLike,
    human: ArrayLike,
    clusters: Clusters | ArrayLike,
    *,
    level: float = 0.95,
    missing: int = 0,
) -> TieCalibration:
    """Choose `epsilon` on calibration prompts, for `pairwise_accuracy` on other ones.

    Arguments as there. In O(P log P) for P pairs. Fewer than two prompts: the gain is insufficient.
    """
    pairs = _pairs(judge, human, clusters)
    widths, accuracies = _sweep(pairs)
    best = 0.0
    if pairs.n_prompts:
        # Among widths that differ by rounding alone, the smallest.
        best = float(widths[np.argmax(accuracies >= accuracies.max() - 1e-12)])
    gain = cluster_bonett_price(
        np.clip(pairs.accuracy(best) - pairs.accuracy(0.0), -1, 1),
        np.arange(pairs.n_prompts),
        level=level,
        missing=missing + pairs.alone,
    )
    return TieCalibration(
        epsilon=best if pairs.n_prompts else float("nan"),
        accuracy=_in_sample(_mean_accuracy(pairs, best, level, missing)),
        gain=_in_sample(replace(gain, method=f"gain by ties up to {best:g}, {gain.method}")),
        widths=widths,
        accuracies=accuracies,
    )


def _sweep(pairs: _Pairs) -> tuple[Floats, Floats]:
    """Mean accuracy over prompts at 0 and at every gap: as the width grows, pair after pair turns
    from ordered to tied."""
    order = np.argsort(pairs.gap, kind="stable")
    turned = np.cumsum(((pairs.tied - pairs.ordered) * pairs.weight)[order])
    widths = np.unique(np.append(0.0, pairs.gap))
    n_tied = np.searchsorted(pairs.gap[order], widths, side="right")
    right = np.sum(pairs.ordered * pairs.weight) + np.append(0.0, turned)[n_tied]
    return widths, right / (pairs.n_prompts or np.nan)


def _in_sample(estimate: Estimate) -> Estimate:
    note = "in sample: chosen on these prompts, hence too high"
    return replace(
        estimate,
        method=f"{estimate.method}, in sample",
        note="; ".join(text for text in (estimate.note, note) if text),
    )
