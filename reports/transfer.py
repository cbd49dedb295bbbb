"""Judges trained on one set and shown another: where what they learnt holds, and where it breaks.

A selection of `leaderboard` and `pairs`: every number here stands there too.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from bench.types import JudgeCard

COLUMNS = ("task", "judge", "kind", "trained_on", "at_home", "n_items", "n_prompts")
METRICS = ("mean", "loss")
_PARTS = ("", "_lo", "_hi", "_status")


def transfer_table(
    cards: Sequence[JudgeCard], scores: pd.DataFrame, pairs: pd.DataFrame
) -> pd.DataFrame:
    """One row per task and judge that was trained on one of the run's tasks and on nothing else;
    empty where all of them were trained on the same.

    `at_home`: trained on the task that it is tested on (on other prompts). `mean`: over domains.
    `loss`: what the one judge of the same kind and model that is at home here scores above it, on
    the same items. `scores`, `pairs`: the rows of `leaderboard` and `pairs`.
    """
    whole = scores[scores.scope == "overall"]
    differences = _by_pair(pairs[pairs.scope == "overall"])
    trained = {
        card.name: card
        for card in cards
        if card.trained and len(card.trained_on) == 1 and card.trained_on[0] in set(whole.task)
    }
    rows = []
    if len({card.trained_on for card in trained.values()}) > 1:
        for row in whole[whole.judge.isin(list(trained))].to_dict("records"):
            task, card = row["task"], trained[row["judge"]]
            home = [name for name, other in trained.items() if _at_home(other, card, task)]
            # Of several counterparts none is the one.
            loss = differences.get((task, home[0], card.name), {}) if len(home) == 1 else {}
            at_home = card.trained_on == (task,)
            counts = row["n_items"], row["n_prompts"]
            values = (task, card.name, card.kind, card.trained_on[0], at_home, *counts)
            cells = {f"mean{part}": row[f"mean{part}"] for part in _PARTS}
            cells |= {f"loss{part}": loss.get(part, _NOTHING[part]) for part in _PARTS}
            rows.append({**dict(zip(COLUMNS, values, strict=True)), **cells})
    names = [f"{metric}{part}" for metric in METRICS for part in _PARTS]
    return pd.DataFrame(rows, columns=[*COLUMNS, *names])


_NOTHING = {"": math.nan, "_lo": math.nan, "_hi": math.nan, "_status": "not_applicable"}


def _at_home(other: JudgeCard, card: JudgeCard, task: str) -> bool:
    """Whether `other` is the counterpart of `card` that was trained on `task`."""
    same = (other.kind, other.model) == (card.kind, card.model)
    return same and other.trained_on == (task,) and other.name != card.name


def _by_pair(pairs: pd.DataFrame) -> dict[tuple[str, str, str], Mapping[str, Any]]:
    """(task, judge, other) -> the difference between them, either way round."""
    found: dict[tuple[str, str, str], Mapping[str, Any]] = {}
    for row in pairs.to_dict("records"):
        e = {part: row[f"difference{part}"] for part in _PARTS}
        turned = {"": -e[""], "_lo": -e["_hi"], "_hi": -e["_lo"], "_status": e["_status"]}
        found[row["task"], row["judge"], row["against"]] = e
        found[row["task"], row["against"], row["judge"]] = turned
    return found
