"""Which columns of the tables the page shows, and what they are called there. Where the short
tables choose among metrics, the page has the same, with the same words."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from reports.numbers import amount, number, p_value, rate, signed
from reports.page.cells import dollars, whole
from reports.short.behaviour import bias, calibration, position
from reports.short.people import people
from reports.short.pooled import SIGNED, Pooled

Style = Callable[[float], str]


@dataclass(frozen=True)
class Column:
    """`name`: of the column of a table, or of an estimate. `style`: None for words."""

    name: str
    head: str
    style: Style | None = None


@dataclass(frozen=True)
class Section:
    """`note`: what its columns mean. `scopes`: of the rows that are shown."""

    title: str
    table: str
    columns: tuple[Column, ...]
    note: str
    scopes: tuple[str, ...] = ("pooled",)


JUDGE = Column("judge", "judge")
ITEMS = Column("n_items", "items", whole)
PROMPTS = Column("n_prompts", "prompts", whole)
MDE = "mde: difference that would have shown in four of five such samples."

VERDICT = Section(
    "The verdict in full",
    "headline",
    (
        Column("question", "question"),
        Column("group", "where"),
        Column("small", "small"),
        Column("large", "large"),
        Column("verdict", "verdict"),
        Column("difference", "difference", signed),
        Column("p", "p", p_value),
        Column("p_holm", "p, Holm", p_value),
        Column("smallest_margin", "smallest margin", number),
        Column("mde", "mde", number),
        ITEMS,
        PROMPTS,
        Column("note", "note"),
    ),
    "difference: small minus large, mean of both orders, failures wrong. smallest margin: the "
    f"least loss that these items rule out. {MDE} Holm: over the tasks, and over the domains of a "
    "task.",
    ("overall", "pooled", "domain"),
)
PAIRS = Section(
    "Every two judges",
    "pairs",
    (
        JUDGE,
        Column("against", "against"),
        Column("difference", "difference", signed),
        Column("p_adjusted", "p, all pairs", p_value),
        Column("mde", "mde", number),
        ITEMS,
        PROMPTS,
        Column("why", "why"),
    ),
    "Paired differences of the mean on the items that both have. The interval is that of the pair "
    f"alone; p knows of all pairs. {MDE}",
    ("overall",),
)
OFFICIAL = Section(
    "By the authors' rules",
    "official",
    (
        JUDGE,
        Column("group", "part"),
        Column("reading", "reading"),
        Column("score", "score", number),
        ITEMS,
        PROMPTS,
        Column("n_missing", "missing", whole),
    ),
    "The score that the benchmark's authors define, and our strict reading.",
    ("overall", "section", "subset", "turn"),
)
TRAINING = Section(
    "Training data",
    "overlap",
    (
        JUDGE,
        Column("training_sets", "trained on"),
        Column("not_compared", "not compared"),
        Column("n_same_prompt", "same prompt", whole),
        Column("n_same_words", "thirteen words", whole),
        Column("mean_with", "mean with them", number),
        Column("mean_without", "mean without", number),
        ITEMS,
    ),
    "Items that share their prompt, or thirteen words in a row, with what a judge was trained on.",
    ("overall",),
)
LABELS = Section(
    "Items and labels",
    "data",
    (
        Column("scope", "scope"),
        Column("group", "group"),
        ITEMS,
        PROMPTS,
        Column("n_clusters", "clusters", whole),
        Column("n_duplicates", "duplicates", whole),
        Column("n_votes", "votes", whole),
        Column("n_annotators", "annotators", whole),
        Column("n_undecided_items", "undecided", whole),
        Column("chance", "chance", number),
        Column("human_agreement", "two annotators", number),
        Column("ceiling", "ceiling", number),
        Column("icc", "ICC", number),
    ),
    "chance: score of a response drawn at random; ceiling: best possible agreement with one "
    "annotator; ICC: how alike two items of one prompt are in how well judges do on them.",
    ("overall", "domain", "subset"),
)
COST = Section(
    "Cost and speed",
    "cost",
    (
        JUDGE,
        Column("usd_per_1000", "$ per 1,000 judgments", dollars),
        Column("usd_per_1000_items", "$ per 1,000 items", dollars),
        Column("usd_per_1000_valid", "$ per 1,000 verdicts", dollars),
        Column("usd_per_correct", "$ per right verdict", dollars),
        Column("prompt_tokens_per_judgment", "tokens in", amount),
        Column("completion_tokens_per_judgment", "tokens out", amount),
        Column("latency_p50_s", "seconds, median", amount),
        Column("latency_p95_s", "seconds, 95 %", amount),
        Column("judgments_per_s", "per second", rate),
        Column("judgments", "judgments", whole),
        Column("errors", "errors", whole),
        Column("usd", "$ in all", dollars),
    ),
    "Over all tasks of the run. A judgment is one order of one item; an item is shown in every "
    "order. Retries included. What is not known is not 0.",
)


def _pooled(title: str, short: Pooled) -> Section:
    metrics = (
        Column(name, head, signed if name.endswith(SIGNED) else number)
        for name, head in short.metrics.items()
    )
    counted = Column(f"n_{short.counted}", short.counted, whole)
    return Section(title, short.name, (JUDGE, *metrics, counted, PROMPTS), short.legend)


SECTIONS = (
    VERDICT,
    PAIRS,
    OFFICIAL,
    _pooled("Position", position),
    _pooled("Length, style and kin", bias),
    _pooled("Calibration", calibration),
    _pooled("Beside people", people),
    TRAINING,
    LABELS,
)
"""Of a task, in the order in which they are read."""
