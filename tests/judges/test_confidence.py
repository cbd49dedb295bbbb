"""The judge confidence, against a slow reading of the same definition."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.plan import trials
from bench.prepare import cache_folder
from bench.spec import parse_spec
from bench.types import BenchError, Context, Item, Judge, Message, Response, Status, Verdict
from judges.confidence import confidence, last_longest_run, make
from judges.engines.chat import ChatTokens
from judges.engines.continuing import Continued

pytest.importorskip("torch")


def item(number: int, *texts: str) -> Item:
    asked = f"What is {number} plus {number}?"
    responses = tuple(Response(str(i), text) for i, text in enumerate(texts))
    return Item(f"i{number}", "made", "math", (Message("user", asked),), responses)


def judged(judge: Judge, items: list[Item]) -> list[Verdict]:
    return list(judge.judge(trial for _, trial in trials(items, judge.card)))


def slowly(model: Any, tokenizer: Any, one: Item, text: str, cue: str, most: int) -> float:
    """One plain pass over all of prompt and response, the library's own generation, and every run
    of the one tried at every place of the other."""
    import torch

    chat = ChatTokens(tokenizer, "")
    question, response = chat.conversation(one.prompt), chat.text(text)
    if not response:
        return 0.0
    ids = torch.tensor([[*question, *response]])
    with torch.inference_mode():
        rows = model(input_ids=ids).logits[0, len(question) - 1 : -1].softmax(-1)
        ordered = rows.sort(-1, descending=True).values
        cued = torch.tensor([[*question, *response, *chat.text("\n" + cue)]])
        written = model.generate(
            input_ids=cued,
            attention_mask=torch.ones_like(cued),
            max_new_tokens=most,
            do_sample=False,
            pad_token_id=0,
        )[0, cued.shape[1] :].tolist()

    def kept(tokens: list[int]) -> list[int]:
        special = set(tokenizer.all_special_ids)
        spelt = [tokenizer.decode([t]) for t in tokens]
        return [
            n
            for n, (t, s) in enumerate(zip(tokens, spelt, strict=True))
            if t not in special and set(s) - set(" \t\r\n.")
        ]

    chain, answer = kept(response), [written[n] for n in kept(written)]
    for size in range(len(chain), 0, -1):
        for start in range(len(chain) - size, -1, -1):
            places = chain[start : start + size]
            run = [response[n] for n in places]
            if any(answer[at : at + size] == run for at in range(len(answer))):
                leads = [float(ordered[n, 0] - ordered[n, 1]) for n in places]
                return sum(leads) / size
    return 0.0


@pytest.fixture(scope="module")
def small(random_llama: Callable[..., Path]) -> Path:
    return random_llama(5, blocks=2, tokens=400)


ITEMS = [
    item(4, "To add 4 and 4, count on from 4. The sum is 8.", "It is 9, said <|im_end|> he."),
    item(7, "7 plus 7 is 14.\n\nSo 14.", ""),
    item(21, "I do not know", "21 + 21 = 42. Check: 42 - 21 = 21. Good."),
    *(item(n, f"It is {2 * n}.", f"{2 * n + 1}") for n in range(30, 47)),
]


def test_it_is_what_its_definition_says(embedded: str, embedded_folder: Path, small: Path) -> None:
    """The embedded model on all items, every fourth checked; a small one on all."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    texts = [(one, response.text) for one in ITEMS for response in one.responses]
    context = Context(cache=cache_folder())
    for reference, folder, step in ((embedded, embedded_folder, 4), (str(small), small, 1)):
        model = AutoModelForCausalLM.from_pretrained(folder)
        tokenizer = AutoTokenizer.from_pretrained(folder)
        judge = make(parse_spec(f"confidence:{reference},answer_tokens=6"), context)
        found = judged(judge, ITEMS)
        judge.close()
        for (one, text), verdict in list(zip(texts, found, strict=True))[::step]:
            expected = slowly(model, tokenizer, one, text, "So the answer is", 6)
            assert verdict.utilities == (pytest.approx(expected, abs=1e-4),)
        if reference == embedded:
            utilities = [verdict.utilities[0] for verdict in found if verdict.utilities]
            assert utilities[3] == 0.0
            assert sum(0 < utility < 1 for utility in utilities) >= 20


