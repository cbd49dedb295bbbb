"""The recipe ``aspects``: how much each aspect that a judge rates counts for people.

Bradley-Terry on differences of ratings, no weight below 0: an aspect is a merit or says nothing.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bench.spec import Spec
from bench.types import BenchError, Context, Item, Status, Task, Trial, content_key
from judges.aspects import ABOUT, rating_judge
from judges.parsers import PARSERS, Asked
from judges.prompted import PromptedJudge
from judges.training.preferences import held_out, pairs_of, training_items

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float64]


@dataclass(frozen=True)
class Recipe:
    """`judge`: spec of the judge that rates, with + in place of commas. `max_items`: training items
    at most, each of whose responses is one call. `penalty`: L2, on ratings as they are. `held`:
    share of prompts that the weights are tried on before they are fitted to all."""

    judge: str = ""
    max_items: int = 200
    penalty: float = 1.0
    held: float = 0.25

    def __post_init__(self) -> None:
        if not self.judge:
            raise BenchError(
                "aspects: no judge. Name one that rates aspects: judge=CARD, or "
                "judge=litellm:PROVIDER/MODEL+prompt=aspects"
            )
        if self.max_items < 10 or self.penalty <= 0 or not 0 < self.held < 1:
            raise BenchError(
                f"aspects: max_items is {self.max_items}, penalty {self.penalty}, held "
                f"{self.held}; 10 or more, above 0, and between 0 and 1 expected"
            )


def train(spec: Spec, task: Task, out: Path, context: Context) -> Path:
    """Learn the weights with the options of `spec` on the training split of `task`, and save them
    in the new folder `out`.

    Raises BenchError for a bad option, a folder that is there already, too few rated pairs.
    """
    recipe = spec.settings(Recipe)
    if (out / ABOUT).exists():
        raise BenchError(f"{out} holds learnt weights already. Choose another name, or remove it.")
    judge = rating_judge(recipe.judge.replace("+", ","), context)
    items = training_items([task], "aspects", recipe.max_items, 10, context.seed)
    kept = context.cache / "aspects" / f"{judge.card.identity}.jsonl"
    context.say(
        f"asking {judge.card.name} about the responses of {len(items)} items; kept in {kept}"
    )
    ratings = _ratings(judge, items, kept)
    judge.close()
    fitted, tried = held_out(items, recipe.held, context.seed)
    x, held = (_differences(part, ratings, context.seed) for part in (fitted, tried))
    if min(len(x), len(held)) < 5:
        raise BenchError(
            f"aspects: {len(x) + len(held)} pairs of {len(items)} items have ratings of both "
            "responses; too few to learn from. A judge whose answers can be read is needed."
        )
    weights = fit(x, recipe.penalty)
    equal = [1.0] * len(weights)
    about = {
        "judge": recipe.judge.replace("+", ","),
        "identity": judge.card.identity,
        "weights": dict(zip(judge.prompt.aspects, fit([*x, *held], recipe.penalty), strict=True)),
        "recipe": asdict(recipe),
        "seed": context.seed,
        "pairs": len(x) + len(held),
        "held_out": {"learnt": accuracy(held, weights), "equal": accuracy(held, equal)},
        "asked": [task.asked or task.card.name],
        "task_revisions": {task.card.name: task.card.revision},
        "prompts": sorted({item.prompt_key for item in items}),
    }
    out.mkdir(parents=True, exist_ok=True)
    part = out / f".{ABOUT}"
    part.write_text(json.dumps(about, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    part.replace(out / ABOUT)
    return out


def _ratings(
    judge: PromptedJudge, items: Sequence[Item], kept: Path
) -> dict[tuple[str, int], Sequence[float]]:
    """(item id, response) -> the ratings of its aspects, for those that could be read. What was
    answered is in the file `kept` and not asked, or paid for, again."""
    where, trials = {}, []
    for item in items:
        view = item.seen(judge.card.sees)
        for i in range(len(item.responses)):
            key = content_key("aspects", item.key, i)
            where[key] = item.id, i
            trials.append(Trial(key, view, (i,), "pointwise", 0, int(key[:15], 16)))
    replies: dict[str, str] = {}
    kept.parent.mkdir(parents=True, exist_ok=True)
    with kept.open("a+", encoding="utf-8") as file:
        file.seek(0)
        for line in file:
            with suppress(ValueError, TypeError):  # a line that was cut off is asked again
                replies.update(json.loads(line))
        for verdict in judge.judge([trial for trial in trials if trial.key not in replies]):
            if verdict.status is not Status.ERROR:
                replies[verdict.key] = verdict.raw
                file.write(json.dumps({verdict.key: verdict.raw}) + "\n")
                file.flush()
    read = PARSERS[judge.prompt.parser]
    answers = {key: read(replies[key], Asked(1, judge.prompt)) for key in where if key in replies}
    return {where[key]: said.aspects for key, said in answers.items() if said.aspects}


def _differences(
    items: Sequence[Item], ratings: dict[tuple[str, int], Sequence[float]], seed: int
) -> list[list[float]]:
    """Better minus worse, (pairs, aspects)."""
    rows = []
    for item in items:
        for better, worse in pairs_of(item, 3, seed):
            a, b = ratings.get((item.id, better)), ratings.get((item.id, worse))
            if a is not None and b is not None:
                rows.append([x - y for x, y in zip(a, b, strict=True)])
    return rows


def fit(differences: Sequence[Sequence[float]], penalty: float) -> list[float]:
    """Weights from 0, by penalised maximum likelihood of every difference having come out
    positive; equal ones where the ratings say nothing. (pairs, aspects) -> (aspects,)."""
    import numpy as np
    from scipy.optimize import minimize

    x: Array = np.asarray(differences, dtype=np.float64)

    def loss(w: Array) -> tuple[float, Array]:
        margin = x @ w
        slope = -1 / (1 + np.exp(np.clip(margin, -500, 500)))
        value = np.logaddexp(0, -margin).sum() + penalty / 2 * w @ w
        return float(value), x.T @ slope + penalty * w

    start = np.full(x.shape[1], 0.1)
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=[(0, None)] * x.shape[1]).x
    return [float(w) for w in (found if found.any() else np.ones_like(found))]


def accuracy(differences: Sequence[Sequence[float]], weights: Sequence[float]) -> float:
    """Share of pairs whose better response gets more, ties half."""
    margins = [sum(w * d for w, d in zip(weights, row, strict=True)) for row in differences]
    return sum((m > 0) + 0.5 * (m == 0) for m in margins) / len(margins)
