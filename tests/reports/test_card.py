"""The card of a judge: its numbers are the tables', its gates are read off intervals, its examples
are the ledger's, and no text of them takes effect."""

from __future__ import annotations

import math
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fixed_ledger import ANSWERS, COIN, FIRST, LARGE, SMALL, items, right, shown, write

from bench.ledger import Ledger
from bench.types import BenchError, Item, Message, Response, Trial, Verdict
from reports.card import card, save
from reports.examples import LONGEST, examples, modes
from reports.gates import alt_test, kappa_gate
from reports.headline import Question, headline_table
from reports.overlap import told
from reports.study import Study
from reports.tables import build
from reports.verdicts import sentence


def of(folder: Path, judge: str, **more: object) -> str:
    with Ledger(write(folder, **more) / "ledger.sqlite") as ledger:
        return card(ledger, judge)


@pytest.mark.parametrize(
    ("lo", "hi", "gate"),
    [
        (0.6, 0.9, "pass"),
        (0.3, 0.599, "fail"),
        (0.59, 0.9, "undetermined"),
        (0.3, 0.6, "undetermined"),
        (math.nan, math.nan, "undetermined"),
    ],
)
def test_the_kappa_gate_is_read_off_the_interval(lo: float, hi: float, gate: str) -> None:
    row = {"kappa": 0.65, "kappa_lo": lo, "kappa_hi": hi, "kappa_status": "ok"}
    assert kappa_gate(row) == gate
    assert kappa_gate({**row, "kappa_status": "not_applicable"}) == "n/a"


@pytest.mark.parametrize(
    ("rates", "said"),
    [
        ((0.0, 0.0, 0.0), "fail; smallest epsilon .250 [.100, .400]"),
        ((0.0, 0.34, 0.5), "pass at .200; smallest epsilon .250 [.100, .400]"),
        ((1.0, 1.0, 1.0), "pass at .100; smallest epsilon .250 [.100, .400]"),
        ((math.nan,) * 3, "no test: too few annotators"),
    ],
)
def test_the_alternative_annotator_test_in_words(rates: tuple[float, ...], said: str) -> None:
    row = dict(zip((f"alt_omega_{e}" for e in ("0.1", "0.15", "0.2")), rates, strict=True))
    ends = {"": 0.25, "_lo": 0.1, "_hi": 0.4, "_status": "ok"}
    assert alt_test({**row, **{f"alt_smallest_epsilon{k}": v for k, v in ends.items()}}) == said


def test_what_it_is_and_its_numbers(tmp_path: Path) -> None:
    with Ledger(write(tmp_path) / "ledger.sqlite") as ledger:
        text, tables, study = card(ledger, "small"), build(ledger), Study.of(ledger)
    for fact in ("`tiny-lm`", "`1f2e3d`", "`135M weights`", "`Apache-2.0`", "| layer | `12` |"):
        assert fact in text
    assert "Trained on: other." in text
    assert "share their prompt with what it was trained on (other): 1 of 60" in text
    pairs = tables["pairs"].set_index(["task", "scope", "judge", "against"])
    row = pairs.loc[("pairs", "overall", "small", "coin")]
    difference = f"{row.difference:+.3f}".replace("0.", ".")
    assert f"coin, which costs nothing and reads nothing: {difference} [" in text
    assert re.search(rf"\| pairs \| all domains \|.*\| coin .* \| {re.escape(difference)} ", text)
    duel = headline_table(study, Question(("small",), ("large",))).iloc[0].to_dict()
    assert sentence(duel) in text
    assert "| pairs | chat |" in text
    assert "| pairs | code |" in text
    assert "two annotators agree" in text
    for caveat in ("a convention", "these very annotators", "Undecided is not equal"):
        assert caveat in text


def test_examples_are_the_ledgers_and_of_the_kinds_told(tmp_path: Path) -> None:
    with Ledger(write(tmp_path) / "ledger.sqlite") as ledger:
        study = Study.of(ledger)
        for name in ("small", "large"):
            failing = modes(study, name)
            found = examples(ledger, study, name, failing)
            assert len(found) == 3
            by_item = {i: study.table.items[i] for mode in failing for i in mode.items.tolist()}
            statuses = dict.fromkeys(by_item, ())
            for item, _, _, status, *_ in ledger.showings(name):
                if item in statuses:
                    statuses[item] = (*statuses[item], status)
            none, wrong, flipped = (set(mode.items.tolist()) for mode in failing)
            assert all("unparsed" in statuses[i] for i in none)
            assert all(study.scores[name][i] == 0 for i in wrong)
            assert all(study.readings[name].preferences()[i] == 0.5 for i in flipped)
            assert {e.item.id for e in found} <= {i.id for i in by_item.values()}
            raws = {raw for *_, raw, _ in (r[:10] for r in ledger.replies()) if raw}
            for example in found:
                for raw in re.findall(r"(?:unparsed|verdict [^:]*): (.*)", example.text):
                    assert raw == "(nothing)" or raw in raws


