"""The recipe ``probe``: from labelled pairs to one direction in the hidden states of a small model.

Features are differences of mean hidden states of two responses, the better minus the worse. What
is made of them is in judges.training.directions.
"""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields, replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.spec import Spec
from bench.types import BenchError, Context, Item, Split, Task, content_key
from judges.described import Described
from judges.engines.transformers import TransformersEngine
from judges.hidden import POOLING, HiddenStates
from judges.probe import ABOUT, TrainedProbe, load
from judges.training.directions import STRENGTHS, Choice, Pairs, choose, directions, stacked
from judges.training.preferences import pairs_of, training_items

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FORMAT = 2
LIBRARIES = ("numpy", "scikit-learn", "torch", "transformers")


@dataclass(frozen=True)
class Recipe:
    """`base`: reference of the frozen model. `dtype`: of its weights. `max_items`: training items
    at most, every domain of every task in equal share as far as it goes. `pairs_per_item`: at
    most. `layers`: read together at most, further ones only where they help. `components`:
    principal directions kept. `folds`: for the choice of layers and strength. `annotator`: learn
    from this one's labels alone; in a set whose annotators are aspects, this is a probe of one.
    """

    base: str = ""
    dtype: str = "float32"
    max_items: int = 1000
    pairs_per_item: int = 3
    layers: int = 1
    components: int = 50
    folds: int = 5
    annotator: str = ""

    def __post_init__(self) -> None:
        if not self.base:
            raise BenchError(
                "probe: no base model. Name one: base=FOLDER, base=package:IMPORT_NAME/FILE.gguf "
                "or base=OWNER/NAME; or a trained probe: probe:FOLDER"
            )
        least = {"max_items": 10, "pairs_per_item": 1, "layers": 1, "components": 1, "folds": 2}
        for name, value in least.items():
            if getattr(self, name) < value:
                raise BenchError(
                    f"probe: {name} is {getattr(self, name)}; {value} or more expected"
                )


@dataclass(frozen=True)
class Card(Described, Recipe):
    """What a card says of a probe that is not trained yet. `first_use_items`: `max_items` when it
    is trained on first use, while somebody waits."""

    first_use_items: int = 72


def train(spec: Spec, task: Task, out: Path, context: Context) -> Path:
    """Train a probe, with the options of `spec`, on the training split of `task`, and save it in
    the new folder `out`.

    Raises BenchError for a bad option, a folder that is there already, too few training items.
    """
    recipe = _recipe(spec.settings(Card))
    if (out / ABOUT).exists():
        raise BenchError(f"{out} holds a trained probe already. Choose another name, or remove it.")
    engine = TransformersEngine(recipe.base, context, dtype=recipe.dtype)
    items = _items([task], recipe, context)
    fit(items, [task], recipe, engine, context).save(out)
    return out


def trained_here(card: Card, context: Context) -> TrainedProbe:
    """The probe for the training split of the run's tasks: from the cache, or trained now."""
    recipe = _recipe(card)
    recipe = replace(recipe, max_items=min(recipe.max_items, card.first_use_items))
    engine = TransformersEngine(recipe.base, context, dtype=recipe.dtype)
    items = _items(context.tasks, recipe, context)
    made_of = (FORMAT, POOLING, engine.revision, asdict(recipe), context.seed)
    folder = context.cache / "probes" / content_key(*made_of, [item.key for item in items])
    if not (folder / ABOUT).exists():
        context.say(f"training a probe on {len(items)} items, once; it is kept in {folder}")
        probe = fit(items, context.tasks, recipe, engine, context)
        folder.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=".training-", dir=folder.parent))
        probe.save(temporary)
        shutil.rmtree(folder, ignore_errors=True)
        temporary.replace(folder)
    return load(folder)


