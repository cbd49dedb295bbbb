"""The recipe ``reward`` with tune=head: a linear head on a frozen sentence encoder.

L2 logistic regression on differences of features, the better minus the worse, without intercept and
without centring, so that no slot can be preferred. Which of the three parts of phi are read (see
judges.heads) and the strength are chosen on folds of the fitted prompts; the choice is measured on
the held-out prompts, and then fitted to all of them. The numerical part is that of the recipe
``probe``, with parts of phi in place of layers. An item counts the same, however many pairs it has.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from bench.types import Context, Item
from judges.heads import BLOCKS, FEATURES, Heads, blocks
from judges.one_text import one_text
from judges.sentences import Sentences
from judges.training.directions import STRENGTHS, Choice, Pairs, choose, directions, stacked
from judges.training.preferences import pairs_of
from judges.training.reward import Data, Head, measured

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

LIBRARIES = ("numpy", "scikit-learn", "sentence-transformers", "torch", "transformers")


def fit(data: Data, recipe: Head, context: Context) -> Heads:
    """One head for everybody. Raises BenchError for a base that is no sentence encoder."""
    import numpy as np
    from threadpoolctl import threadpool_limits

    sentences = Sentences(recipe.base, context, recipe.revision)
    fitted = differences(data.fitted, sentences, recipe, context)
    held = differences(data.held, sentences, recipe, context)
    tokens = sentences.limit
    sentences.close()
    context.say(f"choosing features and strength on {recipe.folds} folds of the fitted prompts")
    with threadpool_limits(1):  # matrices this small are faster so, and the same everywhere
        choice = choose(fitted, recipe.components, recipe.folds, context.seed, BLOCKS)
        tried = _direction(fitted, choice, recipe, context.seed)
        metrics = measured(stacked(held.differences, range(BLOCKS)) @ tried, held.weights.tolist())
        every = Pairs(
            np.concatenate([fitted.differences, held.differences]),
            np.concatenate([fitted.weights, held.weights]),
            [*fitted.prompts, *held.prompts],
        )
        weights = _direction(every, choice, recipe, context.seed)
    context.say(f"held-out prompts: {metrics['accuracy']:.1%} right, loss {metrics['loss']:.3f}")
    about = data.about(LIBRARIES) | {
        "base_revision": sentences.revision,
        "features": FEATURES,
        "tokens": tokens,
        "annotators": [],
        "pairs": {"fitted": len(fitted.prompts), "held_out": len(held.prompts)},
        "metrics": {
            "what": "on the held-out prompts, before these were fitted as well",
            **metrics,
        },
        "selection": _selection(choice),
    }
    return Heads(weights.astype(np.float32)[None], about)


def differences(
    items: Sequence[Item], sentences: Sentences, recipe: Head, context: Context
) -> Pairs:
    """Features of the better response minus those of the worse, with progress told."""
    import numpy as np

    rows, weights, prompts = [], [], []
    for done, item in enumerate(items, 1):
        u = sentences.embedded(one_text(item.prompt)).vector
        pairs = pairs_of(item, recipe.pairs_per_item, context.seed)
        found = {
            i: blocks(u, sentences.embedded(item.responses[i].text).vector)
            for i in {index for pair in pairs for index in pair}
        }
        rows += [found[better] - found[worse] for better, worse in pairs]
        weights += [1 / len(pairs)] * len(pairs)
        prompts += [item.prompt_key] * len(pairs)
        if done * 5 // len(items) > (done - 1) * 5 // len(items):
            context.say(f"embeddings of {done} of {len(items)} training items")
    return Pairs(np.stack(rows).astype(np.float32), np.array(weights), prompts)


def _direction(pairs: Pairs, choice: Choice, recipe: Head, seed: int) -> NDArray[np.float64]:
    """(features,), zero for the parts of phi that were not chosen."""
    import numpy as np

    x = stacked(pairs.differences, choice.layers)
    (chosen,) = directions(x, pairs.weights, [choice.strength], recipe.components, seed)
    found = np.zeros(pairs.differences.shape[1:])
    found[list(choice.layers)] = chosen.reshape(len(choice.layers), -1)
    return found.ravel()


def _selection(choice: Choice) -> dict[str, Any]:
    return {
        "what": "on folds of the fitted prompts; the best of many is too good to be true",
        "parts": list(choice.layers),
        "strength": choice.strength,
        "loss": round(choice.loss, 4),
        "accuracy": round(choice.accuracy, 4),
        "strengths": list(STRENGTHS),
        "loss_by_part": choice.losses.round(4).tolist(),
        "accuracy_by_part": choice.accuracies.round(4).tolist(),
    }
