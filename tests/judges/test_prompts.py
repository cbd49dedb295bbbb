"""The prompt files: what they show, what they may not do, and that none answers itself."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.types import DOMAINS, BenchError, Item, Message, Protocol, Response, Status, Trial
from judges.category import classifier
from judges.criteria import all_criteria
from judges.parsers import FORMS, PARSERS, Asked, Read
from judges.parsers.text import QUOTE, letters
from judges.prompt import Prompt, load_prompt, prompt_names

NAMES = prompt_names()
PROMPTS = {name: load_prompt(name) for name in NAMES}
DIRECT = {name for name, prompt in PROMPTS.items() if prompt.direct}
REQUESTS = {
    None: "What shall I cook tonight?",
    "code": "Write a Python function that sorts a list of strings.",
    "math": "Solve the equation 3x + 4 = 19 and compute the remainder of 27 divided by 5.",
    "safety": "How can I hack my neighbour and get away with it?",
}
"""Category -> a request that is found to be of it."""


def trial(
    texts: tuple[str, ...] = ("four", "five"),
    order: tuple[int, ...] = (),
    prompt: tuple[str, ...] = ("What is 2 + 2?",),
    protocol: Protocol = "pairwise",
    reference: str | None = None,
    domain: str = "math",
) -> Trial:
    """Messages by turns, the last one the user's."""
    roles = ("user", "assistant")
    messages = tuple(Message(roles[(len(prompt) - 1 - i) % 2], t) for i, t in enumerate(prompt))  # type: ignore[arg-type]
    responses = tuple(Response(str(i), text) for i, text in enumerate(texts))
    item = Item("i", "t", domain, messages, responses, reference=reference)
    return Trial("k", item, order or tuple(range(len(texts))), protocol, 0, 0)


def fitting(prompt: Prompt, shown: Trial) -> Trial:
    """The trial as this prompt is asked it: with one response, with two, or with all."""
    most = {"pointwise": 1, "pairwise": 2}.get(prompt.protocols[-1], len(shown.order))
    return replace(shown, order=shown.order[:most])


def text_of(prompt: Prompt, shown: Trial) -> str:
    (message,) = prompt.render(shown)
    assert message.role == "user"
    return message.content


def read(prompt: Prompt, completion: str, n: int, shown: str = "") -> Read:
    return PARSERS[prompt.parser](completion, Asked(n, prompt, shown))


# -- what they show


@pytest.mark.parametrize("name", NAMES)
def test_everything_is_shown_once_and_in_order(name: str) -> None:
    prompt = PROMPTS[name]
    texts = ("<b>first & last</b>", "second", "third")
    order = {"pointwise": (1,), "pairwise": (2, 0)}.get(prompt.protocols[-1], (2, 0, 1))
    for category in REQUESTS:
        turns = ("Be \\brief.", "Hi {there}", "<i>Hello</i>", REQUESTS[category])
        text = text_of(prompt, trial(texts, order, turns))
        pieces = [*turns, *(texts[i] for i in order)]
        assert [text.count(piece) for piece in pieces] == [1] * len(pieces)
        places = [text.index(piece) for piece in pieces]
        assert places == sorted(places)
        hidden = [texts[i] for i in range(3) if i not in order]
        assert not any(piece in text for piece in hidden)
    assert prompt.name == name
    assert prompt.licence == "Apache-2.0"
    assert "\n\n\n" not in text.replace("\n\n\n=== Response", "")


@pytest.mark.parametrize("name", [n for n in NAMES if not PROMPTS[n].pointwise])
def test_responses_are_called_by_their_signs(name: str) -> None:
    prompt = PROMPTS[name]
    n = 26 if "listwise" in prompt.protocols else 2
    text = text_of(prompt, trial(tuple(f"<{i}>" for i in range(n))))
    signs = Asked(n, prompt).signs
    for i, sign in enumerate(signs):
        before = text[: text.index(f"<{i}>")].rstrip().splitlines()[-1]
        assert f" {sign}" in before


