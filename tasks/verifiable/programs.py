"""Short Python functions with their tasks, their mutations, and an independent reference.

In a source, «right|wrong|wrong» marks a place that can go wrong in a way people do: a bound one
off, a comparison swapped, a wrong start value. The list is finite, so that every one can be run.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import accumulate, pairwise, takewhile
from textwrap import dedent
from typing import Any

Inputs = list[tuple[Any, ...]]
_PLACE = re.compile(r"«(.*?)»")


@dataclass(frozen=True, slots=True)
class Solution:
    """`right`: a source with holes for names and numbers, see `fill`. `wrong`: the same with one
    mutation each."""

    right: str
    wrong: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Template:
    """`task`: what the function does. `ranges`: lowest and highest value of each parameter.
    `reference`: what it must return. `inputs`: arguments that tell every mutation apart."""

    task: str
    ranges: Mapping[str, tuple[int, int]]
    solutions: tuple[Solution, ...]
    reference: Callable[..., Any]
    inputs: Callable[..., Inputs]


def fill(source: str, function: str, params: Mapping[str, int]) -> str:
    """A source with {f} replaced by the function's name, {k} by the parameter k, {k_less} and
    {k_more} by the numbers next to it."""
    near = {f"{name}_less": value - 1 for name, value in params.items()}
    near |= {f"{name}_more": value + 1 for name, value in params.items()}
    return source.format(f=function, **params, **near)


def _right(source: str) -> str:
    return _PLACE.sub(lambda place: place[1].split("|")[0], source)


def _solution(source: str) -> Solution:
    wrong = [
        _right(source[: place.start()] + choice + source[place.end() :])
        for place in _PLACE.finditer(source)
        for choice in place[1].split("|")[1:]
    ]
    return Solution(_right(source), tuple(wrong))


def _solutions(text: str) -> tuple[Solution, ...]:
    """Two ways to write the function, with a line of dashes between them."""
    return tuple(_solution(part.strip()) for part in dedent(text).split("---"))


def _lists(*points: int) -> Inputs:
    """Lists of integers on, just below and just above the points."""
    near = [p + step for p in points for step in (-1, 0, 1)]
    inputs: Inputs = [([],), (near,), (near[::-1],), ([0, *near, -3, 7, 2000],)]
    return inputs + [([n],) for n in near] + [([n, n + 1, n],) for n in near]


def _numbers(*points: int) -> Inputs:
    return [(p + step,) for p in points for step in (-40, -1, 0, 1, 40)]


def _ranges(*sizes: int) -> Inputs:
    return [(list(range(5, 5 + size)),) for size in sizes]


TEMPLATES: dict[str, Template] = {
    "count-above": Template(
        "takes a list of integers and returns how many of them are greater than {k}",
        {"k": (2, 900)},
        _solutions("""
            def {f}(xs):
                count = 0
                for x in xs:
                    if x «>|>=|<» {k}:
                        count «+=|=» 1
                return count
            ---
            def {f}(xs):
                return «len|sum»([x for x in xs if x «>|>=|<» {k}])
        """),
        lambda xs, k: sum(x - k >= 1 for x in xs),
        lambda k: _lists(k),
    ),
    "count-at-least": Template(
        "takes a list of integers and returns how many of them are at least {k}",
        {"k": (2, 900)},
        _solutions("""
            def {f}(xs):
                count = 0
                for x in xs:
                    if x «>=|>|<=» {k}:
                        count «+=|=» 1
                return count
            ---
            def {f}(xs):
                return sum(«1|x» for x in xs if x «>=|>|<=» {k})
        """),
        lambda xs, k: len(list(filter(lambda x: not x < k, xs))),
        lambda k: _lists(k),
    ),
    "sum-between": Template(
        "takes a list of integers and returns the sum of those from {a} to {b}, both included",
        {"a": (2, 90), "b": (100, 400)},
        _solutions("""
            def {f}(xs):
                total = «0|1»
                for x in xs:
                    if {a} «<=|<» x «<=|<» {b}:
                        total += «x|1»
                return total
            ---
            def {f}(xs):
                return sum(x for x in xs if x «>=|>» {a} «and|or» x «<=|<» {b})
        """),
        lambda xs, a, b: sum(x * (x in range(a, b + 1)) for x in xs),
        lambda a, b: _lists(a, b),
    ),
    "sum-range": Template(
        "takes an integer n and returns the sum of all integers from {a} to n, n included",
        {"a": (2, 900)},
        _solutions("""
            def {f}(n):
                total = «0|1»
                for i in range(«{a}|{a_more}», n «+ 1|- 1|+ 2»):
                    total += i
                return total
            ---
            def {f}(n):
                return sum(range(«{a}|{a_more}», n «+ 1|- 1|+ 2»))
        """),
        lambda n, a: (n - a + 1) * (n + a) // 2 if n >= a else 0,
        lambda a: _numbers(a),
    ),
    "clamp": Template(
        "takes an integer and returns {a} if it is below {a}, {b} if it is above {b}, and "
        "otherwise the integer itself",
        {"a": (2, 200), "b": (300, 900)},
        _solutions("""
            def {f}(x):
                if x «<|>» {a}:
                    return {a}
                if x > {b}:
                    return «{b}|{a}»
                return «x|{b}»
            ---
            def {f}(x):
                return «max({a}, min({b}|min({a}, max({b}|max({b}, min({a}|max({a}, max({b}», x))
        """),
        lambda x, a, b: sorted((a, x, b))[1],
        lambda a, b: _numbers(a, b),
    ),
    "first-above": Template(
        "takes a list of integers and returns the index of the first one greater than {k}, or -1 "
        "if there is none",
        {"k": (2, 900)},
        _solutions("""
            def {f}(xs):
                for i, x in enumerate(xs«|, 1»):
                    if x «>|>=» {k}:
                        return «i|x»
                return «-1|0»
            ---
            def {f}(xs):
                for i in range(«|1, »len(xs)«| - 1»):
                    if xs[i] «>|>=» {k}:
                        return i
                return -1
        """),
        lambda xs, k: next((i for i in range(len(xs)) if k < xs[i]), -1),
        lambda k: _lists(k),
    ),
    "every-kth": Template(
        "takes a list and returns a list of every {k}th element of it, starting with the first",
        {"k": (4, 19)},
        _solutions("""
            def {f}(xs):
                return xs[«::{k}|1::{k}|{k}::{k}|:{k}»]
            ---
            def {f}(xs):
                return [x for i, x in enumerate(xs) if «i|x» % {k} «== 0|== 1|!= 0»]
        """),
        lambda xs, k: [xs[i] for i in range(0, len(xs), k)],
        lambda k: _ranges(0, 1, k, k + 1, 3 * k),
    ),
    "big-steps": Template(
        "takes a list of integers and returns how many neighbouring elements differ by more "
        "than {k}",
        {"k": (2, 900)},
        _solutions("""
            def {f}(xs):
                count = «0|1»
                for i in range(len(xs) - «1|2»):
                    if abs(xs[i + 1] - xs[i]) «>|>=» {k}:
                        count += 1
                return count
            ---
            def {f}(xs):
                return sum(«abs|»(a - b) «>|>=» {k} for a, b in zip(xs, xs[«1|2»:]))
        """),
        lambda xs, k: sum(max(pair) - min(pair) > k for pair in pairwise(xs)),
        lambda k: [([],), ([1],), ([0, k],), ([0, k + 1],), ([k + 1, 0],), ([0, 2 * k, 0, 1],)],
    ),
    "replace-above": Template(
        "takes a list of integers and returns a new list in which every number greater than {k} "
        "is replaced by {r}",
        {"k": (10, 90), "r": (100, 400)},
        _solutions("""
            def {f}(xs):
                return [{r} if x «>|>=|<» {k} else «x|{k}» for x in xs]
            ---
            def {f}(xs):
                ys = []
                for x in xs:
                    if x «>|>=|<» {k}:
                        x = «{r}|{k}»
                    ys.append(x)
                return ys
        """),
        lambda xs, k, r: [(x, r)[x >= k + 1] for x in xs],
        lambda k, r: _lists(k),
    ),
    "reach-total": Template(
        "takes a list of positive integers and returns how many of them, from the start, it takes "
        "until their sum is at least {k}, or -1 if it never is",
        {"k": (3, 900)},
        _solutions("""
            def {f}(xs):
                total = 0
                for i, x in enumerate(xs):
                    total «+=|=» x
                    if total «>=|>» {k}:
                        return i« + 1|»
                return «-1|0»
            ---
            def {f}(xs):
                for i in range(1, len(xs)« + 1|»):
                    if sum(xs[«:i|i:»]) «>=|>» {k}:
                        return i
                return -1
        """),
        lambda xs, k: next((i for i, t in enumerate(accumulate(xs), 1) if t >= k), -1),
        lambda k: [([],), ([k],), ([1, k - 1, 1],), ([k - 1, 2],), ([1, 1],), ([k, 1],)],
    ),
    "long-words": Template(
        "takes a string of words separated by spaces and returns how many of the words have more "
        "than {k} letters",
        {"k": (2, 30)},
        _solutions("""
            def {f}(text):
                count = 0
                for word in text«.split()|»:
                    if len(word) «>|>=|<» {k}:
                        count += 1
                return count
            ---
            def {f}(text):
                return «len|sum»([w for w in text.split() if len(w) «>|>=|==» {k}])
        """),
        lambda text, k: sum(bool(w[k:]) for w in text.split()),
        lambda k: [("",), ("a " * 3,), (f"{'b' * k} a",), (f"{'c' * (k + 1)} {'d' * (k + 9)}",)],
    ),
    "largest-below": Template(
        "takes a list of integers and returns the largest one that is less than {k}, or None if "
        "there is none",
        {"k": (2, 900)},
        _solutions("""
            def {f}(xs):
                best = None
                for x in xs:
                    if x «<|<=|>» {k} and (best is None or x «>|<» best):
                        best = x
                return best
            ---
            def {f}(xs):
                ys = [x for x in xs if x «<|<=» {k}]
                return «max(ys)|min(ys)|ys[-1]» if ys else None
        """),
        lambda xs, k: max((x for x in xs if k - x > 0), default=None),
        lambda k: [*_lists(k), ([1 - k, k, k - 1, 0],)],
    ),
    "leading-below": Template(
        "takes a list of integers and returns its leading elements up to, but without, the first "
        "one that is {k} or more",
        {"k": (2, 900)},
        _solutions("""
            def {f}(xs):
                ys = []
                for x in xs:
                    if x «>=|>|<=» {k}:
                        «break|continue»
                    ys.append(x)
                return ys
            ---
            def {f}(xs):
                i = 0
                while i < len(xs) and xs[i] «<|<=» {k}:
                    i += 1
                return xs[«:i|:i + 1|i:»]
        """),
        lambda xs, k: list(takewhile(lambda x: x < k, xs)),
        lambda k: [*_lists(k), ([1, k, 2],), ([1, 1 - k, 0, k + 5, 1],)],
    ),
    "digit-sum": Template(
        "takes a non-negative integer and returns the sum of its decimal digits plus {k}",
        {"k": (1, 900)},
        _solutions("""
            def {f}(n):
                total = «{k}|0»
                while n > «0|9»:
                    total += n «%|//» 10
                    n //= 10
                return total
            ---
            def {f}(n):
                return «sum|max»(int(d) for d in str(n)«|[1:]») «+|-» {k}
        """),
        lambda n, k: k + sum(n // 10**i % 10 for i in range(12)),
        lambda k: [(0,), (7,), (10,), (345,), (99_999,), (80_204,)],
    ),
    "rotate": Template(
        "takes a list of at least {k} elements and returns a new list with the first {k} elements "
        "moved to the end",
        {"k": (2, 40)},
        _solutions("""
            def {f}(xs):
                return xs[«{k}|{k_more}»:] + xs[:«{k}|{k_less}|{k_more}»]
            ---
            def {f}(xs):
                ys = list(xs)
                for _ in range(«{k}|{k_more}|{k_less}»):
                    «ys.append(ys.pop(0))|ys.insert(0, ys.pop())»
                return ys
        """),
        lambda xs, k: [xs[(i + k) % len(xs)] for i in range(len(xs))],
        lambda k: _ranges(k + 1, 2 * k + 1, 3 * k + 1),
    ),
}
