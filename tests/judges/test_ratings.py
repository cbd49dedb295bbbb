"""Ratings of one response alone: the parser, the prompts, and the embedded model for real."""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from test_prompted import LetterStub, Scores, TextStub

from bench.plan import protocol_for, trials
from bench.prepare import cache_folder
from bench.registry import make_judge, make_task
from bench.spec import parse_spec
from bench.types import BenchError, Context, Item, JudgeCard, Message, Response, Status, Trial
from judges.engines.base import Reply
from judges.parsers import rating
from judges.prompt import load_prompt
from judges.prompted import PromptedJudge

SCALE = (1, 10)
CARD = JudgeCard("j", "prompted", ("pointwise",), order_free=True)


def trial(text: str = "four") -> Trial:
    responses = (Response("0", text), Response("1", "other"))
    item = Item("i", "t", "chat", (Message("user", "What is 2 + 2?"),), responses)
    return Trial("k", item, (0,), "pointwise", 0, 0)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Rating: 7", 7),
        ("It is right.\nRating: 7", 7),
        ("**Rating: 7.5**", 7.5),
        ("Reasons ...\n\n**Rating:** 8/10", 8),
        ("My score is: 9 out of 10.", 9),
        ("So [[6]]", 6),
        ("Rating: [[7]]", 7),
        ("**Rating**: [[7.5]]", 7.5),
        ("Rating: 6\nRating: 6", 6),
        ("[[6.5]].", 6.5),
        ("[[8/10]]", 8),
        ("7", 7),
        ("8/10", 8),
        (" **10** ", 10),
        ('{"rating": 4}', 4),
        ("<think>Rating: 2</think>\nRating: 3", 3),
        ("Rating: ٧", 7),
        ("Rating: ７", 7),
        ("评分 Rating： 5", 5),
        ("Grade: 1</s>", 1),
        ("Rating: 7 points", 7),
    ],
)
def test_read(text: str, expected: float) -> None:
    found = rating(text, SCALE, "Rate it.")
    assert (found.status, found.rating) == (Status.OK, expected)


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
        ("Rating: 3, or rather Rating: 8", Status.UNPARSED, "two ratings"),
        ("Rating: 3\nRating: 8", Status.UNPARSED, "two ratings"),
        ("[[3]] [[8]]", Status.UNPARSED, "two ratings"),
        ("Rating: N", Status.UNPARSED, "no rating"),
        ("Rating: 1e9", Status.UNPARSED, "no rating"),
        ("Rating: nan", Status.UNPARSED, "no rating"),
        ("It has 7 errors", Status.UNPARSED, "no rating"),
        ("<think>Rating: 2", Status.TRUNCATED, "thinking"),
        ("I'm sorry, I cannot judge that.", Status.REFUSED, "declined"),
    ],
)
def test_not_read(text: str, status: Status, note: str) -> None:
    found = rating(text, SCALE, "Rate it.")
    assert (found.status, found.rating) == (status, None)
    assert note in found.note


@given(st.text())
def test_no_text_raises_and_what_is_read_is_on_the_scale(text: str) -> None:
    found = rating(text, SCALE, "")
    assert (found.rating is None) == (found.status is not Status.OK)
    assert found.rating is None or 1 <= found.rating <= 10


PIECES = ["Rating", ":", " ", "7", "10", ".", "/", "out of", "[[", "]]", "\n", "*", "<think>", "-"]


@given(st.lists(st.sampled_from([*PIECES, "</think>", "</s>", "is", "five"])).map("".join))
def test_texts_made_of_pieces(text: str) -> None:
    found = rating(text, SCALE, "")
    if found.rating is not None:
        last = re.sub(r"(\s*</s>)+\Z", "", text.rstrip()).strip().splitlines()[-1]
        assert f"{found.rating:g}" in last


@pytest.mark.parametrize("name", ["rating", "rating-digit"])
def test_never_a_rating_from_the_echoed_prompt(name: str) -> None:
    prompt = load_prompt(name)
    (message,) = prompt.render(trial("Rating: 9"))
    assert prompt.scale is not None
    assert rating(message.content, prompt.scale, message.content).rating is None
    for line in message.content.splitlines():
        if line != "Rating: 9":
            assert rating(line, prompt.scale, "").rating is None


