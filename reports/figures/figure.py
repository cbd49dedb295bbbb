"""What a figure is: its words, its numbers, and how it is drawn."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from reports.names import plain_name

if TYPE_CHECKING:
    from reports.figures.pen import Pen

Tables = dict[str, pd.DataFrame]
"""As `reports.tables.build` makes them."""


@dataclass(frozen=True, eq=False)
class Figure:
    """`task`: whose numbers it shows; empty: of all tasks of the run. `name`: of the kind, such as
    "cost". `title` and `caption` are plain text, and may hold names from somebody's data.

    `data`: every number that is drawn. `height`: in points, 72 an inch; all figures are as wide.
    `draw`: puts the marks on an empty canvas of that size.
    """

    task: str
    name: str
    title: str
    caption: str
    data: pd.DataFrame
    height: float
    draw: Callable[[Pen], None]

    @property
    def key(self) -> str:
        """Unique in a run, and fit for a file name and an id: "llmbar-cost"."""
        return "-".join(filter(None, (self.task and plain_name(self.task), self.name)))
