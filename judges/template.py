"""The template of a prompt. What models wrote is a value in it, and never a part of it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

from jinja2 import StrictUndefined, TemplateError, meta
from jinja2.sandbox import SandboxedEnvironment

from bench.types import BenchError

VARIABLES = (
    "prompt",
    "history",
    "request",
    "responses",
    "letters",
    "reference",
    "criteria",
    "aspects",
)

_ENVIRONMENT = SandboxedEnvironment(
    undefined=StrictUndefined, autoescape=False, keep_trailing_newline=False, trim_blocks=True
)


class Template:
    """A text in Jinja2 over some of `VARIABLES`. `where`: what errors call its prompt.

    Raises BenchError for a text that is not valid, uses what there is not, or leaves out what is to
    be judged.
    """

    def __init__(self, text: str, where: str) -> None:
        try:
            self.variables = meta.find_undeclared_variables(_ENVIRONMENT.parse(text))
        except TemplateError as error:
            raise BenchError(f"{where}: the template is not valid Jinja2: {error}") from error
        if unknown := self.variables - set(VARIABLES):
            raise BenchError(
                f"{where}: the template uses {', '.join(sorted(unknown))}; "
                f"there are: {', '.join(VARIABLES)}"
            )
        if "responses" not in self.variables:
            raise BenchError(f"{where}: the template never shows the responses; use responses")
        if "request" in self.variables and not self.variables & {"history", "prompt"}:
            raise BenchError(
                f"{where}: the template shows the request alone; a conversation's earlier messages "
                "would be left out: use history too"
            )
        self._text, self._where = text, where

    def render(self, values: Mapping[str, Any]) -> str:
        """The text with its values. Raises BenchError where it fails on these."""
        try:
            return str(self._compiled.render(values))
        except (TemplateError, ArithmeticError, LookupError, TypeError, ValueError) as error:
            raise BenchError(f"{self._where}: {error}. Mend its template.") from error

    @cached_property
    def _compiled(self) -> Any:
        return _ENVIRONMENT.from_string(self._text)
