"""Do a judge's preferences between the writers of responses form an order?"""

from __future__ import annotations

from dataclasses import asdict, astuple

import numpy as np
import pandas as pd

from bench.stats.transitivity import transitivity
from reports.groups import Group, cells
from reports.readings import Bools
from reports.study import Study

METRICS = ("cycles", "chains", "weak")
KINDS = ("order", "cycle", "chain", "shared", "split", "equal")
COLUMNS = ("task", "scope", "group", "judge", "n_pairs", "n_prompts", "n_incomplete")


def transitivity_table(study: Study) -> pd.DataFrame:
    """One row per task and judge where some prompt has pairs between three writers.

    A pair's outcome is the response that the judge prefers over all its showings, a tie where they
    cancel. Pairs whose writers are not both named are left out, and so is a pair of writers that a
    prompt has already. Columns and kinds of triples as in `bench.stats.transitivity`.
    """
    usable = _usable(study)
    rows = []
    for group in study.groups:
        if group.scope == "pooled" and (usable & group.items).any():
            for card in study.cards:
                rows += _row(study, group, card.name, usable & group.items)
    return pd.DataFrame(rows, columns=[*COLUMNS, *cells(dict.fromkeys(METRICS)), *KINDS])


def _usable(study: Study) -> Bools:
    """(items,) the first pair of its two writers at its prompt."""
    table, seen = study.table, set()
    usable = np.zeros(len(table.items), bool)
    for i in map(int, np.flatnonzero(table.pairs)):
        writers = frozenset(r.model for r in table.items[i].responses)
        key = (table.task[i], int(table.cluster[i]), writers)
        usable[i] = len(writers) == 2 and None not in writers and key not in seen
        seen.add(key)
    return usable


def _row(study: Study, group: Group, judge: str, usable: Bools) -> list[dict[str, object]]:
    table = study.table
    preference = study.readings[judge].preferences()
    chosen = np.flatnonzero(usable & ~np.isnan(preference))
    pairs = [table.items[int(i)].responses for i in chosen]
    first, second = ([str(pair[k].model) for pair in pairs] for k in (0, 1))
    outcome = np.sign(preference[chosen] - 0.5)
    found = transitivity(first, second, outcome, table.cluster[chosen])
    if not any(astuple(found.triples)):
        return []
    made = {name: getattr(found, name) for name in METRICS}
    study.estimates.keep(group.key, judge, made)
    counts = (len(chosen), len(np.unique(table.cluster[chosen])), found.incomplete)
    head = dict(zip(COLUMNS, (*group.key.values(), judge, *counts), strict=True))
    return [{**head, **cells(made), **asdict(found.triples)}]
