"""What the items and their labels say, and each judge beside the annotators: T10."""

from __future__ import annotations

from collections.abc import Iterator

from reports.numbers import interval, number
from reports.short.pooled import Pooled
from reports.short.short import Short, Tables, intervals, overall, records

COUNTS = {
    "n_items": "items",
    "n_prompts": "prompts",
    "n_votes": "votes",
    "n_annotators": "annotators",
    "n_duplicates": "duplicates",
}
METRICS = {"human_agreement": "agreement", "ceiling": "ceiling", "icc": "ICC"}


def data(tables: Tables, task: str) -> Iterator[Short]:
    """The task, and each of its domains where there are several."""
    found = tables["data"]
    rows = records(found[found.scope.isin(["overall", "domain"])])
    made = (
        (
            "all" if row["scope"] == "overall" else row["group"],
            *(f"{row[name]:,}" for name in COUNTS),
            f"{row['n_undecided_items'] + row['n_unlabelled']:,}",
            number(row["tied_votes"]),
            *(interval(row, metric) for metric in METRICS),
        )
        for row in (rows if len(rows) > 2 else rows[:1])
    )
    legend = (
        "no score: without a label, or all annotators call it a tie; ties: share of the votes; "
        "agreement: of two annotators who both decided; ceiling: best possible agreement with one "
        "annotator; ICC: of items of one prompt."
    )
    about = f"{task}: items and labels; {intervals(overall(found))}."
    head = ("domain", *COUNTS.values(), "no score", "ties", *METRICS.values())
    yield Short("T10", "data", task, about, legend, head, tuple(made))


people = Pooled(
    "T10",
    "people",
    {
        "majority_of_rest": "agreement",
        "human_majority_of_rest": "of an annotator",
        "kappa_difference": "kappa gap",
        "alt_rho": "mean advantage",
        "alt_smallest_epsilon": "smallest epsilon",
    },
    "items",
    "On pairs with two labels or more. agreement: with the majority of the other annotators, of "
    "the judge and of the annotator that it stands in for; kappa gap: judge with annotator less "
    "annotator with annotator; mean advantage: share of items where it agrees with the others at "
    "least as well as the annotator does; smallest epsilon: above it the judge passes the "
    "alternative annotator test.",
)
