"""The judge likelihood: what plain cross-entropy gives too, whatever is asked beside it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.plan import trials
from bench.prepare import cache_folder
from bench.spec import parse_spec
from bench.types import BenchError, Context, Item, Judge, Message, Response, Status
from judges.engines.chat import ChatTokens
from judges.likelihood import make

pytest.importorskip("torch")

TEXTS = ("Blue.", "", "It is <|im_end|>\n<|im_start|>user\nblue", "東京 " * 3, "yes " * 9)


def item(number: int, *texts: str) -> Item:
    responses = tuple(Response(str(i), text) for i, text in enumerate(texts))
    return Item(f"i{number}", "made", "chat", (Message("user", f"Is {number} blue?"),), responses)


ITEMS = [item(n, f"Number {n} is {TEXTS[n % 5]}", TEXTS[-1 - n % 5]) for n in range(20)]


def judged(judge: Judge, items: Iterable[Item]) -> list[list[float]]:
    """Utilities in item coordinates; every verdict has them."""
    planned = list(trials(items, judge.card))
    verdicts = {found.key: found for found in judge.judge([trial for _, trial in planned])}
    rows: dict[int, list[float]] = {}
    for index, trial in planned:
        utilities = verdicts[trial.key].utilities
        assert utilities is not None
        rows.setdefault(index, []).extend(utilities)
    return list(rows.values())


def plain(model: Any, chat: ChatTokens, one: Item) -> list[tuple[float, int]]:
    """Sum of the log-probabilities and number of tokens of each response, by the library's own
    loss over the whole sequence."""
    import torch

    found = []
    for response in one.responses:
        question = chat.conversation(one.prompt)
        answer = [*chat.text(response.text), chat.end]
        ids = torch.tensor([[*question, *answer]])
        labels = torch.tensor([[-100] * len(question) + answer])
        with torch.inference_mode():
            loss = model(input_ids=ids, labels=labels).loss
        found.append((-float(loss) * len(answer), len(answer)))
    return found


def loaded(folder: Path) -> tuple[Any, ChatTokens]:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    return AutoModelForCausalLM.from_pretrained(folder), ChatTokens(tokenizer, str(folder))


@pytest.fixture(scope="module")
def small(random_llama: Callable[..., Path]) -> Path:
    return random_llama(1, blocks=2, tokens=600)


def test_utilities_are_those_of_plain_cross_entropy(embedded: str, embedded_folder: Path) -> None:
    model, chat = loaded(embedded_folder)
    expected = [plain(model, chat, one) for one in ITEMS]
    context = Context(cache=cache_folder())
    judge = make(parse_spec(f"likelihood:{embedded}"), context)
    for found, pairs in zip(judged(judge, ITEMS), expected, strict=True):
        assert found == pytest.approx([total / n for total, n in pairs], abs=1e-4)
    judge.close()


def test_a_response_in_several_pieces(small: Path) -> None:
    model, chat = loaded(small)
    one = item(1, "word " * 250, "word " * 256 + "end", "word " * 520)
    expected = [total for total, _ in plain(model, chat, one)]
    judge = make(parse_spec(f"likelihood:{small},normalise=sum"), Context())
    assert judged(judge, [one]) == [pytest.approx(expected, rel=1e-5)]


def test_order_and_neighbours_change_no_bit(small: Path) -> None:
    def mine() -> Judge:
        return make(parse_spec(f"likelihood:{small}"), Context())

    forward = judged(mine(), ITEMS)
    swapped = [replace(one, responses=one.responses[::-1]) for one in ITEMS[::-1]]
    backward = judged(mine(), swapped)
    assert forward == [row[::-1] for row in backward[::-1]]
    assert len({tuple(row) for row in forward}) == len(ITEMS)


def test_usage_and_evidence_are_kept(small: Path) -> None:
    _, chat = loaded(small)
    one = item(3, "Yes.", "No, it is not.")
    judge = make(parse_spec(f"likelihood:{small}"), Context())
    for (_, trial), found in zip(
        trials([one], judge.card), judge.judge(t for _, t in trials([one], judge.card)), strict=True
    ):
        answer = len(chat.text(trial.shown[0].text)) + 1
        assert found.usage.prompt_tokens == len(chat.conversation(one.prompt)) + answer
        assert found.usage.completion_tokens == 0
        assert found.usage.latency_s is not None
        raw = json.loads(found.raw)
        assert raw["tokens"] == answer
        assert found.utilities == (pytest.approx(raw["logprob"] / answer, rel=1e-6),)


@settings(max_examples=60)
@given(text=st.one_of(st.text(), st.text("<|>imend_starx\x00\ud800 \n")))
def test_any_text_gets_a_number_or_is_too_long(small: Path, text: str) -> None:
    judge = _fuzzed(small)
    for found in judge.judge(t for _, t in trials([item(0, text, text + "x")], judge.card)):
        assert found.status in (Status.OK, Status.TRUNCATED)


_judges: dict[Path, Judge] = {}


def _fuzzed(folder: Path) -> Judge:
    return _judges.setdefault(folder, make(parse_spec(f"likelihood:{folder}"), Context()))


def test_what_is_too_long_has_no_utility(small: Path) -> None:
    judge = make(parse_spec(f"likelihood:{small}"), Context())
    long, short = judge.judge(t for _, t in trials([item(0, "word " * 900, "")], judge.card))
    assert (long.status, long.utilities) == (Status.TRUNCATED, None)
    assert "longer than the model reads" in long.note
    assert (long.usage.prompt_tokens or 0) > 900
    assert short.status is Status.OK


def test_the_identity_covers_what_changes_verdicts(small: Path) -> None:
    specs = ["", ",normalise=sum", ",dtype=bfloat16"]
    cards = [make(parse_spec(f"likelihood:{small}{s}"), Context()).card for s in specs]
    assert len({card.identity for card in cards}) == len(specs)
    assert cards[0].settings["attention"] == "sdpa"
    assert (cards[0].order_free, cards[0].trained, cards[0].context) == (True, False, 600)


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("likelihood", "names no model"),
        ("likelihood:./nowhere", "no such folder"),
        ("likelihood:x,normalise=median", "mean or sum expected"),
        ("likelihood:x,normal=mean", "Options: "),
    ],
)
def test_mistakes_are_said(spec: str, says: str) -> None:
    with pytest.raises(BenchError, match=says):
        make(parse_spec(spec), Context())
