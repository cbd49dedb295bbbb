"""Whether a response states the fact that was asked for.

Goes the other way round than `facts`: reads the answer back (a numeral, a date, a name) and asks
whether that answers the question, with other parts of the standard library or by another rule.
"""

from __future__ import annotations

import re
import unicodedata
from calendar import isleap, monthrange
from collections.abc import Callable
from fractions import Fraction
from http import HTTPStatus
from typing import Any

from tasks.verifiable.candidates import conclusion
from tasks.verifiable.vocabulary import DAYS, MONTHS

_ROMAN = {"I": 1, "V": 5, "X": 10, "L": 50, "C": 100, "D": 500, "M": 1000}


def _parts(iso: str) -> tuple[int, int, int]:
    year, month, day = map(int, iso.split("-"))
    return year, month, day


def _day_number(year: int, month: int, day: int) -> int:
    """Days since a fixed day, by adding up the lengths of years and months."""
    years = 365 * (year - 1) + (year - 1) // 4 - (year - 1) // 100 + (year - 1) // 400
    return years + sum(monthrange(year, m)[1] for m in range(1, month)) + day


def _weekday(value: str, day: str) -> bool:
    """Zeller's congruence for the Gregorian calendar."""
    year, month, number = _parts(day)
    m, y = (month + 12, year - 1) if month < 3 else (month, year)
    from_saturday = (number + 13 * (m + 1) // 5 + y + y // 4 - y // 100 + y // 400) % 7
    return DAYS[(from_saturday + 5) % 7] == value


def _days_between(value: str, start: str, end: str) -> bool:
    return str(_day_number(*_parts(end)) - _day_number(*_parts(start))) == value


def _date_after(value: str, start: str, days: int) -> bool:
    found = re.fullmatch(r"(\d{1,2}) ([A-Z][a-z]+) (\d{4})", value)
    if not found or found[2] not in MONTHS:
        return False
    end = int(found[3]), MONTHS.index(found[2]) + 1, int(found[1])
    return end[2] <= monthrange(*end[:2])[1] and _day_number(*end) == (
        _day_number(*_parts(start)) + days
    )


def _is_prime(n: int) -> bool:
    return n > 1 and all(n % d for d in range(2, n))


def _prime(value: str, options: list[str]) -> bool:
    return value in options and _is_prime(int(value))


def _leap_year(value: str, options: list[str]) -> bool:
    return value in options and isleap(int(value))


def _smallest_factor(value: str, n: int) -> bool:
    return value.isdecimal() and next(d for d in range(2, n + 1) if n % d == 0) == int(value)


def _read_roman(text: str) -> int:
    values = [_ROMAN[sign] for sign in text]
    after = [*values[1:], 0, 0]
    return sum(-value if value < after[i] else value for i, value in enumerate(values))


def _to_roman(value: str, n: int) -> bool:
    """Reads the numeral, after its form (each place once, at most three in a row) is found good."""
    places = "M{0,3}(CM|CD|D?C{0,3})(XC|XL|L?X{0,3})(IX|IV|V?I{0,3})"
    return bool(re.fullmatch(places, value)) and _read_roman(value) == n


def _from_roman(value: str, roman: str) -> bool:
    return value == str(_read_roman(roman))


def _base(value: str, n: int, base: int) -> bool:
    digits = "0123456789ABCDEF"[:base]
    return bool(re.fullmatch(f"[{digits}]+", value)) and int(value, base) == n


def _letter_count(value: str, text: str, letter: str) -> bool:
    return value == str(len(text) - len(text.replace(letter, "")))


def _nth_letter(value: str, text: str, n: int) -> bool:
    return value == "".join(text.split())[n - 1]


def _character(value: str, code: int) -> bool:
    try:
        return unicodedata.lookup(value) == chr(code)
    except KeyError:
        return False


def _code_point(value: str, character: str) -> bool:
    found = re.fullmatch(r"U\+([0-9A-F]{4,6})", value)
    return bool(found) and f"{ord(character):04X}" == value[2:]


def _unit(value: str, n: int, factor: str, target: str) -> bool:
    number, _, unit = value.partition(" ")
    is_number = re.fullmatch(r"\d+(\.\d+)?", number)
    return bool(is_number) and unit == target and Fraction(number) / n == Fraction(factor)


def _status(value: str, code: int) -> bool:
    return any(status.value == code and status.phrase == value for status in HTTPStatus)


_CHECKS: dict[str, Callable[..., bool]] = {
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


def check(kind: str, text: str, params: dict[str, Any]) -> bool:
    """Whether the value that the response ends in answers the question."""
    return _CHECKS[kind](conclusion(text), **params)
