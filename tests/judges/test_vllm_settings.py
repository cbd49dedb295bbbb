"""What the vLLM engine says where vLLM is missing or cannot run, and of values that are none. The
engine itself is tested by `make test-vllm`."""

from __future__ import annotations

import importlib.util
import math
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bench.types import BenchError, Context, Message
from judges.engines.base import Request
from judges.engines.vllm import VllmEngine, _log_of_sum
from judges.engines.vllm_loading import VllmModel, _set_environment
from judges.engines.vllm_scorer import VllmScorer
from judges.models import Model, find

FAKE = {  # vllm/__init__.py, vllm/platforms.py of what is called vllm in a test
    "broken": ("raise RuntimeError('operator torchvision::nms does not exist')", ""),
    "no device": ("", "class current_platform:\n    device_type = ''"),
}


@pytest.fixture
def folder(tmp_path: Path) -> str:
    """What passes for a model folder, for as long as nothing is loaded."""
    model = tmp_path / "model"
    model.mkdir()
    (model / "config.json").write_text("{}")
    (model / "model.safetensors").write_bytes((2).to_bytes(8, "little") + b"{}")
    return str(model)


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Any]:
    """fake(name) -> a package `vllm` of FAKE is found first."""
    kept = {name: module for name, module in sys.modules.items() if name.split(".")[0] == "vllm"}
    environment = dict(os.environ)

    def put(name: str) -> None:
        for module in kept:
            monkeypatch.delitem(sys.modules, module)
        package = tmp_path / "packages" / "vllm"
        package.mkdir(parents=True)
        (package / "__init__.py").write_text(FAKE[name][0])
        (package / "platforms.py").write_text(FAKE[name][1])
        monkeypatch.syspath_prepend(str(package.parent))
        importlib.invalidate_caches()

    yield put
    for name in [name for name in sys.modules if name.split(".")[0] == "vllm"]:
        del sys.modules[name]
    sys.modules.update(kept)
    os.environ.clear()
    os.environ.update(environment)


@pytest.mark.parametrize("kind", [VllmEngine, VllmScorer])
def test_a_missing_package_names_the_commands(
    kind: Any, folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "vllm" else found(name)
    )
    with pytest.raises(BenchError) as error:
        kind(folder, Context())
    assert "vllm is not installed" in str(error.value)
    assert "make setup-vllm-cpu" in str(error.value)
    assert "pip install 'smallclaims[vllm]'" in str(error.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dtype": "float8"}, "dtype 'float8' is none of float32"),
        ({"tensor_parallel": 0}, "tensor_parallel is 0; 1 or more GPUs expected"),
        ({"limit": 1}, "limit is 1; 2 or more tokens expected"),
    ],
)
def test_values_that_are_none(options: dict[str, Any], message: str, folder: str) -> None:
    for kind in (VllmEngine, VllmScorer):
        with pytest.raises(BenchError, match=message):
            kind(folder, Context(), **options)


def test_an_adapter_is_no_model(folder: str, fake: Any) -> None:
    fake("no device")
    source = Model("adapter", Path(folder), base=find(folder))
    with pytest.raises(BenchError, match="is an adapter; vLLM reads whole models here"):
        VllmModel(source, Context(), "float32", 1, None, False)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("broken", r"cannot be imported: operator torchvision::nms .* make setup-vllm-cpu"),
        ("no device", r"finds no device that it can run on\. .* make setup-vllm-cpu"),
    ],
)
def test_a_vllm_that_cannot_run_here(name: str, message: str, fake: Any, folder: str) -> None:
    """That it is there, and even that it can be imported, does not say that it runs."""
    fake(name)
    engine = VllmEngine(folder, Context())
    request = Request([Message("user", "A or B?")], ("A", "B"))
    with pytest.raises(BenchError, match=message):
        list(engine.answer_logprobs([(0, request)]))
    engine.close()


def test_identity_holds_what_changes_scores(fake: Any, folder: str) -> None:
    fake("no device")
    plain = VllmEngine(folder, Context())
    assert plain.settings == {"dtype": "float32"}
    assert len(plain.revision) == 64
    assert plain.parameters == 0
    other = VllmEngine(folder, Context(), tensor_parallel=2, limit=100, constrained=True)
    assert other.settings == {
        "dtype": "float32",
        "tensor_parallel": 2,
        "limit": 100,
        "constrained": True,
    }
    assert VllmScorer(folder, Context(), dtype="bfloat16").settings == {"dtype": "bfloat16"}


def test_threads_are_set_and_the_user_s_own_settings_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("NUM_OF_RESERVED_CPU", "KVCACHE_SPACE", "OMP_THREADS_BIND")
    reserved, space, bind = (f"VLLM_CPU_{name}" for name in names)
    monkeypatch.setattr(os, "environ", {space: "7"})
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {3, 1, 2}, raising=False)
    _set_environment(None, 1)
    assert (os.environ[reserved], os.environ[space], os.environ[bind]) == ("0", "7", "1,2,3")
    monkeypatch.setattr(os, "environ", {})
    _set_environment(2, 1)
    assert os.environ[bind] == "1,2"
    monkeypatch.setattr(os, "environ", {})
    _set_environment(2, 2)
    assert bind not in os.environ


def test_sums_of_probabilities() -> None:
    assert _log_of_sum([-1000.0, -1000.0]) == pytest.approx(-999.3068528)
    assert _log_of_sum([-1.0, float("-inf")]) == -1.0
    assert _log_of_sum([float("-inf")] * 2) == float("-inf")
    for other in (-1.0, float("-inf")):
        for pair in ([float("nan"), other], [other, float("nan")]):
            assert math.isnan(_log_of_sum(pair))
