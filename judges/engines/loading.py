"""A causal language model and its tokenizer, brought into memory by transformers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.types import BenchError, Context
from judges import models
from judges.engines.chat import ChatTokens

DTYPES = ("float32", "bfloat16", "float16")
ATTENTION = ("sdpa", "eager", "flash_attention_2")
GPU_BATCH_TOKENS = 16_384


@dataclass(frozen=True, slots=True)
class Loaded:
    """`limit`: tokens that the model reads at most. `stops`: tokens that end what it writes.
    `batch_tokens`: see TransformersEngine, by now a number."""

    model: Any
    chat: ChatTokens
    device: Any
    limit: int
    stops: frozenset[int]
    batch_tokens: int


def load(
    source: models.Model,
    context: Context,
    *,
    dtype: str,
    attention: str,
    remote_code: bool,
    batch_tokens: int | None,
) -> Loaded:
    """`source` on the GPU where there is one. Code from its repository runs only where transformers
    has none for it and `remote_code` says so.

    Raises BenchError for a model that does not load, with the reason.
    """
    import torch
    from safetensors import SafetensorError
    from transformers.utils import logging

    if context.threads is not None:
        torch.set_num_threads(context.threads)
    whole = source.base or source
    folder = whole.folder(context.cache, context.say)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    # To transformers a folder has no revision.
    where = {} if Path(folder).is_dir() else {"revision": whole.revision}
    how = {"dtype": getattr(torch, dtype), "attn_implementation": attention}
    logging.disable_progress_bar()
    try:
        tokenizer, model = _read(folder, where, how, remote_code, source.reference)
        if source.base is not None:
            tokenizer, model = _adapted(source, tokenizer, model)
    except (OSError, ValueError, ImportError, RuntimeError, SafetensorError) as error:
        raise BenchError(
            f"model {source.reference!r} does not load: {error} Expected: a causal language model "
            "with its tokenizer, weights as safetensors, and an attention that it has "
            f"({', '.join(ATTENTION)})."
        ) from error
    model.eval().to(device)
    limit = getattr(model.config.get_text_config(), "max_position_embeddings", None) or math.inf
    limit = int(min(limit, tokenizer.model_max_length))
    if batch_tokens is None:
        batch_tokens = GPU_BATCH_TOKENS if device.type == "cuda" else 0
    chat = ChatTokens(tokenizer, source.reference)
    return Loaded(model, chat, device, limit, _stops(model, tokenizer), batch_tokens)


def _read(
    folder: str, where: dict[str, str], how: dict[str, Any], agreed: bool, reference: str
) -> tuple[Any, Any]:
    """Tokenizer and model. Raises BenchError where they need code of their own and the user did not
    agree to run any."""
    try:
        # False in so many words: else the library asks on the terminal whether it may run it.
        return _trusting(False, folder, where, how)
    except ValueError as error:
        if "custom code" not in str(error):
            raise
        if not agreed:
            raise BenchError(
                f"model {reference!r} needs Python code that its repository brings, and nothing of "
                "it was run. Read that code; if you trust it, say remote_code=true and give "
                "--remote-code. A model of a kind that transformers knows needs none."
            ) from error
    return _trusting(True, folder, where, how)


def _trusting(
    trust: bool, folder: str, where: dict[str, str], how: dict[str, Any]
) -> tuple[Any, Any]:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=trust, **where)
    model = AutoModelForCausalLM.from_pretrained(
        folder, use_safetensors=True, trust_remote_code=trust, **where, **how
    )
    return tokenizer, model


def _adapted(source: models.Model, tokenizer: Any, model: Any) -> tuple[Any, Any]:
    """The base with the adapter of `source` in its weights, and the adapter's own tokenizer where
    it has one."""
    from peft import PeftModel
    from transformers import AutoTokenizer

    folder = str(source.path)
    if (Path(folder) / "tokenizer_config.json").is_file():
        tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
    return tokenizer, PeftModel.from_pretrained(model, folder).merge_and_unload()


def _stops(model: Any, tokenizer: Any) -> frozenset[int]:
    """The tokenizer's end of turn, and those that the model was published with."""
    own = getattr(model.generation_config, "eos_token_id", None)
    found = own if isinstance(own, list) else [own]
    return frozenset(i for i in (*found, tokenizer.eos_token_id) if i is not None)
