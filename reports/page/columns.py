"""What the leaderboard says of a judge: its columns, and a judge's numbers in them."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import pandas as pd

from reports.numbers import Row, number, rate, signed, size_text
from reports.page.cells import NOT_APPLICABLE, NOTHING, Number, Numbers, counts, dollars, whole
from reports.readings import FAILURES, LOST
from reports.short.short import at_chance


@dataclass(frozen=True)
class Column:
    """`about`: what its numbers mean. `drawn`: with an interval bar, between 0 and 1."""

    name: str
    head: str
    about: str
    drawn: bool = False


COLUMNS = (
    Column(
        "rank",
        "rank",
        "Between which places, all judges compared at once. Judges that share a letter are not "
        "shown to differ.",
    ),
    Column(
        "mean",
        "mean",
        "Average credit over the orders shown; a failed verdict counts as wrong. Unweighted mean "
        "over domains.",
        drawn=True,
    ),
    Column("strict", "strict", "Share of items that are right in every order.", drawn=True),
    Column(
        "kappa",
        "kappa",
        "Agreement beyond chance, label-swap-symmetrised, on pairs with a verdict: 0 is chance, "
        "1 complete.",
    ),
    Column(
        "ceiling_share",
        "of ceiling",
        "Share of the way from chance to the best possible agreement with one annotator, on items "
        "with two deciding votes or more.",
    ),
    Column("flip_rate", "flips", "Pairs whose verdict changes with the order shown."),
    Column(
        "longer_excess",
        "length bias",
        "How much more often than humans it takes the longer response, on the same pairs: 0 is as "
        "humans do.",
    ),
    Column(
        "failed",
        "failed",
        "Showings without a verdict. They count as wrong, but those without an answer (error, not "
        "run) are left out.",
    ),
    Column("usd_per_1000", "$ per 1,000", "US dollars for 1,000 judgments, retries included."),
    Column("judgments_per_s", "per second", "Judgments in a second of wall time."),
    Column("size", "size", "Number of weights."),
)


def cells_of(
    at: tuple[str, str, str], row: Row, spent: Row, chance: float, numbers: Numbers
) -> dict[str, Number]:
    """What a judge's line says of one task, scope and group, by column. `row`: of its scores;
    `spent`: of the cost table. What the order and the length do is counted over all items alike."""
    judge = row["judge"]
    alike = (at[0], "pooled", "micro") if at[1] == "overall" else at
    scores = {
        name: numbers.estimate((*at, judge, name), number)
        for name in ("mean", "strict", "kappa", "ceiling_share")
    }
    if at_chance(row, chance):
        mean = scores["mean"]
        told = f"not told from chance, {number(chance)}"
        scores["mean"] = replace(mean, ends=f"{mean.ends} †", facts=(*mean.facts, told))
    return {
        "rank": _rank(row),
        **scores,
        "flip_rate": numbers.estimate((*alike, judge, "flip_rate"), number),
        "longer_excess": numbers.estimate((*alike, judge, "longer_excess"), signed),
        "failed": _failed(row),
        "usd_per_1000": _cost(spent),
        "judgments_per_s": _speed(spent),
        "size": _size(row),
    }


def unanswered(row: Row) -> float:
    """Share of the showings that got no answer; `row`: of a judge's scores. Above
    `reports.study.INCOMPLETE` the judge is incomplete."""
    return float(sum(row[status] for status in LOST))


def _rank(row: Row) -> Number:
    """1–3 ab."""
    if pd.isna(row["rank"]):
        return NOTHING
    ends = dict.fromkeys((row["rank_lo"], row["rank_hi"]))
    facts = [
        f"place {row['rank']} by value; all judges compared at once, 95 %",
        counts(row["n_items"], row["n_prompts"]),
    ]
    if not math.isnan(row["p_best"]):
        facts.append(f"leads in {row['p_best']:.0%} of resamples: a description, no test")
    if not math.isnan(row["mde"]):
        facts.append(
            f"a difference of {100 * row['mde']:.1f} points from the leader (of the leader: from "
            "the second) would have shown in four of five such samples"
        )
    text = "–".join(map(str, ends))
    return Number(text, row["letters"], float(row["rank"]), facts=tuple(facts))


def _failed(row: Row) -> Number:
    """Share of showings without a verdict, and which; `cut` are verdicts on a part of the text."""
    rates = {s.replace("_", " "): row[s] for s in FAILURES if row[s] > 0}
    total = sum(rates.values())
    facts = [f"{row['n_showings']:,} showings", *(f"{rate:.2%} {s}" for s, rate in rates.items())]
    if total and not math.isnan(row["mean_if_failures_wrong"]):
        ends = number(row["mean_if_failures_wrong"]), number(row["mean_if_failures_right"])
        facts.append(f"mean {ends[0]} if all of them were wrong, {ends[1]} if all were right")
    cut = f"{row['cut']:.1%} cut" if row["cut"] > 0 else ""
    if cut:
        facts.append(f"{row['cut']:.2%} judged on a part of the text")
    return Number(f"{total:.1%}" if total else "0", cut, total, facts=tuple(facts))


def _cost(spent: Row) -> Number:
    """Over all tasks of the run."""
    value, lo, hi = (spent[f"usd_per_1000{end}"] for end in ("", "_lo", "_hi"))
    if math.isnan(value):
        why = "no price is known: a recording, or a judge that nothing is charged for"
        return Number("–", facts=(why,))
    facts = (
        counts(spent["n_items"], spent["n_prompts"]) + " of all tasks of the run",
        f"{spent['judgments']:,} judgments, {spent['errors']:,} attempts without an answer",
        "95 % interval; method: Fieller, prompts as clusters; retries included",
    )
    ends = "" if math.isnan(lo) else f"[{dollars(lo)}, {dollars(hi)}]".replace("$", "")
    return Number(dollars(value), ends, value, lo, hi, facts)


def _speed(spent: Row) -> Number:
    value = spent["judgments_per_s"]
    if math.isnan(value):
        return Number("–", facts=("not known: a recording has no speed",))
    facts = (
        f"{spent['judgments']:,} judgments, {spent['wall_s']:,.1f} s of work, loading included",
        "over all tasks of the run, on its own machine: see the manifest",
    )
    return Number(rate(value), value=value, facts=facts)


def _size(row: Row) -> Number:
    if pd.isna(row["parameters"]):
        none = row["nature"] == "null"
        return NOT_APPLICABLE if none else Number("–", facts=("its size is not known",))
    n = int(row["parameters"])
    return Number(size_text(n), value=float(n), facts=(f"{whole(n)} weights",))
