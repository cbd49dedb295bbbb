"""Domain code: a task for a short Python function, and candidate functions.

A wrong candidate is a right one with one mutation. The gold stands on really running every
solution and mutation of `programs`; the tests do that, and `check` does it for one response.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from tasks.verifiable.candidates import Problem, Style
from tasks.verifiable.programs import TEMPLATES, fill
from tasks.verifiable.sandbox import Case, run_cases
from tasks.verifiable.vocabulary import FUNCTIONS

_ASK = (
    "Write a Python function `{f}` that {task}.",
    "In Python, define a function `{f}`. It {task}.",
    "I need a Python function called `{f}` that {task}.",
)
_INTRODUCTIONS = (
    "Here is a function that does what you asked for, in plain Python:",
    "This is the function. It needs nothing but the language itself:",
    "You can use the following function, which returns the result directly:",
    "I would write it like this, without any import from a library:",
)
_DOCSTRINGS = (
    "Return the result for the given input, as described in the task.",
    "Work through the input once and return what was asked for.",
    "Compute the requested value; the input itself is left unchanged.",
)


@dataclass(frozen=True, slots=True)
class _Program:
    """A Writer of a function: the source is fixed, what stands around it is drawn."""

    source: str

    def __call__(self, style: Style, rng: Random) -> str:
        introduction, docstring = rng.choice(_INTRODUCTIONS), rng.choice(_DOCSTRINGS)
        source = self.source
        if style.long:
            head, _, body = source.partition("\n")
            source = f'{head}\n    """{docstring}"""\n{body}'
        if style.markdown:
            source = f"```python\n{source}\n```"
        return f"{introduction}\n\n{source}" if style.long else source


def draw(rng: Random, right: int, wrong: int) -> Problem | None:
    """A task with one right function and that many wrong ones, no two the same."""
    kind = rng.choice(list(TEMPLATES))
    template = TEMPLATES[kind]
    params = {name: rng.randint(*span) for name, span in template.ranges.items()}
    function = rng.choice(FUNCTIONS)
    good = rng.choice(template.solutions).right
    # Solution first, mutation second: how long a solution is says nothing about its truth.
    bad: dict[str, None] = {}
    while len(bad) < wrong:
        bad[rng.choice(rng.choice(template.solutions).wrong)] = None
    programs = [_Program(fill(source, function, params)) for source in (good, *bad)]
    prompt = rng.choice(_ASK).format(f=function, task=template.task.format(**params))
    if right != 1:
        return None
    return Problem(kind, prompt, params, tuple(programs[:1]), tuple(programs[1:]))


def source_of(text: str) -> str:
    """The code in a response: from its first `def` to the end, or to the closing fence."""
    start = text.find("def ")
    return text[start:].partition("```")[0] if start >= 0 else ""


def cases_of(kind: str, params: Mapping[str, int]) -> Sequence[Case]:
    """Calls with what must come back, by the template's reference."""
    template = TEMPLATES[kind]
    return [
        Case(arguments, template.reference(*arguments, **params))
        for arguments in template.inputs(**params)
    ]


def check(kind: str, text: str, params: dict[str, Any]) -> bool:
    """Whether the function in the response returns the right value in every case; it is run."""
    return run_cases(source_of(text), cases_of(kind, params))
