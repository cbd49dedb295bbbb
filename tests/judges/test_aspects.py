"""Ratings of several aspects by a model behind an API, with weights learnt from people's choices.

The server is a stand-in that rates by marks in the texts, so that what people care about is known.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from faulty_server import FaultyServer, say

from bench.plan import trials
from bench.prepare import with_members
from bench.registry import make_judge
from bench.spec import parse_spec
from bench.types import BenchError, Context, Item, Label, Message, Response, Split, Task, TaskCard
from judges.prompt import load_prompt
from judges.training import RECIPES
from judges.training.aspects import fit

ASPECTS = tuple(load_prompt("aspects").aspects)


def made(number: int, draw: random.Random) -> Item:
    """Two responses with marks, one an aspect; people mind the first aspect, and a little the
    third."""
    marks = [[draw.randint(1, 5) for _ in ASPECTS] for _ in range(2)]
    worth = [2.0 * m[0] + 0.5 * m[2] + draw.gauss(0, 0.3) for m in marks]
    return Item(
        f"i{number}",
        "made",
        "chat",
        (Message("user", f"question {number}"),),
        tuple(Response(f"r{i}", f"marks {' '.join(map(str, m))}.") for i, m in enumerate(marks)),
        (Label("all", tuple(worth)),),
    )


class Made(Task):
    def __init__(self, n: int) -> None:
        draw = random.Random(3)
        self.card = TaskCard("made", "Made", ("chat",), "a rule", "CC0-1.0", "1")
        self.made = [made(k, draw) for k in range(n)]

    def items(self, split: Split | None = None) -> Iterator[Item]:
        return (item for item in self.made if split in (None, item.split))


def rater(handler) -> None:  # type: ignore[no-untyped-def]
    """The marks of the response that it is asked about, as a model would write them down."""
    asked = handler.asked["messages"][-1]["content"]
    marks = re.search(r"marks ([\d ]+)\.", asked)[1].split()
    lines = [f"{name}: {mark}" for name, mark in zip(ASPECTS, marks, strict=True)]
    say("\n".join(["Some reasons.", *lines]))(handler)


@pytest.fixture
def context(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Context:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-none")
    return with_members(Context(cache=tmp_path, say=lambda line: None))


def test_what_people_care_about_is_learnt_and_used(tmp_path: Path, context: Context) -> None:
    task = Made(120)
    with FaultyServer([rater]) as server:
        rates = f"litellm:openai/rater+prompt=aspects+api_base={server.base}"
        spec = parse_spec(f"aspects:judge={rates}")
        out = RECIPES["aspects"](spec, task, tmp_path / "weights", context)
        about = json.loads((out / "aspects.json").read_text())
        weights = [about["weights"][name] for name in ASPECTS]
        assert weights[0] == max(weights)
        assert weights[0] > 2 * weights[2]
        assert about["held_out"]["learnt"] > about["held_out"]["equal"]
        learnt = {item.prompt_key for item in task.items("train")}
        assert set(about["prompts"]) == learnt

        judge = make_judge(parse_spec(f"aspects:{out}"), context)
        assert (judge.card.kind, judge.card.trained) == ("prompted", True)
        assert judge.card.trained_on == ("made",)
        assert judge.training_prompts == learnt
        items = list(task.items("test"))
        shown = [trial for _, trial in trials(items, judge.card)]
        found = {v.key: v.utilities for v in judge.judge(shown)}
        assert len(shown) == 2 * len(items) >= 40
        for trial in shown:
            text = trial.shown[0].text
            marks = [int(mark) for mark in re.findall(r"\d", text)]
            expected = np.average(marks, weights=weights)
            assert found[trial.key] == (pytest.approx(expected),)
        plain = make_judge(parse_spec(rates.replace("+", ",")), context)
        assert plain.card.identity != judge.card.identity

        (out / "aspects.json").write_text(json.dumps({**about, "identity": "another"}))
        with pytest.raises(BenchError, match="learnt with another"):
            make_judge(parse_spec(f"aspects:{out}"), context)


def slow_fit(x: Sequence[Sequence[float]], penalty: float) -> list[float]:
    """Projected gradient descent, many small steps."""
    rows = np.asarray(x)
    w = np.full(rows.shape[1], 0.1)
    for _ in range(60_000):
        slope = -rows.T @ (1 / (1 + np.exp(rows @ w))) + penalty * w
        w = np.maximum(0, w - 0.001 * slope)
    return w.tolist()


def test_the_fit_is_the_penalised_maximum() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(loc=(0.8, 0.1, -0.6), size=(80, 3))
    found = fit(x.tolist(), 1.0)
    assert found == pytest.approx(slow_fit(x.tolist(), 1.0), abs=1e-4)
    assert found[2] == 0  # a merit, or nothing
    assert fit([[0.0, 0.0], [-1.0, 0.0]], 1.0) == [1.0, 1.0]


def test_errors_say_what_to_do(tmp_path: Path, context: Context) -> None:
    with pytest.raises(BenchError, match="no judge"):
        RECIPES["aspects"](parse_spec("aspects"), Made(40), tmp_path / "x", context)
    with pytest.raises(BenchError, match="does not rate aspects"):
        RECIPES["aspects"](parse_spec("aspects:judge=longest"), Made(40), tmp_path / "x", context)
    with pytest.raises(BenchError, match="smallclaims train aspects"):
        make_judge(parse_spec(f"aspects:{tmp_path}"), context)
    with FaultyServer([say("I would rather not.")]) as server:
        spec = parse_spec(f"aspects:judge=litellm:openai/r+prompt=aspects+api_base={server.base}")
        with pytest.raises(BenchError, match="0 pairs of"):
            RECIPES["aspects"](spec, Made(40), tmp_path / "y", context)
