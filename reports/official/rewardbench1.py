"""RewardBench: subset scores, weighed into four sections, and their mean.

Formula and source: `bench.stats.rewardbench1`. official: mean credit of the orders shown, a tie and
a failed verdict count half. (The authors show prompted judges one random order, where this is the
expected value, and count a tie of two scores of a reward model as a loss; there it is rare.)
strict: right in every order, failures wrong.
"""

from __future__ import annotations

from collections.abc import Iterator

from bench.stats.rewardbench1 import SECTIONS, section, total
from bench.types import JudgeCard
from reports.official.parts import OFFICIAL, STRICT, Score, by_subset, mean_credit
from reports.readings import Ints, Readings


def scores(card: JudgeCard, reading: Readings, items: Ints) -> Iterator[Score]:
    """The subsets that there are, the sections of which all subsets are, and the mean of the four
    sections, which is the published total of a judge without Prior Sets."""
    readings = {OFFICIAL: reading.scores("mean", "half")}
    if card.orders == "all":
        readings[STRICT] = reading.scores("strict", "wrong")
    for name, credit in readings.items():
        subsets = {
            subset: mean_credit(reading, credit, indices)
            for subset, indices in by_subset(reading, items).items()
        }
        sections = {
            s: section(s, {subset: subsets[subset] for subset in weights})
            for s, weights in SECTIONS.items()
            if weights.keys() <= subsets.keys()
        }
        for subset, e in subsets.items():
            yield Score("subset", subset, name, e)
        for s, e in sections.items():
            yield Score("section", s, name, e)
        if sections.keys() == SECTIONS.keys():
            yield Score("overall", "four sections", name, total(sections))
