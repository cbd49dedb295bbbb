"""Answers that are numbers or an order: one rating, ratings by aspect, scores, rankings; and what
a judge makes of ratings."""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace

import pytest
from asking import asked
from hypothesis import given
from hypothesis import strategies as st
from test_prompted import AnswerStub, TextStub, weighed

from bench.plan import trials
from bench.types import Item, JudgeCard, Message, Response, Status, Trial
from judges.engines.base import Reply
from judges.parsers import Read
from judges.parsers.rankings import ranking
from judges.parsers.ratings import aspects, rating
from judges.parsers.scores import scores
from judges.prompt import load_prompt
from judges.prompted import PromptedJudge

CARD = JudgeCard("j", "prompted", ("pointwise",), order_free=True)
ONE = asked(1, shown="Rate it.")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Rating: 7", 7),
        ("It is right.\nRating: 7", 7),
        ("**Rating: 7.5**", 7.5),
        ("Reasons ...\n\n**Rating:** 8/10", 8),
        ("Reasons.\n**Rating**: 8", 8),
        ("Reasons.\n\n### Rating:\n8", 8),
        ("My score is: 9 out of 10.", 9),
        ("So [[6]]", 6),
        ("Rating: [[7]]", 7),
        ("**Rating**: [[7.5]]", 7.5),
        ("Rating: 6\nRating: 6", 6),
        ("Rating: 6\nScore: 6.0/10", 6),
        ("[[6.5]].", 6.5),
        ("[[8/10]]", 8),
        ("7", 7),
        ("8/10", 8),
        (" **10** ", 10),
        ('{"rating": 4}', 4),
        ('{"score": "8/10", "why": "[[3]] would be unkind"}', 8),
        ('Fine.\n```json\n{"rating": 7.5}\n```', 7.5),
        ("Feedback: fine, but [RESULT] is my word. [RESULT] 4", None),
        ("Feedback: it is right, as far as it goes. [RESULT] 4", 4),
        ("Feedback.\n[RESULT]\n4", 4),
        ("<think>Rating: 2</think>\nRating: 3", 3),
        ("Rating: ٧", 7),
        ("Rating: ٧٫٥", 7.5),
        ("Rating: ७", 7),
        ("Rating: ７．５／１０", 7.5),
        ("评分 Rating： 5", 5),
        ("Grade: 1</s>", 1),
        ("Rating: 7 points", 7),
    ],
)
def test_read(text: str, expected: float | None) -> None:
    found = rating(text, ONE)
    assert found.utilities == (None if expected is None else (expected,))


@pytest.mark.parametrize(
    ("text", "status", "note"),
    [
        ("", Status.UNPARSED, "empty"),
        ("It is good.", Status.UNPARSED, "no rating at the end"),
        ("Rating: 7\nBut then, who knows.", Status.UNPARSED, "no rating"),
        ("Rating: 11", Status.UNPARSED, "11, on a scale from 1 to 10"),
        ("Rating: 0", Status.UNPARSED, "0, on a scale"),
        ("Rating: -3", Status.UNPARSED, "-3"),
        ("Rating: 4/5", Status.UNPARSED, "4 out of 5, on a scale from 1 to 10"),
        ("Rating: 4\nRating: 4/5", Status.UNPARSED, "4 out of 5, on a scale from 1 to 10"),
        ("Rating: 3, or rather Rating: 8", Status.UNPARSED, "two ratings"),
        ("Rating: 3\nRating: 8", Status.UNPARSED, "two ratings"),
        ("[[3]] [[8]]", Status.UNPARSED, "two ratings"),
        ('{"rating": 3, "score": 8}', Status.UNPARSED, "two ratings"),
        ('Rating: 3\n{"rating": 8}', Status.UNPARSED, "two ratings"),
        ('{"rating": true}', Status.UNPARSED, "no rating"),
        ('{"rating": NaN}', Status.UNPARSED, "no rating"),
        ('{"rating": 1e1}', Status.OK, ""),
        ("2 + 2 is worked out right. Result: 4", Status.UNPARSED, "no rating"),
        ("Rating: N", Status.UNPARSED, "no rating"),
        ("Rating: 1e9", Status.UNPARSED, "no rating"),
        ("Rating: nan", Status.UNPARSED, "no rating"),
        ("Rating: 7-8", Status.UNPARSED, "no rating"),
        ("It has 7 errors", Status.UNPARSED, "no rating"),
        ("<think>Rating: 2", Status.TRUNCATED, "thinking"),
        ("I'm sorry, I cannot judge that.", Status.REFUSED, "declined"),
    ],
)
def test_not_read(text: str, status: Status, note: str) -> None:
    found = rating(text, ONE)
    assert (found.status, found.utilities is None) == (status, status is not Status.OK)
    assert note in found.note