def fit(
    items: Sequence[Item],
    tasks: Sequence[Task],
    recipe: Recipe,
    engine: TransformersEngine,
    context: Context,
) -> TrainedProbe:
    """Layers and strength by folds of prompts, then the direction from all `items`."""
    import numpy as np
    from threadpoolctl import threadpool_limits

    hidden = HiddenStates(engine, context.cache)
    pairs = differences(items, hidden, recipe, context)
    engine.close()
    context.say(f"choosing layers and strength on {recipe.folds} folds of the training prompts")
    with threadpool_limits(1):  # matrices this small are faster so, and the same everywhere
        choice = choose(pairs, recipe.components, recipe.folds, context.seed, recipe.layers)
        x = stacked(pairs.differences, choice.layers)
        strengths = (choice.strength,)
        found = directions(x, pairs.weights, strengths, recipe.components, context.seed)
    about = {
        "format": FORMAT,
        "base": recipe.base,
        "base_revision": engine.revision,
        "dtype": recipe.dtype,
        "pooling": POOLING,
        "layers": list(choice.layers),
        "recipe": asdict(recipe),
        "seed": context.seed,
        "selection": _selection(choice),
        "tasks": [task.card.name for task in tasks],
        "asked": [task.asked or task.card.name for task in tasks],
        "task_revisions": {task.card.name: task.card.revision for task in tasks},
        "items": dict(sorted(Counter(f"{i.task}/{i.domain}" for i in items).items())),
        "pairs": len(pairs.prompts),
        "prompts": sorted({item.prompt_key for item in items}),
        "versions": {name: version(name) for name in LIBRARIES},
    }
    weights = found[0].astype(np.float32).reshape(len(choice.layers), -1)
    return TrainedProbe(weights, about)


def differences(
    items: Sequence[Item], hidden: HiddenStates, recipe: Recipe, context: Context
) -> Pairs:
    """States of the responses in pairs, with progress told. Pairs that are too long for the model
    are left out. Raises BenchError when none is left."""
    import numpy as np

    rows, weights, prompts = [], [], []
    for done, item in enumerate(items, 1):
        pairs = pairs_of(item, recipe.pairs_per_item, context.seed)
        wanted = sorted({index for pair in pairs for index in pair})
        states = {i: hidden.pooled(item.prompt, item.responses[i].text).states for i in wanted}
        new = [_minus(states[better], states[worse]) for better, worse in pairs]
        fitting = [row for row in new if row is not None]
        rows += fitting
        weights += [1 / max(1, len(fitting))] * len(fitting)
        prompts += [item.prompt_key] * len(fitting)
        if done * 10 // len(items) > (done - 1) * 10 // len(items):
            context.say(f"hidden states of {done} of {len(items)} training items")
    if not rows:
        raise BenchError("probe: every training pair is longer than the base model reads")
    return Pairs(np.stack(rows), np.array(weights), prompts)


def _items(tasks: Sequence[Task], recipe: Recipe, context: Context) -> list[Item]:
    learnt = [_Annotated(task, recipe.annotator) if recipe.annotator else task for task in tasks]
    return training_items(learnt, "probe", recipe.max_items, 2 * recipe.folds, context.seed)


class _Annotated(Task):
    """A task with the labels of one annotator. Raises BenchError where there are none."""

    def __init__(self, task: Task, annotator: str) -> None:
        self._task, self._annotator = task, annotator
        self.card, self.asked = task.card, task.asked

    def items(self, split: Split | None = None) -> Iterator[Item]:
        others: set[str] = set()
        found = False
        for item in self._task.items(split):
            labels = tuple(x for x in item.labels if x.annotator == self._annotator)
            others.update(label.annotator for label in item.labels)
            found |= bool(labels)
            yield replace(item, labels=labels)
        if not found:
            some = ", ".join(sorted(others)[:10]) or "none"
            raise BenchError(
                f"task {self.card.name!r} has no labels of annotator {self._annotator!r}. There "
                f"are: {some}{', ...' if len(others) > 10 else ''}"
            )


def _recipe(card: Card) -> Recipe:
    return Recipe(**{f.name: getattr(card, f.name) for f in fields(Recipe)})


def _minus(
    better: NDArray[np.float32] | None, worse: NDArray[np.float32] | None
) -> NDArray[np.float32] | None:
    return None if better is None or worse is None else better - worse


def _selection(choice: Choice) -> dict[str, Any]:
    return {
        "what": "held-out folds of the training prompts; the best of many is too good to be true",
        "strength": choice.strength,
        "log_loss": round(choice.loss, 4),
        "accuracy": round(choice.accuracy, 4),
        "strengths": list(STRENGTHS),
        "accuracy_by_layer": choice.accuracies.round(4).tolist(),
        "log_loss_by_layer": choice.losses.round(4).tolist(),
    }
