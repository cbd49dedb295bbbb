"""Which kind of request a prompt is, by its words alone.

For prompts that ask in different words about code, mathematics or safety. The item's own domain is
not seen: a judge that is told what the benchmark is about is told a part of the answer.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import yaml

from bench.types import BenchError, Message, content_key

REACH = 20_000  # characters of the prompt's last user message that are looked at


@dataclass(frozen=True)
class Classifier:
    """`weights`: category -> pattern -> what each different match of it counts. The category with
    the highest sum wins, the first of equal ones; none below `least`."""

    weights: Mapping[str, Mapping[str, float]]
    least: float

    def classify(self, prompt: Sequence[Message]) -> str | None:
        """The category of a prompt by the text of its last user message; None for no category."""
        asked = [message.content for message in prompt if message.role == "user"]
        text = (asked or [message.content for message in prompt])[-1][:REACH]
        sums = {category: self._sum(category, text) for category in self.weights}
        best = max(sums, key=lambda category: sums[category])
        return best if sums[best] >= self.least else None

    def _sum(self, category: str, text: str) -> float:
        return sum(
            weight * len({match.group(0).casefold() for match in re.finditer(pattern, text, re.I)})
            for pattern, weight in self.weights[category].items()
        )

    @property
    def key(self) -> str:
        """Content key of all that changes a category."""
        return content_key([[c, list(p.items())] for c, p in self.weights.items()], self.least)


@cache
def classifier(name: str) -> Classifier:
    """The classifier of that name in judges/categories.yaml.

    Raises BenchError with the names that exist.
    """
    text = files("judges").joinpath("categories.yaml").read_text(encoding="utf-8")
    known: dict[str, Any] = yaml.safe_load(text)
    if name not in known:
        raise BenchError(f"no classifier {name!r}. There are: {', '.join(known)}")
    return Classifier(known[name]["categories"], known[name]["least"])
