"""A sequence classifier with one output, brought into memory by transformers: what is checked
before, and what it scores."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.types import BenchError, Context
from judges import models
from judges.model_files import beside
from judges.reward_input import Reader, Sequenced

PAD = (
    "Such a model is scored at the last token that is not padding, which cannot be told from the "
    "end of a turn. Name a token of its vocabulary that no text holds: pad=TOKEN, or set "
    "pad_token_id in config.json"
)


@dataclass(frozen=True, slots=True)
class Classifier:
    """`limit`: tokens that it reads at most."""

    model: Any
    reader: Reader
    limit: int

    @property
    def device(self) -> Any:
        """Where the model is."""
        return self.model.device

    def scores(self, batch: Sequence[Sequenced]) -> list[float]:
        """One score per sequence, read together."""
        import torch

        with torch.inference_mode():
            logits = self.model(**self.reader.inputs(batch, self.device)).logits
            found: list[float] = logits[:, 0].float().tolist()
        return found


def check(source: models.Model) -> Mapping[str, Any]:
    """The configuration of `source`, read before its weights are.

    Raises BenchError for what is no sequence classifier with one output, and for one that fills
    batches up with its end of turn.
    """
    if source.base is not None or (source.path is not None and source.path.is_file()):
        what = "a GGUF file" if source.base is None else "an adapter alone"
        raise BenchError(
            f"model {source.reference!r} is {what}. A reward model is expected as a whole model "
            "folder or a hub id."
        )
    config = beside(source, "config.json")
    if not isinstance(config, dict):
        raise BenchError(f"model {source.reference!r} has no config.json that is an object")
    kinds = config.get("architectures") or ["nothing"]
    if not any(str(name).endswith("ForSequenceClassification") for name in kinds):
        raise no_head(source, f"config.json says {', '.join(map(str, kinds))}")
    # Two outputs is what transformers leaves unsaid.
    outputs = config.get("num_labels", len(config.get("id2label") or ()) or 2)
    if outputs != 1:
        raise BenchError(
            f"model {source.reference!r} has {outputs} outputs. A reward model has one, the score "
            "of a response; which of several classes is better, a classifier does not say."
        )
    return config


def load(source: models.Model, context: Context, dtype: str, pad: str | None) -> Classifier:
    """`source` on the GPU where there is one. `pad`: the token to fill batches up with, where the
    model names none.

    Raises BenchError for a model that does not load, one without a trained head, no usable padding.
    """
    import torch

    if context.threads is not None:
        torch.set_num_threads(context.threads)
    tokenizer, model, missing = read(source, context, dtype)
    if missing:
        raise no_head(source, f"its weights lack {', '.join(missing)}")
    config = model.config.get_text_config()
    config.pad_token_id = pad_id(tokenizer, config, pad, source.reference)
    config.use_cache = False
    model.eval().to("cuda" if torch.cuda.is_available() else "cpu")
    return Classifier(
        model,
        Reader(tokenizer, config.pad_token_id, source.reference),
        limit_of(tokenizer, config),
    )


def read(source: models.Model, context: Context, dtype: str) -> tuple[Any, Any, list[str]]:
    """Tokenizer, model with one output, and the names of weights that the files lack: those are
    made up. Code from the model's repository runs only where transformers has none for it and the
    user agreed.

    Raises BenchError for a model that does not load, and one whose code the user did not agree to.
    """
    from safetensors import SafetensorError
    from transformers.utils import logging

    name = source.folder(context.cache, context.say)
    logging.disable_progress_bar()
    try:
        # False in so many words: else the library asks on the terminal whether it may run it.
        return _trusting(False, name, source, dtype)
    except (OSError, ValueError, ImportError, RuntimeError, SafetensorError) as error:
        if "custom code" not in str(error):
            raise BenchError(
                f"model {source.reference!r} does not load: {error} Expected: a model that "
                "transformers knows as a sequence classifier, with its tokenizer, weights as "
                "safetensors."
            ) from error
        if not context.remote_code:
            raise BenchError(
                f"model {source.reference!r} needs Python code that its repository brings, and "
                "nothing of it was run. Read that code; if you trust it, say remote_code=true and "
                "give --remote-code."
            ) from error
    return _trusting(True, name, source, dtype)


def _trusting(
    trust: bool, name: str, source: models.Model, dtype: str
) -> tuple[Any, Any, list[str]]:
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    where = {} if source.path else {"revision": source.revision}  # a folder has no revision
    tokenizer = AutoTokenizer.from_pretrained(name, trust_remote_code=trust, **where)
    model, told = AutoModelForSequenceClassification.from_pretrained(
        name,
        num_labels=1,
        use_safetensors=True,
        dtype=getattr(torch, dtype),
        trust_remote_code=trust,
        output_loading_info=True,
        **where,
    )
    return tokenizer, model, sorted(told["missing_keys"])


def pad_id(tokenizer: Any, config: Any, pad: str | None, reference: str) -> int:
    """The id to fill batches up with: of `pad`, else the configuration's, else the tokenizer's.

    Raises BenchError where there is none, or where it ends turns as well.
    """
    found = config.pad_token_id if config.pad_token_id is not None else tokenizer.pad_token_id
    if pad is not None:
        found = tokenizer.get_vocab().get(pad)
        if found is None:
            raise BenchError(f"model {reference!r}: its vocabulary has no token {pad!r}")
    if found is None:
        raise BenchError(f"model {reference!r} names no token to fill batches up with. {PAD}.")
    if found in ends(tokenizer, config):
        token = tokenizer.convert_ids_to_tokens(found)
        raise BenchError(
            f"model {reference!r} fills batches up with {token!r}, which also ends turns. {PAD}."
        )
    return int(found)


def ends(tokenizer: Any, config: Any) -> frozenset[int]:
    """Ids that end a turn."""
    found = config.eos_token_id
    several = found if isinstance(found, list) else [found]
    return frozenset(i for i in (*several, tokenizer.eos_token_id) if i is not None)


def limit_of(tokenizer: Any, config: Any) -> int:
    """Tokens that a model reads at most."""
    positions = getattr(config, "max_position_embeddings", None) or math.inf
    return int(min(positions, tokenizer.model_max_length))


def no_head(source: models.Model, why: str) -> BenchError:
    """The error for a model that nobody trained to score."""
    return BenchError(
        f"model {source.reference!r} is no sequence classifier with a trained head ({why}). "
        "Expected: a reward model. Train one on it: smallclaims train reward --task TASK --out "
        f"models/NAME --option base={source.reference}"
    )
