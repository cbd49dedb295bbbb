"""The tables as a person reads them in a terminal: two short tables a task rather than one that is
wider than the screen, every number with its interval."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from bench.printable import printable
from reports.comparison import show_verdict
from reports.numbers import bounds, failures, interval, kind_of, number, rank, rate
from reports.overlap import told
from reports.readings import LOST
from reports.short.short import counted
from reports.study import INCOMPLETE

WIDTH = 160  # columns at least: a line that the terminal wraps loses nothing, a cut one does
DOMAINS_ACROSS = 8  # more columns than this are read in the files

LEGEND = (
    "mean: average credit over the orders shown; strict: right in every order. Unweighted mean "
    "over domains; 95 % intervals, adjusted by prompt, or by cluster where there are fewer. A "
    "failed verdict counts as wrong, but kappa (label-swap-symmetrised) stands on pairs with a "
    "verdict only. rank: between which places, all judges compared at once; those that share a "
    "letter do not differ. mde: difference from the leader that would have shown in four of five "
    "such samples, this pair compared alone. of ceiling: on items with two deciding votes or more. "
    "*: little data, read the interval."
)


def show(tables: Mapping[str, pd.DataFrame], console: Console) -> None:
    """Print the verdict, scores, behaviour, domains and paired differences of every task."""
    whole = tables["leaderboard"][tables["leaderboard"].scope == "overall"]
    for task in tables["data"].task.unique():
        mine = {name: t[t.task == task] for name, t in tables.items() if "task" in t}
        overall = whole[whole.task == task].sort_values("mean", ascending=False, kind="stable")
        about = mine["data"]
        whole_task = about[about.scope == "overall"].iloc[0]
        unit = "prompts" if whole_task.n_clusters == whole_task.n_prompts else "clusters"
        console.print()
        console.print(_about(str(task), whole_task))
        if overall["mean"].notna().any():
            _scores(overall, unit, console)
        _overlaps(mine["overlap"], console)
        _behaviour(overall, mine["position"], tables["cost"], console)
        _official(mine["official"], mine["estimates"], list(overall.judge), console)
        _groups(mine["domains"], list(overall.judge), about, console)
        _differences(mine["pairs"], overall, unit, console)
        show_verdict(mine["headline"], console)
    _transfer(tables["transfer"], console)
    _warnings(whole, console)


def _about(task: str, about: pd.Series[Any]) -> Text:
    counts = f"{task}: {counted(about.n_items, 'item')}, {counted(about.n_prompts, 'prompt')}"
    if about.n_clusters != about.n_prompts:
        counts += f" in {counted(about.n_clusters, 'cluster')}"
    text = Text(counts, style="bold")
    plain = f"; chance {number(about.chance)}"
    if about.n_unlabelled:
        have = "has" if about.n_unlabelled == 1 else "have"
        plain += f"; {counted(about.n_unlabelled, 'item')} {have} no label, and no score"
    if about.n_undecided_items:
        are = "is" if about.n_undecided_items == 1 else "are"
        undecided = counted(about.n_undecided_items, "item")
        plain += f"; {undecided} undecided by their annotators {are} left out"
    if not math.isnan(about.human_agreement):
        plain += (
            f"; two annotators agree {number(about.human_agreement)}, best possible agreement "
            f"with one {number(about.ceiling)}"
        )
    return text.append(plain, style="not bold")


def _scores(overall: pd.DataFrame, unit: str, console: Console) -> None:
    """How well each judge agrees with the labels. `unit`: what its intervals stand on."""
    metrics = {"mean": "mean", "strict": "strict", "kappa": "kappa"}
    if overall.ceiling_share.notna().any():
        metrics["ceiling_share"] = "of ceiling"
    table = _table("judge", "kind", *metrics.values(), "rank", "mde", "items", unit)
    for row in overall.to_dict("records"):
        table.add_row(
            escape(row["judge"]),
            kind_of(row),
            *(interval(row, metric) for metric in metrics),
            rank(row),
            number(row["mde"]),
            f"{row['n_items']:,}",
            f"{row['n_prompts']:,}",
            style=_style(row),
        )
    console.print(table)
    console.print(LEGEND, style="dim")


def _overlaps(overlap: pd.DataFrame, console: Console) -> None:
    """What trained judges may have seen of the items, a line a judge."""
    for row in overlap[overlap.scope == "overall"].to_dict("records"):
        for line in told(row):
            console.print(f"{row['judge']}: {line}", style="yellow", markup=False, highlight=False)


def _behaviour(
    overall: pd.DataFrame, position: pd.DataFrame, cost: pd.DataFrame, console: Console
) -> None:
    """Position, failures, cost and speed of each judge."""
    table = _table(
        "judge", "flips", "first slot", "failed", "if wrong–right", "tokens", "$/1k", "per s"
    )
    by_judge = cost.set_index("judge")
    pooled = {row["judge"]: row for row in position.to_dict("records") if row["scope"] == "pooled"}
    for row in overall.to_dict("records"):
        spent, swaps = by_judge.loc[row["judge"]], pooled.get(row["judge"])
        tokens = spent[["prompt_tokens_per_judgment", "completion_tokens_per_judgment"]]
        table.add_row(
            escape(row["judge"]),
            interval(swaps, "flip_rate") if swaps else "n/a",
            interval(swaps, "first_slot") if swaps else "n/a",
            failures(row),
            bounds(row),
            "–" if tokens.isna().all() else f"{tokens.sum():,.0f}",
            "–" if math.isnan(spent.usd_per_1000) else f"{spent.usd_per_1000:.3f}",
            rate(spent.judgments_per_s),
            style=_style(row),
        )
    console.print()
    console.print(table)
    console.print(
        "flips: pairs whose verdict changes with the order; first slot: verdicts for what is shown "
        "first. failed: no verdict, or (cut) one on a part of the text. if wrong–right: the mean "
        "if all failures were wrong, or right. Tokens, dollars per 1,000 and speed are of single "
        "judgments.",
        style="dim",
    )


def _official(
    official: pd.DataFrame, estimates: pd.DataFrame, judges: list[str], console: Console
) -> None:
    """The score that the benchmark's authors define: overall, or where there is none its parts."""
    first = official[official.reading != "strict"]
    whole = first[first.scope == "overall"]
    shown = whole if len(whole) else first[first.scope.isin(["section", "subset", "turn"])]
    heads = list(dict.fromkeys(zip(shown.group, shown.reading, strict=True)))
    if not 1 <= len(heads) <= DOMAINS_ACROSS:
        return
    names = [escape(f"{printable(group)}\n({reading})") for group, reading in heads]
    table = _table("judge", *names, title="by its authors' rules")
    cell = {(r["judge"], r["group"], r["reading"]): r for r in shown.to_dict("records")}
    for judge in judges:
        keys = [(judge, *head) for head in heads]
        table.add_row(
            escape(judge), *(interval(cell[k], "score") if k in cell else "" for k in keys)
        )
    console.print()
    console.print(table)
    undefined = estimates[
        estimates.metric.str.startswith("score_")
        & estimates.estimate.isna()
        & estimates.group.isin(shown.group)
    ]
    for note in dict.fromkeys(undefined.note):
        console.print(f"–: {note}", style="dim", markup=False, highlight=False)
    console.print("parts, and the strict reading: tables/official", style="dim")


