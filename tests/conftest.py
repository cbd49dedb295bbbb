"""Shared by all tests: where the original files are, and small made-up items."""

from __future__ import annotations

import importlib.util
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hub import Hub
from hypothesis import settings

from bench.prepare import cache_folder
from bench.registry import cards
from bench.types import BenchError, Item, Label, Message, Response
from judges.models import find

# The first example of a test may load a library, and machines are shared: no test is timed.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


@pytest.fixture(scope="session")
def mirror() -> Path:
    """The folder of original files; tests on real data are skipped without it."""
    folder = os.environ.get("SMALLCLAIMS_MIRROR")
    if not folder:
        pytest.skip("SMALLCLAIMS_MIRROR is not set: no original data files to test on")
    return Path(folder)


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Hub]:
    """An imitation of the hub on loopback that tasks load from in this test, with an empty cache;
    `hub.put(repo, files)` fills it."""
    for name in ("SMALLCLAIMS_MIRROR", "HF_TOKEN", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    # The library reads its folders when it is first imported.
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", str(tmp_path / "token"))
    with Hub() as running:
        monkeypatch.setenv("HF_ENDPOINT", running.url)
        yield running


MakeItem = Callable[..., Item]


@pytest.fixture(scope="session")
def make_item() -> MakeItem:
    """item(3, n=2, right=0, ...) -> a small item whose response `right` is labelled best."""

    def make(number: int, n: int = 2, right: int = 0, **fields: object) -> Item:
        texts = [f"answer {i} to question {number}" for i in range(n)]
        values: dict[str, object] = {
            "id": f"item-{number}",
            "task": "made",
            "domain": "chat",
            "prompt": (Message("user", f"question {number}"),),
            "responses": tuple(Response(f"r{i}", text) for i, text in enumerate(texts)),
            "labels": (Label("gold", tuple(float(i == right) for i in range(n))),),
        }
        return Item(**{**values, **fields})  # type: ignore[arg-type]

    return make


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


RandomLlama = Callable[..., Path]


@pytest.fixture(scope="session")
def random_llama(embedded_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> RandomLlama:
    """random_llama(seed, blocks=4, tokens=96) -> folder of a model of width 16 with random weights
    and the embedded one's tokenizer: what it says follows from nothing, and differs."""

    def make(seed: int, blocks: int, tokens: int) -> Path:
        import torch
        from transformers import LlamaConfig, LlamaForCausalLM

        folder = tmp_path_factory.mktemp("random")
        torch.manual_seed(seed)
        config = LlamaConfig(
            vocab_size=49152,
            hidden_size=16,
            intermediate_size=32,
            num_hidden_layers=blocks,
            num_attention_heads=2,
            num_key_value_heads=1,
            max_position_embeddings=tokens,
            initializer_range=0.5,
            tie_word_embeddings=True,
        )
        LlamaForCausalLM(config).save_pretrained(folder)
        for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
            shutil.copy(embedded_folder / name, folder)
        return folder

    return make
