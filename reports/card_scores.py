"""A judge's card: its scores beside null judges and annotators, what sways it, what it costs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import isnan
from typing import Any

import pandas as pd

from reports.bias import MARKS
from reports.marked import escape, table
from reports.numbers import Row, amount, failures, interval, number, p_value, rank, rate, signed
from reports.readings import LOST
from reports.short.short import at_chance, counted, of_task, records

Tables = Mapping[str, pd.DataFrame]
ALPHA = 0.05
MARK_NAMES = {"chars": "characters", "code_blocks": "code blocks"}


def groups(
    tables: Tables, judge: str, tasks: list[str]
) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """(task, name of the group, row of the scores): all of a task, then its domains; where there is
    one domain that, then its subsets."""
    for task in tasks:
        mine = of_task(tables, task)
        whole, parts = mine["leaderboard"], mine["domains"]
        parts = parts[parts.judge == judge]
        named = list(parts[parts.scope == "domain"].group)
        inside = parts[parts.scope == ("domain" if len(named) > 1 else "subset")]
        (row,) = records(whole[(whole.judge == judge) & (whole.scope == "overall")])
        yield task, str(named[0]) if len(named) == 1 else "all domains", row
        for row in records(inside):
            yield task, str(row["group"]), row


def scores(tables: Tables, judge: str, tasks: list[str]) -> Iterator[str]:
    """How far it agrees with the labels, beside the best null judge of each group."""
    every = pd.concat([tables["leaderboard"], tables["domains"]])
    nulls = every[(every.nature == "null") & (every.judge != judge) & every["mean"].notna()]
    best = {
        (row["task"], row["scope"], row["group"]): row
        for row in records(nulls.sort_values("mean", kind="stable"))
    }
    pairs = {
        (row["task"], row["scope"], row["group"], row["judge"], row["against"]): row
        for row in records(tables["pairs"])
    }
    data = {(row["task"], row["scope"], row["group"]): row for row in records(tables["data"])}
    rows: list[tuple[str, ...]] = []
    lines: list[str] = []
    for task, group, row in groups(tables, judge, tasks):
        key = (row["task"], row["scope"], row["group"])
        null, about = best.get(key), data[key]
        less = None if null is None else _less(pairs, key, judge, null["judge"])
        mean = interval(row, "mean") + (" †" if at_chance(row, about["chance"]) else "")
        rows.append(
            (
                escape(task),
                escape(group),
                f"{row['n_items']:,}",
                mean,
                rank(row),
                *(interval(row, name) for name in ("strict", "kappa", "ceiling_share")),
                "–" if null is None else f"{escape(null['judge'])} {interval(null, 'mean')}",
                "–" if less is None else interval(less, "difference", signed),
            )
        )
        if row["scope"] == "overall":
            lines += _told(task, row, null, less, about)
    head = ("task", "domain", "items", "mean", "rank", "strict", "kappa", "of ceiling")
    yield "## How far it agrees with the labels"
    if lines:
        yield "\n".join(f"- {escape(line)}" for line in lines)
    yield table((*head, "best null judge", "difference"), rows, 2).rstrip()
    yield (
        "mean: credit averaged over the orders shown, failures wrong; rank: between which places "
        "of the run; strict: right in every order; kappa: label-swap-symmetrised, on pairs with a "
        "verdict; difference: of the mean, from that null judge. 95 % intervals, clustered by "
        "prompt. †: not told from chance."
    )


def _less(
    pairs: Mapping[tuple[str, str, str, str, str], Row],
    key: tuple[str, str, str],
    judge: str,
    other: str,
) -> Row | None:
    """The judge less the other one."""
    if (row := pairs.get((*key, judge, other))) is not None:
        return row
    if (row := pairs.get((*key, other, judge))) is None:
        return None
    turned = {"difference": "difference", "difference_lo": "difference_hi"}
    turned["difference_hi"] = "difference_lo"
    return {**row, **{name: -row[of] for name, of in turned.items()}}


def _told(task: str, row: Row, null: Row | None, less: Row | None, about: Row) -> Iterator[str]:
    if null is not None and less is not None:
        found = interval(less, "difference", signed)
        if isnan(less["p_adjusted"]):
            yield f"{task}: not tested against the best null judge, {null['judge']}: {found}."
        elif less["difference_lo"] > 0:
            yield f"{task}: better than the best null judge, {null['judge']}, by {found}."
        else:
            yield (
                f"{task}: not shown to be better than {null['judge']}, which costs nothing and "
                f"reads nothing: {found}."
            )
    if about["human_agreement_status"] != "not_applicable":
        yield (
            f"{task}: two annotators agree {interval(about, 'human_agreement')}, the best possible "
            f"agreement with one is {interval(about, 'ceiling')}."
        )
    if (failed := failures({**row, "cut": 0.0})) != "0":
        yield (
            f"{task}: {failed}; its mean lies between {number(row['mean_if_failures_wrong'])} and "
            f"{number(row['mean_if_failures_right'])}, whatever these would have been."
        )
    if row["cut"]:
        yield f"{task}: {row['cut']:.1%} of its showings were judged on a part of the text alone."


def unanswered(row: Row) -> float:
    """Share of its showings without an answer. `row`: of the leaderboard or of its domains."""
    return float(sum(row[status] for status in LOST))


def swayed(tables: Tables, judge: str, tasks: list[str]) -> Iterator[str]:
    """Position, length, style and kin, all items of a task alike."""
    lines = []
    for task in tasks:
        mine = of_task(tables, task)
        lines += [f"{task}, {line}" for line in (*_position(mine, judge), *_bias(mine, judge))]
    yield "## What sways it"
    yield "\n".join(f"- {escape(line)}" for line in lines) or "Nothing is known of it."


def _pooled(found: pd.DataFrame, judge: str) -> list[dict[str, Any]]:
    return records(found[(found.judge == judge) & (found.scope == "pooled")])


def _position(tables: Tables, judge: str) -> Iterator[str]:
    rows = [r for r in _pooled(tables["position"], judge) if not isnan(r["flip_rate"])]
    for row in rows:
        yield (
            f"position: {interval(row, 'flip_rate')} of its verdicts change with the order; "
            f"{interval(row, 'first_slot')} are for what is shown first (.500 is fair)."
        )
    if not rows:
        yield "position: not known, no pair has verdicts in two orders, or the order cannot matter."


def _style(row: Row, null: bool) -> str:
    """The marks whose effect is not that on the labels. `null`: of a null judge."""
    q = {mark: row[f"style_{mark}_excess_q"] for mark in MARKS}
    if all(map(isnan, q.values())):
        return f"not tested: {'a null judge' if null else 'too few items, or incomplete'}"
    marks = [
        f"{MARK_NAMES.get(mark, mark)} {interval(row, f'style_{mark}_excess', signed)}"
        for mark in MARKS
        if q[mark] < ALPHA
    ]
    return f"{', '.join(marks) or 'nothing'} (q below .05)"


def _bias(tables: Tables, judge: str) -> Iterator[str]:
    rows = tables["leaderboard"]
    null = "null" in set(rows[rows.judge == judge].nature)
    for row in _pooled(tables["bias"], judge):
        q = row["longer_excess_q"]
        excess = interval(row, "longer_excess", signed)
        if not isnan(row["longer"]):
            yield (
                f"length: {interval(row, 'longer')} of its verdicts are for the longer response, "
                f"{interval(row, 'longer_human')} of the labels on the same pairs; excess "
                f"{excess}{'' if isnan(q) else f' (q {p_value(q)})'}."
            )
        yield (
            "style, effect on its choice less that on the labels, the others held fixed: "
            f"{_style(row, null)}."
        )
        if row["families"]:
            known = not isnan(row["family_excess"])
            found = interval(row, "family_excess", signed)
            yield f"kin ({row['families']}): " + (
                f"{found}, verdicts for its own family less those of the labels."
                if known
                else "not known, too few responses of its family here."
            )


def cost(table_of_costs: pd.DataFrame, judge: str) -> Iterator[str]:
    """Money, tokens and speed."""
    (row,) = records(table_of_costs[table_of_costs.judge == judge])
    facts = {
        "dollars for 1,000 judgments": interval(row, "usd_per_1000", amount),
        "dollars for 1,000 items, all orders": interval(row, "usd_per_1000_items", amount),
        "dollars for one right verdict": interval(row, "usd_per_correct", amount),
        "tokens in": amount(row["prompt_tokens_per_judgment"]),
        "tokens out": amount(row["completion_tokens_per_judgment"]),
        "median seconds of a call": interval(row, "latency_p50_s", amount),
        "judgments a second": rate(row["judgments_per_s"]),
    }
    known = {name: value for name, value in facts.items() if value not in ("n/a", "–")}
    yield "## What it costs"
    yield f"{counted(row['judgments'], 'judgment')} in this run. " + (
        "; ".join(f"{name}: {value}" for name, value in known.items()) + "."
        if known
        else "Neither its cost nor its speed is known."
    )
