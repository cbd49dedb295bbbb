"""CoNaLa from the authors' grades: pairs by the rule, one label a programmer, known figures."""

from __future__ import annotations

import itertools
import json
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bench.spec import parse_spec
from bench.types import BenchError, Item, content_key
from tasks.conala import COMMIT, CoNaLa, make

needs_mirror = pytest.mark.skipif(
    "SMALLCLAIMS_MIRROR" not in os.environ, reason="SMALLCLAIMS_MIRROR is not set"
)
MODELS = ["baseline", "tranx-annot", "best-tranx", "best-tranx-rerank", "codex"]
Row = dict[str, Any]
Grades = tuple[float, float]


@pytest.fixture(scope="module")
def items() -> list[Item]:
    return list(CoNaLa().items())


@pytest.fixture(scope="module")
def rows(mirror: Path) -> list[Row]:
    folder = mirror / f"github.com/JetBrains-Research/codegen-metrics/{COMMIT}"
    found: list[Row] = json.loads(
        (folder / "data/to-grade/conala/conala-human-grades.json").read_text()
    )
    return found


def both(row: Row, one: str, other: str) -> dict[str, Grades]:
    """Programmer -> the grades of both snippets."""
    first, second = row[f"grade-{one}"], row[f"grade-{other}"]
    return {who: (first[who], second[who]) for who in first.keys() & second.keys()}


def sign(grades: Grades) -> int:
    return (grades[0] > grades[1]) - (grades[0] < grades[1])


def votes(rows: list[Row], items: list[Item]) -> Iterator[tuple[list[str], list[int]]]:
    """From the rows: the texts of each pair and the sign of each programmer's preference."""
    for item in items:
        _, index, pair = item.id.split("/")
        one, other = pair.split("-vs-")
        row = rows[int(index)]
        yield [row[one], row[other]], [sign(grades) for grades in both(row, one, other).values()]


@needs_mirror
def test_pairs_are_those_of_the_rule(items: list[Item], rows: list[Row]) -> None:
    """Most programmers first, then the content key of the id; at most two an intent."""
    found: dict[int, list[str]] = {}
    for item in items:
        found.setdefault(int(item.id.split("/")[1]), []).append(item.id)
    assert len(rows) == len(found) == 472
    for index, row in enumerate(rows):
        ranked = []
        for one, other in itertools.combinations(MODELS, 2):
            name = f"conala/{index}/{one}-vs-{other}"
            graders = len(both(row, one, other))
            if graders >= 2 and row[one] != row[other]:
                ranked.append((-graders, content_key(name), name))
        ranked.sort()
        assert sorted(found[index]) == sorted(name for *_, name in ranked[:2])
    assert len({item.id for item in items}) == len(items) == 944


@needs_mirror
def test_items_say_what_the_rows_say(items: list[Item], rows: list[Row]) -> None:
    for item in items:
        row = rows[int(item.id.split("/")[1])]
        one, other = (response.model or "" for response in item.responses)
        assert [response.text for response in item.responses] == [row[one], row[other]]
        assert one != other
        assert {label.annotator: label.utilities for label in item.labels} == both(row, one, other)
        assert item.prompt[0].content == row["intent"]
        assert item.reference == row["snippet"][0]
    assert Counter(len(item.labels) for item in items) == {
        **{2: 39, 3: 216, 4: 536, 5: 91},
        **{6: 55, 7: 4, 8: 3},
    }
    assert {item.domain for item in items} == {"code"}
    assert len({item.prompt_key for item in items}) == 472
    assert sum(any(not r.text for r in item.responses) for item in items) == 2


