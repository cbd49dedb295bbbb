"""Sequences that begin alike: less is read, and nothing changes by a bit."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.types import Context
from judges.engines.loading import Loaded
from judges.engines.prefixes import SHORTEST, Prefixes, segment_ends
from judges.engines.transformers import TransformersEngine


@pytest.fixture(scope="module")
def loaded(random_llama: Callable[..., Path]) -> Loaded:
    folder = random_llama(21, blocks=2, tokens=600)
    return TransformersEngine(str(folder), Context(threads=1), batch_tokens=0)._loaded


def sequences() -> list[list[int]]:
    """Pairs that share 0 to 500 tokens with their neighbour, of 1 to 580 in all."""
    draw = random.Random(3)
    opening = [draw.randrange(100, 40_000) for _ in range(500)]
    tails = [[draw.randrange(100, 40_000) for _ in range(n)] for n in (1, 63, 80, 7)]
    shared = (0, 63, 64, 70, 127, 128, 200, 256, 300, 500)
    return [opening[:n] + tail for n in shared for tail in tails[:2]] + tails


def test_as_plain_forward_passes(loaded: Loaded) -> None:
    import torch

    prefixes = Prefixes(loaded)
    for ids in sequences():
        with torch.inference_mode():
            out = loaded.model(torch.tensor([ids]), logits_to_keep=1, use_cache=False)
        expected = out.logits[0, -1].log_softmax(-1)
        assert float((prefixes.next_token_logprobs(ids) - expected).abs().max()) < 1e-3


def test_what_was_read_before_changes_no_bit_and_saves_reading(
    loaded: Loaded, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = sequences()
    alone = [Prefixes(loaded).next_token_logprobs(ids) for ids in asked]
    read: list[int] = []
    ordinary = Prefixes._read

    def counting(self: Prefixes, model: Any, segment: list[int], *more: Any, **how: Any) -> Any:
        read.append(len(segment))
        return ordinary(self, model, segment, *more, **how)

    monkeypatch.setattr(Prefixes, "_read", counting)
    for order in (range(len(asked)), random.Random(5).sample(range(len(asked)), len(asked))):
        prefixes = Prefixes(loaded)
        for i in order:
            assert bool((prefixes.next_token_logprobs(asked[i]) == alone[i]).all())
    read.clear()
    prefixes = Prefixes(loaded)
    first, second = [7] * 300, [7] * 200 + [8] * 100
    prefixes.next_token_logprobs(first)
    prefixes.next_token_logprobs(second)
    assert read == [64, 64, 172, 172]  # 300 and over 256, but no 128 tokens follow the next end


def test_after_an_error_nothing_half_done_is_read_on(
    loaded: Loaded, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids, prefixes = [*range(200, 500)], Prefixes(loaded)
    expected = prefixes.next_token_logprobs(ids)
    ordinary = Prefixes._read

    def failing(self: Prefixes, model: Any, segment: list[int], *more: Any, **how: Any) -> Any:
        ordinary(self, model, segment, *more, **how)
        raise RuntimeError("out of memory")

    with monkeypatch.context() as patched:
        patched.setattr(Prefixes, "_read", failing)
        with pytest.raises(RuntimeError):
            prefixes.next_token_logprobs(ids)
    assert bool((prefixes.next_token_logprobs(ids) == expected).all())


@given(st.integers(0, 100_000))
def test_segments_are_as_long_as_all_before_them_or_longer(length: int) -> None:
    ends = segment_ends(length)
    assert all(end == SHORTEST * 2**i for i, end in enumerate(ends))
    last = ends[-1] if ends else 0
    assert length - last >= last
    assert segment_ends(length + 1)[: len(ends)] == ends
