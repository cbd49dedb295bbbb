"""T1 to T10 as LaTeX: whole tables, names that TeX cannot act on, and a document that compiles."""

from __future__ import annotations

import re
import shutil
import string
import subprocess
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from fixed_ledger import ANSWERS, COIN, FIRST, LARGE, SMALL, items, write

from bench.ledger import Ledger
from reports.latex import LONGEST, escape, latex
from reports.short import short_tables
from reports.tables import build

HOSTILE = (
    "[2ex] \\input{/etc/passwd} $x_1^2$ % & # ~ {--} ''\"`<>|* a,,b ?` !` \x1b\u202e 中 é ð 🙂 "
    r"\end{table}\write18{ls} " + string.punctuation
)


@pytest.fixture(scope="module")
def tables(tmp_path_factory) -> dict[str, pd.DataFrame]:
    with Ledger(write(tmp_path_factory.mktemp("run")) / "ledger.sqlite") as ledger:
        return build(ledger)


@pytest.fixture(scope="module")
def hostile(tmp_path_factory) -> dict[str, pd.DataFrame]:
    """The same run, in which everything that can have a name has a bad one."""
    names = {"small": HOSTILE, "large": "*" + HOSTILE, "coin": "[b]", "first": "& first"}
    cards = [replace(c, name=names[c.name]) for c in (SMALL, LARGE, COIN, FIRST)]
    made = [
        replace(i, task=HOSTILE + i.task, domain=HOSTILE + i.domain, subset=f"{HOSTILE}{i.subset}")
        for i in items()
    ]
    answers = {names[name]: answer for name, answer in ANSWERS.items()}
    folder = write(tmp_path_factory.mktemp("hostile"), cards, made, answers)
    with Ledger(folder / "ledger.sqlite") as ledger:
        return build(ledger)


def structure(text: str) -> None:
    """Every brace closed, environments nested, every row as wide as its columns."""
    bare = re.sub(r"\\[\\{}&%$#_]", "", text)
    assert bare.count("{") == bare.count("}")
    ends = re.findall(r"\\(begin|end)\{(\w+)\}", text)
    stack: list[str] = []
    for what, name in ends:
        if what == "begin":
            stack.append(name)
        else:
            assert stack.pop() == name
    assert not stack
    found = re.findall(
        r"\\begin\{tabular\}\{((?:[lr]|p\{\d+ex\})+)\}(.*?)\\end\{tabular\}", text, re.DOTALL
    )
    assert len(found) == ends.count(("begin", "tabular"))
    for columns, body in found:
        width = len(re.findall(r"[lr]|p\{\d+ex\}", columns))
        rows = [line for line in body.splitlines() if line.endswith(r" \\")]
        assert len(rows) > 1
        for row in rows:
            assert len(re.findall(r"(?<!\\)&", row)) == width - 1, row
            assert not row.strip().startswith(("[", "*"))


@pytest.mark.parametrize("run", ["tables", "hostile"])
def test_structure(run: str, request: pytest.FixtureRequest) -> None:
    made = latex(request.getfixturevalue(run))
    for name, text in made.items():
        structure(text)
        assert text.isascii() or not (set(text) - set(string.printable) - set("éÀ")), name
    labels = re.findall(r"\\label\{(.*?)\}", "".join(made.values()))
    assert len(labels) == len(set(labels)) >= 10
    assert all(re.fullmatch(r"tab:[\w.:-]+", label) for label in labels)


def test_the_numbers_are_those_of_the_short_tables(tables) -> None:
    (board, *_) = (t for t in short_tables(tables) if t.name == "leaderboard")
    text = latex(tables)["leaderboard"]
    large = next(row for row in board.rows if row[0] == "large")
    value, ends = large[2].split(" ", 1)
    assert rf"large & prompted, 70B & {value} {{\scriptsize {ends}}}" in text
    assert "two annotators & labels" in text, "the ceiling is in it"
    assert "coin & null" in text
    assert "official: this run has no such numbers" in latex(tables)["official"]


def test_minus_and_dash_are_signs_of_their_own(tables) -> None:
    text = latex(tables)["pairs"]
    assert re.search(r"\$-\$\.\d{3}", text)
    assert not re.search(r"[ [(]-\.\d", text)


def test_a_long_table_is_several_floats(tables) -> None:
    rows = tables["pairs"]
    one = rows[(rows.scope == "overall") & (rows.why != "")].iloc[:1]
    many = pd.concat([one] * (LONGEST + 5))
    text = latex({**tables, "pairs": many})["pairs"]
    assert text.count(r"\begin{table}") == 2
    assert r"\label{tab:pairs:pairs:2}" in text
    structure(text)


@pytest.mark.parametrize(
    ("text", "tex"),
    [
        ("a_b & 5 %", r"a\_b \& 5 \%"),
        ("x--y", "x-{}-y"),
        ("\\", r"\textbackslash{}"),
        ("中", "U+4E2D"),
        ("\x1b", r"\textbackslash{}x1b"),
    ],
)
def test_escape(text: str, tex: str) -> None:
    assert escape(text) == tex


@pytest.mark.parametrize("run", ["tables", "hostile"])
def test_a_document_with_all_of_them_compiles(
    run: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    if shutil.which("pdflatex") is None:
        pytest.skip("no pdflatex here (Debian: texlive-latex-recommended)")
    made = latex(request.getfixturevalue(run))
    for name, text in made.items():
        (tmp_path / f"{name}.tex").write_text(text, encoding="utf-8")
    (tmp_path / "main.tex").write_text(
        "\\documentclass{article}\n\\usepackage{booktabs}\n\\begin{document}\n"
        + "".join(f"\\input{{{name}}}\\clearpage\n" for name in made)
        + "\\end{document}\n"
    )
    ran = subprocess.run(
        ["pdflatex", "-no-shell-escape", "-interaction=nonstopmode", "-halt-on-error", "main.tex"],
        cwd=tmp_path,
        capture_output=True,
        timeout=300,
    )
    assert ran.returncode == 0, ran.stdout.decode(errors="replace")[-1500:]
    assert (tmp_path / "main.pdf").stat().st_size > 10_000
