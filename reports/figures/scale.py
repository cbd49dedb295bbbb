"""Values to points, and round values to put beside an axis."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Scale:
    """From values `lo` .. `hi` to points `start` .. `end`, linear, or logarithmic if `log` says."""

    lo: float
    hi: float
    start: float
    end: float
    log: bool = False

    def __call__(self, value: float) -> float:
        """The point of a value; one beyond the ends is put at the end."""
        lo, hi, v = (
            (math.log10(x) for x in (self.lo, self.hi, value))
            if self.log
            else (self.lo, self.hi, value)
        )
        share = (v - lo) / (hi - lo)
        return self.start + (self.end - self.start) * min(1.0, max(0.0, share))

    def ticks(self, most: int = 6) -> list[float]:
        """Round values within, no more than `most` where they are that many."""
        return _decades(self.lo, self.hi, most) if self.log else _steps(self.lo, self.hi, most)


def _steps(lo: float, hi: float, most: int) -> list[float]:
    rough = (hi - lo) / most
    unit = 10 ** math.floor(math.log10(rough))
    step = next(s * unit for s in (1, 2, 2.5, 5, 10) if s * unit >= rough * (1 - 1e-9))
    first = math.ceil(lo / step - 1e-9)
    return [round(k * step, 10) for k in range(first, math.floor(hi / step + 1e-9) + 1)]


def _decades(lo: float, hi: float, most: int) -> list[float]:
    """Powers of ten, every second or third of them if there are many; 2 and 5 between if few."""
    first, last = math.floor(math.log10(lo)), math.ceil(math.log10(hi))
    every = max(1, math.ceil((last - first) / most))
    between = (1, 2, 5) if last - first <= 2 else (1,)
    found = [m * 10.0**k for k in range(first, last + 1, every) for m in between]
    return [v for v in found if lo * (1 - 1e-9) <= v <= hi * (1 + 1e-9)]


def around(
    values: list[float], least: float = 0.0, most: float = 1.0, step: float = 0.05
) -> tuple[float, float]:
    """Ends of an axis that holds the known ones of these shares, on round values, with room."""
    known = [v for v in values if math.isfinite(v)]
    lo = math.floor(min(known) / step - 0.2) * step
    hi = math.ceil(max(known) / step + 0.2) * step
    return max(least, round(lo, 10)), min(most, round(hi, 10))


def share_text(value: float) -> str:
    """.25, 1"""
    return f"{value:.2f}".rstrip("0").rstrip(".").replace("0.", ".", 1) or "0"
