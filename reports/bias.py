"""What length, style and authorship do to each judge, relative to what they do to humans."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, partial

import numpy as np
import pandas as pd

from bench.stats import Estimate
from bench.stats.affinity import affinity
from bench.stats.heterogeneity import two_sided_p
from bench.stats.length import (
    balanced_agreement,
    controlled_agreement,
    length_effect,
    longer_preference,
)
from bench.stats.multiplicity import benjamini_hochberg
from bench.stats.style import style_effects, style_features
from bench.types import JudgeCard
from reports.groups import Made, cells
from reports.readings import Bools, Floats, Ints, ItemTable
from reports.study import INCOMPLETE, Study

LENGTH = (
    "longer",
    "longer_human",
    "longer_excess",
    "length_effect",
    "length_effect_human",
    "length_effect_excess",
    "balanced_agreement",
    "length_gap",
    "controlled_agreement",
)
MARKS = ("chars", "headings", "bullets", "numbered", "bold", "code_blocks")
FAMILY = ("family", "family_human", "family_excess", "family_over_others", "family_gap")
METRICS = (*LENGTH, *(f"style_{mark}_excess" for mark in MARKS), *FAMILY)
SCANNED = (
    "longer_excess",
    "length_effect_excess",
    "length_gap",
    *(f"style_{mark}_excess" for mark in MARKS),
    "family_excess",
    "family_gap",
)
"""Differences from humans that are tested together, all judges of a task."""
COLUMNS = ("task", "scope", "group", "judge", "families", "n_items", "n_prompts")


def bias_table(study: Study) -> pd.DataFrame:
    """One row per judge and group, all of a task's pairs alike (pooled) and each domain; over the
    labelled pairs that the judge gave a verdict on. Lengths are in characters.

    `longer...`: share for the longer response, judge, human, and judge less human on the same
    pairs. `length_effect...`: change of that share per standard deviation of the difference in
    length (average marginal effect). `balanced_agreement`: mean of the agreement where humans
    prefer the longer response and where they prefer the shorter, `length_gap` their difference;
    `controlled_agreement`: agreement if lengths were equal. `style_..._excess`: effect of each
    feature with the others held fixed, judge less human; pooled only. `family...`: share for
    responses by models of the families that the judge's card names, `family_gap`: agreement with
    humans where they prefer such a response less that where they do not.

    `..._q`: p of the differences from humans after Benjamini & Hochberg, over all of them and all
    judges of the task, null judges left out; pooled only.
    """
    table = study.table
    texts = _Texts.of(table)
    rows: list[dict[str, object]] = []
    scan: dict[str, list[tuple[int, str, float]]] = {}  # task -> row, metric, p
    for card in study.cards:
        judge = 2 * study.readings[card.name].preferences() - 1
        usable = ~np.isnan(judge) & ~np.isnan(table.preference)
        for group in study.groups:
            chosen = group.items & usable
            if group.scope not in ("pooled", "domain") or not chosen.any():
                continue

            of = partial(_metrics, study, texts, card, group.scope, judge)
            made = study.estimates.block(group, card.name, "bias", of)
            counts = (int(chosen.sum()), len(np.unique(table.cluster[chosen])))
            values = (*group.key.values(), card.name, ", ".join(card.families), *counts)
            head = dict(zip(COLUMNS, values, strict=True))
            finished = study.lost(card.name, group.items) <= INCOMPLETE
            if group.scope == "pooled" and card.kind != "null" and finished:
                tests = scan.setdefault(group.task, [])
                tests += [(len(rows), name, p) for name, p in _p_values(made)]
            rows.append({**head, **cells({name: made.get(name) for name in METRICS})})
    columns = [*COLUMNS, *cells(dict.fromkeys(METRICS)), *(f"{name}_q" for name in SCANNED)]
    frame = pd.DataFrame(rows, columns=columns)
    for tests in scan.values():
        adjusted = benjamini_hochberg([p for _, _, p in tests])
        for (row, name, _), q in zip(tests, adjusted, strict=True):
            frame.loc[row, f"{name}_q"] = q
    return frame.astype({f"{name}_q": float for name in SCANNED})


def _p_values(made: Made) -> Iterator[tuple[str, float]]:
    for name in SCANNED:
        e = made.get(name)
        p = math.nan if e is None else two_sided_p(e)
        if not math.isnan(p):
            yield name, p


@dataclass(frozen=True)
class _Texts:
    """Of the first two responses: (items, 2) counts of style features by name, and writers."""

    features: dict[str, Floats]
    writers: list[tuple[str | None, ...]]

    @classmethod
    def of(cls, table: ItemTable) -> _Texts:
        counted = [[style_features(r.text) for r in item.responses[:2]] for item in table.items]
        features = {m: np.array([[c[m] for c in two] for two in counted], float) for m in MARKS}
        return cls(features, [tuple(r.model for r in i.responses[:2]) for i in table.items])


def _metrics(
    study: Study, texts: _Texts, card: JudgeCard, scope: str, judge: Floats, chosen: Bools
) -> Made:
    """All metrics on the chosen items that have a verdict and a label."""
    table = study.table
    rows = np.flatnonzero(chosen & ~np.isnan(judge) & ~np.isnan(table.preference))
    j, h, clusters = judge[rows], 2 * table.preference[rows] - 1, table.cluster[rows]
    chars = texts.features["chars"][rows]
    longer = chars[:, 0] - chars[:, 1]
    shares = longer_preference(j, h, longer, clusters)
    effect = length_effect(j, h, longer, clusters)
    balanced = balanced_agreement(j, h, longer, clusters)
    domains = np.array(table.domain)[rows]
    made: dict[str, Estimate | None] = {
        "longer": shares.judge,
        "longer_human": shares.human,
        "longer_excess": shares.excess,
        "length_effect": effect.judge_ame,
        "length_effect_human": effect.human_ame,
        "length_effect_excess": effect.excess_ame,
        "balanced_agreement": balanced.balanced,
        "length_gap": balanced.gap,
        "controlled_agreement": controlled_agreement(j, h, longer, clusters, domains=domains),
    }
    if scope == "pooled":
        sides = ({m: f[i, k] for m, f in texts.features.items()} for k in (0, 1) for i in rows)
        counts = list(sides)
        found = style_effects(j, h, counts[: len(rows)], counts[len(rows) :], clusters)
        made |= {f"style_{mark}_excess": e.excess_ame for mark, e in found.items()}
    return {**made, **_family(study, texts, card, j, h, rows)}


def _family(
    study: Study, texts: _Texts, card: JudgeCard, judge: Floats, human: Floats, rows: Ints
) -> Made:
    """Nothing for a judge whose card names no family, or where no pair has one of its responses."""
    sides = [[_kin(texts.writers[int(i)][k], card.families) for i in rows] for k in (0, 1)]
    if not any(OWN in side for side in sides):
        return {}
    others = [
        2 * study.readings[c.name].preferences()[rows] - 1
        for c in study.cards
        if c.kind not in ("null", "planted") and c.name != card.name and not _related(c, card)
    ]
    rest = np.stack(others, axis=1) if others else None
    families = (sides[0], sides[1])
    found = affinity(judge, human, families, (OWN,), study.table.cluster[rows], others=rest)
    return {
        "family": found.judge,
        "family_human": found.human,
        "family_excess": found.over_human,
        "family_over_others": found.over_others if others else None,
        "family_gap": found.equal_opportunity.difference,
    }


OWN = "own"


def _related(one: JudgeCard, other: JudgeCard) -> bool:
    """Whether a family of one begins like a family of the other."""
    names = [[f.casefold() for f in card.families] for card in (one, other)]
    return any(a.startswith(b) or b.startswith(a) for a in names[0] for b in names[1])


@cache
def _kin(writer: str | None, families: tuple[str, ...]) -> str | None:
    """OWN for a model whose name begins like a family, whatever its organisation and case; another
    name for others; None where the writer is unknown."""
    if writer is None:
        return None
    name = writer.rpartition("/")[2].casefold()
    return OWN if name.startswith(tuple(f.casefold() for f in families)) else "other"