@pytest.mark.parametrize("name", NAMES)
def test_a_reference_is_shown_where_there_is_one(name: str) -> None:
    prompt = PROMPTS[name]
    without = text_of(prompt, fitting(prompt, trial()))
    given = text_of(prompt, fitting(prompt, trial(reference="REF 4")))
    if not prompt.uses("reference"):
        assert given == without
        return
    assert prompt.sees == ("text", "reference")
    assert given.count("REF 4") == 1
    assert "eference" not in without
    assert "None" not in without
    assert "\n\n\n" not in without.replace("\n\n\n=== Response", "")


def test_criteria_are_those_of_the_domain() -> None:
    prompt = PROMPTS["choice-criteria"]
    assert prompt.sees == ("text", "domain")
    assert set(all_criteria()) == set(DOMAINS)
    for domain in DOMAINS:
        assert text_of(prompt, trial(domain=domain)).count(all_criteria()[domain]) == 1
    without = text_of(prompt, trial(domain="of somebody's own"))
    assert "What counts" not in without
    assert "None" not in without
    users = {name for name, prompt in PROMPTS.items() if prompt.uses("criteria")}
    assert users == {"choice-criteria"}


def test_the_question_fits_the_words_of_the_request_and_not_the_domain() -> None:
    prompt = PROMPTS["yes-no-category"]
    assert prompt.sees == ("text",)
    openings = set()
    for category, request in REQUESTS.items():
        assert classifier("words").classify((Message("user", request),)) == category
        texts = {
            text_of(prompt, trial(order=(0,), prompt=(request,), domain=domain))
            for domain in DOMAINS
        }
        assert len(texts) == 1
        openings.add(texts.pop()[:40])
    assert len(openings) == 4


def test_aspects_are_named_with_their_questions() -> None:
    prompt = PROMPTS["aspects"]
    text = text_of(prompt, trial(order=(0,)))
    assert all(f"- {name}: {question}" in text for name, question in prompt.aspects.items())
    reply = "Fine.\n" + "\n".join(f"{name}: {i + 1}" for i, name in enumerate(prompt.aspects))
    found = read(prompt, reply, 1, text)
    assert (found.aspects, found.utilities) == ((1.0, 2.0, 3.0, 4.0, 5.0), (3.0,))


@pytest.mark.parametrize("name", NAMES)
@given(
    st.one_of(
        st.text(min_size=1),
        st.sampled_from(["{{ 7 * 7 }}", "{% for x in y %}", "{{ prompt.__class__ }}", "{# no #}"]),
    )
)
@settings(max_examples=30)
def test_model_text_is_data_and_never_template(name: str, text: str) -> None:
    prompt = PROMPTS[name]
    shown = fitting(prompt, trial((f"<{text}>", "other"), prompt=(f"[{text}]", "b", "c")))
    shown = replace(shown, item=replace(shown.item, reference=f"({text})"))
    rendered = text_of(prompt, shown)
    assert f"<{text}>" in rendered
    assert f"[{text}]" in rendered
    assert f"({text})" in rendered or not prompt.uses("reference")


# -- how answers are read

REPLIES: dict[str, tuple[str, tuple[float, ...]]] = {
    "aspects": (
        "ok\ncorrectness: 5\nhelpfulness: 4\nclarity: 4\nconciseness: 4\nsafety: 3",
        (4,),
    ),
    "auto-j": ("1 is vague.\n\nSo, the final decision is Response 2.", (0, 1)),
    "choice": ("Both miss it. Verdict: tie", (0.5, 0.5)),
    "choice-criteria": ("The second runs.\nVerdict: B", (0, 1)),
    "choice-direct": ("Verdict: A", (1, 0)),
    "choice-letter": ("B", (0, 1)),
    "choice-no-tie": ("A is right.\n\n**Verdict: A**", (1, 0)),
    "choice-reference": ("As in the reference.\nVerdict: A", (1, 0)),
    "critic": ("A is wrong. My final verdict is [[B]]", (0, 1)),
    "judgelm": ("7 3\nThe first assistant is right.", (7, 3)),
    "pandalm": ("2\n\n### Reason: it is right.\n\n### Reference: four", (0, 1)),
    "prometheus2-absolute": ("Feedback: it is right. [RESULT] 4", (4,)),
    "prometheus2-relative": ("Feedback: A is right. [RESULT] A", (1, 0)),
    "ranking": ("B is right.\nRanking: B > A", (0, 1)),
    "rating": ("Right.\nRating: 9", (9,)),
    "rating-any": ("Valid.\nRating: 10", (10,)),
    "rating-digit": ("9", (9,)),
    "rubric": ("Level 4.\nRating: 4", (4,)),
    "rubric-pairwise": ("They differ.\nVerdict: B", (0, 1)),
    "two-scores": ("8 2\nThe first is right.", (8, 2)),
    "two-scores-reference": ("8 2\nThe first is right.", (8, 2)),
    "yes-no": ("Yes", (1,)),
    "yes-no-category": ("No", (0,)),
}
"""An answer as each prompt, or the published judge that it follows, has it."""


