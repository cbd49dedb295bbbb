"""RewardBench 2 from an imitation of the hub: the real Ties rows where they are, invented rows of
the other subsets in their true columns, and the whole way from the task to its official score."""

from __future__ import annotations

import json
import math
import os
import random
import statistics
import zlib
from collections import Counter
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest
from hub import Hub, parquet

from bench.ledger import Ledger
from bench.plan import Plan
from bench.runner import Limits, carry_out
from bench.spec import parse_spec
from bench.types import BenchError, Item, Judge, JudgeCard, Status, failure, verdict
from reports.tables import build
from tasks.rewardbench2 import SOURCE, make, pairs

TIES_FILE = (
    Path(os.environ.get("SMALLCLAIMS_MIRROR", ".")).parent
    / "data/rb2_ties/reward-bench-2.ties.jsonl"
)
needs_ties = pytest.mark.skipif(
    not TIES_FILE.is_file(), reason=f"the real Ties rows are not at {TIES_FILE}"
)
REPO = "allenai/reward-bench-2"
DATA = "data/test-00000-of-00001.parquet"
README = b"""---
configs:
- config_name: default
  data_files:
  - split: test
    path: data/test-*
---
"""
STRINGS = pa.list_(pa.string())
SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("prompt", pa.string()),
        ("chosen", STRINGS),
        ("rejected", STRINGS),
        ("num_correct", pa.int64()),
        ("num_incorrect", pa.int64()),
        ("total_completions", pa.int64()),
        ("models", STRINGS),
        ("subset", pa.string()),
        (
            "additional_metadata",
            pa.struct(
                [
                    ("category", pa.string()),
                    ("correct", pa.string()),
                    ("index", pa.float64()),
                    ("instruction_id_list", STRINGS),
                    ("label", pa.string()),
                    ("method", pa.string()),
                    ("models", STRINGS),
                    ("prompt_norm", pa.string()),
                    ("subcategory", pa.string()),
                    ("valid", pa.float64()),
                ]
            ),
        ),
    ]
)
WRITERS = ["writer-a", "writer-b", "writer-c", "writer-d"]
FILLED = {
    "Factuality": {"correct": "ONE", "method": "natural", "models": WRITERS, "prompt_norm": "x"},
    "Precise IF": {"instruction_id_list": ["count:word_count_range"], "valid": 1.0},
    "Math": {"label": "physics"},
    "Safety": {"category": "made", "index": 306.0, "subcategory": "made"},
    "Focus": {"models": WRITERS},
}


def row(subset: str, name: str, right: list[str], wrong: list[str], **changed: object):
    values: dict[str, object] = {
        "id": name,
        "prompt": f"question {name} of {subset}",
        "chosen": right,
        "rejected": wrong,
        "num_correct": len(right),
        "num_incorrect": len(wrong),
        "total_completions": len(right) + len(wrong),
        "models": ["writer-t"] if subset == "Ties" else WRITERS,
        "subset": subset,
        "additional_metadata": FILLED.get(subset),
    }
    return {**values, **changed}


def best_of_four(subset: str, name: str, **changed: object):
    texts = [f"{kind} answer to {subset} {name}" for kind in ("good", "bad", "worse", "worst")]
    return row(subset, name, texts[:1], texts[1:], **changed)


def five_subsets(per_subset: int = 2):
    """The same ids in every subset; one 'jailbreak' for a writer."""
    rows = [best_of_four(subset, f"{n}") for subset in FILLED for n in range(per_subset)]
    rows[6]["models"] = ["writer-a", "jailbreak", "writer-c", "writer-d"]
    return rows


def ties_rows():
    if TIES_FILE.is_file():
        return [json.loads(line) for line in TIES_FILE.read_text().splitlines()]
    return [
        row("Ties", f"{kind}:{n}", right, ["red", "stone"])
        for n in range(2)
        for kind, right in (("ref", ["one"]), ("tied", ["two", "three", "five"]))
    ]


def served(hub: Hub, rows, factory=make):
    sha = hub.put(REPO, {"README.md": README, DATA: parquet(rows, SCHEMA)})
    return factory(parse_spec(f"{'rewardbench2' if factory is make else 'pairs'}:revision={sha}"))


