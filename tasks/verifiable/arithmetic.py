"""Domain math: short calculations, worked in steps.

A calculation is a chain of operations. A wrong answer comes from one slip (a result off by one, a
carry forgotten or counted twice), carried on faithfully, or from a wrong method (a sign, the order
of operations, a remainder taken for its quotient). The checker knows neither chains nor slips: it
tests every equation that a response writes down, and its result against a closed form.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from operator import add, floordiv, mul, sub
from random import Random
from typing import Any

from tasks.verifiable.candidates import Answer, Problem, conclusion, plain
from tasks.verifiable.vocabulary import NAMES

Operand = int | str  # "r0" is the result of step 0
Step = tuple[Operand, str, Operand]
Worked = list[tuple[int, str, int, int]]

_OPERATIONS = {"+": add, "-": sub, "×": mul, "÷": floordiv}
_EQUATION = re.compile(r"(-?\d+) ([-+×÷]) (-?\d+) = (-?\d+)")
_ASK = ("What is {}?", "Compute {}.", "Work out {}.")


@dataclass(frozen=True, slots=True)
class _Sum:
    """`chain`: the right method. `traps`: wrong methods. `slips`: what a result can be off by."""

    prompt: str
    params: dict[str, int]
    chain: tuple[Step, ...]
    traps: tuple[tuple[Step, ...], ...] = ()
    slips: tuple[int, ...] = (1, -1, 10, -10)


def _addition(rng: Random) -> _Sum:
    a, b = rng.randint(120, 980), rng.randint(120, 980)
    high = b - b % 100
    chain: tuple[Step, ...] = ((a, "+", high), ("r0", "+", b - high))
    slips = (1, -1, 10, -10, 100, -100)
    return _Sum(rng.choice(_ASK).format(f"{a} + {b}"), {"a": a, "b": b}, chain, slips=slips)


def _subtraction(rng: Random) -> _Sum:
    b = rng.randint(120, 700)
    a = b + rng.randint(60, 900)
    high = b - b % 100
    chain: tuple[Step, ...] = ((a, "-", high), ("r0", "-", b - high))
    trap: tuple[Step, ...] = ((a, "-", high), ("r0", "+", b - high))
    prompt = rng.choice(_ASK).format(f"{a} - {b}")
    return _Sum(prompt, {"a": a, "b": b}, chain, (trap,), (1, -1, 10, -10, 100, -100))


def _product(rng: Random) -> _Sum:
    a, b = rng.randint(12, 98), rng.randint(12, 98)
    tens, ones = b - b % 10, b % 10
    chain: tuple[Step, ...] = ((a, "×", tens), (a, "×", ones), ("r0", "+", "r1"))
    prompt = rng.choice(_ASK).format(f"{a} × {b}")
    return _Sum(prompt, {"a": a, "b": b}, chain, (), (1, -1, 10, -10, a, -a, 100, -100))


def _precedence(rng: Random) -> _Sum:
    a, b, c = rng.randint(3, 90), rng.randint(3, 40), rng.randint(3, 12)
    times_first: tuple[Step, ...] = ((b, "×", c), (a, "+", "r0"))
    plus_first: tuple[Step, ...] = ((a, "+", b), ("r0", "×", c))
    params = {"a": a, "b": b, "c": c, "brackets": rng.randrange(2)}
    text = f"({a} + {b}) × {c}" if params["brackets"] else f"{a} + {b} × {c}"
    chain, trap = (plus_first, times_first) if params["brackets"] else (times_first, plus_first)
    return _Sum(rng.choice(_ASK).format(text), params, chain, (trap,))


def _equation(rng: Random) -> _Sum:
    a, b, x = rng.randint(2, 12), rng.randint(2, 60), rng.randint(2, 60)
    c = a * x + b
    params = {"a": a, "b": b, "c": c}
    chain: tuple[Step, ...] = ((c, "-", b), ("r0", "÷", a))
    trap: tuple[Step, ...] = ((c, "+", b), ("r0", "÷", a))
    prompt = rng.choice(("Solve {} for x.", "Which x solves {}?")).format(f"{a}x + {b} = {c}")
    return _Sum(prompt, params, chain, (trap,), (1, -1, a, -a, 2 * a, -2 * a))


def _percentage(rng: Random) -> _Sum:
    p, n = rng.randrange(5, 100, 5), rng.randrange(40, 1000, 20)
    chain: tuple[Step, ...] = ((n, "×", p), ("r0", "÷", 100))
    prompt = rng.choice(_ASK).format(f"{p} percent of {n}")
    return _Sum(prompt, {"p": p, "n": n}, chain, (), (1, -1, 2, -2, 10, -10, 100, -100))


def _remainder(rng: Random) -> _Sum:
    b, a = rng.randint(6, 19), rng.randint(60, 400)
    q = a // b
    chain: tuple[Step, ...] = ((q, "×", b), (a, "-", "r0"))
    trap: tuple[Step, ...] = ((q - 1, "×", b), (a, "-", "r0"))
    prompt = f"What is the remainder when {a} is divided by {b}?"
    return _Sum(prompt, {"a": a, "b": b}, chain, (trap,), (1, -1, 2, -2))


def _average(rng: Random) -> _Sum:
    x, y, mean = rng.randint(5, 44), rng.randint(5, 44), rng.randint(30, 70)
    z = 3 * mean - x - y
    chain: tuple[Step, ...] = ((x, "+", y), ("r0", "+", z), ("r1", "÷", 3))
    prompt = f"What is the average of {x}, {y} and {z}?"
    return _Sum(prompt, {"x": x, "y": y, "z": z}, chain, (), (1, -1, 3, -3, 30, -30))


def _perimeter(rng: Random) -> _Sum:
    a, b = rng.randint(3, 60), rng.randint(3, 60)
    chain: tuple[Step, ...] = ((a, "+", b), ("r0", "×", 2))
    traps: tuple[tuple[Step, ...], ...] = (((a, "×", b),), ((a, "+", b),))
    prompt = f"A rectangle is {a} metres long and {b} metres wide. How many metres is its outline?"
    return _Sum(prompt, {"a": a, "b": b}, chain, traps)


def _boxes(rng: Random) -> _Sum:
    a, b = rng.randint(3, 24), rng.randint(4, 24)
    c = rng.randint(2, a * b - 2)
    thing = rng.choice(("pencils", "apples", "marbles", "stamps", "candles", "tiles"))
    prompt = (
        f"{rng.choice(NAMES)} buys {a} boxes of {b} {thing} each and gives {c} {thing} away. "
        f"How many {thing} are left?"
    )
    chain: tuple[Step, ...] = ((a, "×", b), ("r0", "-", c))
    traps: tuple[tuple[Step, ...], ...] = (((a, "×", b), ("r0", "+", c)), ((b, "×", a),))
    return _Sum(prompt, {"a": a, "b": b, "c": c}, chain, traps)


def _tickets(rng: Random) -> _Sum:
    a, p, c, q = rng.randint(2, 9), rng.randint(6, 25), rng.randint(2, 9), rng.randint(2, 12)
    prompt = (
        f"{rng.choice(NAMES)} buys {a} adult tickets at {p} euros each and {c} child tickets at "
        f"{q} euros each. How many euros is that in all?"
    )
    chain: tuple[Step, ...] = ((a, "×", p), (c, "×", q), ("r0", "+", "r1"))
    trap: tuple[Step, ...] = ((a, "×", q), (c, "×", p), ("r0", "+", "r1"))
    return _Sum(prompt, {"a": a, "p": p, "c": c, "q": q}, chain, (trap,))


_KINDS: dict[str, Callable[[Random], _Sum]] = {
    "addition": _addition,
    "subtraction": _subtraction,
    "product": _product,
    "precedence": _precedence,
    "equation": _equation,
    "percentage": _percentage,
    "remainder": _remainder,
    "average": _average,
    "perimeter": _perimeter,
    "boxes": _boxes,
    "tickets": _tickets,
}

_TRUTH: dict[str, Callable[[int, dict[str, int]], bool]] = {
    "addition": lambda v, p: v == p["a"] + p["b"],
    "subtraction": lambda v, p: v + p["b"] == p["a"],
    "product": lambda v, p: v == p["a"] * p["b"],
    "precedence": lambda v, p: (
        v == ((p["a"] + p["b"]) * p["c"] if p["brackets"] else p["a"] + p["b"] * p["c"])
    ),
    "equation": lambda v, p: p["a"] * v + p["b"] == p["c"],
    "percentage": lambda v, p: 100 * v == p["p"] * p["n"],
    "remainder": lambda v, p: v == p["a"] % p["b"],
    "average": lambda v, p: 3 * v == p["x"] + p["y"] + p["z"],
    "perimeter": lambda v, p: v == 2 * p["a"] + 2 * p["b"],
    "boxes": lambda v, p: v + p["c"] == p["a"] * p["b"],
    "tickets": lambda v, p: v == p["a"] * p["p"] + p["c"] * p["q"],
}


def draw(rng: Random, right: int, wrong: int) -> Problem | None:
    """A calculation with that many right (1 at most) and wrong answers, all results distinct."""
    kind = rng.choice(list(_KINDS))
    task = _KINDS[kind](rng)
    truth = _work(task.chain)
    if truth is None:
        return None
    # A wrong method is one of few, a slip one of many: threefold, so that both are seen.
    tries = [_work(trap) for trap in task.traps for _ in range(3)]
    tries += [_work(task.chain, at, by) for at in range(len(task.chain)) for by in task.slips]
    rng.shuffle(tries)
    pool = {worked[-1][3]: worked for worked in tries if worked}
    pool.pop(truth[-1][3], None)
    if len(pool) < wrong:
        return None
    answers = [_answer(worked) for worked in (truth, *rng.sample(list(pool.values()), wrong))]
    return Problem(kind, task.prompt, task.params, tuple(answers[:right]), tuple(answers[1:]))


def check(kind: str, text: str, params: dict[str, Any]) -> bool:
    """Whether every equation written in the response holds and its result is the right one."""
    value = conclusion(text)
    if not re.fullmatch(r"-?\d+", value):
        return False
    equations = _EQUATION.findall(plain(text))
    return all(_holds(*equation) for equation in equations) and _TRUTH[kind](int(value), params)


def _holds(a: str, sign: str, b: str, result: str) -> bool:
    x, y, z = int(a), int(b), int(result)
    return {"+": z == x + y, "-": z == x - y, "×": z == x * y, "÷": z * y == x}[sign]


def _work(chain: tuple[Step, ...], slip_at: int = -1, slip: int = 0) -> Worked | None:
    """The chain worked out, with one result off by `slip`; None when it leaves the whole numbers
    from 0 up."""
    worked: Worked = []
    for index, (left, sign, right) in enumerate(chain):
        a, b = (worked[int(x[1:])][3] if isinstance(x, str) else x for x in (left, right))
        if sign == "÷" and a % b:
            return None
        result = _OPERATIONS[sign](a, b)
        result += slip if index == slip_at else 0
        if result < 0:
            return None
        worked.append((a, sign, b, result))
    return worked


def _answer(worked: Worked) -> Answer:
    more = tuple(f"{a} {sign} {b} = {result}." for a, sign, b, result in worked)
    return Answer(str(worked[-1][3]), more=more)
