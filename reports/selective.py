"""What a judge's confidence is worth, point by point: how often verdicts of like confidence are
right, and what is left of the errors when only confident verdicts are kept."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from bench.stats import Estimate
from bench.stats.clusters import Floats
from bench.stats.intervals import cluster_wilson
from bench.stats.reliability import equal_mass_bins, reliability_diagram
from reports.calibration import confident_verdicts
from reports.groups import Group, cells
from reports.readings import Ints
from reports.study import Study

STEPS = 20
"""Points of the curve of risk against coverage."""

BINS = ("task", "judge", "bin", "n_items", "n_prompts", "confidence", "band_lo", "band_hi")
KEPT = ("task", "judge", "n_items", "n_prompts", "coverage", "threshold", "random")


def reliability_table(study: Study) -> pd.DataFrame:
    """One row per task, judge with confidences and bin of these, by rising confidence; all of a
    task's pairs alike. Verdicts, bins and `correct` are those of the table `calibration`.

    `confidence`: mean of the bin. `correct`: share that is right. `band_...`: where that share lies
    at 95 % if the judge is calibrated.
    """
    rows = []
    for group, judge, confidence, correct, clusters in _whole_tasks(study):
        bins = equal_mass_bins(confidence)
        found = reliability_diagram(confidence, correct, bins, clusters)
        made = {f"correct_bin_{n}": point.correct for n, point in enumerate(found, 1)}
        study.estimates.keep(group.key, judge, made)
        for n, point in enumerate(found, 1):
            e = point.correct
            head = (group.task, judge, n, e.n_items, e.n_clusters, point.confidence, *point.band)
            rows.append({**dict(zip(BINS, head, strict=True)), **cells({"correct": e})})
    return pd.DataFrame(rows, columns=[*BINS, *cells({"correct": None})])


def risk_coverage_table(study: Study) -> pd.DataFrame:
    """One row per task, judge with confidences and threshold of these, from strict to loose; all of
    a task's pairs alike.

    Verdicts with a confidence of at least `threshold` are kept: the most confident twentieth, two
    twentieths, and so on, and whatever is as confident as the last of them. `coverage`: their
    share of all that have a confidence; `n_items`: their number. `risk`: share of them that is
    wrong. `random`: the risk of all of them, which a confidence that says nothing would keep.
    """
    rows = []
    for group, judge, confidence, correct, clusters in _whole_tasks(study):
        ordered = np.sort(confidence)[::-1]
        last = np.ceil(np.arange(1, STEPS + 1) * ordered.size / STEPS).astype(int) - 1
        made: dict[str, Estimate] = {}
        for threshold in dict.fromkeys(ordered[last].tolist()):
            kept = confidence >= threshold
            e = cluster_wilson(1 - correct[kept], clusters[kept])
            made[f"risk_{len(made) + 1}"] = e
            share, random = float(kept.mean()), float(1 - correct.mean())
            head = (group.task, judge, e.n_items, e.n_clusters, share, threshold, random)
            rows.append({**dict(zip(KEPT, head, strict=True)), **cells({"risk": e})})
        study.estimates.keep(group.key, judge, made)
    return pd.DataFrame(rows, columns=[*KEPT, *cells({"risk": None})])


def _whole_tasks(study: Study) -> Iterator[tuple[Group, str, Floats, Floats, Ints]]:
    """Task, judge, and confidence, share of votes that agree, cluster of each of its verdicts."""
    for card in study.cards:
        items, confidence, correct = confident_verdicts(study.readings[card.name])
        for group in study.groups:
            mine = group.items[items]
            if group.scope == "pooled" and mine.any():
                clusters = study.table.cluster[items[mine]]
                yield group, card.name, confidence[mine], correct[mine], clusters
