"""A model of this machine by transformers: letter probabilities and hidden states, no decoding.

On a CPU one sequence is read at a time: a batch is no faster there, and this way a score is the
same to the last bit whatever was asked before it, also when a run is resumed. For hidden states
prompt and response are two segments, and a prompt that the response before had too is not read
again. On a GPU letter probabilities are computed for sequences of similar length together.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, partial
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
    the next token; empty when `truncated`: the prompt is longer than the model reads, so it was
    not read. `prompt_tokens`: its length."""

    logprobs: tuple[float, ...]
    prompt_tokens: int
    truncated: bool


@dataclass(frozen=True, slots=True)
class Pooled:
    """Hidden states of a response, given its prompt, averaged over its tokens and the end of turn.

    `states`: float32 (layers + 1, width): the embeddings, then what each block gives, that of the
    model's last block after its final norm; None when prompt and response are longer than the
    model reads. `tokens`: prompt and response. `seconds`: to compute it.
    """

    states: NDArray[np.float32] | None
    tokens: int
    seconds: float


class TransformersEngine:
    """`model`: a reference as in judges.models. `dtype`: of the weights. `batch_tokens`: tokens in
    a batch, padding counted; 0: one sequence at a time; None: 0 on a CPU, many on a GPU.

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
        self._kept = _Kept()

    @property
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
        are computed.

        Raises BenchError for a letter that is no single token, or a model without chat template.
        """
        for start in range(0, len(conversations), WINDOW):
            window = [self._loaded.chat.conversation(c) for c in conversations[start:][:WINDOW]]
            rows = self._next_token_logprobs(window)
            for ids, row, asked in zip(window, rows, letters[start:][:WINDOW], strict=True):
                scores = () if row is None else tuple(self._score(row, letter) for letter in asked)
                yield Scores(scores, len(ids), row is None)

    def pooled(self, prompt: Sequence[Message], text: str, layers: int | None = None) -> Pooled:
        """Mean hidden states of the response `text` to `prompt`.

        `layers`: the number of blocks that are wanted, all for None. Fewer are faster, and their
        states are the same bits.
        """
        import torch

        start = time.perf_counter()
        chat, base = self._loaded.chat, self._loaded.model.base_model
        question, answer = chat.conversation(prompt), chat.text(text)
        answer += [] if chat.end is None else [chat.end]
        total = len(question) + len(answer)
        if total > self._loaded.limit or not answer:
            return Pooled(None, total, time.perf_counter() - start)
        with torch.inference_mode(), _first_blocks(base, layers) as blocks:
            read = partial(base, output_hidden_states=True)
            out = self._continued([question, answer], read, blocks)
            means = [layer[0].float().mean(0) for layer in out.hidden_states]
            states = torch.stack(means).cpu().numpy()
        wanted = None if layers is None else layers + 1
        return Pooled(states[:wanted], total, time.perf_counter() - start)

    def close(self) -> None:
        """Free the model; it is loaded again when it is needed again."""
        self._kept = _Kept()
        if self.__dict__.pop("_loaded", None) is not None:
            import torch

            torch.cuda.empty_cache()  # does nothing where there is no GPU

    @cached_property
    def _loaded(self) -> _Loaded:
        return _load(self._model, self._context, self.dtype, self._batch_tokens)

    def _next_token_logprobs(self, window: Sequence[list[int]]) -> Iterator[Any]:
        """Per sequence, float32 log-probabilities over the vocabulary of the token after it; None
        for a sequence that is too long."""
        import torch

        rows: dict[int, Any] = {}
        lengths = {i: len(w) for i, w in enumerate(window) if len(w) <= self._loaded.limit}
        if self._loaded.batch_tokens:
            for batch in _batches(lengths, self._loaded.batch_tokens):
                with torch.inference_mode():
                    logits = self._batch_logits([window[i] for i in batch])
                    rows.update(zip(batch, logits.float().log_softmax(-1).cpu(), strict=True))
        for i, ids in enumerate(window):
            if i in lengths and i not in rows:
                with torch.inference_mode():
                    rows[i] = self._batch_logits([ids])[0].float().log_softmax(-1).cpu()
            yield rows.pop(i, None)

    def _continued(
        self, segments: list[list[int]], last: Callable[..., Any], blocks: int | None = None
    ) -> Any:
        """What `last` gives for the last segment, after those before it. `blocks`: how many run."""
        import torch

        kept, self._kept = self._kept, _Kept()  # empty, should anything go wrong from here on
        shared = kept.rewind(segments[:-1], blocks)
        past = kept.past if shared else None
        out: Any = None
        for i, segment in enumerate(segments[shared:], shared + 1):
            call = last if i == len(segments) else self._loaded.model.base_model
            ids = torch.tensor([segment], device=self._loaded.device)
            out = call(input_ids=ids, past_key_values=past, use_cache=True)
            past = out.past_key_values
        self._kept = _Kept(segments, past, blocks)
        return out

    def _batch_logits(self, batch: Sequence[list[int]]) -> Any:
        """Logits (sequences, vocabulary) after the last token of each, padded on the right."""
        import torch

        lengths = torch.tensor([len(ids) for ids in batch])
        padded = torch.zeros((len(batch), int(lengths.max())), dtype=torch.long)
        for row, ids in zip(padded, batch, strict=True):
            row[: len(ids)] = torch.tensor(ids)
        mask = (torch.arange(padded.shape[1]) < lengths[:, None]).long()
        ends, where = torch.unique(lengths - 1, return_inverse=True)
        device = self._loaded.device
        logits = self._loaded.model(
            input_ids=padded.to(device),
            attention_mask=mask.to(device),
            logits_to_keep=ends.to(device),
            use_cache=False,
        ).logits
        return logits[torch.arange(len(batch), device=device), where.to(device)]

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


