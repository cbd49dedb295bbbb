"""The recipe ``reward`` with tune=full or tune=lora: a model with one output, fine-tuned by TRL's
RewardTrainer.

The library's part is the loop: optimiser, schedule, checkpoints, early stopping, the best step.
Ours are the inputs, which are those that the judge reads. Every few steps the loss is measured on
prompts that are not learnt from, and the best of these models is kept; its figures there are
therefore a little too good. A low-rank change (LoRA) is added to the weights at the end, so both
leave a whole model. TRL takes no weights, so an item with three pairs counts three times.

What it costs in CPU seconds of one thread, for a model of 135 million weights and conversations of
190 tokens: 2.3 a pair and epoch with LoRA, 3.4 in full; memory 3 and 5 GB.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.types import BenchError, Context, Item
from judges import classifiers, models
from judges.heads import write_about
from judges.reward_input import FORM, Reader, Sequenced
from judges.training.loops import last_checkpoint, quiet
from judges.training.preferences import pairs_of
from judges.training.reward import Data, Full, Lora, measured

LIBRARIES = ("accelerate", "datasets", "peft", "torch", "transformers", "trl")
PAD = "<|pad|>"  # added to a vocabulary that has no other token to fill up with than its end


@dataclass(frozen=True, slots=True)
class Pair:
    """Two conversations with the same prompt, as the model reads them."""

    better: Sequenced
    worse: Sequenced


def fine_tune(data: Data, recipe: Full, out: Path, context: Context) -> None:
    """Train, or go on from a checkpoint in `out`, and write the folder. It is complete when the
    JSON file is there.

    Raises BenchError for a base that does not load, too few pairs that are short enough, and when
    no validation loss is a number.
    """
    models.need("torch", "transformers", "trl", "peft", "accelerate", "datasets", extras="train")
    import torch

    if context.threads is not None:
        torch.set_num_threads(context.threads)
    source = models.find(recipe.base, recipe.revision)
    if source.base is not None:
        raise BenchError(
            f"reward: base {recipe.base!r} is an adapter alone; a whole model expected"
        )
    with quiet():
        tokenizer, model, reader, limit = _base(source, recipe, context)
        fitted = _pairs(data.fitted, reader, limit, recipe, context)
        held = _pairs(data.held, reader, limit, recipe, context)
        work = out / f".training-{data.key(FORM, source.revision)}"
        trainer = _trainer(model, tokenizer, reader, (fitted, held), recipe, work, context)
        last = last_checkpoint(work)
        if last is not None:
            context.say(f"going on from {last.name}")
        trainer.train(resume_from_checkpoint=None if last is None else str(last))
        best = trainer.state.best_metric
        if best is None or not math.isfinite(best):
            raise BenchError(
                f"reward: no validation loss is a number (lr={recipe.lr:g}). Train with a lower lr."
            )
        model = trainer.model
        if isinstance(recipe, Lora):
            model = model.merge_and_unload()
        model.eval().save_pretrained(out)
        tokenizer.save_pretrained(out)
        metrics = _measured(classifiers.Classifier(model, reader, limit), held)
    about = data.about(LIBRARIES) | {
        "form": FORM,
        "base_revision": source.revision,
        "pairs": {"fitted": len(fitted), "held_out": len(held)},
        "metrics": {
            "what": "on the held-out prompts, on which the best step was chosen as well",
            "step": trainer.state.best_global_step,
            **metrics,
        },
        "validations": _history(trainer.state.log_history),
    }
    write_about(out, about)
    for old in out.glob(".training-*"):
        shutil.rmtree(old)


def _base(source: models.Model, recipe: Full, context: Context) -> tuple[Any, Any, Reader, int]:
    """Tokenizer and model with one output, which agree on a token to fill up with that ends no
    turn, and how they read. A head that the base lacks is drawn from the seed."""
    from transformers import set_seed

    set_seed(context.seed)
    tokenizer, model, _ = classifiers.read(source, context, "float32")
    config = model.config.get_text_config()
    ends = classifiers.ends(tokenizer, config)
    found = [i for i in (config.pad_token_id, tokenizer.pad_token_id) if i not in {None, *ends}]
    if found:
        tokenizer.pad_token = tokenizer.convert_ids_to_tokens(found[0])
    else:
        tokenizer.add_special_tokens({"pad_token": PAD})
        if len(tokenizer) > model.get_input_embeddings().num_embeddings:
            model.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    config.pad_token_id = tokenizer.pad_token_id
    reader = Reader(tokenizer, tokenizer.pad_token_id, source.reference)
    return tokenizer, model, reader, min(classifiers.limit_of(tokenizer, config), recipe.max_length)


def _pairs(
    items: Sequence[Item], reader: Reader, limit: int, recipe: Full, context: Context
) -> list[Pair]:
    found = []
    for item in items:
        for better, worse in pairs_of(item, recipe.pairs_per_item, context.seed):
            texts = (item.responses[i].text for i in (better, worse))
            found.append(Pair(*(reader.read(item.prompt, text) for text in texts)))
    short = [pair for pair in found if max(len(pair.better.ids), len(pair.worse.ids)) <= limit]
    if len(short) < len(found):
        context.say(f"{len(found) - len(short)} of {len(found)} pairs are over {limit} tokens")
    if not short:
        raise BenchError(
            f"reward: no pair is of at most {limit} tokens. Give a larger max_length, as far as "
            "the base reads that much."
        )
    return short


def _trainer(
    model: Any,
    tokenizer: Any,
    reader: Reader,
    pairs: tuple[list[Pair], list[Pair]],
    recipe: Full,
    work: Path,
    context: Context,
) -> Any:
    """TRL's trainer on pairs by their number: (fitted, held)."""
    from datasets import Dataset
    from peft import LoraConfig
    from transformers import EarlyStoppingCallback, PrinterCallback
    from trl import RewardTrainer

    class Trainer(RewardTrainer):  # type: ignore[misc]
        def _send_telemetry(self) -> None:
            """Nothing of a training leaves this machine."""

        def create_model_card(self, *_: Any, **__: Any) -> None:
            """Which would look for the base on the hub, at every checkpoint."""

    numbered: list[Pair] = [*pairs[0], *pairs[1]]

    def collated(rows: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
        chosen = [numbered[row["pair"]] for row in rows]
        return reader.inputs([p.better for p in chosen] + [p.worse for p in chosen], "cpu")

    def rows(start: int, count: int) -> Any:
        # The two columns tell the library that there is nothing to make tokens of.
        empty: list[list[int]] = [[]] * count
        numbers = list(range(start, start + count))
        return Dataset.from_dict({"pair": numbers, "chosen_ids": empty, "rejected_ids": empty})

    lora = None
    if isinstance(recipe, Lora):
        strength = 2 * recipe.rank
        # Of a model that is to give one number, the library trains the head whole.
        lora = LoraConfig(
            "SEQ_CLS", r=recipe.rank, lora_alpha=strength, target_modules="all-linear"
        )
    trainer = Trainer(
        model=model,
        args=_arguments(recipe, len(pairs[0]), work, context.seed),
        data_collator=collated,
        train_dataset=rows(0, len(pairs[0])),
        eval_dataset=rows(len(pairs[0]), len(pairs[1])),
        processing_class=tokenizer,
        callbacks=[_progress(context.say), EarlyStoppingCallback(recipe.patience)],
        peft_config=lora,
    )
    trainer.remove_callback(PrinterCallback)
    return trainer


def _arguments(recipe: Full, pairs: int, work: Path, seed: int) -> Any:
    import torch
    from trl import RewardConfig

    every = min(recipe.every, math.ceil(pairs / recipe.batch) * recipe.epochs)
    return RewardConfig(
        output_dir=str(work),
        num_train_epochs=recipe.epochs,
        learning_rate=recipe.lr,
        per_device_train_batch_size=recipe.batch,
        per_device_eval_batch_size=recipe.batch,
        eval_strategy="steps",
        eval_steps=every,
        save_strategy="steps",
        save_steps=every,
        save_total_limit=1,
        logging_steps=every,
        load_best_model_at_end=True,
        metric_for_best_model="eval_loss",
        greater_is_better=False,
        restore_callback_states_from_checkpoint=True,
        seed=seed,
        use_cpu=not torch.cuda.is_available(),
        bf16=False,
        gradient_checkpointing=False,
        max_length=None,
        remove_unused_columns=False,
        dataloader_pin_memory=False,
        disable_tqdm=True,
        report_to="none",
    )


def _progress(say: Callable[[str], None]) -> Any:
    """Tells of each validation, and sees to one after the last step."""
    from transformers import TrainerCallback

    class Progress(TrainerCallback):  # type: ignore[misc]
        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            if state.global_step >= state.max_steps:
                control.should_evaluate = True

        def on_evaluate(
            self, args: Any, state: Any, control: Any, metrics: Mapping[str, float], **_: Any
        ) -> None:
            # The library's accuracy is a mean over batches of unequal size, so it is not told.
            loss = metrics["eval_loss"]
            say(
                f"step {state.global_step} of at most {state.max_steps}: validation loss {loss:.4f}"
            )

    return Progress()


def _measured(model: classifiers.Classifier, pairs: Sequence[Pair]) -> dict[str, float]:
    """One conversation at a time, as the judge reads on a CPU."""

    def score(read: Sequenced) -> float:
        return model.scores([read])[0]

    margins = [score(pair.better) - score(pair.worse) for pair in pairs]
    return measured(margins, [1.0] * len(pairs))


def _history(log: Sequence[Mapping[str, float]]) -> list[dict[str, float]]:
    """One entry a validation, of what the trainer noted."""
    steps: dict[float, dict[str, float]] = {}
    names = {"loss": "training_loss", "eval_loss": "loss"}
    for entry in log:
        known = {new: round(entry[old], 4) for old, new in names.items() if old in entry}
        steps.setdefault(entry["step"], {"step": entry["step"]}).update(known)
    return [found for found in steps.values() if "loss" in found]
