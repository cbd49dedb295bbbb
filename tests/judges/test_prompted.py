from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from bench.spec import parse_specs
from bench.types import (
    BenchError,
    Item,
    JudgeCard,
    Message,
    Response,
    Status,
    Trial,
    Usage,
)
from judges.engines.base import Conversation, Reply, Tag
from judges.prompt import Prompt, load_prompt
from judges.prompted import BATCH, PromptedJudge, _card

PROMPTS = [
    name
    for name in sorted(p.stem for p in Path("judges/prompts").glob("*.yaml"))
    if load_prompt(name).scale is None
]
"""Those that compare responses."""
CARD = JudgeCard("j", "prompted", ("pairwise", "listwise"))


def trial(texts: Sequence[str] = ("four", "five"), order: Sequence[int] = ()) -> Trial:
    responses = tuple(Response(str(i), text) for i, text in enumerate(texts))
    item = Item("i", "t", "d", (Message("user", "What is 2 + 2?"),), responses)
    order = tuple(order) or tuple(range(len(texts)))
    return Trial(f"k{order}", item, order, "listwise", 0, 0)


@dataclass(frozen=True)
class Scores:
    logprobs: tuple[float, ...]
    prompt_tokens: int = 100
    truncated: bool = False


class LetterStub:
    """A choice engine that always gives the same probabilities, and notes what it is asked."""

    def __init__(self, scores: Scores) -> None:
        self.scores = scores
        self.asked: list[tuple[Conversation, Sequence[str]]] = []
        self.calls = 0
        self.closed = False

    def letter_logprobs(
        self, conversations: Sequence[Conversation], letters: Sequence[Sequence[str]]
    ) -> Iterator[Scores]:
        self.calls += 1
        self.asked += zip(conversations, letters, strict=True)
        return (self.scores for _ in conversations)

    def close(self) -> None:
        self.closed = True


class TextStub:
    """A text engine that always gives the same reply."""

    def __init__(self, reply: Reply) -> None:
        self.reply = reply

    def generate(self, requests: Iterable[tuple[Tag, Conversation]]) -> Iterator[tuple[Tag, Reply]]:
        return ((tag, self.reply) for tag, _ in requests)

    def close(self) -> None:
        pass


def letter_judge(scores: Scores) -> PromptedJudge:
    return PromptedJudge(CARD, load_prompt("choice-letter"), LetterStub(scores))


def test_letter_probabilities_become_utilities_in_item_order() -> None:
    scores = Scores((math.log(0.6), math.log(0.2)))
    (v,) = letter_judge(scores).judge([trial(order=(1, 0))])
    assert v.utilities == pytest.approx((0.25, 0.75))
    assert v.confidence == pytest.approx(0.75)
    assert json.loads(v.raw) == {"A": 0.6, "B": 0.2, "mass": 0.8}
    assert (v.usage.prompt_tokens, v.usage.completion_tokens) == (100, 0)
    assert v.usage.latency_s is not None


@given(st.lists(st.floats(-2_000, 0), min_size=2, max_size=26))
def test_utilities_are_probabilities_however_small_the_mass(logprobs: list[float]) -> None:
    texts = [str(i) for i in range(len(logprobs))]
    (v,) = letter_judge(Scores(tuple(logprobs))).judge([trial(texts)])
    assert v.utilities is not None
    assert math.fsum(v.utilities) == pytest.approx(1.0)
    assert max(v.utilities) == v.confidence
    assert v.utilities[logprobs.index(max(logprobs))] == max(v.utilities)


def test_a_cut_prompt_and_letters_without_probability_are_no_verdicts() -> None:
    (v,) = letter_judge(Scores((-1.0, -2.0), truncated=True)).judge([trial()])
    assert (v.status, v.utilities) == (Status.TRUNCATED, None)
    (v,) = letter_judge(Scores((-math.inf, -math.inf))).judge([trial()])
    assert (v.status, v.utilities) == (Status.UNPARSED, None)
    assert json.loads(v.raw)["mass"] == 0


def test_a_choice_engine_is_asked_in_batches_and_closed() -> None:
    engine = LetterStub(Scores((-1.0, -2.0)))
    judge = PromptedJudge(CARD, load_prompt("choice-letter"), engine)
    verdicts = judge.judge(trial() for _ in range(BATCH + 3))
    next(verdicts)
    assert (engine.calls, len(engine.asked)) == (1, BATCH)
    assert len(list(verdicts)) == BATCH + 2
    assert {letters for _, letters in engine.asked} == {"AB"}
    judge.close()
    assert engine.closed


def test_a_choice_engine_needs_a_prompt_that_is_answered_with_a_letter() -> None:
    with pytest.raises(BenchError, match="choice-letter"):
        PromptedJudge(CARD, load_prompt("choice"), LetterStub(Scores(())))


@pytest.mark.parametrize(
    ("text", "utilities"),
    [
        ("Verdict: A", (0.0, 0.0, 1.0)),
        ("Verdict: C", (0.0, 1.0, 0.0)),
        ("Verdict: tie", (1 / 3, 1 / 3, 1 / 3)),
    ],
)
def test_a_text_verdict_is_turned_back_into_item_order(
    text: str, utilities: tuple[float, ...]
) -> None:
    judge = PromptedJudge(CARD, load_prompt("choice"), TextStub(Reply(text)))
    (v,) = judge.judge([trial(("x", "y", "z"), order=(2, 0, 1))])
    assert v.utilities == pytest.approx(utilities)
    assert (v.confidence, v.raw) == (None, text)


