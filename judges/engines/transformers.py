"""A model of this machine by transformers: letter probabilities and hidden states, no decoding.

On a CPU one sequence is run at a time: a batch is no faster there (measured: within 10 %), and so
a score cannot depend on what else happened to be asked with it, also when a run is resumed. On a
GPU sequences of similar length share a batch, padded on the right.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.types import BenchError, Context, Message
from judges import models
from judges.engines.chat import ChatTokens

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

DTYPES = ("float32", "bfloat16", "float16")
WINDOW = 256  # conversations whose lengths are compared to make batches
GPU_BATCH_TOKENS = 16_384
MAX_BATCH = 64  # sequences; bounds the logits, which are as wide as the vocabulary


@dataclass(frozen=True, slots=True)
class Scores:
    """`logprobs`: per letter, the log of the summed probability of its spellings ("A", " A") as
    the next token. `prompt_tokens`: length before any cut. `truncated`: only the end was read."""

    logprobs: tuple[float, ...]
    prompt_tokens: int
    truncated: bool


@dataclass(frozen=True, slots=True)
class Pooled:
    """Hidden states of a response, given its prompt, averaged over its tokens and the end of turn.

    `states`: float32 (layers + 1, width): the embeddings, then what each block gives, the last
    after the model's final norm; None when prompt and response do not fit (nothing is computed).
    `tokens`: prompt and response. `seconds`: to compute it.
    """

    states: NDArray[np.float32] | None
    tokens: int
    seconds: float


class TransformersEngine:
    """`model`: a reference as in judges.models. `dtype`: of the weights. `batch_tokens`: tokens in
    a batch with its padding, 0 for one sequence at a time; None: 0 on a CPU, more on a GPU.

    Nothing heavy is loaded before the first score. Raises BenchError for a model that is not
    there, a dtype that is none, and missing libraries.
    """

    def __init__(
        self,
        model: str,
        context: Context,
        *,
        dtype: str = "float32",
        batch_tokens: int | None = None,
    ) -> None:
        if dtype not in DTYPES:
            raise BenchError(f"dtype {dtype!r} is none of {', '.join(DTYPES)}")
        models.need("torch", "transformers")
        self.dtype = dtype
        self._model, self._context = models.find(model), context
        self._batch_tokens = batch_tokens
        self._spellings: dict[str, list[int]] = {}
        self._prefix: tuple[tuple[int, ...], Any] | None = None

    @cached_property
    def revision(self) -> str:
        """See judges.models.Model.revision."""
        return self._model.revision

    @property
    def parameters(self) -> int | None:
        """Number of weights; None for a hub id."""
        return self._model.parameters

    def letter_logprobs(
        self, conversations: Sequence[Sequence[Message]], letters: Sequence[Sequence[str]]
    ) -> Iterator[Scores]:
        """Scores of the `letters` of each conversation, in the order of `conversations`, as they
        are computed. A conversation longer than the model reads loses its beginning.

        Raises BenchError for a letter that is no single token, or a model without chat template.
        """
        budget = self._loaded.batch_tokens
        for start in range(0, len(conversations), WINDOW):
            window = [
                self._loaded.chat.conversation(c) for c in conversations[start : start + WINDOW]
            ]
            kept = [ids[-self._loaded.limit :] for ids in window]
            done: dict[int, Scores] = {}
            waiting = 0
            for batch in _batches([len(ids) for ids in kept], budget):
                rows = self._next_token_logprobs([kept[i] for i in batch])
                for i, row in zip(batch, rows, strict=True):
                    values = tuple(self._score(row, letter) for letter in letters[start + i])
                    done[i] = Scores(values, len(window[i]), len(window[i]) > len(kept[i]))
                while waiting in done:
                    yield done.pop(waiting)
                    waiting += 1

    def pooled(self, prompt: Sequence[Message], text: str) -> Pooled:
        """Mean hidden states of the response `text` to `prompt`.

        The keys and values of the last prompt are kept, so its responses cost their own tokens
        only. The result is the same bits whether the prompt was kept or read again.
        """
        import torch

        start = time.perf_counter()
        question, answer = self._loaded.chat.conversation(prompt), self._loaded.chat.text(text)
        end = self._loaded.chat.end
        answer += [] if end is None else [end]
        total = len(question) + len(answer)
        if total > self._loaded.limit or not answer:
            return Pooled(None, total, time.perf_counter() - start)
        with torch.inference_mode():
            past = copy.deepcopy(self._read(tuple(question)))
            ids = torch.tensor([answer], device=self._loaded.device)
            out = self._loaded.model.base_model(
                input_ids=ids, past_key_values=past, use_cache=True, output_hidden_states=True
            )
            means = [layer[0].float().mean(0) for layer in out.hidden_states]
            states = torch.stack(means).cpu().numpy()
        return Pooled(states, total, time.perf_counter() - start)

    def close(self) -> None:
        """Free the model; it is loaded again when it is needed again."""
        self._prefix = None
        if self.__dict__.pop("_loaded", None) is not None:
            import torch

            torch.cuda.empty_cache()  # does nothing where there is no GPU

    @cached_property
    def _loaded(self) -> _Loaded:
        return _load(self._model, self._context, self.dtype, self._batch_tokens)

    def _read(self, question: tuple[int, ...]) -> Any:
        """Keys and values of the prompt; those of the last one are kept."""
        import torch

        if self._prefix is None or self._prefix[0] != question:
            ids = torch.tensor([question], device=self._loaded.device)
            out = self._loaded.model.base_model(input_ids=ids, use_cache=True)
            self._prefix = (question, out.past_key_values)
        return self._prefix[1]

    def _next_token_logprobs(self, batch: Sequence[Sequence[int]]) -> Any:
        """Log-probabilities (sequences, vocabulary), float32, after the last token of each."""
        import torch

        lengths = torch.tensor([len(ids) for ids in batch])
        padded = torch.zeros((len(batch), int(lengths.max())), dtype=torch.long)
        for row, ids in zip(padded, batch, strict=True):
            row[: len(ids)] = torch.tensor(ids)
        mask = (torch.arange(padded.shape[1]) < lengths[:, None]).long()
        ends, where = torch.unique(lengths - 1, return_inverse=True)
        device = self._loaded.device
        with torch.inference_mode():
            logits = self._loaded.model(
                input_ids=padded.to(device),
                attention_mask=mask.to(device),
                logits_to_keep=ends.to(device),
                use_cache=False,
            ).logits.float()
            last = logits[torch.arange(len(batch), device=device), where.to(device)]
            return last.log_softmax(-1).cpu()

    def _score(self, row: Any, letter: str) -> float:
        if letter not in self._spellings:
            found = [self._loaded.chat.text(spelling) for spelling in (letter, f" {letter}")]
            self._spellings[letter] = sorted({ids[0] for ids in found if len(ids) == 1})
            if not self._spellings[letter]:
                raise BenchError(
                    f"model {self._model.reference!r}: {letter!r} is no single token of it; "
                    "choose a prompt with other answer letters"
                )
        return float(row[self._spellings[letter]].logsumexp(0))


@dataclass(frozen=True, slots=True)
class _Loaded:
    model: Any
    chat: ChatTokens
    device: Any
    limit: int  # tokens that the model reads at most
    batch_tokens: int


def _load(source: models.Model, context: Context, dtype: str, batch_tokens: int | None) -> _Loaded:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from transformers.utils import logging as their_logging

    if context.threads is not None:
        torch.set_num_threads(context.threads)
    folder = source.folder(context.cache, context.say)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    # A folder has no revision for transformers, and is named as it is on this machine.
    revision = {} if Path(folder).is_dir() else {"revision": source.revision}
    their_logging.disable_progress_bar()
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, **revision)
        model = AutoModelForCausalLM.from_pretrained(
            folder, dtype=getattr(torch, dtype), use_safetensors=True, **revision
        )
    except (OSError, ValueError) as error:
        raise BenchError(
            f"model {source.reference!r} does not load: {error} Expected: a causal language model "
            "with its tokenizer, weights as safetensors, and no code of its own."
        ) from error
    model.eval().to(device)
    limit = getattr(model.config.get_text_config(), "max_position_embeddings", None) or math.inf
    if batch_tokens is None:
        batch_tokens = GPU_BATCH_TOKENS if device.type == "cuda" else 0
    limit = int(min(limit, tokenizer.model_max_length))
    return _Loaded(model, ChatTokens(tokenizer, source.reference), device, limit, batch_tokens)


def _batches(lengths: Sequence[int], budget: int) -> list[list[int]]:
    """Indices in batches of at most `budget` tokens, padding counted: similar lengths together,
    and the same batches for the same lengths. A budget of 0: one index a batch, in order."""
    if budget == 0:
        return [[i] for i in range(len(lengths))]
    batches: list[list[int]] = []
    for i in sorted(range(len(lengths)), key=lambda i: (lengths[i], i)):
        room = batches and len(batches[-1]) < MAX_BATCH
        if room and lengths[i] * (len(batches[-1]) + 1) <= budget:
            batches[-1].append(i)
        else:
            batches.append([i])
    return batches
