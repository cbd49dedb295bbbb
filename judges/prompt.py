"""A prompt file: the words in which a judge is asked, kept as data.

Model text is only ever a value of a template, never a template: it cannot carry instructions to
the renderer. What it says to the judge is another matter, and the judge's own.
"""

from __future__ import annotations

import math
import string
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from typing import Any, cast, get_args

from bench.types import Aspect, BenchError, Message, Protocol, Trial, content_key
from bench.yaml_file import is_yaml, read_yaml
from judges.category import Classifier, classifier
from judges.criteria import all_criteria
from judges.parsers import FORMS, Form, signs_of
from judges.template import Template

LETTERS = string.ascii_uppercase
SIGNS = ("letters", "numbers")


@dataclass(frozen=True)
class Prompt:
    """How a judge is asked, and how its answer is read.

    `name`: as in cards. `protocols`: pairwise, listwise; or pointwise alone. `follows`: the
    published protocol it imitates, or "own". `licence`: of the wording. `parser`: the form of the
    answer, a name in judges.parsers.FORMS. `returns`: what the answer may be: letter (or number),
    tie, rating, ... as the form says.

    `template`: Jinja2 over `prompt` (messages with `role` and `content`), or over its parts
    `history` (the messages before the last one) and `request` (text of the last one); `responses`
    (texts in the order shown), `letters` (what they are called), `reference` and `criteria` (of the
    item's domain; texts, or none), and `aspects` (name -> question).

    `scale`: lowest and highest rating. `aspects`: what is rated, each with a question. `signs`:
    responses are called A, B, ... (letters) or 1, 2, ... (numbers). `direct`: the whole answer is
    one sign, so that an engine can weigh the signs by their probability. `variants`: other
    templates, for the categories that the `classifier` of judges/categories.yaml tells apart by
    the words of the request; `template` is for the rest.
    """

    name: str
    protocols: tuple[Protocol, ...]
    follows: str
    licence: str
    parser: str
    returns: tuple[str, ...]
    template: str
    scale: tuple[int, int] | None = None
    aspects: Mapping[str, str] = field(default_factory=dict)
    signs: str = "letters"
    direct: bool = False
    variants: Mapping[str, str] = field(default_factory=dict)
    classifier: str | None = None

    def __post_init__(self) -> None:
        where = f"prompt {self.name!r}"
        _among(where, "protocols", self.protocols, get_args(Protocol))
        _among(where, "parser", (self.parser,), FORMS)
        _among(where, "returns", self.returns, self.form.returns)
        _among(where, "signs", (self.signs,), SIGNS)
        self._check_form(where)
        self._check_variants(where)
        for text in (self.template, *self.variants.values()):
            Template(text, where)

    def _check_form(self, where: str) -> None:
        """What the form of the answer needs is there, and nothing else is."""
        form, name = self.form, self.parser
        fitting = ("pointwise",) if form.pointwise else ("pairwise", "listwise")
        if not set(self.protocols) <= set(fitting):
            told = ", ".join(fitting)
            raise BenchError(f"{where}: the parser {name} goes with the protocols {told}")
        if form.returns[0] not in self.returns:
            raise BenchError(f"{where}: the parser {name} returns {form.returns[0]}; say so")
        for what, needed in (("scale", form.scale), ("aspects", form.aspects)):
            if bool(getattr(self, what)) != needed:
                told = "needs" if needed else "takes no"
                raise BenchError(f"{where}: the parser {name} {told} {what}")
        if self.scale is not None and not self.scale[0] < self.scale[1]:
            raise BenchError(f"{where}: scale is {list(self.scale)}; lowest, highest expected")
        if self.direct and self.answers(2) is None:
            raise BenchError(
                f"{where}: direct is said of an answer that is not one sign; one of these "
                "expected: a letter, a rating on a scale from 0 to 9 at the most, yes or no"
            )

    def _check_variants(self, where: str) -> None:
        if bool(self.variants) != (self.classifier is not None):
            raise BenchError(f"{where}: variants and a classifier go together")
        if self._classifier is not None:
            _among(where, "variants", tuple(self.variants), self._classifier.weights)

    @property
    def form(self) -> Form:
        """The form of the answer."""
        return FORMS[self.parser]

    @property
    def pointwise(self) -> bool:
        """Whether it asks about one response alone, so that no order can matter."""
        return self.form.pointwise

    def uses(self, variable: str) -> bool:
        """Whether a template uses `variable`."""
        return any(variable in template.variables for template in self._templates.values())

    @property
    def sees(self) -> tuple[Aspect, ...]:
        """The aspects of an item that are shown to the judge."""
        sees: list[Aspect] = ["text"]
        sees += ["reference"] if self.uses("reference") else []
        sees += ["domain"] if self.uses("criteria") else []
        return tuple(sees)

    @property
    def key(self) -> str:
        """Content key of what changes verdicts: not the name, not the licence."""
        said: dict[str, Any] = {
            "template": self.template,
            "parser": self.parser,
            "returns": self.returns,
            "scale": self.scale,
            "aspects": list(self.aspects.items()),
            "signs": self.signs,
            "variants": dict(self.variants),
            "classifier": self._classifier and self._classifier.key,
            "criteria": dict(all_criteria()) if self.uses("criteria") else None,
        }
        return content_key({name: value for name, value in said.items() if value})

    def render(self, trial: Trial) -> tuple[Message, ...]:
        """The conversation that asks for a verdict on `trial`: one user message.

        Raises BenchError when the template fails on this trial.
        """
        item, shown = trial.item, [response.text for response in trial.shown]
        values = {
            "prompt": item.prompt,
            "history": item.prompt[:-1],
            "request": item.prompt[-1].content,
            "responses": shown,
            "letters": signs_of(self.signs, len(shown)),
            "reference": item.reference,
            "criteria": all_criteria().get(item.domain),
            "aspects": self.aspects,
        }
        category = None if self._classifier is None else self._classifier.classify(item.prompt)
        text = self._templates.get(category, self._templates[None]).render(values)
        return (Message("user", text),)

    def answers(self, n: int) -> tuple[str, ...] | None:
        """The signs that the answer on `n` responses may be, for an engine that scores them: the
        letters, the digits of the scale, or Yes and No; None where it is not one sign."""
        if not self.direct:
            return None
        if self.parser == "choice" and self.returns == ("letter",):
            return signs_of(self.signs, n) if self.signs == "letters" or n <= 9 else None
        if self.parser == "rating" and self.scale and 0 <= self.scale[0] < self.scale[1] <= 9:
            return tuple(map(str, range(self.scale[0], self.scale[1] + 1)))
        return ("Yes", "No") if self.parser == "yes_no" else None

    def utilities(self, logprobs: Sequence[float]) -> tuple[float, ...]:
        """Log-probabilities of the answers, the highest of them finite -> utilities in the order
        shown: the share of each letter; the mean of the digits, each weighed by its probability
        (G-Eval, arXiv:2303.16634); the share of Yes (IPO, arXiv:2502.16182)."""
        top = max(logprobs)
        weights = [math.exp(value - top) for value in logprobs]  # tiny masses keep their ratio
        total = math.fsum(weights)
        if self.parser == "rating" and self.scale is not None:
            digits = range(self.scale[0], self.scale[1] + 1)
            return (math.fsum(d * w for d, w in zip(digits, weights, strict=True)) / total,)
        shares = tuple(weight / total for weight in weights)
        return shares[:1] if self.pointwise else shares

    @cached_property
    def _templates(self) -> Mapping[str | None, Template]:
        """By category; the one of no category for the rest."""
        where = f"prompt {self.name!r}"
        templates: dict[str | None, Template] = {None: Template(self.template, where)}
        for category, text in self.variants.items():
            templates[category] = Template(text, where)
        return templates

    @property
    def _classifier(self) -> Classifier | None:
        return None if self.classifier is None else classifier(self.classifier)


