"""A problem with right and wrong answers, and how they are worded.

What an answer says is decided by the domain; how it is said (long or short, plain or Markdown) is
drawn here, without a look at whether it is right. Only a confound that was asked for looks.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random
from typing import Any

_TRIES = 20  # wordings drawn before a problem is given up

_PLAIN = (
    "Answer: {}",
    "My answer is {}.",
    "Here is my answer: {}",
    "I looked at it twice, and my answer is {}.",
)
_MARKED = (
    "**Answer:** {}",
    "My answer is **{}**.",
    "### Result\nMy answer is {}.",
    "I looked at it twice, and my answer is `{}`.",
)
_CONCLUSION = re.compile(r"answer(?: is|:) +(.+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Style:
    """How an answer is worded: at length or not, with Markdown or without."""

    long: bool
    markdown: bool


Writer = Callable[[Style, Random], str | None]
"""Words one answer in a style; None when it cannot be done with these draws."""


@dataclass(frozen=True, slots=True)
class Problem:
    """A prompt with its answers. `kind`: what sort of question. `params`: small JSON values from
    which, with a response's text, a checker decides whether the response is right."""

    kind: str
    prompt: str
    params: Mapping[str, Any]
    right: tuple[Writer, ...]
    wrong: tuple[Writer, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer that ends in a value: `more` (shown in the long style only), `steps`, `value`."""

    value: str
    steps: tuple[str, ...] = ()
    more: tuple[str, ...] = ()

    def __call__(self, style: Style, rng: Random) -> str:
        """The answer as a text, from which `conclusion` reads the value again."""
        end = rng.choice(_MARKED if style.markdown else _PLAIN).format(self.value)
        before = (*self.more, *self.steps) if style.long else self.steps
        if not before:
            return end
        if style.markdown:
            return "\n".join(f"- {line}" for line in before) + f"\n\n{end}"
        return " ".join((*before, end))


def plain(text: str) -> str:
    """The text without its Markdown marks."""
    return re.sub(r"[*`#]+", "", text)


def conclusion(text: str) -> str:
    """The value that a response ends in; empty when it names none."""
    found = _CONCLUSION.findall(plain(text))
    return found[-1].rstrip(".").strip() if found else ""


def dress(problem: Problem, rng: Random, confound: str) -> list[tuple[str, bool]] | None:
    """The responses in random order, each with whether it is right.

    `confound`: "none"; "length" makes every right answer longer, in characters, than every wrong
    one; "format" gives Markdown to the right ones only. None when the problem cannot be so worded.
    """
    truths = [True] * len(problem.right) + [False] * len(problem.wrong)
    for _ in range(_TRIES):
        texts: list[str] = []
        for write, right in zip((*problem.right, *problem.wrong), truths, strict=True):
            long, markdown = rng.random() < 0.5, rng.random() < 0.5
            style = Style(
                right if confound == "length" else long,
                right if confound == "format" else markdown,
            )
            text = write(style, rng)
            if text is None:
                return None
            texts.append(text)
        if len(set(texts)) < len(texts):
            continue
        dressed = list(zip(texts, truths, strict=True))
        if confound == "length" and not _right_is_longer(dressed):
            continue
        rng.shuffle(dressed)
        return dressed
    return None


def _right_is_longer(dressed: list[tuple[str, bool]]) -> bool:
    shortest_right = min(len(text) for text, right in dressed if right)
    return shortest_right > max(len(text) for text, right in dressed if not right)
