"""The kinds of judge that are asked in words, one for each engine. Any of them takes any prompt."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Protocol, cast

from bench.kinds import kind
from bench.spec import Spec
from bench.types import BenchError, Context, Judge
from judges.engines.sampling import Sampling
from judges.models import may_run_code
from judges.prompt import load_prompt
from judges.prompted import Asking, how_to_read, model_of, prompted


@dataclass(frozen=True)
class ApiSettings(Asking):
    """Options of ``litellm:MODEL``. `temperature`, `max_tokens`: of what is written. `api_base`:
    address of a server of yours. `seed`: fixed, for servers that draw by it; None: the plan's,
    another for each call. `top_logprobs`: of the first token, asked for where probabilities are
    read. The rest changes no verdict and is no part of the identity. `timeout`: seconds for one
    call. `hedge`: seconds after which a call without an answer is made a second time; the first
    answer counts, both are charged. `concurrency`: calls in flight at most. `rpm`, `tpm`: requests
    and tokens a minute at most. `batch`: through the provider's batch API. `usd_per_mtok`: price of
    input, cached input and output, for a model without a list price."""

    temperature: float | None = 0.0
    max_tokens: int = 512
    seed: int | None = None
    api_base: str | None = None
    top_logprobs: int = 20
    timeout: float = 120.0
    hedge: float | None = None
    concurrency: int = 16
    rpm: int | None = None
    tpm: int | None = None
    batch: bool = False
    usd_per_mtok: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        _differing(self.k, self.temperature)
        if self.usd_per_hour is not None or self.usd_per_gpu_hour is not None:
            raise BenchError(
                "usd_per_hour, usd_per_gpu_hour: calls to a server overlap, so its hours are no "
                "sum of theirs. Give usd_per_mtok=IN+CACHED+OUT, or run the model in this process"
            )
        if self.batch and self.hedge is not None:
            raise BenchError("hedge: a batch is one job, not calls to be made twice; leave it out")
        price = self.usd_per_mtok
        if price is not None and (len(price) != 3 or not all(0 <= p < math.inf for p in price)):
            raise BenchError(
                f"usd_per_mtok is {price}; three numbers from 0 expected: INPUT+CACHED+OUTPUT in "
                "US dollars per million tokens, for example 2.5+1.25+10"
            )


@dataclass(frozen=True)
class HereSettings(Asking):
    """Options of every engine in this process. `temperature`, `max_tokens`: of what is written,
    where the verdict is read from text."""

    prompt: str = "choice-letter"
    temperature: float = 0.0
    max_tokens: int = 512

    def __post_init__(self) -> None:
        super().__post_init__()
        _differing(self.k, self.temperature)

    @property
    def sampling(self) -> Sampling:
        """As engines take it."""
        return Sampling(self.temperature, self.max_tokens)


@dataclass(frozen=True)
class LocalSettings(HereSettings):
    """Options of ``transformers:MODEL``. `revision`: commit of a hub id. `dtype`: of the weights.
    `remote_code`: the model needs Python code that its repository brings; it runs only if the user
    agrees on the command line, too."""

    revision: str | None = None
    dtype: str = "float32"
    remote_code: bool = False


@dataclass(frozen=True)
class VllmSettings(LocalSettings):
    """Options of ``vllm:MODEL``. `tensor_parallel`: GPUs that share the weights. `limit`: tokens
    that are read at most; None: what the model can. `constrained`: what is written is one of the
    prompt's answers and nothing else."""

    tensor_parallel: int = 1
    limit: int | None = None
    constrained: bool = False


@dataclass(frozen=True)
class GgufSettings(HereSettings):
    """Options of ``llama_cpp:FILE``; the weights are as the file has them. `limit`: tokens that are
    read at most; None: what the model can, up to 8,192."""

    limit: int | None = None


@dataclass(frozen=True)
class LmEvalSettings(HereSettings):
    """Options of ``lm_eval:TYPE``. `args`: lm-eval's arguments of the model, name=value."""

    args: tuple[str, ...] = ()


def _differing(k: int, temperature: float | None) -> None:
    if k > 1 and temperature == 0:
        raise BenchError(
            f"k is {k} and temperature 0: the calls would all say the same. Give temperature=1, or "
            "leave k out."
        )