def test_usage_stays_with_a_failure() -> None:
    usage = Usage(prompt_tokens=5, latency_s=1.0)
    for reply, status in [
        (Reply("no", usage=usage), Status.UNPARSED),
        (Reply("no", cut=True, usage=usage), Status.TRUNCATED),
        (Reply(failed=Status.ERROR, note="x", usage=usage), Status.ERROR),
    ]:
        (v,) = PromptedJudge(CARD, load_prompt("choice"), TextStub(reply)).judge([trial()])
        assert (v.status, v.usage) == (status, usage)


@pytest.mark.parametrize("name", PROMPTS)
def test_our_prompts_show_everything_once_and_in_order(name: str) -> None:
    prompt = load_prompt(name)
    shown = trial(("<b>first & last</b>", "second", "third"), order=(2, 0, 1))
    (message,) = prompt.render(shown)
    text = message.content
    places = [text.index(piece) for piece in ("2 + 2", "third", "<b>first & last</b>", "second")]
    assert places == sorted(places)
    assert "Response C" in text
    assert "Response D" not in text
    assert prompt.name == name
    assert not prompt.uses_reference


@pytest.mark.parametrize("name", PROMPTS)
def test_a_prompt_shows_as_many_responses_as_there_are_letters(name: str) -> None:
    (message,) = load_prompt(name).render(trial([f"text {i}" for i in range(26)]))
    assert "Response Z" in message.content


@given(
    st.one_of(
        st.text(), st.sampled_from(["{{ 7 * 7 }}", "{% for x in y %}", "{{ prompt.__class__ }}"])
    )
)
def test_model_text_is_data_and_never_template(text: str) -> None:
    (message,) = load_prompt("choice").render(trial((text, "other")))
    assert f"begins ===\n{text}\n=== Response A ends" in message.content


def own(**changes: object) -> dict[str, object]:
    fields: dict[str, object] = {
        "name": "own",
        "protocols": ["pairwise"],
        "follows": "own",
        "licence": "CC0",
        "parser": "choice",
        "returns": ["letter"],
        "template": "{{ responses[0] }} or {{ responses[1] }}?",
    }
    return {**fields, **changes}


def load(tmp_path: Path, data: object) -> Prompt:
    path = tmp_path / "own.yaml"
    path.write_text(data if isinstance(data, str) else yaml.safe_dump(data))
    return load_prompt(str(path))


def test_a_prompt_of_ones_own(tmp_path: Path) -> None:
    prompt = load(tmp_path, own(template="{{ reference }}: {{ responses | join('/') }}"))
    shown = trial()
    shown = replace(shown, item=replace(shown.item, reference="4"))
    assert prompt.render(shown) == (Message("user", "4: four/five"),)
    assert prompt.uses_reference
    card = _card(parse_specs("litellm:m")[0], prompt, "m", {})
    assert (card.sees, card.protocols) == (("text", "reference"), ("pairwise",))


def test_the_key_of_a_prompt_is_what_it_says_and_how_it_is_read(tmp_path: Path) -> None:
    key = load(tmp_path, own()).key
    assert load(tmp_path, own(name="other", licence="MIT")).key == key
    assert load(tmp_path, own(template="{{ responses }}?")).key != key
    assert load(tmp_path, own(returns=["letter", "tie"])).key != key


@pytest.mark.parametrize(
    ("data", "told"),
    [
        ("[1, 2", "not a YAML file"),
        ("- 1", "expected: name"),
        ({"name": "x"}, "expected: name"),
        (own(parser="chioce"), "choice"),
        (own(returns=["lettre"]), "letter, tie"),
        (own(returns=[]), "letter, tie"),
        (own(protocols=["pointwize"]), "pairwise, listwise, pointwise"),
        (own(template="{% for %}"), "not valid Jinja2"),
        (own(template="{{ respones }}"), "responses"),
        (own(template=3), "str expected"),
        (own(protocols="pairwise"), "list expected"),
    ],
)
def test_a_bad_prompt_file_says_what_was_expected(tmp_path: Path, data: object, told: str) -> None:
    with pytest.raises(BenchError, match=told):
        load(tmp_path, data)


@pytest.mark.parametrize(
    "template",
    [
        "{{ responses[7] }}{{ responses[7].x }}",
        "{{ responses.__class__.__mro__ }}",
        "{{ 1 / 0 }}",
        "{{ letters + 1 }}",
        "{{ prompt[0].nothing }}",
    ],
)
def test_a_template_that_fails_stops_the_judge_with_its_name(tmp_path: Path, template: str) -> None:
    prompt = load(tmp_path, own(template=template))
    with pytest.raises(BenchError, match="prompt 'own'"):
        prompt.render(trial())


def test_an_unknown_prompt_gets_the_list() -> None:
    with pytest.raises(BenchError, match="choice, choice-letter"):
        load_prompt("choise")
