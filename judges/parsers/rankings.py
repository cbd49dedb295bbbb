"""All responses in order of merit, the best first (as GPTRank asks, arXiv:2305.14239)."""

from __future__ import annotations

import re

from bench.types import Status
from judges.parsers.asked import Asked, Read
from judges.parsers.objects import final_object, spelt
from judges.parsers.text import ending, filled_lines, without

_LABEL = re.compile(r"(?:.*[^A-Z])?(?:ranking|order|verdict|answer)\s*(?:is\s*)?[:=]", re.I | re.A)
_MARKS = str.maketrans("≻", ">", "*_`~\"'“”‘’[](){}#$")


def ranking(completion: str, asked: Asked) -> Read:
    """Utility = number of responses that come after it; of equal ones, the mean of theirs.

    Read: a last line that is, or ends after ``Ranking:`` in, ``B > A = C``, or a JSON object at the
    end, ``{"ranking": ["B", "A", "C"]}``. Each response is named once.
    """
    text = ending(completion, asked)
    if isinstance(text, Read):
        return text
    groups = _groups(text)
    named = [sign for group in groups for sign in group]
    if len(named) < 2:
        return without(text, "no ranking at the end")
    if sorted(named) != sorted(asked.signs):
        return Read(Status.UNPARSED, note=f"ranks {', '.join(named)} of {asked.n} responses"[:200])
    if len(groups) < len(named) and not asked.tie:
        return Read(Status.UNPARSED, note="a tie, which the prompt does not allow")
    utility: dict[str, float] = {}
    after = float(asked.n)
    for group in groups:
        after -= len(group)
        utility |= dict.fromkeys(group, after + (len(group) - 1) / 2)
    return Read(Status.OK, tuple(utility[sign] for sign in asked.signs))


def _groups(text: str) -> list[list[str]]:
    """The signs by rank; equal ones together."""
    ended = final_object(text)
    if ended is not None:
        listed = ended[1].get("ranking")
        listed = listed if isinstance(listed, list) else []
        return [[spelt(sign).strip().upper()] for sign in listed]
    line = filled_lines(text)[-1].translate(_MARKS)
    label = _LABEL.match(line)
    chain = line[label.end() if label else 0 :].strip().removesuffix(".").upper()
    return [[sign.strip() for sign in group.split("=")] for group in chain.split(">")]
