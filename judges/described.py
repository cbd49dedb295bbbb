"""What a card says of a judge beside the settings that change its verdicts."""

from __future__ import annotations

from dataclasses import dataclass, replace

from bench.types import JudgeCard


@dataclass(frozen=True)
class Described:
    """Options that every kind with a model takes. `licence`: of its weights. `families`,
    `trained_on`, `context`: see JudgeCard. `trained`: None where the kind itself tells.
    `parameters`: where the files do not tell. `usd_per_hour`: of the machine that it runs on."""

    description: str | None = None
    licence: str | None = None
    families: tuple[str, ...] = ()
    trained: bool | None = None
    trained_on: tuple[str, ...] = ()
    parameters: int | None = None
    context: int | None = None
    usd_per_hour: float | None = None

    def on(self, card: JudgeCard) -> JudgeCard:
        """`card` with what is said here; what is not said stays as it was."""
        said = {name: value for name, value in vars(self).items() if name in _NAMES}
        return replace(card, **{name: v for name, v in said.items() if v not in (None, ())})


_NAMES = frozenset(Described.__dataclass_fields__)
