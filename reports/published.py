"""Published counts scored again: the same verdicts under other rules, with intervals.

A file of `reports/papers` holds how often each judge was right in both orders, wrong in both, and
named another winner when the order changed. From these every rule's score follows.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from typing import Any

import numpy as np
import pandas as pd
import yaml
from rich.console import Console
from rich.table import Table

from bench.outcome import Rule, outcome
from bench.registry import choose
from bench.stats import cluster_wilson
from bench.stats.unpaired import unpaired_difference
from reports.readings import Floats

RULES: tuple[Rule, ...] = ("strict", "mean", "decisive")
_RIGHT, _WRONG = 1, 2  # top sets of a pair whose response 0 is the right one


def paper(name: str) -> dict[str, Any]:
    """The published counts of that name. Raises BenchError with the names that exist."""
    folder = files("reports").joinpath("papers")
    names = [p.name.removesuffix(".yaml") for p in folder.iterdir() if p.name.endswith(".yaml")]
    if name not in names:
        raise choose("paper", name, names)
    found: dict[str, Any] = yaml.safe_load(folder.joinpath(f"{name}.yaml").read_text("utf-8"))
    return found


def scores(counts: Mapping[str, Any], rule: Rule) -> Floats:
    """(n,) outcomes of one judge's pairs under a rule, NaN where the rule drops the pair."""
    rows = [
        *[(_RIGHT, _RIGHT)] * counts["right"],
        *[(_WRONG, _WRONG)] * counts["wrong"],
        *[(_RIGHT, _WRONG)] * counts["disagreement"],
    ]
    picks = np.array(rows, np.int64)
    n = len(rows)
    failed = np.zeros(picks.shape, bool)
    label, width = np.full(n, _RIGHT, np.int64), np.full(n, 2, np.int64)
    return outcome(picks, failed, label, width, rule, "wrong")


def rescored(published: Mapping[str, Any]) -> pd.DataFrame:
    """One row per judge and rule: the score with its Wilson interval, and its difference to the
    first judge of the file, unpaired, because which judge was right on which item is not known."""
    rows = []
    for rule in RULES:
        reference = scores(published["judges"][0], rule)
        for counts in published["judges"]:
            mine = scores(counts, rule)
            kept = mine[~np.isnan(mine)]
            e = cluster_wilson(kept, np.arange(kept.size))
            row = {"judge": counts["name"], "trained": counts["trained"], "rule": rule}
            row |= {"published": counts["published"] / 100 if rule == "strict" else np.nan}
            row |= {"n": kept.size, "score": e.estimate, "score_lo": e.lo, "score_hi": e.hi}
            rows.append(row | _against(kept, reference[~np.isnan(reference)]))
    return pd.DataFrame(rows)


def _against(mine: Floats, reference: Floats) -> dict[str, float]:
    found = unpaired_difference(
        (float(mine.sum()), float(reference.sum())), (mine.size, reference.size)
    )
    e = found.difference
    ends = {"difference": e.estimate, "difference_lo": e.lo, "difference_hi": e.hi, "p": found.p}
    return dict.fromkeys(ends, np.nan) if mine is reference else ends


def show_paper(published: Mapping[str, Any], console: Console) -> None:
    """Print the counts and what every rule makes of them."""
    table = rescored(published)
    console.print(f"{published['title']} ({published['authors']}, {published['date']})")
    console.print(f"{published['source']}\nscored there: {published['scoring']}", style="dim")
    shown = Table(box=None, pad_edge=False, header_style="bold")
    shown.add_column("judge")
    for name in ("published", *RULES):
        shown.add_column(name, justify="right", no_wrap=True)
    by = table.set_index(["judge", "rule"])
    for judge in dict.fromkeys(table.judge):
        values = (by.loc[(judge, rule)] for rule in RULES)
        ends = [f"{v.score:.4f} [{v.score_lo:.3f}, {v.score_hi:.3f}]" for v in values]
        shown.add_row(judge, f"{by.loc[(judge, 'strict')].published:.4f}", *ends)
    console.print(shown)
    first = published["judges"][0]["name"]
    for row in table[table.judge != first].to_dict("records"):
        if row["trained"]:
            console.print(
                f"{row['judge']} less {first}, {row['rule']}: {row['difference']:+.4f} "
                f"[{row['difference_lo']:+.3f}, {row['difference_hi']:+.3f}], p = {row['p']:.2f}",
                highlight=False,
            )
    console.print(
        "strict: right in both orders; mean: a disagreement of the orders counts 1/2; decisive: "
        "disagreements left out. Wilson intervals, items taken as independent; differences "
        "unpaired.",
        style="dim",
        highlight=False,
    )
