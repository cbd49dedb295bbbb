"""Brute force over everything that could be the case, and the check of a reasoned response."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from itertools import permutations, product
from typing import Any

from tasks.verifiable.candidates import conclusion, plain

World = dict[str, str]  # name -> knight or knave
Claims = Mapping[str, Sequence[str]]  # name -> (what is claimed, of whom)


def all_worlds(names: Sequence[str]) -> list[World]:
    """Every way to be knights and knaves."""
    return [
        dict(zip(names, w, strict=True)) for w in product(("knight", "knave"), repeat=len(names))
    ]


def contradictions(claims: Claims, world: World) -> int:
    """How many speakers say something that their kind could not say in this world."""
    count = 0
    for name, (what, other) in claims.items():
        truth = {
            "same": world[name] == world[other],
            "different": world[name] != world[other],
        }.get(what, world[other] == what)
        count += truth != (world[name] == "knight")
    return count


def worlds(claims: Claims) -> list[World]:
    """The worlds in which every speaker could say what they say."""
    return [w for w in all_worlds(list(claims)) if contradictions(claims, w) == 0]


def broken(order: Sequence[str], rules: Sequence[Sequence[Any]]) -> int:
    """How many rules an order breaks: (before, a, b), (next, a, b), (not, a, place)."""
    at = {job: place for place, job in enumerate(order)}
    met: dict[str, Callable[[str, Any], bool]] = {
        "before": lambda a, b: at[a] < at[b],
        "next": lambda a, b: at[a] + 1 == at[b],
        "not": lambda a, place: at[a] != place,
    }
    return sum(not met[what](a, b) for what, a, b in rules)


def orders(jobs: Sequence[str], rules: Sequence[Sequence[Any]]) -> list[tuple[str, ...]]:
    """The orders that break no rule."""
    return [order for order in permutations(jobs) if broken(order, rules) == 0]


def _ordering(text: str, above: Sequence[Sequence[str]], place: int, more: str) -> bool:
    names = sorted({name for pair in above for name in pair})
    possible = orders(names, [("before", a, b) for a, b in above])
    said = re.findall(rf"(\w+) is {more} than (\w+)", text)
    steps_hold = all(o.index(a) < o.index(b) for o in possible for a, b in said)
    return steps_hold and {o[place] for o in possible} == {conclusion(text)}


def _knights(text: str, claims: Claims) -> bool:
    """Whether the knights are those named, and each speaker is said to be what they are."""
    kinds = dict(re.findall(r"(\w+) is a (knight|knave), so", text))
    knights = {name for name in conclusion(text).split(" and ") if name != "nobody"}
    return worlds(claims) == [kinds] and knights == {
        name for name, kind in kinds.items() if kind == "knight"
    }


def _membership(
    text: str, kinds: Sequence[str], start: int, who: str, options: Sequence[str]
) -> bool:
    """Whether the conclusion holds however `who` may stand to the four kinds, and no step is a
    rule beyond those given."""
    a, b, c, d = kinds
    given = {f"Every {a} is a {b}", f"Every {b} is a {c}", f"No {c} is a {d}"}
    if not given >= set(re.findall(r"(?:Every|No) \w+ is a \w+", text)):
        return False
    value = conclusion(text)
    found = re.fullmatch(rf"{who} is (not )?a (\w+)", value)
    if not found or value not in options:
        return False
    negated, kind = found.groups()
    possible = [
        dict(zip(kinds, w, strict=True))
        for w in product((True, False), repeat=4)
        if w[start] and w[1] >= w[0] and w[2] >= w[1] and not (w[2] and w[3])
    ]
    return all(w[kind] != bool(negated) for w in possible)


def _overlap(text: str, total: int, a: int, b: int, both: int) -> bool:
    like = set(range(a)) | set(range(a - both, a - both + b))
    said = re.findall(r"= (\d+) people like at least one", text)
    neither = len(set(range(total)) - like)
    return said == [str(len(like))] and conclusion(text) == str(neither)


def _schedule(text: str, jobs: Sequence[str], rules: Sequence[Sequence[Any]], place: int) -> bool:
    said = re.findall(r"(\w+) is (?:first|second|third|fourth)\.", text)
    solutions = orders(jobs, rules)
    return [tuple(job.lower() for job in said)] == solutions and (
        conclusion(text) == solutions[0][place]
    )


_CHECKS: dict[str, Callable[..., bool]] = {
    "ordering": _ordering,
    "knights": _knights,
    "membership": _membership,
    "overlap": _overlap,
    "schedule": _schedule,
}


def check(kind: str, text: str, params: dict[str, Any]) -> bool:
    """Whether the response's conclusion is the one that must hold, and its steps are true."""
    return _CHECKS[kind](plain(text), **params)
