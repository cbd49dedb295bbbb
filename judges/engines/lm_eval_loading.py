"""A model of lm-eval (EleutherAI), from its type and its arguments.

lm-eval knows three dozen types of model. What it loads into this process is held to safetensors and
to no code of its own; types that cannot be held to that are refused, and so are weights beside the
model's, whose revision nobody would know.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from typing import Any
from urllib.parse import urlsplit

from bench.types import BenchError, Context
from judges import models

_TRANSFORMERS = frozenset(
    ("hf", "hf-auto", "huggingface", "hf-multimodal", "hf-mistral3", "hf-audiolm-qwen")
)
_SERVING = frozenset(("vllm", "vllm-vlm", "sglang"))
_SERVERS = frozenset(
    (
        "local-completions",
        "local-chat-completions",
        "openai-completions",
        "openai-chat-completions",
        "anthropic-completions",
        "anthropic-chat-completions",
        "litellm",
        "litellm-chat",
        "litellm-chat-completions",
        "sglang-generate",
        "ggml",
        "gguf",
        "textsynth",
        "dummy",
    )
)
_KNOWN = _TRANSFORMERS | _SERVING | _SERVERS
_SECRET = re.compile(r"key|token$|secret|password|header|auth", re.I)
_MERGE = "merge it into the model's folder first, as safetensors"
_REFUSED = {
    "trust_remote_code": "code from a model's repository is not run",
    **dict.fromkeys(("peft", "delta", "autogptq", "gptqmodel"), _MERGE),
}


@dataclass(frozen=True)
class LmEvalModel:
    """`type`: a name of lm-eval's, such as hf. `args`: name=value, as for its --model_args.

    Raises BenchError for what is missing, unknown or refused.
    """

    type: str
    args: tuple[str, ...]

    def __post_init__(self) -> None:
        if find_spec("lm_eval") is None:
            raise BenchError(
                "judges that run on lm-eval need it: pip install 'smallclaims[lm-eval]'"
            )
        import lm_eval.models  # noqa: F401  (fills the registry)
        from lm_eval.api.registry import get_model, model_registry

        if self.type not in model_registry:
            types = ", ".join(sorted(model_registry.keys()))
            raise BenchError(f"lm-eval has no type of model {self.type!r}. Types: {types}")
        # A plug-in's type is its user's own code; of lm-eval's own, these are held to the rules.
        if self.type not in _KNOWN and get_model(self.type).__module__.startswith("lm_eval."):
            known = ", ".join(sorted(_KNOWN & set(model_registry.keys())))
            raise BenchError(
                f"lm-eval's {self.type!r} may load pickled weights, which can run code. Save the "
                f"model as safetensors and take hf or vllm. Types that are used here: {known}"
            )
        names = [arg.partition("=")[0] for arg in self.args]
        for name, arg in zip(names, self.args, strict=True):
            if not name or "=" not in arg or names.count(name) > 1:
                raise BenchError(f"args: {arg!r}; NAME=VALUE expected, each name once, joined by +")
            if name in _REFUSED:
                raise BenchError(f"args: {name} is refused: {_REFUSED[name]}")
            if _SECRET.search(name) or "@" in urlsplit(arg.partition("=")[2]).netloc:
                raise BenchError(
                    f"args: {name} may hold a secret, and args stand in tables. Keys belong in the "
                    "environment, where lm-eval finds them"
                )
        if self.source is not None and self.source.base is not None:
            raise BenchError(f"args: {self.given['pretrained']} is an adapter; {_MERGE}")

    @property
    def by_transformers(self) -> bool:
        """lm-eval loads it into this process with transformers."""
        return self.type in _TRANSFORMERS

    @property
    def given(self) -> dict[str, str]:
        """The arguments by name."""
        return dict(arg.split("=", 1) for arg in self.args)

    @cached_property
    def source(self) -> models.Model | None:
        """Where the weights come from; None where they are not loaded here."""
        if self.type not in _TRANSFORMERS | _SERVING or "pretrained" not in self.given:
            return None
        return models.find(self.given["pretrained"], self.given.get("revision"))

    def load(self, context: Context) -> Any:
        """An instance of lm-eval's LM. Raises BenchError when it does not load."""
        from lm_eval.api.registry import get_model
        from lm_eval.utils import handle_arg_string

        given = {name: handle_arg_string(value) for name, value in self.given.items()}
        if self.source is not None:
            given["pretrained"] = self.source.folder(context.cache, context.say)
            given |= {} if self.source.path else {"revision": self.source.revision}
        if self.type in _SERVING:
            given["load_format"] = "safetensors"
        if self.by_transformers:
            given = {"device": _device(context.threads), **given, "use_safetensors": True}
        try:
            return get_model(self.type).create_from_arg_obj(given)
        except Exception as error:  # of three dozen libraries
            raise BenchError(
                f"lm-eval's {self.type!r} does not load with {' '.join(self.args) or 'no args'} "
                f"({type(error).__name__}: {error}). `lm_eval run --model {self.type}` takes the "
                "same arguments."
            ) from error


def _device(threads: int | None) -> str:
    import torch
    from transformers.utils import logging

    logging.disable_progress_bar()
    if threads is not None:
        torch.set_num_threads(threads)
    return "cuda" if torch.cuda.is_available() else "cpu"
