"""Domain factuality: facts that the standard library or arithmetic can check.

Each kind makes a question, its answer and near misses (the neighbouring day, one letter along, a
factor that moved). Whether a response is right is decided in `fact_check`.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from http import HTTPStatus
from random import Random
from typing import Any

from tasks.verifiable.candidates import Answer, Problem
from tasks.verifiable.vocabulary import DAYS, MONTHS, SPELLING

_GREEK_AND_CYRILLIC = [chr(c) for c in (*range(0x3B1, 0x3C2), *range(0x3C3, 0x3CA))] + [
    chr(c) for c in range(0x430, 0x450)
]
_UNITS = (
    ("inches", "centimetres", "2.54", ("2.45", "2.64", "25.4")),
    ("feet", "centimetres", "30.48", ("30.84", "34.08", "36.48")),
    ("yards", "centimetres", "91.44", ("94.14", "91.14", "90.44")),
    ("miles", "metres", "1609.344", ("1690.344", "1609.434", "1852")),
    ("nautical miles", "metres", "1852", ("1825", "1582", "1609.344")),
    ("pounds", "grams", "453.59237", ("435.59237", "454.59237", "453.95237")),
    ("ounces", "grams", "28.349523125", ("28.439523125", "29.349523125", "28.3495")),
    ("imperial gallons", "litres", "4.54609", ("4.45609", "4.56409", "3.785411784")),
)
_ROMAN = (
    *((1000, "M"), (900, "CM"), (500, "D"), (400, "CD"), (100, "C"), (90, "XC"), (50, "L")),
    *((40, "XL"), (10, "X"), (9, "IX"), (5, "V"), (4, "IV"), (1, "I")),
)
# Codes whose phrase is the same in every version of Python from 3.11 on.
_CODES = (*range(200, 207), *range(300, 306), *range(400, 412), *range(500, 506))


@dataclass(frozen=True, slots=True)
class _Question:
    """`truth`: the right answer. `near`: wrong ones. `remarks`: true whatever the answer."""

    prompt: str
    params: dict[str, Any]
    truth: str
    near: list[str]
    remarks: tuple[str, ...]


_CALENDAR = (
    "I use the Gregorian calendar.",
    "The Gregorian calendar repeats every 400 years.",
    "Counting days needs care around the end of February.",
)
_NUMBERS = (
    "This can be worked out by hand.",
    "I went through it one digit at a time.",
    "It takes only a few small divisions to see this.",
)
_LETTERS = (
    "I spelled it out letter by letter.",
    "Spaces do not count as letters here.",
    "I counted from the left, starting at one.",
)
_TABLES = (
    "This is fixed by a public standard.",
    "The value stands in the published table.",
    "It has not changed for many years.",
)


def _written(day: date) -> str:
    return f"{day.day} {MONTHS[day.month - 1]} {day.year}"


def _some_day(rng: Random) -> date:
    return date(1900, 1, 1) + timedelta(days=rng.randrange(73_000))


def _weekday(rng: Random) -> _Question:
    day = _some_day(rng)
    name = DAYS[day.weekday()]
    near = [DAYS[(day.weekday() + step) % 7] for step in (-2, -1, 1, 2)]
    prompt = f"Which day of the week is {_written(day)}?"
    return _Question(prompt, {"day": day.isoformat()}, name, near, _CALENDAR)


def _days_between(rng: Random) -> _Question:
    start, days = _some_day(rng), rng.randint(20, 300)
    end = start + timedelta(days=days)
    near = [str(days + step) for step in (-30, -2, -1, 1, 2, 30)]
    prompt = f"How many days after {_written(start)} is {_written(end)}?"
    params = {"start": start.isoformat(), "end": end.isoformat()}
    return _Question(prompt, params, str(days), near, _CALENDAR)


def _date_after(rng: Random) -> _Question:
    start, days = _some_day(rng), rng.randint(20, 120)
    end = start + timedelta(days=days)
    near = [_written(end + timedelta(days=step)) for step in (-2, -1, 1, 2)]
    prompt = f"Which date is {days} days after {_written(start)}?"
    params = {"start": start.isoformat(), "days": days}
    return _Question(prompt, params, _written(end), near, _CALENDAR)


def _choice(
    rng: Random, question: str, truth: str, near: list[str], remarks: tuple[str, ...]
) -> _Question:
    options = rng.sample([truth, *near], 1 + len(near))
    prompt = f"{question}: {', '.join(options)}?"
    return _Question(prompt, {"options": options}, truth, near, remarks)


def _leap_year(rng: Random) -> _Question:
    leap = 4 * rng.randint(400, 599)
    if leap % 100 == 0 and leap % 400:
        leap += 4
    century = 100 * rng.choice((17, 18, 19, 21, 22, 23))
    near = [str(century), *map(str, rng.sample([y for y in range(1600, 2400) if y % 4], 2))]
    prompt = "Which of these years is a leap year in the Gregorian calendar"
    return _choice(rng, prompt, str(leap), near, _CALENDAR)


def _prime(rng: Random) -> _Question:
    odd = [n for n in range(101, 1000, 2) if n % 5]
    primes = [n for n in odd if all(n % d for d in range(3, 32, 2))]
    composites = sorted({*odd} - {*primes})
    near = [str(n) for n in rng.sample(composites, 3)]
    truth = str(rng.choice(primes))
    return _choice(rng, "Which of these numbers is prime", truth, near, _NUMBERS)


def _smallest_factor(rng: Random) -> _Question:
    small = (3, 5, 7, 11, 13, 17, 19, 23, 29, 31)
    p, q = rng.choice(small), rng.randrange(101, 999, 2)
    n = p * q
    truth = min(d for d in small if n % d == 0)
    near = [str(d) for d in small if d != truth]
    prompt = f"What is the smallest prime number that divides {n}?"
    return _Question(prompt, {"n": n}, str(truth), rng.sample(near, 4), _NUMBERS)


def _roman(n: int) -> str:
    text = ""
    for value, sign in _ROMAN:
        text += sign * (n // value)
        n %= value
    return text


def _to_roman(rng: Random) -> _Question:
    n = rng.randint(40, 3900)
    near = [_roman(n + step) for step in (-10, -1, 1, 10)]
    return _Question(f"Write {n} in Roman numerals.", {"n": n}, _roman(n), near, _NUMBERS)


def _from_roman(rng: Random) -> _Question:
    n = rng.randint(40, 3900)
    near = [str(n + step) for step in (-20, -10, -2, -1, 1, 2, 10, 20)]
    prompt = f"Which number is the Roman numeral {_roman(n)}?"
    return _Question(prompt, {"roman": _roman(n)}, str(n), near, _NUMBERS)


def _base(rng: Random) -> _Question:
    base, form = rng.choice(((2, "b"), (8, "o"), (16, "X")))
    n = rng.randint(40, 250) if base == 2 else rng.randint(200, 60_000)
    near = [format(n + step, form) for step in (-base, -1, 1, base)]
    prompt = f"Write the decimal number {n} in base {base}."
    return _Question(prompt, {"n": n, "base": base}, format(n, form), near, _NUMBERS)


def _letter_count(rng: Random) -> _Question:
    text = " ".join(rng.sample(SPELLING, 2))
    letter = rng.choice(sorted({*text} - {" "}))
    truth = text.count(letter)
    near = [str(n) for n in (truth - 1, truth + 1, truth + 2, truth - 2) if n >= 0]
    prompt = f"How many times does the letter “{letter}” occur in “{text}”?"
    return _Question(prompt, {"text": text, "letter": letter}, str(truth), near, _LETTERS)


def _nth_letter(rng: Random) -> _Question:
    text = " ".join(rng.sample(SPELLING, 2))
    letters = text.replace(" ", "")
    n = rng.randint(3, len(letters) - 2)
    around = dict.fromkeys(letters[max(n - 4, 0) : n + 3])
    near = [c for c in around if c != letters[n - 1]]
    prompt = f"Which letter is number {n} in “{text}”, not counting the space?"
    return _Question(prompt, {"text": text, "n": n}, letters[n - 1], near, _LETTERS)


def _character(rng: Random) -> _Question:
    character = rng.choice(_GREEK_AND_CYRILLIC)
    code = ord(character)
    names = [unicodedata.name(chr(code + step)) for step in (0, -2, -1, 1, 2)]
    prompt = f"What is the official name of the Unicode character U+{code:04X}?"
    return _Question(prompt, {"code": code}, names[0], names[1:], _TABLES)


def _code_point(rng: Random) -> _Question:
    character = rng.choice(_GREEK_AND_CYRILLIC)
    code = ord(character)
    near = [f"U+{code + step:04X}" for step in (-16, -2, -1, 1, 2, 16)]
    prompt = f"What is the Unicode code point of “{character}” ({unicodedata.name(character)})?"
    return _Question(prompt, {"character": character}, f"U+{code:04X}", near, _TABLES)


def _unit(rng: Random) -> _Question:
    source, target, factor, slips = rng.choice(_UNITS)
    n = rng.randint(2, 900)
    numbers = [Decimal(factor) * m for m in (n, n - 1, n + 1)] + [Decimal(s) * n for s in slips]
    truth, *near = [f"{number.normalize():f} {target}" for number in numbers]
    prompt = f"How many {target} are {n} {source}, exactly?"
    params = {"n": n, "factor": factor, "target": target}
    return _Question(prompt, params, truth, near, _TABLES)


def _status(rng: Random) -> _Question:
    code = rng.choice(_CODES)
    near = [HTTPStatus(c).phrase for c in _CODES if c != code and c // 100 == code // 100]
    prompt = f"What is the standard reason phrase of the HTTP status code {code}?"
    return _Question(prompt, {"code": code}, HTTPStatus(code).phrase, near, _TABLES)


_KINDS: dict[str, Callable[[Random], _Question]] = {
    "weekday": _weekday,
    "days-between": _days_between,
    "date-after": _date_after,
    "leap-year": _leap_year,
    "prime": _prime,
    "smallest-factor": _smallest_factor,
    "to-roman": _to_roman,
    "from-roman": _from_roman,
    "base": _base,
    "letter-count": _letter_count,
    "nth-letter": _nth_letter,
    "character": _character,
    "code-point": _code_point,
    "unit": _unit,
    "http-status": _status,
}


def draw(rng: Random, right: int, wrong: int) -> Problem | None:
    """A question with one right answer and that many wrong ones, all different."""
    kind = rng.choice(list(_KINDS))
    question = _KINDS[kind](rng)
    near = [v for v in dict.fromkeys(question.near) if v != question.truth]
    if right != 1 or len(near) < wrong:
        return None
    values = (question.truth, *rng.sample(near, wrong))
    answers = tuple(Answer(v, more=(rng.choice(question.remarks),)) for v in values)
    return Problem(kind, question.prompt, question.params, answers[:1], answers[1:])
