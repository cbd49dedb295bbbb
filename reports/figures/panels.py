"""A small panel a judge, all on the same scales."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from reports.figures.axes import SMALL, Frame
from reports.figures.judges import key, name_colour, short_names
from reports.figures.pen import INK, MUTED, WIDTH, Pen
from reports.figures.scale import Scale

ACROSS = 4
_WIDE, _HIGH = (WIDTH - 24) / ACROSS, 104.0
_ABOVE, _BELOW = 32.0, 32.0


@dataclass(frozen=True)
class Panels:
    """`judges` and what each is; `notes`: a line under each name. `x`, `y`: ends of the scales;
    `across`, `up`: what they are."""

    judges: Sequence[str]
    natures: Sequence[str]
    notes: Sequence[str]
    x: tuple[float, float]
    y: tuple[float, float]
    across: str
    up: str

    @property
    def height(self) -> float:
        """Points that all of them take."""
        return _ABOVE + _BELOW + _HIGH * -(-len(self.judges) // ACROSS)

    def draw(self, pen: Pen, inside: Callable[[Pen, Frame, str], None]) -> None:
        """Frames and words; `inside` draws what is in the panel of a judge."""
        names = short_names(self.judges, _WIDE - 26)
        key(pen, self.natures)
        pen.text(2, pen.height - 22, self.up, INK)
        for n, judge in enumerate(self.judges):
            left, top = 24 + _WIDE * (n % ACROSS), pen.height - _ABOVE - _HIGH * (n // ACROSS)
            frame = Frame(
                Scale(*self.x, left, left + _WIDE - 14), Scale(*self.y, top - _HIGH, top - 24)
            )
            frame.draw_x(pen, most=4, words=n + ACROSS >= len(self.judges))
            frame.draw_y(pen, most=4, words=n % ACROSS == 0)
            inside(pen, frame, judge)
            pen.text(left, top - 8, names[judge], name_colour(self.natures[n]), tip=judge)
            pen.text(left, top - 18, self.notes[n], MUTED, size=SMALL - 0.5)
        pen.text(24, 8, self.across, INK)
