"""The probe: its recipe finds what is planted and nothing in noise; its judge is what was saved."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from bench.prepare import cache_folder
from bench.registry import make_judge
from bench.spec import Spec, parse_specs
from bench.types import (
    BenchError,
    Context,
    Item,
    Label,
    Message,
    Response,
    Split,
    Status,
    Task,
    TaskCard,
    Trial,
)
from judges import probe
from judges.engines.batches import NoMemoryError
from judges.engines.transformers import TransformersEngine
from judges.hidden import HiddenStates
from judges.training import RECIPES, directions
from judges.training.directions import Pairs, choose
from judges.training.preferences import pairs_of, training_items

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

np_ = pytest.importorskip("numpy")
pytest.importorskip("sklearn", reason="scikit-learn is not installed (extra: local)")

PLANTED_LAYER, LAYERS, WIDTH = 2, 5, 30


def made(number: int, right: int = 0, domain: str = "chat") -> Item:
    """A request that a word answers: the better response holds it."""
    texts = ("It is correct.", "It is wrong.")
    return Item(
        id=f"{domain}-{number}",
        task="made",
        domain=domain,
        prompt=(Message("user", f"Is {number} a number?"),),
        responses=tuple(Response(str(i), texts[i != right]) for i in range(2)),
        labels=(Label("gold", (float(right == 0), float(right == 1))),),
    )


class Made(Task):
    """`n` items, each also of the training split's size; fails when another split is asked for."""

    def __init__(self, items: Sequence[Item], only: Split = "train") -> None:
        self.card = TaskCard("made", "Made", ("chat",), "a program", "CC0-1.0", "1")
        self._items, self._only = items, only

    def items(self, split: Split | None = None) -> Iterator[Item]:
        assert split == self._only
        return iter(self._items)


@pytest.fixture
def task() -> Made:
    return Made([made(n, right=n % 2) for n in range(24)])


def recipe(tiny: Path, **options: Any) -> Spec:
    return Spec("probe", "", {"base": str(tiny), **options}, "tiny-probe", "tiny-probe")


def pointwise(items: Sequence[Item]) -> list[Trial]:
    both = [(item, i) for item in items for i in range(len(item.responses))]
    return [Trial(f"{item.id}/{i}", item, (i,), "pointwise", 0, 0) for item, i in both]


