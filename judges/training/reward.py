"""The recipe ``reward``: from labelled pairs to a model that scores one response (Bradley-Terry,
-log sigma(r(x, better) - r(x, worse))).

tune=head fits a linear head on a frozen sentence encoder (judges.training.embedding); tune=full and
tune=lora fine-tune a language model or encoder with one output (judges.training.reward_trainer),
which costs some fifty times as much. Such a model never sees two responses together, so there is no
order to swap.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from bench.spec import Spec
from bench.types import BenchError, Context, Item, Task, content_key
from judges import models
from judges.described import Described
from judges.heads import ABOUT
from judges.training.preferences import held_out, training_items

FORMAT = 1
LEAST_PROMPTS = 10


@dataclass(frozen=True)
class Recipe:
    """`base`: reference of the model. `revision`: commit of a hub id. `tune`: head, full or lora.
    `max_items`: training items at most, every domain in equal share as far as it goes.
    `pairs_per_item`: at most. `held_out`: share of the prompts that it is tried on."""

    base: str = ""
    revision: str | None = None
    tune: str = "head"
    max_items: int = 1000
    pairs_per_item: int = 3
    held_out: float = 0.2

    def __post_init__(self) -> None:
        if not self.base:
            raise BenchError(
                "reward: no base model. Name one: base=FOLDER, base=package:IMPORT_NAME/FOLDER or "
                "base=OWNER/NAME; a sentence encoder for tune=head"
            )
        least = {"max_items": LEAST_PROMPTS, "folds": 2}
        for field in fields(self):
            value = getattr(self, field.name)
            if type(value) is int and value < least.get(field.name, 1):
                wanted = least.get(field.name, 1)
                raise BenchError(f"reward: {field.name} is {value}; {wanted} or more expected")
            if type(value) is float and not 0 < value <= 0.5:
                raise BenchError(f"reward: {field.name} is {value}; above 0, at most 0.5 expected")


@dataclass(frozen=True)
class Head(Recipe):
    """`components`: principal directions kept. `folds`: of the prompts that are fitted, to choose
    features and strength on."""

    components: int = 100
    folds: int = 5


@dataclass(frozen=True)
class Full(Recipe):
    """`epochs`: at most. `lr`: highest learning rate (AdamW, falling on a line). `batch`: pairs in
    a step. `max_length`: tokens of a conversation; pairs with a longer one are left out. `every`:
    steps between two validations, each with a checkpoint. `patience`: validations without a lower
    loss before it stops."""

    epochs: int = 2
    lr: float = 2e-5
    batch: int = 8
    max_length: int = 1024
    every: int = 25
    patience: int = 3


@dataclass(frozen=True)
class Lora(Full):
    """`rank`: of the change to each linear layer, which is twice as strong as its size says."""

    lr: float = 2e-4
    rank: int = 8


@dataclass(frozen=True)
class Card(Described, Head):
    """What a card says of a head that is not trained yet. `first_use_items`: `max_items` when it is
    trained on first use, while somebody waits."""

    first_use_items: int = 300


TUNES: Mapping[str, type[Recipe]] = {"head": Head, "full": Full, "lora": Lora}


def train(spec: Spec, task: Task, out: Path, context: Context) -> Path:
    """Train a reward model, with the options of `spec`, on the training split of `task`, and save
    it in the new folder `out`. Fine-tuning that was stopped and is called again with the same goes
    on from its last checkpoint.

    Raises BenchError for a bad option, a folder that is there already, too few training items.
    """
    said = {f.name for f in fields(Card)} - {f.name for f in fields(Head)}
    spec = replace(spec, options={k: v for k, v in spec.options.items() if k not in said})
    tune = spec.options.get("tune", Head.tune)
    if "tune" not in spec.options:
        spec = replace(spec, text=f"{spec.text} (tune={tune})")
    if tune not in TUNES:
        raise BenchError(f"{spec.text!r}: tune is {tune!r}; {', '.join(TUNES)} expected")
    recipe = spec.settings(TUNES[tune])
    if (out / ABOUT).exists():
        raise BenchError(
            f"{out} holds a trained reward model already. Choose another name, or remove it."
        )
    items = training_items([task], "reward", recipe.max_items, LEAST_PROMPTS, context.seed)
    data = Data([task], items, recipe, context.seed)
    if isinstance(recipe, Head):
        from judges.training.embedding import fit

        fit(data, recipe, context).save(out)
    elif isinstance(recipe, Full):
        from judges.training.reward_trainer import fine_tune

        fine_tune(data, recipe, out, context)
    return out


def trained_here(card: Card, context: Context) -> Path:
    """Folder of the head for the training split of the run's tasks: from the cache, or trained
    now."""
    from judges.training.embedding import fit

    recipe = Head(**{f.name: getattr(card, f.name) for f in fields(Head)})
    recipe = replace(recipe, max_items=min(recipe.max_items, card.first_use_items))
    if recipe.tune != "head":
        raise BenchError(
            f"reward: tune is {recipe.tune!r}; on first use only a head is trained. Train it "
            "before the run: smallclaims train reward --task TASK --out models/NAME"
        )
    items = training_items(context.tasks, "reward", recipe.max_items, LEAST_PROMPTS, context.seed)
    data = Data(context.tasks, items, recipe, context.seed)
    base = models.find(recipe.base, recipe.revision).revision
    folder = context.cache / "heads" / data.key(base)
    if not (folder / ABOUT).exists():
        context.say(f"training a head on {len(items)} items, once; it is kept in {folder}")
        fit(data, recipe, context).save(folder)
    return folder


class Data:
    """What is learnt from, in two parts that share no prompt: `fitted` and `held`."""

    def __init__(
        self, tasks: Sequence[Task], items: Sequence[Item], recipe: Recipe, seed: int
    ) -> None:
        self._tasks, self._items, self._recipe, self._seed = tasks, items, recipe, seed
        self.fitted, self.held = held_out(items, recipe.held_out, seed)

    def key(self, *parts: object) -> str:
        """Content key of the data, the recipe, the seed and `parts`."""
        keys = [item.key for item in self._items]
        return content_key(FORMAT, asdict(self._recipe), self._seed, keys, *parts)

    def about(self, libraries: Iterable[str]) -> dict[str, Any]:
        """What the card of a trained model says of it."""
        tasks, items = self._tasks, self._items
        return {
            "format": FORMAT,
            "base": self._recipe.base,
            "recipe": asdict(self._recipe),
            "seed": self._seed,
            "tasks": [task.card.name for task in tasks],
            "asked": [task.asked or task.card.name for task in tasks],
            "task_revisions": {task.card.name: task.card.revision for task in tasks},
            "items": dict(sorted(Counter(f"{i.task}/{i.domain}" for i in items).items())),
            "data": content_key([item.key for item in items]),
            "prompts": _prompts(items),
            "held_out_prompts": _prompts(self.held),
            "versions": {name: version(name) for name in libraries},
        }


def measured(margins: Iterable[float], weights: Sequence[float]) -> dict[str, float]:
    """Of pairs that were not fitted: better minus worse, and what each pair counts -> accuracy (a
    tie is half right) and Bradley-Terry loss."""
    import numpy as np

    margin = np.array(list(margins), dtype=np.float64)
    right = (margin > 0) + 0.5 * (margin == 0)
    return {
        "accuracy": round(float(np.average(right, weights=weights)), 4),
        "loss": round(float(np.average(np.logaddexp(0, -margin), weights=weights)), 4),
    }


def _prompts(items: Iterable[Item]) -> list[str]:
    return sorted({item.prompt_key for item in items})
