"""The part of a completion in which an answer may stand, and the signs it is written in.

Only the completion is read, without its thinking, and only its end (or its first line, where the
prompt asks for the answer there). A quotation of the prompt is no answer.
"""

from __future__ import annotations

import re
import unicodedata

from bench.types import Status
from judges.parsers.asked import Asked, Read
from judges.parsers.objects import shortened

REACH = 2_000  # characters looked at, so that an enormous reply costs no more than a long one
RESULT = "marked-result"  # what ``[RESULT]`` becomes: the word alone announces nothing
QUOTE = 40  # as many letters and digits in a row that stand in the prompt are a quotation

_TAG = re.compile(r"<(/?)(?:think|thinking|thought|reasoning)>", re.I)
_MARKS = re.compile(r"(?:\s*(?:<\|[^|<>]{1,24}\|>|</s>))+\Z")  # chat format that leaked
_BRACKETS = "[](){}<>"
_EMPHASIS = "*_`~\"'“”‘’#$"
_WITHOUT = {
    True: str.maketrans("", "", _EMPHASIS),
    False: str.maketrans("", "", _EMPHASIS + _BRACKETS),
}
_WIDE = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)} | {0x3000: " ", 0x066B: "."}
_OTHER = re.compile(r"[\W_]+")
_MARKED_RESULT = re.compile(r"\[\s*result\s*\]\s*:?", re.I)
_REFUSAL = re.compile(
    r"(?:i['’]?m (?:very )?sorry|i am sorry|sorry,|i apologi[sz]e|i can(?:no|['’])t|i won['’]t"
    r"|i(?: am|['’]?m) (?:not able|unable)|as an ai\b)"
    r"[^\n]*\b(?:assist|help|compare|judge|rate|evaluate|choose|rank|comply|score)\b",
    re.I,
)


def ending(completion: str, asked: Asked) -> str | Read:
    """The end of what is said, in western digits and signs of ordinary width; or the reason why
    there is none to be read."""
    spoken = _spoken(completion)
    if isinstance(spoken, Read):
        return spoken
    text = _MARKS.sub("", shortened(spoken, REACH)[-REACH:])
    # Also before thinking is cut off: a quoted response may hold the end of a thinking block.
    ends = [letters(_MARKS.sub("", said[-REACH:]))[-QUOTE:] for said in (spoken, completion)]
    if any(_quoted(end, asked.shown) for end in ends):
        return Read(Status.UNPARSED, note="the reply ends in a quotation of the prompt")
    return western(text)


def opening(completion: str, asked: Asked) -> str | Read:
    """The beginning of what is said; otherwise as `ending`."""
    spoken = _spoken(completion)
    if isinstance(spoken, Read):
        return spoken
    starts = [letters(said[:REACH])[:QUOTE] for said in (spoken, completion)]
    if any(_quoted(start, asked.shown) for start in starts):
        return Read(Status.UNPARSED, note="the reply begins with a quotation of the prompt")
    return western(_MARKS.sub("", spoken[:REACH]))


def without(text: str, note: str) -> Read:
    """What is said by a text in which there is no answer."""
    if len(text) < REACH // 4 and _REFUSAL.match(text):
        return Read(Status.REFUSED, note="the judge declined")
    return Read(Status.UNPARSED, note=note)


def western(text: str) -> str:
    """The digits of all scripts as 0 to 9, and full-width signs in ordinary width."""
    text = text.translate(_WIDE)
    return "".join(str(unicodedata.decimal(c)) if c.isdecimal() else c for c in text)


def plain(line: str, brackets: bool = False) -> str:
    """A line without marks of emphasis and outer space, and without brackets unless they are asked
    for; ``[RESULT]`` as the word `RESULT`."""
    marked = _MARKED_RESULT.sub(f" {RESULT} ", line)
    return marked.translate(_WITHOUT[brackets]).replace("\\boxed", "").strip()


def filled_lines(text: str) -> list[str]:
    """The lines that are not blank."""
    return [line for line in text.splitlines() if line.strip()]


def _spoken(completion: str) -> str | Read:
    """What follows the thinking, or why nothing does."""
    last = None
    for last in _TAG.finditer(completion):  # noqa: B007  (the last one counts)
        pass
    if last is not None and not last[1]:
        return Read(Status.TRUNCATED, note="the reply ends inside its thinking block")
    spoken = (completion if last is None else completion[last.end() :]).strip()
    if not _MARKS.sub("", spoken[-REACH:]):
        return Read(Status.UNPARSED, note="the reply is empty")
    return spoken


def letters(text: str) -> str:
    """What is compared: marks of quotation and emphasis do not hide a quotation."""
    return _OTHER.sub("", text.casefold())


def _quoted(piece: str, shown: str) -> bool:
    return len(piece) >= QUOTE and piece in letters(shown)
