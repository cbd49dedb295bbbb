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

import numpy as np
import pandas as pd

from bench.stats.contrast_domains import DomainContrast, contrast_domains
from bench.stats.families import families
from bench.stats.headline import MARGIN
from bench.stats.heterogeneity import two_sided_p
from bench.stats.multiplicity import holm
from bench.stats.signflip import signflip
from bench.types import content_key
from reports.readings import Bools
from reports.study import INCOMPLETE, Study, nature
from reports.verdicts import COLUMNS, Asked, no_answer, verdict_row


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
    mean at 95 and 90 %. `note`: how the champions were chosen. `incomplete`: why there is no
    verdict yet."""

    task: str
    small: str
    large: str
    contrast: DomainContrast
    contrast90: DomainContrast
    p: float
    note: str
    incomplete: str


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
    if best is None:
        asked = Asked(task, "champion", ", ".join(small), ", ".join(large), question.margin)
        why = "no dev items to choose champions on; name one judge a side"
        yield no_answer(asked, "overall", "macro", why)
    else:
        yield from _duel_rows(best, "champion", question.margin)
    yield from _family_rows(study, small, large, task, question.margin)
    if best is not None:
        sizes = {c.name: c.parameters for c in study.cards if c.parameters is not None}
        for name, measure in (("equal size", sizes), ("equal cost", usd)):
            yield from _restricted(study, best, large, measure, name, question.margin)


def _present(study: Study, judges: Sequence[str], task: str) -> tuple[str, ...]:
    """Those of the judges that have a score on the task."""
    mine = np.array(study.table.task) == task
    return tuple(j for j in judges if not np.isnan(study.scores[j][mine]).all())


def duel(
    study: Study, small: Sequence[str], large: Sequence[str], task: str, chosen: bool = False
) -> Duel | None:
    """Choose the champions, and compare them on the items that did not choose; None where there is
    nothing to choose them on. `chosen`: the dev items have chosen one of them already."""
    table = study.table
    items = (np.array(table.task) == task) & table.decided
    dev = items & np.array([item.split == "dev" for item in table.items])
    a, b = (_best(study, side, items, dev) for side in (small, large))
    if a is None or b is None:
        return None
    note = ""
    if chosen or len(small) > 1 or len(large) > 1:
        items &= ~dev
        note = f"champions chosen on {dev.sum()} dev items, compared on the others"
    contrast, contrast90 = (_contrast(study, a, b, items, level) for level in (0.95, 0.90))
    d = study.scores[a] - study.scores[b]
    kept = items & ~np.isnan(d)
    domains = np.array(table.domain)
    p = signflip(d[kept], table.cluster[kept], strata=domains[kept]) if kept.any() else math.nan
    lost = {judge: study.lost(judge, items) for judge in (a, b)}
    return Duel(task, a, b, contrast, contrast90, p, note, _incomplete(lost))


def _incomplete(lost: Mapping[str, float]) -> str:
    """What to say of judges without an answer for too many showings; nothing if there is none."""
    short = [
        f"{j} has no answer for {share:.1%}" for j, share in lost.items() if share > INCOMPLETE
    ]
    return f"incomplete: {' and '.join(short)} of its showings" if short else ""


def _best(study: Study, side: Sequence[str], items: Bools, dev: Bools) -> str | None:
    """The judge with the highest mean over domains of its scores on the dev items that all judges
    of the side have; only one with scores in every domain of the task can be it. The only judge of
    a side needs no choice."""
    if len(side) == 1:
        return side[0]
    domains = np.array(study.table.domain)
    names = set(domains[items])
    whole = [j for j in side if set(domains[items & ~np.isnan(study.scores[j])]) == names]
    shared = dev & ~np.isnan([study.scores[judge] for judge in whole or side]).any(axis=0)
    if not whole or not shared.any():
        return None

    def macro_mean(judge: str) -> float:
        of = [study.scores[judge][shared & (domains == d)].mean() for d in set(domains[shared])]
        return float(np.mean(of))

    return max(whole, key=macro_mean)


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
    asked = Asked(found.task, question, found.small, found.large, margin, found.incomplete)
    wide, narrow = found.contrast, found.contrast90
    disagree = wide.contradiction.flag
    note = "; ".join(filter(None, (*wide.contradiction.reasons, found.note)))
    yield verdict_row(
        asked, "overall", "macro", wide.macro, narrow.macro,
        p=found.p, note=note, domains_disagree=disagree,
    )  # fmt: skip
    yield verdict_row(
        asked, "pooled", "micro", wide.micro, narrow.micro,
        p=two_sided_p(wide.micro), domains_disagree=disagree,
    )  # fmt: skip
    for name, e in wide.domains.items():
        p, p_holm = two_sided_p(e), wide.p_holm[name]
        yield verdict_row(asked, "domain", name, e, narrow.domains[name], p=p, p_holm=p_holm)


def _family_rows(
    study: Study, small: Sequence[str], large: Sequence[str], task: str, margin: float
) -> Iterator[dict[str, object]]:
    """All judges of both sides on the items that all have a score for."""
    if len(small) + len(large) == 2:
        return  # the family is the champion
    table, everyone = study.table, (*small, *large)
    items = (np.array(table.task) == task) & table.decided
    met = items & np.logical_and.reduce([study.readings[j].asked() for j in everyone])
    sides = [np.stack([study.scores[j] for j in side], axis=1) for side in (small, large)]
    kept = met & ~np.isnan(np.hstack(sides)).any(axis=1)
    domains = np.array(table.domain)
    lost = _incomplete({judge: study.lost(judge, items) for judge in everyone})
    one, two = (f"{len(side)} judge{'s' * (len(side) > 1)}" for side in (small, large))
    asked = Asked(task, "family", one, two, margin, lost)
    without = sorted(set(domains[met]) - set(domains[kept]))
    if without or not kept.any():
        why = f"no item of {', '.join(without) or task} has a score of every judge"
        yield no_answer(asked, "overall", "these judges", why)
        return
    arrays = (*(side[kept] for side in sides), table.cluster[kept], domains[kept])
    missing = int((met & ~kept).sum())
    wide, narrow = (families(*arrays, level=level, missing=missing) for level in (0.95, 0.90))
    for name, e, e90 in (
        ("these judges", wide.these, narrow.these),
        ("judges like these", wide.judges_like_these, narrow.judges_like_these),
    ):
        yield verdict_row(asked, "overall", name, e, e90, p=two_sided_p(e))


def _restricted(
    study: Study,
    best: Duel,
    large: Sequence[str],
    measure: Mapping[str, float],
    question: str,
    margin: float,
) -> Iterator[dict[str, object]]:
    """The champion of the small side against the best large judge that needs no more of `measure`;
    nothing where that is the same duel."""
    own = measure.get(best.small, math.nan)
    within = tuple(j for j in large if measure.get(j, math.nan) <= own)
    asked = Asked(best.task, question, best.small, ", ".join(within or large), margin)
    found = duel(study, (best.small,), within, best.task, bool(best.note)) if within else None
    if math.isnan(own):
        what = question.removeprefix("equal ")
        yield no_answer(asked, "overall", "macro", f"the {what} of {best.small} is not known")
    elif found is None:
        yield no_answer(asked, "overall", "macro", "no large judge known to need as little")
    elif found.large != best.large:
        yield from itertools.islice(_duel_rows(found, question, margin), 1)