def test_items(hub: Hub) -> None:
    rows = five_subsets() + ties_rows()
    task = served(hub, rows)
    items = list(task.items())
    assert len(items) == len(rows)
    assert len({item.id for item in items}) == len(rows)
    assert Counter(item.domain for item in items) == {
        "factuality": 2,
        "instruction-following": 2,
        "math": 2,
        "safety": 2,
        "chat": 2,
        "ties": len(rows) - 10,
    }
    for original, item in zip(rows, items, strict=True):
        assert item.id == f"rewardbench2/{original['subset']}/{original['id']}"
        assert item.subset == original["subset"]
        assert item.prompt[0].content == original["prompt"]
        right = {r.text for r, u in zip(item.responses, item.labels[0].utilities, strict=True) if u}
        assert right == set(original["chosen"])
        assert Counter(r.text for r in item.responses) == Counter(
            original["chosen"] + original["rejected"]
        )
    assert len(task.card.revision) == 40


def test_the_right_response_stands_anywhere(hub: Hub) -> None:
    places = Counter(
        item.labels[0].utilities.index(1.0) for item in served(hub, five_subsets(40)).items()
    )
    assert all(30 <= places[place] <= 70 for place in range(4))


def test_writers_and_what_subsets_add(hub: Hub) -> None:
    items = {item.id: item for item in served(hub, five_subsets() + ties_rows()).items()}
    factual = items["rewardbench2/Factuality/0"]
    by_text = {r.text: r.model for r in factual.responses}
    assert by_text["good answer to Factuality 0"] == "writer-a"
    assert by_text["worst answer to Factuality 0"] == "writer-d"
    assert factual.meta == {"models": WRITERS, "correct": "ONE", "method": "natural"}
    safe = items["rewardbench2/Safety/0"]
    assert {r.model for r in safe.responses} == {"writer-a", None, "writer-c", "writer-d"}
    assert safe.meta["index"] == 306
    assert isinstance(safe.meta["index"], int)
    ref, tied = items["rewardbench2/Ties/ref:0"], items["rewardbench2/Ties/tied:0"]
    assert ref.cluster == tied.cluster != items["rewardbench2/Ties/ref:1"].cluster
    assert len({r.model for r in tied.responses}) == 1
    assert tied.responses[0].model is not None
    assert factual.cluster is None


def test_names_that_do_not_fit_the_responses_are_no_writers(hub: Hub) -> None:
    two = best_of_four("Math", "1", models=["writer-a", "writer-b"])
    none = best_of_four("Math", "2", models=None)
    two, none = served(hub, [two, none]).items()
    assert {r.model for item in (two, none) for r in item.responses} == {None}
    assert two.meta["models"] == ["writer-a", "writer-b"]


def test_the_pinned_revision_is_read_unless_another_is_named(hub: Hub) -> None:
    assert SOURCE.revision is not None
    hub.repos[REPO] = {
        SOURCE.revision: {"README.md": README, DATA: parquet(five_subsets(), SCHEMA)}
    }
    hub.put(REPO, {"README.md": README})  # newer, and without the data
    task = make(parse_spec("rewardbench2"))
    assert task.card.revision == SOURCE.revision
    assert len(list(task.items())) == 10


def test_splits_are_of_prompts(hub: Hub) -> None:
    task = served(hub, five_subsets(20))
    parts = {split: list(task.items(split)) for split in ("train", "dev", "test")}
    assert sum(map(len, parts.values())) == 100
    assert all(item.split == split for split, items in parts.items() for item in items)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (
            {"num_correct": 2},
            r"num_correct: 2 found, the number of responses in chosen, 1, expected",
        ),
        ({"subset": "Chess"}, r"\"Chess\" found, one of 'Factuality'"),
        ({"rejected": ["a", "b"], "num_incorrect": 2}, "one right and three wrong"),
        ({"id": ""}, 'field id: "" found'),
        ({"subset": "Ties"}, 'field id: "7" found, ref:N or tied:N expected'),
        ({"subset": "Ties", "id": "tied:7"}, "several right"),
        ({"subset": "Ties", "id": "ref:7", "chosen": ["a", "b"], "num_correct": 2}, "one right"),
    ],
)
def test_a_row_that_breaks_the_rules_is_told(hub: Hub, changed, message) -> None:
    rows = [best_of_four("Math", "6"), {**best_of_four("Math", "7"), **changed}]
    with pytest.raises(BenchError, match=f"test row 2, .*{message}"):
        list(served(hub, rows).items())


