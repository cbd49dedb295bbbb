"""Can a small judge replace a large one? The question, fixed before looking, and its answer.

Where a side has several judges its champion is chosen on the dev split, and compared on the other
items, so that the choice does not flatter it. All differences are of the mean score (both orders,
failures wrong), small minus large, on the same items.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from bench.stats.contrast_domains import DomainContrast, contrast_domains
from bench.stats.families import families
from bench.stats.headline import MARGIN, Headline, headline
from bench.stats.heterogeneity import two_sided_p
from bench.stats.multiplicity import holm
from bench.stats.signflip import signflip
from bench.types import content_key
from reports.readings import Bools
from reports.study import Study, nature

COLUMNS = (
    "task",
    "question",
    "scope",
    "group",
    "small",
    "large",
    "verdict",
    "margin",
    "difference",
    "difference_lo",
    "difference_hi",
    "difference_status",
    "difference90_lo",
    "difference90_hi",
    "p",
    "p_holm",
    "smallest_margin",
    "smallest_equivalence",
    "mde",
    "domains_disagree",
    "n_items",
    "n_prompts",
    "n_missing",
    "method",
    "note",
)


@dataclass(frozen=True)
class Question:
    """`small`, `large`: names of judges. `margin`: the loss that does not matter, in credits."""

    small: tuple[str, ...]
    large: tuple[str, ...]
    margin: float = MARGIN

    @property
    def key(self) -> str:
        """What was asked, as a hash that can be written down before the answer is seen."""
        return content_key(self.small, self.large, self.margin, "mean", "wrong", "dev")[:12]


@dataclass(frozen=True)
class Duel:
    """The champions of both sides on one task. `contrast`, `contrast90`: domains, macro and micro
    mean at 95 and 90 %. `note`: how the champions were chosen."""

    task: str
    small: str
    large: str
    contrast: DomainContrast
    contrast90: DomainContrast
    p: float
    note: str


def default_question(study: Study) -> Question:
    """Every trained judge against every prompted one."""
    small, large = (
        tuple(card.name for card in study.cards if nature(card) == kind)
        for kind in ("trained", "prompted")
    )
    return Question(small, large)


def headline_table(
    study: Study, question: Question, usd: Mapping[str, float] | None = None
) -> pd.DataFrame:
    """All rows of all tasks that both sides have judged.

    `question`: champion (scope overall and pooled, then each domain), family (all judges of a side:
    these judges, and judges like these), and the champion of the small side against the best large
    judge of no greater size, and of no greater cost. `p_holm`: of the champions' means, over the
    tasks; of domains, over the task's domains. `usd`: known cost of 1,000 judgments by judge.
    """
    rows = [
        row
        for task in dict.fromkeys(study.table.task)
        for row in _task_rows(study, question, task, usd or {})
    ]
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    main = (table.question == "champion") & (table.scope == "overall") & table.p.notna()
    table.loc[main, "p_holm"] = holm(table.loc[main, "p"].to_numpy(float))
    return table


def _task_rows(
    study: Study, question: Question, task: str, usd: Mapping[str, float]
) -> Iterator[dict[str, object]]:
    small, large = (_present(study, side, task) for side in (question.small, question.large))
    if not small or not large:
        return
    best = duel(study, small, large, task)
    yield from _duel_rows(best, "champion", question.margin)
    yield from _family_rows(study, small, large, task, question.margin)
    sizes = {c.name: c.parameters for c in study.cards if c.parameters is not None}
    for name, measure in (("equal size", sizes), ("equal cost", usd)):
        yield from _restricted(study, best, large, measure, name, question.margin)


def _present(study: Study, judges: Sequence[str], task: str) -> tuple[str, ...]:
    """Those of the judges that have a score on the task."""
    mine = np.array(study.table.task) == task
    return tuple(j for j in judges if not np.isnan(study.scores[j][mine]).all())


def duel(
    study: Study, small: Sequence[str], large: Sequence[str], task: str, chosen: bool = False
) -> Duel:
    """Choose the champions, and compare them on the items that did not choose. `chosen`: the dev
    items have chosen one of them already."""
    table = study.table
    items = (np.array(table.task) == task) & table.decided
    dev = items & np.array([item.split == "dev" for item in table.items])
    note = ""
    if chosen or len(small) > 1 or len(large) > 1:
        small, large = (_best(study, side, dev) for side in (small, large))
        items &= ~dev
        note = f"champions chosen on {dev.sum()} dev items, compared on the others"
        note = note if dev.any() else "no dev items: the first named of each side are compared"
    a, b = small[0], large[0]
    contrast, contrast90 = (_contrast(study, a, b, items, level) for level in (0.95, 0.90))
    d = study.scores[a] - study.scores[b]
    kept = items & ~np.isnan(d)
    domains = np.array(table.domain)
    p = signflip(d[kept], table.cluster[kept], strata=domains[kept]) if kept.any() else math.nan
    return Duel(task, a, b, contrast, contrast90, p, note)


def _best(study: Study, side: Sequence[str], dev: Bools) -> tuple[str]:
    """The judge with the highest mean over domains of its dev scores. The first named wins a tie,
    and is taken where there are no dev items."""
    domains = np.array(study.table.domain)

    def macro_mean(judge: str) -> float:
        scores = study.scores[judge]
        kept = dev & ~np.isnan(scores)
        means = [scores[kept & (domains == name)].mean() for name in np.unique(domains[kept])]
        return float(np.mean(means)) if means else -math.inf

    return (max(side, key=macro_mean),)


def _contrast(study: Study, a: str, b: str, items: Bools, level: float) -> DomainContrast:
    table = study.table
    difference = study.scores[a] - study.scores[b]
    asked = items & study.readings[a].asked() & study.readings[b].asked()
    kept = asked & ~np.isnan(difference)
    lost = asked & ~kept
    domains = np.array(table.domain)
    missing = {str(name): int((lost & (domains == name)).sum()) for name in set(domains[asked])}
    return contrast_domains(
        difference[kept], table.cluster[kept], domains[kept], level=level, missing=missing
    )


def _duel_rows(found: Duel, question: str, margin: float) -> Iterator[dict[str, object]]:
    wide, narrow = found.contrast, found.contrast90
    disagree = wide.contradiction.flag
    note = "; ".join([*wide.contradiction.reasons, found.note]).strip("; ")
    answers = [
        ("overall", "macro", wide.macro, narrow.macro, found.p, math.nan, note),
        ("pooled", "micro", wide.micro, narrow.micro, two_sided_p(wide.micro), math.nan, ""),
    ]
    answers += [
        ("domain", name, e, narrow.domains[name], two_sided_p(e), wide.p_holm[name], "")
        for name, e in wide.domains.items()
    ]
    for scope, group, e, e90, p, p_holm, why in answers:
        at = {"task": found.task, "question": question, "scope": scope, "group": group}
        answer = headline(e, e90, margin)
        contradicted = disagree and scope != "domain"
        yield _row(at, found.small, found.large, answer, p, p_holm, why, contradicted)


def _row(
    at: Mapping[str, str],
    small: str,
    large: str,
    found: Headline,
    p: float,
    p_holm: float,
    note: str,
    disagree: bool = False,
) -> dict[str, object]:
    e = found.estimate
    return {
        **at,
        "small": small,
        "large": large,
        "verdict": found.verdict,
        "margin": found.margin,
        "difference": e.estimate,
        "difference_lo": e.lo,
        "difference_hi": e.hi,
        "difference_status": e.status,
        "difference90_lo": found.estimate90.lo,
        "difference90_hi": found.estimate90.hi,
        "p": p,
        "p_holm": p_holm,
        "smallest_margin": found.smallest_margin,
        "smallest_equivalence": found.smallest_equivalence,
        "mde": found.mde,
        "domains_disagree": disagree,
        "n_items": e.n_items,
        "n_prompts": e.n_clusters,
        "n_missing": e.n_missing,
        "method": e.method,
        "note": "; ".join(part for part in dict.fromkeys((note, found.note, e.note)) if part),
    }


def _family_rows(
    study: Study, small: Sequence[str], large: Sequence[str], task: str, margin: float
) -> Iterator[dict[str, object]]:
    """All judges of both sides on the items that all have a score for."""
    if len(small) + len(large) == 2:
        return  # the family is the champion
    table = study.table
    items = (np.array(table.task) == task) & table.decided
    asked = items & np.logical_and.reduce([study.readings[j].asked() for j in (*small, *large)])
    sides = [np.stack([study.scores[j] for j in side], axis=1) for side in (small, large)]
    kept = asked & ~np.isnan(np.hstack(sides)).any(axis=1)
    arrays = (*(side[kept] for side in sides), table.cluster[kept], np.array(table.domain)[kept])
    missing = int((asked & ~kept).sum())
    wide, narrow = (families(*arrays, level=level, missing=missing) for level in (0.95, 0.90))
    for name, e, e90 in (
        ("these judges", wide.these, narrow.these),
        ("judges like these", wide.judges_like_these, narrow.judges_like_these),
    ):
        at = {"task": task, "question": "family", "scope": "overall", "group": name}
        sizes = f"{len(small)} judges", f"{len(large)} judges"
        yield _row(at, *sizes, headline(e, e90, margin), two_sided_p(e), math.nan, "")


def _restricted(
    study: Study,
    best: Duel,
    large: Sequence[str],
    measure: Mapping[str, float],
    question: str,
    margin: float,
) -> Iterator[dict[str, object]]:
    """The champion of the small side against the best large judge that needs no more of
    `measure`; nothing where the champion's own is unknown or no other is within it."""
    own = measure.get(best.small, math.nan)
    within = tuple(j for j in large if measure.get(j, math.nan) <= own)
    if within and within != (best.large,):
        found = duel(study, (best.small,), within, best.task, chosen=bool(best.note))
        yield from itertools.islice(_duel_rows(found, question, margin), 1)


