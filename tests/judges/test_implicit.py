"""The judge implicit, on a policy that a few steps of DPO made from its reference."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bench.plan import trials
from bench.spec import parse_spec
from bench.types import BenchError, Context, Item, Judge, Message, Response, Status
from judges.engines.chat import ChatTokens
from judges.implicit import WINDOW, make

pytest.importorskip("torch")

BETA = 0.25


def item(number: int, *texts: str) -> Item:
    responses = tuple(Response(str(i), text) for i, text in enumerate(texts))
    return Item(f"i{number}", "made", "chat", (Message("user", f"Is {number} blue?"),), responses)


# The response that says yes is the better one.
ITEMS = [
    item(n, "Yes" + " it is" * (n % 3) + ".", "No" + " way" * (n % 4) + ".") for n in range(40)
]
TRAINING, NEW = ITEMS[:20], ITEMS[20:]


def loaded(folder: Path) -> tuple[Any, ChatTokens]:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(folder)
    return model, ChatTokens(AutoTokenizer.from_pretrained(folder), str(folder))


def logprobs(model: Any, chat: ChatTokens, one: Item) -> Any:
    """Sums of the log-probabilities of each response's tokens, one plain forward pass each."""
    import torch

    sums = []
    for response in one.responses:
        question = chat.conversation(one.prompt)
        ids = torch.tensor([[*question, *chat.text(response.text), chat.end]])
        rows = model(input_ids=ids).logits[0, :-1].log_softmax(-1)
        chosen = rows.gather(-1, ids[0, 1:, None])[len(question) - 1 :]
        sums.append(chosen.sum())
    return torch.stack(sums)


def lengths(chat: ChatTokens, one: Item) -> list[int]:
    return [len(chat.text(response.text)) + 1 for response in one.responses]


@pytest.fixture(scope="module")
def reference(random_llama: Callable[..., Path]) -> Path:
    return random_llama(2, blocks=2, tokens=96)


