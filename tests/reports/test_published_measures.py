"""Verdicts as three classes: against scikit-learn, and what counts as a label."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from published_runs import labelled, ledger
from sklearn.metrics import accuracy_score, cohen_kappa_score, precision_recall_fscore_support

from reports.published_measures import keep_measures, majority
from reports.study import Study

LABELS = ["a"] * 12 + ["tie"] * 7 + ["b"] * 11
SAID = ["a"] * 8 + ["b"] * 3 + ["fail"] + ["tie"] * 2 + ["a"] * 4 + ["b"] * 9 + ["a", "fail", "tie"]
SWAPPED = ["b"] * 2 + ["a"] * 20 + ["tie"] * 3 + ["b"] * 4 + ["fail"]


def test_classes_are_those_of_scikit_learn(make_item, tmp_path: Path) -> None:
    says = list(zip(SAID, SWAPPED, strict=True))
    items = labelled(make_item, *[[label] for label in LABELS])
    with ledger(tmp_path, items, says) as opened:
        study = Study.of(opened)
    keep_measures(study)
    got = {r["metric"]: r for r in study.estimates.rows if r["group"] == "micro"}
    first, second = (
        ["tie" if said == "fail" else said for said in order] for order in zip(*says, strict=True)
    )
    precision, recall, f1, _ = precision_recall_fscore_support(
        LABELS, first, average="macro", zero_division=0
    )
    kappas = [cohen_kappa_score(LABELS, said) for said in (first, second)]
    expected = {
        "three_way": accuracy_score(LABELS, first),
        "macro_precision": precision,
        "macro_recall": recall,
        "macro_f1": f1,
        "cohen_kappa": np.mean(kappas),
    }
    assert expected.keys() == got.keys()
    for metric, value in expected.items():
        row = got[metric]
        assert row["estimate"] == pytest.approx(value, abs=1e-12), metric
        assert row["lo"] < row["estimate"] < row["hi"]
        assert row["n_items"] == 30


def test_a_label_is_the_class_that_most_votes_have(make_item, tmp_path: Path) -> None:
    votes = [["a", "a", "b"], ["tie", "tie", "a"], ["a", "b"], ["b", "b", "b"], ["a"], ["b"]]
    says = [("a", "a")] * 5 + [("lost", "a")]
    with ledger(tmp_path, labelled(make_item, *votes), says) as opened:
        study = Study.of(opened)
    assert majority(study.table).tolist() == [0, 1, -1, 2, 0, 2]
    keep_measures(study)
    (row,) = (
        r for r in study.estimates.rows if (r["group"], r["metric"]) == ("micro", "three_way")
    )
    assert row["estimate"] == pytest.approx(2 / 4)
    assert (row["n_items"], row["n_missing"]) == (4, 1)
