"""How judges are told apart in every figure: trained and prompted ones by shape and colour, null
judges hollow and grey."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import pandas as pd

from reports.figures.pen import INK, MUTED, PAPER, SERIES, Pen, clipped, width_of


@dataclass(frozen=True)
class Look:
    """`shape`: a marker's letter. `face`, `edge`: colours. `scale`: of shapes that look large."""

    shape: str
    face: str
    edge: str
    scale: float = 1.0

    def mark(self, pen: Pen, x: float, y: float, size: float = 6, tip: str = "") -> None:
        """One at this point."""
        pen.mark([(x, y)], self.shape, self.face, self.edge, size * self.scale, tip)


LOOKS = {
    "trained": Look("o", SERIES[0], SERIES[0]),
    "prompted": Look("s", SERIES[1], SERIES[1]),
    "null": Look("v", PAPER, MUTED),
}
WORDS = {"null": "null judge"}
OTHER = Look("D", SERIES[2], SERIES[2], 0.8)


def look(nature: str) -> Look:
    """`nature`: as in the table `leaderboard`."""
    return LOOKS.get(nature, OTHER)


def overall(tables: dict[str, pd.DataFrame], task: str) -> pd.DataFrame:
    """The leaderboard's rows of a task that have a score, best first."""
    rows = tables["leaderboard"]
    mine = rows[(rows.task == task) & (rows.scope == "overall") & rows["mean"].notna()]
    return mine.sort_values("mean", ascending=False, kind="stable").reset_index(drop=True)


def several(rows: pd.DataFrame) -> bool:
    """Whether there are two judges or more that are more than rulers."""
    return int((rows.nature != "null").sum()) > 1


def with_nature(rows: pd.DataFrame, tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """`rows` of another table with the column `nature` beside the judge."""
    natures = tables["leaderboard"].drop_duplicates("judge").set_index("judge").nature
    placed = rows.reset_index(drop=True)
    placed.insert(list(placed.columns).index("judge") + 1, "nature", placed.judge.map(natures))
    return placed


def short_names(judges: Iterable[str], widest: float = 150.0) -> dict[str, str]:
    """Judge -> its name in no more than so many points; if two look the same, with a number."""
    shown: dict[str, str] = {}
    taken: dict[str, int] = {}
    for judge in dict.fromkeys(judges):
        name = clipped(judge, widest)
        taken[name] = taken.get(name, 0) + 1
        shown[judge] = name if taken[name] == 1 else f"{name} #{taken[name]}"
    return shown


def counts(rows: pd.DataFrame) -> str:
    """419 items with 418 prompts; 83 to 419 items with 80 to 418 prompts."""
    said = []
    for column, word in (("n_items", "items"), ("n_prompts", "prompts")):
        ends = dict.fromkeys((int(rows[column].min()), int(rows[column].max())))
        said.append(f"{' to '.join(f'{n:,}' for n in ends)} {word}")
    return " with ".join(said)


Dash = tuple[float, ...]


def key(
    pen: Pen,
    natures: Sequence[str],
    marks: Sequence[tuple[str, Look]] = (),
    lines: Sequence[tuple[str, str, Dash]] = (),
) -> None:
    """What marks and lines mean, along the upper edge: judges of these natures, other marks, and
    lines by words, colour and dash."""
    others = sorted({nature for nature in natures if nature not in LOOKS})
    known = [(WORDS.get(n, n), of) for n, of in LOOKS.items() if n in natures]
    known += [(f"other ({', '.join(others)})", OTHER)] if others else []
    x, y = 2.0, pen.height - 7
    for words, of in (*known, *marks):
        of.mark(pen, x + 3, y)
        pen.text(x + 9, y, words, MUTED)
        x += 9 + width_of(words) + 14
    for words, colour, dash in lines:
        pen.line((x, x + 16), (y, y), colour, 1.0, dash)
        pen.text(x + 20, y, words, MUTED)
        x += 20 + width_of(words) + 14


def name_colour(nature: str) -> str:
    """Of a judge's name: rulers are no judges."""
    return MUTED if nature == "null" else INK