@dataclass(frozen=True, slots=True)
class _Kept:
    """The segments read last, and the keys and values that `blocks` blocks have for them."""

    segments: Sequence[list[int]] = ()
    past: Any = None
    blocks: int | None = None

    def rewind(self, segments: Sequence[list[int]], blocks: int | None) -> int:
        """How many of the leading `segments` are here; what comes after them is forgotten."""
        shared = 0
        for mine, other in zip(self.segments, segments, strict=False):
            if mine != other or blocks != self.blocks:
                break
            shared += 1
        surplus = sum(map(len, self.segments[shared:]))
        if shared and surplus:
            self.past.crop(-surplus)
        return shared


def _load(source: models.Model, context: Context, dtype: str, batch_tokens: int | None) -> _Loaded:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from transformers.utils import logging

    if context.threads is not None:
        torch.set_num_threads(context.threads)
    folder = source.folder(context.cache, context.say)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    # To transformers a folder has no revision.
    revision = {} if Path(folder).is_dir() else {"revision": source.revision}
    logging.disable_progress_bar()
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
    limit = int(min(limit, tokenizer.model_max_length))
    if batch_tokens is None:
        batch_tokens = GPU_BATCH_TOKENS if device.type == "cuda" else 0
    return _Loaded(model, ChatTokens(tokenizer, source.reference), device, limit, batch_tokens)


@contextmanager
def _first_blocks(base: Any, layers: int | None) -> Iterator[int]:
    """Let only as many blocks run as `layers` need: one more, since the model's final norm falls
    on the last that runs. A model that does not heed its configuration here runs all of them."""
    config = base.config.get_text_config()
    everything = config.num_hidden_layers
    blocks = everything if layers is None else min(layers + 1, everything)
    config.num_hidden_layers = blocks
    try:
        yield blocks
    finally:
        config.num_hidden_layers = everything


def _batches(lengths: dict[int, int], budget: int) -> list[list[int]]:
    """Indices in batches of at most `budget` tokens, padding counted: similar lengths together,
    and the same batches for the same lengths."""
    batches: list[list[int]] = []
    for i in sorted(lengths, key=lambda i: (lengths[i], i)):
        room = batches and len(batches[-1]) < MAX_BATCH
        if room and lengths[i] * (len(batches[-1]) + 1) <= budget:
            batches[-1].append(i)
        else:
            batches.append([i])
    return batches