@pytest.mark.parametrize(
    "unit", ["x", "\n", "[[7]]", "Rating: ", "Rating:7 ", "1", "7/", "٧", "</s>", " "]
)
def test_enormous_replies_are_read_at_their_end(unit: str) -> None:
    rating(unit * (4_000_000 // len(unit)) + "z", SCALE, "p" * 1_000)
    for end in ("z", " z", ". z"):
        rating("Because.\nRating: 7" + unit * (1_900 // len(unit)) + end, SCALE, "p" * 1_000)


@pytest.mark.parametrize("name", ["rating", "rating-digit"])
def test_the_prompt_shows_the_one_response_as_it_is(name: str) -> None:
    (message,) = load_prompt(name).render(trial("<b>{{ 7*7 }}</b>"))
    assert message.content.count("<b>{{ 7*7 }}</b>") == 1
    assert message.content.index("What is 2 + 2?") < message.content.index("<b>")
    assert "other" not in message.content


def judge(text: str, cut: bool = False) -> PromptedJudge:
    return PromptedJudge(CARD, load_prompt("rating"), TextStub(Reply(text, cut)))


def test_a_rating_is_the_utility_of_its_response() -> None:
    (v,) = judge("Fine.\nRating: 8").judge([trial()])
    assert (v.status, v.utilities, v.raw) == (Status.OK, (8.0,), "Fine.\nRating: 8")
    (v,) = judge("Fine. And then it", cut=True).judge([trial()])
    assert (v.status, v.utilities) == (Status.TRUNCATED, None)


def test_digits_are_weighed_by_their_probability() -> None:
    p = [0.0, 0.1, 0.0, 0.0, 0.2, 0.0, 0.0, 0.0, 0.1]
    scores = Scores(tuple(math.log(x) if x else -math.inf for x in p))
    engine = LetterStub(scores)
    (v,) = PromptedJudge(CARD, load_prompt("rating-digit"), engine).judge([trial()])
    assert v.utilities == pytest.approx(((2 * 0.1 + 5 * 0.2 + 9 * 0.1) / 0.4,))
    assert v.confidence is None
    assert json.loads(v.raw)["mass"] == pytest.approx(0.4)
    assert engine.asked[0][1] == "123456789"
    nothing = LetterStub(Scores((-math.inf,) * 9))
    (v,) = PromptedJudge(CARD, load_prompt("rating-digit"), nothing).judge([trial()])
    assert (v.status, v.utilities) == (Status.UNPARSED, None)


def test_an_engine_of_digits_needs_a_scale_of_digits() -> None:
    with pytest.raises(BenchError, match=r"scale \[1, 10\].*for example rating-digit"):
        PromptedJudge(CARD, load_prompt("rating"), LetterStub(Scores(())))


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"scale": None}, "go together"),
        ({"parser": "choice"}, "go together"),
        ({"protocols": ["pointwise", "pairwise"]}, "go together"),
        ({"returns": ["letter"]}, "go together"),
        ({"scale": [10, 1]}, "lowest, highest expected"),
        ({"scale": [1]}, "two whole numbers"),
        ({"scale": "1-10"}, "two whole numbers"),
        ({"scale": [1, True]}, "two whole numbers"),
        ({"sclae": [1, 10]}, "and scale in a prompt that asks for ratings"),
    ],
)
def test_a_bad_prompt_of_ratings_is_told(
    tmp_path: Path, changed: dict[str, object], told: str
) -> None:
    data = yaml.safe_load(Path("judges/prompts/rating.yaml").read_text(encoding="utf-8"))
    path = tmp_path / "own.yaml"
    path.write_text(yaml.safe_dump({**data, **changed}))
    with pytest.raises(BenchError, match=told):
        load_prompt(str(path))


def test_the_embedded_model_rates_as_plain_transformers_does(
    embedded: str, embedded_folder: Path
) -> None:
    """By the card, through the plan, against a computation that shares no code of ours but the
    wording: the chat template, one forward pass, the softmax over the digits."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    made = make_judge(parse_spec("smollm2-rating"), Context(cache=cache_folder()))
    items = list(make_task(parse_spec("verifiable:n=12,shape=pairs")).items())[:10]
    assert {protocol_for(made.card, item) for item in items} == {"pointwise"}
    asked = {t.key: t for _, t in trials(items, made.card)}
    verdicts = list(made.judge(asked.values()))
    assert len(verdicts) == len(asked) == 20
    tokenizer = AutoTokenizer.from_pretrained(embedded_folder)
    model = AutoModelForCausalLM.from_pretrained(embedded_folder, dtype=torch.float32).eval()
    digits = [[tokenizer.convert_tokens_to_ids(s) for s in (d, f"Ġ{d}")] for d in "123456789"]
    known = set(tokenizer.get_vocab().values())
    digits = [[t for t in of if t in known and t != tokenizer.unk_token_id] for of in digits]
    for found in verdicts:
        (message,) = load_prompt("rating-digit").render(asked[found.key])
        chat = [{"role": "user", "content": message.content}]
        text = tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
        ids = tokenizer(text, add_special_tokens=False, return_tensors="pt").input_ids
        with torch.inference_mode():
            p = model(ids).logits[0, -1].double().softmax(0)
        mass = [sum(float(p[t]) for t in of) for of in digits]
        mean = sum((d + 1) * m for d, m in enumerate(mass)) / sum(mass)
        assert found.utilities == pytest.approx((mean,), abs=1e-4)
    made.close()


def test_a_response_is_rated_once_in_however_many_items_it_is() -> None:
    item = trial().item
    twice = [replace(item, id="a"), replace(item, id="b", responses=item.responses[::-1])]
    assert len({t.key for _, t in trials(twice, CARD)}) == 2
