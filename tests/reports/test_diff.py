"""Two runs beside each other: what was planted is found, and noise is called so."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from fixed_ledger import ANSWERS, COIN, LARGE, SMALL, draw, items, of_skill, right, shown, write
from rich.console import Console

from bench.ledger import Ledger
from bench.plan import Plan
from bench.stats import cluster_bonett_price
from bench.types import Item, Label, Message, Response, Status, Trial, Verdict, failure
from reports.diff import Run, Shared, diff_table
from reports.diff_asked import asked
from reports.diff_view import show_diff
from reports.numbers import signed
from reports.study import Study


@contextmanager
def both(one: Path, two: Path) -> Iterator[Shared]:
    with Ledger(one / "ledger.sqlite") as a, Ledger(two / "ledger.sqlite") as b:
        yield Shared.of(Run.of("one", a), Run.of("two", b))


def said(shared: Shared) -> str:
    console = Console(file=io.StringIO(), width=200)
    show_diff(shared, asked(shared), diff_table(shared), console)
    return console.file.getvalue()  # type: ignore[attr-defined]


def pairs(n: int) -> list[Item]:
    """n pairs of n / 2 prompts with a gold key."""
    made = []
    for i in range(n):
        best = int(draw("gold", i) < 0.5)
        texts = tuple(Response(str(k), f"{i} {k}") for k in (0, 1))
        label = Label("gold", (float(best == 0), float(best == 1)))
        message = (Message("user", f"prompt {i // 2}"),)
        made.append(Item(str(i), "made", f"domain {i % 4 // 2}", message, texts, (label,)))
    return made


def skilled(name: str, skill: float) -> dict[str, object]:
    """Answers of `large` alone, right with that probability, and of a coin."""
    return {"large": of_skill(name, skill), "coin": ANSWERS["coin"]}


def runs(
    folder: Path, made: list[Item], one: Mapping[str, object], two: Mapping[str, object]
) -> tuple[Path, Path]:
    changed = replace(LARGE, revision="2", settings={**LARGE.settings, "prompt": "other"})
    a = write(folder / "1", [LARGE, COIN], made, one)  # type: ignore[arg-type]
    b = write(folder / "2", [changed, COIN], made, two)  # type: ignore[arg-type]
    return a, b


def test_the_same_run_twice_is_nothing_changed(tmp_path: Path) -> None:
    one, two = write(tmp_path / "1"), write(tmp_path / "2")
    with both(one, two) as shared:
        table = diff_table(shared)
        assert (table.found == "unchanged").all()
        assert asked(shared) == []
        text = said(shared)
        names = [card.name for card in shared.runs[0].study.cards]
        shown_to = [row for name in names for row in shared.runs[0].ledger.showings(name)]
        n = sum(status == "ok" for _, _, _, status, *_ in shown_to)
    assert n < len(shown_to) == 4 * (60 * 2 + 12 * 6)
    assert f"Nothing changed: 4 judges, 72 items, {n} verdicts." in text
    with both(one, one) as shared:
        assert "Nothing changed" in said(shared)


def test_a_large_change_is_more_than_noise_and_its_size_is_right(tmp_path: Path) -> None:
    made = pairs(400)
    one, two = runs(tmp_path, made, skilled("x", 0.85), skilled("y", 0.65))
    with both(one, two) as shared:
        table = diff_table(shared).set_index("judge")
        text = said(shared)
        first, second = (run.study.scores["large"] for run in shared.runs)
    large = table.loc["large"]
    assert large.found == "more than noise"
    assert -0.3 < large.difference_lo < large.difference_hi < -0.1, "-.2 was planted"
    assert large.difference == pytest.approx((second - first).mean(), abs=1e-9)
    assert (large.n_items, large.n_prompts) == (400, 200)
    assert table.loc["coin"].found == "unchanged"
    assert f"large on made: more than noise, {signed(large.difference)} [" in text
    assert "judge large: revision none -> 2; prompt choice-letter -> other" in text


def test_the_interval_is_clustered_by_prompt(tmp_path: Path) -> None:
    made = [replace(item, domain="chat") for item in pairs(100)]
    one, two = runs(tmp_path, made, skilled("x", 0.8), skilled("y", 0.8))
    with both(one, two) as shared:
        row = diff_table(shared).set_index("judge").loc["large"]
        first, second = (run.study.scores["large"] for run in shared.runs)
        clusters = shared.runs[0].study.table.cluster
    e = cluster_bonett_price(second - first, clusters)
    assert (row.difference, row.difference_lo, row.difference_hi) == (e.estimate, e.lo, e.hi)


def test_noise_is_called_so_with_what_would_have_shown(tmp_path: Path) -> None:
    one, two = runs(tmp_path, pairs(60), skilled("x", 0.8), skilled("y", 0.8))
    with both(one, two) as shared:
        row = diff_table(shared).set_index("judge").loc["large"]
        text = said(shared)
    assert row.found == "not more than noise"
    assert row.n_changed > 0
    assert f"A true difference of {row.mde:.3f}".replace("0.", ".") in text


def test_holm_takes_all_tests_together(tmp_path: Path) -> None:
    """One of many judges that changed a little is no finding."""
    made = pairs(120)
    cards = [replace(LARGE, name=f"j{n}", settings={"n": n}) for n in range(12)]
    for run, side in (("1", "x"), ("2", "y")):
        answers = {c.name: of_skill(f"{side}{c.name}", 0.75) for c in cards}
        changed = [replace(c, settings={**c.settings, "run": run}) for c in cards]
        write(tmp_path / run, changed, made, answers)
    with both(tmp_path / "1", tmp_path / "2") as shared:
        table = diff_table(shared)
    assert (table.p_holm >= table.p).all()
    assert np.isclose(table.p_holm.min(), min(1, 12 * table.p.min()))
    assert set(table.found) == {"not more than noise"}


def test_counts_of_verdicts(tmp_path: Path) -> None:
    """Item by item: the same, another one, one that is new, one that is gone, none in both."""
    made = pairs(50)

    def side(n: int):
        def answer(trial: Trial, item: Item) -> Verdict | None:
            kind = int(item.id) % 5
            if (kind, n) in ((2, 0), (3, 1)) or kind == 4:
                return failure(trial, Status.UNPARSED, raw="?")
            return shown(trial, right(item) if kind == 0 or n == 0 else 1 - right(item))

        return {"large": answer, "coin": ANSWERS["coin"]}

    one, two = runs(tmp_path, made, side(0), side(1))
    with both(one, two) as shared:
        row = diff_table(shared).set_index("judge").loc["large"]
    assert (row.n_verdicts, row.n_changed, row.n_new, row.n_lost) == (40, 20, 20, 20)
    assert (row.failed_1, row.failed_2) == (0.4, 0.4)


def test_pointwise_verdicts_are_compared_as_verdicts_on_the_item(tmp_path: Path) -> None:
    made = pairs(40)
    card = replace(LARGE, protocols=("pointwise",), order_free=True)

    def rating(better: float):
        def answer(trial: Trial, item: Item) -> Verdict:
            value = better if trial.order[0] == right(item) else 1.0
            return replace(shown(trial, 0), utilities=(value,))

        return {"large": answer}

    write(tmp_path / "1", [card], made, rating(2.0))
    write(tmp_path / "2", [replace(card, revision="2")], made, rating(3.0))
    write(tmp_path / "3", [replace(card, revision="3")], made, rating(0.5))
    with both(tmp_path / "1", tmp_path / "2") as shared:
        assert diff_table(shared).n_changed.tolist() == [0], "higher ratings, the same order"
    with both(tmp_path / "1", tmp_path / "3") as shared:
        table = diff_table(shared)
    assert (table.n_verdicts[0], table.n_changed[0], table.difference[0]) == (40, 40, -1.0)
    assert table.flip_rate_1_status[0] == "not_applicable"


def test_what_was_asked_otherwise(tmp_path: Path) -> None:
    ours = items()
    relabelled = replace(ours[1], labels=(Label("ann", (1.0, 0.0)),))
    theirs = [ours[0], relabelled, *ours[3:60]]
    plans = [Plan(("small",), ("pairs",), limit=n, seed=n) for n in (1, 2)]
    renamed = replace(SMALL, name="little")
    described = replace(LARGE, description="other words", licence="MIT")
    answers = {**ANSWERS, "little": ANSWERS["small"]}
    write(tmp_path / "1", [SMALL, LARGE, COIN], ours, plan=plans[0])
    write(tmp_path / "2", [renamed, described], theirs, answers, plan=plans[1])
    with both(tmp_path / "1", tmp_path / "2") as shared:
        lines = asked(shared)
        table = diff_table(shared)
        text = said(shared)
    assert lines == [
        "plan: limit is 1 in 1, 2 in 2",
        "plan: seed is 1 in 1, 2 in 2",
        "task lists: in 1 alone, 12 items",
        "items of pairs: 1 in 1 alone, 1 under one id with another content (texts, labels)",
        "judge coin: in 1 alone",
        "judge small of 1 is little in 2: one identity",
        "judge large: licence none -> MIT (nothing that can change a verdict)",
    ]
    assert all(line in text for line in lines)
    assert "In both: 2 judges, 58 items" in text
    assert table[["judge", "judge_2"]].values.tolist() == [["small", "little"], ["large", "large"]]


def test_costs_are_of_the_shared_items(tmp_path: Path) -> None:
    write(tmp_path / "1")
    write(tmp_path / "2", made=items()[:30])
    with both(tmp_path / "1", tmp_path / "2") as shared:
        row = diff_table(shared).set_index(["task", "judge"]).loc[("pairs", "large")]
        text = said(shared)
    assert row.usd_per_1000_1 == row.usd_per_1000_2 > 0
    assert "$/1k in 1" in text


def test_incomplete_runs_are_not_tested(tmp_path: Path) -> None:
    lost = {"large": lambda t, i: None if int(i.id) % 7 == 0 else shown(t, 0), "coin": None}
    lost["coin"] = ANSWERS["coin"]  # type: ignore[assignment]
    one, two = runs(tmp_path, pairs(70), skilled("x", 0.8), lost)
    with both(one, two) as shared:
        row = diff_table(shared).set_index("judge").loc["large"]
        text = said(shared)
    assert row.found == "not tested: incomplete"
    assert np.isnan(row.p_holm)
    assert "large on made: not tested: incomplete." in text


def test_items_without_labels_have_verdicts_and_no_score(tmp_path: Path) -> None:
    made = [replace(item, labels=()) for item in pairs(20)]
    one, two = (
        {"large": lambda t, i, k=k: shown(t, k), "coin": lambda t, i: shown(t, 0)} for k in (0, 1)
    )
    with both(*runs(tmp_path, made, one, two)) as shared:
        row = diff_table(shared).set_index("judge").loc["large"]
    assert (row.n_changed, row.found) == (40, "not tested: no item with a score")


def test_nothing_in_common(tmp_path: Path) -> None:
    write(tmp_path / "1", [SMALL])
    write(tmp_path / "2", [LARGE], pairs(4))
    with both(tmp_path / "1", tmp_path / "2") as shared:
        assert diff_table(shared).empty
        assert "Nothing to compare: no judge of both runs" in said(shared)


def test_names_of_somebodys_data_cannot_steer_the_terminal(tmp_path: Path) -> None:
    bad = "[bold]x[/bold]\x1b[31m\u202e"
    card = replace(LARGE, name=bad)
    made = [replace(item, task=bad) for item in pairs(20)]
    for run, side in (("1", "x"), ("2", "y")):
        changed = replace(card, settings={"run": run + bad})
        write(tmp_path / run, [changed], made, {bad: of_skill(side, 0.7)})
    with both(tmp_path / "1", tmp_path / "2") as shared:
        text = said(shared)
    assert all(line.isprintable() for line in text.splitlines())
    assert "[bold]x[/bold]" in text


def test_the_command(tmp_path: Path) -> None:
    write(tmp_path / "1")
    write(tmp_path / "2", [SMALL, COIN])
    command = [sys.executable, "-m", "bench", "diff", str(tmp_path / "1")]

    def diff(second: str) -> subprocess.CompletedProcess[str]:
        done = [*command, str(tmp_path / second)]
        return subprocess.run(done, capture_output=True, text=True, timeout=300)

    done = diff("2")
    assert done.returncode == 0, done.stderr
    assert "judge large: in 1 alone" in done.stdout
    missing = diff("no")
    assert missing.returncode == 2
    assert "no ledger at" in missing.stderr
    with Ledger(tmp_path / "empty" / "ledger.sqlite", write=True):
        pass
    empty = diff("empty")
    assert empty.returncode == 2
    assert "has no plan yet: its run was stopped before it began" in empty.stderr
    assert "Traceback" not in missing.stderr + empty.stderr


def test_both_ledgers_stay_as_they_are(tmp_path: Path) -> None:
    one = write(tmp_path / "1")
    before = (one / "ledger.sqlite").read_bytes()
    with both(one, one) as shared:
        assert isinstance(diff_table(shared), pd.DataFrame)
        assert isinstance(shared.runs[0].study, Study)
    assert (one / "ledger.sqlite").read_bytes() == before
