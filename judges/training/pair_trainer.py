"""Fine-tuning of an encoder on pairs, by sentence-transformers' CrossEncoderTrainer.

The library's part is the loop: optimiser, schedule, checkpoints, early stopping, the best epoch.
Ours are the inputs, since its own tokenization lets special tokens in texts act and cuts only the
longer of two texts, and which rows an epoch shows.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from bench.types import BenchError
from judges.joint import inputs
from judges.training.loops import last_checkpoint, quiet
from judges.training.shown_pairs import Epochs, Rows

WARM_UP = 0.1  # share of the steps
_EVAL_BATCH = 32


@dataclass(frozen=True)
class Loop:
    """`base`: folder or hub id, `revision`: commit of a hub id. `swap`: see
    judges.training.shown_pairs. `epochs`: at most. `lr`: highest learning rate (AdamW, a tenth of
    the steps up to it, then down to 0 on a line). `batch`: rows in a step. `patience`: epochs
    without a higher share of right verdicts before it stops, on what it does not learn from."""

    base: str
    revision: str | None
    swap: str
    epochs: int
    lr: float
    batch: int
    patience: int
    seed: int


def fine_tune(
    loop: Loop, shown: Rows, held: Rows, work: Path, say: Callable[[str], None]
) -> tuple[Any, list[dict[str, float]]]:
    """The sentence-transformers CrossEncoder of the best epoch, and each epoch's training loss and
    validation loss, accuracy and flip rate (`held`, in both orders). Checkpoints go to `work`;
    where there is one, training goes on from it.

    The best epoch is that with the highest accuracy, which is what the bench scores: a slot that
    the model likes, whatever stands there, costs loss long before it decides a verdict.

    Raises BenchError for a base that does not load, and when no epoch gives numbers.
    """
    from datasets import Dataset
    from sentence_transformers.cross_encoder import CrossEncoderTrainer
    from transformers import EarlyStoppingCallback, PrinterCallback

    last = last_checkpoint(work)
    with quiet():
        model = _model(loop)
        trainer = CrossEncoderTrainer(
            model=model,
            args=_arguments(loop, shown.lengths, work),
            # The rows themselves are with the loss: texts as tokens are none of the library's.
            train_dataset=Dataset.from_dict(
                {"row": range(len(shown.labels)), "label": shown.labels}
            ),
            loss=_loss(model, shown),
            evaluator=[_measure(held, loop.epochs, say)],
            callbacks=[EarlyStoppingCallback(early_stopping_patience=loop.patience)],
        )
        trainer.remove_callback(PrinterCallback)
        trainer.train(resume_from_checkpoint=None if last is None else str(last))
    best = trainer.state.best_metric
    if best is None or not math.isfinite(best):
        raise BenchError(
            f"crossencoder: no epoch gives log-odds that are numbers (lr={loop.lr:g}). "
            "Train with a lower lr; if that does not help, the base is damaged."
        )
    return model, _history(trainer.state.log_history)


def _arguments(loop: Loop, lengths: Sequence[int], work: Path) -> Any:
    import torch
    from sentence_transformers.cross_encoder import CrossEncoderTrainingArguments

    return CrossEncoderTrainingArguments(
        output_dir=str(work),
        num_train_epochs=loop.epochs,
        learning_rate=loop.lr,
        warmup_steps=WARM_UP,
        per_device_train_batch_size=loop.batch,
        batch_sampler=partial(
            Epochs, batch=loop.batch, swap=loop.swap, lengths=lengths, shuffle=loop.seed
        ),
        eval_strategy="epoch",
        save_strategy="epoch",
        logging_strategy="epoch",
        save_total_limit=1,
        load_best_model_at_end=True,
        metric_for_best_model="eval_accuracy",
        greater_is_better=True,
        restore_callback_states_from_checkpoint=True,
        seed=loop.seed,
        use_cpu=not torch.cuda.is_available(),
        dataloader_pin_memory=False,
        disable_tqdm=True,
        report_to="none",
    )


def _model(loop: Loop) -> Any:
    """The base with a new head for one number, drawn from the seed."""
    from safetensors import SafetensorError
    from sentence_transformers import CrossEncoder
    from transformers import set_seed

    set_seed(loop.seed)
    try:
        model = CrossEncoder(
            loop.base,
            num_labels=1,
            revision=loop.revision,
            trust_remote_code=False,
            model_kwargs={"use_safetensors": True},
        )
    except (OSError, ValueError, ImportError, RuntimeError, SafetensorError) as error:
        raise BenchError(
            f"model {loop.base!r} does not load: {error} Expected: an encoder that transformers "
            "knows, weights as safetensors. Code from a model's repository is not run."
        ) from error
    # A page about the model would look for its base on the hub, at every checkpoint.
    model.save_pretrained = partial(model.save_pretrained, create_model_card=False)
    return model


def _loss(model: Any, rows: Rows) -> Any:
    """Binary cross-entropy of the log-odds, on rows by their number."""
    from torch import Tensor, nn

    class Loss(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model
            self.entropy = nn.BCEWithLogitsLoss()

        def forward(self, columns: list[list[int]], labels: Tensor, **_: Any) -> Any:
            # Not self.model: with several GPUs the library puts a wrapper there.
            return self.entropy(_logits(model, rows, columns[0]), labels.float())

    return Loss()


def _logits(model: Any, rows: Rows, wanted: Sequence[int]) -> Any:
    """(wanted,) log-odds that slot 1 is better."""
    given = inputs([rows.joints[row] for row in wanted], model.model.config, model.device)
    return model(given)["scores"].reshape(-1)


def _measure(
    rows: Rows, epochs: int, say: Callable[[str], None]
) -> Callable[..., dict[str, float]]:
    """What the trainer calls after each epoch: loss, accuracy over both orders, and share of pairs
    whose better response changes with the order."""

    def measure(model: Any, _path: str | None = None, epoch: float = 0, _steps: int = 0) -> Any:
        import numpy as np
        import torch

        model.eval()
        logits = np.zeros(len(rows.labels))
        by_length = sorted(range(len(logits)), key=rows.lengths.__getitem__)
        with torch.inference_mode():
            for start in range(0, len(by_length), _EVAL_BATCH):
                batch = by_length[start : start + _EVAL_BATCH]
                logits[batch] = _logits(model, rows, batch).double().cpu().numpy()
        found = scores(logits, np.array(rows.labels))
        say(
            f"epoch {epoch:g} of at most {epochs}: validation loss {found['loss']:.4f}, "
            f"{found['accuracy']:.1%} right, {found['flips']:.1%} of pairs flip"
        )
        return found

    return measure


def scores(logits: Any, labels: Any) -> dict[str, float]:
    """`logits`, `labels`: (rows,) as in Rows, both orders of a pair together."""
    import numpy as np

    signs = np.sign(logits)
    right = np.where(signs == 0, 0.5, (signs > 0) == (labels > 0))
    right[np.isnan(signs)] = math.nan
    with np.errstate(invalid="ignore"):  # a loss that is no number ends the training, told why
        loss = np.logaddexp(0, logits) - labels * logits
    return {
        "loss": float(np.mean(loss)),
        "accuracy": float(np.mean(right)),
        "flips": float(np.mean(signs[0::2] != -signs[1::2])),
    }


def _history(log: Sequence[Mapping[str, float]]) -> list[dict[str, float]]:
    """One entry an epoch, of what the trainer noted."""
    epochs: dict[float, dict[str, float]] = {}
    names = {"loss": "training_loss", "eval_loss": "loss"}
    names |= {f"eval_{name}": name for name in ("accuracy", "flips")}
    for entry in log:
        known = {new: round(entry[old], 4) for old, new in names.items() if old in entry}
        epochs.setdefault(entry["epoch"], {"epoch": entry["epoch"]}).update(known)
    return [found for found in epochs.values() if "loss" in found]
