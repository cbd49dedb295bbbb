"""Each judge beside the people who labelled: would it do instead of one of them?"""

from __future__ import annotations

from collections import Counter
from functools import partial

import numpy as np
import pandas as pd

from bench.stats import leave_one_out
from bench.stats.agree import against_votes
from bench.stats.alttest import AltTest, alternative_annotator_test
from bench.stats.likeness import human_likeness
from bench.stats.strata import vote_strata
from reports.groups import Made, cells
from reports.readings import Bools, Floats, ItemTable
from reports.study import Study

STRATA = ("unanimous", "majority", "split")
METRICS = (
    "majority_of_rest",
    "human_majority_of_rest",
    "kappa_difference",
    "alt_rho",
    "alt_smallest_epsilon",
    *(f"{what}_{stratum}" for stratum in STRATA for what in ("share", "judge", "human")),
)
EPSILONS = (0.1, 0.15, 0.2)
"""What a judge may lose because it is cheaper, where annotators are a crowd, skilled, experts."""

COLUMNS = ("task", "scope", "group", "judge", "n_items", "n_prompts", "n_annotators")
WINS = tuple(f"alt_omega_{epsilon:g}" for epsilon in EPSILONS)
REPLICATES = 2_000
MOST = 50  # annotators in the tests: those with the most items


def people_table(study: Study) -> pd.DataFrame:
    """One row per judge and group (pooled, and domains) where pairs have two labels or more.

    A pair's verdict is what the judge prefers over all its showings, a tie where they cancel.
    `majority_of_rest` and `human_...`: agreement with the majority of the others, of the judge and
    of the human whom it stands in for. `kappa_difference`: judge with human less human with human.
    `alt_...`: alternative annotator test; `alt_omega_E`: share of the annotators whom the judge may
    replace at epsilon E, NaN below three annotators with thirty items. In these two a tie is a
    label like others; the rest stands on pairs that two annotators or more decided. Strata: items
    on which one half of the votes is unanimous, has a majority, is split; agreement of the judge,
    and of a human, with the other half.
    """
    table = study.table
    votes = np.bincount(table.vote_item, minlength=len(table.items))  # ties are labels too
    several = table.pairs & (votes >= 2)
    labels = _labels(table, several)
    rows = []
    for card in study.cards:
        preference = study.readings[card.name].preferences()
        said = np.sign(2 * preference - 1)
        for group in study.groups:
            chosen = group.items & several & study.readings[card.name].asked()
            if group.scope not in ("pooled", "domain") or not chosen.any():
                continue
            test = _test(table, labels, said, chosen)
            of = partial(_metrics, table, labels, said, test, several)
            made = study.estimates.block(group, card.name, "people", of)
            present = ~np.isnan(labels[chosen]).all(axis=0)
            counts = (int(chosen.sum()), len(np.unique(table.cluster[chosen])), int(present.sum()))
            head = zip(COLUMNS, (*group.key.values(), card.name, *counts), strict=True)
            omegas = {name: test.omega_at(e) for name, e in zip(WINS, EPSILONS, strict=True)}
            rows.append({**dict(head), **cells(made), **omegas})
    return pd.DataFrame(rows, columns=[*COLUMNS, *cells(dict.fromkeys(METRICS)), *WINS])


def _labels(table: ItemTable, several: Bools) -> Floats:
    """(items, annotators) labels +1, 0, -1 of the annotators with the most votes, NaN where one
    has none."""
    votes = [v for v in range(len(table.vote_item)) if several[table.vote_item[v]]]
    counts = Counter(table.vote_annotator[v] for v in votes)
    names = [name for name, _ in counts.most_common(MOST)]
    column = {name: n for n, name in enumerate(names)}
    labels = np.full((len(table.items), len(names)), np.nan)
    for v in votes:
        if table.vote_annotator[v] in column:
            top = int(table.vote_top[v])
            at = table.vote_item[v], column[table.vote_annotator[v]]
            labels[at] = (top & 1) - (top >> 1 & 1)
    return labels


def _test(table: ItemTable, labels: Floats, said: Floats, chosen: Bools) -> AltTest:
    return alternative_annotator_test(labels[chosen], said[chosen], table.cluster[chosen])


def _metrics(
    table: ItemTable, labels: Floats, said: Floats, test: AltTest, several: Bools, chosen: Bools
) -> Made:
    labelled, decided = chosen & several, chosen & table.pairs & (table.pair_votes >= 2)
    votes, first = table.pair_votes, table.pair_votes_first
    kept = decided & ~np.isnan(said)
    of_kept = votes[kept], first[kept], table.cluster[kept]
    of_all = votes[decided], first[decided], table.cluster[decided]
    made: Made = {
        "majority_of_rest": against_votes(said[kept], *of_kept).majority_of_rest,
        "human_majority_of_rest": leave_one_out(*of_kept),
        "kappa_difference": human_likeness(
            labels[labelled],
            said[labelled],
            table.cluster[labelled],
            symmetrise=True,
            replicates=REPLICATES,
        ).difference,
        "alt_rho": test.rho,
        "alt_smallest_epsilon": test.smallest_epsilon,
    }
    strata = vote_strata(said[decided], *of_all, replicates=REPLICATES)
    of_strata = {
        f"{what}_{stratum}": getattr(getattr(strata, stratum), what)
        for stratum in STRATA
        for what in ("share", "judge", "human")
    }
    return {**made, **of_strata}
