"""The cells of the simulation grid, and the data of one run of each.

Prompts have 1 + Poisson(size - 1) items, so size 1 is no clustering at all; `giant` gives the first
prompt that many. One judge: beta-binomial accuracy by prompt, intra-prompt correlation `icc`. Two
judges: probit, a share `icc` of the latent variance is the prompt's, and half of the prompt's and
of the item's part is common to both judges, because hard items are hard for everyone.
`flip`: share of items on which a judge's two orders disagree, which gives half a credit. `soft`:
credits are probabilities, so that differences are continuous.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from bench.stats.clusters import Clusters

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Single:
    """One judge of this accuracy on decisive items. `floor`: coverage that is asked for."""

    g: int
    size: int
    accuracy: float
    icc: float
    giant: int = 0
    flip: float = 0.0
    floor: float = 0.93

    @property
    def truth(self) -> float:
        return self.flip / 2 + (1 - self.flip) * self.accuracy

    def run(self, rng: np.random.Generator) -> tuple[Floats, Clusters]:
        clusters = _clusters(self.g, self.size, self.giant, rng)
        ease = np.full(self.g, self.accuracy)
        if self.icc > 0:
            k = 1 / self.icc - 1
            ease = rng.beta(self.accuracy * k, (1 - self.accuracy) * k, self.g)
        right = rng.random(clusters.n_items) < ease[clusters.codes]
        return _with_flips(right, self.flip, rng), clusters


@dataclass(frozen=True)
class Paired:
    """Two judges of these accuracies; they are equal where the null holds."""

    g: int
    size: int
    first: float
    second: float
    icc: float
    giant: int = 0
    flip: float = 0.0
    soft: bool = False
    floor: float = 0.94

    @property
    def truth(self) -> float:
        return (1 - self.flip) * (self.first - self.second)

    @property
    def null(self) -> bool:
        return self.first == self.second

    def run(self, rng: np.random.Generator) -> tuple[Floats, Clusters]:
        clusters = _clusters(self.g, self.size, self.giant, rng)
        prompts, items = (_two_sharing_half(n, rng) for n in (self.g, clusters.n_items))
        latent = math.sqrt(self.icc) * prompts[:, clusters.codes] + math.sqrt(1 - self.icc) * items
        if self.soft:
            return ndtr(latent[0]) - ndtr(latent[1]), clusters
        limits = [NormalDist().inv_cdf(p) for p in (self.first, self.second)]
        first, second = (
            _with_flips(row < limit, self.flip, rng)
            for row, limit in zip(latent, limits, strict=True)
        )
        return first - second, clusters


Cell = Single | Paired


def name(cell: Cell) -> str:
    numbers = [cell.accuracy] if isinstance(cell, Single) else [cell.first, cell.second]
    extras = {
        f"one of {cell.giant}": cell.giant,
        f"half credits {cell.flip:g}": cell.flip,
        "soft credits": isinstance(cell, Paired) and cell.soft,
    }
    return ", ".join(
        [
            f"{cell.g} prompts of {cell.size}",
            "accuracy " + " and ".join(f"{x:g}" for x in numbers),
            f"icc {cell.icc:g}",
            *(text for text, present in extras.items() if present),
        ]
    )


def runs_of(cell: Cell, runs: int) -> Iterator[tuple[Floats, Clusters]]:
    """The same runs for the same cell, whatever the other cells are."""
    for number in range(runs):
        yield cell.run(np.random.default_rng([number, *repr(cell).encode()]))


def _clusters(g: int, size: int, giant: int, rng: np.random.Generator) -> Clusters:
    sizes = 1 + rng.poisson(size - 1, g)
    if giant:
        sizes[0] = giant
    return Clusters(np.repeat(np.arange(g), sizes), sizes)


def _two_sharing_half(n: int, rng: np.random.Generator) -> Floats:
    """(2, n) normals, correlation 1/2 between the rows."""
    common, own = rng.normal(size=n), rng.normal(size=(2, n))
    return (common + own) / math.sqrt(2)


def _with_flips(right: NDArray[np.bool_], flip: float, rng: np.random.Generator) -> Floats:
    credit = right.astype(np.float64)
    if flip:
        credit[rng.random(credit.size) < flip] = 0.5
    return credit


SINGLE = [
    Single(5, 4, 0.75, 0.2),
    Single(10, 2, 0.9, 0.1),
    Single(10, 3, 0.75, 0.2),
    Single(10, 3, 0.95, 0.2),
    Single(20, 3, 0.75, 0.2),
    Single(20, 3, 0.95, 0.1),
    Single(20, 3, 0.99, 0.1),
    Single(30, 3, 0.8, 0.3, giant=60),
    Single(40, 10, 0.8, 0.5),
    Single(60, 3, 0.8, 0.3, giant=30),
    Single(80, 4, 0.75, 0.2),
    Single(80, 4, 0.95, 0.1),
    Single(80, 4, 0.98, 0.3, floor=0.9),  # few prompts hold nearly all failures
    Single(80, 5, 0.9, 0.5),
    Single(183, 1, 0.7, 0.0),
    Single(475, 3, 0.85, 0.3),
    Single(500, 4, 0.75, 0.2),
    Single(1000, 1, 0.85, 0.0),
    # One failure expected: Wilson's interval misses whenever there are three, which is 8 %.
    Single(1000, 1, 0.999, 0.0, floor=0.9),
    Single(20, 3, 0.75, 0.2, flip=0.3),
    Single(40, 1, 0.75, 0.0, flip=0.6),
    Single(80, 4, 0.9, 0.2, flip=0.1),
    Single(80, 4, 0.9, 0.2, flip=0.9),
    Single(200, 1, 0.97, 0.0, flip=0.1),
]

PAIRED = [
    Paired(10, 3, 0.8, 0.8, 0.3),
    Paired(20, 3, 0.8, 0.75, 0.3),
    Paired(20, 3, 0.97, 0.95, 0.2),
    Paired(30, 3, 0.8, 0.77, 0.3, giant=60),
    Paired(40, 1, 0.9, 0.9, 0.0),
    Paired(80, 4, 0.8, 0.8, 0.3),
    Paired(80, 4, 0.8, 0.77, 0.3),
    Paired(80, 4, 0.97, 0.95, 0.3),
    Paired(300, 4, 0.85, 0.83, 0.3),
    Paired(400, 1, 0.9, 0.9, 0.0),
    Paired(500, 3, 0.82, 0.8, 0.2),
    Paired(80, 4, 0.8, 0.8, 0.3, flip=0.3),
    Paired(80, 4, 0.85, 0.8, 0.3, flip=0.3),
    Paired(30, 3, 0.8, 0.8, 0.3, giant=60),
    Paired(10, 3, 0.5, 0.5, 0.3, soft=True),
    Paired(80, 4, 0.5, 0.5, 0.3, soft=True),
    Paired(400, 1, 0.5, 0.5, 0.0, soft=True),
]