def synthetic(signal: float, n: int = 400, seed: int = 0) -> tuple[Pairs, NDArray[np.float64]]:
    """Noise in every layer, and a direction that all differences share in one."""
    rng = np_.random.default_rng(seed)
    direction = rng.normal(size=WIDTH)
    direction /= np_.linalg.norm(direction)
    x = rng.normal(size=(n, LAYERS, WIDTH))
    x[:, PLANTED_LAYER] += signal * direction
    x *= rng.uniform(0.01, 100, size=WIDTH)  # features of quite different scale
    return Pairs(x.astype("float32"), np_.ones(n), [str(i // 2) for i in range(n)]), direction


def test_a_planted_direction_is_found() -> None:
    pairs, _ = synthetic(signal=1.0)
    choice = choose(pairs, components=20, folds=5, seed=0)
    assert choice.layers == (PLANTED_LAYER,)
    held_out, _ = synthetic(signal=1.0)
    x = held_out.differences[:, PLANTED_LAYER].astype(float)
    half = len(x) // 2
    (found,) = directions.directions(x[:half], np_.ones(half), [choice.strength], 20, 0)
    # The best direction is right on 84 % of held-out rows (a normal deviate below 1).
    assert (x[half:] @ found > 0).mean() > 0.75


def test_a_further_layer_is_taken_only_where_it_helps() -> None:
    pairs, direction = synthetic(signal=0.7)
    assert choose(pairs, 20, 5, 0, at_most=3).layers[0] == PLANTED_LAYER
    rng = np_.random.default_rng(5)
    more = pairs.differences.copy()
    more[:, 4] = rng.normal(size=more[:, 4].shape) + 0.7 * direction  # as good, and independent
    both = Pairs(more, pairs.weights, pairs.prompts)
    one, two = choose(both, 20, 5, 0), choose(both, 20, 5, 0, at_most=2)
    assert set(two.layers) == {PLANTED_LAYER, 4}
    assert two.loss < one.loss
    assert two.accuracy > one.accuracy


def test_a_probe_of_several_layers_judges_as_it_was_fitted(tiny: Path, tmp_path: Path) -> None:
    """Chosen by hand, so that the judge's sum over layers is what is tested."""
    context = Context((), tmp_path, say=lambda line: None)
    task = Made([made(n, right=n % 2) for n in range(24)])
    out = RECIPES["probe"](recipe(tiny, layers=3), task, tmp_path / "three", context)
    about = json.loads((out / "probe.json").read_text())
    weights = np_.random.default_rng(0).normal(size=(2, 16)).astype("float32")
    probe.TrainedProbe(weights, {**about, "layers": [3, 1]}).save(out)
    judge = make_judge(parse_specs(f"probe:{out}")[0], context)
    hidden = HiddenStates(TransformersEngine(str(tiny), context), tmp_path / "other")
    trials = pointwise([made(n) for n in range(30, 50)])
    for trial, found in zip(trials, judge.judge(trials), strict=True):
        states = hidden.pooled(trial.item.prompt, trial.shown[0].text).states.astype(float)
        expected = states[3] @ weights[0].astype(float) + states[1] @ weights[1].astype(float)
        assert found.utilities == (pytest.approx(expected, rel=1e-9),)


def test_a_probe_of_one_annotator_learns_what_that_one_said(tiny: Path, tmp_path: Path) -> None:
    """Two annotators who say the opposite: two aspects, two probes."""
    items = []
    for n in range(24):
        item = made(n, right=n % 2)
        (gold,) = item.labels
        labels = (Label("right", gold.utilities), Label("wrong", gold.utilities[::-1]))
        items.append(replace(item, labels=labels))
    context = Context((), tmp_path, say=lambda line: None)
    new = pointwise([made(n) for n in range(100, 120)])
    for annotator, better in (("right", 0), ("wrong", 1)):
        spec = recipe(tiny, annotator=annotator)
        out = RECIPES["probe"](spec, Made(items), tmp_path / annotator, context)
        judge = make_judge(parse_specs(f"probe:{out}")[0], context)
        scores = np_.array([v.utilities[0] for v in judge.judge(new)]).reshape(-1, 2)
        assert (scores.argmax(axis=1) == better).all()
    with pytest.raises(BenchError, match=r"no labels of annotator 'rihgt'.*right, wrong"):
        RECIPES["probe"](recipe(tiny, annotator="rihgt"), Made(items), tmp_path / "x", context)


def test_nothing_is_found_in_noise() -> None:
    pairs, _ = synthetic(signal=0.0)
    choice = choose(pairs, components=20, folds=5, seed=0)
    assert abs(choice.accuracies - 0.5).max() < 0.13  # 5 standard errors, over 20 choices
    assert choice.losses.min() > 0.67  # of log 2 = 0.693


def test_the_choice_never_scores_a_prompt_it_was_fitted_on(monkeypatch: pytest.MonkeyPatch) -> None:
    pairs, _ = synthetic(signal=0.5, n=60)
    marked = Pairs(pairs.differences.copy(), pairs.weights, pairs.prompts)
    marked.differences[:, :, 0] = np_.array([float(p) for p in pairs.prompts])[:, None]
    seen: list[set[float]] = []

    def spy(x: Any, *_: Any) -> list[Any]:
        seen.append(set(x[:, 0].tolist()))
        return [np_.zeros(x.shape[1])] * len(directions.STRENGTHS)

    monkeypatch.setattr(directions, "directions", spy)
    choice = choose(marked, components=5, folds=5, seed=0)
    prompts = {float(p) for p in pairs.prompts}
    left_out = [prompts - fitted for fitted in seen[:5]]
    assert set().union(*left_out) == prompts
    assert sum(map(len, left_out)) == len(prompts)
    # Nothing told apart: half credit, log 2, and of equals the strongest penalty in layer 0.
    assert (choice.layers, choice.strength) == ((0,), directions.STRENGTHS[0])
    assert (choice.accuracies == 0.5).all()


def test_scale_and_sign_of_features_do_not_matter() -> None:
    pairs, _ = synthetic(signal=1.0, n=100)
    x = pairs.differences[:, PLANTED_LAYER].astype(float)
    factors = np_.linspace(-3, 5, WIDTH)
    (plain,) = directions.directions(x, pairs.weights, [1.0], 20, 0)
    (scaled,) = directions.directions(x * factors, pairs.weights, [1.0], 20, 0)
    assert np_.allclose(x @ plain, x * factors @ scaled, rtol=1e-3, atol=1e-6)


def test_constant_and_few_features() -> None:
    x = np_.zeros((4, 3))
    x[:, 1] = [1.0, 2.0, 1.0, 3.0]
    (found,) = directions.directions(x, np_.ones(4), [1.0], 50, 0)
    assert found[1] > 0
    assert found[0] == found[2] == 0


def test_pairs_follow_the_majority_and_leave_ties_out() -> None:
    labels = [Label("a", (1, 0, 0)), Label("b", (0, 1, 0)), Label("c", (2, 1, 0))]
    item = Item(
        "i",
        "t",
        "d",
        (Message("user", "?"),),
        tuple(Response(str(i), text) for i, text in enumerate(["one", "two", "three"])),
        tuple(labels),
    )
    assert pairs_of(item, 9, 0) == [(0, 1), (0, 2), (1, 2)]
    assert pairs_of(replace(item, labels=(labels[0], labels[1])), 9, 0) == [
        (0, 2),
        (1, 2),
    ]
    one = pairs_of(item, 1, 0)
    assert one == pairs_of(item, 1, 0)
    assert one[0] in pairs_of(item, 9, 0)
    same = tuple(Response(str(i), "same") for i in range(3))
    assert pairs_of(replace(item, responses=same), 9, 0) == []


def test_training_items_are_spread_over_domains(tiny: Path) -> None:
    many = [made(n, domain="chat") for n in range(60)] + [made(n, domain="math") for n in range(8)]
    chosen = training_items([Made(many)], "probe", 20, 10, seed=1)
    assert sorted(item.domain for item in chosen) == ["chat"] * 12 + ["math"] * 8
    assert len({item.id for item in chosen}) == 20
    again = training_items([Made(many[::-1])], "probe", 20, 10, seed=1)
    assert [item.id for item in again] == [item.id for item in chosen]


def test_too_little_to_train_on_is_said(tiny: Path, tmp_path: Path) -> None:
    context = Context((Made([]),), tmp_path)
    with pytest.raises(BenchError, match="'made' has no training items with a preference"):
        probe.make(recipe(tiny), context)
    few = Context((Made([made(n) for n in range(3)]),), tmp_path)
    with pytest.raises(BenchError, match="3 training prompts in made; a probe needs 10"):
        probe.make(recipe(tiny), few)
    with pytest.raises(BenchError, match="no base model"):
        probe.make(Spec("probe", text="probe"), few)
    with pytest.raises(BenchError, match="folds is 1; 2 or more"):
        probe.make(recipe(tiny, folds=1), few)
    with pytest.raises(BenchError, match="no option 'layer'"):
        probe.make(recipe(tiny, layer=3), few)


def test_train_save_load_judge(tiny: Path, task: Made, tmp_path: Path) -> None:
    context = Context((), tmp_path / "cache", seed=3, say=lambda line: None)
    out = RECIPES["probe"](recipe(tiny), task, tmp_path / "models" / "mine", context)
    assert sorted(p.name for p in out.iterdir()) == ["probe.json", "probe.safetensors"]
    about = json.loads((out / "probe.json").read_text())
    assert about["tasks"] == ["made"]
    assert about["items"] == {"made/chat": 24}
    assert (about["pairs"], about["seed"]) == (24, 3)
    assert about["prompts"] == sorted(item.prompt_key for item in task.items("train"))
    assert "held-out folds of the training prompts" in about["selection"]["what"]

    judge = make_judge(parse_specs(f"probe:{out}")[0], context)
    assert judge.training_prompts == set(about["prompts"])
    assert judge.card.order_free
    assert judge.card.protocols == ("pointwise",)
    assert (judge.card.trained, judge.card.trained_on) == (True, ("made",))
    assert judge.card.parameters and judge.card.parameters > 49152 * 16

    # Unseen prompts, answers that differ by a word: even a random model's states tell them apart.
    new = [made(n, right=n % 2) for n in range(100, 110)]
    verdicts = {v.key: v for v in judge.judge(pointwise(new))}
    saved = probe.load(out)
    hidden = HiddenStates(TransformersEngine(str(tiny), context), tmp_path / "other-cache")
    for trial in pointwise(new):
        found = verdicts[trial.key]
        states = hidden.pooled(trial.item.prompt, trial.shown[0].text).states
        assert states is not None
        (layer,) = about["layers"]
        expected = states[layer].astype(float) @ saved.weights[0].astype(float)
        assert found.utilities == (pytest.approx(expected, rel=1e-12, abs=1e-12),)
        assert found.usage.prompt_tokens and found.usage.latency_s
    for item in new:
        scores = [(verdicts[f"{item.id}/{i}"].utilities or (0.0,))[0] for i in range(2)]
        assert scores.index(max(scores)) == item.labels[0].utilities.index(1.0)
    judge.close()

    with pytest.raises(BenchError, match="holds a trained probe already"):
        RECIPES["probe"](recipe(tiny), task, out, context)


def test_first_use_trains_once(tiny: Path, task: Made, tmp_path: Path) -> None:
    said: list[str] = []
    context = Context((task,), tmp_path, say=said.append)
    first = probe.make(recipe(tiny, first_use_items=12), context)
    assert len(first.training_prompts) == 12
    assert "training a probe on 12 items" in said[0]
    assert any("12 of 12 training items" in line for line in said)
    said.clear()
    second = probe.make(recipe(tiny, first_use_items=12), context)
    assert said == []
    assert second.card == first.card
    assert second.training_prompts == first.training_prompts
    other = probe.make(recipe(tiny, first_use_items=13), context)
    assert len(said) > 1
    assert other.card.revision != first.card.revision


def test_training_again_gives_the_same_bytes(tiny: Path, task: Made, tmp_path: Path) -> None:
    contexts = [Context((), tmp_path / name, say=lambda line: None) for name in ("one", "two")]
    outs = [RECIPES["probe"](recipe(tiny), task, c.cache / "out", c) for c in contexts]
    for name in ("probe.json", "probe.safetensors"):
        assert (outs[0] / name).read_bytes() == (outs[1] / name).read_bytes()


def test_a_response_too_long_is_no_number(tiny: Path, task: Made, tmp_path: Path) -> None:
    judge = probe.make(recipe(tiny), Context((task,), tmp_path, say=lambda line: None))
    item = made(1)
    long = replace(item, responses=(Response("a", "word " * 200), Response("b", "Yes.")))
    verdicts = list(judge.judge(pointwise([long])))
    assert [v.status for v in verdicts] == [Status.TRUNCATED, Status.OK]
    assert verdicts[0].utilities is None


def test_memory_that_runs_out_is_an_error_and_no_number(
    trained: Path, tiny: Path, task: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (spec,) = parse_specs(f"probe:{trained}")
    judge = make_judge(spec, Context(cache=tmp_path / "fresh"))
    short, long = made(100), replace(made(101), prompt=(Message("user", "word " * 60),))
    starve(judge._engine._loaded.model.base_model, 50, monkeypatch)  # type: ignore[attr-defined]
    found = list(judge.judge(pointwise([long, short])))
    assert [v.status for v in found] == [Status.ERROR] * 2 + [Status.OK] * 2
    assert "more memory than there is" in found[0].note
    assert len(list((tmp_path / "fresh").rglob("*.safetensors"))) == 2, "nothing else is kept"

    engine = TransformersEngine(str(tiny), Context(cache=tmp_path / "fresh"))
    starve(engine._loaded.model.base_model, 2, monkeypatch)
    with pytest.raises(NoMemoryError, match="Take a smaller model"):
        engine.pooled(short.prompt, "It is correct.")


def starve(model: Any, most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in for a small GPU: there is no memory for more than `most` tokens at once."""
    import torch

    forward = model.forward

    def starved(input_ids: Any, **more: Any) -> Any:
        if input_ids.numel() > most:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        return forward(input_ids=input_ids, **more)

    monkeypatch.setattr(model, "forward", starved)


@pytest.fixture
def trained(tiny: Path, task: Made, tmp_path: Path) -> Path:
    context = Context((), tmp_path / "cache", say=lambda line: None)
    return RECIPES["probe"](recipe(tiny), task, tmp_path / "trained", context)


def test_a_damaged_probe_is_refused(trained: Path, tmp_path: Path) -> None:
    from safetensors.numpy import save_file

    good = (trained / "probe.json").read_text()

    def refused(says: str) -> None:
        with pytest.raises(BenchError) as error:
            probe.make(Spec("probe", str(trained), text="probe:trained"), Context(cache=tmp_path))
        assert says in str(error.value)

    for field, value, says in [
        ("layers", "three", "layers is 'three'; list expected"),
        ("layers", [-1], "layers are [-1]; whole numbers from 0"),
        ("pooling", "last", "states were pooled as 'last'"),
        ("base_revision", "0" * 64, "was trained on"),
        ("base", "./gone", "no such folder"),
    ]:
        (trained / "probe.json").write_text(json.dumps({**json.loads(good), field: value}))
        refused(says)
    (trained / "probe.json").write_text(good[: len(good) // 2])
    refused("not a trained probe")
    (trained / "probe.json").write_text(good)
    weights = np_.full((1, 16), np_.nan, dtype="float32")
    save_file({"weights": weights}, trained / "probe.safetensors")
    refused("finite float32 weights")
    (trained / "probe.safetensors").write_bytes(b"\x80\x04.")
    refused("not a trained probe")
    (trained / "probe.safetensors").unlink()
    refused("probe.safetensors is missing")


class Counting(TransformersEngine):
    calls = 0

    def pooled(self, *args: Any, **kwargs: Any) -> Any:
        self.calls += 1
        return super().pooled(*args, **kwargs)


def test_hidden_states_are_kept_by_content(tiny: Path, tmp_path: Path) -> None:
    engine = Counting(str(tiny), Context(cache=tmp_path))
    prompt = (Message("user", "Hi"),)
    fresh = HiddenStates(engine, tmp_path).pooled(prompt, "Hello.")
    again = HiddenStates(engine, tmp_path).pooled(prompt, "Hello.")
    assert engine.calls == 1
    assert fresh.states is not None
    assert again.states is not None
    assert (fresh.states == again.states).all()
    assert fresh.states.dtype == again.states.dtype
    assert (again.tokens, again.seconds) == (fresh.tokens, fresh.seconds)
    hidden = HiddenStates(engine, tmp_path)
    hidden.pooled((Message("system", "Hi"),), "Hello.")
    hidden.pooled(prompt, "Hello. ")
    hidden.pooled(prompt, "Hello.", 2)
    assert engine.calls == 4
    for content in (b"", b"\xff" * 100, None):
        for path in tmp_path.rglob("*.safetensors"):
            path.write_bytes(path.read_bytes()[:-9] if content is None else content)
        again = hidden.pooled(prompt, "Hello.")
        assert again.states is not None
        assert (again.states == fresh.states).all()
    assert engine.calls == 7


def test_the_card_of_the_embedded_probe(embedded: str, tmp_path: Path) -> None:
    """The real model, by name, on a few items: what `make bench` does."""
    task = Made([made(n, right=n % 2) for n in range(12)])
    said: list[str] = []
    cache = tmp_path / "cache"
    cache.mkdir()
    (cache / "models").symlink_to(cache_folder() / "models")
    context = Context((task,), cache, say=said.append)
    judge = make_judge(parse_specs("smollm2-probe")[0], context)
    assert (judge.card.kind, judge.card.parameters) == ("probe", 134_515_008)
    assert judge.card.model == embedded
    assert judge.card.licence == "Apache-2.0"
    new = [made(n) for n in range(50, 54)]
    scores = {v.key: (v.utilities or (0.0,))[0] for v in judge.judge(pointwise(new))}
    judge.close()
    assert all(scores[f"{item.id}/0"] > scores[f"{item.id}/1"] for item in new)
