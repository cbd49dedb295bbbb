"""How far a judge's stated confidence can be believed."""

from __future__ import annotations

import numpy as np
import pandas as pd

from bench.stats.calibration import auroc, brier, log_loss, overconfidence
from bench.stats.intervals import cluster_wilson
from bench.stats.reliability import binned_errors, equal_mass_bins
from bench.stats.selective import aurc
from reports.groups import Made, cells
from reports.readings import Bools, Floats, Ints, Readings
from reports.study import Study

METRICS = (
    "accuracy",
    "overconfidence",
    "ece",
    "squared_error",
    "brier",
    "log_loss",
    "auroc",
    "aurc",
    "excess_aurc",
)


def calibration_table(study: Study) -> pd.DataFrame:
    """One row per judge with confidences and group: all of a task's pairs alike (pooled), and each
    domain.

    The verdict on a pair is the response with the higher probability, averaged over the orders, and
    its confidence is that probability. It is right as far as the deciding votes agree with it;
    `auroc` takes the majority, and leaves out split votes. `squared_error`: squared calibration
    error less what chance adds, where `ece` is above 0 by chance alone. `coverage`: share of the
    decided pairs that have such a verdict; probabilities of exactly 1/2 are none.
    """
    rows = []
    for card in study.cards:
        reading = study.readings[card.name]
        verdicts = confident_verdicts(reading)
        if not verdicts[0].size:
            continue
        for group in study.groups:
            here = group.items & reading.asked() & study.table.pairs & study.table.decided
            if group.scope not in ("pooled", "domain") or not here.any():
                continue

            def of(chosen: Bools, verdicts: Verdicts = verdicts) -> Made:
                return _metrics(study, verdicts, chosen)

            made = study.estimates.block(group, card.name, "calibration", of)
            known = group.items[verdicts[0]]
            rows.append(
                {
                    **group.key,
                    "judge": card.name,
                    "n_items": int(known.sum()),
                    "n_prompts": len(np.unique(study.table.cluster[verdicts[0][known]])),
                    "coverage": float(known.sum() / here.sum()),
                    **cells(made),
                }
            )
    return pd.DataFrame(rows, columns=[*COLUMNS, *cells(dict.fromkeys(METRICS))])


COLUMNS = ("task", "scope", "group", "judge", "n_items", "n_prompts", "coverage")
REPLICATES = 2_000
Verdicts = tuple[Ints, Floats, Floats]


def confident_verdicts(reading: Readings) -> Verdicts:
    """Item index, confidence, share of the deciding votes that agree; repeats averaged."""
    table = reading.table
    items, p = reading.probabilities()
    n = len(table.items)
    shown = np.bincount(items, minlength=n)
    mean = np.bincount(items, p, n) / np.maximum(shown, 1)
    kept = np.flatnonzero((shown > 0) & (table.pair_votes > 0) & (mean != 0.5))
    for_first = table.pair_votes_first[kept] / table.pair_votes[kept]
    correct = np.where(mean[kept] > 0.5, for_first, 1 - for_first)
    return kept, np.maximum(mean, 1 - mean)[kept], correct


def _metrics(study: Study, verdicts: Verdicts, chosen: Bools) -> Made:
    items, confidence, correct = verdicts
    kept = chosen[items]
    c, y, clusters = confidence[kept], correct[kept], study.table.cluster[items[kept]]
    if not kept.any():
        return dict.fromkeys(METRICS)
    whole = y != 0.5
    binned = binned_errors(c, y, equal_mass_bins(c), clusters, replicates=REPLICATES)
    area = aurc(c, y, clusters)
    return {
        "accuracy": cluster_wilson(y, clusters),
        "overconfidence": overconfidence(c, y, clusters),
        "ece": binned.ece,
        "squared_error": binned.squared,
        "brier": brier(c, y, clusters),
        "log_loss": log_loss(c, y, clusters),
        "auroc": auroc(c[whole], y[whole] > 0.5, clusters[whole]),
        "aurc": area.aurc,
        "excess_aurc": area.excess,
    }
