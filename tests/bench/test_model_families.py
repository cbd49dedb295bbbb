"""Families of models by their names."""

from __future__ import annotations

import pytest

from bench.model_families import family


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("gpt-4-0613", "gpt"),
        ("openai/GPT-4o", "gpt"),
        ("meta-llama/Llama-2-70b-chat-hf", "llama"),
        ("vicuna-13b", "llama"),
        ("opt-30b", "opt"),
        ("optimus-prime", None),
        ("t5-large", "t5"),
        ("o1-mini", "gpt"),
        ("o100", None),
        ("somebody", None),
        ("", None),
        (None, None),
    ],
)
def test_family(model: str | None, expected: str | None) -> None:
    assert family(model) == expected


def test_the_longest_beginning_decides() -> None:
    assert family("oasst-sft-4-pythia-12b") == "pythia"
    assert family("flan-t5-xxl") == "t5"
