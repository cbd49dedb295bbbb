"""What the items and their labels themselves say: how many, how alike, how far humans agree."""

from __future__ import annotations

import itertools
import math
from collections import Counter

import numpy as np
import pandas as pd

from bench.stats import (
    Clusters,
    ceiling,
    cluster_wilson,
    cohen_kappa,
    human_agreement,
    intracluster_correlation,
    leave_one_out,
)
from bench.types import content_key, normalised
from reports.groups import Group, Made, cells
from reports.readings import Bools, Floats, Ints, ItemTable
from reports.study import Study

MAX_ANNOTATORS = 8  # more ids than this in a task are people seen now and then, not columns
_CATEGORY = {1: 0, 3: 1, 2: 2}  # top set of a pair -> response 0, tie, response 1


def votes_on_pairs(table: ItemTable) -> tuple[Ints, Ints]:
    """(item index, +1 response 0 | 0 tie | -1 response 1) of every vote on a pair, item by item."""
    mine = table.pairs[table.vote_item]
    top = table.vote_top[mine]
    return table.vote_item[mine], (top & 1) - ((top >> 1) & 1)


def data_table(study: Study) -> pd.DataFrame:
    """One row per group.

    `n_duplicates`: items that ask and offer the same as an earlier one. `n_clusters`: prompts, or
    whatever coarser ties the items together; other tables call these prompts.
    `n_effective_prompts`: equal clusters that would weigh like these. `icc`: correlation of two
    items of one cluster in how well the judges do on them (mean score over judges). `chance`:
    expected credit of a response drawn at random. `human_agreement`: of two annotators on pairs
    that both decided; `leave_one_out`: of one with the majority of the others; `ceiling`: best
    possible agreement with one. `retest_agreement`: share of second answers of an annotator that
    are the same as the first.
    Over domains these are unweighted means, as the scores are; counts are sums.
    """
    duplicate, difficulty = _duplicates(study.table), _difficulty(study)
    return pd.DataFrame([_row(group, study, duplicate, difficulty) for group in study.groups])


def _row(group: Group, study: Study, duplicate: Bools, difficulty: Floats) -> dict[str, object]:
    table = study.table
    items = np.flatnonzero(group.items)
    on_vote = group.items[table.vote_item]
    clusters = Clusters.of(table.cluster[items], len(items))

    def of(chosen: Bools) -> Made:
        kept = chosen & (table.pair_votes >= 2)
        arrays = table.pair_votes[kept], table.pair_votes_first[kept], table.cluster[kept]
        agreements = {
            "human_agreement": human_agreement,
            "leave_one_out": leave_one_out,
            "ceiling": ceiling,
        }
        again = chosen[table.retest_item]
        first, second = table.retest_tops[again].T
        of_retest = table.cluster[table.retest_item[again]]
        scored = chosen & ~np.isnan(difficulty)
        icc = intracluster_correlation(difficulty[scored], table.cluster[scored])
        return {
            **{name: f(*arrays) if kept.any() else None for name, f in agreements.items()},
            "retest_agreement": cluster_wilson((first == second).astype(float), of_retest)
            if again.any()
            else None,
            "icc": icc if scored.any() else None,
        }

    return {
        **group.key,
        "n_items": len(items),
        "n_prompts": len({table.items[i].prompt_key for i in items.tolist()}),
        "n_clusters": clusters.n_clusters,
        "n_effective_prompts": clusters.n_effective,
        "n_pairs": int(table.pairs[items].sum()),
        "n_duplicates": int(duplicate[items].sum()),
        "n_votes": int(on_vote.sum()),
        "n_retests": int(group.items[table.retest_item].sum()),
        "n_annotators": len({table.vote_annotator[v] for v in np.flatnonzero(on_vote)}),
        "tied_votes": float((~table.vote_decides[on_vote]).mean()) if on_vote.any() else math.nan,
        "n_unlabelled": int((~table.labelled[items]).sum()),
        "n_undecided_items": int((~table.decided[items] & table.labelled[items]).sum()),
        "chance": study.estimates.plain(group, table.chance, table.decided),
        **cells(study.estimates.block(group, "annotators", "labels", of)),
    }


def _duplicates(table: ItemTable) -> Bools:
    """(items,) whether an earlier item of the task has the same prompt and the same responses."""
    keys = [
        content_key(
            task,
            normalised("\n".join(message.content for message in item.prompt)),
            sorted(response.text for response in item.responses),
        )
        for task, item in zip(table.task, table.items, strict=True)
    ]
    seen: Counter[str] = Counter()
    found = np.zeros(len(keys), bool)
    for i, key in enumerate(keys):
        found[i] = seen[key] > 0
        seen[key] += 1
    return found


def _difficulty(study: Study) -> Floats:
    """(items,) mean score over the judges that have one; NaN where none has."""
    scores = np.array(list(study.scores.values())).reshape(len(study.scores), -1)
    known = ~np.isnan(scores)
    total: Floats = np.where(known, scores, 0.0).sum(axis=0)
    return np.where(known.any(axis=0), total / np.maximum(known.sum(axis=0), 1), np.nan)


_COLUMNS = ("task", "annotator", "other", "n_items", "n_prompts", "agreement")


def annotators_table(study: Study) -> pd.DataFrame:
    """Cohen's kappa of every two annotators of a task on the pairs both labelled, ties a class."""
    table = study.table
    rows = []
    for task in dict.fromkeys(table.task):
        votes = _by_annotator(task, table)
        if len(votes) > MAX_ANNOTATORS:
            continue
        for a, b in itertools.combinations(votes, 2):
            both = sorted(votes[a].keys() & votes[b].keys())
            if both:
                x, y = (np.array([votes[who][i] for i in both]) for who in (a, b))
                kappa = cohen_kappa(x, y, 3, table.cluster[both])
                key = {"task": task, "scope": "pooled", "group": "micro"}
                study.estimates.keep(key, f"{a} - {b}", {"kappa": kappa})
                values = (task, a, b, len(both), kappa.n_clusters, float((x == y).mean()))
                row = dict(zip(_COLUMNS, values, strict=True))
                rows.append({**row, **cells({"kappa": kappa})})
    return pd.DataFrame(rows, columns=[*_COLUMNS, *cells({"kappa": None})])


def _by_annotator(task: str, table: ItemTable) -> dict[str, dict[int, int]]:
    """annotator -> item index -> category, for the pairs of one task."""
    votes: dict[str, dict[int, int]] = {}
    for item, top, who in zip(table.vote_item, table.vote_top, table.vote_annotator, strict=True):
        if table.task[item] == task and table.pairs[item]:
            votes.setdefault(who, {})[int(item)] = _CATEGORY[int(top)]
    return votes
