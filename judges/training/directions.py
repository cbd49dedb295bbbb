"""From differences of hidden states to one direction: the numerical part of the recipe ``probe``.

Scale and principal directions are found inside each fold, without centring: a difference and its
opposite are the same datum. Layers and strength are chosen on held-out folds of the training
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
    """`layers`, `strength`: with the least log-loss on held-out folds. `losses`, `accuracies`:
    (layers, strengths), weighted means over all held-out pairs, of each layer alone. `loss`,
    `accuracy`: of what was chosen."""

    layers: tuple[int, ...]
    strength: float
    loss: float
    accuracy: float
    losses: Array
    accuracies: Array


def choose(pairs: Pairs, components: int, folds: int, seed: int, at_most: int = 1) -> Choice:
    """The layers, `at_most` so many, and the strength with the least log-loss on held-out prompts.

    The best layer comes first, then the next best in turn, each kept only if the log-loss falls
    (greedily, as in Representation-as-a-Judge). Equal: the stronger penalty, then the lower layer.
    """
    import numpy as np

    n = pairs.differences.shape[1]
    alone = [_held_out(pairs, (layer,), components, folds, seed) for layer in range(n)]
    losses, accuracies = (np.array(found) for found in zip(*alone, strict=True))
    # Columns from the strongest penalty on, so that the first least value is the one wanted.
    strength, layer = divmod(int(np.argmin(losses.T)), n)
    layers: tuple[int, ...] = (layer,)
    loss, accuracy = losses[layer, strength], accuracies[layer, strength]
    ranking = np.argsort(losses.min(axis=1), kind="stable").tolist()
    for other in [candidate for candidate in ranking if candidate != layer][: at_most - 1]:
        more, right = _held_out(pairs, (*layers, other), components, folds, seed)
        best = int(np.argmin(more))
        if more[best] < loss:
            layers, strength = (*layers, other), best
            loss, accuracy = more[best], right[best]
    return Choice(layers, STRENGTHS[strength], float(loss), float(accuracy), losses, accuracies)


def stacked(differences: NDArray[np.float32], layers: Sequence[int]) -> Array:
    """(pairs, layers, width) -> (pairs, chosen layers x width)."""
    import numpy as np

    return differences[:, list(layers)].reshape(len(differences), -1).astype(np.float64)


def _held_out(
    pairs: Pairs, layers: Sequence[int], components: int, folds: int, seed: int
) -> tuple[Array, Array]:
    """(strengths,) log-loss and accuracy on held-out folds of these layers together."""
    import numpy as np
    from sklearn.model_selection import GroupKFold

    x = stacked(pairs.differences, layers)
    losses, right = np.zeros(len(STRENGTHS)), np.zeros(len(STRENGTHS))
    for fitted, held in GroupKFold(folds).split(pairs.weights, groups=pairs.prompts):
        found = directions(x[fitted], pairs.weights[fitted], STRENGTHS, components, seed)
        margin = x[held] @ np.stack(found, axis=1)
        weight = pairs.weights[held, None]
        losses += (weight * np.logaddexp(0, -margin)).sum(0)
        right += (weight * ((margin > 0) + 0.5 * (margin == 0))).sum(0)
    total = pairs.weights.sum()
    return losses / total, right / total


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
