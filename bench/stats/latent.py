"""Latent truth: which label is right when raters differ and are not equally good (Dawid & Skene
1979).

Each item has one true class, and each rater a confusion matrix. Given the truth, raters err
independently; where they share their errors (all like the longer answer) the truth found is theirs.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

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
_ANY = (-math.inf, math.inf)
_TINY = math.exp(-700)
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
    """B fits at once. `posterior`: of P different sets of votes."""

    shares: Floats  # (B, q)
    confusion: Floats  # (B, raters, q, q)
    posterior: Floats  # (P, B, q)
    likelihood: Floats  # (B,)


@dataclass(frozen=True, eq=False)
class _Model:
    """Items with the same votes have the same posterior, so P different ones stand for all.

    `votes`: (P, raters * q) sparse, how often a rater gave a label. `which`: (n,) of the items.
    `members`: (P, n) sparse 0 and 1.
    """

    votes: Any
    turned: Any
    which: Ints
    members: Any
    raters: int
    q: int
    smoothing: float

    @classmethod
    def of(cls, codes: Ints, q: int, smoothing: float) -> _Model:
        """`codes`: (n, raters, times), -1 where there is no label."""
        from scipy.sparse import csr_array

        n, raters, times = codes.shape
        # The order of a rater's labels of one item says nothing.
        rows = np.sort(codes, axis=2).reshape(n, -1)
        different, which = np.unique(rows, axis=0, return_inverse=True)
        which, p = which.reshape(n).astype(np.int64), len(different)
        kind, column = np.nonzero(different >= 0)
        cells = (kind, column // times * q + different[kind, column])
        votes = csr_array((np.ones(kind.size), cells), shape=(p, raters * q))
        members = csr_array((np.ones(n), (which, np.arange(n))), shape=(p, n))
        return cls(votes, votes.T.tocsr(), which, members, raters, q, smoothing)

    def majority(self) -> Floats:
        """(P, 1, q) shares of the votes: where the fit starts."""
        counts = self.votes @ np.tile(np.eye(self.q), (self.raters, 1))
        share: Floats = counts / counts.sum(axis=1, keepdims=True)
        return share[:, None]

    def fit(self, start: Floats, weight: Floats, done: float = _DONE) -> _Fit:
        """EM from (P, B, q) posteriors; `weight`: (n, B), how often each item counts."""
        counted, posterior = self.members @ weight, start
        for _ in range(_STEPS):
            shares, confusion = self._maximise(posterior * counted[:, :, None])
            new, likelihood = self._expect(shares, confusion)
            change = float(np.max(np.abs(new - posterior)))
            posterior = new
            if change < done:
                break
        return _Fit(shares, confusion, posterior, (counted * likelihood).sum(axis=0))

    def _maximise(self, weighted: Floats) -> tuple[Floats, Floats]:
        p, b, q = weighted.shape
        counts = (self.turned @ weighted.reshape(p, -1)).reshape(self.raters, q, b, q)
        counts = counts.transpose(2, 0, 3, 1) + self.smoothing
        total = counts.sum(axis=3, keepdims=True)
        # A class that a rater never met: any label, until he meets it.
        confusion = np.where(total > 0, counts / np.where(total > 0, total, 1), 1 / q)
        sums = weighted.sum(axis=0)
        return sums / sums.sum(axis=1, keepdims=True), confusion

    def _expect(self, shares: Floats, confusion: Floats) -> tuple[Floats, Floats]:
        # The floor keeps 0 times log 0 out of the product; e^-700 is 0 all the same.
        log = np.log(np.maximum(confusion, _TINY)).transpose(1, 3, 0, 2)
        joint = self.votes @ log.reshape(self.raters * self.q, -1)
        joint = joint.reshape(-1, *shares.shape) + np.log(np.maximum(shares, _TINY))
        top = joint.max(axis=2, keepdims=True)
        odds = np.exp(joint - top)
        total = odds.sum(axis=2, keepdims=True)
        return odds / total, (top + np.log(total))[:, :, 0]

    def numbers(self, fit: _Fit, named: Floats, weight: Floats) -> Floats:
        """(B, q + raters + 1) shares of the classes, accuracies of the raters and of a judge who
        named these classes, (n, q) of 0 and 1."""
        raters = np.einsum("bc,bjcc->bj", fit.shares, fit.confusion)
        t, counted = fit.posterior, self.members @ weight
        said = np.stack([self.members @ (weight * column[:, None]) for column in named.T], axis=2)
        squares = np.einsum("pb,pbc,pbd->bcd", counted, t, t)
        # The inverse of a class that no item has is 0, and so is its share.
        slopes = np.linalg.pinv(squares, hermitian=True) @ np.einsum("pbc,pbd->bcd", t, said)
        judge = np.einsum("bc,bcc->b", fit.shares, slopes)
        return np.column_stack([fit.shares, raters, judge])

    def gain(self, found: _Fit, seed: int) -> float:
        """Log-likelihood of the best fit from a random start, less that of the fit found."""
        start = np.random.default_rng(seed).dirichlet(
            np.ones(self.q), (len(found.posterior), RESTARTS)
        )
        fits = self.fit(start, np.ones((self.which.size, RESTARTS)), _REFIT_DONE)
        return float(fits.likelihood.max() - found.likelihood[0])


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
    is their sum over l = c by the shares of the classes, less its bias by bootstrap. It may leave
    [0, 1] by chance. Simulated coverage of 95 %: .92 to .96 (150 to 400 items, 3 or 4 raters).

    Intervals by cluster bootstrap, every resample refitted from the fit found (warm start).
    Insufficient where fewer than three raters labelled anything; out_of_range where they do not
    agree beyond chance (interval of Krippendorff's alpha, one label a rater and item). One prompt:
    no interval. Items without a label count as missing.
    """
    if not 0 <= smoothing < math.inf:
        raise BenchError(f"smoothing is {smoothing}; a number from 0 on expected")
    deep = np.asarray(ratings, dtype=object).ndim == 3
    labels = maybe(ratings, *_ANY, "ratings", ndim=3 if deep else 2)
    labels = labels.reshape(*labels.shape[:2], -1) if labels.size else np.zeros((0, 0, 1))
    said = np.zeros(len(labels)) if judge is None else maybe(judge, *_ANY, "judge")
    complete(ratings=labels, judge=said)
    rows = np.sum(~np.isnan(labels), axis=(1, 2)) > 0
    groups, missing = Clusters.of(clusters, rows.size).take(rows), int(np.sum(~rows))
    labels, said = labels[rows], said[rows]
    classes = np.unique(labels[~np.isnan(labels)])
    basis = Basis("Dawid-Skene", level, groups.n_items, groups.n_clusters, missing)
    refused = _refusal(basis, labels, groups, seed)
    if refused:
        return _nothing(refused, classes, labels.shape[1], rows.size, judge is not None)
    codes = np.where(np.isnan(labels), -1, np.searchsorted(classes, labels)).astype(np.int64)
    model = _Model.of(codes, classes.size, smoothing)
    named = (said[:, None] == classes).astype(np.float64)
    found = model.fit(model.majority(), np.ones((groups.n_items, 1)))
    sample = _resampled(model, found, named, groups, replicates, seed)
    q = classes.size

    def estimate(column: int, what: str, bounds: tuple[float, float] = (0, 1)) -> Estimate:
        def number(numbers: Floats) -> Floats:
            return numbers[:, column]

        method = f"{what}, Dawid-Skene"
        return sample.estimate(number, method, level=level, missing=missing, bounds=bounds)

    posterior = np.full((rows.size, q), np.nan)
    posterior[rows] = found.posterior[model.which, 0]
    return Truth(
        classes,
        posterior,
        found.confusion[0],
        shares=[estimate(c, f"share of {classes[c]:g}") for c in range(q)],
        accuracy=[estimate(q + j, f"accuracy of rater {j}") for j in range(model.raters)],
        judge=None if judge is None else estimate(-1, "accuracy of the judge", _ANY),
        likelihood=float(found.likelihood[0]),
        gain=model.gain(found, seed),
        note="",
    )


