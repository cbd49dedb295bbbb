"""The domains of a task beside its verdict: who may be best in each, and whether the verdict holds
there."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from reports.numbers import Row, signed
from reports.page.answers import Answer
from reports.page.board import WHOLE, Board, Line
from reports.page.cells import NOTHING, Number, counts

Tables = Mapping[str, pd.DataFrame]


@dataclass(frozen=True)
class Domain:
    """`leaders`: judges that may be best, the first leading; `score`: of the first. `difference`:
    champion of the small side less that of the large, `verdict` on it; None and nothing without
    the two."""

    name: str
    index: int
    items: int
    leaders: Sequence[Line]
    score: Number
    difference: Number | None
    verdict: str


def domain_rows(tables: Tables, shown: Board, answers: Sequence[Answer]) -> list[Domain]:
    """All domains first, then each where there are several."""
    data = tables["data"][tables["data"].task == shown.task]
    sizes = {(row["scope"], row["group"]): row["n_items"] for row in data.to_dict("records")}
    headline = tables["headline"]
    champion = headline[
        (headline.task == shown.task)
        & (headline.question == "champion")
        & headline.scope.isin(["overall", "domain"])
    ]
    duel = {(row["scope"], row["group"]): row for row in champion.to_dict("records")}
    rows = []
    for n, (name, answer) in enumerate(zip(shown.domains, answers, strict=True)):
        key = ("domain", name) if n else WHOLE
        row = duel.get(key)
        first = answer.leaders[0].cells[n] if answer.leaders else None
        rows.append(
            Domain(
                name,
                n,
                sizes[key],
                answer.leaders,
                first["mean"] if first else NOTHING,
                None if row is None else _difference(row),
                "" if row is None else str(row["verdict"]),
            )
        )
    return rows


def _difference(row: Row) -> Number:
    value, lo, hi = (float(str(row[f"difference{end}"])) for end in ("", "_lo", "_hi"))
    small, large = row["small"], row["large"]
    facts = (
        f"{small} less {large}, mean score of both orders, failures wrong",
        counts(int(str(row["n_items"])), int(str(row["n_prompts"]))),
        f"95 % interval; method: {row['method']}",
        str(row["note"]),
    )
    ends = "" if math.isnan(lo) else f"[{signed(lo)}, {signed(hi)}]"
    return Number(signed(value), ends, value, lo, hi, tuple(filter(None, facts)))
