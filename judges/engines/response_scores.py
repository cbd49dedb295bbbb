"""How probable given responses are under one model: log-probabilities of their tokens."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from bench.types import Status, Usage
from judges.engines.base import Conversation
from judges.engines.batches import padded
from judges.engines.loading import Loaded
from judges.engines.segments import Segments

PIECE = 256  # tokens of a response whose logits, as wide as the vocabulary, are held together

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Given:
    """A response that was not written here: `text`, as the answer to `conversation`."""

    conversation: Conversation
    text: str


@dataclass(frozen=True, slots=True)
class ResponseScore:
    """`logprob`: the sum over the response's tokens of log p(token | what comes before it), in
    nats. `tokens`: those of the text as ordinary characters, then the end of turn. `failed`: the
    status when there is no score. `note`: why, or beside a score that memory ran out in its batch.
    """

    logprob: float = 0.0
    tokens: tuple[int, ...] = ()
    failed: Status | None = None
    note: str = ""
    usage: Usage = Usage()  # noqa: RUF009  (frozen)


@dataclass(frozen=True, slots=True)
class Tokens:
    """A conversation and a response to it."""

    question: list[int]
    answer: list[int]

    @property
    def total(self) -> int:
        """Tokens of both."""
        return len(self.question) + len(self.answer)

    @property
    def read(self) -> list[int]:
        """What the model has read before the last token of the answer."""
        return [*self.question, *self.answer[:-1]]


def logprob_alone(segments: Segments, loaded: Loaded, tokens: Tokens) -> float:
    """The log-probability of one response, NaN where the model's are no numbers. The same bits
    whatever was read before; a question that was read last is not read again."""
    first = tokens.question[:-1]
    past = segments.begin(first)
    sums = over_pieces(segments, loaded, tokens, past, _summed)
    segments.keep(first, past)
    return sum(sums)


def over_pieces(
    segments: Segments,
    loaded: Loaded,
    tokens: Tokens,
    past: Any,
    reduce: Callable[[Any, Any], Value],
) -> list[Value]:
    """What `reduce` makes of each piece of the answer: of the logits (tokens, vocabulary) that
    foretell its tokens, and of those tokens. `past`: of the question without its last token."""
    import torch

    read, found = tokens.read[len(tokens.question) - 1 :], []
    for start in range(0, len(read), PIECE):
        ids = segments.ids(read[start:][:PIECE])
        with torch.inference_mode():
            logits = loaded.model(input_ids=ids, past_key_values=past, use_cache=True).logits[0]
            targets = torch.tensor(tokens.answer[start:][:PIECE], device=logits.device)
            found.append(reduce(logits, targets))
    return found


def logprobs_together(loaded: Loaded, batch: Sequence[Tokens]) -> list[float]:
    """As `logprob_alone`, of responses in one batch, padded on the right."""
    import torch

    ids, mask = padded([tokens.read for tokens in batch], loaded.device)
    spans = [(len(t.question) - 1, len(t.read)) for t in batch]
    lowest = min(start for start, _ in spans)
    with torch.inference_mode():
        logits = loaded.model(
            input_ids=ids,
            attention_mask=mask,
            logits_to_keep=torch.arange(lowest, ids.shape[1], device=loaded.device),
            use_cache=False,
        ).logits
        return [
            _summed(row[start - lowest : end - lowest], torch.tensor(t.answer, device=row.device))
            for row, t, (start, end) in zip(logits, batch, spans, strict=True)
        ]


def _summed(logits: Any, targets: Any) -> float:
    logprobs = logits.float().log_softmax(-1).gather(-1, targets[:, None])
    return float(logprobs.double().sum())