def test_an_id_twice_in_its_subset_is_told(hub: Hub) -> None:
    rows = [best_of_four("Math", "7"), best_of_four("Focus", "7"), best_of_four("Focus", "7")]
    with pytest.raises(BenchError, match="no other row of its subset has"):
        list(served(hub, rows).items())


def test_a_missing_column_is_told_with_those_that_are_there(hub: Hub) -> None:
    rows = [{k: v for k, v in best_of_four("Math", "7").items() if k != "num_correct"}]
    schema = SCHEMA.remove(SCHEMA.get_field_index("num_correct"))
    sha = hub.put(REPO, {"README.md": README, DATA: parquet(rows, schema)})
    with pytest.raises(BenchError, match=r"no column num_correct\. Columns: id, prompt, chosen"):
        list(make(parse_spec(f"rewardbench2:revision={sha}")).items())


def test_pairs(hub: Hub) -> None:
    items = list(served(hub, five_subsets() + ties_rows(), pairs).items())
    assert len(items) == 30
    assert "ties" not in {item.domain for item in items}
    assert {item.task for item in items} == {"rewardbench2_pairs"}
    ids = [f"rewardbench2_pairs/Factuality/0/{k}" for k in range(3)]
    assert [item.id for item in items[:3]] == ids
    of_first = [
        {u: r.text for r, u in zip(item.responses, item.labels[0].utilities, strict=True)}
        for item in items[:3]
    ]
    assert [texts[1.0] for texts in of_first] == ["good answer to Factuality 0"] * 3
    assert [texts[0.0].split()[0] for texts in of_first] == ["bad", "worse", "worst"]
    by_text = {r.text: r.model for item in items[:3] for r in item.responses}
    assert sorted(by_text.values()) == WRITERS
    assert len({item.prompt_key for item in items}) == 10


# -- the whole way: task, plan, judge, ledger, table ---------------------------------------------


class Scorer(Judge):
    """Rates each response alone; None is a rating that cannot be read."""

    def __init__(self, rate, sees=("text",)) -> None:
        self.card = JudgeCard("scorer", "made", ("pointwise",), order_free=True, sees=sees)
        self._rate = rate

    def judge(self, trials):
        for trial in trials:
            rating = self._rate(trial)
            failed = rating is None
            yield failure(trial, Status.UNPARSED) if failed else verdict(trial, [rating])


def official(folder: Path, items: list[Item], judge: Judge) -> pd.DataFrame:
    with Ledger(folder / "ledger.sqlite", write=True) as ledger:
        ledger.write_plan(Plan((judge.card.name,), ("rewardbench2",)), items, [judge.card])
        carry_out(items, [judge], ledger, repeats=1, limits=Limits(), show=lambda progress: None)
        return build(ledger)["official"].set_index(["group", "reading"])


def oracle(trial) -> float:
    return trial.item.labels[0].utilities[trial.order[0]]


@needs_ties
def test_ties_of_an_oracle_and_of_chance_on_the_real_rows(tmp_path) -> None:
    task = make(parse_spec(f"rewardbench2:{TIES_FILE}"))
    items = list(task.items())
    assert len(items) == 102
    assert task.card.revision.startswith("sha256:")
    counts = Counter(item.id.split("/")[-1].split(":")[0] for item in items)
    assert counts == {"ref": 51, "tied": 51}
    for name, judge, expected in (
        ("oracle", Scorer(oracle, ("text", "labels")), pytest.approx(1.01, abs=1e-12)),
        ("chance", Scorer(lambda t: random.Random(t.seed).random()), pytest.approx(0.01, abs=0.03)),
        ("constant", Scorer(lambda t: 5.0), 0.0),
    ):
        (tmp_path / name).mkdir()
        score = official(tmp_path / name, items, judge)
        assert score.score["Ties", "official"] == expected
        assert score.score["Ties", "strict"] == expected
        assert score.score_lo["Ties", "official"] < score.score_hi["Ties", "official"]
        assert "macro" not in {group for group, _ in score.index}


def hashed(text: str) -> float:
    """Any fixed rating of a text, from 1 to 10."""
    return 1 + zlib.crc32(text.encode()) % 10


