"""From differences of hidden states to one direction: the numerical part of the recipe ``probe``.

Scale and principal directions are found inside each fold, without centring: a difference and its
opposite are the same datum. Layer and strength are chosen on held-out folds of the training
prompts, and there is no intercept, so that no slot can be preferred.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

STRENGTHS = (0.1, 1.0, 10.0, 100.0)  # inverse L2 penalty, on differences of unit mean square


@dataclass(frozen=True)
class Pairs:
    """Training data. `differences`: float32 (pairs, layers, width), better minus worse. `weights`:
    those of an item sum to 1. `prompts`: prompt key per pair."""

    differences: NDArray[np.float32]
    weights: Array
    prompts: Sequence[str]


@dataclass(frozen=True)
class Choice:
    """`layer`, `strength`: with the least log-loss on held-out folds. `losses`, `accuracies`:
    (layers, strengths), weighted means over all held-out pairs."""

    layer: int
    strength: float
    losses: Array
    accuracies: Array


def choose(pairs: Pairs, components: int, folds: int, seed: int) -> Choice:
    """The layer and strength with the least log-loss on held-out prompts. Equal: the stronger
    penalty, then the lower layer."""
    import numpy as np
    from sklearn.model_selection import GroupKFold

    layers = pairs.differences.shape[1]
    losses = np.zeros((layers, len(STRENGTHS)))
    right = np.zeros_like(losses)
    splits = list(GroupKFold(folds).split(pairs.weights, groups=pairs.prompts))
    for layer in range(layers):
        x = pairs.differences[:, layer].astype(np.float64)
        for fitted, held in splits:
            found = directions(x[fitted], pairs.weights[fitted], STRENGTHS, components, seed)
            margin = x[held] @ np.stack(found, axis=1)
            weight = pairs.weights[held, None]
            losses[layer] += (weight * np.logaddexp(0, -margin)).sum(0)
            right[layer] += (weight * ((margin > 0) + 0.5 * (margin == 0))).sum(0)
    total = pairs.weights.sum()
    # Columns from the strongest penalty on, so that the first least value is the one wanted.
    strength, layer = divmod(int(np.argmin(losses.T)), layers)
    return Choice(layer, STRENGTHS[strength], losses / total, right / total)


def directions(
    x: Array, weights: Array, strengths: Sequence[float], components: int, seed: int
) -> list[Array]:
    """Directions w (width,), one per strength: logistic regression without intercept on the rows
    of `x` (rows, width), each a difference whose sign must come out positive."""
    import numpy as np
    from sklearn.linear_model import LogisticRegression
    from sklearn.utils.extmath import randomized_svd

    scale = np.sqrt(np.average(x**2, axis=0, weights=weights))
    scale = np.where(scale > 0, scale, 1.0) * math.sqrt(x.shape[1])  # rows: mean square <= 1
    z = x / scale
    k = min(components, *x.shape)
    _, _, axes = randomized_svd(z * np.sqrt(weights)[:, None], n_components=k, random_state=seed)
    # A row and its opposite say the same; half of them are turned round to have two classes.
    sign = np.where(np.arange(len(z)) % 2, -1.0, 1.0)
    found = []
    for strength in strengths:
        model = LogisticRegression(C=strength, fit_intercept=False, solver="newton-cholesky")
        model.fit(z @ axes.T * sign[:, None], sign, sample_weight=weights)
        found.append(model.coef_[0] @ axes / scale)
    return found
