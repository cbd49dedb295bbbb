"""The recipe ``crossencoder``: from labelled pairs to an encoder that compares two responses.

An encoder with a new head is fine-tuned whole, with binary cross-entropy on the log-odds that slot
1 is better, on pairs shown as `swap` says. What it learnt is measured after each epoch on whole
prompts that it never sees, in both orders whatever `swap` is, and the best epoch is kept.
"""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from filelock import FileLock

from bench.spec import Spec
from bench.types import BenchError, Context, Item, Task, content_key
from judges import models
from judges.crossencoder import ABOUT, Options
from judges.joint import FORM, Joiner, limit_of
from judges.training.pair_trainer import Loop, fine_tune
from judges.training.preferences import held_out, training_items
from judges.training.shown_pairs import SWAPS, Rows

FORMAT = 2
LIBRARIES = ("accelerate", "numpy", "sentence-transformers", "torch", "transformers")
LEAST_PROMPTS = 10


@dataclass(frozen=True)
class Recipe:
    """`base`: reference of the encoder. `swap`: pairs are shown in item order (off), in one
    that is drawn (random), or in both. `epochs`: at most. `lr`: highest learning rate. `batch`:
    rows in a step. `patience`: epochs without a better one before it stops. `max_tokens`: of an
    input, and never more than the encoder reads. `held_out`: share of the prompts that it is
    validated on. `max_items`: training items at most, every domain of every task in equal share
    as far as it goes. `pairs_per_item`: at most.
    """

    base: str = ""
    swap: str = "both"
    epochs: int = 5
    lr: float = 5e-5
    batch: int = 16
    max_tokens: int = 256
    patience: int = 3
    held_out: float = 0.2
    max_items: int = 1000
    pairs_per_item: int = 3

    def __post_init__(self) -> None:
        if not self.base:
            raise BenchError(
                "crossencoder: no base model. Name one: base=FOLDER, "
                "base=package:IMPORT_NAME/FOLDER or base=OWNER/NAME; or a trained cross-encoder: "
                "crossencoder:FOLDER"
            )
        if self.swap not in SWAPS:
            raise BenchError(f"crossencoder: swap is {self.swap!r}; {', '.join(SWAPS)} expected")
        least = {"epochs": 1, "batch": 1, "max_tokens": 16, "patience": 1, "max_items": 10}
        for name, value in {**least, "pairs_per_item": 1}.items():
            if getattr(self, name) < value:
                found = getattr(self, name)
                raise BenchError(f"crossencoder: {name} is {found}; {value} or more expected")
        for name in ("lr", "held_out"):
            if not 0 < getattr(self, name) < 1:
                found = getattr(self, name)
                raise BenchError(f"crossencoder: {name} is {found}; between 0 and 1 expected")


@dataclass(frozen=True)
class Card(Options, Recipe):
    """What a card says of a cross-encoder that is not trained yet; `revision` is of its base.
    `first_use_items`: `max_items` when it is trained on first use, while somebody waits."""

    first_use_items: int = 72

    def __post_init__(self) -> None:
        Options.__post_init__(self)
        Recipe.__post_init__(self)


def train(spec: Spec, task: Task, out: Path, context: Context) -> Path:
    """Train a cross-encoder, with the options of `spec`, on the training split of `task`, and save
    it in the new folder `out`. Stopped and called again with the same, it goes on.

    Raises BenchError for a bad option, a folder that is there already, too few training items.
    """
    card = spec.settings(Card)
    if (out / ABOUT).exists():
        raise BenchError(
            f"{out} holds a trained cross-encoder already. Choose another name, or remove it."
        )
    return _Training(card, [task], _recipe(card), context).save(out)


def trained_here(card: Card, context: Context) -> Path:
    """Folder of the cross-encoder for the training split of the run's tasks: from the cache, or
    trained now."""
    recipe = _recipe(card)
    recipe = replace(recipe, max_items=min(recipe.max_items, card.first_use_items))
    training = _Training(card, context.tasks, recipe, context)
    folder = context.cache / "crossencoders" / training.key
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{folder}.lock"):
        if not (folder / ABOUT).exists():
            found = len(training.items)
            context.say(f"training a cross-encoder on {found} items, once; it is kept in {folder}")
            training.save(folder)
    return folder


