"""A sequence read in segments on one model, with what comes first kept for the next sequence.

The segments are computed one after the other whether or not the first is there already, so a
result is the same to the last bit whatever was read before.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from judges.engines.loading import Loaded


class Segments:
    """On `loaded`. Holds keys and values of the first segment read last."""

    def __init__(self, loaded: Loaded) -> None:
        self._loaded = loaded
        self._kept: _Kept | None = None

    def begin(self, first: list[int], blocks: int | None = None) -> Any:
        """Keys and values of the tokens `first`, to go on from. `blocks`: how many of the model's
        run, None for all. Until they are given back with `keep`, none are kept: should anything go
        wrong, nothing half done is read on."""
        kept, self._kept = self._kept, None
        if kept is not None and kept.first == first and kept.blocks == blocks:
            if surplus := kept.past.get_seq_length() - len(first):
                kept.past.crop(-surplus)
            return kept.past
        import torch
        from transformers import DynamicCache

        if not first:
            return DynamicCache(config=self._loaded.model.config)
        with torch.inference_mode():
            base = self._loaded.model.base_model
            return base(input_ids=self.ids(first), use_cache=True).past_key_values

    def keep(self, first: list[int], past: Any, blocks: int | None = None) -> None:
        """`past`: what `begin` gave, by now with more in it, which is forgotten later."""
        # Other layers (sliding windows, linear attention) cannot forget, or not without a loss.
        if first and all(type(layer).__name__ == "DynamicLayer" for layer in past.layers):
            self._kept = _Kept(first, past, blocks)

    def ids(self, segment: list[int]) -> Any:
        """The segment as the model takes it: shape (1, tokens)."""
        import torch

        return torch.tensor([segment], device=self._loaded.device)


@dataclass(frozen=True, slots=True)
class _Kept:
    first: list[int]
    past: Any
    blocks: int | None