def _transfer(transfer: pd.DataFrame, console: Console) -> None:
    """Trained on one set, tested on the others: a row a judge, a column a task."""
    if transfer.empty:
        return
    tasks = list(transfer.task.unique())
    table = _table("judge", "trained on", *map(escape, tasks), title="trained here, tested there")
    for judge, rows in transfer.groupby("judge", sort=False):
        cell = {row["task"]: row for row in rows.to_dict("records")}
        row = (interval(cell[t], "mean") + (" ◂" if cell[t]["at_home"] else "") for t in tasks)
        table.add_row(escape(str(judge)), escape(rows.trained_on.iloc[0]), *row)
    console.print()
    console.print(table)
    console.print(
        "◂ trained on other prompts of this set. What the others lose against it: tables/transfer",
        style="dim",
    )


def _groups(domains: pd.DataFrame, judges: list[str], data: pd.DataFrame, console: Console) -> None:
    """Mean credit by domain, or by subset where there is one domain."""
    for scope in ("domain", "subset"):
        part = domains[domains.scope == scope]
        names = list(dict.fromkeys(part.group))
        if not 2 <= len(names) <= DOMAINS_ACROSS:
            continue
        sizes = data[data.scope == scope].set_index("group").n_items
        heads = [escape(f"{printable(name)}\n({sizes[name]:,})") for name in names]
        table = _table("judge", *heads, title=f"mean by {scope} (items)")
        cell = {(row["judge"], row["group"]): row for row in part.to_dict("records")}
        for judge in judges:
            row = [interval(cell[judge, n], "mean") if (judge, n) in cell else "" for n in names]
            table.add_row(escape(judge), *row)
        console.print()
        console.print(table)
        return


def _differences(pairs: pd.DataFrame, overall: pd.DataFrame, unit: str, console: Console) -> None:
    pairs = pairs[(pairs.scope == "overall") & (pairs.why != "")]
    if pairs.empty:
        return
    title = "paired differences of mean, on the same items"
    table = _table("judge", "against", "difference", "items", unit, "why", title=title)
    nature = {row["judge"]: kind_of(row) for row in overall.to_dict("records")}
    for row in pairs.to_dict("records"):
        found = "–"
        if not math.isnan(row["difference"]):
            ends = f"{row['difference_lo']:+.3f}, {row['difference_hi']:+.3f}"
            found = f"{row['difference']:+.3f} [{ends}]"
        table.add_row(
            f"{escape(row['judge'])} ({nature[row['judge']]})",
            f"{escape(row['against'])} ({nature[row['against']]})",
            found.replace("[+nan, +nan]", "[–]"),
            f"{row['n_items']:,}",
            f"{row['n_prompts']:,}",
            row["why"],
        )
    console.print()
    console.print(table)


def _warnings(overall: pd.DataFrame, console: Console) -> None:
    for row in overall.to_dict("records"):
        missing = sum(row[status] for status in LOST)
        if missing > INCOMPLETE:
            console.print(
                f"INCOMPLETE: {row['judge']} on {row['task']} has no answer for {missing:.1%} of "
                "its showings; its row stands on fewer items than the others.",
                style="bold red",
                markup=False,
            )


def _table(*columns: str, title: str | None = None) -> Table:
    """Words to the left and folded when the screen is narrow, numbers to the right and whole."""
    table = Table(box=None, pad_edge=False, header_style="bold", title=title, title_justify="left")
    for n, column in enumerate(columns):
        words = column in ("judge", "against", "kind", "why", "failed")
        table.add_column(
            column,
            justify="left" if words else "right",
            no_wrap=not words,
            min_width=12 if n == 0 else None,
            overflow="fold",
        )
    return table


def _style(row: Mapping[Any, Any]) -> str | None:
    return "dim" if row["nature"] == "null" else None
