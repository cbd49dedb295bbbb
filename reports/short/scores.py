"""Who agrees with the labels, and who is better than whom: T1, T2, T3, T7, T9."""

from __future__ import annotations

from collections.abc import Iterator

from reports.comparison import where
from reports.numbers import failed, interval, kind_of, number, p_value, rank, signed
from reports.short.short import (
    FEW,
    Short,
    Tables,
    at_chance,
    blocks,
    counts,
    intervals,
    ordered,
    overall,
    records,
)

RULE = "credit averaged over the orders shown, a failed verdict is wrong"
MDE = "that would have shown in four of five such samples, this pair compared alone"
SCORES = {"mean": "mean", "strict": "strict", "kappa": "kappa", "ceiling_share": "of ceiling"}


def leaderboard(tables: Tables, task: str) -> Iterator[Short]:
    """T1, with what annotators reach as its last rows; counts of items where they differ."""
    rows, about = ordered(tables), overall(tables["data"])
    shown = [m for m in SCORES if any(row[f"{m}_status"] != "not_applicable" for row in rows)]
    several = len({row["n_items"] for row in rows}) > 1
    made = []
    for row in rows:
        scores = [interval(row, m) for m in shown]
        if at_chance(row, about["chance"]):
            scores[0] += " †"
        rest = (rank(row), number(row["mde"]), failed(row), f"{row['n_items']:,}")[: 3 + several]
        made.append((row["judge"], kind_of({**row, "one_order": False}), *scores, *rest))
    for name, metric in (("two annotators", "human_agreement"), ("best possible", "ceiling")):
        if about[f"{metric}_status"] != "not_applicable":
            made.append(
                (name, "labels", interval(about, metric), *[""] * (len(shown) + 2 + several))
            )
    legend = (
        f"mean: {RULE}, unweighted over domains; strict: right in every order, n/a for recordings "
        "of one; kappa: label-swap-symmetrised, on pairs with a verdict. rank: between which "
        "places, all judges compared at once; those that share a letter do not differ. "
        f"mde: difference from the leader {MDE}. †: not told from chance. {FEW}"
    )
    said = f"{task}: agreement with the labels; {counts(about)}; {intervals(about)}."
    last = ("rank", "mde", "failed", "items")[: 3 + several]
    head = ("judge", "kind", *(SCORES[m] for m in shown), *last)
    yield Short("T1", "leaderboard", task, said, legend, head, tuple(made), 2)


def domains(tables: Tables, task: str) -> Iterator[Short]:
    """T2: the mean by domain, or by subset where there is one domain; none where there is but one
    of both."""
    found, about = tables["domains"], tables["data"]
    groups = {s: list(dict.fromkeys(found[found.scope == s].group)) for s in ("domain", "subset")}
    scope = "subset" if len(groups["domain"]) < 2 <= len(groups["subset"]) else "domain"
    if len(groups[scope]) < 2:
        return
    sizes = {row["group"]: row["n_items"] for row in records(about[about.scope == scope])}
    cell = {
        (row["judge"], row["group"]): interval(row, "mean")
        for row in records(found[found.scope == scope])
    }
    said = f"{task}: mean by {scope}, items in brackets; {intervals(overall(about))}."
    for block in blocks(groups[scope]):
        rows = (
            (row["judge"], *(cell.get((row["judge"], name), "") for name in block))
            for row in ordered(tables)
        )
        head = ("judge", *(f"{name} ({sizes[name]:,})" for name in block))
        yield Short("T2", "domains", task, said, f"mean: {RULE}. {FEW}", head, tuple(rows))


def pairs(tables: Tables, task: str) -> Iterator[Short]:
    """T3: trained against prompted, and everyone against the best null judge."""
    found = tables["pairs"]
    rows = (
        (
            *(row[name] for name in ("judge", "against")),
            interval(row, "difference", signed),
            f"[{signed(row['all_lo'])}, {signed(row['all_hi'])}]",
            p_value(row["p_adjusted"]),
            number(row["mde"]),
            f"{row['n_items']:,}",
        )
        for row in records(found[(found.scope == "overall") & (found.why != "")])
    )
    legend = (
        "Difference of the mean on the items that both judges have, unweighted over domains, with "
        "its interval alone and among all pairs of judges at once (max-|t|), and the p of the "
        f"latter. mde: difference {MDE}."
    )
    about = f"{task}: paired differences; {intervals(overall(tables['data']))}."
    head = ("judge", "against", "difference", "among all", "p", "mde", "items")
    yield Short("T3", "pairs", task, about, legend, head, tuple(rows), 2)


def official(tables: Tables, task: str) -> Iterator[Short]:
    """T7: the whole where there is one, or else its parts."""
    found = tables["official"]
    whole = found[found.scope == "overall"]
    parts = found[found.scope.isin(["section", "subset", "turn"]) & (found.reading != "strict")]
    cell = {
        (row["judge"], row["group"], row["reading"]): interval(row, "score")
        for row in records(whole if len(whole) else parts)
    }
    about = f"{task}: 95 % intervals, clustered by prompt."
    legend = "The score that the authors of the set define, and our strict reading of it."
    for block in blocks(list(dict.fromkeys((group, reading) for _, group, reading in cell))):
        rows = (
            (row["judge"], *(cell.get((row["judge"], *key), "") for key in block))
            for row in ordered(tables)
        )
        head = ("judge", *(f"{group} ({reading})" for group, reading in block))
        yield Short("T7", "official", task, about, legend, head, tuple(rows))


def headline(tables: Tables, task: str) -> Iterator[Short]:
    """T9; where there is one domain, once and not three times."""
    found = tables["headline"]
    if (found[found.question == "champion"].scope == "domain").sum() == 1:
        found = found[~found.scope.isin(["pooled", "domain"])]
    rows = tuple(
        (
            where(row),
            *(row[name] for name in ("small", "large", "verdict")),
            interval(row, "difference", signed),
            p_value(row["p_holm"]),
            number(row["smallest_margin"]),
            number(row["mde"]),
            f"{row['n_items']:,}",
        )
        for row in records(found)
    )
    margin = f"{100 * found.margin.iloc[0]:g}" if rows else ""
    legend = (
        "Can the small judge replace the large one? Difference of the mean, small minus large, on "
        "the same items; p: after Holm, over the tasks, and over the domains of a task; smallest "
        f"margin: the least loss that these items rule out. mde: difference {MDE}."
    )
    about = f"{task}: margin {margin} points; {intervals(overall(tables['data']))}."
    head = ("question", "small", "large", "verdict", "difference", "p")
    last = ("smallest margin", "mde", "items")
    yield Short("T9", "headline", task, about, legend, (*head, *last), rows, 4)