PIECES = ["Rating", ":", " ", "7", "10", ".", "/", "out of", "[[", "]]", "\n", "*", "<think>", "-"]


@given(st.lists(st.sampled_from([*PIECES, "</think>", "</s>", "is", "five"])).map("".join))
def test_texts_made_of_pieces(text: str) -> None:
    found = rating(text, ONE)
    if found.utilities is not None:
        last = re.sub(r"(\s*</s>)+\Z", "", text.rstrip()).strip().splitlines()[-1]
        assert f"{found.utilities[0]:g}" in last


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("7 3", (7, 3)),
        ("7 3\nThe first is right, the second, with a score of 9, is not.\n1 1", (7, 3)),
        ("\n 8.5 9 \nbecause", (8.5, 9)),
        ("**7** **3**", (7, 3)),
        ("7, 3", (7, 3)),
        ("7/10 3/10", (7, 3)),
        ("Scores: 7 and 3", (7, 3)),
        ("A: 7, B: 3.", (7, 3)),
        ("Response A: 7; Response B: 3", (7, 3)),
        ("٧ ٣", (7, 3)),
        ("7 3</s>", (7, 3)),
        ("<think>9 9</think>\n7 3", (7, 3)),
        ('{"scores": [7, 3]}', (7, 3)),
        ('{"scores": {"A": 7, "B": "3/10"}}', (7, 3)),
        ('```json\n{"a": 7, "b": 3, "why": "so"}\n```', (7, 3)),
        ("10 10", (10, 10)),
    ],
)
def test_scores(text: str, expected: tuple[float, ...]) -> None:
    assert scores(text, asked()) == Read(Status.OK, tuple(map(float, expected)))


@pytest.mark.parametrize(
    ("text", "note"),
    [
        ("", "empty"),
        ("7", "1 scores on the first line; 2 expected"),
        ("7 3 5", "3 scores on the first line; 2 expected"),
        ("7 11", "11, on a scale from 1 to 10"),
        ("7/3", "2 expected"),
        ("7 3/5", "3 out of 5"),
        ("7 or 3", "2 expected"),
        ("73", "2 expected"),
        ("Here they are:\n7 3", "2 expected"),
        ("7 points for the first, 3 for the second", "2 expected"),
        ("B: 7, A: 3", "another order"),
        ("7 B: 3", "another order"),
        ('{"scores": [7]}', "1 scores"),
        ('{"scores": [7, NaN]}', "1 scores"),
        ('{"A": 7}', "1 scores"),
    ],
)
def test_no_scores(text: str, note: str) -> None:
    found = scores(text, asked())
    assert (found.status, found.utilities) == (Status.UNPARSED, None)
    assert note in found.note


def test_scores_of_more_responses_and_other_names() -> None:
    assert scores("1 2 3 4", asked(4)).utilities == (1, 2, 3, 4)
    assert scores("1: 7, 2: 3", asked(2, signs="numbers")).utilities == (7, 3)
    assert scores("I'm sorry, I can't compare these.", asked()).status is Status.REFUSED


def test_a_quoted_first_line_is_no_score() -> None:
    text = "7 3\nare what the other judge gave to these two, and we do not agree with it"
    assert scores(text, asked(shown=f"Look: {text}!")).status is Status.UNPARSED
    assert scores(text, asked(shown="Look.")).utilities == (7, 3)


ASPECTS = {"factual correctness": "?", "tone": "?"}


@pytest.mark.parametrize(
    "text",
    [
        "Why.\nFactual correctness: 4\nTone: 2",
        "tone: 2\nfactual_correctness: 4",
        "- **Factual correctness:** 4/5\n- **Tone**: 2/5",
        "* Factual-Correctness = 4.0\n\n* Tone = 2 points",
        '{"factual correctness": 4, "tone": "2", "why": "because"}',
        'Why.\n```json\n{"factual_correctness": 4,\n "tone": 2}\n```',
        "factual correctness: ४\ntone: ２",
        "<think>tone: 5</think>factual correctness: 4\ntone: 2",
    ],
)
def test_aspects(text: str) -> None:
    found = aspects(text, asked(1, aspects=ASPECTS, scale=(1, 5)))
    assert found == Read(Status.OK, (3.0,), aspects=(4.0, 2.0))
    weighted = aspects(text, asked(1, aspects=ASPECTS, scale=(1, 5), weights=(3.0, 1.0)))
    assert weighted == Read(Status.OK, (3.5,), aspects=(4.0, 2.0))


