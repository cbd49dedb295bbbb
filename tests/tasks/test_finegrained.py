"""QA-Feedback from the authors' file: all six pairs of every question, ties among them."""

from __future__ import annotations

import itertools
import json
import os
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from bench.spec import parse_specs
from bench.types import BenchError, Item
from tasks.finegrained import COMMIT, FineGrained, make

needs_mirror = pytest.mark.skipif(
    "SMALLCLAIMS_MIRROR" not in os.environ, reason="SMALLCLAIMS_MIRROR is not set"
)
Votes = dict[tuple[int, int], float]


@pytest.fixture(scope="module")
def items() -> list[Item]:
    return list(FineGrained().items())


@pytest.fixture(scope="module")
def raw(mirror: Path) -> list[dict[str, Any]]:
    folder = mirror / f"github.com/allenai/FineGrainedRLHF/{COMMIT}/tasks/qa_feedback/data"
    return json.loads((folder / "dev_feedback.json").read_text("utf-8"))


@needs_mirror
def test_pairs_and_labels(items: list[Item], raw: list[dict[str, Any]]) -> None:
    assert len(items) == 3000 == len({item.id for item in items})
    rest = iter(items)
    for number, row in enumerate(raw):
        pairs = [(1, 2), (1, 3), (1, 4), (2, 3), (2, 4), (3, 4)]
        assert len(row["preference"]) == len(pairs)
        for (a, b), preference in zip(pairs, row["preference"], strict=True):
            item = next(rest)
            assert item.id == f"finegrained/{number}/{a}-vs-{b}"
            assert item.responses[0].text == row[f"prediction {a}"]
            assert item.responses[1].text == row[f"prediction {b}"]
            (label,) = item.labels
            x, y = label.utilities
            assert (preference == 0, preference == 1, preference == 2) == (x == y, x > y, x < y)
            assert item.reference == row["gold"]
    votes = Counter(preference for row in raw for preference in row["preference"])
    assert votes == {1: 1577, 2: 1039, 0: 384}
    assert {item.domain for item in items} == {"long-form-qa"}


@needs_mirror
def test_the_order_of_the_pairs_is_the_one_that_makes_sense(items: list[Item]) -> None:
    """Judgements of one annotator seldom run in a circle. In this order of the six pairs 22
    questions have one; with any two pairs exchanged, far more."""

    def circles(exchanged: tuple[int, int] | None = None) -> int:
        found = 0
        for start in range(0, len(items), 6):
            six = items[start : start + 6]
            signs = [i.labels[0].utilities[0] - i.labels[0].utilities[1] for i in six]
            if exchanged:
                one, other = exchanged
                signs[one], signs[other] = signs[other], signs[one]
            votes: Votes = dict(zip(itertools.combinations(range(4), 2), signs, strict=True))
            votes |= {(b, a): -sign for (a, b), sign in votes.items()}
            found += any(
                votes[a, b] >= 0 and votes[b, c] >= 0 >= votes[a, c]
                and votes[a, b] + votes[b, c] > 0
                for a, b, c in itertools.permutations(range(4), 3)
            )  # fmt: skip
        return found

    assert circles() == 22
    assert all(circles(pair) > 100 for pair in itertools.combinations(range(6), 2))


@needs_mirror
def test_prompts_hold_the_question_and_every_word_of_the_passages(
    items: list[Item], raw: list[dict[str, Any]]
) -> None:
    assert len({item.prompt_key for item in items}) == 500
    titled = 0
    for number, row in enumerate(raw):
        expected = [row["question"]]
        for at, (title, *sentences) in enumerate(row["passages"], start=1):
            title = title.replace("&amp;", "&")
            opening, blank, rest = " ".join(sentences).partition("\n\n")
            again = bool(blank) and opening == title  # the page's title, before its text
            titled += again
            expected += [f"Passage {at}: {title}\n", *([rest] if again else sentences)]
        six = items[6 * number : 6 * number + 6]
        assert len({item.prompt for item in six}) == 1
        (message,) = six[0].prompt
        assert message.role == "user"
        assert message.content.startswith(row["question"])
        assert message.content.split() == " ".join(expected).split()
    assert titled == 650
    assert sum(not row["passages"] for row in raw) == 2


@needs_mirror
def test_figures_of_the_card(items: list[Item]) -> None:
    longest, first = [], []
    for item in items:
        x, y = item.labels[0].utilities
        if x != y:
            a, b = (len(response.text) for response in item.responses)
            longest.append(0.5 if a == b else float((a > b) == (x > y)))
            first.append(x > y)
    assert len(longest) == 2616
    assert sum(longest) / 2616 == pytest.approx(0.512, abs=5e-4)
    assert sum(first) / 2616 == pytest.approx(0.603, abs=5e-4)


def test_it_has_no_settings() -> None:
    (spec,) = parse_specs("finegrained:x=1")
    with pytest.raises(BenchError, match="finegrained alone expected"):
        make(spec)
