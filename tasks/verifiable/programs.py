"""Short Python functions with their tasks, their mutations, and an independent reference.

A mutation is a replacement in the source that makes it wrong in a way people do: a bound one off, a
comparison swapped, a start value wrong. The list is finite, so that every one can be run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import accumulate, takewhile
from typing import Any

Inputs = list[tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class Solution:
    """A right source, with {f} for the function's name, and its mutations (old, new)."""

    source: str
    mutations: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Template:
    """`task`: what the function does. `ranges`: lowest and highest value of each parameter.
    `reference`: what it must return. `inputs`: arguments that tell every mutation apart."""

    task: str
    ranges: Mapping[str, tuple[int, int]]
    solutions: tuple[Solution, ...]
    reference: Callable[..., Any]
    inputs: Callable[..., Inputs]


def _lists(*points: int) -> Inputs:
    """Lists of integers on, just below and just above the points."""
    near = [p + step for p in points for step in (-1, 0, 1)]
    inputs: Inputs = [([],), (near,), (near[::-1],), ([0, *near, -3, 7, 2000],)]
    return inputs + [([n],) for n in near] + [([n, n + 1, n],) for n in near]


def _numbers(*points: int) -> Inputs:
    return [(p + step,) for p in points for step in (-40, -1, 0, 1, 40)]


def _range(*sizes: int) -> Inputs:
    return [(list(range(5, 5 + size)),) for size in sizes]


def _loop(test: str, act: str, start: str = "0") -> str:
    return (
        f"def {{f}}(xs):\n    result = {start}\n    for x in xs:\n        if {test}:\n"
        f"            {act}\n    return result"
    )


