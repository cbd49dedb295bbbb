"""The judge ``aspects``: another judge's ratings of several aspects, with weights that were learnt.

Which aspects count, and how much, is what people's choices say; the ratings themselves stay the
other judge's. The recipe is judges.training.aspects.
"""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

from bench.kinds import kind
from bench.spec import Spec
from bench.types import BenchError, Context, Judge
from judges.described import Described
from judges.prompted import PromptedJudge

ABOUT = "aspects.json"


def rating_judge(text: str, context: Context) -> PromptedJudge:
    """The judge of that spec. Raises BenchError where its prompt does not ask for aspects."""
    if context.make is None:
        raise BenchError(f"{text!r}: a judge of judges cannot be made here")
    judge = context.make(text)
    if not isinstance(judge, PromptedJudge) or not judge.prompt.aspects:
        raise BenchError(
            f"judge {text!r} does not rate aspects: one with such a prompt expected, for example "
            "litellm:PROVIDER/MODEL,prompt=aspects"
        )
    return judge


@kind(trained=True, order_free=True, cost="its members'", options={"aspects:FOLDER": Described})
def make(spec: Spec, context: Context) -> Judge:
    """Ratings of aspects by another judge, with learnt weights: aspects:FOLDER.

    Raises BenchError: no such folder; a judge that is no longer the one that it was learnt with.
    """
    described = spec.settings(Described)
    folder = Path(spec.argument).expanduser()
    about = _about(folder)
    judge = rating_judge(about["judge"], context)
    if judge.card.identity != about["identity"]:
        raise BenchError(
            f"{folder}: the weights were learnt with another {about['judge']!r} (its prompt, model "
            "or settings have changed). Train them again: smallclaims train aspects"
        )
    judge.weights = tuple(about["weights"][aspect] for aspect in judge.prompt.aspects)
    judge.training_prompts = frozenset(about["prompts"])
    settings = {**judge.card.settings, "weights": judge.weights}
    card = replace(
        judge.card,
        name=spec.label or spec.text,
        description=f"aspects rated by {about['judge']}, with learnt weights",
        settings=settings,
        trained=True,
        trained_on=tuple(about["asked"]),
    )
    judge.card = described.on(card)
    return judge


def _about(folder: Path) -> dict[str, Any]:
    try:
        about: dict[str, Any] = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
        kinds = {"judge": str, "identity": str, "weights": dict, "asked": list, "prompts": list}
        for name, type_ in kinds.items():
            if not isinstance(about[name], type_):
                raise ValueError(f"{name} is {about[name]!r}; {type_.__name__} expected")
        weights = [float(w) for w in about["weights"].values()]
        if not all(math.isfinite(w) and w >= 0 for w in weights) or not any(weights):
            raise ValueError(f"weights are {weights}; numbers from 0 expected, not all 0")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BenchError(
            f"{folder}: no learnt weights there ({error}). Make them: smallclaims train aspects "
            f"--task TASK --out {folder} --option judge=JUDGE"
        ) from error
    return about