def test_the_most_confident_error_comes_first(tmp_path: Path) -> None:
    with Ledger(write(tmp_path) / "ledger.sqlite") as ledger:
        study = Study.of(ledger)
    wrong = modes(study, "small")[1]
    assert wrong.note == ", its highest confidence"
    sure = np.zeros(len(study.table.items))
    for block in study.readings["small"].blocks:
        np.maximum.at(sure, block.item, np.nanmax(block.confidence, axis=1))
    assert sure[wrong.items].tolist() == sorted(sure[wrong.items], reverse=True)


BAD = "</code><script>alert(1)</script>\n```\n# T\x1b[2J\u202e |[x](http://e)" + "long " * 200


def test_hostile_texts_and_names_stay_texts(tmp_path: Path) -> None:
    name = "<b>|`*x*\u202e"
    bad = [
        replace(
            i,
            id=f"{i.id}{BAD[:40]}",
            prompt=(Message("user", BAD + str(n)),),
            responses=tuple(Response(r.id, BAD + r.text, r.model) for r in i.responses),
        )
        for n, i in enumerate(items())
    ]
    cards = [replace(SMALL, name=name, description=BAD, licence=BAD, settings={"p": BAD}), COIN]
    answers = {
        name: lambda trial, item: shown(trial, 1 - right(item), raw=BAD) if len(trial.order) == 2
        else shown(trial, 0, raw=BAD),
        "coin": ANSWERS["coin"],
    }  # fmt: skip
    text = of(tmp_path, name, cards=cards, made=bad, answers=answers)
    assert all(line.isprintable() for line in text.splitlines())
    blocks = re.findall(r"^(`{3,})text\n(.*?)\n\1$", text, re.DOTALL | re.MULTILINE)
    assert len(blocks) == 3
    for fence, inside in blocks:
        assert fence not in inside
        assert all(len(line) <= 100 for line in inside.splitlines())
        assert len(inside) < 8 * LONGEST
    rest = re.sub(r"^(`{3,})text\n.*?\n\1$", "", text, flags=re.DOTALL | re.MULTILINE)
    bare = re.sub(r"(?<![\\`])(`+)(?!`)(.+?)(?<!`)\1(?!`)", "", rest)
    assert not re.search(r"(?<!\\)<", bare)
    assert "http://" not in bare
    assert rest.count("\n# ") == 0, "one title, the first line"


def test_of_a_null_judge_it_says_that_it_is_one(tmp_path: Path) -> None:
    text = of(tmp_path, "coin")
    assert "No: a null judge is a yardstick." in text
    assert "## How it fails" not in text
    assert "the others held fixed: not tested: a null judge." in text


def test_a_run_with_one_judge(tmp_path: Path) -> None:
    text = of(tmp_path, "large", cards=[LARGE])
    assert "| – | – |" in text, "there is no null judge to compare it with"
    assert "no larger prompted judge beside it" in text


def test_a_judge_without_a_verdict(tmp_path: Path) -> None:
    silent = {**ANSWERS, "large": lambda trial, item: None}
    text = of(tmp_path, "large", answers=silent)
    assert "**No answer to any of its showings: error 0, not run 192." in text
    assert not re.search(r"\bnan\b", text)
    assert re.findall("^## (.*)$", text, re.MULTILINE) == ["What it is"]


def test_of_an_incomplete_judge_nothing_is_tested(tmp_path: Path) -> None:
    def late(trial: Trial, item: Item) -> Verdict | None:
        return None if item.id in ("p0", "p1", "l0") else shown(trial, right(item))

    text = of(tmp_path, "large", answers={**ANSWERS, "large": late})
    assert "**Incomplete: on pairs 3.3% of its showings have no answer." in text
    assert "not tested against the best null judge, coin: +" in text
    assert "pairs: better than" not in text
    assert text.count("not tested: incomplete") == 2 * (2 + 4), "two lines, four rows, two gates"
    assert "not tested: too few items, or incomplete" in text


def test_verdicts_on_a_part_are_no_failures(tmp_path: Path) -> None:
    def part(trial: Trial, item: Item) -> Verdict:
        return shown(trial, right(item), cut=True)

    text = of(tmp_path, "large", answers={**ANSWERS, "large": part})
    assert "pairs: 100.0% of its showings were judged on a part of the text alone." in text
    assert "whatever these would have been" not in text


