"""Items made by a program, whose gold a program decides: no network, any number, any seed.

A stream of candidate items is numbered 0, 1, 2, ...; each is drawn from its own seed (seed, domain,
shape, number), so it is the same on every machine. A candidate's split follows from its prompt
alone (`Item.split`): what one seed shows in training, no seed can show in the test.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from random import Random
from typing import Any, get_args

from bench.spec import Spec
from bench.types import BenchError, Item, Label, Message, Response, Split, Task, TaskCard
from tasks.verifiable import (
    arithmetic,
    code,
    constraints,
    fact_check,
    facts,
    instructions,
    reasoning,
    several,
    solver,
)
from tasks.verifiable.candidates import Problem, dress

REVISION = "1"
"""Version of the generator: raised whenever an item of some seed changes."""

SHAPES = ("mixed", "pairs", "best-of-4", "ties")
CONFOUNDS = ("none", "length", "format")
WRITERS = ("writer-1", "writer-2", "writer-3")

_DRAW: dict[str, Callable[[Random, int, int], Problem | None]] = {
    "math": arithmetic.draw,
    "code": code.draw,
    "instruction-following": instructions.draw,
    "factuality": facts.draw,
    "reasoning": reasoning.draw,
    "ties": several.draw,
}
_CHECK: dict[str, Callable[[str, str, dict[str, Any]], bool]] = {
    "math": arithmetic.check,
    "code": code.check,
    "instruction-following": constraints.check,
    "factuality": fact_check.check,
    "reasoning": solver.check,
    "ties": several.check,
}
_PATIENCE = 5_000  # candidates in a row that may be no use before the space counts as used up


@dataclass(frozen=True)
class Settings:
    """`n`: number of items, >= 1; the default is what a small local model reads in two minutes on
    two cores. `seed`: any integer. `shape`: mixed (five domains with five
    pairs to one best-of-4, and lists with several right answers in the domain ties), pairs,
    best-of-4 (without the domain ties) or ties (only it). `confound`: none, length or format, with
    probability `strength` in [0, 1] for each item."""

    n: int = 72
    seed: int = 0
    shape: str = "mixed"
    confound: str = "none"
    strength: float = 1.0

    def __post_init__(self) -> None:
        if self.n < 1:
            raise BenchError(f"verifiable: n is {self.n}; a number of items >= 1 expected")
        for name, valid in (("shape", SHAPES), ("confound", CONFOUNDS)):
            value = getattr(self, name)
            if value not in valid:
                raise BenchError(
                    f"verifiable: {name} is {value!r}; one of {', '.join(valid)} expected"
                )
        if not 0 <= self.strength <= 1:
            raise BenchError(
                f"verifiable: strength is {self.strength}; a number in [0, 1] expected"
            )

    @property
    def domains(self) -> tuple[str, ...]:
        """The domains that the shape can have."""
        if self.shape == "mixed":
            return tuple(_DRAW)
        return tuple(d for d in _DRAW if (d == "ties") == (self.shape == "ties"))


class Verifiable(Task):
    """The task; see `Settings`."""

    def __init__(self, settings: Settings, name: str = "verifiable") -> None:
        self.settings = settings
        self.card = TaskCard(
            name=name,
            title="Synthetic items whose right answers a program can verify",
            domains=settings.domains,
            labels="a program (gold); no human said anything about these items",
            licence="Apache-2.0",
            revision=REVISION,
            synthetic=True,
            traps=(
                "Synthetic and verifiable, not human preference: a score here is no estimate of "
                "agreement with people.",
                "Right and wrong answers come from templates: a judge trained on them may learn "
                "the templates, and its score need not carry over to free text.",
                "Only correctness differs: tone, helpfulness, safety and style are not measured.",
                "There is no human ceiling: a perfect score is possible.",
                "Texts are short and in English; the mix of domains is ours and stands for no "
                "population of real questions.",
                *_planted(settings),
            ),
        )

    def items(self, split: Split | None = None) -> Iterator[Item]:
        """`Settings.n` items of one split (test when None), domains taking turns, no prompt twice.

        Raises BenchError for an unknown split and when a domain has no more prompts to offer.
        """
        wanted: Split = split or "test"
        if wanted not in get_args(Split):
            raise BenchError(
                f"verifiable: no split {wanted!r}; one of {', '.join(get_args(Split))} expected"
            )
        seen: set[str] = set()
        streams: dict[tuple[str, str], Iterator[Item]] = {}
        domains = self.settings.domains
        for number in range(self.settings.n):
            turn, place = divmod(number, len(domains))
            which = domains[place], self._shape(domains[place], turn)
            if which not in streams:
                streams[which] = self._stream(*which, wanted, seen)
            yield next(streams[which])

    def _shape(self, domain: str, turn: int) -> str:
        if self.settings.shape != "mixed":
            return self.settings.shape
        if domain == "ties":
            return "ties"
        return "best-of-4" if turn % 6 == 5 else "pairs"

    def _stream(self, domain: str, shape: str, split: Split, seen: set[str]) -> Iterator[Item]:
        idle = 0
        for number in count():
            item = self._candidate(domain, shape, number)
            if item is not None and item.split == split and item.prompt_key not in seen:
                seen.add(item.prompt_key)
                idle = 0
                yield item
            elif (idle := idle + 1) > _PATIENCE:
                raise BenchError(
                    f"verifiable: the domain {domain} is used up: {_PATIENCE} candidates in a row "
                    f"brought no new prompt for the split {split}. "
                    f"Ask for fewer than n={self.settings.n}."
                )

    def _candidate(self, domain: str, shape: str, number: int) -> Item | None:
        """Candidate `number` of a stream; None when its draws make no problem."""
        settings = self.settings
        rng = Random(f"verifiable/{settings.seed}/{domain}/{shape}/{number}")
        problem = _DRAW[domain](rng, *_counts(shape, rng))
        if problem is None:
            return None
        planted = rng.random() < settings.strength
        dressed = dress(problem, rng, settings.confound if planted else "none")
        if dressed is None:
            return None
        responses = tuple(
            Response(chr(ord("a") + index), text, rng.choice(WRITERS))
            for index, (text, _) in enumerate(dressed)
        )
        return Item(
            id=f"{domain}/{shape}/{settings.seed}/{number}",
            task=self.card.name,
            domain=domain,
            prompt=(Message("user", problem.prompt),),
            responses=responses,
            labels=(Label("gold", tuple(float(right) for _, right in dressed)),),
            subset=shape,
            meta={"kind": problem.kind, "params": dict(problem.params)},
        )


def _counts(shape: str, rng: Random) -> tuple[int, int]:
    """How many right and how many wrong answers."""
    if shape == "ties":
        size = rng.randint(4, 6)
        right = rng.randint(2, size - 2)
        return right, size - right
    return (1, 1) if shape == "pairs" else (1, 3)


def _planted(settings: Settings) -> tuple[str, ...]:
    if settings.confound == "none" or settings.strength == 0:
        return ()
    sign = "longer" if settings.confound == "length" else "Markdown-formatted"
    return (
        f"A confound is planted: in a share of {settings.strength:g} of the items the right "
        f"answer is the {sign} one on purpose.",
    )


def check(item: Item, text: str) -> bool:
    """Whether `text` is a right response to an item of this task, decided anew from the item's
    parameters. Code is really run, in a subprocess with limits."""
    return _CHECK[item.domain](item.meta["kind"], text, item.meta["params"])


def make(spec: Spec) -> Task:
    """Made here, checked by a program: verifiable:n=600,seed=1,shape=pairs (synthetic)

    Raises BenchError for an argument, an unknown option or a value out of range.
    """
    if spec.argument:
        raise BenchError(
            f"{spec.text!r}: verifiable takes options only, for example verifiable:n=600,seed=1"
        )
    return Verifiable(spec.settings(Settings), spec.label or "verifiable")
