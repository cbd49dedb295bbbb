"""Models for the tests of local judges: the embedded one, and a random one that is tiny."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path

import pytest

from bench.prepare import cache_folder
from bench.registry import cards
from bench.types import BenchError, Context
from judges.engines.transformers import TransformersEngine
from judges.models import find


@pytest.fixture(scope="session")
def embedded() -> str:
    """Reference of the embedded model, as its card has it."""
    for module in ("torch", "transformers", "gguf", "sklearn"):
        if importlib.util.find_spec(module) is None:
            pytest.skip(f"{module} is not installed (extras: local, embedded)")
    reference: str = cards()["smollm2"]["argument"]
    try:
        find(reference)
    except BenchError as error:
        pytest.skip(str(error))
    return reference


@pytest.fixture(scope="session")
def embedded_folder(embedded: str) -> Path:
    """The embedded model as a model folder; converted once, in the user's cache."""
    return Path(find(embedded).folder(cache_folder(), print))


@pytest.fixture(scope="session")
def engine(embedded: str) -> TransformersEngine:
    """An engine on the embedded model, one sequence at a time."""
    return TransformersEngine(embedded, Context(cache=cache_folder()), batch_tokens=0)


@pytest.fixture(scope="session")
def tiny(embedded_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a random model: 4 blocks of width 16, 96 tokens, the embedded one's tokenizer."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    folder = tmp_path_factory.mktemp("tiny")
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=49152,
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=4,
        num_attention_heads=2,
        num_key_value_heads=1,
        max_position_embeddings=96,
        initializer_range=0.5,
        tie_word_embeddings=True,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        shutil.copy(embedded_folder / name, folder)
    return folder
