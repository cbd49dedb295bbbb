"""Twenty questions with two answers each, few words, for models that read slowly; and what a plain
forward pass of transformers says of them."""

from __future__ import annotations

import math
from functools import cache
from pathlib import Path
from typing import Any

from bench.types import Message
from judges.engines.base import Request

ANSWERS = ("A", "B")
_WORDS = (
    *("red", "cat", "lamp", "seven", "north", "rain", "iron", "salt", "green", "fox"),
    *("chair", "nine", "east", "snow", "gold", "milk", "blue", "owl", "desk", "two"),
)


def user(text: str) -> list[Message]:
    """A conversation of one turn."""
    return [Message("user", text)]


def both_orders() -> list[Request]:
    """Forty requests: each question with its answers in one order, then in the other."""
    asked = []
    for i, word in enumerate(_WORDS):
        right, wrong = word[::-1], _WORDS[i - 1]
        for first, second in ((right, wrong), (wrong, right)):
            text = f"Spell {word} backwards.\nA: {first}\nB: {second}\nBest, A or B?"
            asked.append(Request([Message("system", "Judge."), Message("user", text)], ANSWERS))
    return asked


@cache
def plain_logprobs(folder: Path, n: int = 40) -> list[list[float]]:
    """For the first n requests: log of the summed probability of "A" and " A", and of the other, in
    float64 from float32 logits, one forward pass each. Computed once for all tests."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer: Any = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    found = []
    for request in both_orders()[:n]:
        chat = [{"role": m.role, "content": m.content} for m in request.conversation]
        ids = tokenizer.apply_chat_template(chat, add_generation_prompt=True, return_dict=True)
        with torch.inference_mode():
            logits = model(torch.tensor([ids["input_ids"]])).logits[0, -1]
        probabilities = logits.double().softmax(-1)
        spelt = [[tokenizer.encode(s) for s in (a, f" {a}")] for a in request.answers]
        assert all(len(ids) == 1 for spellings in spelt for ids in spellings)
        found.append([math.log(sum(probabilities[i[0]] for i in both)) for both in spelt])
    return found
