"""What the page says, and that it says it safely; how it looks and works is seen in a browser."""

from __future__ import annotations

import base64
import hashlib
import io
import re
from dataclasses import replace
from pathlib import Path

import page_runs
import pytest
from page_runs import Asked, card, null, pairs, prompted
from rich.console import Console
from typer.testing import CliRunner

from bench.cli import app
from bench.ledger import Ledger
from bench.overlap import TrainingOverlap
from reports.comparison import show_answer
from reports.headline import default_question
from reports.page.answers import answers, verdict
from reports.page.board import board
from reports.page.caveats import caveats
from reports.page.cells import Number, Numbers, counts, dollars
from reports.page.domains import domain_rows
from reports.page.items_showings import _usage
from reports.page.origin import origin
from reports.page.page import page
from reports.study import Study


@pytest.fixture(scope="module")
def ordinary(tmp_path_factory):
    return page_runs.ordinary(tmp_path_factory.mktemp("ordinary"))


@pytest.fixture(scope="module")
def troubled(tmp_path_factory):
    """Everything that a reader must be warned of, in one run."""
    items = [
        *pairs("set", ("math", "code"), 400, 1),
        *pairs("few", ("chat",), 12, 1),
    ]
    judges = [
        Asked(card("seen"), lambda i: 0.98 if i.domain == "code" else 0.3),
        Asked(prompted("steady"), 0.7),
        Asked(prompted("refuser"), 0.7, fails=0.2),
        Asked(prompted("short"), 0.7, cuts=0.3),
        Asked(prompted("half", orders="first"), 0.7),
        Asked(prompted("stopped"), 0.7, silent=0.3),
        Asked(prompted("narrow", tasks=("set",)), 0.5),
        Asked(null(), 0.5),
    ]
    overlaps = [
        TrainingOverlap("seen", "a set", dict.fromkeys(range(40), "prompt") | {60: "gram"}, ""),
        TrainingOverlap("seen", "a secret set", {}, "a secret set"),
    ]
    return page_runs.made(tmp_path_factory.mktemp("troubled"), items, judges, overlaps)


def test_the_verdict_is_that_of_compare(ordinary) -> None:
    path, tables = ordinary
    console = Console(width=10_000, record=True, file=io.StringIO())
    with Ledger(path.parent.parent / "ledger.sqlite") as ledger:
        show_answer(tables["headline"], default_question(Study.of(ledger)), console)
    printed = console.export_text()
    for task in ("first task", "second task"):
        said = verdict(tables, task)
        assert said in printed
        assert said.replace("'", "&#39;") in path.read_text()


def test_no_verdict_says_why(tmp_path: Path) -> None:
    judges = [Asked(card("one"), 0.8), Asked(null(), 0.5)]
    _, tables = page_runs.made(tmp_path, pairs("set", ("chat",), 40, 1), judges)
    assert verdict(tables, "set").startswith("No verdict on set: no prompted judge has a score")


def test_caveats(troubled) -> None:
    _, tables = troubled
    said = caveats(tables, "set")
    expected = (
        r"Training data: seen .* its prompt with 40 of 400 items, .* with 1 more\. Its mean is \.",
        r"Training data: seen was trained on a secret set, which could not be had",
        r"Domains disagree: .*Read the domains, not the mean\.",
        r"Incomplete: stopped has no answer for 3\d\.\d% of its showings",
        r"Failures: refuser gave no verdict in \d+\.\d% .* lies between \.\d+ and \.\d+",
        r"Cut: short judged \d\d\.\d% of its showings on a part",
        r"One order only: half\.",
        r"Not shown to be better than longest, a null judge \(each compared alone\): "
        r"refuser, narrow\.",
    )
    for sentence, pattern in zip(said, expected, strict=True):
        assert re.match(pattern, sentence), sentence
    few = "Little data: 12 items, 6 prompts. Read the intervals, not the scores."
    assert few in caveats(tables, "few")


def test_an_incomplete_judge_is_left_out_of_the_answers(tmp_path: Path) -> None:
    judges = [
        Asked(prompted("half run"), 0.99, silent=0.4),
        Asked(card("whole"), 0.8),
        Asked(null(), 0.5),
        Asked(null("first"), 0.5, silent=0.3),
        Asked(null("coin"), 0.5, silent=0.3),
    ]
    _, tables = page_runs.made(tmp_path, pairs("set", ("chat", "code"), 200, 1), judges)
    shown = board(tables, "set", Numbers(tables["estimates"]))
    assert shown.lines[0].judge == "half run"
    assert shown.lines[0].kind == "prompted, incomplete"
    found = answers(tables, shown)
    for answer in found:
        assert answer.best.startswith("whole .")
        assert answer.second.startswith("Yes: whole is better than longest by ")
        for said in (answer.best, answer.second):
            assert re.search(r"half run, .* are incomplete and left out\.$", said)
        assert answer.cost.startswith("Not known for whole")
    assert [row.leaders[0].judge for row in domain_rows(tables, shown, found)] == ["whole"] * 3
    stopped = {"half run": "the budget of $1 is\nused up.", "coin": "x", "first": "x"}
    said = [line for line in caveats(tables, "set", stopped) if line.startswith("Incomplete: ")]
    assert len(said) == 2
    assert any("showings (stopped: the budget of $1 is used up)." in line for line in said)
    assert any(re.search(r"null judges (first, coin|coin, first) have no ", line) for line in said)
    assert sum("Incomplete: the null judges" in line for line in caveats(tables, "set")) == 1