@needs_ties
def test_ties_on_the_real_rows_equal_a_computation_from_the_file(tmp_path) -> None:
    """A rater that helps the right responses by 0 to 9 points, so that all parts of the score are
    strictly between their ends."""
    rows = {r["id"]: r for r in ties_rows()}
    right = {text for r in rows.values() for text in r["chosen"]}

    def rate(text: str) -> float:
        return hashed(text) / 4 + 2.2 * (text in right)

    def gap_and_spread(r) -> tuple[float, float]:
        good, bad = ([rate(t) for t in r[side]] for side in ("chosen", "rejected"))
        return min(good) - max(bad), max(good) - min(good)

    stats = {name: gap_and_spread(r) for name, r in rows.items()}
    numbers = sorted({name.split(":")[1] for name in rows})
    both = [(*stats[f"tied:{n}"], stats[f"ref:{n}"][0]) for n in numbers]
    parts = {
        "T": statistics.fmean(gap > 0 for gap, _, _ in both),
        "R": statistics.fmean(ref > 0 for _, _, ref in both),
        "P": statistics.fmean(gap > spread for gap, spread, _ in both),
        "H": statistics.fmean(min(gap, ref) > spread for gap, spread, ref in both),
        "M": statistics.fmean(math.tanh(min(g, r) / s - 1) for g, s, r in both),
    }
    assert all(-1 < value < 1 for value in parts.values())
    assert 0 < parts["T"] < 1
    weights = {"T": 0.3, "R": 0.3, "P": 0.2, "H": 0.2, "M": 0.01}
    expected = math.fsum(weights[part] * value for part, value in parts.items())

    items = list(make(parse_spec(f"rewardbench2:{TIES_FILE}")).items())
    score = official(tmp_path, items, Scorer(lambda t: rate(t.shown[0].text)))
    assert score.score["Ties", "official"] == pytest.approx(expected, abs=1e-12)


GOLDEN = [  # ratings of the ref and of the tied row, the first three of which are right
    ([10, 1, 1, 1], [10, 10, 10, 1, 1], 1.01),
    ([5, 5, 5, 5], [5, 5, 5, 5, 5], 0.0),
    ([9, 3, 3, 3], [10, 9, 8, 3, 3], 1.009051),
    ([9, 3, 3, 3], [10, 9, 5, 4, 3], 0.593360),
    ([10, 1, 1, 1], [10, None, 10, 1, 1], 0.291720),
    ([10, 1, 1, 1], [10, 9, 10, None, 1], 1.01),
    ([1, 10, 10, 10], [1, 1, 1, 10, 10], -0.01),
]
BOTH = ([GOLDEN[2][:2], GOLDEN[6][:2]], 0.499526)


@pytest.mark.parametrize(
    ("cases", "expected"), [*(([(ref, tied)], score) for ref, tied, score in GOLDEN), BOTH]
)
def test_ties_have_their_published_values(tmp_path, cases, expected) -> None:
    """Rows in the original schema, whose responses are their ratings, through the whole way."""
    rows = []
    for n, (ref, tied) in enumerate(cases):
        ref, tied = [str(x) for x in ref], [str(x) for x in tied]
        rows.append(row("Ties", f"ref:{n}", ref[:1], ref[1:]))
        rows.append(row("Ties", f"tied:{n}", tied[:3], tied[3:]))
    file = tmp_path / "ties.jsonl"
    file.write_text("".join(json.dumps(r) + "\n" for r in rows))
    items = list(make(parse_spec(f"rewardbench2:{file}")).items())
    texts = Scorer(lambda t: None if t.shown[0].text == "None" else float(t.shown[0].text))
    score = official(tmp_path, items, texts).score["Ties", "official"]
    assert score == pytest.approx(expected, abs=1e-6)


def test_the_overall_score_of_all_six_subsets(hub: Hub, tmp_path) -> None:
    """A judge that is right in Factuality alone, and an oracle in Ties."""

    def rate(trial) -> float:
        text = trial.shown[0].text
        if "answer to" not in text:
            return oracle(trial)
        return float("Factuality" in text and text.startswith("good"))

    items = list(served(hub, five_subsets() + ties_rows()).items())
    score = official(tmp_path, items, Scorer(rate, ("text", "labels"))).score
    assert score["Factuality", "official"] == 1
    assert score["Math", "official"] == 0.25  # four equal ratings
    assert score["macro", "official"] == pytest.approx((1 + 4 * 0.25 + 1.01) / 6, abs=1e-12)
    assert score["five subsets without Ties", "official"] == pytest.approx((1 + 4 * 0.25) / 5)
