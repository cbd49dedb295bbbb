"""The token after a sequence, where sequences begin alike: what was read last is not read again.

Trials of one prompt share its opening, and both orders of an item share all that stands before the
responses. Each sequence is read in segments that end at 64, 128, 256, ... tokens, as long as no
less follows; a segment that the sequence before had, too, is there already. Where segments end
follows from the sequence's length alone, so a result is the same to the last bit whatever was read
before it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from judges.engines.loading import Loaded

SHORTEST = 64
"""Tokens of the first segment. Each call of the model costs as much as some 25 tokens on a CPU, for
all weights are read from memory again."""


class Prefixes:
    """On `loaded`. Holds keys and values of the beginning of the sequence read last."""

    def __init__(self, loaded: Loaded) -> None:
        self._loaded = loaded
        self._kept: _Kept | None = None

    def next_token_logprobs(self, ids: list[int]) -> Any:
        """Log-probabilities (vocabulary), float32, of the token after `ids`."""
        import torch

        kept, self._kept = self._kept, None  # should anything go wrong, nothing half done is kept
        ends, base = segment_ends(len(ids)), self._loaded.model.base_model
        with torch.inference_mode():
            done, past = kept.shared(ids, ends) if kept is not None else (0, None)
            for end in [end for end in ends if end > done]:
                past = self._read(base, ids[done:end], past).past_key_values
                done = end
            out = self._read(self._loaded.model, ids[done:], past, logits_to_keep=1)
            if ends and _forgetful(out.past_key_values):
                self._kept = _Kept(ids[: ends[-1]], out.past_key_values)
            return out.logits[0, -1].float().log_softmax(-1).cpu()

    def _read(self, model: Any, segment: list[int], past: Any, **how: Any) -> Any:
        import torch

        ids = torch.tensor([segment], device=self._loaded.device)
        return model(input_ids=ids, past_key_values=past, use_cache=True, **how)


def segment_ends(length: int) -> list[int]:
    """Where the segments but the last of a sequence of `length` tokens end."""
    ends: list[int] = []
    end = SHORTEST
    while length >= 2 * end:
        ends.append(end)
        end *= 2
    return ends


@dataclass(frozen=True, slots=True)
class _Kept:
    ids: list[int]  # up to the end of a segment; `past` has them, and perhaps more
    past: Any

    def shared(self, ids: list[int], ends: Sequence[int]) -> tuple[int, Any]:
        """How many tokens, up to the end of a segment, `ids` begins with that are here, and what
        there is for them."""
        fit = [end for end in ends if end <= len(self.ids) and self.ids[:end] == ids[:end]]
        if not fit:
            return 0, None
        if surplus := self.past.get_seq_length() - fit[-1]:
            self.past.crop(-surplus)
        return fit[-1], self.past


def _forgetful(past: Any) -> bool:
    # Other layers (sliding windows, linear attention) cannot forget, or not without a loss.
    return all(type(layer).__name__ == "DynamicLayer" for layer in past.layers)
