"""A prompt file: the words in which a judge is asked, kept as data.

Model text is only ever a value of a template, never a template: it cannot carry instructions to
the renderer. What it says to the judge is another matter, and the judge's own.
"""

from __future__ import annotations

import string
from dataclasses import MISSING, dataclass, fields
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal, cast, get_args

import yaml
from jinja2 import StrictUndefined, Template, TemplateError, meta
from jinja2.sandbox import SandboxedEnvironment

from bench.types import BenchError, Message, Protocol, Trial, content_key
from judges.parsers import PARSERS, RATERS

LETTERS = string.ascii_uppercase
VARIABLES = frozenset({"prompt", "responses", "letters", "reference"})
Outcome = Literal["letter", "tie", "rating"]

_ENVIRONMENT = SandboxedEnvironment(
    undefined=StrictUndefined, autoescape=False, keep_trailing_newline=False, trim_blocks=True
)


@dataclass(frozen=True)
class Prompt:
    """How a judge is asked, and how its answer is read.

    `name`: as in cards. `protocols`: pairwise, listwise; or pointwise alone. `follows`: the
    published protocol it imitates, or "own". `licence`: of the wording. `parser`: a name in
    judges.parsers.PARSERS, or in RATERS where it is pointwise. `returns`: what the answer may be:
    letter, tie; or rating alone. `template`: Jinja2 over `prompt` (messages with `role` and
    `content`), `responses` (texts in the order shown), `letters` (A, B, ...) and, where it is used,
    `reference` (text, or none). `scale`: lowest and highest rating.
    """

    name: str
    protocols: tuple[Protocol, ...]
    follows: str
    licence: str
    parser: str
    returns: tuple[Outcome, ...]
    template: str
    scale: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        where = f"prompt {self.name!r}"
        _among(where, "protocols", self.protocols, get_args(Protocol))
        _among(where, "returns", self.returns, get_args(Outcome))
        _among(where, "parser", (self.parser,), (*PARSERS, *RATERS))
        rates = (
            self.protocols == ("pointwise",),
            self.returns == ("rating",),
            self.parser in RATERS,
            self.scale is not None,
        )
        if (any(rates) or "pointwise" in self.protocols) and not all(rates):
            raise BenchError(
                f"{where}: protocols [pointwise], returns [rating], a parser of ratings "
                f"({', '.join(RATERS)}) and a scale go together, and with nothing else"
            )
        if self.scale is not None and not self.scale[0] < self.scale[1]:
            raise BenchError(f"{where}: scale is {list(self.scale)}; lowest, highest expected")
        try:
            unknown = self._variables() - VARIABLES
        except TemplateError as error:
            raise BenchError(f"{where}: the template is not valid Jinja2: {error}") from error
        if unknown:
            raise BenchError(
                f"{where}: the template uses {', '.join(sorted(unknown))}; "
                f"there are: {', '.join(sorted(VARIABLES))}"
            )

    def _variables(self) -> set[str]:
        return meta.find_undeclared_variables(_ENVIRONMENT.parse(self.template))

    @cached_property
    def _compiled(self) -> Template:
        return _ENVIRONMENT.from_string(self.template)

    @property
    def uses_reference(self) -> bool:
        """Whether the judge is shown the item's reference."""
        return "reference" in self._variables()

    @property
    def key(self) -> str:
        """Content key of what changes verdicts: not the name, not the licence."""
        scale = [] if self.scale is None else [self.scale]
        return content_key(self.template, self.parser, self.returns, *scale)

    def render(self, trial: Trial) -> tuple[Message, ...]:
        """The conversation that asks for a verdict on `trial`: one user message.

        Raises BenchError when the template fails on this trial.
        """
        shown = [response.text for response in trial.shown]
        try:
            text = self._compiled.render(
                prompt=trial.item.prompt,
                responses=shown,
                letters=LETTERS[: len(shown)],
                reference=trial.item.reference,
            )
        except (TemplateError, ArithmeticError, LookupError, TypeError, ValueError) as error:
            raise BenchError(f"prompt {self.name!r}: {error}. Mend its template.") from error
        return (Message("user", text),)


def load_prompt(name: str) -> Prompt:
    """The prompt of that name in judges/prompts, or the one in the YAML file at that path.

    Raises BenchError with the names that exist, or with what is wrong with the file.
    """
    folder = files("judges").joinpath("prompts")
    own = name.endswith((".yaml", ".yml"))
    source = Path(name) if own else folder.joinpath(f"{name}.yaml")
    if not source.is_file():
        names = sorted(p.name.removesuffix(".yaml") for p in folder.iterdir())
        raise BenchError(
            f"no prompt {name!r}. There are: {', '.join(n for n in names if '.' not in n)}. "
            "A prompt of your own: the path of its YAML file."
        )
    try:
        data = yaml.safe_load(source.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise BenchError(f"{source}: not a YAML file: {error}") from error
    return _prompt(data, str(source))


def _prompt(data: Any, where: str) -> Prompt:
    required = [f.name for f in fields(Prompt) if f.default is MISSING]
    if not isinstance(data, dict) or set(data) - {"scale"} != set(required):
        given = sorted(map(str, data)) if isinstance(data, dict) else type(data).__name__
        raise BenchError(
            f"{where}: the fields are {given}; expected: {', '.join(required)}, and scale in a "
            "prompt that asks for ratings"
        )
    for name in required:
        kind = list if name in ("protocols", "returns") else str
        if not isinstance(data[name], kind):
            raise BenchError(f"{where}: {name} is {data[name]!r}; a {kind.__name__} expected")
    values = {name: tuple(v) if isinstance(v, list) else v for name, v in data.items()}
    scale = values.get("scale")
    if scale is not None and not (
        isinstance(scale, tuple) and len(scale) == 2 and all(type(end) is int for end in scale)
    ):
        raise BenchError(f"{where}: scale is {data['scale']!r}; two whole numbers expected")
    return Prompt(**cast("dict[str, Any]", values))


def _among(where: str, name: str, values: tuple[str, ...], valid: tuple[str, ...]) -> None:
    bad = [v for v in values if v not in valid]
    if bad or not values:
        raise BenchError(f"{where}: {name} is {list(values)}; there are: {', '.join(valid)}")
