"""The judge ``crossencoder``: a small encoder that reads prompt and both responses together.

It gives one number, the log-odds that the response in slot 1 is the better one. Since it sees which
response stands where, the order shown can sway it; how much, the bench measures. The model is a
sequence classifier with one output, such as sentence-transformers' CrossEncoder. The recipe is
judges.training.crossencoder.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property, partial
from itertools import islice
from typing import Any

from bench.kinds import kind
from bench.spec import Spec
from bench.types import (
    BenchError,
    Context,
    Judge,
    JudgeCard,
    Status,
    Trial,
    Usage,
    Verdict,
    failure,
    verdict,
)
from judges import classifiers, models
from judges.described import Described
from judges.engines.batches import Batches, Done
from judges.engines.decoding import NO_MEMORY, NOT_NUMBERS
from judges.engines.loading import DTYPES, GPU_BATCH_TOKENS
from judges.joint import CUTS, FORM, Joiner, Joint, inputs, limit_of
from judges.model_files import beside

ABOUT = "crossencoder.json"


@dataclass(frozen=True)
class Options(Described):
    """`revision`: commit of a hub id. `dtype`: of the weights. `batch_tokens`: in a batch, padding
    counted; 0: one input at a time; None: 0 on a CPU, many on a GPU."""

    revision: str | None = None
    dtype: str = "float32"
    batch_tokens: int | None = None

    def __post_init__(self) -> None:
        if self.dtype not in DTYPES:
            raise BenchError(f"crossencoder: dtype {self.dtype!r} is none of {', '.join(DTYPES)}")
        if self.batch_tokens is not None and self.batch_tokens < 0:
            raise BenchError(
                f"crossencoder: batch_tokens is {self.batch_tokens}; 0 or more expected"
            )


@dataclass(frozen=True, slots=True)
class _Loaded:
    model: Any
    joiner: Joiner
    batches: Batches


class CrossEncoderJudge(Judge):
    """A trained cross-encoder: `source`, with what its recipe wrote about it where there is any.

    Raises BenchError for a model that is none: two outputs, or no head for judging.
    """

    def __init__(self, spec: Spec, options: Options, source: models.Model, context: Context):
        models.need("torch", "transformers")
        self._source, self._options, self._context = source, options, context
        config = beside(source, "config.json") or {}
        _check_config(config, source.reference)
        about = beside(source, ABOUT)
        about = {} if about is None else about
        _check_about(about, source.reference)
        self._at_most: int | None = about.get("max_tokens")
        self.training_prompts = frozenset(about.get("prompts", ()))
        card = JudgeCard(
            name=spec.label or spec.text,
            kind="crossencoder",
            protocols=("pairwise",),
            description="cross-encoder of prompt and both responses",
            model=about.get("base", source.reference),
            revision=source.revision,
            settings={"dtype": options.dtype, "form": FORM},
            parameters=source.parameters,
            trained=True,
            trained_on=tuple(about.get("asked", ())),
            context=self._at_most or config.get("max_position_embeddings"),
            cuts=CUTS,
        )
        self.card = options.on(card)

    def judge(self, trials: Iterable[Trial]) -> Iterator[Verdict]:
        """One verdict per trial; on a CPU in their order."""
        source = iter(trials)
        while window := list(islice(source, self._loaded.batches.window)):
            joints = [self._loaded.joiner.item(trial.item, trial.order) for trial in window]
            lengths = [len(joint.ids) for joint in joints]
            for done in self._loaded.batches.run(lengths, partial(self._logits, joints)):
                yield _verdict(window[done.index], joints[done.index], done)

    def close(self) -> None:
        """Free the model; it is loaded again when it is needed again."""
        if self.__dict__.pop("_loaded", None) is not None:
            import torch

            torch.cuda.empty_cache()  # does nothing where there is no GPU

    def _logits(self, joints: list[Joint], batch: list[int]) -> list[float]:
        import torch

        model = self._loaded.model
        with torch.inference_mode():
            given = inputs([joints[i] for i in batch], model.config, model.device)
            logits: list[float] = model(**given).logits[:, 0].tolist()
        return logits

    @cached_property
    def _loaded(self) -> _Loaded:
        import torch

        if self._context.threads is not None:
            torch.set_num_threads(self._context.threads)
        told = replace(self._context, remote_code=False)
        tokenizer, model, missing = classifiers.read(self._source, told, self._options.dtype)
        if missing:
            raise _no_head(self._source.reference, f"its weights lack {', '.join(missing)}")
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        model.eval().to(device)
        limit = limit_of(tokenizer, model.config, self._at_most)
        tokens = self._options.batch_tokens
        if tokens is None:
            tokens = GPU_BATCH_TOKENS if device.type == "cuda" else 0
        joiner = Joiner(tokenizer, limit, self._source.reference)
        return _Loaded(model, joiner, Batches(tokens, self._context.say))


def _verdict(trial: Trial, joint: Joint, done: Done[float]) -> Verdict:
    usage = Usage(prompt_tokens=len(joint.ids), latency_s=done.seconds)
    if done.value is None:
        return failure(trial, Status.ERROR, usage=usage, note=NO_MEMORY)
    if not math.isfinite(done.value):
        return failure(trial, Status.UNPARSED, usage=usage, note=NOT_NUMBERS)
    p = sigmoid(done.value)
    return verdict(
        trial,
        (p, 1 - p),
        confidence=max(p, 1 - p),
        raw=f"{done.value:.6g}",
        usage=usage,
        cut=joint.cut,
    )


def sigmoid(x: float) -> float:
    """1 / (1 + exp(-x)), without overflow."""
    return 1 / (1 + math.exp(-x)) if x >= 0 else math.exp(x) / (1 + math.exp(x))


def _check_config(config: Any, reference: str) -> None:
    if not isinstance(config, dict):
        raise BenchError(f"model {reference!r}: config.json holds no object")
    kinds = config.get("architectures") or ["none"]
    if not any(str(name).endswith("ForSequenceClassification") for name in kinds):
        raise _no_head(reference, f"config.json says {', '.join(map(str, kinds))}")
    labels = config.get("id2label") or {}
    outputs = config.get("num_labels", len(labels) or 2)  # 2 is what transformers leaves unsaid
    if outputs != 1:
        raise BenchError(
            f"model {reference!r} has {outputs} outputs; one expected, the log-odds that the "
            "response in slot 1 is better. A classifier of several classes does not say which of "
            "them that would be."
        )


def _no_head(reference: str, why: str) -> BenchError:
    return BenchError(
        f"model {reference!r} is an encoder without a trained head ({why}). Expected: a sequence "
        "classifier with one output. Train one on it: smallclaims train crossencoder --task TASK "
        f"--out models/NAME --option base={reference}"
    )


def _check_about(about: Any, reference: str) -> None:
    """What the recipe wrote is whole, or it wrote nothing."""
    if not isinstance(about, dict):
        raise BenchError(f"model {reference!r}: {ABOUT} holds no object. Train it again.")
    if not about:
        return
    kinds = {"form": str, "base": str, "max_tokens": int, "prompts": list, "asked": list}
    for name, type_ in kinds.items():
        value = about.get(name)
        texts = not isinstance(value, list) or all(isinstance(text, str) for text in value)
        if not isinstance(value, type_) or not texts:
            raise BenchError(
                f"model {reference!r}: {ABOUT} is damaged ({name} is {value!r}; "
                f"{'list of str' if type_ is list else type_.__name__} expected). Train it again."
            )
    if about["form"] != FORM:
        raise BenchError(
            f"model {reference!r} was trained on inputs of the form {about['form']!r}, and now it "
            f"is {FORM!r}. Train it again."
        )


@kind(
    trained=True,
    order_free=False,
    cost="this machine",
    extras=("local",),
    options={
        "crossencoder:MODEL": Options,
        "crossencoder:base=MODEL": "judges.training.crossencoder:Card",
    },
)
def make(spec: Spec, context: Context) -> Judge:
    """An encoder that reads both responses: crossencoder:FOLDER; without one, trained on first use.

    It is then trained on the training split of the run's tasks, and kept in the cache.

    Raises BenchError: no such model, not a classifier with one output, no base model, a task
    without training items.
    """
    if spec.argument:
        options = spec.settings(Options)
        source = models.find(spec.argument, options.revision)
        if source.path is not None and source.path.is_file():
            raise BenchError(f"{spec.text!r}: a model folder or a hub id expected, no GGUF file")
        return CrossEncoderJudge(spec, options, source, context)
    from judges.training.crossencoder import Card, trained_here

    card = spec.settings(Card)
    return CrossEncoderJudge(spec, card, models.find(str(trained_here(card, context))), context)
