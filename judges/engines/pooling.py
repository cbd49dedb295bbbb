"""Hidden states of given responses, averaged."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from judges.engines.batches import alone
from judges.engines.loading import Loaded
from judges.engines.response_scores import Tokens
from judges.engines.segments import Segments

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


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


def pooled(loaded: Loaded, segments: Segments, tokens: Tokens, layers: int | None) -> Pooled:
    """Prompt and response are two segments, and a prompt that the response before had too is not
    read again. `layers`: see TransformersEngine.pooled. Raises NoMemoryError."""
    start = time.perf_counter()
    if tokens.total > loaded.limit or not tokens.answer:
        return Pooled(None, tokens.total, time.perf_counter() - start)
    states = alone(partial(_states, loaded, segments, tokens, layers), tokens.total)
    return Pooled(states, tokens.total, time.perf_counter() - start)


def _states(
    loaded: Loaded, segments: Segments, tokens: Tokens, layers: int | None
) -> NDArray[np.float32]:
    import torch

    base = loaded.model.base_model
    with torch.inference_mode(), _first_blocks(base, layers) as blocks:
        past = segments.begin(tokens.question, blocks)
        ids = segments.ids(tokens.answer)
        out = base(input_ids=ids, past_key_values=past, use_cache=True, output_hidden_states=True)
        segments.keep(tokens.question, past, blocks)
        means = [layer[0].float().mean(0) for layer in out.hidden_states]
        states: NDArray[np.float32] = torch.stack(means).cpu().numpy()
    return states[: None if layers is None else layers + 1]


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
