"""report.md: the verdict first, then the tables, and nothing of somebody's names takes effect."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from fixed_ledger import ANSWERS, COIN, FIRST, LARGE, SMALL, items, write

from bench.ledger import Ledger
from bench.types import BenchError
from reports.markdown import report, save
from reports.tables import build
from reports.verdicts import sentence

BAD = "<img src=x onerror=alert(1)>|[x](https://evil.example)`@all"


def made(folder: Path, **more: object) -> tuple[str, dict]:
    with Ledger(write(folder, **more) / "ledger.sqlite") as ledger:
        tables = build(ledger)
    return report(tables), tables


def test_verdict_and_warnings_before_any_table(tmp_path: Path) -> None:
    text, tables = made(tmp_path)
    first_table = text.index("\n| ")
    said = sentence(tables["headline"].iloc[0].to_dict())
    assert 0 < text.index(said) < first_table
    assert text.index("Training data: small was trained on other") < first_table
    heads = re.findall(r"^## (.*)$", text, re.MULTILINE)
    assert heads == [
        "Leaderboard (T1)",
        "Domains (T2)",
        "Position (T4)",
        "Length and kin (T5)",
        "Cost and speed (T8)",
        "Beside the annotators (T10)",
        "Data (T10)",
        "Notes",
    ]
    assert "| *coin* | null |" in text, "null judges are seen as such"
    assert "| best possible | labels |" in text
    board = tables["leaderboard"].set_index(["task", "scope", "judge"])
    small = board.loc[("pairs", "overall", "small")]
    mean, lo, hi = (f"{small[c]:.3f}"[1:] for c in ("mean", "mean_lo", "mean_hi"))
    assert f"| small | trained, 135M | {mean} [{lo}, {hi}] |" in text


def test_chance_is_shown_as_such(tmp_path: Path) -> None:
    text, _ = made(tmp_path)
    board = text[text.index("## Leaderboard") : text.index("## Domains")]
    marked = set(re.findall(r"^\| \*?(\w+)\*? \|.*†", board, re.MULTILINE))
    assert marked == {"coin", "first"}


def test_the_legends_speak_of_labels_and_of_one_pair(tmp_path: Path) -> None:
    text, _ = made(tmp_path)
    assert "human" not in text, "labels can be a program's"
    assert re.search(r"mde: difference from the leader .* this pair compared alone", text)
    one, _ = made(tmp_path / "one", cards=[LARGE, COIN], made=items()[:1])
    assert "1 item, 1 prompt, chance" in one


def test_hostile_names_stay_names(tmp_path: Path) -> None:
    cards = [replace(c, name=c.name + BAD) for c in (SMALL, LARGE, COIN, FIRST)]
    bad = [replace(i, task=i.task + BAD, domain=i.domain + BAD) for i in items()]
    answers = {name + BAD: answer for name, answer in ANSWERS.items()}
    text, _ = made(tmp_path, cards=cards, made=bad, answers=answers)
    # Code spans of GitHub's dialect: a run of backticks to the next run as long.
    bare = re.sub(r"(?<![\\`])(`+)(?!`)(.+?)(?<!`)\1(?!`)", "", text)
    assert not re.search(r"(?<!\\)<", bare)
    assert "https://" not in bare
    assert "@all" not in bare
    for line in text.splitlines():
        assert line.isprintable()
    for block in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
        bars = {len(re.findall(r"(?<!\\)\|", line)) for line in block.splitlines()}
        assert len(bars) == 1, block


@pytest.mark.parametrize("judges", [[SMALL], [COIN]], ids=["one judge", "a null judge alone"])
def test_a_run_with_one_judge(judges: list, tmp_path: Path) -> None:
    text, _ = made(tmp_path, cards=judges)
    assert "No verdict on pairs" in text
    assert "## Leaderboard (T1)" in text


def test_items_without_labels(tmp_path: Path) -> None:
    text, _ = made(tmp_path, made=[replace(i, labels=()) for i in items()])
    assert "nan" not in text.lower().split()
    assert "## Data (T10)" in text


def test_no_items_at_all(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="no items: its run was stopped before it began"):
        made(tmp_path, made=[])


def test_it_is_written_whole(tmp_path: Path) -> None:
    text, tables = made(tmp_path)
    path = save(tables, tmp_path / "report")
    assert path.read_text(encoding="utf-8") == text
    assert [p.name for p in path.parent.iterdir()] == ["report.md"]