@pytest.mark.parametrize(
    ("text", "note"),
    [
        ("Tone: 2", "no rating of factual correctness"),
        ("Factual correctness: 4\nTone: 2\nThat is all.", "no rating of factual correctness"),
        ("Factual correctness: 4\nTone: 2\nTone: 3", "no rating of factual correctness"),
        ("Tone: 2\nTone: 2", "no rating of factual correctness"),
        ("Factual correctness: 4\nTone: 6", "tone: 6, on a scale from 1 to 5"),
        ("Factual correctness: 4\nTone: 2/10", "tone: 2 out of 10"),
        ("Factual correctness: 4\nTone: good", "no rating of tone"),
        ('{"factual correctness": 4}', "no rating of tone"),
        ('{"factual correctness": 4, "tone": [2]}', "no rating of tone"),
        ('{"tone": 2, "Tone": 3, "factual correctness": 4}', "no rating"),
    ],
)
def test_no_aspects(text: str, note: str) -> None:
    found = aspects(text, asked(1, aspects=ASPECTS, scale=(1, 5)))
    assert (found.status, found.utilities, found.aspects) == (Status.UNPARSED, None, ())
    assert note in found.note


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Ranking: B > A > C", (1, 2, 0)),
        ("b>c>a", (0, 2, 1)),
        ("Why.\n**Ranking:** C > B > A.", (0, 1, 2)),
        ("My order is: [[B]] > [[C]] > [[A]]", (0, 2, 1)),
        ("Ranking: A = B > C", (1.5, 1.5, 0)),
        ("Ranking: A=B=C", (1, 1, 1)),
        ("Ranking: B ≻ A ≻ C", (1, 2, 0)),
        ('{"ranking": ["B", "A", "C"]}', (1, 2, 0)),
    ],
)
def test_rankings(text: str, expected: tuple[float, ...]) -> None:
    assert ranking(text, asked(3)) == Read(Status.OK, tuple(map(float, expected)))


@pytest.mark.parametrize(
    ("text", "note"),
    [
        ("B is best", "no ranking"),
        ("B", "no ranking"),
        ("Ranking: B > A", "ranks B, A of 3"),
        ("Ranking: B > A > A", "ranks B, A, A of 3"),
        ("Ranking: B > A > D", "ranks B, A, D of 3"),
        ("Ranking: A > B > C\nor not", "no ranking"),
        ("Ranking: A >> B > C", "ranks A, , B, C of 3"),
        ('{"ranking": "A"}', "no ranking"),
        ('{"ranking": [["A"], "B", "C"]}', "ranks"),
    ],
)
def test_no_rankings(text: str, note: str) -> None:
    found = ranking(text, asked(3))
    assert (found.status, found.utilities) == (Status.UNPARSED, None)
    assert note in found.note


def test_equal_ranks_only_where_they_are_allowed() -> None:
    assert ranking("A = B", asked()).utilities == (0.5, 0.5)
    assert "does not allow" in ranking("A = B", asked(tie=False)).note


# -- judges


def trial(text: str = "four") -> Trial:
    responses = (Response("0", text), Response("1", "other"))
    item = Item("i", "t", "chat", (Message("user", "What is 2 + 2?"),), responses)
    return Trial("k", item, (0,), "pointwise", 0, 0)


def judge(text: str, cut: bool = False) -> PromptedJudge:
    return PromptedJudge(CARD, load_prompt("rating"), TextStub(Reply(text, cut)))


def test_a_rating_is_the_utility_of_its_response() -> None:
    (v,) = judge("Fine.\nRating: 8").judge([trial()])
    assert (v.status, v.utilities, v.raw) == (Status.OK, (8.0,), "Fine.\nRating: 8")
    (v,) = judge("Fine. And then it", cut=True).judge([trial()])
    assert (v.status, v.utilities) == (Status.TRUNCATED, None)


def weighing(engine: AnswerStub) -> PromptedJudge:
    return PromptedJudge(CARD, load_prompt("rating-digit"), engine, "probabilities")


def test_digits_are_weighed_by_their_probability() -> None:
    p = [0.0, 0.1, 0.0, 0.0, 0.2, 0.0, 0.0, 0.0, 0.1]
    engine = weighed([math.log(x) if x else -math.inf for x in p])
    (v,) = weighing(engine).judge([trial()])
    assert v.utilities == pytest.approx(((2 * 0.1 + 5 * 0.2 + 9 * 0.1) / 0.4,))
    assert v.confidence is None
    assert json.loads(v.raw)["mass"] == pytest.approx(0.4)
    assert tuple(engine.asked[0].answers) == tuple("123456789")
    (v,) = weighing(weighed([-math.inf] * 9)).judge([trial()])
    assert (v.status, v.utilities) == (Status.UNPARSED, None)


def test_a_response_is_rated_once_in_however_many_items_it_is() -> None:
    item = trial().item
    twice = [replace(item, id="a"), replace(item, id="b", responses=item.responses[::-1])]
    assert len({t.key for _, t in trials(twice, CARD)}) == 2
