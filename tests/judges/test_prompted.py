"""Judges that are asked in words: from what an engine gives to a verdict."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Sequence
from importlib.resources import files
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.registry import make_judge, resolve_judge
from bench.spec import parse_spec
from bench.types import (
    BenchError,
    Context,
    Item,
    JudgeCard,
    Message,
    Response,
    Status,
    Trial,
    Usage,
)
from judges.engines.base import AnswerScores, Reply, Request, Tag
from judges.prompt import load_prompt
from judges.prompted import Asking, PromptedJudge, prompted

CARD = JudgeCard("j", "prompted", ("pairwise", "listwise"))


def trial(texts: Sequence[str] = ("four", "five"), order: Sequence[int] = ()) -> Trial:
    responses = tuple(Response(str(i), text) for i, text in enumerate(texts))
    item = Item("i", "t", "d", (Message("user", "What is 2 + 2?"),), responses)
    order = tuple(order) or tuple(range(len(texts)))
    return Trial(f"k{order}", item, order, "listwise", 0, 7)


class AnswerStub:
    """A stand-in for an engine that scores: always the same, and it notes what it is asked."""

    def __init__(self, scores: AnswerScores) -> None:
        self.scores = scores
        self.asked: list[Request] = []
        self.closed = False

    def answer_logprobs(
        self, requests: Iterable[tuple[Tag, Request]]
    ) -> Iterator[tuple[Tag, AnswerScores]]:
        for tag, request in requests:
            self.asked.append(request)
            yield tag, self.scores

    def close(self) -> None:
        self.closed = True


class TextStub:
    """A stand-in for an engine that writes: always the same reply."""

    def __init__(self, reply: Reply) -> None:
        self.reply = reply
        self.asked: list[Request] = []

    def generate(self, requests: Iterable[tuple[Tag, Request]]) -> Iterator[tuple[Tag, Reply]]:
        for tag, request in requests:
            self.asked.append(request)
            yield tag, self.reply

    def close(self) -> None:
        pass


def weighed(logprobs: Sequence[float], **scores: object) -> AnswerStub:
    return AnswerStub(AnswerScores(tuple(logprobs), **scores))  # type: ignore[arg-type]


def letter_judge(engine: AnswerStub, min_mass: float = 0.0) -> PromptedJudge:
    return PromptedJudge(CARD, load_prompt("choice-letter"), engine, "probabilities", min_mass)


def test_answer_probabilities_become_utilities_in_item_order() -> None:
    engine = weighed((math.log(0.6), math.log(0.2)), usage=Usage(prompt_tokens=100))
    judge = letter_judge(engine)
    (v,) = judge.judge([trial(order=(1, 0))])
    assert v.utilities == pytest.approx((0.25, 0.75))
    assert v.confidence == pytest.approx(0.75)
    assert json.loads(v.raw) == {"A": 0.6, "B": 0.2, "mass": 0.8}
    assert v.usage.prompt_tokens == 100
    assert [(tuple(r.answers), r.seed) for r in engine.asked] == [(("A", "B"), 7)]
    judge.close()
    assert engine.closed


@given(st.lists(st.floats(-2_000, 0), min_size=2, max_size=26))
def test_utilities_are_probabilities_however_small_the_mass(logprobs: list[float]) -> None:
    texts = [str(i) for i in range(len(logprobs))]
    (v,) = letter_judge(weighed(logprobs)).judge([trial(texts)])
    assert v.utilities is not None
    assert math.fsum(v.utilities) == pytest.approx(1.0)
    assert max(v.utilities) == v.confidence
    assert v.utilities[logprobs.index(max(logprobs))] == max(v.utilities)


def test_low_mass_is_a_status_and_stays_on_record() -> None:
    engine = weighed((math.log(0.03), math.log(0.01)))
    (v,) = letter_judge(engine, min_mass=0.05).judge([trial()])
    assert (v.status, v.utilities) == (Status.UNPARSED, None)
    assert v.note == "the answers A, B have 0.04 of the probability together"
    assert json.loads(v.raw)["mass"] == 0.04
    (v,) = letter_judge(engine, min_mass=0.03).judge([trial()])
    assert v.utilities == pytest.approx((0.75, 0.25))


def test_what_an_engine_could_not_do_is_no_verdict() -> None:
    usage = Usage(prompt_tokens=9)
    failed = AnswerScores(failed=Status.TRUNCATED, note="too long", usage=usage)
    (v,) = letter_judge(AnswerStub(failed)).judge([trial()])
    assert (v.status, v.note, v.usage, v.raw) == (Status.TRUNCATED, "too long", usage, "")
    (v,) = letter_judge(weighed((-math.inf, -math.inf))).judge([trial()])
    assert (v.status, json.loads(v.raw)["mass"]) == (Status.UNPARSED, 0)


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
    engine = TextStub(Reply(text))
    (v,) = PromptedJudge(CARD, load_prompt("choice"), engine).judge(
        [trial(("x", "y", "z"), order=(2, 0, 1))]
    )
    assert v.utilities == pytest.approx(utilities)
    assert (v.confidence, v.raw) == (None, text)
    assert engine.asked[0].seed == 7


def test_usage_stays_with_a_failure() -> None:
    usage = Usage(prompt_tokens=5, latency_s=1.0)
    for reply, status in [
        (Reply("no", usage=usage), Status.UNPARSED),
        (Reply("no", cut=True, usage=usage), Status.TRUNCATED),
        (Reply(failed=Status.ERROR, note="x", usage=usage), Status.ERROR),
    ]:
        (v,) = PromptedJudge(CARD, load_prompt("choice"), TextStub(reply)).judge([trial()])
        assert (v.status, v.usage) == (status, usage)


def asked(prompt: str, default: str = "text", **options: object) -> PromptedJudge:
    spec = parse_spec("litellm:m")
    engine = TextStub(Reply(""))
    own = Asking(prompt=prompt, **options)  # type: ignore[arg-type]
    return prompted(spec, "m", own, load_prompt(prompt), engine, default, {})  # type: ignore[arg-type]


def test_a_card_says_what_changes_verdicts() -> None:
    plain = asked("choice-letter").card
    assert (plain.protocols, plain.order_free) == (("pairwise", "listwise"), False)
    assert (plain.sees, plain.samples, plain.settings["read"]) == (("text",), 1, "text")
    others = [
        asked("choice-letter", read="probabilities").card,
        asked("choice-letter", read="probabilities", min_mass=0.5).card,
        asked("choice").card,
        asked("aspects").card,
        asked("aspects", weights=tuple(range(1, 1 + len(load_prompt("aspects").aspects)))).card,
    ]
    assert len({card.identity for card in [plain, *others]}) == 6
    # Each call has a key of its own: the eight of k=8 hold the one of k=1.
    assert asked("choice-letter", k=8).card.identity == plain.identity
    assert asked("choice-letter", licence="MIT").card.identity == plain.identity
    assert asked("choice-letter", k=8).card.samples == 8
    rated = asked("rating").card
    assert (rated.protocols, rated.order_free) == (("pointwise",), True)
    assert asked("choice-reference").card.sees == ("text", "reference")
    assert asked("choice-criteria").card.sees == ("text", "domain")


def test_probabilities_are_read_only_where_the_answer_is_one_sign() -> None:
    assert asked("yes-no", "probabilities").card.settings["read"] == "probabilities"
    assert asked("choice", "probabilities").card.settings["read"] == "text"
    with pytest.raises(BenchError, match="choice-letter"):
        asked("choice", read="probabilities")
    with pytest.raises(BenchError, match="read is 'logits'"):
        asked("choice-letter", read="logits")
    with pytest.raises(BenchError, match="k is 0"):
        asked("choice", k=0)
    with pytest.raises(BenchError, match="min_mass is 1"):
        asked("choice-letter", min_mass=1.0)
    with pytest.raises(BenchError, match="2 weights; the prompt 'aspects' has"):
        asked("aspects", weights=(1.0, 2.0))


def test_a_least_mass_is_for_probabilities() -> None:
    """Without one said it is .01, and what is said counts, 0 too."""
    for said, mass in ((None, 0.01), (0.0, None), (0.2, 0.2)):
        settings = asked("choice-letter", "probabilities", min_mass=said).card.settings
        assert settings.get("min_mass") == mass
    assert "min_mass" not in asked("choice-letter").card.settings
    for prompt, default in (("choice-letter", "text"), ("choice", "probabilities")):
        for mass in (0.2, 0.0):
            with pytest.raises(BenchError, match="min_mass belongs to read=probabilities"):
                asked(prompt, default, min_mass=mass)
    with pytest.raises(BenchError, match="min_mass belongs to read=probabilities"):
        make_judge(parse_spec("litellm:hosted_vllm/m,min_mass=.2"), Context())


def test_calls_that_would_say_the_same_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="temperature 0"):
        make_judge(parse_spec("litellm:hosted_vllm/m,k=8"), Context())
    with pytest.raises(BenchError, match="the same at every call"):
        asked("choice-letter", read="probabilities", k=8)


def test_a_new_prompted_judge_is_a_card_of_fifteen_lines(tmp_path: Path, embedded: str) -> None:
    """As the README says it: one YAML file, and nothing of ours is edited."""
    card = tmp_path / "strict-smollm2.yaml"
    card.write_text(
        "kind: transformers\n"
        f"argument: {embedded}\n"
        "prompt: yes-no\n"
        "licence: Apache-2.0\n"
        "description: says yes or no to each response\n"
    )
    assert len(card.read_text().splitlines()) <= 15
    judge = make_judge(parse_spec(str(card)), Context(cache=tmp_path))
    assert (judge.card.name, judge.card.order_free) == ("strict-smollm2", True)
    assert judge.card.description == "says yes or no to each response"
    other = make_judge(parse_spec(f"{card}:prompt=choice-letter"), Context(cache=tmp_path))
    assert other.card.name == "strict-smollm2:prompt=choice-letter"
    assert not other.card.order_free
    with pytest.raises(BenchError, match="cannot be read"):
        make_judge(parse_spec(str(tmp_path / "none.yaml")), Context())


def test_the_prompt_of_a_card_is_beside_it_or_where_we_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    choice = Path(str(files("judges"))) / "prompts" / "choice.yaml"
    for folder in ("cards", "here"):
        own = tmp_path / folder / "prompts" / "own.yaml"
        own.parent.mkdir(parents=True)
        own.write_text(choice.read_text().replace("name: choice\n", f"name: of-{folder}\n"))
    card = tmp_path / "cards" / "own.yaml"
    card.write_text("kind: litellm\nargument: hosted_vllm/m\nprompt: prompts/own.yaml\n")
    monkeypatch.chdir(tmp_path / "here")
    absolute, relative = str(card), "../cards/own.yaml"

    def prompt_of(text: str) -> object:
        return make_judge(parse_spec(text), Context()).card.settings["prompt"]

    assert [prompt_of(text) for text in (absolute, relative)] == ["of-cards", "of-cards"]
    assert prompt_of(f"{card}:prompt=prompts/own.yaml") == "of-here", "what is typed is from here"
    (tmp_path / "cards" / "prompts" / "own.yaml").unlink()
    assert prompt_of(absolute) == "of-here"
    card.write_text(card.read_text().replace("prompts/own.yaml", "choice"))
    (tmp_path / "cards" / "choice").write_text("a name is no path")
    assert prompt_of(absolute) == "choice"


def test_a_card_with_a_key_twice_is_refused(tmp_path: Path) -> None:
    card = tmp_path / "twice.yaml"
    card.write_text("kind: litellm\nargument: m\nprompt: choice\nkind: vllm\n")
    with pytest.raises(BenchError, match=r"twice\.yaml is no YAML: line 4: the key 'kind'"):
        resolve_judge(parse_spec(str(card)))
    card.write_text("kind: litellm\nrevision: 2024-13-45\n")
    with pytest.raises(BenchError, match=r"twice\.yaml is no YAML: month must be"):
        resolve_judge(parse_spec(str(card)))