class _Training:
    """Everything that is settled before the first step. `key`: content key of it."""

    def __init__(self, card: Card, tasks: Sequence[Task], recipe: Recipe, context: Context) -> None:
        models.need(
            "torch",
            "transformers",
            "sentence_transformers",
            "accelerate",
            "datasets",
            extras="train",
        )
        self._source = models.find(recipe.base, card.revision)
        if self._source.path is not None and self._source.path.is_file():
            raise BenchError(
                f"crossencoder: base {recipe.base!r} is a GGUF file; an encoder expected"
            )
        self._tasks, self._recipe, self._context = tasks, recipe, context
        self.items = training_items(
            tasks, "crossencoder", recipe.max_items, LEAST_PROMPTS, context.seed
        )
        made_of = (FORMAT, FORM, self._source.revision, asdict(recipe), context.seed)
        self.key = content_key(*made_of, [item.key for item in self.items])

    def save(self, out: Path) -> Path:
        """Train, and write the folder. It is complete when the JSON file is there."""
        import torch

        recipe, seed, say = self._recipe, self._context.seed, self._context.say
        if self._context.threads is not None:
            torch.set_num_threads(self._context.threads)
        learnt, held = held_out(self.items, recipe.held_out, seed)
        joiner, limit = self._joiner()
        shown = Rows.of(learnt, joiner, recipe.pairs_per_item, seed)
        validation = Rows.of(held, joiner, recipe.pairs_per_item, seed)
        say(
            f"training on {shown.pairs} pairs, swap {recipe.swap}, at most {recipe.epochs} epochs; "
            f"validating on {validation.pairs} pairs of other prompts"
        )
        work = out / f".training-{self.key}"
        model, history = fine_tune(self._loop(), shown, validation, work, say)
        model.save_pretrained(str(out))
        about = self._about(held, shown, validation, limit, history)
        text = json.dumps(about, indent=2, sort_keys=True, ensure_ascii=False)
        partial = out / f".{ABOUT}"
        partial.write_text(text + "\n", encoding="utf-8")
        partial.replace(out / ABOUT)
        for old in out.glob(".training-*"):
            shutil.rmtree(old)
        return out

    def _joiner(self) -> tuple[Joiner, int]:
        """With the tokens that an input may have."""
        from transformers import AutoConfig, AutoTokenizer

        where: dict[str, Any] = {"trust_remote_code": False}
        if self._source.path is None:
            where["revision"] = self._source.revision
        name = str(self._source.path or self._source.reference)
        try:
            tokenizer = AutoTokenizer.from_pretrained(name, **where)
            config = AutoConfig.from_pretrained(name, **where)
        except (OSError, ValueError) as error:
            raise BenchError(
                f"model {self._source.reference!r} does not load: {error} Expected: an encoder "
                "that transformers knows, with its tokenizer."
            ) from error
        limit = limit_of(tokenizer, config, self._recipe.max_tokens)
        return Joiner(tokenizer, limit, self._source.reference), limit

    def _loop(self) -> Loop:
        recipe, source = self._recipe, self._source
        return Loop(
            base=str(source.path or source.reference),
            revision=source.revision if source.path is None else None,
            swap=recipe.swap,
            epochs=recipe.epochs,
            lr=recipe.lr,
            batch=recipe.batch,
            patience=recipe.patience,
            seed=self._context.seed,
        )

    def _about(
        self,
        held: Sequence[Item],
        shown: Rows,
        validation: Rows,
        limit: int,
        history: Sequence[dict[str, float]],
    ) -> dict[str, Any]:
        tasks, items = self._tasks, self.items
        cut = sum(joint.cut for joint in (*shown.joints, *validation.joints))
        return {
            "format": FORMAT,
            "form": FORM,
            "base": self._recipe.base,
            "base_revision": self._source.revision,
            "max_tokens": limit,
            "recipe": asdict(self._recipe),
            "seed": self._context.seed,
            "tasks": [task.card.name for task in tasks],
            "asked": [task.asked or task.card.name for task in tasks],
            "task_revisions": {task.card.name: task.card.revision for task in tasks},
            "items": dict(sorted(Counter(f"{i.task}/{i.domain}" for i in items).items())),
            "data": content_key([item.key for item in items]),
            "pairs": {"trained_on": shown.pairs, "validated_on": validation.pairs},
            "cut": cut / max(1, 2 * (shown.pairs + validation.pairs)),
            "prompts": sorted({item.prompt_key for item in items}),
            "validation_prompts": sorted({item.prompt_key for item in held}),
            "epochs": list(history),
            "versions": {name: version(name) for name in LIBRARIES},
        }


def _recipe(card: Card) -> Recipe:
    return Recipe(**{f.name: getattr(card, f.name) for f in fields(Recipe)})