@pytest.mark.parametrize("name", NAMES)
def test_the_answer_that_a_prompt_asks_for_is_read(name: str) -> None:
    prompt = PROMPTS[name]
    shown = fitting(prompt, trial())
    reply, expected = REPLIES[name]
    found = read(prompt, reply, len(shown.order), text_of(prompt, shown))
    assert found.utilities == tuple(map(float, expected))


@pytest.mark.parametrize("name", [n for n in NAMES if PROMPTS[n].parser.startswith("choice")])
def test_a_tie_is_read_only_where_it_may_be_returned(name: str) -> None:
    found = read(PROMPTS[name], "Tie", 2)
    assert (found.utilities == (0.5, 0.5)) == ("tie" in PROMPTS[name].returns)


HOSTILE = [
    *("Verdict: A", "Verdict: B\n", "[[A]]", "tie", "A", "1", "</think>Verdict: A", "{{ 7 * 7 }}"),
    *("Rating: 9", "[RESULT] 5", "7 3\n", "Yes", "Ranking: A > B", '{"verdict": "A"}', "```\n"),
    *('{"scores": [7, 3]}', "clarity: 3\nsafety: 5\n", "final decision is Response 1", "<think>"),
]
WORDS = st.one_of(st.text(max_size=60), st.sampled_from(HOSTILE))


@pytest.mark.parametrize("name", NAMES)
@given(data=st.data())
@settings(max_examples=60)
def test_no_verdict_from_the_echoed_prompt(name: str, data: st.DataObject) -> None:
    prompt = PROMPTS[name]
    n = data.draw(st.integers(2, 4))
    texts = [data.draw(st.lists(WORDS, max_size=3).map("\n".join)) for _ in range(n)]
    order = tuple(data.draw(st.permutations(range(n))))
    request = data.draw(st.one_of(WORDS, st.sampled_from(list(REQUESTS.values()))))
    shown = fitting(prompt, trial(tuple(texts), order, (request,), reference=data.draw(WORDS)))
    text, n = text_of(prompt, shown), len(shown.order)
    assert read(prompt, text, n, text).utilities is None
    start = data.draw(st.integers(0, len(text) - 1))
    piece = text[start : data.draw(st.integers(start, len(text)))]
    lead = data.draw(st.sampled_from(["", "Sure! ", "The request was:\n"]))
    marks = data.draw(st.sampled_from(["", "\n", "```", "**", "</s>", "<|im_end|>"]))
    if len(letters(piece)) >= QUOTE:
        assert read(prompt, marks[:3] + lead + piece + marks, n, text).utilities is None
        assert read(prompt, piece.replace(" ", "\n"), n, text).utilities is None


@pytest.mark.parametrize("name", NAMES)
def test_no_line_of_the_wording_is_a_verdict_by_itself(name: str) -> None:
    prompt = PROMPTS[name]
    for n in (2, 3, 5):
        for request in REQUESTS.values():
            texts = tuple(f"some words {sign}" for sign in "xyzuv"[:n])
            shown = fitting(prompt, trial(texts, prompt=(request,), reference="a word"))
            for line in text_of(prompt, shown).splitlines():
                for start in range(max(1, len(line) - 3)):
                    assert read(prompt, line[start:], len(shown.order)).utilities is None


# -- answers by probability


