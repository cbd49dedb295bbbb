"""What a user types for a task or a judge, taken apart.

A *spec* is ``NAME``, ``KIND:ARGUMENT`` or ``KIND:ARGUMENT,option=value,...``; lists of specs are
joined by commas.
"""

from __future__ import annotations

import dataclasses
import re
import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from bench.types import BenchError

Settings = TypeVar("Settings")
_OPTION = re.compile(r"[A-Za-z_]\w*=")


@dataclass(frozen=True)
class Spec:
    """One task or judge as asked for. `name`: the kind; `argument`: what follows the colon;
    `options`: settings, as text from the command line or typed from a card; `label`: the name in
    tables; `text`: as typed."""

    name: str
    argument: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    label: str = ""
    text: str = ""

    def bare(self, what: str) -> None:
        """Raises BenchError where an argument or options were given; `what` takes none."""
        if self.argument or self.options:
            raise BenchError(f"{self.text!r}: {what} has no settings; {self.name} alone expected")

    def settings(self, cls: type[Settings]) -> Settings:
        """The options as the dataclass `cls`, converted to its field types.

        Raises BenchError with the valid names, or with the type that was expected.
        """
        hints = typing.get_type_hints(cls)
        names = [f.name for f in dataclasses.fields(cls)]  # type: ignore[arg-type]
        for option in self.options:
            if option not in names:
                raise BenchError(
                    f"{self.text!r}: no option {option!r}. Options: {', '.join(names) or 'none'}"
                )
        values = {k: _convert(v, hints[k], f"{self.text!r}: {k}") for k, v in self.options.items()}
        return cls(**values)


def parse_specs(text: str) -> list[Spec]:
    """``a,b:x,k=v,c`` -> three specs: a piece ``k=v`` belongs to the spec before it."""
    pieces: list[list[str]] = []
    for piece in filter(None, (p.strip() for p in text.split(","))):
        if _OPTION.match(piece) and pieces:
            pieces[-1].append(piece)
        else:
            pieces.append([piece])
    return [_parse(first, rest) for first, *rest in pieces]


def parse_spec(text: str) -> Spec:
    """One spec. Raises BenchError when `text` holds none, or several."""
    specs = parse_specs(text)
    if len(specs) != 1:
        raise BenchError(f"{text!r} names {len(specs)} things; one expected")
    return specs[0]


def _parse(first: str, rest: list[str]) -> Spec:
    name, _, argument = first.partition(":")
    if _OPTION.match(argument):
        rest, argument = [argument, *rest], ""
    text = ",".join([first, *rest]) if argument or not rest else f"{name}:{','.join(rest)}"
    return Spec(name, argument, parse_options(rest, text), text, text)


def parse_options(pieces: Sequence[str], where: str) -> dict[str, str]:
    """``k=v`` -> {k: v}. `where`: they were typed. Raises BenchError for a piece that is no option,
    and for one that is given twice."""
    for piece in pieces:
        if not _OPTION.match(piece):
            raise BenchError(f"{where!r}: {piece!r} is no option; name=value expected")
    options = dict(piece.split("=", 1) for piece in pieces)
    if len(options) < len(pieces):
        raise BenchError(f"{where!r}: an option is given twice; once expected")
    return options


def _convert(value: Any, hint: Any, where: str) -> Any:
    """A value from a command line or a card -> the type a settings field declares."""
    if isinstance(hint, types.UnionType):
        if value is None or value == "none":
            return None
        hint = next(t for t in hint.__args__ if t is not types.NoneType)
    if typing.get_origin(hint) is tuple:
        inner = typing.get_args(hint)[0]
        parts = value.split("+") if isinstance(value, str) else value
        if not isinstance(parts, list | tuple):
            raise BenchError(f"{where} is {value!r}; a list expected")
        return tuple(_convert(part, inner, where) for part in parts)
    if hint is bool and isinstance(value, str):
        if value.lower() not in ("true", "false", "yes", "no", "1", "0"):
            raise BenchError(f"{where} is {value!r}; true or false expected")
        return value.lower() in ("true", "yes", "1")
    if hint in (int, float, str, bool):
        try:
            return hint(value)
        except (TypeError, ValueError):
            raise BenchError(f"{where} is {value!r}; {hint.__name__} expected") from None
    return value
