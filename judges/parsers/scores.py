"""One score for each response shown, on the first line (JudgeLM, arXiv:2310.17631)."""

from __future__ import annotations

import re

from bench.types import Status
from judges.parsers.asked import Asked, Read
from judges.parsers.objects import final_object, spelt
from judges.parsers.ratings import NUMBER, on_scale
from judges.parsers.text import ending, opening, plain, without

_LABEL = re.compile(r"(?:scores?|ratings?)\s*[:=]\s*", re.I)
_SCORE = re.compile(
    rf"(?:(?:(?:response|assistant|answer)\s+)?([A-Z]|[0-9]{{1,2}})\s*[:=]\s*)?{NUMBER}(?!\.?[0-9])",
    re.I | re.A,
)
_BETWEEN = re.compile(r"\s*[,;|]\s*(?:and\s+)?|\s+(?:and\s+)?", re.I)
_END = re.compile(r"\s*[.,;]?\s*")

Scored = list[tuple[str | None, str, str | None]]  # sign, number, what it is out of


def scores(completion: str, asked: Asked) -> Read:
    """As many numbers on the scale asked for as responses, in the order shown: the utilities.

    Read: a first line ``7 3``, ``7/10, 3.5/10`` or ``A: 7, B: 3``, with or without ``Scores:``
    before it, whatever stands below; or a JSON object at the end, ``{"scores": [7, 3]}`` or with
    the signs for names.
    """
    text = opening(completion, asked)
    if isinstance(text, Read):
        return text
    said = _in_line(text.partition("\n")[0]) or _in_object(completion, asked)
    if len(said) != asked.n or not _in_order([sign for sign, _, _ in said], asked):
        note = f"{len(said)} scores on the first line; {asked.n} expected"
        return without(text, note if len(said) != asked.n else "scores in another order")
    values = [on_scale(value, of, asked) for _, value, of in said]
    for value in values:
        if isinstance(value, str):
            return Read(Status.UNPARSED, note=value)
    return Read(Status.OK, tuple(map(float, values)))


def _in_line(line: str) -> Scored:
    """The scores that make up a line; none where it holds anything else."""
    line = plain(line)
    label = _LABEL.match(line)
    at = label.end() if label else 0
    found: Scored = []
    while match := _SCORE.match(line, at):
        found.append((match[1], match[2], match[3]))
        at = match.end()
        if _END.fullmatch(line, at):
            return found
        between = _BETWEEN.match(line, at)
        at = between.end() if between else len(line)
    return []


def _in_object(completion: str, asked: Asked) -> Scored:
    text = ending(completion, asked)
    ended = None if isinstance(text, Read) else final_object(text)
    if ended is None:
        return []
    listed = ended[1].get("scores", ended[1])
    if isinstance(listed, dict):
        listed = [listed.get(sign.casefold()) for sign in asked.signs]
    if not isinstance(listed, list):
        return []
    scored = [_SCORE.fullmatch(plain(spelt(value))) for value in listed]
    return [(m[1], m[2], m[3]) for m in scored if m is not None]


def _in_order(signs: list[str | None], asked: Asked) -> bool:
    if signs == [None] * len(signs):
        return True
    return tuple(sign and sign.upper() for sign in signs) == asked.signs
