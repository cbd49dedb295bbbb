"""What changes the meaning of a task's scores, and must be read before any ranking."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from textwrap import shorten

import pandas as pd

from bench.stats.estimate import SMALL_CLUSTERS, SMALL_ITEMS
from reports.numbers import Row, interval, number
from reports.page.cells import counts
from reports.page.columns import unanswered
from reports.short.short import counted, records
from reports.study import INCOMPLETE

Tables = Mapping[str, pd.DataFrame]
Rows = Sequence[Row]

FAILING = 0.05
"""Share of showings without a verdict, or with one on a part of the text, that is told first."""


def caveats(tables: Tables, task: str, stopped: Mapping[str, str] | None = None) -> list[str]:
    """Sentences, the gravest first; none where there is nothing to say. `stopped`: why judges
    stopped early, by name, where that is known."""
    here = {name: t[t.task == task] for name, t in tables.items() if "task" in t}
    whole = here["leaderboard"]
    rows: Rows = records(whole[whole.scope == "overall"])
    return [
        *_overlap(here["overlap"]),
        *_disagreement(here["headline"]),
        *_incomplete(rows, stopped or {}),
        *_failing(rows),
        *_cut(rows),
        *_uneven(rows),
        *_little(here["data"]),
        *_one_order(rows),
        *_no_better(here["pairs"], rows),
    ]


def _overlap(overlap: pd.DataFrame) -> Iterator[str]:
    for row in overlap[overlap.scope == "overall"].to_dict("records"):
        if row["n_same_prompt"] or row["n_same_words"]:
            yield (
                f"Training data: {row['judge']} was trained on {row['training_sets']}, which "
                f"shares its prompt with {row['n_same_prompt']:,} of "
                f"{counted(row['n_items'], 'item')}, and thirteen words in a row with "
                f"{row['n_same_words']:,} more. Its mean is "
                f"{interval(row, 'mean_with')} with them, {interval(row, 'mean_without')} "
                "without."
            )
        if row["not_compared"]:
            yield (
                f"Training data: {row['judge']} was trained on {row['not_compared']}, which could "
                "not be had: whether it has seen these items is not known."
            )


def _disagreement(headline: pd.DataFrame) -> Iterator[str]:
    champion = headline[(headline.question == "champion") & (headline.scope == "overall")]
    for row in champion.to_dict("records"):
        if row["domains_disagree"]:
            yield f"Domains disagree: {row['note']}. Read the domains, not the mean."


def _incomplete(rows: Rows, stopped: Mapping[str, str]) -> Iterator[str]:
    """One sentence a judge, and one for all null judges that stopped for the same reason."""
    found: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        if unanswered(row) > INCOMPLETE:
            alone = "" if row["nature"] == "null" else row["judge"]
            found.setdefault((alone, stopped.get(row["judge"], "")), []).append(row)
    for (_, why), some in found.items():
        missing = max(map(unanswered, some))
        if len(some) == 1:
            who = f"{some[0]['judge']} has no answer for {missing:.1%} of its showings"
            rest = "Its row stands on fewer items than the others, and there is no test of it."
        else:
            names = _some([row["judge"] for row in some])
            who = (
                f"the null judges {names} have no answer for up to {missing:.1%} of their showings"
            )
            rest = "Their rows stand on fewer items than the others, and there is no test of them."
        yield f"Incomplete: {who}{_why(why)}. {rest}"


def _why(stopped: str) -> str:
    if stopped in ("", "interrupted"):
        return stopped and " (interrupted)"
    return f" (stopped: {shorten(stopped, 200, placeholder=' …').rstrip('.')})"


def _failing(rows: Rows) -> Iterator[str]:
    for row in rows:
        rates = {status: row[status] for status in ("unparsed", "refused", "truncated")}
        if sum(rates.values()) > FAILING:
            which = ", ".join(f"{rate:.1%} {status}" for status, rate in rates.items() if rate)
            ends = number(row["mean_if_failures_wrong"]), number(row["mean_if_failures_right"])
            yield (
                f"Failures: {row['judge']} gave no verdict in {sum(rates.values()):.1%} of its "
                f"showings ({which}). They count as wrong; its mean lies between {ends[0]} and "
                f"{ends[1]}, whatever they would have been."
            )


def _cut(rows: Rows) -> Iterator[str]:
    for row in rows:
        if row["cut"] > FAILING:
            yield (
                f"Cut: {row['judge']} judged {row['cut']:.1%} of its showings on a part of the "
                "text, since the whole is longer than it reads."
            )


def _uneven(rows: Rows) -> Iterator[str]:
    asked = {row["judge"]: row["n_items"] for row in rows}
    most = max(asked.values(), default=0)
    fewer = [f"{judge} {n:,}" for judge, n in asked.items() if n < most]
    if fewer:
        yield f"Not the same items: of {counted(most, 'item')}, {_some(fewer)} only."


def _little(data: pd.DataFrame) -> Iterator[str]:
    few = (data.n_items < SMALL_ITEMS) | (data.n_prompts < SMALL_CLUSTERS)
    whole, domains = (records(data[few & (data.scope == s)]) for s in ("overall", "domain"))
    if whole:
        where = counts(whole[0]["n_items"], whole[0]["n_prompts"])
    elif domains:
        most = max(row["n_prompts"] for row in domains)
        where = (
            f"{_some([row['group'] for row in domains])} have {counted(most, 'prompt')} or fewer"
        )
    else:
        return
    yield f"Little data: {where}. Read the intervals, not the scores."


def _one_order(rows: Rows) -> Iterator[str]:
    one = [row["judge"] for row in rows if row["one_order"]]
    if one:
        yield (
            f"One order only: {_some(one)}. What the other order would have brought is not known: "
            "no flips, and no strict score."
        )


def _no_better(pairs: pd.DataFrame, rows: Rows) -> Iterator[str]:
    natures = {row["judge"]: row["nature"] for row in rows}
    tested = pairs[(pairs.scope == "overall") & (pairs.why == "best null judge")]
    found = [
        row
        for row in tested.to_dict("records")
        if natures.get(row["judge"]) != "planted" and not row["difference_lo"] > 0
    ]
    if found:
        names = [str(row["judge"]) for row in found]
        yield (
            f"Not shown to be better than {found[0]['against']}, a null judge (each compared "
            f"alone): {_some(names)}."
        )


def _some(names: Sequence[str], most: int = 6) -> str:
    """a, b and 3 more."""
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more:,} more" if more > 0 else "")