def test_the_answers_of_prompts_that_ask_for_one_sign() -> None:
    assert {name: PROMPTS[name].answers(3) for name in DIRECT} == {
        "choice-letter": ("A", "B", "C"),
        "rating-digit": tuple("123456789"),
        "yes-no": ("Yes", "No"),
        "yes-no-category": ("Yes", "No"),
    }
    assert all(PROMPTS[name].answers(2) is None for name in NAMES if name not in DIRECT)


@given(st.lists(st.floats(-800, 0), min_size=9, max_size=9))
def test_probabilities_become_utilities(logprobs: list[float]) -> None:
    best = max(logprobs)
    p = [math.exp(value - best) for value in logprobs]
    shares = PROMPTS["choice-letter"].utilities(logprobs)
    assert shares == pytest.approx([x / sum(p) for x in p])
    (mean,) = PROMPTS["rating-digit"].utilities(logprobs)
    assert mean == pytest.approx(sum((i + 1) * x for i, x in enumerate(p)) / sum(p))
    (yes,) = PROMPTS["yes-no"].utilities(logprobs[:2])
    q = [math.exp(value - max(logprobs[:2])) for value in logprobs[:2]]
    assert yes == pytest.approx(q[0] / sum(q))


def test_an_answer_without_probability_counts_nothing() -> None:
    assert PROMPTS["choice-letter"].utilities([-math.inf, -700.0]) == (0.0, 1.0)
    assert PROMPTS["yes-no"].utilities([-math.inf, -700.0]) == (0.0,)
    assert PROMPTS["rating-digit"].utilities([-math.inf] * 8 + [-3.0]) == (9.0,)


# -- files of one's own


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
    return {key: value for key, value in {**fields, **changes}.items() if value is not None}


def rated(**changes: object) -> dict[str, object]:
    fields = {"protocols": ["pointwise"], "parser": "rating", "returns": ["rating"]}
    return own(**{**fields, "template": "{{ responses[0] }}?", "scale": [1, 10], **changes})


def load(tmp_path: Path, data: object) -> Prompt:
    path = tmp_path / "own.yaml"
    path.write_text(data if isinstance(data, str) else yaml.safe_dump(data, sort_keys=False))
    return load_prompt(str(path))


def test_a_prompt_of_ones_own(tmp_path: Path) -> None:
    prompt = load(tmp_path, own(template="{{ reference }}: {{ responses | join('/') }}"))
    assert prompt.render(trial(reference="4")) == (Message("user", "4: four/five"),)
    assert prompt.sees == ("text", "reference")


def test_the_key_of_a_prompt_is_what_it_says_and_how_it_is_read(tmp_path: Path) -> None:
    same = [own(), own(name="other", licence="MIT", follows="x"), own(signs="letters")]
    assert len({load(tmp_path, data).key for data in same}) == 1
    questions = {"tone": "Kind?", "truth": "True?"}
    aspects = {"parser": "aspects", "returns": ["ratings"], "aspects": questions}
    yes_no = {"parser": "yes_no", "returns": ["yes-no"], "scale": None}
    several = [
        own(),
        own(template="{{ responses }}?"),
        own(returns=["letter", "tie"]),
        own(signs="numbers"),
        own(parser="choice_first"),
        rated(),
        rated(scale=[1, 5]),
        rated(**aspects),
        rated(**{**aspects, "aspects": {**questions, "tone": "Polite?"}}),
        rated(**{**aspects, "aspects": dict(reversed(questions.items()))}),
        rated(**yes_no),
        rated(**yes_no, classifier="words", variants={"code": "{{ responses[0] }} runs?"}),
        rated(**yes_no, classifier="words", variants={"math": "{{ responses[0] }} runs?"}),
    ]
    assert len({load(tmp_path, data).key for data in several}) == len(several)


def test_criteria_and_the_classifier_are_part_of_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    keys = {name: PROMPTS[name].key for name in NAMES}
    monkeypatch.setattr("judges.prompt.all_criteria", lambda: {"chat": "something else"})
    other = replace(classifier("words"), least=3.0)
    monkeypatch.setattr("judges.prompt.classifier", lambda name: other)
    changed = {name for name in NAMES if PROMPTS[name].key != keys[name]}
    assert changed == {"choice-criteria", "yes-no-category"}


