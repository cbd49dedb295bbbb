"""Embeddings of texts by a frozen sentence encoder, kept on disk by content: one file a text, so
that training, judging and further heads on the same encoder pay for each text once.

Each text is computed alone, so its embedding is the same bits whatever was asked before it.
"""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.types import BenchError, Context, content_key
from judges import models
from judges.engines.batches import alone
from judges.model_files import beside
from judges.one_text import utf8

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

READ_AS = "special tokens as characters, the end cut; 1"  # another way, another word


@dataclass(frozen=True, slots=True)
class Embedded:
    """`vector`: float32 (width,). `tokens`: that were read, special ones included. `cut`: the text
    has more. `seconds`: to compute it, the first time."""

    vector: NDArray[np.float32]
    tokens: int
    cut: bool
    seconds: float


class Sentences:
    """The encoder `model`, a reference as in judges.models to a model of sentence-transformers, at
    `commit` where it is a hub id. Embeddings are kept below ``cache/sentences``.

    Nothing heavy is loaded before the first text that is not kept. Raises BenchError for a model
    that is not there or no sentence encoder, and missing libraries.
    """

    def __init__(self, model: str, context: Context, commit: str | None = None) -> None:
        models.need("torch", "sentence_transformers")
        self._model, self._context = models.find(model, commit), context
        if not isinstance(beside(self._model, "modules.json"), list):
            raise BenchError(
                f"model {model!r} is no sentence encoder: it has no modules.json. Expected: a "
                "model folder or hub id of sentence-transformers."
            )
        _refuse_pickles(self._model)
        self._folder = context.cache / "sentences" / self.revision[:16]

    @property
    def revision(self) -> str:
        """See judges.models.Model.revision."""
        return self._model.revision

    @property
    def parameters(self) -> int | None:
        """Number of weights; None for a hub id."""
        return self._model.parameters

    @property
    def limit(self) -> int:
        """Tokens that are read of a text, special ones included. Loads the model."""
        return self._loaded.limit

    def embedded(self, text: str) -> Embedded:
        """A text's embedding. A file that cannot be read is made again. Raises NoMemoryError."""
        key = content_key(READ_AS, self.revision, text)
        path = self._folder / key[:2] / f"{key[2:]}.safetensors"
        found = _load(path)
        if found is None:
            found = self._compute(utf8(text))
            _save(path, found)
        return found

    def close(self) -> None:
        """Free the model; it is loaded again when it is needed again."""
        if self.__dict__.pop("_loaded", None) is not None:
            import torch

            torch.cuda.empty_cache()  # does nothing where there is no GPU

    def _compute(self, text: str) -> Embedded:
        import numpy as np

        loaded = self._loaded
        start = time.perf_counter()
        # One token over the limit is enough to tell that there are more.
        ids = loaded.encoder.tokenizer(
            loaded.prefix + text, truncation=True, max_length=loaded.limit + 1
        )["input_ids"]
        tokens, cut = min(len(ids), loaded.limit), len(ids) > loaded.limit
        encode = partial(loaded.encoder.encode, [text], show_progress_bar=False)
        vector = alone(encode, tokens)[0].astype(np.float32)
        return Embedded(vector, tokens, cut, time.perf_counter() - start)

    @cached_property
    def _loaded(self) -> _Loaded:
        import torch
        from safetensors import SafetensorError
        from sentence_transformers import SentenceTransformer
        from transformers.utils import logging

        if self._context.threads is not None:
            torch.set_num_threads(self._context.threads)
        logging.disable_progress_bar()
        source = self._model
        try:
            encoder = SentenceTransformer(
                str(source.path or source.reference),
                revision=None if source.path else source.revision,
                trust_remote_code=False,
                model_kwargs={"dtype": torch.float32, "use_safetensors": True},
            )
            # A special token that is spelt out in a text is read as ordinary characters.
            encoder.tokenizer.split_special_tokens = True
        except (
            OSError,
            ValueError,
            ImportError,
            RuntimeError,
            AttributeError,
            SafetensorError,
        ) as error:
            raise BenchError(
                f"model {source.reference!r} does not load: {error} Expected: a text encoder of "
                "sentence-transformers, weights as safetensors. Code from a model's repository is "
                "not run."
            ) from error
        limit = encoder.max_seq_length or encoder.tokenizer.model_max_length
        prefix = encoder.prompts.get(encoder.default_prompt_name or "", "")
        return _Loaded(encoder.eval(), int(limit), prefix)


@dataclass(frozen=True, slots=True)
class _Loaded:
    """`prefix`: what the encoder puts before every text."""

    encoder: Any
    limit: int
    prefix: str


def _refuse_pickles(source: models.Model) -> None:
    """Of a folder's modules; those of the model itself are refused where it is found."""
    for path in source.path.glob("*/pytorch_model.bin") if source.path else ():
        if not path.with_name("model.safetensors").is_file():
            raise BenchError(
                f"model {source.reference!r}: the weights of a module are pickled "
                f"({path.parent.name}/{path.name}), and reading a pickle can run any code. Weights "
                "in other formats are not loaded; save them as safetensors."
            )


def _load(path: Path) -> Embedded | None:
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        tensors = load(path.read_bytes())
        tokens, cut, seconds = tensors["usage"].tolist()
        return Embedded(tensors["vector"], int(tokens), bool(cut), seconds)
    except (FileNotFoundError, SafetensorError, KeyError, ValueError):
        return None


def _save(path: Path, embedded: Embedded) -> None:
    """Write all of it or nothing: to a file beside it first, then renamed."""
    import numpy as np
    from safetensors.numpy import save

    usage = np.array([embedded.tokens, embedded.cut, embedded.seconds], dtype=np.float64)
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(prefix=".", dir=path.parent, delete=False) as file:
        file.write(save({"vector": embedded.vector, "usage": usage}))
    Path(file.name).replace(path)