def test_a_free_judge_is_said_to_be_free(tmp_path: Path) -> None:
    judges = [Asked(null(), 0.9), Asked(prompted("dear"), 0.6, usd=0.01)]
    _, tables = page_runs.made(tmp_path, pairs("set", ("chat",), 100, 1), judges)
    shown = board(tables, "set", Numbers(tables["estimates"]))
    assert answers(tables, shown)[0].cost == "longest is free."


def test_a_subset_named_like_a_domain_keeps_its_own_count(tmp_path: Path) -> None:
    items = [
        replace(item, subset="code" if n % 4 == 0 else "rest")
        for n, item in enumerate(pairs("set", ("chat", "code"), 120, 1))
    ]
    judges = [Asked(card("one"), 0.8), Asked(prompted("two"), 0.7)]
    _, tables = page_runs.made(tmp_path, items, judges)
    shown = board(tables, "set", Numbers(tables["estimates"]))
    rows = domain_rows(tables, shown, answers(tables, shown))
    assert [(row.name, row.items) for row in rows] == [("", 120), ("chat", 60), ("code", 60)]


def test_commands_name_the_folder_that_was_given(tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "my runs").mkdir()
    judges = [Asked(card("one"), 0.8), Asked(prompted("two"), 0.7)]
    page_runs.made(tmp_path / "my runs", pairs("set", ("chat",), 40, 1), judges)
    monkeypatch.chdir(tmp_path)
    with Ledger(Path("my runs/ledger.sqlite")) as ledger:
        assert origin(ledger).commands[0] == "smallclaims report 'my runs'"


def test_one_is_singular() -> None:
    assert counts(1, 1) == "1 item, 1 prompt"
    assert counts(1200, 2) == "1,200 items, 2 prompts"


def test_unknown_tokens_are_not_nought() -> None:
    assert _usage(7, None, None, None, None, None) == "7 + – tokens"
    assert _usage(None, None, 0, None, None, None) == "– + 0 tokens"


def test_no_caveat_without_a_reason(tmp_path: Path) -> None:
    judges = [Asked(card("good"), 0.8), Asked(prompted("better"), 0.9), Asked(null(), 0.5)]
    _, tables = page_runs.made(tmp_path, pairs("set", ("chat",), 400, 1), judges)
    assert caveats(tables, "set") == []


def test_the_first_and_the_second(ordinary) -> None:
    _, tables = ordinary
    shown = board(tables, "first task", Numbers(tables["estimates"]))
    assert shown.domains == ["", "chat", "code"]
    whole, chat, code = answers(tables, shown)
    assert code.best.startswith("small .")
    assert [line.judge for line in code.leaders] == ["small"]
    assert code.best.endswith("Every other judge is shown to be worse, all compared at once.")
    assert code.second.startswith("Yes: small is better than large by +")
    assert chat.second.startswith("Yes: large is better than small by +")
    assert [line.judge for line in whole.leaders] == ["large", "small"]
    assert re.fullmatch(
        r"large .* Not shown to be worse, all compared at once: small \.\d+ \[.*\]\.", whole.best
    )
    pairs_of = tables["pairs"]
    row = pairs_of[
        (pairs_of.task == "first task")
        & (pairs_of.scope == "overall")
        & (pairs_of.judge == "small")
        & (pairs_of.against == "large")
    ].iloc[0]
    assert row.difference < 0, "the table has it the other way round"
    assert whole.second == (
        f"Not shown: large less small is {-100 * row.difference:+.1f} points, 95 % interval with "
        f"all pairs compared at once {-100 * row.all_hi:+.1f} to {-100 * row.all_lo:+.1f}, on 240 "
        "items with 120 prompts."
    )


def test_costs(ordinary) -> None:
    _, tables = ordinary
    whole, chat, code = answers(tables, board(tables, "first task", Numbers(tables["estimates"])))
    large = "large: $2.00 for 1,000 judgments, $4.00 for 1,000 items in all orders."
    assert code.cost == "small: $0.01 for 1,000 judgments, $0.02 for 1,000 items in all orders."
    assert chat.cost == large
    cheaper = "small, not shown to be worse: $0.01 for 1,000 judgments, .005 of that."
    assert whole.cost == f"{large} {cheaper}"


