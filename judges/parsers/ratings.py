"""Numbers on a scale for one response: one of them, or one for each of several aspects."""

from __future__ import annotations

import math
import re

from bench.types import Status
from judges.parsers.asked import Asked, Read
from judges.parsers.grammar import Grammar
from judges.parsers.objects import final_object, spelt
from judges.parsers.text import ending, filled_lines, plain, without

NUMBER = r"(-?[0-9]{1,4}(?:\.[0-9]{1,4})?)(?:\s*(?:/|out\s+of)\s*([0-9]{1,4}))?"
_LABELS = ("rating", "score", "grade")
_RATING = Grammar(
    _LABELS,
    _LABELS,
    rf"{NUMBER}(?:\s*points?)?(?:\s*[.!])?\s*",
    NUMBER,
)
_ASPECT = re.compile(rf"[-+•\s]*([^:=]{{1,60}}?)\s*[:=]\s*{NUMBER}(?:\s*points?)?\s*\.?")
_NUMBER = re.compile(NUMBER)


def rating(completion: str, asked: Asked) -> Read:
    """One number on the scale asked for, which is the utility.

    Read as a rating: a last line that ends in ``Rating: 7`` (or score, grade), ``Score: 7.5``,
    ``Rating: 8/10``, ``[RESULT] 4`` or ``[[7]]``, a JSON object at the end with such a name, or a
    whole reply that is the number; marks do not matter, nor whose digits they are. A number off the
    scale, or out of another highest one, is no rating.
    """
    text = ending(completion, asked)
    if isinstance(text, Read):
        return text
    found = _RATING.found(text)
    if not found:
        return without(text, "no rating at the end")
    if ("another",) in found or len({float(str(said[0])) for said in found}) > 1:
        return without(text, "two ratings")
    values = [on_scale(str(value), of, asked) for value, of in found]
    wrong = [value for value in values if isinstance(value, str)]
    if wrong:
        return Read(Status.UNPARSED, note=wrong[0])
    return Read(Status.OK, (float(values[0]),))


def aspects(completion: str, asked: Asked) -> Read:
    """One number on the scale for each aspect asked for; the utility is their mean by the weights.

    Read: last lines ``NAME: 4``, one for each aspect in any order, or a JSON object at the end with
    these names. All are there, none twice, and nothing stands below.
    """
    text = ending(completion, asked)
    if isinstance(text, Read):
        return text
    ended = final_object(text)
    lines = filled_lines(text)[-len(asked.prompt.aspects) :]
    said = _in_lines(lines) if ended is None else {_name(k): spelt(v) for k, v in ended[1].items()}
    found: list[float] = []
    for aspect in asked.prompt.aspects:
        match = _NUMBER.fullmatch(plain(said.get(_name(aspect), "")))
        if match is None:
            return without(text, f"no rating of {aspect} at the end")
        value = on_scale(match[1], match[2], asked)
        if isinstance(value, str):
            return Read(Status.UNPARSED, note=f"{aspect}: {value}")
        found.append(value)
    weights = asked.weights or (1.0,) * len(found)
    total = math.fsum(w * value for w, value in zip(weights, found, strict=True))
    return Read(Status.OK, (total / math.fsum(weights),), aspects=tuple(found))


def on_scale(value: str, of: str | None, asked: Asked) -> float | str:
    """The number that `value` spells, `of` being what it is out of; or what is wrong with it."""
    assert asked.prompt.scale is not None  # (prompts are checked)
    low, high = asked.prompt.scale
    number = float(value)
    if low <= number <= high and (of is None or float(of) == high):
        return number
    out_of = "" if of is None else f" out of {float(of):g}"
    return f"{number:g}{out_of}, on a scale from {low} to {high}"


def _in_lines(lines: list[str]) -> dict[str, str]:
    """Name -> number, of lines that hold one of each; a name in two lines has none."""
    said: dict[str, str] = {}
    for line in lines:
        match = _ASPECT.fullmatch(plain(line))
        if match is not None:
            name = _name(match[1])
            said[name] = "" if name in said else f"{match[2]}/{match[3]}" if match[3] else match[2]
    return said


def _name(text: object) -> str:
    """A name as it is compared: case, spaces, hyphens and underscores do not matter."""
    return "".join(c for c in str(text).casefold() if c.isalnum())
