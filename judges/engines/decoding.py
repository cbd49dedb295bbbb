"""Text, token by token, from one model in this process.

One sequence at a time: what is written for a request follows from the request and its seed, never
from what is asked beside it. Where many are to be written on a GPU, use an engine made for that.
"""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from bench.types import Status, Usage
from judges.engines.base import Reply, Request
from judges.engines.batches import within_memory
from judges.engines.loading import Loaded
from judges.engines.sampling import Sampling
from judges.engines.segments import Segments

TOO_LONG = "the prompt is longer than the model reads"
NO_MEMORY = "this sequence alone needs more memory than there is"
NOT_NUMBERS = "the model gave values that are no numbers"


class NotNumbersError(Exception):
    """The model gave NaN where a probability belongs."""


@dataclass(frozen=True, slots=True)
class Written:
    """`tokens`: without the one that ended it. `cut`: none did, the limit was reached."""

    tokens: Sequence[int]
    cut: bool


def reply(loaded: Loaded, segments: Segments, request: Request, sampling: Sampling) -> Reply:
    """The answer to one request; what fails is a Reply. A conversation that was read last is not
    read again."""
    start = time.perf_counter()
    ids = loaded.chat.conversation(request.conversation)
    room = loaded.limit - len(ids)
    if room < 1:
        return Reply("", True, Status.TRUNCATED, TOO_LONG, Usage(len(ids), completion_tokens=0))
    within = replace(sampling, max_tokens=min(sampling.max_tokens, room))
    try:
        written = within_memory(partial(_answer, loaded, segments, ids, within, request.seed))
    except NotNumbersError:
        usage = Usage(len(ids), latency_s=time.perf_counter() - start)
        return Reply("", False, Status.UNPARSED, NOT_NUMBERS, usage)
    if written is None:
        return Reply("", False, Status.ERROR, NO_MEMORY, Usage(len(ids)))
    count = len(written.tokens) + (not written.cut)  # the end of turn was written, too
    usage = Usage(len(ids), None, count, None, time.perf_counter() - start)
    return Reply(loaded.chat.spelt(written.tokens), written.cut, None, "", usage)


def _answer(
    loaded: Loaded, segments: Segments, ids: list[int], sampling: Sampling, seed: int
) -> Written:
    past = segments.begin(ids[:-1])
    written = write(loaded, ids[-1:], past, sampling, seed)
    segments.keep(ids[:-1], past)
    return written


def write(loaded: Loaded, ids: Sequence[int], past: Any, sampling: Sampling, seed: int) -> Written:
    """What the model writes after `past` and `ids` (not empty), until it ends its turn, up to
    `sampling.max_tokens`; `past` is written on.

    The draw is by inversion of the distribution, one uniform number of `random.Random(seed)` a
    token, so that a seed means the same everywhere. Raises NotNumbersError.
    """
    import torch

    draw = random.Random(seed)
    tokens: list[int] = []
    segment = list(ids)
    with torch.inference_mode():
        while len(tokens) < sampling.max_tokens:
            out = loaded.model(
                input_ids=torch.tensor([segment], device=loaded.device),
                past_key_values=past,
                use_cache=True,
                logits_to_keep=1,
            )
            token = _next(out.logits[0, -1].float(), sampling.temperature, draw)
            if token in loaded.stops:
                return Written(tokens, False)
            tokens.append(token)
            segment = [token]
    return Written(tokens, True)


def _next(logits: Any, temperature: float, draw: random.Random) -> int:
    import torch

    if not float(logits.max()) < float("inf"):  # also NaN, which max() hands on
        raise NotNumbersError
    if temperature == 0:
        return int(logits.argmax())
    upto = ((logits - logits.max()).double() / temperature).softmax(-1).cpu().cumsum(-1)
    found = int(torch.searchsorted(upto, draw.random() * float(upto[-1]), right=True))
    return min(found, len(upto) - 1)
