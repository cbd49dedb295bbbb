"""The tables' columns and what they hold: other people's scripts rely on both."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bench.ledger import Ledger
from bench.overlap import TrainingOverlap
from bench.plan import Plan, trials
from bench.types import Item, JudgeCard, Label, Message, Response, Usage, verdict
from reports.tables import build

SCHEMA = Path(__file__).parent / "schema.json"
KINDS = {"b": "true or false", "i": "whole", "f": "number", "O": "text", "u": "whole"}
SMALL = JudgeCard(
    "small",
    "probe",
    ("pairwise", "listwise"),
    trained=True,
    trained_on=("made",),
    parameters=10,
    revision="1",
)
CARDS = [
    SMALL,
    replace(SMALL, name="elsewhere", trained_on=("rewardbench2",), revision="2"),
    JudgeCard("large", "prompted", ("pairwise", "listwise"), families=("m",), settings={"a": 1}),
    JudgeCard("coin", "null", ("pairwise", "listwise"), settings={"b": 1}),
]


OFFICIAL = ("Factuality", "Precise IF", "Math", "Safety", "Focus", "Ties", "Ties")


def official(item: Item, subset: str, number: int) -> Item:
    """A list of four under the rules of RewardBench 2."""
    right = 2 if number == len(OFFICIAL) - 1 else 1
    return replace(
        item,
        id=f"{'tied' if right > 1 else 'ref'}:{number // len(OFFICIAL)}"
        if subset == "Ties"
        else subset,
        task="rewardbench2",
        subset=subset,
        retests=(),
        responses=tuple(Response(f"r{k}", f"{subset} {number} {k}") for k in range(4)),
        labels=(Label("gold", tuple(float(k < right) for k in range(4))),),
    )


@pytest.fixture(scope="module")
def tables(tmp_path_factory) -> dict[str, pd.DataFrame]:
    """Pairs by three writers and lists, three annotators, confidences and costs: no table empty."""
    rng = np.random.default_rng(0)
    items = []
    for i in range(240):
        n, prompt = (3 if i % 6 == 0 else 2), f"question {i // 3}"
        writers = (("m-1", "k-1"), ("k-1", "z-1"), ("m-1", "z-1"))[i % 3]
        responses = tuple(
            Response(f"r{k}", f"{i} {'word ' * rng.integers(1, 9)}", (*writers, "z-2")[k])
            for k in range(n)
        )
        labels = tuple(Label(f"w{k}", tuple(rng.random(n).round(1))) for k in range(3))
        retests = (Label("w0", tuple(rng.random(n).round(1))),) if i % 5 == 0 else ()
        message = (Message("user", prompt),)
        items.append(
            Item(
                *(f"{i}", "made", f"domain {i // 3 % 2}", message, responses, labels, f"s{i % 2}"),
                retests=retests,
            )
        )
    items += [official(items[0], subset, k) for k, subset in enumerate(OFFICIAL)]
    plan = Plan(tuple(card.name for card in CARDS), ("made",), repeats=2)
    with Ledger(tmp_path_factory.mktemp("schema") / "ledger.sqlite", write=True) as ledger:
        shared = TrainingOverlap("small", "other", {0: "prompt", 7: "gram"})
        ledger.write_plan(plan, items, CARDS, [shared])
        for card in CARDS:
            made = []
            for _, trial in trials(items, card, repeats=2):
                pick = int(rng.integers(len(trial.order)))
                shown = [float(k == pick) for k in range(len(trial.order))]
                usage = Usage(100, 0, 10, 0, 0.5, float(rng.random()))
                made.append(verdict(trial, shown, confidence=rng.random(), usage=usage))
            ledger.append(made)
            ledger.add_session(card.name, 0.0, 10.0, len(made), None)
        return build(ledger)


def schema_of(tables: dict[str, pd.DataFrame]) -> dict[str, dict[str, str]]:
    return {
        name: {str(column): KINDS[table[column].dtype.kind] for column in table.columns}
        for name, table in tables.items()
    }


def test_columns_and_kinds_are_pinned(tables) -> None:
    """Changed on purpose? Write `schema_of(tables)` to schema.json, and say so in the commit."""
    assert schema_of(tables) == json.loads(SCHEMA.read_text())
    order = {name: list(columns) for name, columns in json.loads(SCHEMA.read_text()).items()}
    assert {name: list(map(str, table.columns)) for name, table in tables.items()} == order


def test_no_table_of_the_schema_is_empty(tables) -> None:
    assert [name for name, table in tables.items() if table.empty] == []


def test_every_estimate_says_what_it_stands_on(tables) -> None:
    """Each number with an interval in a wide table has its row in `estimates`: method, counts,
    status; and where there is no number there is a reason."""
    estimates = tables["estimates"]
    assert (estimates.n_items >= 0).all()
    assert (estimates.method.str.len() > 0).all()
    undefined = estimates[estimates.estimate.isna() | estimates.lo.isna()]
    assert (undefined.note.str.len() > 0).all()
    assert not undefined.status.isin(["ok", "ok_small"]).any()
    known = estimates.dropna(subset=["estimate", "lo", "hi"])
    assert ((known.lo <= known.estimate) & (known.estimate <= known.hi)).all()
    keys = set(
        zip(estimates.scope, estimates.group, estimates.judge, estimates.metric, strict=True)
    )
    for name in (
        "leaderboard",
        "domains",
        "position",
        "bias",
        "calibration",
        "people",
        "rules",
        "overlap",
    ):
        table = tables[name]
        metrics = [c.removesuffix("_status") for c in table.columns if c.endswith("_status")]
        for row in table.to_dict("records"):
            for metric in metrics:
                if row[f"{metric}_status"] != "not_applicable":
                    told = f"score_{row['rule']}_{row['policy']}" if name == "rules" else metric
                    assert (row["scope"], row["group"], row["judge"], told) in keys
