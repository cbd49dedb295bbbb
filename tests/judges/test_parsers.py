from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.types import Item, Message, Response, Status, Trial
from judges.parsers import QUOTE, choice
from judges.prompt import load_prompt

PROMPTS = {name: load_prompt(name) for name in ("choice", "choice-letter")}

WORDS = st.one_of(
    st.text(max_size=60),
    st.sampled_from(
        ["Verdict: A", "Verdict: B\n", "[[A]]", "tie", "A", "</think>Verdict: A", "{{ 7 * 7 }}"]
    ),
)


@st.composite
def trials(draw: st.DrawFn) -> Trial:
    """Items whose prompt and responses may hold verdicts of their own."""
    n = draw(st.integers(2, 6))
    texts = [draw(st.lists(WORDS, max_size=3).map("\n".join)) for _ in range(n)]
    responses = tuple(Response(str(i), text) for i, text in enumerate(texts))
    item = Item("i", "t", "d", (Message("user", draw(WORDS)),), responses)
    order = tuple(draw(st.permutations(range(n))))
    return Trial("k", item, order, "listwise", 0, 0)


def squeezed(text: str) -> int:
    return len("".join(text.split()))


@pytest.mark.parametrize(
    "text",
    [
        "B",
        "b",
        " B.\n",
        "**B**",
        "[[B]]",
        "(B)",
        "Response B",
        "response b is better.",
        "Verdict: B",
        "VERDICT: b.",
        "Verdict: **B**",
        "**Verdict:** B",
        "**Verdict: B**",
        "Verdict: [[B]]",
        "Verdict: Response B",
        "Final verdict: B",
        "## Verdict: B ##",
        "Verdict：B",
        'Verdict: "B"',
        "Verdict: $\\boxed{B}$",
        "Verdict: B<|im_end|>",
        "Verdict: B</s>\n\n",
        "Both are fair, A is wrong on one point.\n\nVerdict: B",
        "B says more, so I end here. Verdict: B",
        "My final verdict is: [[B]].",
        "<think>Verdict: A</think>\nVerdict: B",
        "so A it is, or not</think>B",
        "Verdict: A would be a mistake.\nVerdict: B",
        "Verdict: B\n\nVerdict: B",
        "x" * 5_000 + "\nVerdict: B" + "\n" * 5_000,
    ],
)
def test_names_the_second(text: str) -> None:
    reading = choice(text, 2, True, "")
    assert (reading.status, reading.winners) == (Status.OK, (1,))


@pytest.mark.parametrize("text", ["tie", "Verdict: tie", "Verdict: a tie.", "**Tie**", "[[tie]]"])
def test_a_tie_is_all_winners_where_it_is_allowed(text: str) -> None:
    assert choice(text, 3, True, "").winners == (0, 1, 2)
    assert choice(text, 3, False, "").status is Status.UNPARSED


@pytest.mark.parametrize(
    "text",
    [
        "",
        " \n ",
        "A or B",
        "A/B",
        "AB",
        "Verdict: A or B",
        "Verdict: A, B",
        "Verdict: [A][B]",
        "[[A]] or [[B]]",
        "Verdict: A or Verdict: B",
        "Verdict: A\nVerdict: B",
        "Verdict: A\nVerdict: B\nVerdict: tie",
        "Verdict: X",
        "Verdict: C",
        "Verdict: <letter>",
        "Verdict:",
        "Verdict: not A",
        "Verdict: А",  # a Cyrillic letter
        "Verdict: K",  # the Kelvin sign
        "ſ",
        "1",
        "Verdict: 1",
        "Verdict: A\nBut B is better in every way that counts, so I take that back.",
        "Well, first of all it has to be said\nB",
        "The best response is hard to name, so I shall not. A",
        "Both responses are good.",
        "overdict: A good one",
    ],
)
def test_what_is_unclear_is_no_verdict(text: str) -> None:
    reading = choice(text, 2, True, "")
    assert reading.status is Status.UNPARSED
    assert reading.winners == ()
    assert reading.note


def test_an_unfinished_thought_is_truncated() -> None:
    assert choice("<think>A is better. Verdict: A", 2, True, "").status is Status.TRUNCATED


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("I'm sorry, but I can't assist with that request.", Status.REFUSED),
        ("I cannot help with comparing these.", Status.REFUSED),
        ("I'm sorry to say that both are poor, but I can judge.\nVerdict: A", Status.OK),
        ("Sorry is what response A says first.", Status.UNPARSED),
    ],
)
def test_refusals(text: str, status: Status) -> None:
    assert choice(text, 2, True, "").status is status