@needs_mirror
def test_agreement_and_length_as_in_the_card(items: list[Item], rows: list[Row]) -> None:
    same, decided, longest = [], [], []
    every = Counter[int]()
    for (one, other), signs in votes(rows, items):
        every.update(signs)
        same += [a == b for a, b in itertools.combinations(signs, 2)]
        decided += [a == b for a, b in itertools.combinations(signs, 2) if a and b]
        ranked = Counter(signs).most_common()
        (top, count), (_, next_count) = ranked[0], (ranked[1:] or [(0, 0)])[0]
        if top and count > next_count:
            tie = len(one) == len(other)
            longest.append(0.5 if tie else (len(one) > len(other)) == (top > 0))
    assert sum(same) / len(same) == pytest.approx(0.571, abs=5e-4)
    assert sum(decided) / len(decided) == pytest.approx(0.832, abs=5e-4)
    assert every[0] / every.total() == pytest.approx(0.316, abs=5e-4)
    assert sum(longest) / len(longest) == pytest.approx(0.434, abs=5e-4)


@needs_mirror
def test_who_graded_and_whom_as_in_the_card(items: list[Item], rows: list[Row]) -> None:
    codex = Counter[int]()
    bad = without = 0
    for item in items:
        models = [response.model for response in item.responses]
        if "codex" in models:
            at = models.index("codex")
            codex.update(sign((x.utilities[at], x.utilities[1 - at])) for x in item.labels)
        else:
            without += 1
            means = [sum(x.utilities[i] for x in item.labels) / len(item.labels) for i in (0, 1)]
            bad += max(means) < 2
    assert codex[1] / (codex[1] + codex[-1]) == pytest.approx(0.808, abs=5e-4)
    assert (bad, without) == (352, 569)
    ties = [x.utilities[0] for i in items for x in i.labels if len(set(x.utilities)) == 1]
    assert 0.5 < ties.count(0.0) / len(ties) < 0.6
    taken_part = Counter(label.annotator for item in items for label in item.labels)
    shares = sorted(count / 944 for count in taken_part.values())
    assert len(shares) == 15
    assert sum(share < 0.1 for share in shares) == 8
    assert sum(share > 0.9 for share in shares) == 2
    assert len({who for row in rows for m in MODELS for who in row[f"grade-{m}"]}) == 16
    assert len({(i.prompt_key, r.model) for i in items for r in i.responses}) == 1574


@needs_mirror
def test_the_order_gives_nothing_away(items: list[Item]) -> None:
    decided = [s for i in items for x in i.labels if (s := sign((x.utilities[0], x.utilities[1])))]
    assert 0.45 < decided.count(1) / len(decided) < 0.55
    assert {tuple(r.id for r in item.responses) for item in items} == {("a", "b")}


def test_the_rule_on_a_made_up_intent(monkeypatch: pytest.MonkeyPatch) -> None:
    """Codex and the baseline have the most programmers in common, but the same text; the rerank
    snippet was graded by one of them only."""
    row = {
        "intent": "count the apples",
        "snippet": ["len(apples)", "sum(1 for _ in apples)"],
        **dict.fromkeys(MODELS, "apples"),
        "tranx-annot": "len ( apples )",
        "best-tranx": "count(apples)",
        "best-tranx-rerank": "apples.count()",
        "grade-baseline": {"p1": 0, "p2": 1, "p3": 0, "p4": 0},
        "grade-codex": {"p1": 0, "p2": 1, "p3": 0, "p4": 0},
        "grade-tranx-annot": {"p3": 4, "p1": 4, "p2": 1},
        "grade-best-tranx": {"p1": 3, "p2": 3},
        "grade-best-tranx-rerank": {"p4": 2},
    }
    monkeypatch.setattr("tasks.conala.read_json", lambda source: [row])
    made = list(CoNaLa().items())
    assert [item.id for item in made] == [
        "conala/0/baseline-vs-tranx-annot",
        "conala/0/tranx-annot-vs-codex",
    ]
    for item in made:
        at = [response.model for response in item.responses].index("tranx-annot")
        grades = {x.annotator: (x.utilities[at], x.utilities[1 - at]) for x in item.labels}
        assert grades == {"p1": (4, 0), "p2": (1, 1), "p3": (4, 0)}
        assert item.reference == "len(apples)"


def test_a_setting_is_refused() -> None:
    with pytest.raises(BenchError, match="conala alone expected"):
        make(parse_spec("conala:x=1"))
