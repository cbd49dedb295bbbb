"""What a parser is told, and what it says."""

from __future__ import annotations

import string
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from bench.types import Status


class Declaration(Protocol):
    """What a prompt says of its answer: see judges.prompt.Prompt."""

    @property
    def returns(self) -> tuple[str, ...]: ...
    @property
    def scale(self) -> tuple[int, int] | None: ...
    @property
    def aspects(self) -> Mapping[str, str]: ...
    @property
    def signs(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked. `n`: number of responses shown. `prompt`: what the prompt says of its answer.
    `shown`: the prompt's text, of which a reply may be a quotation. `weights`: of the aspects in
    the utility, one each; equal where none are given."""

    n: int
    prompt: Declaration
    shown: str = ""
    weights: tuple[float, ...] = ()

    @property
    def signs(self) -> tuple[str, ...]:
        """What the responses shown are called, in order: A, B, ... or 1, 2, ..."""
        return signs_of(self.prompt.signs, self.n)

    @property
    def tie(self) -> bool:
        """Whether a tie is an answer."""
        return "tie" in self.prompt.returns


def signs_of(signs: str, n: int) -> tuple[str, ...]:
    """What `n` responses are called: A, B, ... (letters, up to 26) or 1, 2, ... (numbers)."""
    if signs == "letters":
        return tuple(string.ascii_uppercase[:n])
    return tuple(str(i + 1) for i in range(n))


@dataclass(frozen=True, slots=True)
class Read:
    """What a completion says. `utilities`: one finite number per response, in the order shown; None
    unless `status` is OK. `note`: why there is no verdict. `aspects`: one rating per aspect asked
    for, of which the utility is the weighted mean."""

    status: Status
    utilities: tuple[float, ...] | None = None
    note: str = ""
    aspects: tuple[float, ...] = ()


Parser = Callable[[str, Asked], Read]
"""completion, what was asked -> what it says. Pure, never raises, linear in the completion."""