def sentence(row: Mapping[str, Any]) -> str:
    """The verdict of one row of the table in words that can be quoted. Where the domains contradict
    their mean it says that instead."""
    small, large, margin = row["small"], row["large"], f"{100 * row['margin']:g} points"
    if row["verdict"] == "undefined":
        return f"{small} and {large} cannot be compared on {row['task']}: {row['note']}."
    ends = f"{_points(row['difference_lo'])} to {_points(row['difference_hi'])}"
    facts = (
        f"the difference is {_points(row['difference'])} points, 95 % interval {ends}, on "
        f"{row['n_items']:,} items with {row['n_prompts']:,} prompts"
    )
    if row["domains_disagree"]:
        return (
            f"Whether {small} can replace {large} on {row['task']} depends on the domain "
            f"({row['note']}); over all domains {facts}. Read the domains, not the mean."
        )
    return {
        "superior": f"On {row['task']}, {small} agrees with the labels more often than {large}: "
        f"{facts}.",
        "equivalent": f"On {row['task']}, {small} agrees with the labels as often as {large}, to "
        f"within {margin}: {facts}.",
        "non-inferior": f"On {row['task']}, {small} is not worse than {large} by {margin} or more: "
        f"{facts}.",
        "inferior": f"On {row['task']}, {small} agrees with the labels less often than {large}: "
        f"{facts}"
        + (", a loss within the margin." if row["difference_lo"] > -row["margin"] else "."),
        "undecided": f"These items cannot tell whether {small} can replace {large} on "
        f"{row['task']} with a loss below {margin}: {facts}. A true difference of "
        f"{100 * row['mde']:.1f} points would have shown in four of five such samples.",
    }[row["verdict"]]


def _points(share: float) -> str:
    """A difference of shares in points, signed."""
    return f"{100 * share:+.1f}"
