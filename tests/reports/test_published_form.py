"""The files of published results: their form, and figures that check one another."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from pathlib import Path

import pytest
import yaml

from bench.registry import judge_names, resolve_judge, task_names
from bench.spec import parse_spec
from bench.types import BenchError
from judges.prompt import load_prompt
from reports.published import FROM_MEMORY, TAGS, Figure, Paper, paper, paper_names, read_paper
from reports.published_reproduced import LESS_FROM_ONE, TABLES

PAPERS = {name: paper(name) for name in paper_names()}
LLMBAR = "github.com/princeton-nlp/LLMBar/900616bff90b6c6c8e1681f7d079250637c55992/Dataset/LLMBar"


@pytest.fixture(params=PAPERS)
def published(request) -> Paper:
    return PAPERS[request.param]


def test_all_papers_are_there() -> None:
    assert set(PAPERS) == {
        *("alpacaeval", "fastchat", "inspector", "judgelm"),
        *("llmbar", "pandalm", "rewardbench2", "together"),
    }


def test_every_figure_says_what_it_is_and_where_it_was_read(published) -> None:
    assert published.figures
    for figure in published.figures:
        assert math.isfinite(figure.number)
        for text in (figure.unit, figure.table, figure.scoring, figure.source):
            assert text.strip()
        assert figure.tag in TAGS
        assert ("memory" in figure.source) == (figure.tag == FROM_MEMORY)
        assert figure.unit != "percent" or abs(figure.number) <= 100
        assert figure.unit not in ("share", "kappa") or abs(figure.number) <= 1
    used = {figure.tag for figure in published.figures}
    assert used <= published.tags.keys()
    assert {figure.judge for figure in published.figures} == published.judges.keys()


def test_a_tag_is_explained_wherever_it_is_used_and_alone_there(published) -> None:
    used = {figure.tag for figure in published.figures}
    computed = {"C"} if published.counts else set()
    assert published.tags.keys() == used | computed


def test_no_figure_stands_twice(published) -> None:
    places = [(f.table, f.judge, f.column) for f in published.figures]
    assert len(places) == len(set(places))


def test_recipes_name_judges_tasks_prompts_and_numbers_that_exist(published) -> None:
    for ours in published.judges.values():
        if ours.judge:
            spec = resolve_judge(parse_spec(ours.judge))
            assert spec.name in judge_names()
            if "prompt" in spec.options:
                prompt = load_prompt(spec.options["prompt"])
                assert prompt.pointwise or published.name != "rewardbench2", "Ties takes ratings"
            heavy = spec.name in ("vllm", "reward", "litellm")
            assert bool(ours.needs) == heavy, f"{ours.judge} says what it needs, if anything"
    for figure in published.figures:
        if figure.ours:
            table, _, metric = figure.ours.removeprefix(LESS_FROM_ONE).partition(".")
            assert table in TABLES
            assert metric
            assert figure.task in task_names()
            ours = published.judges[figure.judge]
            assert ours.judge or ours.people or ours.needs


def test_counts_are_whole_numbers_of_the_published_shares() -> None:
    """A digit typed wrong would seldom be a share of so few pairs."""
    for name in ("together", "llmbar"):
        checked = [f for f in PAPERS[name].figures if f.unit == "percent" and f.n]
        assert len(checked) > 30
        for f in checked:
            both_orders = 2 if f.table.endswith("average") else 1
            rows = f.n * both_orders
            digits = 1 if f.column != "all" and name == "together" else 2
            count = round(f.number / 100 * rows)
            assert round(100 * count / rows, digits) == pytest.approx(f.number, abs=1e-9), f


def test_counts_give_the_published_share() -> None:
    together = PAPERS["together"]
    accuracy = {f.judge: f for f in together.figures if f.column == "all"}
    subsets = {f.column: f.n for f in together.figures if f.column != "all"}
    assert sum(subsets.values()) == 297
    for name, counts in together.counts["judges"].items():
        n = counts["right"] + counts["wrong"] + counts["disagreement"]
        assert n == accuracy[name].n
        assert round(100 * counts["right"] / n, 2) == accuracy[name].number
        parts = [f for f in together.figures if f.judge == name and f.column in subsets]
        if parts:
            assert sum(round(f.number / 100 * f.n) for f in parts) == counts["right"]


def test_the_average_of_rewardbench_2_is_that_of_its_six_subsets() -> None:
    rows: dict[tuple[str, str], dict[str, float]] = defaultdict(dict)
    for f in PAPERS["rewardbench2"].figures:
        rows[f.table, f.judge][f.column] = f.number
    whole = [row for row in rows.values() if len(row) == 7]
    assert len(whole) == 13
    for row in whole:
        average = row.pop("average")
        assert sum(row.values()) / 6 == pytest.approx(average, abs=0.1)


def test_llmbar_is_what_the_authors_files_say(mirror: Path) -> None:
    folders = {"Natural": "Natural"}
    folders |= {s: f"Adversarial/{s}" for s in ("Neighbor", "GPTInst", "GPTOut", "Manual")}
    checked = 0
    for f in PAPERS["llmbar"].figures:
        key = f.table.removeprefix("statistics.json, ")
        model, prompt = f.judge.split()
        file = mirror / LLMBAR / folders[f.column] / "evaluators" / model / prompt
        found = json.loads((file / "statistics.json").read_text()).get(key)
        if found is not None:
            value = float(str(found).split("= ")[-1].rstrip("%"))
            assert f.number == pytest.approx(value, abs=6e-3 if f.unit == "percent" else 6e-4)
            checked += 1
    assert checked == 245


def figure(**fields: object) -> str:
    """A paper's file with one table, of one figure."""
    table = {
        "table": "Table 1",
        "unit": "percent",
        "scoring": "share right",
        "tag": "R",
        "source": "arXiv:0000.00000",
        "columns": {"all": None},
        "rows": {"A": [50]},
        **fields,
    }
    head = ("title", "authors", "date", "claim", "data", "source", "url", "licence", "needs")
    content = {**dict.fromkeys(head, "made up"), "tags": {"R": "read"}}
    return yaml.safe_dump({**content, "judges": {"A": {"judge": "longest"}}, "tables": [table]})