def test_letters_reach_as_far_as_the_responses() -> None:
    assert choice("Verdict: Z", 26, False, "").winners == (25,)
    assert choice("Verdict: Z", 25, False, "").status is Status.UNPARSED


@given(st.text(), st.integers(2, 26), st.booleans(), st.text())
def test_any_text_is_read_without_an_exception(text: str, n: int, tie: bool, prompt: str) -> None:
    reading = choice(text, n, tie, prompt)
    assert (reading.status is Status.OK) == bool(reading.winners)
    assert all(0 <= winner < n for winner in reading.winners)


FRAGMENTS = ["Verdict", ":", " ", "A", "B", "tie", "[[", "]]", "\n", "**", "<think>", "</think>"]


@given(st.lists(st.sampled_from([*FRAGMENTS, "or", "is", "</s>", "<|x|>", "."])).map("".join))
@settings(max_examples=500)
def test_texts_made_of_verdict_pieces(text: str) -> None:
    reading = choice(text, 2, True, "")
    if reading.status is Status.OK:
        spoken = re.sub(r".*</think>", "", text, flags=re.S)
        spoken = re.sub(r"(\s*(</s>|<\|x\|>))+\Z", "", spoken.rstrip())  # leaked chat format
        last = spoken.strip().splitlines()[-1]
        named = {0: "A", 1: "B"}[reading.winners[0]] if len(reading.winners) == 1 else "tie"
        assert named in last


@pytest.mark.parametrize("name", sorted(PROMPTS))
@given(trial=trials(), data=st.data())
def test_never_a_verdict_from_the_echoed_prompt(
    name: str, trial: Trial, data: st.DataObject
) -> None:
    prompt = PROMPTS[name]
    (message,) = prompt.render(trial)
    text, n, tie = message.content, len(trial.order), "tie" in prompt.returns
    assert choice(text, n, tie, text).winners == ()
    start = data.draw(st.integers(0, len(text) - 1))
    assert choice(text[start:] + "\n", n, tie, text).winners == () or squeezed(text[start:]) < QUOTE
    end = data.draw(st.integers(start, len(text)))
    piece = text[start:end]
    lead = data.draw(st.sampled_from(["", "Sure! ", "The request was:\n"]))
    if squeezed(piece) >= QUOTE:
        assert choice(lead + piece, n, tie, text).winners == ()
        assert choice(piece.replace(" ", "\n"), n, tie, text).winners == ()


@pytest.mark.parametrize("name", sorted(PROMPTS))
@pytest.mark.parametrize("n", [2, 3, 5])
def test_no_line_of_the_wording_is_a_verdict_by_itself(name: str, n: int) -> None:
    responses = tuple(Response(str(i), "some words") for i in range(n))
    item = Item("i", "t", "d", (Message("user", "a question"),), responses)
    (message,) = PROMPTS[name].render(Trial("k", item, tuple(range(n)), "listwise", 0, 0))
    for line in message.content.splitlines():
        assert choice(line, n, True, "").winners == ()
        for start in range(len(line) - 3):
            assert choice(line[start:], n, True, "").winners == ()


def test_a_verdict_after_the_echo_counts() -> None:
    prompt = "Which one is best? " * 20
    assert choice(prompt + "\nVerdict: A", 2, True, prompt).winners == (0,)


def test_a_response_that_holds_a_verdict_does_not_silence_the_judge() -> None:
    prompt = "Response A:\nVerdict: B\nResponse B:\nVerdict: A"
    assert choice("Verdict: B", 2, True, prompt).winners == (1,)


@pytest.mark.parametrize(
    "unit",
    ["x", " ", "\n", "[[A]]", "<think>", "<", "Verdict: ", "Verdict:A ", "</s>", "<|", "A is "],
)
def test_enormous_replies_are_read_at_their_end(unit: str) -> None:
    # Were the time quadratic in the length, this would not come back within an hour.
    text = unit * (4_000_000 // len(unit)) + "z"
    assert choice(text, 2, True, "p" * 1_000).winners == ()
