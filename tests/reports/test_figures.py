"""Figures: which there are, that they show the tables' numbers, and that their files are the same
bytes every time."""

from __future__ import annotations

import hashlib
import itertools
import json
import math
import pickle
import re
import subprocess
import sys
from pathlib import Path

import figure_runs
import pandas as pd
import pytest

from bench.stats.pareto import frontier
from reports.figures import Figure, every, figures
from reports.figures.files import drawn, save
from reports.figures.pen import WIDTH, Pen, style

TASK = figure_runs.TASKS[0]
NAMES = [
    "cost",
    "size",
    "domains",
    "position",
    "length",
    "rules",
    "reliability",
    "risk-coverage",
    "break-even",
]
Tables = dict[str, pd.DataFrame]


@pytest.fixture(scope="module")
def tables(tmp_path_factory) -> Tables:
    """Of twenty judges and two null judges on two tasks."""
    return figure_runs.tables(tmp_path_factory.mktemp("figures"), 20, 60)


def of(tables: Tables, name: str) -> Figure:
    return next(figure for figure in figures(tables, TASK) if figure.name == name)


def test_a_full_run_has_all_figures(tables) -> None:
    made = every(tables)
    assert [f.name for f in made] == [*NAMES, *NAMES, "transfer"]
    assert len({f.key for f in made}) == len(made)


def test_every_caption_says_on_how_much_it_stands_and_how_sure_it_is(tables) -> None:
    for figure in every(tables):
        assert "95 %" in figure.caption, figure.key
        counted = re.search(r"\d (items|pairs|verdicts)|000 USD", figure.caption)
        assert counted, figure.key
        if figure.task:
            assert figure.task in figure.caption


def test_the_cost_figure_has_the_leaderboards_numbers_and_the_frontier(tables) -> None:
    data = of(tables, "cost").data.set_index("judge")
    board = tables["leaderboard"]
    board = board[(board.task == TASK) & (board.scope == "overall")].set_index("judge")
    assert set(data.index) == set(board.index)
    assert data["mean"].equals(board["mean"][data.index])
    spent = tables["cost"].set_index("judge").usd_per_1000
    paid = data[data.nature != "null"]
    pd.testing.assert_series_equal(paid.usd_per_1000, spent[paid.index], check_names=False)
    assert (data[data.nature == "null"].usd_per_1000 == 0).all()
    known = data[data.usd_per_1000.notna()]
    assert len(known) == len(data) - 1, "the cost of one judge is not known"
    best = frontier(known.usd_per_1000, known["mean"])
    assert set(known.index[best]) == set(data.index[data.on_frontier])


def test_a_break_even_row_has_the_difference_of_its_two_judges(tables) -> None:
    """Either way round the pair stands in the table of pairs."""
    pairs = tables["pairs"]
    here = pairs[(pairs.task == TASK) & (pairs.scope == "overall")]
    known = {(r["judge"], r["against"]): r["difference"] for r in here.to_dict("records")}
    data = of(tables, "break-even").data
    for row in data.to_dict("records"):
        found = known.get((row["small"], row["large"]))
        found = -known[row["large"], row["small"]] if found is None else found
        assert row["difference"] == found
    assert data.large.nunique() == 1, "of a hundred pairs those with the best prompted judge"


@pytest.mark.parametrize(
    ("lacking", "gone"),
    [
        ("costs", {"cost", "break-even"}),
        ("sizes", {"size"}),
        ("domains", {"domains"}),
        ("orders", {"position", "rules"}),
        ("confidences", {"reliability", "risk-coverage"}),
        ("texts", {"length"}),
    ],
)
def test_a_figure_with_nothing_to_show_is_left_out(tables, lacking: str, gone: set[str]) -> None:
    without = dict(tables)
    if lacking == "costs":
        without["cost"] = tables["cost"].assign(usd_per_1000=math.nan)
        without["break_even"] = tables["break_even"][:0]
    elif lacking == "sizes":
        without["leaderboard"] = tables["leaderboard"].assign(parameters=pd.NA)
    elif lacking == "domains":
        rows = tables["domains"]
        without["domains"] = rows[rows.group == rows.group.iloc[0]]
    elif lacking == "orders":
        without["position"] = tables["position"][:0]
        without["rules"] = tables["rules"][tables["rules"].rule == "first"]
    elif lacking == "confidences":
        without |= {name: tables[name][:0] for name in ("reliability", "risk_coverage")}
    else:
        without["bias"] = tables["bias"][:0]
    assert {f.name for f in figures(without, TASK)} == set(NAMES) - gone


