"""RM-Bench: the 3 x 3 matrix of styles in each domain and over the four.

Formula and source: `bench.stats.rmbench`. The styles are those in the items' meta; both safety sets
are one domain, as in the authors' code, by the beginning of their names. official: strict wins
alone, averaged over the orders shown: a tie or a failed verdict is none. strict: a win in every
order.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from bench.stats.rmbench import DOMAINS, StyleMatrix, overall, style_matrix
from bench.types import BenchError, JudgeCard
from reports.official.parts import OFFICIAL, STRICT, Score, by_subset, wins
from reports.readings import Floats, Ints, Readings

STYLES = ("concise", "plain", "markdown")


def scores(card: JudgeCard, reading: Readings, items: Ints) -> Iterator[Score]:
    """Of each domain that is there, and where all four are, over them: the score, hard, normal and
    easy, and the cells. "chat: concise > markdown" is the share of prompts of chat at which the
    right answer in concise style beats the wrong one in markdown."""
    readings = {OFFICIAL: wins(reading)}
    if card.orders == "all":
        readings[STRICT] = reading.scores("strict", "wrong")
    subsets = by_subset(reading, items)
    for name, won in readings.items():
        matrices = {
            domain: _matrix(reading, won, np.sort(np.concatenate(found)))
            for domain in DOMAINS
            if (found := [at for subset, at in subsets.items() if subset.startswith(domain)])
        }
        for domain, matrix in matrices.items():
            yield from _rows("domain", domain, name, matrix)
        if matrices.keys() == set(DOMAINS):
            yield from _rows("overall", "macro", name, overall(matrices))


def _matrix(reading: Readings, won: Floats, items: Ints) -> StyleMatrix:
    table = reading.table
    try:
        metas = [table.items[i].meta for i in items.tolist()]
        chosen, rejected = ([m[f"{side}_style"] for m in metas] for side in ("chosen", "rejected"))
    except KeyError as error:
        raise BenchError(
            f"an item of task {table.items[items[0]].task!r} has no {error} in its meta; the "
            "styles of both responses expected, 0 to 2"
        ) from error
    return style_matrix(won[items], chosen, rejected, table.cluster[items])


def _rows(scope: str, group: str, name: str, matrix: StyleMatrix) -> Iterator[Score]:
    yield Score(scope, group, name, matrix.score)
    for part in ("hard", "normal", "easy"):
        yield Score(scope, f"{group}: {part}", name, getattr(matrix, part))
    for (i, j), cell in matrix.cells.items():
        yield Score("cell", f"{group}: {STYLES[i]} > {STYLES[j]}", name, cell)
