"""Text -> which response the judge named. Pure functions; all text is hostile.

Only the completion is read, and only its end: a verdict in the middle of an explanation is not
one. What is unclear stays unclear: nothing here guesses, and no text raises.
"""

from __future__ import annotations

import re
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


Parser = Callable[[str, int, bool, str], Reading]
"""completion, number of responses shown, whether a tie is a verdict, prompt as shown -> reading"""


def choice(completion: str, n: int, tie: bool, prompt: str) -> Reading:
    """The best of `n` (2 to 26) responses that the judge knows as A, B, C, ...

    Read as a verdict: a last line that ends in ``Verdict: X`` or ``[[X]]``, or a whole reply that
    is ``X`` or ``Response X``; brackets, bold marks, quotes and a full stop do not matter, case
    neither. An end that is quoted from `prompt` is no verdict. Time is linear in the length.
    """
    spoken = _after_thinking(completion)
    if spoken is None:
        return Reading(Status.TRUNCATED, note="the reply ends inside its thinking block")
    text = _MARKS.sub("", spoken.strip()[-TAIL:])
    if not text:
        return Reading(Status.UNPARSED, note="the reply is empty")
    # Also before thinking is cut off: a quoted response may hold the end of a thinking block.
    if _quoted(text, prompt) or _quoted(completion.strip()[-TAIL:], prompt):
        return Reading(Status.UNPARSED, note="the reply ends in a quotation of the prompt")
    answers = _answers(text)
    if len(answers) == 1:
        return _winner(answers.pop(), n, tie)
    if not answers and len(text) < TAIL // 4 and _REFUSAL.match(text):
        return Reading(Status.REFUSED, note="the judge declined")
    return Reading(Status.UNPARSED, note="two verdicts" if answers else "no verdict at the end")


PARSERS: Mapping[str, Parser] = {"choice": choice}


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
