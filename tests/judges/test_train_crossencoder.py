"""The recipe of the cross-encoder: what an epoch shows, what it learns, how it goes on."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("sentence_transformers", reason="not installed (extra: train)")
pytest.importorskip("accelerate", reason="not installed (extra: train)")

import random_bert

from bench import plan
from bench.spec import Spec, parse_spec
from bench.types import (
    BenchError,
    Context,
    Item,
    Label,
    Message,
    Response,
    Split,
    Task,
    TaskCard,
)
from judges import crossencoder
from judges.joint import Joiner
from judges.training.crossencoder import train
from judges.training.pair_trainer import scores
from judges.training.preferences import held_out
from judges.training.shown_pairs import Epochs, Rows, epoch_rows


def made(number: int, right: int) -> Item:
    """A request that a word answers: the better response holds it."""
    texts = ("it is correct", "it is wrong")
    return Item(
        id=str(number),
        task="made",
        domain="chat",
        prompt=(Message("user", f"is {number} a number?"),),
        responses=tuple(Response(str(i), texts[i != right]) for i in range(2)),
        labels=(Label("gold", (float(right == 0), float(right == 1))),),
    )


class Made(Task):
    """A task with a training split alone."""

    def __init__(self, items: Sequence[Item]) -> None:
        self.card = TaskCard("made", "Made", ("chat",), "a program", "CC0-1.0", "1")
        self._items = items

    def items(self, split: Split | None = None) -> Iterator[Item]:
        assert split == "train"
        return iter(self._items)


def balanced(n: int, start: int = 0) -> list[Item]:
    return [made(number, number % 2) for number in range(start, start + n)]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return random_bert.save(tmp_path_factory.mktemp("base"), outputs=None)


def asked(encoder: Path, **options: Any) -> Spec:
    quick = {"base": str(encoder), "epochs": 3, "lr": 0.003, "batch": 8}
    return Spec("crossencoder", "", {**quick, **options}, "ce", "crossencoder:made")


def quiet(tmp_path: Path, **fields: Any) -> Context:
    return Context(cache=tmp_path / "cache", threads=1, say=lambda line: None, **fields)


# What an epoch shows


def test_swaps_as_data() -> None:
    n = 1000
    off = [epoch_rows(n, "off", 3, epoch).tolist() for epoch in range(2)]
    assert off == [list(range(0, 2 * n, 2))] * 2  # item order, always
    both = [epoch_rows(n, "both", 3, epoch).tolist() for epoch in range(2)]
    assert both == [list(range(2 * n))] * 2
    drawn = [epoch_rows(n, "random", 3, epoch) for epoch in range(20)]
    for rows in drawn:
        assert (rows // 2).tolist() == list(range(n))  # each pair once
        assert abs((rows % 2).mean() - 0.5) < 4 * 0.5 / math.sqrt(n)
    turned = sum(rows % 2 for rows in drawn)  # how often each pair was the other way round
    assert abs(turned.std() - math.sqrt(20) / 2) < 0.25  # as independent draws are
    assert (drawn[0] == epoch_rows(n, "random", 3, 0)).all()
    assert (drawn[0] != epoch_rows(n, "random", 4, 0)).any()


@pytest.mark.parametrize("swap", ["off", "random", "both"])
def test_batches_hold_an_epoch_each_row_once(swap: str) -> None:
    lengths = [10 + (row // 2 * 7) % 50 for row in range(2 * 301)]
    batches = Epochs(None, batch=4, swap=swap, lengths=lengths, shuffle=5, batch_size=9, seed=0)
    seen = []
    for epoch in (0, 1, 0):
        batches.set_epoch(epoch)
        shown = list(batches)
        assert len(shown) == len(batches)
        assert {len(batch) for batch in shown} <= {4, 301 % 4, 602 % 4}
        assert sorted(row for batch in shown for row in batch) == sorted(
            epoch_rows(301, swap, 5, epoch)
        )
        if swap == "both":
            assert all(
                a ^ 1 == b for batch in shown for a, b in zip(*[iter(batch)] * 2, strict=True)
            )
        seen.append(shown)
    assert seen[0] == seen[2] != seen[1]
    spread = [max(lengths[r] for r in b) - min(lengths[r] for r in b) for b in seen[0]]
    assert sum(spread) / len(spread) < 5  # of 49: hardly any padding
    flat = [row // 2 for batch in seen[0] for row in batch]
    assert flat != sorted(flat)


def test_rows_are_the_pairs_in_both_orders() -> None:
    texts = ("yes", "no", "wrong")
    responses = tuple(Response(str(i), text) for i, text in enumerate(texts))
    item = replace(made(1, 0), responses=responses, labels=(Label("gold", (1.0, 2.0, 0.0)),))
    joiner = Joiner(random_bert.tokenizer(64), 64, "made")
    rows = Rows.of([item], joiner, 9, 0)
    ids = {5 + i: word for i, word in enumerate(random_bert.WORDS)}
    shown = []
    for joint, label in zip(rows.joints, rows.labels, strict=True):
        words = [ids[i] for i in joint.ids if ids.get(i) in texts]
        shown.append((*words, label))
    assert shown == [
        ("yes", "no", 0.0),
        ("no", "yes", 1.0),
        ("yes", "wrong", 1.0),
        ("wrong", "yes", 0.0),
        ("no", "wrong", 1.0),
        ("wrong", "no", 0.0),
    ]
    assert rows.pairs == 3
    assert rows.lengths == [len(joint.ids) for joint in rows.joints]


def test_validation_figures() -> None:
    import numpy as np

    logits = np.array([2.0, -1.0, 0.5, 0.5, -3.0, 1.0, 0.0, 0.0, 0.0, -1.0])
    labels = np.array([1.0, 0.0] * 4 + [0.0, 1.0])
    found = scores(logits, labels)
    loss = [math.log1p(math.exp(-x if y else x)) for x, y in zip(logits, labels, strict=True)]
    assert found["loss"] == pytest.approx(sum(loss) / 10)
    assert found["accuracy"] == pytest.approx((2 + 1 + 0 + 1 + 0.5) / 10)
    # Flips: both slots 1; and a tie in one order alone. Ties in both are one verdict.
    assert found["flips"] == pytest.approx(2 / 5)


# Training


def judged(folder: Path, items: Sequence[Item], context: Context) -> float:
    """Accuracy over both orders."""
    judge = crossencoder.make(parse_spec(f"crossencoder:{folder}"), context)
    trials = {t.key: items[i] for i, t in plan.trials(items, judge.card)}
    right = []
    for verdict in judge.judge([t for _, t in plan.trials(items, judge.card)]):
        assert verdict.utilities is not None
        best = verdict.utilities.index(max(verdict.utilities))
        right.append(trials[verdict.key].labels[0].utilities[best])
    judge.close()
    return sum(right) / len(right)


@pytest.fixture(scope="module")
def trained(base: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    said: list[str] = []
    folder = tmp_path_factory.mktemp("trained")
    context = Context(cache=folder / "cache", threads=1, seed=3, say=said.append)
    spec = asked(base, swap="both", epochs=8, patience=8)
    return train(spec, Made(balanced(40)), folder / "mine", context), said


def test_it_learns_what_is_planted(trained: tuple[Path, list[str]], tmp_path: Path) -> None:
    folder, said = trained
    assert judged(folder, balanced(20, start=100), quiet(tmp_path)) == 1.0
    assert "training on 32 pairs, swap both, at most 8 epochs; validating on 8 pairs" in said[0]
    assert [line.split(":")[0] for line in said[1:]] == [
        f"epoch {i} of at most 8" for i in range(1, 9)
    ]


def test_the_folder_says_how_it_was_made(trained: tuple[Path, list[str]], tmp_path: Path) -> None:
    folder, _ = trained
    names = {path.name for path in folder.iterdir()}
    assert {"crossencoder.json", "model.safetensors", "config.json", "tokenizer.json"} <= names
    assert not [name for name in names if name.startswith(".") or name.endswith((".bin", ".pt"))]
    about = json.loads((folder / "crossencoder.json").read_text())
    items = balanced(40)
    assert about["prompts"] == sorted(item.prompt_key for item in items)
    _, held = held_out(items, 0.2, 3)
    assert about["validation_prompts"] == sorted(item.prompt_key for item in held)
    assert about["pairs"] == {"trained_on": 32, "validated_on": 8}
    assert (about["tasks"], about["asked"], about["seed"]) == (["made"], ["made"], 3)
    assert (about["recipe"]["swap"], about["max_tokens"], about["cut"]) == ("both", 64, 0.0)
    assert [epoch["epoch"] for epoch in about["epochs"]] == list(range(1, 9))
    for epoch in about["epochs"]:
        assert epoch.keys() == {"epoch", "training_loss", "loss", "accuracy", "flips"}
    last = about["epochs"][-1]
    assert (last["accuracy"], last["flips"]) == (1.0, 0.0)
    judge = crossencoder.make(parse_spec(f"crossencoder:{folder}"), quiet(tmp_path))
    assert judge.training_prompts == set(about["prompts"])
    assert judge.card.trained_on == ("made",)
    with pytest.raises(BenchError, match="holds a trained cross-encoder already"):
        train(asked(Path("x")), Made(items), folder, quiet(tmp_path))


def test_sentence_transformers_reads_the_folder(
    trained: tuple[Path, list[str]], tmp_path: Path
) -> None:
    """Its own tokenization gives the same input for texts like these."""
    from sentence_transformers import CrossEncoder

    folder, _ = trained
    model = CrossEncoder(str(folder))
    items = balanced(20, start=200)
    pairs = [
        (f"{item.prompt[0].content} [SEP] {item.responses[0].text}", item.responses[1].text)
        for item in items
    ]
    expected = model.predict(pairs)  # after the sigmoid
    judge = crossencoder.make(parse_spec(f"crossencoder:{folder}"), quiet(tmp_path))
    trials = [t for _, t in plan.trials(items, judge.card) if t.order == (0, 1)]
    found = [verdict.utilities for verdict in judge.judge(trials)]
    assert [utilities and utilities[0] for utilities in found] == pytest.approx(
        expected.tolist(), abs=1e-5
    )


def test_without_swaps_it_learns_the_slot(base: Path, tmp_path: Path) -> None:
    """Where slot 1 is always the better one, that is what it learns without swaps, and cannot with
    them."""
    items = [made(number, 0) for number in range(30)]
    flips = {}
    for swap in ("off", "both"):
        folder = train(
            asked(base, swap=swap, epochs=10, patience=10),
            Made(items),
            tmp_path / swap,
            quiet(tmp_path),
        )
        about = json.loads((folder / "crossencoder.json").read_text())
        flips[swap] = about["epochs"][-1]["flips"]
    assert flips == {"off": 1.0, "both": 0.0}


def test_it_stops_early_and_keeps_the_best(base: Path, tmp_path: Path) -> None:
    """Labels without a meaning: the longer it trains, the surer it is of nothing."""
    items = [made(n, int(Counter(str(n * n * 7919))["7"] % 2 == n % 3 // 2)) for n in range(60)]
    spec = asked(base, swap="random", epochs=30, patience=2, lr=0.01)
    folder = train(spec, Made(items), tmp_path / "x", quiet(tmp_path))
    about = json.loads((folder / "crossencoder.json").read_text())
    right = [epoch["accuracy"] for epoch in about["epochs"]]
    best = right.index(max(right))
    assert len(right) == best + 3 < 30
    held = [item for item in items if item.prompt_key in about["validation_prompts"]]
    judge = crossencoder.make(parse_spec(f"crossencoder:{folder}"), quiet(tmp_path))
    logs = []
    for verdict in judge.judge([t for _, t in plan.trials(held, judge.card)]):
        assert verdict.utilities is not None
        (item,) = (i for i in held if verdict.key in _keys(i, judge))
        logs.append(-math.log(verdict.utilities[item.labels[0].utilities.index(1.0)]))
    assert sum(logs) / len(logs) == pytest.approx(about["epochs"][best]["loss"], abs=1e-3)


def _keys(item: Item, judge: Any) -> set[str]:
    return {trial.key for _, trial in plan.trials([item], judge.card)}


class Killed(Exception):
    """As a signal would."""


def test_a_killed_training_goes_on(base: Path, tmp_path: Path) -> None:
    task, spec = Made(balanced(30)), asked(base, swap="random", epochs=4, patience=4)

    def run(out: Path, until: int | None = None) -> list[str]:
        said: list[str] = []

        def say(line: str) -> None:
            said.append(line)
            if until is not None and line.startswith(f"epoch {until} "):
                raise Killed

        train(spec, task, out, replace(quiet(tmp_path), say=say))
        return said

    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert len(run(whole)) == 1 + 4
    with pytest.raises(Killed):
        run(killed, until=3)
    assert not (killed / "crossencoder.json").exists()
    (folder,) = killed.glob(".training-*")
    half = folder / "checkpoint-99"  # as one that was being written
    half.mkdir()
    (half / "trainer_state.json").write_text('{"global_st')
    assert [line.split(" of ")[0] for line in run(killed)[1:]] == ["epoch 3", "epoch 4"]
    for name in ("model.safetensors", "crossencoder.json", "config.json"):
        assert (whole / name).read_bytes() == (killed / name).read_bytes()
    assert not list(killed.glob(".training-*"))


def test_another_recipe_does_not_go_on(base: Path, tmp_path: Path) -> None:
    def say(line: str) -> None:
        if line.startswith("epoch 2"):
            raise Killed

    out = tmp_path / "x"
    with pytest.raises(Killed):
        train(asked(base), Made(balanced(12)), out, replace(quiet(tmp_path), say=say))
    said: list[str] = []
    train(
        asked(base, swap="both", epochs=1),
        Made(balanced(12)),
        out,
        replace(quiet(tmp_path), say=said.append),
    )
    assert [line.split(" of ")[0] for line in said[1:]] == ["epoch 1"]
    assert not list(out.glob(".training-*"))


def test_losses_that_are_no_numbers_are_said(base: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    damaged = tmp_path / "damaged"
    damaged.mkdir()
    for path in base.iterdir():
        (damaged / path.name).write_bytes(path.read_bytes())
    weights = load_file(damaged / "model.safetensors")
    weights["encoder.layer.0.output.dense.weight"] *= float("nan")
    save_file(weights, damaged / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(BenchError, match="no epoch gives log-odds that are numbers"):
        train(asked(damaged, epochs=1), Made(balanced(12)), tmp_path / "x", quiet(tmp_path))
    assert not (tmp_path / "x" / "crossencoder.json").exists()


def test_first_use_trains_once(base: Path, tmp_path: Path) -> None:
    said: list[str] = []
    context = replace(quiet(tmp_path), tasks=(Made(balanced(30)),), say=said.append)
    first = crossencoder.make(asked(base, first_use_items=12, epochs=1), context)
    assert len(first.training_prompts) == 12
    assert "training a cross-encoder on 12 items, once" in said[0]
    said.clear()
    second = crossencoder.make(asked(base, first_use_items=12, epochs=1), context)
    assert said == []
    assert second.card == first.card
    assert second.card.name == "ce"
    with pytest.raises(BenchError, match="2 training prompts"):
        crossencoder.make(asked(base), replace(context, tasks=(Made(balanced(2)),)))


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"base": ""}, "no base model"),
        ({"swap": "on"}, "swap is 'on'; off, random, both expected"),
        ({"epochs": 0}, "epochs is 0; 1 or more"),
        ({"lr": "0"}, "lr is 0.0; between 0 and 1"),
        ({"held_out": "1"}, "held_out is 1.0"),
        ({"max_tokens": 8}, "max_tokens is 8; 16 or more"),
        ({"epoch": 1}, "no option 'epoch'"),
        ({"dtype": "int8"}, "dtype 'int8'"),
        ({"base": "./nowhere"}, "no such folder"),
    ],
)
def test_bad_options_are_said(
    base: Path, tmp_path: Path, options: dict[str, Any], says: str
) -> None:
    with pytest.raises(BenchError) as error:
        train(asked(base, **options), Made(balanced(12)), tmp_path / "x", quiet(tmp_path))
    assert says in str(error.value)
    assert not (tmp_path / "x").exists()


def test_a_base_that_does_not_load_is_said(tmp_path: Path) -> None:
    other = random_bert.save(tmp_path / "other", outputs=None)
    config = json.loads((other / "config.json").read_text())
    own = {**config, "model_type": "unheard-of", "auto_map": {"AutoModel": "code.Model"}}
    (other / "config.json").write_text(json.dumps(own))
    with pytest.raises(BenchError, match="does not load"):
        train(asked(other), Made(balanced(12)), tmp_path / "x", quiet(tmp_path))
    random_bert.save(other, outputs=None)
    (other / "model.safetensors").write_bytes(b"\x10")
    with pytest.raises(BenchError, match="does not load"):
        train(asked(other), Made(balanced(12)), tmp_path / "y", quiet(tmp_path))
