"""What a judge made of each item, in a character or two: the marks of the verdict browser."""

from __future__ import annotations

import string
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.types import JudgeCard
from reports.readings import FAILURES, LOST, STATUSES, Floats, Readings

MARKS = {
    "4": ("●", "right"),
    "3": ("◕", "right more than half"),
    "2": ("◐", "half right"),
    "1": ("◔", "right less than half"),
    "0": ("○", "wrong"),
    "x": ("×", "no verdict"),
    "?": ("?", "no answer"),
    "-": ("–", "no label to score it by"),
    " ": ("·", "not asked"),
}
"""Mark -> its sign, told apart by shape, and its words."""

RESPONSES = string.digits + string.ascii_letters  # 62: as many as an item can have
TIE, FLIPPED, UNSTEADY, NONE = "=", "~", "*", "-"
_MIXED = {
    TIE: "a tie",
    FLIPPED: "flipped: the order shown changed the verdict",
    UNSTEADY: "repeats differ",
    NONE: "",
}
_LOST = [STATUSES.index(status) for status in LOST]
_FAILED = [STATUSES.index(status) for status in FAILURES if status not in LOST]


@dataclass(frozen=True)
class Marks:
    """One judge, one character an item, in ledger order.

    `mark`: key of MARKS, from the score. `verdict`: the response that all showings name, of
    RESPONSES, or TIE, FLIPPED, UNSTEADY (only repeats differ), NONE. `failed`: of the item's
    showings "x" one had no verdict, "?" one had no answer, " " none failed. `scores`: (items,)
    outcome under the rule mean, as in the leaderboard, NaN where there is none.
    """

    card: JudgeCard
    scores: Floats
    mark: str
    verdict: str
    failed: str

    @property
    def null(self) -> bool:
        """Whether the judge is a null judge; all others count as strong."""
        return self.card.kind == "null"

    def about(self, item: int) -> tuple[str, str]:
        """(sign, sentence) of an item."""
        sign, words = MARKS[self.mark[item]]
        facts = [words, verdict_words(self.verdict[item])]
        if not np.isnan(self.scores[item]):
            facts.append(f"credit {self.scores[item]:.3g}")
        return sign, ", ".join(filter(None, facts))


def verdict_words(verdict: str) -> str:
    """A character of `Marks.verdict` in words."""
    return _MIXED[verdict] if verdict in _MIXED else f"response {RESPONSES.index(verdict)}"


def marks_of(card: JudgeCard, reading: Readings) -> Marks:
    """The marks of the judge of that card."""
    scores = reading.scores("mean")
    verdict = _verdicts(reading)
    silent = np.array([v == NONE for v in verdict], bool)
    mark = np.select(
        [~reading.asked(), reading.lost_items(), silent, np.isnan(scores)],
        [" ", "?", "x", "-"],
        _steps(scores),
    )
    counts = reading.statuses
    failed = np.select(
        [counts[:, _FAILED].any(axis=1), counts[:, _LOST].any(axis=1)], ["x", "?"], " "
    )
    return Marks(card, scores, "".join(mark), verdict, "".join(failed))


def _steps(scores: Floats) -> NDArray[np.str_]:
    """0 wrong, 1, 2 one half, 3, 4 right. Means of thirds are not exact: hence the rounding."""
    exact = np.nan_to_num(scores).round(9)
    step = (exact > 0).astype(int) + (exact >= 0.5) + (exact > 0.5) + (exact == 1)
    marks: NDArray[np.str_] = step.astype(str)
    return marks


def _verdicts(reading: Readings) -> str:
    n = len(reading.table.items)
    most = np.iinfo(np.int64).max
    low, high, flipped = np.full(n, most), np.full(n, -1), np.zeros(n, bool)
    for block in reading.blocks:
        valid = ~(block.failed | block.lost)
        lowest = np.where(valid, block.top, most).min(axis=1)
        highest = np.where(valid, block.top, -1).max(axis=1)
        np.minimum.at(low, block.item, lowest)
        np.maximum.at(high, block.item, highest)
        flipped[block.item[lowest < highest]] = True
    return "".join(map(_verdict, low.tolist(), high.tolist(), flipped.tolist()))


def _verdict(low: int, high: int, flipped: bool) -> str:
    """From the least and the greatest bit mask of the showings: the same if all are."""
    if high < 0:
        return NONE
    if low < high:
        return FLIPPED if flipped else UNSTEADY
    return RESPONSES[high.bit_length() - 1] if high.bit_count() == 1 else TIE