@cache
def small_judge(folder: Path, options: str = "") -> Judge:
    return make(parse_spec(f"confidence:{folder}{options}"), Context())


def test_order_and_neighbours_change_no_bit(small: Path) -> None:
    items = [item(n, f"It is {n} and {2 * n}.", f"{n} " * (n + 1)) for n in range(20)]
    forward = [v.utilities for v in judged(small_judge(small), items)]
    swapped = [replace(one, responses=one.responses[::-1]) for one in items[::-1]]
    other = make(parse_spec(f"confidence:{small}"), Context())
    assert forward == [v.utilities for v in judged(other, swapped)][::-1]


@settings(max_examples=60)
@given(
    # Not so long, with up to four bytes a letter, that the model could not read it.
    text=st.one_of(st.text(max_size=40), st.text("<|>imend_starx\x00\ud800 .\n", max_size=99))
)
def test_any_text_gets_a_number_from_0_to_1(small: Path, text: str) -> None:
    for found in judged(small_judge(small), [item(1, text, text + "x")]):
        assert found.status is Status.OK
        assert found.utilities is not None
        assert 0 <= found.utilities[0] <= 1


def test_what_is_too_long_has_no_utility(small: Path) -> None:
    long, short = judged(small_judge(small), [item(1, "word " * 390, "word")])
    assert (long.status, long.utilities) == (Status.TRUNCATED, None)
    assert short.status is Status.OK


def test_what_it_writes_is_counted(small: Path) -> None:
    one, none = judged(small_judge(small), [item(1, "One two three.", "")])
    assert 0 < (one.usage.completion_tokens or 0) <= 20
    assert (none.usage.prompt_tokens, none.usage.completion_tokens) == (0, 0)
    assert set(json.loads(one.raw)) == {"answer", "span"}


def test_dropped_tokens_end_no_run() -> None:
    """What the model says of "9 . 8" counts 9 and 8 as neighbours; special tokens are spelt
    empty."""
    spelt = {1: "9", 2: ".", 3: " 8", 4: "\n", 5: "", 6: "x"}
    found = Continued((1, 2, 3, 6), (0.5, 0.9, 0.1, 0.7), (4, 1, 5, 3), spelt)
    assert confidence(found) == (pytest.approx(0.3), "9 8")
    assert confidence(replace(found, answer=(2, 4, 5))) == (0.0, "")


@given(st.lists(st.integers(0, 2), max_size=9), st.lists(st.integers(0, 2), max_size=6))
def test_runs(chain: list[int], answer: list[int]) -> None:
    def holds(run: list[int]) -> bool:
        return any(answer[i : i + len(run)] == run for i in range(len(answer)))

    spans = [(s, n) for n in range(1, len(chain) + 1) for s in range(len(chain) - n + 1)]
    fitting = [(n, s) for s, n in spans if holds(chain[s : s + n])]
    start, length = last_longest_run(chain, answer)
    assert (length, start) == max(fitting, default=(0, 0))


def test_the_identity_covers_the_cue(small: Path) -> None:
    options = ["", ",cue=Answer:", ",answer_tokens=5"]
    assert len({small_judge(small, o).card.identity for o in options}) == 3


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("confidence", "names no model"),
        ("confidence:x,cue= ", "the cue is empty"),
        ("confidence:x,answer_tokens=0", "1 or more"),
    ],
)
def test_mistakes_are_said(spec: str, says: str) -> None:
    with pytest.raises(BenchError, match=says):
        make(parse_spec(spec), Context())