def test_every_setting_is_told_under_its_name(tmp_path: Path) -> None:
    odd = replace(LARGE, settings={"layer": 0, "t": 0.0, "bias": False, "model": "x", "no": None})
    text = of(tmp_path, "large", cards=[odd])
    for row in ("layer | `0`", "t | `0.0`", "bias | `False`", "model | `huge-lm`"):
        assert f"| {row} |" in text
    assert "| model (setting) | `x` |" in text
    assert "| no |" not in text


def test_a_known_overlap_and_an_unknown_one_are_both_told() -> None:
    means = {f"mean_{w}{e}": 0.5 for w in ("with", "without") for e in ("", "_lo", "_hi")}
    row = {"training_sets": "a, b", "n_items": 9, "n_same_prompt": 2, "n_same_words": 0, **means}
    known, unknown = told({**row, "not_compared": "b"})
    assert "trained on (a, b): 2 of 9" in known
    assert unknown.startswith("trained on b, which could not be had")
    assert list(told({**row, "n_same_prompt": 0, "not_compared": ""})) == []


@pytest.mark.parametrize(
    ("own", "other", "met"),
    [
        (None, 135_000_000, False),
        (None, None, True),
        (7, 8, True),
        (7, 7, False),
        (7, None, True),
    ],
)
def test_a_large_judge_is_known_to_be_larger_or_of_unknown_size(
    own: int | None, other: int | None, met: bool, tmp_path: Path
) -> None:
    cards = [replace(SMALL, parameters=own), replace(LARGE, parameters=other), COIN]
    text = of(tmp_path, "small", cards=cards)
    assert ("no larger prompted judge beside it" not in text) == met
    assert (
        bool(re.search(r"^\| pairs .* large: (undecided|\w*inferior|superior) ", text, re.M)) == met
    )


def test_a_judge_that_was_asked_nothing(tmp_path: Path) -> None:
    elsewhere = replace(LARGE, tasks=("no such task",))
    text = of(tmp_path, "large", cards=[SMALL, elsewhere, COIN, FIRST])
    assert "It was shown no item of this run." in text
    assert "Nobody knows: it was shown nothing." in text


def test_small_among_several_large_ones_without_dev_items(tmp_path: Path) -> None:
    other = replace(LARGE, name="larger", settings={"prompt": "other"})
    few = [i for i in items() if i.split != "dev"]
    answers = {**ANSWERS, "larger": ANSWERS["coin"]}
    text = of(tmp_path, "small", cards=[SMALL, LARGE, other, COIN], made=few, answers=answers)
    assert "no dev items to choose champions on" in text


def smallclaims(*args: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "bench", *args]
    return subprocess.run(command, capture_output=True, text=True, timeout=300)


def test_the_command_prints_and_writes_it(tmp_path: Path) -> None:
    run = write(tmp_path / "run")
    done = smallclaims("card", "large", "--run", str(run))
    assert done.returncode == 0, done.stderr
    path = run / "report" / "cards" / "large.md"
    assert path.read_text(encoding="utf-8") == done.stdout.removesuffix("\n")
    wrong = smallclaims("card", "larg", "--run", str(run))
    assert wrong.returncode == 2
    assert "no judge of this run 'larg'. Did you mean large?" in wrong.stderr
    missing = smallclaims("card", "large", "--run", str(tmp_path / "no"))
    assert missing.returncode == 2
    assert "no ledger at" in missing.stderr
    (tmp_path / "empty").mkdir()
    with Ledger(tmp_path / "empty" / "ledger.sqlite", write=True):
        pass
    empty = smallclaims("card", "large", "--run", str(tmp_path / "empty"))
    assert empty.returncode == 2
    assert "its run was stopped before it began" in empty.stderr
    assert "Traceback" not in wrong.stderr + missing.stderr + empty.stderr


def test_file_names_are_plain_and_differ(tmp_path: Path) -> None:
    names = ["a/b", "a-b", "../../up", "", ".", "x" * 300, "日本"]
    cards = [replace(COIN, name=name, settings={"n": n}) for n, name in enumerate(names)]
    answers = dict.fromkeys(names, ANSWERS["coin"])
    folder = tmp_path / "cards"
    with Ledger(write(tmp_path, cards, items()[:4], answers) / "ledger.sqlite") as ledger:
        paths = [save(card(ledger, name), name, folder) for name in names]
    assert len(set(paths)) == len(names)
    for path in paths:
        assert path.parent == folder
        assert re.fullmatch(r"[\w-][\w.-]*\.md", path.name, re.ASCII)
        assert len(path.name) < 80


def test_an_unknown_judge_gets_near_names(tmp_path: Path) -> None:
    with (
        Ledger(write(tmp_path) / "ledger.sqlite") as ledger,
        pytest.raises(BenchError, match="Did you mean small"),
    ):
        card(ledger, "smal")
