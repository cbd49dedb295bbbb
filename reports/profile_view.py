"""A task's card and profile as a person reads them in a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from bench.printable import printable
from reports.profile import Profile

MOST_NAMES = 30  # subsets shown; the file has all
STRATA = ("unanimous", "majority", "split", "single")


def show_profile(found: Profile, path: Path, console: Console) -> None:
    """Counts, labels, lengths, null judges by domain. The card itself is printed apart."""
    console.print()
    for name, line in _lines(found).items():
        console.print(
            f"{name + ':':12} {printable(line)}", markup=False, highlight=False, soft_wrap=True
        )
    console.print()
    _nulls(found, console)
    console.print(
        f"All of it: {path}; the reliability of each item's label: "
        f"{path.with_suffix('.items.csv')}",
        style="dim",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )


def _lines(found: Profile) -> dict[str, str]:
    counts, people, lengths = found["counts"], found["people"], found["lengths"]
    names = ("prompts", "clusters", "references", "writers")
    lines = {
        "items": f"{counts['items']:,}; "
        + ", ".join(f"{name} {counts[name]:,}" for name in names)
        + f"; responses: {_each(counts['responses'])}",
        "splits": _counts(counts["splits"]),
        "domains": _counts(counts["domains"]),
        "subsets": _counts(counts["subsets"]),
        "families": _counts(counts["families"]),
        "labels": f"{counts['votes']:,} by {counts['annotators']:,} annotator"
        + ("; an item has " if counts["annotators"] == 1 else "s; an item has ")
        + _each(counts["votes_per_item"])
        + _share("; ties", people["tied_votes"])
        + f"; items undecided {people['n_undecided_items']:,}, without a label "
        f"{people['n_unlabelled']:,}",
    }
    agreement = found["label_agreement"]
    if agreement is not None:
        ends = {"": agreement["estimate"], "_lo": agreement["lo"], "_hi": agreement["hi"]}
        same = _interval({f"same{end}": value for end, value in ends.items()}, "same")
        lines["agreement"] = f"two labels of an item are the same in {same}, ties a class"
        if people["human_agreement"] is not None:
            lines["decided"] = "; ".join(
                [
                    f"two annotators agree {_interval(people, 'human_agreement')}",
                    f"one with the majority of the others {_interval(people, 'leave_one_out')}",
                    f"best possible with one {_interval(people, 'ceiling')}",
                ]
            )
        strata = {name: counts["strata"].get(name, 0) for name in STRATA}
        lines["strata"] = "items by their labels: " + _counts(strata)
    if counts["retests"]:
        lines["retests"] = (
            f"{counts['retests']:,} second answers, the same as the first "
            f"{_interval(people, 'retest_agreement')}"
        )
    lines["characters"] = (
        f"prompts {_spread(lengths['prompt_chars'])}, responses "
        f"{_spread(lengths['response_chars'])}; empty responses {lengths['empty_responses']:,}"
    )
    return {name: line for name, line in lines.items() if line}


def _nulls(found: Profile, console: Console) -> None:
    rows = found["null_judges"]
    domains = list(dict.fromkeys(row["group"] for row in rows if row["scope"] == "domain"))
    across = domains if 2 <= len(domains) <= 6 else []
    table = Table(box=None, pad_edge=False, header_style="bold", title_justify="left")
    table.title = f"judges that cost nothing, on {found['compared_items']:,} items"
    for head in ("judge", "mean", "strict", *(escape(printable(domain)) for domain in across)):
        table.add_column(head, justify="left" if head == "judge" else "right")
    overall = [row for row in rows if row["scope"] == "overall"]
    for row in sorted(overall, key=lambda row: -(row["mean"] or 0)):
        of = {r["group"]: r for r in rows if r["judge"] == row["judge"] and r["scope"] == "domain"}
        cells = (_interval(row, "mean"), _interval(row, "strict"))
        table.add_row(
            row["judge"], *cells, *(_interval(of[d], "mean") if d in of else "" for d in across)
        )
    chance = found["people"]["chance"]
    if overall and chance is not None:
        console.print(table)
        console.print(
            f"chance {_number(chance)}; mean over domains, 95 % intervals by cluster", style="dim"
        )
    else:
        console.print("No item has a label that decides: no judge has a score.")


def _counts(counts: Mapping[str, int]) -> str:
    shown = [f"{name} {count:,}" for name, count in list(counts.items())[:MOST_NAMES]]
    more = len(counts) - len(shown)
    return ", ".join(shown) + (f", and {more:,} more" if more else "")


def _each(counts: Mapping[str, int]) -> str:
    """How many items have how many: "2 (419 items)", or "2 (26), 3 (72)"."""
    if len(counts) == 1:
        ((number, items),) = counts.items()
        return f"{number} ({items:,} items)"
    return ", ".join(f"{number} ({items:,})" for number, items in counts.items())


def _share(name: str, value: float | None) -> str:
    return "" if value is None else f"{name} {100 * value:.1f} %"


def _spread(three: list[float]) -> str:
    low, median, high = three
    return f"{median:,.0f} (5 % {low:,.0f}, 95 % {high:,.0f})"


def _interval(row: Mapping[str, Any], metric: str) -> str:
    value, lo, hi = (row[f"{metric}{end}"] for end in ("", "_lo", "_hi"))
    if value is None:
        return "–"
    return _number(value) + (f" [{_number(lo)}, {_number(hi)}]" if lo is not None else "")


def _number(value: float) -> str:
    return f"{round(value, 3) + 0.0:.3f}".replace("0.", ".", 1)
