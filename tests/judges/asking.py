"""What the tests of parsers ask."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from judges.parsers import Asked


@dataclass(frozen=True)
class Declared:
    """What a prompt says of its answer."""

    returns: tuple[str, ...] = ()
    scale: tuple[int, int] | None = (1, 10)
    aspects: Mapping[str, str] = field(default_factory=dict)
    signs: str = "letters"


def asked(
    n: int = 2, tie: bool = True, shown: str = "", weights: tuple[float, ...] = (), **said: object
) -> Asked:
    """Something asked about `n` responses."""
    declared = Declared(returns=("tie",) if tie else (), **said)  # type: ignore[arg-type]
    return Asked(n, declared, shown, weights)
