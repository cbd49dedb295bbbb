"""The judge ``reward``: a reward model, which scores one response at a time.

It is a sequence classifier with one output, trained on preferences (Bradley-Terry): a preference is
a difference of two scores, so order cannot matter. A folder that holds a head on a frozen sentence
encoder is judged by judges.embedding. The recipe is judges.training.reward.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice
from pathlib import Path
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
from judges.classifiers import Classifier
from judges.described import Described
from judges.embedding import judge_of
from judges.engines.batches import Batches, Done
from judges.engines.decoding import NO_MEMORY, NOT_NUMBERS
from judges.engines.loading import DTYPES, GPU_BATCH_TOKENS
from judges.heads import ABOUT, holds_heads
from judges.model_files import beside
from judges.reward_input import FORM, Sequenced

ENGINES = ("transformers", "vllm")
TOO_LONG = "prompt and response are longer than the model reads"


@dataclass(frozen=True)
class Options(Described):
    """`revision`: commit of a hub id. `dtype`: of the weights. `max_length`: tokens that are read
    at most, None for as many as the model can. `pad`: token to fill batches up with, for a model
    that names none or its end of turn. `remote_code`: the model brings Python code that it needs;
    it runs only if the command says --remote-code, too. `engine`: transformers, or vllm, which
    takes many at once. `tensor_parallel`: GPUs that share the weights, by vllm. `api_base`: address
    of a vLLM server that has the model, for engine=vllm; the tokens are made here, by the files of
    MODEL, and dtype says what the server was started with. `served`: what the server calls the
    model, where that is not MODEL. `concurrency`: calls of a server in flight at most. `timeout`:
    seconds for one of them."""

    revision: str | None = None
    dtype: str = "float32"
    max_length: int | None = None
    pad: str | None = None
    remote_code: bool = False
    engine: str = "transformers"
    tensor_parallel: int = 1
    api_base: str | None = None
    served: str | None = None
    concurrency: int = 16
    timeout: float = 120.0

    def __post_init__(self) -> None:
        if self.dtype not in DTYPES:
            raise BenchError(f"reward: dtype {self.dtype!r} is none of {', '.join(DTYPES)}")
        if self.engine not in ENGINES:
            raise BenchError(f"reward: engine {self.engine!r} is none of {', '.join(ENGINES)}")
        if self.max_length is not None and self.max_length < 1:
            raise BenchError(f"reward: max_length is {self.max_length}; 1 or more expected")
        if (self.api_base or self.served) and not (self.api_base and self.engine == "vllm"):
            raise BenchError(
                "reward: a model behind a vLLM server is asked for by engine=vllm and "
                "api_base=http://HOST:PORT together, with served=NAME where its name differs"
            )
        if self.api_base is not None and self.usd_per_hour is not None:
            raise BenchError(
                "usd_per_hour: calls to a server overlap, so its hours are no sum of theirs. Leave "
                "it out, or run the model in this process"
            )


class RewardJudge(Judge):
    """The reward model `source`. `batch_tokens`: in a batch, padding counted; 0: one sequence at a
    time, so that a score is the same bits whatever is asked beside it; None: 0 on a CPU, many on a
    GPU.

    Raises BenchError for a model that is no reward model, before its weights are loaded.
    """

    def __init__(
        self,
        spec: Spec,
        options: Options,
        source: models.Model,
        context: Context,
        batch_tokens: int | None = None,
    ) -> None:
        models.need("torch", "transformers", extras="local")
        self._source, self._options, self._context = source, options, context
        self._batch_tokens = batch_tokens
        config = classifiers.check(source)
        about = _about(source)
        self.training_prompts = frozenset(about.get("prompts", ()))
        card = JudgeCard(
            name=spec.label or spec.text,
            kind="reward",
            protocols=("pointwise",),
            description="reward model",
            order_free=True,
            model=about.get("base", source.reference),
            revision=source.revision,
            settings={
                "form": FORM,
                "dtype": options.dtype,
                "max_length": options.max_length,
                "pad": options.pad,
            },
            parameters=source.parameters,
            trained=True,
            trained_on=tuple(about.get("asked", ())),
            context=options.max_length or config.get("max_position_embeddings"),
        )
        self.card = options.on(card)

    def judge(self, trials: Iterable[Trial]) -> Iterator[Verdict]:
        """One verdict per trial, as they come; see Judge."""
        source = iter(trials)
        while window := list(islice(source, self._batches.window)):
            ready: list[tuple[Trial, Sequenced]] = []
            for trial in window:
                read = self._loaded.reader.read(trial.item.prompt, trial.shown[0].text)
                if len(read.ids) > self._limit:
                    usage = Usage(prompt_tokens=len(read.ids))
                    yield failure(trial, Status.TRUNCATED, usage=usage, note=TOO_LONG)
                else:
                    ready.append((trial, read))
            lengths = [len(read.ids) for _, read in ready]
            compute = _Batch(self._loaded, [read for _, read in ready])
            for done in self._batches.run(lengths, compute):
                yield _verdict(*ready[done.index], done)

    def close(self) -> None:
        """Free the model; it is loaded again when it is needed again."""
        self.__dict__.pop("_batches", None)
        if self.__dict__.pop("_loaded", None) is not None:
            import torch

            torch.cuda.empty_cache()  # does nothing where there is no GPU

    @property
    def _limit(self) -> float:
        return min(self._loaded.limit, self._options.max_length or math.inf)

    @cached_property
    def _loaded(self) -> Classifier:
        options = self._options
        agreed = models.may_run_code(
            options.remote_code, self._context.remote_code, self._source.reference
        )
        return classifiers.load(
            self._source, replace(self._context, remote_code=agreed), options.dtype, options.pad
        )

    @cached_property
    def _batches(self) -> Batches:
        tokens = self._batch_tokens
        if tokens is None:
            tokens = GPU_BATCH_TOKENS if self._loaded.device.type == "cuda" else 0
        return Batches(tokens, self._context.say)


@dataclass(frozen=True, slots=True)
class _Batch:
    """Scores of some of these sequences, by their indices."""

    loaded: Classifier
    sequences: list[Sequenced]

    def __call__(self, batch: list[int]) -> list[float]:
        return self.loaded.scores([self.sequences[i] for i in batch])


def _verdict(trial: Trial, read: Sequenced, done: Done[float]) -> Verdict:
    usage = Usage(prompt_tokens=len(read.ids), latency_s=done.seconds)
    if done.value is None:
        return failure(trial, Status.ERROR, usage=usage, note=NO_MEMORY)
    if not math.isfinite(done.value):
        return failure(trial, Status.UNPARSED, usage=usage, note=NOT_NUMBERS)
    raw = f"{done.value:.6g}" + (f" ({done.note})" if done.note else "")
    return verdict(trial, [done.value], raw=raw, usage=usage)


def _about(source: models.Model) -> Mapping[str, Any]:
    """What the recipe wrote of the model; nothing where somebody else trained it."""
    about = beside(source, ABOUT)
    if about is None:
        return {}
    lists = isinstance(about, dict) and isinstance(about.get("asked"), list)
    if not lists or not isinstance(about.get("prompts"), list):
        raise BenchError(
            f"model {source.reference!r}: {ABOUT} is damaged; prompts and asked, two lists, "
            "expected. Train it again."
        )
    if about.get("form") != FORM:
        raise BenchError(
            f"model {source.reference!r} was trained on inputs of the form {about.get('form')!r}, "
            f"and now it is {FORM!r}. Train it again."
        )
    return dict(about)


@kind(
    trained=True,
    order_free=True,
    cost="this machine",
    extras=("local",),
    options={"reward:MODEL": Options, "reward:base=MODEL": "judges.training.reward:Card"},
)
def make(spec: Spec, context: Context) -> Judge:
    """A reward model: reward:FOLDER or reward:OWNER/NAME; with base=, trained on first use.

    It is then a head on the frozen base, fitted to the training split of the run's tasks.

    Raises BenchError: no such model, none with one output, no trained head, a bad option.
    """
    if not spec.argument and "base" in spec.options:
        from judges.training.reward import Card, trained_here

        card = spec.settings(Card)
        return judge_of(spec, card, trained_here(card, context), context)
    if not spec.argument:
        raise BenchError(
            f"{spec.text!r} names no reward model; reward:FOLDER or reward:OWNER/NAME expected. "
            "Make one: smallclaims train reward --task TASK --out models/NAME"
        )
    folder = Path(spec.argument).expanduser()
    if holds_heads(folder):
        return judge_of(spec, spec.settings(Described), folder, context)
    options = spec.settings(Options)
    source = models.find(spec.argument, options.revision)
    if options.engine == "vllm":
        from judges.reward_vllm import VllmRewardJudge

        return VllmRewardJudge(spec, options, source, context)
    return RewardJudge(spec, options, source, context)