_COUNT = ("result += 1", "result = 1")
TEMPLATES: dict[str, Template] = {
    "count-above": Template(
        "takes a list of integers and returns how many of them are greater than {k}",
        {"k": (2, 900)},
        (
            Solution(
                _loop("x > {k}", "result += 1"),
                (("x > {k}", "x >= {k}"), ("x > {k}", "x < {k}"), _COUNT),
            ),
            Solution(
                "def {f}(xs):\n    return len([x for x in xs if x > {k}])",
                (("x > {k}", "x >= {k}"), ("x > {k}", "x < {k}"), ("len(", "sum(")),
            ),
        ),
        lambda xs, k: sum(x - k >= 1 for x in xs),
        lambda k: _lists(k),
    ),
    "count-at-least": Template(
        "takes a list of integers and returns how many of them are at least {k}",
        {"k": (2, 900)},
        (
            Solution(
                _loop("x >= {k}", "result += 1"),
                (("x >= {k}", "x > {k}"), ("x >= {k}", "x <= {k}"), _COUNT),
            ),
            Solution(
                "def {f}(xs):\n    return sum(1 for x in xs if x >= {k})",
                (("x >= {k}", "x > {k}"), ("x >= {k}", "x <= {k}"), ("sum(1", "sum(x")),
            ),
        ),
        lambda xs, k: len(list(filter(lambda x: not x < k, xs))),
        lambda k: _lists(k),
    ),
    "sum-between": Template(
        "takes a list of integers and returns the sum of those from {a} to {b}, both included",
        {"a": (2, 90), "b": (100, 400)},
        (
            Solution(
                _loop("{a} <= x <= {b}", "result += x"),
                (
                    ("<= {b}", "< {b}"),
                    ("{a} <=", "{a} <"),
                    ("result += x", "result += 1"),
                    ("result = 0", "result = 1"),
                ),
            ),
            Solution(
                "def {f}(xs):\n    return sum(x for x in xs if x >= {a} and x <= {b})",
                (("<= {b}", "< {b}"), (">= {a}", "> {a}"), (" and ", " or ")),
            ),
        ),
        lambda xs, a, b: sum(x * (x in range(a, b + 1)) for x in xs),
        lambda a, b: _lists(a, b),
    ),
    "sum-range": Template(
        "takes an integer n and returns the sum of all integers from {a} to n, n included",
        {"a": (2, 900)},
        (
            Solution(
                "def {f}(n):\n    total = 0\n    for i in range({a}, n + 1):\n"
                "        total += i\n    return total",
                (
                    ("n + 1", "n"),
                    ("range({a}, ", "range({a} + 1, "),
                    ("total = 0", "total = 1"),
                    ("n + 1", "n + 2"),
                ),
            ),
            Solution(
                "def {f}(n):\n    return sum(range({a}, n + 1))",
                (("n + 1", "n"), ("n + 1", "n + 2"), ("{a}, ", "{a} + 1, ")),
            ),
        ),
        lambda n, a: (n - a + 1) * (n + a) // 2 if n >= a else 0,
        lambda a: _numbers(a),
    ),
    "clamp": Template(
        "takes an integer and returns {a} if it is below {a}, {b} if it is above {b}, and "
        "otherwise the integer itself",
        {"a": (2, 200), "b": (300, 900)},
        (
            Solution(
                "def {f}(x):\n    if x < {a}:\n        return {a}\n    if x > {b}:\n"
                "        return {b}\n    return x",
                (("x < {a}", "x > {a}"), ("return {b}", "return {a}"), ("return x", "return {b}")),
            ),
            Solution(
                "def {f}(x):\n    return max({a}, min({b}, x))",
                (
                    ("max({a}, min(", "min({a}, max("),
                    ("min(", "max("),
                    ("{a}, min({b}", "{b}, min({a}"),
                ),
            ),
        ),
        lambda x, a, b: sorted((a, x, b))[1],
        lambda a, b: _numbers(a, b),
    ),
    "first-above": Template(
        "takes a list of integers and returns the index of the first one greater than {k}, or -1 "
        "if there is none",
        {"k": (2, 900)},
        (
            Solution(
                "def {f}(xs):\n    for i, x in enumerate(xs):\n        if x > {k}:\n"
                "            return i\n    return -1",
                (
                    ("x > {k}", "x >= {k}"),
                    ("return i", "return x"),
                    ("return -1", "return 0"),
                    ("enumerate(xs)", "enumerate(xs, 1)"),
                ),
            ),
            Solution(
                "def {f}(xs):\n    for i in range(len(xs)):\n        if xs[i] > {k}:\n"
                "            return i\n    return -1",
                (
                    ("> {k}", ">= {k}"),
                    ("range(len(xs))", "range(1, len(xs))"),
                    ("len(xs))", "len(xs) - 1)"),
                ),
            ),
        ),
        lambda xs, k: next((i for i in range(len(xs)) if k < xs[i]), -1),
        lambda k: _lists(k),
    ),
    "every-kth": Template(
        "takes a list and returns a list of every {k}th element of it, starting with the first",
        {"k": (4, 19)},
        (
            Solution(
                "def {f}(xs):\n    return xs[::{k}]",
                (("[::{k}]", "[1::{k}]"), ("[::{k}]", "[{k}::{k}]"), ("[::{k}]", "[:{k}]")),
            ),
            Solution(
                "def {f}(xs):\n    return [x for i, x in enumerate(xs) if i % {k} == 0]",
                (("== 0", "== 1"), ("== 0", "!= 0"), ("i % {k} == 0", "x % {k} == 0")),
            ),
        ),
        lambda xs, k: [xs[i] for i in range(0, len(xs), k)],
        lambda k: _range(0, 1, k, k + 1, 3 * k),
    ),
    "big-steps": Template(
        "takes a list of integers and returns how many neighbouring elements differ by more "
        "than {k}",
        {"k": (2, 900)},
        (
            Solution(
                "def {f}(xs):\n    count = 0\n    for i in range(len(xs) - 1):\n"
                "        if abs(xs[i + 1] - xs[i]) > {k}:\n            count += 1\n    return count",
                (
                    ("len(xs) - 1", "len(xs) - 2"),
                    ("> {k}", ">= {k}"),
                    ("len(xs) - 1", "len(xs)"),
                    ("count = 0", "count = 1"),
                ),
            ),
            Solution(
                "def {f}(xs):\n    return sum(abs(a - b) > {k} for a, b in zip(xs, xs[1:]))",
                (("abs(a - b)", "(a - b)"), ("> {k}", ">= {k}"), ("xs[1:]", "xs[2:]")),
            ),
        ),
        lambda xs, k: sum(max(p) - min(p) > k for p in zip(xs[:-1], xs[1:], strict=True)),
        lambda k: [([],), ([1],), ([0, k],), ([0, k + 1],), ([k + 1, 0],), ([0, 2 * k, 0, 1],)],
    ),
    "replace-above": Template(
        "takes a list of integers and returns a new list in which every number greater than {k} "
        "is replaced by {r}",
        {"k": (10, 90), "r": (100, 400)},
        (
            Solution(
                "def {f}(xs):\n    return [{r} if x > {k} else x for x in xs]",
                (
                    ("x > {k}", "x >= {k}"),
                    ("{r} if x > {k} else x", "x if x > {k} else {r}"),
                    ("{r} if", "{k} if"),
                ),
            ),
            Solution(
                "def {f}(xs):\n    ys = []\n    for x in xs:\n        if x > {k}:\n"
                "            x = {r}\n        ys.append(x)\n    return ys",
                (("x > {k}", "x >= {k}"), ("x = {r}", "x = {k}"), ("x > {k}", "x < {k}")),
            ),
        ),
        lambda xs, k, r: [(x, r)[x >= k + 1] for x in xs],
        lambda k, r: _lists(k),
    ),
    "reach-total": Template(
        "takes a list of positive integers and returns how many of them, from the start, it takes "
        "until their sum is at least {k}, or -1 if it never is",
        {"k": (3, 900)},
        (
            Solution(
                "def {f}(xs):\n    total = 0\n    for i, x in enumerate(xs):\n        total += x\n"
                "        if total >= {k}:\n            return i + 1\n    return -1",
                (
                    ("total >= {k}", "total > {k}"),
                    ("return i + 1", "return i"),
                    ("return -1", "return 0"),
                    ("total += x", "total = x"),
                ),
            ),
            Solution(
                "def {f}(xs):\n    for i in range(1, len(xs) + 1):\n"
                "        if sum(xs[:i]) >= {k}:\n            return i\n    return -1",
                (
                    (">= {k}", "> {k}"),
                    ("len(xs) + 1", "len(xs)"),
                    ("xs[:i]", "xs[i:]"),
                    ("return i\n", "return i + 1\n"),
                ),
            ),
        ),
        lambda xs, k: next((i for i, t in enumerate(accumulate(xs), 1) if t >= k), -1),
        lambda k: [([],), ([k],), ([1, k - 1, 1],), ([k - 1, 2],), ([1, 1],), ([k, 1],)],
    ),
    "long-words": Template(
        "takes a string of words separated by spaces and returns how many of the words have more "
        "than {k} letters",
        {"k": (2, 30)},
        (
            Solution(
                "def {f}(text):\n    count = 0\n    for word in text.split():\n"
                "        if len(word) > {k}:\n            count += 1\n    return count",
                (("> {k}", ">= {k}"), ("> {k}", "< {k}"), ("text.split()", "text")),
            ),
            Solution(
                "def {f}(text):\n    return len([w for w in text.split() if len(w) > {k}])",
                (("> {k}", ">= {k}"), ("> {k}", "== {k}"), ("return len(", "return sum(")),
            ),
        ),
        lambda text, k: sum(bool(w[k:]) for w in text.split()),
        lambda k: [("",), ("a " * 3,), (f"{'b' * k} a",), (f"{'c' * (k + 1)} {'d' * (k + 9)}",)],
    ),
    "largest-below": Template(
        "takes a list of integers and returns the largest one that is less than {k}, or None if "
        "there is none",
        {"k": (2, 900)},
        (
            Solution(
                "def {f}(xs):\n    best = None\n    for x in xs:\n"
                "        if x < {k} and (best is None or x > best):\n            best = x\n"
                "    return best",
                (("x < {k}", "x <= {k}"), ("x > best", "x < best"), ("x < {k}", "x > {k}")),
            ),
            Solution(
                "def {f}(xs):\n    ys = [x for x in xs if x < {k}]\n"
                "    return max(ys) if ys else None",
                (("x < {k}", "x <= {k}"), ("max(ys)", "min(ys)"), ("max(ys)", "ys[0]")),
            ),
        ),
        lambda xs, k: max((x for x in xs if k - x > 0), default=None),
        lambda k: [*_lists(k), ([1 - k, k, k - 1, 0],)],
    ),
    "leading-below": Template(
        "takes a list of integers and returns its leading elements up to, but without, the first "
        "one that is {k} or more",
        {"k": (2, 900)},
        (
            Solution(
                "def {f}(xs):\n    ys = []\n    for x in xs:\n        if x >= {k}:\n"
                "            break\n        ys.append(x)\n    return ys",
                (("x >= {k}", "x > {k}"), ("break", "continue"), ("ys = []", "ys = [{k}]")),
            ),
            Solution(
                "def {f}(xs):\n    i = 0\n    while i < len(xs) and xs[i] < {k}:\n"
                "        i += 1\n    return xs[:i]",
                (("xs[i] < {k}", "xs[i] <= {k}"), ("xs[:i]", "xs[:i + 1]"), ("xs[:i]", "xs[i:]")),
            ),
        ),
        lambda xs, k: list(takewhile(lambda x: x < k, xs)),
        lambda k: [*_lists(k), ([1, k, 2],), ([1, 1 - k, 0, k + 5, 1],)],
    ),
    "digit-sum": Template(
        "takes a non-negative integer and returns the sum of its decimal digits plus {k}",
        {"k": (1, 900)},
        (
            Solution(
                "def {f}(n):\n    total = {k}\n    while n > 0:\n        total += n % 10\n"
                "        n //= 10\n    return total",
                (
                    ("n > 0", "n > 9"),
                    ("total += n % 10", "total += n // 10"),
                    ("total = {k}", "total = 0"),
                ),
            ),
            Solution(
                "def {f}(n):\n    return sum(int(d) for d in str(n)) + {k}",
                (("str(n))", "str(n)[1:])"), (") + {k}", ") - {k}"), ("sum(", "max(")),
            ),
        ),
        lambda n, k: k + sum(n // 10**i % 10 for i in range(12)),
        lambda k: [(0,), (7,), (10,), (345,), (99_999,), (80_204,)],
    ),
    "rotate": Template(
        "takes a list of at least {k} elements and returns a new list with the first {k} elements "
        "moved to the end",
        {"k": (2, 40)},
        (
            Solution(
                "def {f}(xs):\n    return xs[{k}:] + xs[:{k}]",
                (
                    ("xs[{k}:] + xs[:{k}]", "xs[-{k}:] + xs[:-{k}]"),
                    ("xs[:{k}]", "xs[:{k} - 1]"),
                    ("xs[{k}:]", "xs[{k} + 1:]"),
                ),
            ),
            Solution(
                "def {f}(xs):\n    ys = list(xs)\n    for _ in range({k}):\n"
                "        ys.append(ys.pop(0))\n    return ys",
                (
                    ("range({k})", "range({k} + 1)"),
                    ("range({k})", "range({k} - 1)"),
                    ("ys.append(ys.pop(0))", "ys.insert(0, ys.pop())"),
                ),
            ),
        ),
        lambda xs, k: [xs[(i + k) % len(xs)] for i in range(len(xs))],
        lambda k: _range(k + 1, k + 2, 3 * k + 1),
    ),
}
