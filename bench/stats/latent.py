"""Latent truth: which label is right when raters differ and are not equally good (Dawid & Skene
1979).

Each item has one true class, and each rater a confusion matrix. Given the truth, raters err
independently; where they share their errors (all like the longer answer) the truth found is theirs.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from bench.stats.alpha import krippendorff_alpha
from bench.stats.clusters import Clusters, Floats, Ints
from bench.stats.estimate import Basis, Estimate
from bench.stats.resample import Resample, weights
from bench.stats.verdicts import complete, maybe
from bench.types import BenchError

MIN_RATERS = 3
SMOOTHING = 0.01
REPLICATES = 200
RESTARTS = 10
_STEPS = 2_000
_DONE = 1e-8
_REFIT_DONE = 1e-5  # of a resample, whose own error is far larger


@dataclass(frozen=True, eq=False)
class Truth:
    """`classes`: (q,) labels in rising order. `posterior`: (n, q) probability of each class; NaN
    for an item without a label. `confusion`: (raters, q, q) true class by label given.

    `shares`: of the classes. `accuracy`: of each rater, sum over classes of share times the chance
    of the right label. `judge`: the same for the judge, who has no part in the truth; None without
    one. `likelihood`: log. `gain`: by how much the best of the random restarts is above it; well
    above 0 the votes have a better explanation than the one that starts from their majority.
    `note`: why there is no truth, else empty.
    """

    classes: Floats
    posterior: Floats
    confusion: Floats
    shares: list[Estimate]
    accuracy: list[Estimate]
    judge: Estimate | None
    likelihood: float
    gain: float
    note: str


@dataclass(frozen=True, eq=False)
class _Fit:
    shares: Floats  # (q,)
    confusion: Floats  # (raters, q, q)
    posterior: Floats  # (n, q)
    likelihood: float


@dataclass(frozen=True, eq=False)
class _Model:
    """`votes`: (n, raters * q) sparse, how often a rater gave an item a label."""

    votes: Any
    turned: Any
    raters: int
    q: int
    smoothing: float

    @classmethod
    def of(cls, codes: Ints, q: int, smoothing: float) -> _Model:
        """`codes`: (n, raters, times), -1 where there is no label."""
        from scipy.sparse import csr_array

        n, raters, _ = codes.shape
        item, rater, _ = given = np.nonzero(codes >= 0)
        cells = (item, rater * q + codes[given])
        votes = csr_array((np.ones(item.size), cells), shape=(n, raters * q))
        votes.sum_duplicates()
        return cls(votes, votes.T.tocsr(), raters, q, smoothing)

    def majority(self) -> Floats:
        """(n, q) shares of the votes: where the fit starts."""
        counts = np.asarray(self.votes.toarray()).reshape(-1, self.raters, self.q).sum(axis=1)
        share: Floats = counts / counts.sum(axis=1, keepdims=True)
        return share

    def fit(self, posterior: Floats, weight: Floats, done: float = _DONE) -> _Fit:
        """EM from (n, q) posteriors, each item counting `weight`, (n,), times."""
        for _ in range(_STEPS):
            shares, confusion = self._maximise(posterior * weight[:, None])
            new, likelihood = self._expect(shares, confusion, weight)
            change = float(np.max(np.abs(new - posterior)))
            posterior = new
            if change < done:
                break
        return _Fit(shares, confusion, posterior, likelihood)

    def _maximise(self, weighted: Floats) -> tuple[Floats, Floats]:
        counts = (self.turned @ weighted).reshape(self.raters, self.q, self.q).transpose(0, 2, 1)
        counts = counts + self.smoothing
        total = counts.sum(axis=2, keepdims=True)
        # A class that a rater never met: any label, until he meets it.
        confusion = np.where(total > 0, counts / np.where(total > 0, total, 1), 1 / self.q)
        return weighted.sum(axis=0) / weighted.sum(), confusion

    def _expect(self, shares: Floats, confusion: Floats, weight: Floats) -> tuple[Floats, float]:
        with np.errstate(divide="ignore"):
            # The floor keeps 0 times log 0 out of the product; e^-700 is 0 all the same.
            log = np.maximum(np.log(confusion), -700.0).transpose(0, 2, 1)
            joint = self.votes @ log.reshape(-1, self.q) + np.maximum(np.log(shares), -700.0)
        top = joint.max(axis=1, keepdims=True)
        odds = np.exp(joint - top)
        total = odds.sum(axis=1, keepdims=True)
        return odds / total, float(weight @ (top + np.log(total))[:, 0])


def latent_truth(
    ratings: ArrayLike,
    clusters: Clusters | ArrayLike,
    judge: ArrayLike | None = None,
    *,
    smoothing: float = SMOOTHING,
    level: float = 0.95,
    replicates: int = REPLICATES,
    seed: int = 0,
) -> Truth:
    """`ratings`: (n, raters) labels, any numbers, NaN where there is none; (n, raters, times) where
    a rater labelled an item several times. `clusters`: (n,) prompt ids. `judge`: (n,) labels to
    score against the truth, NaN for a failure, which is wrong. `smoothing`: imagined labels in
    every cell of a confusion matrix; 0 is the EM of 1979.

    EM starts from the shares of the votes. Ten random starts only tell whether there is a better
    fit: it may be the same one with classes renamed, so it is never taken.

    A judge is not scored by the probability of the class he names, which is low for a right answer
    where the votes are weak. Given the truth he errs independently of the raters, so the regression
    of "the judge said l" on the posteriors has the coefficients P(said l | class c); his accuracy
    is their sum over l = c by the shares of the classes. It may leave [0, 1] by chance.

    Intervals by cluster bootstrap, every resample refitted from the fit found (warm start).
    Insufficient where fewer than three raters labelled anything; out_of_range where they do not
    agree beyond chance (interval of Krippendorff's alpha, one label a rater and item). One prompt:
    no interval. Items without a label count as missing.
    """