def _resampled(
    model: _Model, found: _Fit, named: Floats, groups: Clusters, replicates: int, seed: int
) -> Resample:
    """`_Model.numbers` of the fit and of refits to resampled prompts, the judge's less its bias."""
    observed = model.numbers(found, named, np.ones((groups.n_items, 1)))
    if groups.n_clusters == 1:
        return Resample(groups, observed, observed, seed)
    drawn = weights(groups.n_clusters, range(replicates), seed)[:, groups.codes].T
    refits = model.fit(found.posterior.repeat(replicates, axis=1), drawn, _REFIT_DONE)
    draws = model.numbers(refits, named, drawn)
    # Confusions that fit their own items too well make the truth look surer, and the judge worse,
    # than they are; the resamples show by how much, once from the sample to them.
    bias = draws.mean(axis=0) - observed
    bias[:, :-1] = 0
    return Resample(groups, observed - bias, draws - 2 * bias, seed)


def _refusal(basis: Basis, labels: Floats, groups: Clusters, seed: int) -> Estimate | None:
    """Why these (n, raters, times) labels say nothing of a truth, or None."""
    known = ~np.isnan(labels)
    raters = int(known.any(axis=(0, 2)).sum())
    if raters < MIN_RATERS:
        why = f"{raters} raters with a label; {MIN_RATERS} needed to tell truth from error"
        return basis.undefined("insufficient", why)
    first = np.take_along_axis(labels, known.argmax(axis=2)[:, :, None], axis=2)[:, :, 0]
    alpha = krippendorff_alpha(first, groups, level=basis.level, replicates=1_000, seed=seed)
    if alpha.estimate > 0 and not alpha.lo <= 0:
        return None
    if math.isnan(alpha.estimate):
        return basis.undefined("degenerate", "one label only, or no item with two raters")
    note = f"raters do not agree beyond chance: alpha {alpha.estimate:.2g}, from {alpha.lo:.2g}"
    return basis.undefined("out_of_range", note)


def _nothing(refused: Estimate, classes: Floats, raters: int, n: int, judged: bool) -> Truth:
    q, nan = classes.size, math.nan
    return Truth(
        classes,
        np.full((n, q), nan),
        np.full((raters, q, q), nan),
        shares=[refused] * q,
        accuracy=[refused] * raters,
        judge=refused if judged else None,
        likelihood=nan,
        gain=nan,
        note=refused.note,
    )
