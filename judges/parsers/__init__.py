"""Text -> what a judge said. Pure functions, one a form of answer; all text is hostile.

What is unclear stays unclear: nothing here guesses, and no text raises.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from judges.parsers.asked import Asked, Declaration, Parser, Read, signs_of
from judges.parsers.named import choice, choice_first, yes_no
from judges.parsers.rankings import ranking
from judges.parsers.ratings import aspects, rating
from judges.parsers.scores import scores

__all__ = [
    "FORMS",
    "PARSERS",
    "VERSION",
    "Asked",
    "Declaration",
    "Form",
    "Parser",
    "Read",
    "signs_of",
]

VERSION = 2
"""Part of a judge's identity: raise it when a parser reads any text differently."""


@dataclass(frozen=True)
class Form:
    """A form of answer. `pointwise`: it is about one response alone. `returns`: what a prompt may
    say that it returns; the first of them always. `scale`, `aspects`: whether it needs them."""

    read: Parser
    pointwise: bool
    returns: tuple[str, ...]
    scale: bool = False
    aspects: bool = False


FORMS: Mapping[str, Form] = {
    "choice": Form(choice, False, ("letter", "tie")),
    "choice_first": Form(choice_first, False, ("letter", "tie")),
    "scores": Form(scores, False, ("scores",), scale=True),
    "ranking": Form(ranking, False, ("ranking", "tie")),
    "rating": Form(rating, True, ("rating",), scale=True),
    "aspects": Form(aspects, True, ("ratings",), scale=True, aspects=True),
    "yes_no": Form(yes_no, True, ("yes-no",)),
}
PARSERS: Mapping[str, Parser] = {name: form.read for name, form in FORMS.items()}
