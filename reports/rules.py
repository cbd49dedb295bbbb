"""The same verdicts under every order rule and failure policy: what the convention alone moves."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from bench.outcome import POLICIES, RULES, Policy, Rule
from bench.types import JudgeCard
from reports.groups import Made, cells
from reports.readings import Bools, Floats
from reports.scores import score
from reports.study import Study


def rules_table(study: Study) -> pd.DataFrame:
    """One row per group but subsets, judge, rule and policy. `coverage`: share of the decided items
    that the rule gives an outcome for; the score is the mean over those. Policies other than
    "wrong" only for judges that failed, for they are the same otherwise."""
    rows = []
    for card in study.cards:
        for rule in RULES if card.orders == "all" else ("first",):
            for policy in _policies(study, card):
                scores = study.readings[card.name].scores(rule, policy)
                rows += _rows(study, card, rule, policy, scores)
    return pd.DataFrame(rows, columns=[*COLUMNS, *cells({"score": None})])


COLUMNS = (
    *("task", "scope", "group", "judge", "rule", "policy"),
    *("n_items", "n_prompts", "coverage"),
)


def _policies(study: Study, card: JudgeCard) -> tuple[Policy, ...]:
    failed = any(block.failed.any() for block in study.readings[card.name].blocks)
    return POLICIES if failed else ("wrong",)


def _rows(
    study: Study, card: JudgeCard, rule: Rule, policy: Policy, scores: Floats
) -> list[dict[str, object]]:
    table = study.table
    asked = study.readings[card.name].asked() & table.decided
    known = ~np.isnan(scores)
    reading, everyone = study.readings[card.name], list(study.scores.values())
    name = f"score_{rule}_{policy}"

    def of(chosen: Bools) -> Made:
        without = int((chosen & asked & ~known).sum())
        made = score(scores, reading, everyone, chosen)
        return {name: made and replace(made, n_missing=without)}

    rows = []
    for group in study.groups:
        here = asked & group.items
        if group.scope == "subset" or not here.any():
            continue
        made = study.estimates.block(group, card.name, name, of)
        rows.append(
            {
                **group.key,
                "judge": card.name,
                "rule": rule,
                "policy": policy,
                "n_items": int(here.sum()),
                "n_prompts": len(np.unique(table.cluster[here])),
                "coverage": float(known[here].mean()),
                **cells({"score": made[name]}),
            }
        )
    return rows
