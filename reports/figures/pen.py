"""Marks and words on a canvas, placed in points from its lower left corner. Figures lay out their
axes and labels themselves, on one bare canvas each: so all look alike, and are quick to draw."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Literal

from matplotlib import rc_context, rcdefaults, rcParams
from matplotlib.artist import Artist
from matplotlib.figure import Figure as Canvas
from matplotlib.font_manager import FontProperties
from matplotlib.lines import Line2D
from matplotlib.markers import MarkerStyle
from matplotlib.patches import PathPatch, Polygon
from matplotlib.path import Path
from matplotlib.textpath import text_to_path
from matplotlib.transforms import Affine2D

from bench.printable import printable

WIDTH = 540.0
"""Points; 720 pixels on a page."""

SIZE = 8.0
"""Of text, in points."""

INK, MUTED, GRID, PAPER = "#16191d", "#5a626c", "#d5d9de", "#ffffff"
SERIES = ("#0072b2", "#c25100", "#00845f", "#b3588c", "#a87300", "#2f86bd", "#7a6d00", "#6a727c")
"""Okabe and Ito's colours, darkened until they can be read on paper."""

Anchor = Literal["left", "center", "right"]
Ends = tuple[float, float, float, float]
"""x and y of one end, then of the other."""

FONT = "DejaVu Sans"


@contextmanager
def style(svg_text: Literal["path", "none"] = "path") -> Iterator[None]:
    """Within it things are drawn alike everywhere, whatever a user's own settings are. `svg_text`:
    as shapes, or as text."""
    with rc_context(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font", UserWarning)
        rcdefaults()
        rcParams["font.family"] = [FONT]
        rcParams["text.parse_math"] = False  # a judge's name may hold dollar signs
        rcParams["svg.hashsalt"] = "smallclaims"
        rcParams["svg.fonttype"] = svg_text
        rcParams["pdf.fonttype"] = 42
        yield


class Pen:
    """Draws on a canvas of its own, `height` points high. What is printed of somebody's data is
    written out where it is not printable. `tips`: what to say of a mark, by its artist's gid."""

    def __init__(self, height: float) -> None:
        self.height = height
        self.tips: dict[str, str] = {}
        self._drawn = 0
        self.canvas = Canvas(figsize=(WIDTH / 72, height / 72), dpi=72, facecolor=PAPER)
        self._axes = self.canvas.add_axes((0, 0, 1, 1))
        self._axes.set_axis_off()
        self._axes.set(xlim=(0, WIDTH), ylim=(0, height))

    def line(
        self,
        xs: Sequence[float],
        ys: Sequence[float],
        colour: str = INK,
        width: float = 1.0,
        dash: Sequence[float] = (),
        tip: str = "",
    ) -> None:
        """Through these points, broken where one is NaN. `dash`: lengths on and off, in widths."""
        drawn = Line2D(xs, ys, color=colour, linewidth=width)
        if dash:
            drawn.set_linestyle((0, tuple(dash)))
        drawn.set_solid_capstyle("butt")
        self._add(drawn, tip)

    def segments(
        self,
        ends: Sequence[Ends],
        colour: str = GRID,
        width: float = 0.6,
        dash: Sequence[float] = (),
    ) -> None:
        """Separate lines of one look."""
        xs = [x for a, _, c, _ in ends for x in (a, c, math.nan)]
        ys = [y for _, b, _, d in ends for y in (b, d, math.nan)]
        self.line(xs, ys, colour, width, dash)

    def mark(
        self,
        at: Sequence[tuple[float, float]],
        shape: str,
        face: str,
        edge: str,
        size: float = 6,
        tip: str = "",
    ) -> None:
        """A marker by matplotlib's letter for it, centred at each of these points. `size`: in
        points."""
        marker = MarkerStyle(shape)
        sized = marker.get_path().transformed(marker.get_transform() + Affine2D().scale(size))
        path = Path.make_compound_path(
            *(sized.transformed(Affine2D().translate(x, y)) for x, y in at)
        )
        self._add(PathPatch(path, facecolor=face, edgecolor=edge, linewidth=0.9), tip)

    def area(
        self, points: Sequence[tuple[float, float]], colour: str, opacity: float, tip: str = ""
    ) -> None:
        """A filled polygon without a rim."""
        self._add(Polygon(points, facecolor=colour, edgecolor="none", alpha=opacity), tip)

    def text(
        self,
        x: float,
        y: float,
        words: str,
        colour: str = INK,
        anchor: Anchor = "left",
        size: float = SIZE,
        tip: str = "",
    ) -> None:
        """One line, its small letters centred at `y`."""
        words = printable(words)
        drawn = self._axes.text(x, y - 0.27 * size, words, color=colour, ha=anchor, fontsize=size)
        self._told(drawn, tip)

    def _add(self, drawn: Artist, tip: str) -> None:
        self._axes.add_artist(drawn)
        drawn.set_clip_on(False)
        self._told(drawn, tip)

    def _told(self, drawn: Artist, tip: str) -> None:
        self._drawn += 1
        drawn.set_zorder(self._drawn)  # what is drawn later lies above
        if tip:
            gid = f"tip{len(self.tips)}"
            drawn.set_gid(gid)
            self.tips[gid] = printable(tip)


@lru_cache(maxsize=4096)
def width_of(words: str, size: float = SIZE) -> float:
    """Of a line of text, in points, with some room: a screen's letters are a little wider."""
    font = FontProperties(family=FONT, size=size)
    wide, _, _ = text_to_path.get_text_width_height_descent(printable(words), font, False)
    return 1.08 * float(wide)


MOST_LETTERS = 60


def clipped(words: str, widest: float, size: float = SIZE) -> str:
    """As printed, without its middle where it is wider than so many points."""
    whole = printable(words)
    for keep in range(min(len(whole), MOST_LETTERS), 1, -1):
        tail = keep // 3
        cut = f"{whole[: keep - tail]}…{whole[len(whole) - tail :]}"
        shown = whole if keep == len(whole) else cut
        if width_of(shown, size) <= widest:
            return shown
    return "…"
