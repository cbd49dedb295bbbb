"""Text -> which response the judge named, or how it rated one. Pure functions; all text is hostile.

Only the completion is read, and only its end: a verdict in the middle of an explanation is not
one. What is unclear stays unclear: nothing here guesses, and no text raises.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from bench.types import Status

VERSION = 1
"""Part of a judge's identity: raise it when a parser reads any text differently."""

TAIL = 2_000  # characters looked at, so that an enormous reply costs no more than a long one
BARE = 40  # a one-line reply of at most this many characters may be the answer and nothing else
QUOTE = 40  # an end of at least this many characters that stands in the prompt is a quotation

_TAG = re.compile(r"<(/?)(?:think|thinking|thought|reasoning)>", re.I)
_MARKS = re.compile(r"(?:\s*(?:<\|[^|<>]{1,24}\|>|</s>))+\Z")  # chat format that leaked
_DECORATION = str.maketrans("", "", "*_`~\"'“”‘’[](){}<>#$")
_LABEL = r"(?:verdict|answer|winner)\s*(?:is\s*)?[:：=]"
_ANSWER = (
    r"\s*(?:(?:response|assistant|option)\s+)?(?:([A-Z])|(?:a\s+)?(?:tie|draw))"
    r"(?:\s+is\s+(?:the\s+)?(?:better|best)(?:\s+response)?)?\s*[.!]?\s*"
)
_ASCII = re.I | re.A  # without re.A, re.I takes signs outside A to Z for letters
_BARE = re.compile(_ANSWER, _ASCII)
_NAMED = re.compile(rf"(?:.*[^A-Z])?{_LABEL}{_ANSWER}", _ASCII)
_BRACKETED = re.compile(r".*\[\[\s*(?:([A-Z])|tie)\s*\]\]\W*", _ASCII)
_NUMBER = (
    r"(-?\d{1,4}(?:\.\d{1,4})?)(?:\s*(?:/|out\s+of)\s*(\d{1,4}))?(?:\s*points?)?(?:\s*[.!])?\s*"
)
_RATING_LABEL = r"(?:rating|score|grade)\s*(?:is\s*)?[:：=]"
_BARE_RATING = re.compile(rf"\s*{_NUMBER}", _ASCII)
_NAMED_RATING = re.compile(rf"(?:.*[^A-Z])?{_RATING_LABEL}\s*{_NUMBER}", _ASCII)
_BRACKETED_RATING = re.compile(
    r".*\[\[\s*(-?\d{1,4}(?:\.\d{1,4})?)(?:\s*/\s*(\d{1,4}))?\s*\]\]\W*", _ASCII
)
_NAMING_RATING = re.compile(rf"{_RATING_LABEL}[\s*_]*(?:\[\[)?|\[\[", _ASCII)
_NAMING = re.compile(rf"{_LABEL}[\s*_]*(?:\[\[)?|\[\[", _ASCII)
_REFUSAL = re.compile(
    r"(?:i['’]?m (?:very )?sorry|i am sorry|sorry,|i can(?:no|['’])t|i['’]?m (?:not able|unable)"
    r"|i am (?:not able|unable))[^\n]*\b(?:assist|help|compare|judge|evaluate|choose|comply)\b",
    re.I,
)


@dataclass(frozen=True, slots=True)
class Reading:
    """What a completion says. `winners`: positions in the order shown, all of them for a tie,
    none unless `status` is OK. `note`: why there is no verdict."""

    status: Status
    winners: tuple[int, ...] = ()
    note: str = ""


@dataclass(frozen=True, slots=True)
class Rated:
    """What a completion says of one response. `rating`: None unless `status` is OK. `note`: why
    there is none."""

    status: Status
    rating: float | None = None
    note: str = ""


Parser = Callable[[str, int, bool, str], Reading]
"""completion, number of responses shown, whether a tie is a verdict, prompt as shown -> reading"""

Rater = Callable[[str, tuple[int, int], str], Rated]
"""completion, lowest and highest rating, prompt as shown -> rating"""


def choice(completion: str, n: int, tie: bool, prompt: str) -> Reading:
    """The best of `n` (2 to 26) responses that the judge knows as A, B, C, ...

    Read as a verdict: a last line that ends in ``Verdict: X`` or ``[[X]]``, or a whole reply that
    is ``X`` or ``Response X``; brackets, bold marks, quotes and a full stop do not matter, case
    neither. An end that is quoted from `prompt` is no verdict. Time is linear in the length.
    """
    text, status, note = _end(completion, prompt)
    if status is not Status.OK:
        return Reading(status, note=note)
    answers = _answers(text)
    if len(answers) == 1:
        return _winner(answers.pop(), n, tie)
    status, note = _without(text, "verdict", bool(answers))
    return Reading(status, note=note)


