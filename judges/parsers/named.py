"""Which response a judge names as the best, and whether it says yes or no."""

from __future__ import annotations

from bench.types import Status
from judges.parsers.asked import Asked, Read
from judges.parsers.grammar import Grammar, Groups
from judges.parsers.text import ending, opening, without

_LABELS = ("verdict", "answer", "winner", "decision", "choice")
_BEFORE = r"(?:(?:response|assistant|option)\s+)?"
_AFTER = r"(?:\s+is\s+(?:the\s+)?(?:better|best)(?:\s+response)?)?\s*[.!]?\s*"


def _best(sign: str) -> Grammar:
    answer = rf"{_BEFORE}(?:({sign})|(?:a\s+)?(?:tie|draw)){_AFTER}"
    return Grammar(_LABELS, ("verdict", "decision"), answer, rf"(?:({sign})|tie)")


_LETTER, _NUMBER = _best("[A-Z]"), _best(r"[0-9]{1,2}")
_YES_NO = Grammar(_LABELS, _LABELS, r"(yes|no)\s*[.!]?\s*", "(yes|no)")


def choice(completion: str, asked: Asked) -> Read:
    """The best of the responses, by its sign: utility 1 for it and 0 for the others, and where a
    tie is an answer an equal share for all.

    Read as a verdict: a last line that ends in ``Verdict: X`` (or answer, winner, decision, ...),
    ``[RESULT] X`` or ``[[X]]``, a JSON object at the end with such a name, or a whole reply that is
    ``X`` or ``Response X``; brackets, bold marks, quotes and a full stop do not matter, case
    neither.
    """
    text = ending(completion, asked)
    if isinstance(text, Read):
        return text
    found = _grammar(asked).found(text)
    if len(found) != 1:
        return without(text, "two verdicts") if found else without(text, "no verdict at the end")
    return _winner(found.pop(), asked)


def choice_first(completion: str, asked: Asked) -> Read:
    """As `choice`, on the first line, below which reasons may stand (PandaLM, arXiv:2306.05087)."""
    text = opening(completion, asked)
    if isinstance(text, Read):
        return text
    found = _grammar(asked).found(text.partition("\n")[0])
    if len(found) != 1:
        note = "two verdicts" if found else "no verdict on the first line"
        return without(text, note)
    return _winner(found.pop(), asked)


def yes_no(completion: str, asked: Asked) -> Read:
    """Yes is utility 1, no is 0: a whole reply ``Yes``, or an end as in `choice`."""
    text = ending(completion, asked)
    if isinstance(text, Read):
        return text
    found = _YES_NO.found(text)
    if len(found) != 1:
        return without(text, "yes and no" if found else "no yes or no at the end")
    return Read(Status.OK, (1.0 if found == {("YES",)} else 0.0,))


def _grammar(asked: Asked) -> Grammar:
    return _LETTER if asked.prompt.signs == "letters" else _NUMBER


def _winner(said: Groups, asked: Asked) -> Read:
    (sign,) = said
    if sign is None:
        if asked.tie:
            return Read(Status.OK, (1.0 / asked.n,) * asked.n)
        return Read(Status.UNPARSED, note="a tie, which the prompt does not allow")
    if sign not in asked.signs:
        return Read(Status.UNPARSED, note=f"names response {sign} of {asked.n}")
    return Read(Status.OK, tuple(float(sign == each) for each in asked.signs))
