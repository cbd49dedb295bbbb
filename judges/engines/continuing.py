"""Given responses read on: how sure the model is of each token, and what it would say next."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from bench.types import Status, Usage
from judges.engines.batches import within_memory
from judges.engines.decoding import NO_MEMORY, NOT_NUMBERS, NotNumbersError, write
from judges.engines.loading import Loaded
from judges.engines.response_scores import Given, Tokens, over_pieces
from judges.engines.sampling import Sampling
from judges.engines.segments import Segments

TOO_LONG = "prompt, response and what would follow are longer than the model reads"


@dataclass(frozen=True, slots=True)
class Continued:
    """`response`: its tokens. `disparities`: before each of them, the probability of the model's
    most probable next token less that of the second. `answer`: the tokens that it then wrote.
    `spelt`: each token as text, special ones empty. `failed`: the status when there is none of
    these, with `note` why."""

    response: tuple[int, ...] = ()
    disparities: tuple[float, ...] = ()
    answer: tuple[int, ...] = ()
    spelt: Mapping[int, str] = field(default_factory=dict)
    failed: Status | None = None
    note: str = ""
    usage: Usage = Usage()  # noqa: RUF009  (frozen)


def continued(
    loaded: Loaded, segments: Segments, given: Given, cue: str, max_tokens: int
) -> Continued:
    """Read the response, then `cue`, then write up to `max_tokens`, the most probable each time.
    An empty response is not read. The same bits whatever was read before."""
    start = time.perf_counter()
    chat = loaded.chat
    tokens = Tokens(chat.conversation(given.conversation), chat.text(given.text))
    after = chat.text(cue)
    total = tokens.total + len(after)
    if not tokens.answer:
        return Continued(usage=Usage(prompt_tokens=0, completion_tokens=0))
    if total + max_tokens > loaded.limit:
        usage = Usage(prompt_tokens=total, completion_tokens=0)
        return Continued(failed=Status.TRUNCATED, note=TOO_LONG, usage=usage)
    try:
        found = within_memory(partial(_read_on, loaded, segments, tokens, after, max_tokens))
    except NotNumbersError:
        return _failed(Status.UNPARSED, NOT_NUMBERS, total, start)
    if found is None:
        return _failed(Status.ERROR, NO_MEMORY, total, start)
    disparities, answer = found
    spelt = {token: chat.spelt([token]) for token in {*tokens.answer, *answer}}
    usage = Usage(total, None, len(answer), None, time.perf_counter() - start)
    return Continued(tuple(tokens.answer), disparities, answer, spelt, usage=usage)


def _read_on(
    loaded: Loaded, segments: Segments, tokens: Tokens, after: list[int], max_tokens: int
) -> tuple[tuple[float, ...], tuple[int, ...]]:
    first = tokens.question[:-1]
    past = segments.begin(first)
    pieces = over_pieces(segments, loaded, tokens, past, _disparities)
    disparities = tuple(value for piece in pieces for value in piece)
    if not all(map(math.isfinite, disparities)):
        raise NotNumbersError
    rest = [*tokens.answer[-1:], *after]
    written = write(loaded, rest, past, Sampling(0.0, max_tokens), 0)
    segments.keep(first, past)
    return disparities, tuple(written.tokens)


def _disparities(logits: Any, _: Any) -> list[float]:
    top = logits.float().softmax(-1).topk(2).values
    found: list[float] = (top[:, 0] - top[:, 1]).tolist()
    return found


def _failed(status: Status, note: str, total: int, start: float) -> Continued:
    usage = Usage(prompt_tokens=total, latency_s=time.perf_counter() - start)
    return Continued(failed=status, note=note, usage=usage)