def rating(completion: str, scale: tuple[int, int], prompt: str) -> Rated:
    """One number on `scale` (lowest, highest).

    Read as a rating: a last line that ends in ``Rating: 7``, ``Score: 7.5``, ``8/10``, ``8 out of
    10`` after such a word, or ``[[7]]``, or a whole reply that is the number; marks do not matter,
    nor whose digits they are. A number off the scale, or out of another highest one, is no rating.
    """
    text, status, note = _end(completion, prompt)
    if status is not Status.OK:
        return Rated(status, note=note)
    found = _ratings(_western(text))
    if len(found) != 1:
        status, note = _without(text, "rating", bool(found))
        return Rated(status, note=note)
    value, of = found.pop()
    low, high = scale
    if not low <= value <= high or (of is not None and of != high):
        out_of = "" if of is None else f" out of {of:g}"
        return Rated(Status.UNPARSED, note=f"{value:g}{out_of}, on a scale from {low} to {high}")
    return Rated(Status.OK, value)


PARSERS: Mapping[str, Parser] = {"choice": choice}
RATERS: Mapping[str, Rater] = {"rating": rating}


def _end(completion: str, prompt: str) -> tuple[str, Status, str]:
    """The end of what is said after any thinking, or the status and the reason why there is none
    to be read."""
    spoken = _after_thinking(completion)
    if spoken is None:
        return "", Status.TRUNCATED, "the reply ends inside its thinking block"
    text = _MARKS.sub("", spoken.strip()[-TAIL:])
    if not text:
        return "", Status.UNPARSED, "the reply is empty"
    # Also before thinking is cut off: a quoted response may hold the end of a thinking block.
    if _quoted(text, prompt) or _quoted(completion.strip()[-TAIL:], prompt):
        return "", Status.UNPARSED, "the reply ends in a quotation of the prompt"
    return text, Status.OK, ""


def _without(text: str, what: str, several: bool) -> tuple[Status, str]:
    """Status and reason of a text whose end holds no answer, or `several`."""
    if not several and len(text) < TAIL // 4 and _REFUSAL.match(text):
        return Status.REFUSED, "the judge declined"
    return Status.UNPARSED, f"two {what}s" if several else f"no {what} at the end"


def _after_thinking(text: str) -> str | None:
    """What follows the thinking; None when the thinking never ends."""
    last = None
    for last in _TAG.finditer(text):  # noqa: B007  (the last one counts)
        pass
    if last is None:
        return text
    return text[last.end() :] if last[1] else None


def _quoted(text: str, prompt: str) -> bool:
    end = "".join(text.split()).casefold()[-QUOTE:]
    return len(end) >= QUOTE and end in "".join(prompt.split()).casefold()


def _answers(text: str) -> set[str]:
    """The letters (or "TIE") named by the verdict lines that end the text: one if it is clear."""
    lines = [line for line in text.splitlines() if line.strip()]
    if len(lines) == 1 and len(text) <= BARE and (match := _BARE.fullmatch(_plain(text))):
        return {_named(match)}
    found: set[str] = set()
    for line in reversed(lines):  # several verdict lines in a row must agree
        match = _BRACKETED.fullmatch(line) or _NAMED.fullmatch(_plain(line))
        namings = len(_NAMING.findall(line))
        if match is None or namings == 0:
            break
        found |= {_named(match)} if namings == 1 else {_named(match), "another"}
    return found


def _ratings(text: str) -> set[tuple[float, float | None]]:
    """The ratings in the lines that end the text, each with the number that it is out of, if it
    says so: one if it is clear."""
    lines = [line for line in text.splitlines() if line.strip()]
    if len(lines) == 1 and len(text) <= BARE and (match := _BARE_RATING.fullmatch(_plain(text))):
        return {_rated(match)}
    found: set[tuple[float, float | None]] = set()
    for line in reversed(lines):  # several lines of ratings in a row must agree
        match = _BRACKETED_RATING.fullmatch(line) or _NAMED_RATING.fullmatch(_plain(line))
        if match is None:
            break
        found.add(_rated(match))
        namings = len(_NAMING_RATING.findall(line))
        if namings > 1:
            found.add((-1.0, -1.0))  # another one in the same line
    return found


def _rated(match: re.Match[str]) -> tuple[float, float | None]:
    return float(match[1]), None if match[2] is None else float(match[2])


def _western(text: str) -> str:
    """The digits of all scripts as 0 to 9."""
    return "".join(str(unicodedata.decimal(c)) if c.isdecimal() else c for c in text)


def _plain(line: str) -> str:
    return line.translate(_DECORATION).replace("\\boxed", "")


def _named(match: re.Match[str]) -> str:
    return (match[1] or "tie").upper()


def _winner(answer: str, n: int, tie: bool) -> Reading:
    if answer == "TIE":
        if tie:
            return Reading(Status.OK, tuple(range(n)))
        return Reading(Status.UNPARSED, note="a tie, which the prompt does not allow")
    position = ord(answer) - ord("A")
    if position < n:
        return Reading(Status.OK, (position,))
    return Reading(Status.UNPARSED, note=f"names response {answer} of {n}")
