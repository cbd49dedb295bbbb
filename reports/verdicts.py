"""One answer to the headline question: a row of its table, and the sentence that can be quoted."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bench.stats import Basis, Estimate
from bench.stats.headline import headline

COLUMNS = (
    "task",
    "question",
    "scope",
    "group",
    "small",
    "large",
    "verdict",
    "margin",
    "difference",
    "difference_lo",
    "difference_hi",
    "difference_status",
    "difference90_lo",
    "difference90_hi",
    "p",
    "p_holm",
    "smallest_margin",
    "smallest_equivalence",
    "mde",
    "domains_disagree",
    "n_items",
    "n_prompts",
    "n_missing",
    "method",
    "note",
)


@dataclass(frozen=True)
class Asked:
    """What a row answers. `question`: champion, family, equal size, equal cost. `incomplete`: why
    there is no verdict yet, if so."""

    task: str
    question: str
    small: str
    large: str
    margin: float
    incomplete: str = ""


def verdict_row(
    asked: Asked,
    scope: str,
    group: str,
    e: Estimate,
    e90: Estimate,
    *,
    p: float = math.nan,
    p_holm: float = math.nan,
    note: str = "",
    domains_disagree: bool = False,
) -> dict[str, object]:
    """`e`, `e90`: the difference at 95 and 90 %. An incomplete judge leaves numbers, and neither
    verdict nor p: looking before the end is no test."""
    found = headline(e, e90, asked.margin)
    notes = dict.fromkeys((asked.incomplete, note, found.note, e.note))
    tested = not asked.incomplete and found.verdict != "undefined"
    values = (
        asked.task,
        asked.question,
        scope,
        group,
        asked.small,
        asked.large,
        found.verdict if tested else "undefined",
        asked.margin,
        e.estimate,
        e.lo,
        e.hi,
        e.status,
        e90.lo,
        e90.hi,
        p if tested else math.nan,
        p_holm if tested else math.nan,
        found.smallest_margin,
        found.smallest_equivalence,
        found.mde,
        domains_disagree,
        e.n_items,
        e.n_clusters,
        e.n_missing,
        e.method,
        "; ".join(filter(None, notes)),
    )
    return dict(zip(COLUMNS, values, strict=True))


def no_answer(asked: Asked, scope: str, group: str, why: str) -> dict[str, object]:
    """A row without a number, with its reason."""
    e, e90 = (Basis("none", level, 0, 0).undefined("insufficient", why) for level in (0.95, 0.90))
    return verdict_row(asked, scope, group, e, e90)


def sentence(row: Mapping[str, Any]) -> str:
    """The verdict of one row of the table in words that can be quoted. Where the domains contradict
    their mean it says that instead."""
    small, large, margin = row["small"], row["large"], f"{100 * row['margin']:g} points"
    if row["verdict"] == "undefined":
        return f"{small} and {large} cannot be compared on {row['task']}: {row['note']}."
    # Equivalence is read off the 90 % interval, the other verdicts off that at 95 %.
    level = "90" if row["verdict"] == "equivalent" else ""
    ends = [_points(row[f"difference{level}_{end}"]) for end in ("lo", "hi")]
    facts = (
        f"the difference is {_points(row['difference'])} points, {level or 95} % interval "
        f"{ends[0]} to {ends[1]}, on {row['n_items']:,} items with {row['n_prompts']:,} prompts"
    )
    if row["domains_disagree"]:
        return (
            f"Whether {small} can replace {large} on {row['task']} depends on the domain "
            f"({row['note']}); over all domains {facts}. Read the domains, not the mean."
        )
    return {
        "superior": f"On {row['task']}, {small} agrees with the labels more often than {large}: "
        f"{facts}.",
        "equivalent": f"On {row['task']}, {small} agrees with the labels as often as {large}, to "
        f"within {margin}: {facts}.",
        "non-inferior": f"On {row['task']}, {small} is not worse than {large} by {margin} or more: "
        f"{facts}.",
        "inferior": f"On {row['task']}, {small} agrees with the labels less often than {large}: "
        f"{facts}"
        + (", a loss within the margin." if row["difference_lo"] > -row["margin"] else "."),
        "undecided": f"These items cannot tell whether {small} can replace {large} on "
        f"{row['task']} with a loss below {margin}: {facts}. A true difference of "
        f"{100 * row['mde']:.1f} points would have shown in four of five such samples.",
    }[row["verdict"]]


def _points(share: float) -> str:
    """A difference of shares in points, signed."""
    return f"{100 * share:+.1f}"
