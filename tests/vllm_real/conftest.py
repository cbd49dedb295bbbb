"""For tests of vLLM itself: ``make test-vllm``. Elsewhere they are skipped, and say why."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path

import pytest
import vllm_trials

from bench.types import Trial
from judges.engines.base import Request


@pytest.fixture(scope="session", autouse=True)
def vllm_here() -> None:
    """Skips what stands beside this file where vLLM is not installed or finds no device."""
    if importlib.util.find_spec("vllm") is None:
        pytest.skip("vllm is not installed: make test-vllm installs it and runs these tests")
    from vllm.platforms import current_platform

    if not current_platform.device_type:
        pytest.skip("vllm finds no device that it can run on: make test-vllm")


@pytest.fixture(scope="session")
def shown() -> list[Trial]:
    """The 64 trials."""
    return vllm_trials.shown()


@pytest.fixture(scope="session")
def asked(shown: list[Trial]) -> list[Request]:
    """What is asked about each of them."""
    return vllm_trials.questions(shown)


@pytest.fixture(scope="session")
def tiny_llama(
    embedded_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], Path]:
    """tiny_llama(head) -> folder of a small random model with the embedded one's tokenizer. `head`:
    "words"; "nan", words whose logits are no numbers; "score", one number for a sequence."""

    def make(head: str) -> Path:
        import shutil

        import torch
        from transformers import LlamaConfig, LlamaForCausalLM, LlamaForSequenceClassification

        folder = tmp_path_factory.mktemp(head)
        torch.manual_seed(0)
        config = LlamaConfig(
            vocab_size=49152,
            hidden_size=64,
            intermediate_size=128,
            num_hidden_layers=2,
            num_attention_heads=2,
            num_key_value_heads=1,
            max_position_embeddings=256,
            initializer_range=0.2,
            num_labels=1,
            pad_token_id=0,
        )
        kind = LlamaForSequenceClassification if head == "score" else LlamaForCausalLM
        model = kind(config)
        if head == "nan":
            torch.nn.init.constant_(model.model.norm.weight, float("nan"))
        model.save_pretrained(folder)
        for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
            shutil.copy(embedded_folder / name, folder)
        return folder

    return make
