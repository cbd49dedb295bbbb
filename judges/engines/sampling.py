"""How an engine of this machine writes: the only settings of decoding that there are."""

from __future__ import annotations

import math
from dataclasses import dataclass

from bench.types import BenchError


@dataclass(frozen=True)
class Sampling:
    """`temperature`: 0 takes the most probable token each time; above, tokens are drawn from all
    of the model's distribution by the request's seed. `max_tokens`: of a completion."""

    temperature: float = 0.0
    max_tokens: int = 512

    def __post_init__(self) -> None:
        if not (math.isfinite(self.temperature) and self.temperature >= 0):
            raise BenchError(f"temperature is {self.temperature}; a number from 0 expected")
        if self.max_tokens < 1:
            raise BenchError(f"max_tokens is {self.max_tokens}; 1 or more expected")
