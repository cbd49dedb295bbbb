"""What judges do beside agreeing, and what they cost: T4, T5, T6, T8."""

from __future__ import annotations

from collections.abc import Iterator

from reports.numbers import amount, interval, rate
from reports.short.pooled import Pooled
from reports.short.short import Short, Tables, records

position = Pooled(
    "T4",
    "position",
    {
        "flip_rate": "flips",
        "hard_flip": "same slot twice",
        "first_slot": "first slot",
        "right_first": "right one first",
        "excess_flip": "beyond repeats",
    },
    "pairs",
    "Pairs shown in both orders. flips: the verdict changes with the order; same slot twice: of "
    "these, neither verdict a tie; first slot: verdicts for what is shown first, ties 1/2, so .500 "
    "is fair; right one first: accuracy then, less that with it second; beyond repeats: flips less "
    "the disagreement of repeats in one order; judges of one order, and those that it cannot sway, "
    "are left out.",
)

bias = Pooled(
    "T5",
    "bias",
    {
        "longer": "longer",
        "longer_excess": "excess",
        "length_effect_excess": "effect",
        "balanced_agreement": "balanced",
        "family_excess": "own kin",
    },
    "items",
    "longer: share of verdicts for the longer response; excess: the same less that of the labels "
    "on these pairs; effect: change of that share per standard deviation of the difference in "
    "length, judge less labels; balanced: mean of the agreement where the labels prefer the longer "
    "and where they prefer the shorter response; own kin: share for responses by models of the "
    "judge's family, judge less labels.",
)

calibration = Pooled(
    "T6",
    "calibration",
    {
        "accuracy": "accuracy",
        "overconfidence": "overconfidence",
        "ece": "ECE",
        "brier": "Brier",
        "auroc": "AUROC",
        "aurc": "AURC",
    },
    "items",
    "How far stated confidence can be believed, on pairs, averaged over the orders. "
    "overconfidence: mean confidence less accuracy; ECE: above 0 by chance alone; AURC: area under "
    "the curve of risk against coverage.",
)


def cost(tables: Tables) -> Iterator[Short]:
    """T8, of all tasks together."""
    tokens = ("prompt_tokens_per_judgment", "completion_tokens_per_judgment")
    estimates = ("usd_per_1000", "usd_per_1000_items", "usd_per_correct", "latency_p50_s")
    rows = [
        (
            row["judge"],
            f"{row['judgments']:,}",
            *(amount(row[name]) for name in tokens),
            *(interval(row, name, amount) for name in estimates),
            rate(row["judgments_per_s"]),
            {True: "yes", False: "no"}.get(row["on_frontier"], "–"),
        )
        for row in records(tables["cost"])
    ]
    legend = (
        "Tokens of one judgment (one order of one item); dollars for 1,000 judgments, for 1,000 "
        "items (all their orders), and for one right verdict, retries included; median seconds of "
        "a call; judgments a second, loading included. frontier: no judge of known cost is both "
        "cheaper and better. Columns of which nothing is known are left out."
    )
    dollars = ("$/1,000", "$/1,000 items", "$/right")
    head = (
        *("judge", "judgments", "tokens in", "out"),
        *dollars,
        *("median s", "per s", "frontier"),
    )
    known = [n for n, column in enumerate(zip(*rows, strict=True)) if set(column) - {"n/a", "–"}]
    shown = tuple(tuple(row[n] for n in known) for row in rows)
    about = "Of all tasks together; 95 % intervals, clustered by prompt."
    yield Short("T8", "cost", "", about, legend, tuple(head[n] for n in known), shown)