def test_an_unknown_cost_is_not_nought(troubled) -> None:
    _, tables = troubled
    shown = board(tables, "set", Numbers(tables["estimates"]))
    said = answers(tables, shown)[0].cost
    assert re.match(
        r"Not known for \w+, which has no price; it gives \d+ judgments a second\.", said
    )
    cells = shown.lines[0].cells[0]
    assert cells is not None and cells["usd_per_1000"].text == "–"
    written = {
        0.0000621: "$0.0000621",
        0.00873: "$0.00873",
        4.5: "$4.50",
        0: "$0.00",
        -0.5: "-$0.50",
        1234: "$1,234.00",
    }
    assert {value: dollars(value) for value in written} == written
    assert dollars(float("nan")) == "–"


def test_undefined_is_not_nought_on_the_board(troubled) -> None:
    _, tables = troubled
    shown = board(tables, "set", Numbers(tables["estimates"]))
    of = {line.judge: line.cells[0] for line in shown.lines}
    half, none = of["half"], of["longest"]
    assert half is not None and none is not None
    assert (half["strict"].text, half["flip_rate"].text) == ("n/a", "n/a")
    assert none["size"].text == "n/a"
    assert none["mean"].ends.endswith("†"), "at chance, and marked so"
    assert shown.ceilings[0].text == "n/a", "one label an item says nothing of two"


def test_numbers_have_one_place() -> None:
    import pandas as pd

    numbers = Numbers(pd.DataFrame())
    one, same = (Number(".5", "[.4, .6]", 0.5, 0.4, 0.6, ("ten items",)) for _ in range(2))
    assert numbers.place(one) == numbers.place(same) == 0
    assert numbers.place(Number("–")) == 1
    assert numbers.data() == {
        "numbers": [[".5", "[.4, .6]", 0.5, 0.4, 0.6, 0], ["–", "", None, None, None, 1]],
        "facts": [["ten items"], []],
    }


def test_the_policy_names_the_styles_and_scripts_that_are_there(ordinary) -> None:
    text = ordinary[0].read_text()
    found = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', text)
    assert found is not None
    policy = found.group(1).replace("&#39;", "'")
    directives = dict(part.split(" ", 1) for part in policy.split("; "))
    assert directives.pop("default-src") == "'none'"
    assert directives.pop("base-uri") == directives.pop("form-action") == "'none'"
    assert directives.pop("img-src") == "data:"
    for name, tag in (("style-src", "style"), ("script-src", "script")):
        inside = re.findall(f"<{tag}>(.*?)</{tag}>", text, re.S)
        digests = (hashlib.sha256(one.encode()).digest() for one in inside)
        hashes = [f"'sha256-{base64.b64encode(d).decode()}'" for d in digests]
        assert directives.pop(name).split() == hashes
    assert directives == {}
    assert re.findall(r"<script(?! type=\"application/json\")[^>]+>", text) == []


def test_the_same_ledger_makes_the_same_page(ordinary) -> None:
    path, tables = ordinary
    with Ledger(path.parent.parent / "ledger.sqlite") as ledger:
        assert page(ledger, tables) == page(ledger, tables) == path.read_text()


def test_hostile_text_cannot_leave_its_place(tmp_path: Path) -> None:
    text = page_runs.hostile(tmp_path)[0].read_bytes().decode("utf-8")
    assert text.count("<script") == text.count("</script") == 2
    assert text.count("<style") == 2
    assert "<img" not in text
    assert "\\ud83d" in text, "broken Unicode is written out"
    assert not re.search("[\u202a-\u202e\u2066-\u2069\u2028\u2029\x00-\x08\x0b-\x1f]", text)


def test_report_makes_the_page_and_says_where(tmp_path: Path) -> None:
    judges = [Asked(card("one"), 0.8), Asked(prompted("two"), 0.7)]
    path, _ = page_runs.made(tmp_path, pairs("set", ("chat",), 40, 1), judges)
    path.unlink()
    done = CliRunner().invoke(app, ["report", str(tmp_path)])
    assert done.exit_code == 0, done.output
    assert f"Report: {path}" in done.output
    assert 'href="items/index.html"' in path.read_text()
    assert (path.parent / "items" / "index.html").is_file()
    assert not list(path.parent.glob("*.part"))


def test_a_run_without_scores_has_a_page(tmp_path: Path) -> None:
    items = [replace(item, labels=()) for item in pairs("set", ("chat",), 20, 1)]
    judges = [Asked(card("one"), 0.8), Asked(prompted("silent"), 0.7, silent=1.0)]
    path, tables = page_runs.made(tmp_path, items, judges)
    assert verdict(tables, "set") == "No verdict on set: no judge has a score here."
    shown = board(tables, "set", Numbers(tables["estimates"]))
    assert [answer.best for answer in answers(tables, shown)] == ["No complete judge has a score."]
    assert "20 items without a label have no score" in path.read_text()