@pytest.fixture(scope="module")
def policy(reference: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The reference after some steps of DPO towards responses that say yes."""
    import torch

    torch.manual_seed(0)
    (model, chat), (frozen, _) = loaded(reference), loaded(reference)
    optimiser = torch.optim.AdamW(model.parameters(), lr=2e-3)
    for step in range(40):
        one = TRAINING[step % len(TRAINING)]
        with torch.no_grad():
            before = logprobs(frozen, chat, one)
        better, worse = logprobs(model, chat, one) - before
        loss = -torch.nn.functional.logsigmoid(BETA * (better - worse))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    folder = tmp_path_factory.mktemp("policy")
    model.save_pretrained(folder)
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        shutil.copy(reference / name, folder)
    return folder


def judged(judge: Judge, items: Iterable[Item]) -> list[list[float]]:
    planned = list(trials(items, judge.card))
    verdicts = {found.key: found for found in judge.judge([trial for _, trial in planned])}
    rows: dict[int, list[float]] = {}
    for index, trial in planned:
        utilities = verdicts[trial.key].utilities
        assert utilities is not None, verdicts[trial.key]
        rows.setdefault(index, []).extend(utilities)
    return list(rows.values())


def test_utilities_are_beta_times_the_log_ratio(policy: Path, reference: Path) -> None:
    import torch

    (model, chat), (frozen, _) = loaded(policy), loaded(reference)
    with torch.inference_mode():
        mine = [logprobs(model, chat, one) for one in NEW]
        theirs = [logprobs(frozen, chat, one) for one in NEW]
    counts = [torch.tensor(lengths(chat, one)) for one in NEW]
    wanted = {
        f"reference={reference}": [a - b for a, b in zip(mine, theirs, strict=True)],
        "reference=none": mine,
    }
    for options, ratios in wanted.items():
        for normalise in ("sum", "mean"):
            spec = f"implicit:{policy},{options},beta={BETA},normalise={normalise}"
            found = judged(make(parse_spec(spec), Context()), NEW)
            for row, ratio, count in zip(found, ratios, counts, strict=True):
                expected = BETA * ratio / (count if normalise == "mean" else 1)
                assert row == pytest.approx(expected.tolist(), abs=1e-4)


def test_the_policy_has_learnt_what_its_reference_does_not_know(
    policy: Path, reference: Path
) -> None:
    """Else the pair would not be a real one."""
    judge = make(parse_spec(f"implicit:{policy},reference={reference}"), Context())
    right = [yes > no for yes, no in judged(judge, NEW)]
    assert sum(right) == len(NEW)
    itself = make(parse_spec(f"implicit:{reference},reference={reference}"), Context())
    assert judged(itself, NEW) == [[0.0, 0.0]] * len(NEW)


def test_no_preference_flips(policy: Path, reference: Path) -> None:
    """Swapped responses, other neighbours, another window: the same bits."""
    many = ITEMS  # two windows and more
    assert 2 * len(many) > 2 * WINDOW
    spec = parse_spec(f"implicit:{policy},reference={reference}")
    forward = judged(make(spec, Context()), many)
    swapped = [replace(one, responses=one.responses[::-1]) for one in many[::-1]]
    backward = judged(make(spec, Context()), swapped)
    assert forward == [row[::-1] for row in backward[::-1]]


def test_a_card_says_what_its_numbers_are(policy: Path, reference: Path) -> None:
    specs = ["reference=none", f"reference={reference}", f"reference={reference},beta=0.2"]
    specs += [f"reference={policy}", f"reference={reference},normalise=mean"]
    cards = [make(parse_spec(f"implicit:{policy},{s}"), Context()).card for s in specs]
    assert len({card.identity for card in cards}) == len(specs)
    assert cards[0].description.startswith("0.1 x (log pi(y|x)")
    assert "reference-free" in cards[0].description
    assert all(card.trained and card.order_free for card in cards)
    assert cards[1].parameters == 2 * (cards[0].parameters or 0)
    revision = cards[1].settings["reference_revision"]
    assert revision not in (None, cards[1].revision)


def test_both_readings_are_counted_and_kept(policy: Path, reference: Path) -> None:
    _, chat = loaded(policy)
    judge = make(parse_spec(f"implicit:{policy},reference={reference}"), Context())
    (found, *_) = judge.judge(t for _, t in trials(NEW, judge.card))
    read = len(chat.conversation(NEW[0].prompt)) + lengths(chat, NEW[0])[0]
    assert found.usage.prompt_tokens == 2 * read
    raw = json.loads(found.raw)
    ratio = raw["policy"]["logprob"] - raw["reference"]["logprob"]
    assert found.utilities == (pytest.approx(0.1 * ratio, rel=1e-3),)


def test_failures_of_either_model_are_no_numbers(
    policy: Path, random_llama: Callable[..., Path]
) -> None:
    short = random_llama(4, blocks=1, tokens=40)
    for mine, theirs, says in ((policy, short, "reference: "), (short, policy, "prompt and")):
        judge = make(parse_spec(f"implicit:{mine},reference={theirs}"), Context())
        found = list(judge.judge(t for _, t in trials([item(0, "Yes.", "no " * 30)], judge.card)))
        by_status = {verdict.status: verdict for verdict in found}
        assert set(by_status) == {Status.OK, Status.TRUNCATED}
        assert by_status[Status.TRUNCATED].note.startswith(says)


def test_models_that_read_a_text_differently_are_refused(policy: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(policy, other)
    config = json.loads((other / "tokenizer_config.json").read_text())
    (other / "tokenizer_config.json").write_text(
        json.dumps({**config, "eos_token": "<|endoftext|>"})
    )
    judge = make(parse_spec(f"implicit:{policy},reference={other}"), Context())
    with pytest.raises(BenchError, match="take a response apart differently"):
        list(judge.judge(t for _, t in trials(NEW, judge.card)))


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("implicit:", "no reference"),
        ("implicit:reference=none", "names no policy"),
        ("implicit:x,reference=./nowhere/at/all", "no such folder"),
        ("implicit:x,reference=none,beta=0", "above 0"),
        ("implicit:x,reference=none,beta=nan", "above 0"),
        ("implicit:x,reference=none,normalise=x", "mean or sum"),
    ],
)
def test_mistakes_are_said(spec: str, says: str) -> None:
    with pytest.raises(BenchError, match=says):
        make(parse_spec(spec), Context())
