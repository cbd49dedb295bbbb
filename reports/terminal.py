"""The tables as a person reads them in a terminal."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

DOMAINS_ACROSS = 8  # more columns than this are read in the files


def show(tables: Mapping[str, pd.DataFrame], console: Console) -> None:
    """Print leaderboard, domains and paired differences of every task."""
    results, labels, pairs, usage = (tables[n] for n in ("results", "labels", "pairs", "usage"))
    for task in labels.task.unique():
        mine = results[results.task == task]
        overall = mine[mine.scope == "overall"].sort_values("mean", ascending=False, kind="stable")
        about = labels[(labels.task == task) & (labels.scope == "overall")].iloc[0]
        console.print()
        console.print(_headline(str(task), about))
        _leaderboard(overall, usage, console)
        _groups(mine, list(overall.judge), labels[labels.task == task], console)
        _differences(pairs[(pairs.task == task) & (pairs.scope == "overall")], overall, console)
    _warnings(results, console)


def _headline(task: str, about: pd.Series[Any]) -> Text:
    text = Text(f"{task}: {about.n_items:,} items, {about.n_prompts:,} prompts", style="bold")
    text.append(f"; chance {_number(about.chance)}", style="not bold")
    if not math.isnan(about.human_agreement):
        text.append(
            f"; two annotators agree {_number(about.human_agreement)}, best possible agreement "
            f"with one {_number(about.ceiling)}",
            style="not bold",
        )
    return text


def _leaderboard(overall: pd.DataFrame, usage: pd.DataFrame, console: Console) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    ceiling = overall.ceiling_share.notna().any()
    columns = [
        "judge",
        "kind",
        "mean [95 %]",
        "strict [95 %]",
        "kappa",
        "of ceiling",
        "flips",
        "first slot",
        "failed",
        "$/1k",
        "per s",
    ]
    for column in columns:
        if column != "of ceiling" or ceiling:
            table.add_column(
                column,
                justify="left" if column in ("judge", "kind") else "right",
                no_wrap=column != "judge",
            )
    by_judge = usage.set_index("judge")
    for row in overall.to_dict("records"):
        spent = by_judge.loc[row["judge"]]
        failed = row["unparsed"] + row["refused"] + row["truncated"]
        cells = [
            escape(str(row["judge"])),
            _nature(row),
            _interval(row, "mean"),
            _interval(row, "strict"),
            _number(row["kappa"]),
            _share(row["ceiling_share"]),
            _share(row["flip_rate"], row["flip_rate_status"]),
            _share(row["first_slot"], row["first_slot_status"]),
            _share(failed),
            _money(spent.usd_per_1000),
            _rate(spent.judgments_per_s),
        ]
        if not ceiling:
            del cells[columns.index("of ceiling")]
        table.add_row(*cells, style="dim" if row["kind"] == "null" else None)
    console.print(table)
    console.print(
        "mean: average credit of both orders; strict: right in every order. Unweighted mean over "
        "domains, intervals cluster-adjusted by prompt. kappa: label-swap-symmetrised, pairs only. "
        "Failed verdicts count as wrong.",
        style="dim",
    )


def _groups(mine: pd.DataFrame, judges: list[str], labels: pd.DataFrame, console: Console) -> None:
    """Mean credit by domain, or by subset where there is one domain."""
    for scope in ("domain", "subset"):
        part = mine[mine.scope == scope]
        names = list(dict.fromkeys(part.group))
        if not 2 <= len(names) <= DOMAINS_ACROSS:
            continue
        table = Table(
            box=None,
            pad_edge=False,
            header_style="bold",
            title=f"mean by {scope}",
            title_justify="left",
        )
        table.add_column("judge")
        for name in names:
            n = labels[(labels.scope == scope) & (labels.group == name)].n_items.iloc[0]
            table.add_column(escape(f"{name}\n({n:,})"), justify="right")
        cell = {(row["judge"], row["group"]): row for row in part.to_dict("records")}
        for judge in judges:
            row = [_interval(cell[judge, n], "mean") if (judge, n) in cell else "" for n in names]
            table.add_row(escape(judge), *row)
        console.print()
        console.print(table)
        return


def _differences(pairs: pd.DataFrame, overall: pd.DataFrame, console: Console) -> None:
    if pairs.empty:
        return
    table = Table(
        box=None,
        pad_edge=False,
        header_style="bold",
        title="paired differences of mean, same items",
        title_justify="left",
    )
    for column in ("judge", "against", "difference [95 %]", "items", "prompts", "why"):
        table.add_column(column, justify="right" if column[0] in "dip" else "left")
    nature = {row["judge"]: _nature(row) for row in overall.to_dict("records")}
    for row in pairs.to_dict("records"):
        interval = f"{row['difference']:+.3f} [{row['lo']:+.3f}, {row['hi']:+.3f}]"
        table.add_row(
            f"{escape(row['judge'])} ({nature[row['judge']]})",
            f"{escape(row['against'])} ({nature[row['against']]})",
            interval,
            f"{row['n_items']:,}",
            f"{row['n_prompts']:,}",
            row["why"],
        )
    console.print()
    console.print(table)


def _warnings(results: pd.DataFrame, console: Console) -> None:
    for row in results[results.scope == "overall"].to_dict("records"):
        missing = row["error"] + row["not_run"]
        if missing > 0.01:
            console.print(
                f"INCOMPLETE: {row['judge']} on {row['task']} has no answer for {missing:.1%} of "
                "its showings; run the same command again before you read its row.",
                style="bold red",
                markup=False,
            )


def _nature(row: Mapping[Any, Any]) -> str:
    """What a judge is, in a word or three: "null", "trained, 7B", "prompted"."""
    if row["kind"] in ("null", "planted"):
        return str(row["kind"])
    size = "" if pd.isna(row["parameters"]) else f", {_size(int(row['parameters']))}"
    return ("trained" if row["trained"] else "prompted") + size


def _size(parameters: int) -> str:
    for unit, letter in ((10**9, "B"), (10**6, "M"), (10**3, "k")):
        if parameters >= unit:
            return f"{parameters / unit:.3g}{letter}"
    return str(parameters)


def _interval(row: Mapping[Any, Any], metric: str) -> str:
    if math.isnan(row[metric]):
        return "–"
    if math.isnan(row[f"{metric}_lo"]):
        return f"{_number(row[metric])} [–]"
    return (
        f"{_number(row[metric])} [{_number(row[f'{metric}_lo'])}, {_number(row[f'{metric}_hi'])}]"
    )


def _number(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.3f}".replace("0.", ".", 1)


def _share(value: float, status: str = "ok") -> str:
    if status == "not_applicable":
        return "n/a"
    return "–" if math.isnan(value) else f"{value:.1%}"


def _money(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.3f}"


def _rate(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:,.0f}" if value >= 10 else f"{value:.2g}"
