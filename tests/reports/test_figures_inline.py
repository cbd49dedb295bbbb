"""Figures in the page: nothing in their markup but shapes and text, whatever judges are called."""

from __future__ import annotations

import re
from collections.abc import Iterator
from xml.etree import ElementTree as ET

import figure_runs
import pandas as pd
import pytest

from reports.figures import Figure, every
from reports.figures.files import drawn
from reports.figures.inline import inline
from reports.figures.pen import Pen

SVG = "{http://www.w3.org/2000/svg}"
SHAPES = {"svg", "title", "desc", "path", "text"}
ATTRIBUTES = {
    "path": {"d", "fill", "fill-opacity", "opacity", "stroke", "stroke-dasharray"}
    | {"stroke-dashoffset", "stroke-linecap", "stroke-linejoin", "stroke-opacity", "stroke-width"},
    "text": {"x", "y", "fill", "font-size", "text-anchor"},
    "title": {"id"},
    "desc": {"id"},
    "svg": {"class", "role", "aria-labelledby", "aria-describedby", "width", "height"}
    | {"viewBox", "stroke-linejoin"},
}
HOSTILE = [
    "</svg><script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    r"$\frac{1}{0}$ & $$",
    "\u202eesrever\u2066 \u200f",
    "\x00\x1b[31m\n\r\t\x7f",
    "]]>--><!--",
    "url(https://example.com/x) javascript:alert(1)",
    "a" * 5_000,
    "\ufffe\uffff \ue000 \U000f0000",
    "裁判 審判 حَكَم 🧑‍⚖️ Z̵̛͑a̷l̸g̶o",
]
Tables = dict[str, pd.DataFrame]


@pytest.fixture(scope="module")
def tables(tmp_path_factory) -> Tables:
    """Eight judges and two null judges."""
    return figure_runs.tables(tmp_path_factory.mktemp("inline"), 8, 60)


@pytest.fixture(scope="module")
def hostile(tables) -> Tables:
    """The same with other names: a stand-in for what a ledger could be made to hold."""
    judges = tables["leaderboard"].judge.unique()
    names = dict(zip(judges, HOSTILE, strict=True))
    groups = dict(zip(figure_runs.DOMAINS, HOSTILE, strict=False))
    tasks = dict(zip(figure_runs.TASKS, HOSTILE, strict=False))
    told = {"judge": names, "against": names, "small": names, "large": names}
    told |= {"group": groups, "task": tasks, "trained_on": tasks}
    return {
        name: table.assign(
            **{c: table[c].replace(names) for c, names in told.items() if c in table.columns}
        )
        for name, table in tables.items()
    }


def elements(svg: str) -> Iterator[tuple[str, ET.Element]]:
    for element in ET.fromstring(svg).iter():
        yield element.tag.removeprefix(SVG), element


def check(figure: Figure) -> None:
    """What holds of every figure's markup."""
    svg = inline(figure)
    svg.encode("utf-8")
    ids = []
    for name, element in elements(svg):
        assert name in SHAPES
        assert set(element.attrib) <= ATTRIBUTES[name], (name, element.attrib)
        for colour in ("fill", "stroke"):
            value = element.get(colour, "none")
            assert value == "none" or re.fullmatch(r"var\(--[a-z0-9]+, #[0-9a-f]{6}\)", value)
        for value in element.attrib.values():
            assert "url(" not in value and ":" not in value
        assert (element.text or " ").isprintable()
        ids += [element.attrib["id"]] if "id" in element.attrib else []
    assert len(ids) == len(set(ids)) == 2
    assert all(i.startswith(figure.key) and re.fullmatch(r"[\w.-]+", i) for i in ids)
    root = ET.fromstring(svg)
    assert root.get("role") == "img"
    assert [child.tag for child in root[:2]] == [f"{SVG}title", f"{SVG}desc"]
    assert root.get("aria-labelledby") == root[0].get("id")
    assert root.get("aria-describedby") == root[1].get("id")


def test_there_are_only_shapes_text_and_presentation(tables) -> None:
    for figure in every(tables):
        check(figure)


def test_hostile_names_neither_break_a_figure_nor_get_out_of_it(hostile) -> None:
    made = every(hostile)
    assert len(made) == 19
    for figure in made:
        check(figure)
    said = [e.text or "" for f in made for _, e in elements(inline(f))]
    # They are there, as text.
    assert any(text.startswith("</svg><script>alert(1)</script>") for text in said)
    assert r"$\frac{1}{0}$ & $$" in said
    assert any(r"\u202eesrever" in text for text in said)


def test_broken_unicode_is_written_out() -> None:
    """No table can hold it, so a figure made by hand."""
    broken = "lone \ud800 surrogate \udfff"

    def draw(pen: Pen) -> None:
        pen.text(10, 10, broken, tip=broken)

    figure = Figure(broken, "made", broken, broken, pd.DataFrame({"judge": [1]}), 40, draw)
    check(figure)
    texts = [e.text for _, e in elements(inline(figure)) if e.text]
    assert texts == [r"lone \ud800 surrogate \udfff"] * 4
    assert set(drawn(figure)) == {"pdf", "svg", "png"}


def test_hostile_names_do_not_break_the_files(hostile) -> None:
    for figure in every(hostile)[9:]:
        made = drawn(figure)
        root = ET.fromstring(made["svg"])
        assert not [e for e in root.iter() if e.tag.rpartition("}")[2] in ("script", "image", "a")]
        links = [v for e in root.iter() for k, v in e.attrib.items() if k.endswith("href")]
        assert all(link.startswith("#") for link in links)
        assert made["pdf"].startswith(b"%PDF") and made["png"].startswith(b"\x89PNG")


def test_ids_of_two_figures_never_meet(hostile) -> None:
    ids = [
        e.attrib["id"] for f in every(hostile) for _, e in elements(inline(f)) if "id" in e.attrib
    ]
    assert len(ids) == len(set(ids)) == 2 * 19


def test_every_judge_of_the_cost_figure_says_its_numbers_when_pointed_at(tables) -> None:
    figure = every(tables)[0]
    tips = [e.text for name, e in elements(inline(figure)) if name == "title"][1:]
    assert len(tips) == len(figure.data)
    for judge in figure.data.judge:
        mine = [tip for tip in tips if tip.startswith(f"{judge}: ")]
        assert len(mine) == 1 and re.search(r"\.\d{3}\*? \[\.\d{3}, \.\d{3}\]", mine[0])