def test_one_judge_has_no_comparisons(tmp_path: Path) -> None:
    names = {f.name for f in every(figure_runs.tables(tmp_path, 1, 60))}
    assert names == {"reliability", "risk-coverage"}


def test_no_words_lie_on_others_or_outside(tables) -> None:
    """With twenty judges; by the boxes of the letters as matplotlib sets them."""
    for figure in every(tables):
        with style():
            pen = Pen(figure.height)
            figure.draw(pen)
            texts = pen.canvas.axes[0].texts
            boxes = [text.get_window_extent() for text in texts]
        for text, box in zip(texts, boxes, strict=True):
            inside = box.x0 >= -1 and box.x1 <= WIDTH + 1 and box.y0 >= -1
            assert inside and box.y1 <= figure.height + 1, (figure.key, text.get_text())
        for (a, one), (b, two) in itertools.combinations(zip(texts, boxes, strict=True), 2):
            wide = min(one.x1, two.x1) - max(one.x0, two.x0)
            high = min(one.y1, two.y1) - max(one.y0, two.y0)
            assert wide < 1 or high < 2, (figure.key, a.get_text(), b.get_text())


DRAW = """
import hashlib, json, pickle, sys
from reports.figures import every
from reports.figures.files import drawn
with open(sys.argv[1], "rb") as file:
    tables = pickle.load(file)
print(json.dumps({f"{f.key}.{form}": hashlib.sha256(content).hexdigest()
                  for f in every(tables)[9:] for form, content in drawn(f).items()}))
"""


def test_the_files_are_the_same_bytes_in_another_process(tables, tmp_path: Path) -> None:
    (tmp_path / "tables.pkl").write_bytes(pickle.dumps(tables))
    # A user's own settings must not matter either.
    (tmp_path / "matplotlibrc").write_text("font.size: 20\nsavefig.bbox: tight\ntext.usetex: True")
    done = subprocess.run(
        [sys.executable, "-c", DRAW, str(tmp_path / "tables.pkl")],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
        env={"MATPLOTLIBRC": str(tmp_path / "matplotlibrc"), "PYTHONHASHSEED": "77"},
    )
    there = json.loads(done.stdout)
    here = {
        f"{f.key}.{form}": hashlib.sha256(content).hexdigest()
        for f in every(tables)[9:]
        for form, content in drawn(f).items()
    }
    assert there == here
    assert len(here) == 3 * 10, "one of each kind"


def test_fonts_are_embedded_and_nothing_tells_the_time(tables) -> None:
    made = drawn(of(tables, "cost"))
    assert b"/FontFile2" in made["pdf"] and b"/Subtype /Type3" not in made["pdf"]
    for word in (b"CreationDate", b"Producer", b"Creator"):
        assert word not in made["pdf"]
    assert b"<text" not in made["svg"] and b"<dc:" not in made["svg"]
    assert b"tEXt" not in made["png"] and b"tIME" not in made["png"]


def test_saved_beside_each_figure_is_what_it_shows(tables, tmp_path: Path) -> None:
    made = figures(tables, TASK)[:3]
    save(made, tmp_path)
    for figure in made:
        for form in ("pdf", "svg", "png"):
            assert (tmp_path / f"{figure.key}.{form}").stat().st_size > 1000
        stored = pd.read_csv(tmp_path / f"{figure.key}.csv")
        assert list(stored.columns) == list(figure.data.columns)
        assert len(stored) == len(figure.data) > 0
    captions = (tmp_path / "captions.md").read_text()
    assert all(f"## {figure.key}\n" in captions for figure in made)
    assert not list(tmp_path.glob("*.part"))
