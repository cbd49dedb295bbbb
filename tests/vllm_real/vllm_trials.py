"""The 64 trials that vLLM and transformers are compared on."""

from __future__ import annotations

from bench.plan import trials
from bench.spec import parse_spec
from bench.types import JudgeCard, Trial
from judges.engines.base import Request
from judges.prompt import load_prompt
from tasks.verifiable import make

ITEMS = 32


def shown() -> list[Trial]:
    """32 items that the project makes, both orders."""
    items = list(make(parse_spec("verifiable:n=200,shape=pairs")).items())[:ITEMS]
    card = JudgeCard(name="made", kind="prompted", protocols=("pairwise",))
    return [trial for _, trial in trials(items, card)]


def questions(asked: list[Trial]) -> list[Request]:
    """What choice-letter asks about each trial."""
    prompt = load_prompt("choice-letter")
    return [Request(prompt.render(trial), prompt.answers(2) or (), trial.seed) for trial in asked]
