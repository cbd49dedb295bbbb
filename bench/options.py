"""A dataclass of options as people read it: names, defaults, and what its docstring says."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from typing import Any

_SAID = re.compile(r"((?:`\w+`, )*`\w+`): (.+?)(?:\. |\.?$)")


@dataclass(frozen=True)
class Option:
    """`default`: as it would be typed; empty for one that has none. `meaning`: empty where nothing
    is said."""

    name: str
    default: str
    meaning: str


def options_of(cls: type[Any]) -> list[Option]:
    """Every field of the dataclass `cls`. Its meaning is the sentence that a docstring has of it
    (`name`: meaning.): that of the class, or of the nearest that it inherits from."""
    said: dict[str, str] = {}
    for base in reversed(cls.__mro__):
        words = " ".join((vars(base).get("__doc__") or "").split())
        for names, meaning in _SAID.findall(words):
            meaning = meaning.replace("None", "none")  # as it is typed
            said |= dict.fromkeys(re.findall(r"\w+", names), meaning)
    return [Option(f.name, _typed(f.default), said.get(f.name, "")) for f in fields(cls)]


def _typed(default: Any) -> str:
    if isinstance(default, tuple):
        return "+".join(map(_typed, default))
    return str(default).lower() if default is None or isinstance(default, bool) else str(default)