def test_a_file_of_the_form_is_read() -> None:
    cell = {"number": 50, "plus_minus": 2}
    (found,) = read_paper("made", figure(rows={"A": [cell]})).figures
    assert isinstance(found, Figure)
    assert (found.number, found.plus_minus, found.column, found.group) == (50, 2, "all", "all")
    assert read_paper("made", figure(rows={"A": [None]})).figures == ()


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"unit": ""}, "table 1: 'no unit' found"),
        ({"scoring": None}, "no scoring"),
        ({"tag": "Q"}, "tag: 'Q' found, one of R expected"),
        ({"source": ""}, "no source"),
        ({"rows": {"B": [50]}}, "Table 1, B: 'B' found, one of A expected"),
        ({"rows": {"A": [50, 60]}}, "a cell a column expected"),
        ({"rows": {"A": ["fifty"]}}, "'fifty' found, a number expected"),
        ({"rows": {"A": [True]}}, "a number expected"),
        ({"rows": {"A": [{"number": 5, "bound": "about"}]}}, "lower or upper expected"),
        ({"rows": {"A": [{"nunber": 5}]}}, "no number"),
        ({"colour": "red"}, "'colour' found, only table"),
        ({"columns": {"all": {"m": 3}}}, "column all: 'm' found"),
        ({"ours": "scores.mean"}, "the task that it is taken on"),
        ({"n": 0}, "n: 0 found, a number of items expected"),
        ({"columns": ["all"]}, "columns: ['all'] found, a mapping expected"),
        ({"rows": [50]}, "rows: [50] found, a mapping expected"),
    ],
)
def test_a_file_of_another_form_is_refused_with_its_place(fields, told) -> None:
    with pytest.raises(BenchError) as refused:
        read_paper("made", figure(**fields))
    assert told in str(refused.value)
    assert "paper made" in str(refused.value)


def test_what_is_no_yaml_is_refused() -> None:
    with pytest.raises(BenchError, match="paper made is no YAML"):
        read_paper("made", "title: [")
