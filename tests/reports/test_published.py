"""Published counts: re-scored from the file, and the same through the real command line."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from bench.cli import app
from bench.types import BenchError
from reports.published import paper
from reports.published_counts import rescored

TOGETHER = paper("together")
COUNTS = TOGETHER.counts["judges"]
N = 297
TRAINED, PROMPTED = "GPT-OSS-120B + DPO", "GPT-5.2"


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    return rescored(TOGETHER).set_index(["judge", "rule"])


def test_the_authors_accuracies_are_those_of_the_strict_rule(table) -> None:
    strict = table.xs("strict", level="rule")
    assert (strict.score - strict.published).abs().max() < 5e-5
    assert strict.score[TRAINED] == pytest.approx(0.6263, abs=5e-5)
    assert strict.score[PROMPTED] == pytest.approx(0.6162, abs=5e-5)
    assert strict.loc[PROMPTED, ["score_lo", "score_hi"]].tolist() == pytest.approx(
        [0.560, 0.670],
        abs=1e-3,  # ours takes t(n - 1) for the normal law
    )
    assert strict.p[TRAINED] == pytest.approx(0.80, abs=5e-3)


def test_the_winner_changes_with_the_rule(table) -> None:
    scores = table.score.round(3)
    assert (scores[TRAINED, "strict"], scores[PROMPTED, "strict"]) == (0.626, 0.616)
    assert (scores[TRAINED, "mean"], scores[PROMPTED, "mean"]) == (0.729, 0.736)
    assert (scores[TRAINED, "decisive"], scores[PROMPTED, "decisive"]) == (0.788, 0.810)


def test_an_unknown_paper_names_those_that_exist() -> None:
    with pytest.raises(BenchError, match="Did you mean together"):
        paper("togeher")


def recorded(folder: Path, counts: dict[str, int]) -> tuple[Path, Path]:
    """A judge's counts as pairs and recorded verdicts, response 0 being the right one. Which item
    is which is made up, so each judge has items of its own."""
    kinds = [(0, 0)] * counts["right"] + [(1, 1)] * counts["wrong"]
    kinds += [(0, 1)] * counts["disagreement"]
    items, verdicts = [], []
    for i, winners in enumerate(kinds):
        text = f"pair {i}"
        items.append(
            {
                "id": f"{i}",
                "domain": "published",
                "prompt": [{"role": "user", "content": text}],
                "responses": [{"id": "a", "text": f"{text} a"}, {"id": "b", "text": f"{text} b"}],
                "labels": {"chosen": [0], "rejected": [1]},
            }
        )
        for order, winner in zip(("ab", "ba"), winners, strict=True):
            verdicts.append({"item_id": f"{i}", "order": order, "winner": winner})
    paths = folder / "items.jsonl", folder / "verdicts.jsonl"
    for path, rows in zip(paths, (items, verdicts), strict=True):
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return paths


@pytest.mark.parametrize("name", list(COUNTS)[:3])
def test_the_same_numbers_come_out_of_a_run(tmp_path, table, name) -> None:
    items, verdicts = recorded(tmp_path, COUNTS[name])
    arguments = ["run", "--judges", f"replay:{verdicts}", "--tasks", f"jsonl:{items}"]
    done = CliRunner().invoke(app, [*arguments, "--out", str(tmp_path / "run")])
    assert done.exit_code == 0, done.output
    rules = pd.read_csv(tmp_path / "run/tables/rules.csv")
    mine = rules[(rules.scope == "pooled") & rules.judge.str.startswith("replay")]
    mine = mine.set_index("rule")
    for rule in ("strict", "mean", "decisive"):
        expected = table.loc[(name, rule)]
        got = mine.loc[rule, ["score", "score_lo", "score_hi"]].tolist()
        assert got == pytest.approx(
            [expected.score, expected.score_lo, expected.score_hi], abs=2e-6
        ), rule
        assert mine.coverage[rule] == pytest.approx(expected.n / N, abs=1e-6)


def test_the_command_prints_every_judge_and_rule() -> None:
    shown = CliRunner().invoke(app, ["paper", "together"])
    assert shown.exit_code == 0
    for name in COUNTS:
        assert name in shown.output
    assert "p = 0.80" in shown.output