@kind(
    trained=False,
    order_free=None,
    cost="per call",
    options={"litellm:PROVIDER/MODEL": ApiSettings},
)
def litellm(spec: Spec, context: Context) -> Judge:
    """Any model behind an API, through litellm: litellm:PROVIDER/MODEL.

    Raises BenchError for a missing key, an unknown provider or a bad option.
    """
    from judges.engines.litellm import LitellmEngine
    from judges.engines.litellm import Sampling as Asked
    from judges.engines.provider_batch import BatchEngine

    settings = spec.settings(ApiSettings)
    model = model_of(spec, "litellm:openai/NAME")
    prompt = load_prompt(settings.prompt)
    sampling = Asked(settings.temperature, settings.max_tokens, settings.seed, settings.api_base)
    top, timeout = settings.top_logprobs, settings.timeout
    engine: LitellmEngine | BatchEngine
    if settings.batch:
        folder = context.cache / "batches"
        engine = BatchEngine(
            model, sampling, folder=folder, say=context.say, top_logprobs=top, timeout_s=timeout
        )
    else:
        engine = LitellmEngine(
            model,
            sampling,
            concurrency=settings.concurrency,
            rpm=settings.rpm,
            tpm=settings.tpm,
            top_logprobs=top,
            timeout_s=timeout,
            hedge_s=settings.hedge,
        )
    own = {"engine": "litellm", **asdict(sampling)}
    if how_to_read(settings, prompt, "text") == "probabilities":
        own["top_logprobs"] = top
    judge = prompted(spec, model, settings, prompt, engine, "text", own)
    price = cast(tuple[float, float, float] | None, settings.usd_per_mtok)
    judge.card = replace(judge.card, paid=True, usd_per_mtok=price, price_share=engine.price_share)
    return judge


@kind(
    trained=None,
    order_free=None,
    cost="this machine",
    extras=("local",),
    options={"transformers:MODEL": LocalSettings},
)
def transformers(spec: Spec, context: Context) -> Judge:
    """A model of this machine by transformers: transformers:FOLDER, or a hub id.

    Raises BenchError for a model that is not there, or a prompt that cannot be read so.
    """
    from judges.engines.transformers import TransformersEngine

    settings = spec.settings(LocalSettings)
    model = model_of(spec, "transformers:FOLDER")
    engine = TransformersEngine(
        model,
        context,
        dtype=settings.dtype,
        commit=settings.revision,
        remote_code=may_run_code(settings.remote_code, context.remote_code, model),
        sampling=settings.sampling,
    )
    return _here(spec, model, settings, engine)


@kind(
    trained=None,
    order_free=None,
    cost="this machine",
    extras=("vllm",),
    options={"vllm:MODEL": VllmSettings},
)
def vllm(spec: Spec, context: Context) -> Judge:
    """A model of this machine by vLLM, whole batches: vllm:FOLDER, or a hub id.

    Raises BenchError as `transformers` does, and where vLLM cannot run.
    """
    from judges.engines.vllm import VllmEngine

    settings = spec.settings(VllmSettings)
    model = model_of(spec, "vllm:FOLDER")
    engine = VllmEngine(
        model,
        context,
        dtype=settings.dtype,
        commit=settings.revision,
        tensor_parallel=settings.tensor_parallel,
        limit=settings.limit,
        remote_code=may_run_code(settings.remote_code, context.remote_code, model),
        constrained=settings.constrained,
        sampling=settings.sampling,
    )
    return _here(spec, model, settings, engine)


@kind(
    trained=None,
    order_free=None,
    cost="this machine",
    extras=("llama-cpp",),
    options={"llama_cpp:FILE.gguf": GgufSettings},
)
def llama_cpp(spec: Spec, context: Context) -> Judge:
    """A GGUF file on this machine by llama.cpp: llama_cpp:FILE.gguf.

    Raises BenchError for a file that is not there or no GGUF, or a prompt that cannot be read so.
    """
    from judges.engines.llama_cpp import LlamaCppEngine

    settings = spec.settings(GgufSettings)
    model = model_of(spec, "llama_cpp:FILE.gguf")
    engine = LlamaCppEngine(model, context, limit=settings.limit, sampling=settings.sampling)
    return _here(spec, model, settings, engine)


@kind(
    trained=None,
    order_free=None,
    cost="this machine",
    extras=("lm-eval",),
    options={"lm_eval:TYPE": LmEvalSettings},
)
def lm_eval(spec: Spec, context: Context) -> Judge:
    """Any model that lm-eval knows: lm_eval:hf,args=pretrained=FOLDER+dtype=float32.

    Raises BenchError for a type or arguments that lm-eval does not know or that are refused.
    """
    from judges.engines.lm_eval import LmEvalEngine

    settings = spec.settings(LmEvalSettings)
    model = model_of(spec, "lm_eval:hf,args=pretrained=FOLDER")
    engine = LmEvalEngine(model, settings.args, context, sampling=settings.sampling)
    return _here(spec, model, settings, engine)


class _Here(Protocol):
    """An engine in this process, before it has loaded anything."""

    @property
    def revision(self) -> str | None: ...
    @property
    def parameters(self) -> int | None: ...
    @property
    def context(self) -> int | None: ...
    @property
    def settings(self) -> Mapping[str, Any]: ...


def _here(spec: Spec, model: str, settings: HereSettings, engine: _Here) -> Judge:
    """The judge that an engine in this process is: by default from probabilities, where the prompt
    is answered with one sign."""
    prompt = load_prompt(settings.prompt)
    written = how_to_read(settings, prompt, "probabilities") == "text"
    own = {"engine": spec.name, **engine.settings, **(asdict(settings.sampling) if written else {})}
    judge = prompted(spec, model, settings, prompt, cast(Any, engine), "probabilities", own)
    card = judge.card
    judge.card = replace(
        card,
        revision=engine.revision,
        parameters=card.parameters or engine.parameters,
        context=card.context or engine.context,
    )
    return judge
