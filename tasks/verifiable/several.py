"""Domain ties: questions with several right answers, all equally right.

Right answers are built (a sieve, steps of a range, a walk through the calendar); wrong ones are
their neighbours; the checker tests the asked property of one value at a time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from random import Random
from typing import Any

from tasks.verifiable.candidates import Answer, Problem, conclusion
from tasks.verifiable.vocabulary import DAYS, MONTHS

_REMARKS = (
    "There is more than one way to answer this.",
    "Several values are possible, and one of them is enough.",
    "I went through the values near the middle first.",
    "I tried a few candidates and kept one of them.",
    "The condition leaves some room, so I had to choose.",
)


@dataclass(frozen=True, slots=True)
class _Question:
    """`right`: values that answer it. `others`: the values that a wrong answer is drawn from."""

    prompt: str
    params: dict[str, Any]
    right: set[int]
    others: set[int]


def _primes(rng: Random) -> _Question:
    low = rng.randint(10, 900)
    high = low + rng.randint(60, 120)
    sieve = set(range(2, high + 1))
    for factor in range(2, int(high**0.5) + 1):
        sieve -= set(range(factor * factor, high + 1, factor))
    right = {n for n in sieve if n >= low}
    odd = {n for n in range(low, high + 1) if n % 2 and n % 5} - right
    prompt = f"Name a prime number from {low} to {high}."
    return _Question(prompt, {"low": low, "high": high}, right, odd)


def _multiples(rng: Random) -> _Question:
    k, start = rng.randint(6, 19), rng.randint(3, 60)
    low, high = k * start - rng.randrange(k), k * (start + rng.randint(8, 14))
    right = set(range(k * start, high + 1, k))
    near = {n + d for n in right for d in (-2, -1, 1, 2)}
    prompt = f"Name a multiple of {k} from {low} to {high}."
    return _Question(prompt, {"k": k, "low": low, "high": high}, right, near)


def _divisors(rng: Random) -> _Question:
    n = 12 * rng.randint(5, 2000)
    right = {
        d for small in range(2, int(n**0.5) + 1) if n % small == 0 for d in (small, n // small)
    }
    near = {d + step for d in right for step in (-1, 1) if d > 4}
    prompt = f"Name a whole number other than 1 and {n} that divides {n} without remainder."
    return _Question(prompt, {"n": n}, right, near - right)


def _digit_sum(rng: Random) -> _Question:
    total = rng.randint(8, 19)
    right = {
        100 * a + 10 * b + total - a - b
        for a in range(1, 10)
        for b in range(10)
        if 0 <= total - a - b <= 9
    }
    low = rng.randint(100, 400)
    high = low + rng.randint(350, 550)
    right = {n for n in right if low <= n <= high}
    near = {n + step for n in right for step in (-1, 1, 10, -10) if low <= n + step <= high}
    prompt = f"Name a number from {low} to {high} whose digits add up to {total}."
    return _Question(prompt, {"low": low, "high": high, "total": total}, right, near - right)


def _leap_years(rng: Random) -> _Question:
    low = rng.randint(1583, 2300)
    high = low + rng.randint(48, 96)
    right = {y for y in range(low, high) if date(y, 12, 31).timetuple().tm_yday == 366}
    near = {y for y in range(low, high) if y % 2 == 0} - right
    prompt = f"Name a leap year of the Gregorian calendar after {low - 1} and before {high}."
    return _Question(prompt, {"low": low, "high": high}, right, near)


def _weekdays(rng: Random) -> _Question:
    """Values are days counted from 1 January of the year 1 (proleptic ordinals)."""
    year, months = rng.randint(1900, 2099), rng.randint(3, 4)
    month = rng.randint(1, 12 - months + 1)
    wanted = rng.randrange(7)
    day, right = date(year, month, 1), set()
    while day.year == year and day.month < month + months:
        if day.weekday() == wanted:
            right.add(day.toordinal())
        day += timedelta(days=1)
    near = {o + step for o in right for step in (-1, 1) if date.fromordinal(o + step).year == year}
    span = f"{MONTHS[month - 1]} to {MONTHS[month + months - 2]} {year}"
    prompt = f"Name a date from {span} that is a {DAYS[wanted]}."
    params = {"year": year, "first": month, "last": month + months - 1, "day": DAYS[wanted]}
    return _Question(prompt, params, right, near)


_KINDS: dict[str, Callable[[Random], _Question]] = {
    "prime": _primes,
    "multiple": _multiples,
    "divisor": _divisors,
    "digit-sum": _digit_sum,
    "leap-year": _leap_years,
    "weekday": _weekdays,
}


def draw(rng: Random, right: int, wrong: int) -> Problem | None:
    """A question with that many right and wrong answers; None when it does not have as many."""
    kind = rng.choice(list(_KINDS))
    for _ in range(10):  # so that kinds with few answers are not rarer than the others
        question = _KINDS[kind](rng)
        others = question.others - question.right
        if len(question.right) >= right and len(others) >= wrong:
            break
    else:
        return None
    values = rng.sample(sorted(question.right), right) + rng.sample(sorted(others), wrong)
    answers = tuple(Answer(_text(kind, v), more=(rng.choice(_REMARKS),)) for v in values)
    return Problem(kind, question.prompt, question.params, answers[:right], answers[right:])


def _text(kind: str, value: int) -> str:
    if kind != "weekday":
        return str(value)
    day = date.fromordinal(value)
    return f"{day.day} {MONTHS[day.month - 1]} {day.year}"


def check(kind: str, text: str, params: dict[str, Any]) -> bool:
    """Whether the value that the response names has the property asked for."""
    value = conclusion(text)
    if kind == "weekday":
        return _is_weekday(value, **params)
    if not value.isdecimal():
        return False
    n = int(value)
    if kind == "divisor":
        return 1 < n < int(params["n"]) and int(params["n"]) % n == 0
    if not params["low"] <= n <= params["high"]:
        return False
    if kind == "prime":
        return n > 1 and all(n % d for d in range(2, n))
    if kind == "multiple":
        return n % int(params["k"]) == 0
    if kind == "digit-sum":
        return sum(map(int, value)) == int(params["total"])
    return n < int(params["high"]) and (n % 400 == 0 or (n % 4 == 0 and n % 100 != 0))


def _is_weekday(value: str, year: int, first: int, last: int, day: str) -> bool:
    """Zeller's congruence for the Gregorian calendar."""
    number, _, rest = value.partition(" ")
    name, _, of = rest.partition(" ")
    if name not in MONTHS[first - 1 : last] or of != str(year) or not number.isdecimal():
        return False
    month = MONTHS.index(name) + 1
    m, y = (month + 12, year - 1) if month < 3 else (month, year)
    zeller = (int(number) + 13 * (m + 1) // 5 + y + y // 4 - y // 100 + y // 400) % 7
    return DAYS[(zeller + 5) % 7] == day
