"""What the labels themselves say: chance, agreement of humans, the ceiling they set."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import numpy as np
import pandas as pd

from bench.stats import Estimate, ceiling, cohen_kappa, human_agreement
from reports.groups import Estimates, Group
from reports.readings import Bools, Ints, ItemTable

MAX_ANNOTATORS = 8  # more ids than this in a task are people seen now and then, not columns
_CATEGORY = {1: 0, 3: 1, 2: 2}  # top set of a pair -> response 0, tie, response 1


Statistic = Callable[[Ints, Ints, Ints], Estimate]


def votes_on_pairs(table: ItemTable) -> tuple[Ints, Ints]:
    """(item index, +1 response 0 | 0 tie | -1 response 1) of every vote on a pair, item by item."""
    mine = table.pairs[table.vote_item]
    top = table.vote_top[mine]
    return table.vote_item[mine], (top & 1) - ((top >> 1) & 1)


def labels_table(groups: list[Group], table: ItemTable) -> pd.DataFrame:
    """One row per group. `chance`: expected credit of a response drawn at random.
    `human_agreement`: of two annotators on pairs that both decided. For "overall" these are the
    unweighted means over the domains that have them, as the scores are; counts are sums."""
    estimates = Estimates(table, groups)
    return pd.DataFrame([_labels(group, table, estimates) for group in groups])


def _labels(group: Group, table: ItemTable, estimates: Estimates) -> dict[str, object]:
    items = np.flatnonzero(group.items)
    on_vote = group.items[table.vote_item]
    row: dict[str, object] = {
        "task": group.task,
        "scope": group.scope,
        "group": group.name,
        "n_items": len(items),
        "n_prompts": len(np.unique(table.cluster[items])),
        "n_pairs": int(table.pairs[items].sum()),
        "n_votes": int(on_vote.sum()),
        "tied_votes": float((~table.vote_decides[on_vote]).mean()) if on_vote.any() else math.nan,
        "n_undecided_items": int((group.items & ~table.decided).sum()),
        "chance": estimates.plain(group, table.chance, table.decided),
    }
    for name, statistic in (("human_agreement", human_agreement), ("ceiling", ceiling)):

        def of(chosen: Bools, statistic: Statistic = statistic) -> Estimate | None:
            kept = chosen & (table.pair_votes >= 2)
            if not kept.any():
                return None
            return statistic(
                table.pair_votes[kept], table.pair_votes_first[kept], table.cluster[kept]
            )

        e = estimates.make(group, "annotators", name, of)
        for suffix, value in (("", "estimate"), ("_lo", "lo"), ("_hi", "hi")):
            row[name + suffix] = getattr(e, value) if e else math.nan
    return row


_COLUMNS = ("task", "annotator", "other", "n_items", "agreement", "kappa", "kappa_lo", "kappa_hi")


def annotators_table(table: ItemTable) -> pd.DataFrame:
    """Cohen's kappa of every two annotators of a task on the pairs both labelled, ties a class."""
    rows = []
    for task in dict.fromkeys(item.task for item in table.items):
        votes = _by_annotator(task, table)
        if len(votes) > MAX_ANNOTATORS:
            continue
        for a, b in itertools.combinations(votes, 2):
            both = sorted(votes[a].keys() & votes[b].keys())
            if both:
                x, y = (np.array([votes[who][i] for i in both]) for who in (a, b))
                kappa = cohen_kappa(x, y, 3, table.cluster[both])
                agreement = float((x == y).mean())
                values = (len(both), agreement, kappa.estimate, kappa.lo, kappa.hi)
                rows.append((task, a, b, *values))
    return pd.DataFrame(rows, columns=list(_COLUMNS))


def _by_annotator(task: str, table: ItemTable) -> dict[str, dict[int, int]]:
    """annotator -> item index -> category, for the pairs of one task."""
    votes: dict[str, dict[int, int]] = {}
    for item, top, who in zip(table.vote_item, table.vote_top, table.vote_annotator, strict=True):
        if table.task[item] == task and table.pairs[item]:
            votes.setdefault(who, {})[int(item)] = _CATEGORY[int(top)]
    return votes