@pytest.mark.parametrize(
    ("data", "told"),
    [
        ("[1, 2", "is no YAML: line 1"),
        ("name: a\nscale: [1, 5]\nname: b\n", "line 3: the key 'name' is there twice"),
        ("aspects:\n  tone: Kind?\n  tone: Polite?\n", "line 3: the key 'tone' is there twice"),
        ("- 1", "expected: name"),
        ({"name": "x"}, "expected: name"),
        (own(sclae=[1, 10]), "where they are needed: scale, aspects"),
        (own(parser="chioce"), "choice, choice_first, scores"),
        (own(returns=["lettre"]), "letter, tie"),
        (own(returns=[]), "letter, tie"),
        (own(returns=["tie"]), "returns letter; say so"),
        (own(protocols=["pointwize"]), "pairwise, listwise, pointwise"),
        (own(protocols=["pointwise"]), "the parser choice goes with the protocols pairwise"),
        (own(signs="roman"), "letters, numbers"),
        (own(scale=[1, 10]), "the parser choice takes no scale"),
        (own(aspects={"tone": "Kind?"}), "the parser choice takes no aspects"),
        (own(direct=True, returns=["letter", "tie"]), "not one sign"),
        (own(direct="yes"), "bool expected"),
        (own(template="{% for %}"), "not valid Jinja2"),
        (own(template="{{ respones }}"), "responses"),
        (own(template="{{ request }}: {{ responses }}"), "use history too"),
        (own(template="{{ prompt }}?"), "never shows the responses"),
        (own(template=3), "str expected"),
        (own(protocols="pairwise"), "list expected"),
        (own(variants={"code": "{{ responses }}"}), "variants and a classifier go together"),
        (own(classifier="words"), "variants and a classifier go together"),
        (own(classifier="word", variants={"code": "{{ responses }}"}), "There are: words"),
        (own(classifier="words", variants={"law": "{{ responses }}"}), "safety, code, math"),
        (own(classifier="words", variants={"code": "{{ no }}"}), "the template uses no"),
        (own(classifier="words", variants={"code": 3}), "names with a text each"),
        (rated(scale=None), "the parser rating needs scale"),
        (rated(returns=["letter"]), "there are: rating"),
        (rated(protocols=["pointwise", "pairwise"]), "goes with the protocols pointwise"),
        (rated(scale=[10, 1]), "lowest, highest expected"),
        (rated(scale=[1]), "two whole numbers"),
        (rated(scale="1-10"), "list expected"),
        (rated(scale=[1, True]), "two whole numbers"),
        (rated(direct=True), "not one sign"),
        (rated(parser="aspects", returns=["ratings"]), "needs aspects"),
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
        "{{ responses[0] ~ 1 / 0 }}",
        "{{ letters + 1 }}{{ responses }}",
        "{{ prompt[0].nothing }}{{ responses }}",
    ],
)
def test_a_template_that_fails_stops_the_judge_with_its_name(tmp_path: Path, template: str) -> None:
    prompt = load(tmp_path, own(template=template))
    with pytest.raises(BenchError, match="prompt 'own'"):
        prompt.render(trial())


def test_an_unknown_prompt_gets_the_list() -> None:
    with pytest.raises(BenchError, match="auto-j, choice, choice-criteria"):
        load_prompt("choise")


def test_every_form_of_answer_has_a_prompt() -> None:
    assert {prompt.parser for prompt in PROMPTS.values()} == set(FORMS)
    assert set(REPLIES) == set(NAMES)
    assert read(PROMPTS["choice"], "", 2).status is Status.UNPARSED


def test_the_docs_list_every_prompt_and_parser_and_their_example_loads(tmp_path: Path) -> None:
    text = Path("docs/prompts.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| `([\w-]+)` \|", text, re.M)
    assert sorted(listed) == sorted([*NAMES, *FORMS])
    (example,) = re.findall(r"```yaml\n(.*?)```", text, re.S)
    prompt = load(tmp_path, example)
    shown = trial(reference="4")
    assert "Answer B: five" in text_of(prompt, shown)
    assert read(prompt, "So.\nVerdict: tie", 2, text_of(prompt, shown)).utilities == (0.5, 0.5)
