"""Models for the tests of local judges: the embedded one, and a random one that is tiny."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from bench.prepare import cache_folder
from bench.types import Context
from judges.engines.transformers import TransformersEngine


@pytest.fixture(scope="session")
def engine(embedded: str) -> TransformersEngine:
    """An engine on the embedded model, one sequence at a time."""
    return TransformersEngine(embedded, Context(cache=cache_folder()), batch_tokens=0)


@pytest.fixture(scope="session")
def tiny(random_llama: Callable[..., Path]) -> Path:
    """Folder of a random model: 4 blocks of width 16, 96 tokens, the embedded one's tokenizer."""
    return random_llama(0, blocks=4, tokens=96)