def load_prompt(name: str) -> Prompt:
    """The prompt of that name in judges/prompts, or the one in the YAML file at that path.

    Raises BenchError with the names that exist, or with what is wrong with the file.
    """
    own = is_yaml(name)
    source = Path(name) if own else files("judges").joinpath("prompts").joinpath(f"{name}.yaml")
    if not source.is_file():
        raise BenchError(
            f"no prompt {name!r}. There are: {', '.join(prompt_names())}. "
            "A prompt of your own: the path of its YAML file."
        )
    return _prompt(read_yaml(source, "prompt"), str(source))


def prompt_names() -> list[str]:
    """The prompts that come with the package."""
    paths = files("judges").joinpath("prompts").iterdir()
    return sorted(p.name.removesuffix(".yaml") for p in paths if p.name.endswith(".yaml"))


_KINDS = {"protocols": list, "returns": list, "scale": list, "direct": bool}
_KINDS |= {"aspects": dict, "variants": dict}


def _prompt(data: Any, where: str) -> Prompt:
    required = [f.name for f in fields(Prompt) if f.default is f.default_factory is MISSING]
    optional = [f.name for f in fields(Prompt) if f.name not in required]
    given = sorted(map(str, data)) if isinstance(data, dict) else type(data).__name__
    if not isinstance(data, dict) or not set(required) <= set(data) <= {*required, *optional}:
        raise BenchError(
            f"{where}: the fields are {given}; expected: {', '.join(required)}, and where they "
            f"are needed: {', '.join(optional)}"
        )
    for name, value in data.items():
        kind = _KINDS.get(name, str)
        if not isinstance(value, kind):
            raise BenchError(f"{where}: {name} is {value!r}; a {kind.__name__} expected")
    for name in ("aspects", "variants"):
        if not all(isinstance(text, str) for pair in data.get(name, {}).items() for text in pair):
            raise BenchError(f"{where}: {name} is {data[name]!r}; names with a text each expected")
    scale = data.get("scale", [0, 0])
    if len(scale) != 2 or not all(type(end) is int for end in scale):
        raise BenchError(f"{where}: scale is {scale!r}; two whole numbers expected")
    values = {name: tuple(v) if isinstance(v, list) else v for name, v in data.items()}
    return Prompt(**cast("dict[str, Any]", values))


def _among(
    where: str, name: str, values: Sequence[str], valid: Sequence[str] | Mapping[str, Any]
) -> None:
    bad = [v for v in values if v not in valid]
    if bad or not values:
        raise BenchError(f"{where}: {name} is {list(values)}; there are: {', '.join(valid)}")
