"""Names -> tasks and judges.

A name is an entry point of the group ``smallclaims.tasks`` or ``smallclaims.judges`` (ours are
declared in pyproject.toml in the same way as a plug-in's), or a card in ``judges/cards``. An entry
point names a factory: ``factory(spec) -> Task`` or ``factory(spec, context) -> Judge``.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from bench.kinds import Facts
from bench.spec import Spec
from bench.types import BenchError, Context, Judge, Task
from bench.yaml_file import is_yaml, read_yaml


def choose(kind: str, name: str, valid: Iterable[str], hint: str = "") -> BenchError:
    """The error for a name that does not exist: near names first, then all that exist."""
    names = sorted(valid)
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    mean = f" Did you mean {' or '.join(near)}?" if near else ""
    return BenchError(f"no {kind} {name!r}.{mean} There are: {', '.join(names)}.{hint}")


@cache
def _entry_points(group: str) -> dict[str, EntryPoint]:
    return {e.name: e for e in entry_points(group=group)}


@cache
def cards() -> dict[str, dict[str, Any]]:
    """Judge cards by name: the YAML files in ``judges/cards``, settings not yet checked."""
    found = {}
    for path in sorted(files("judges").joinpath("cards").iterdir(), key=lambda p: p.name):
        if path.name.endswith(".yaml"):
            found[path.name.removesuffix(".yaml")] = _card(path)
    return found


def card_in(path: Path) -> dict[str, Any]:
    """The judge card in a YAML file. The file of its prompt is looked for beside it, and then from
    where we are. Raises BenchError when it cannot be read, or is none."""
    card = _card(path)
    prompt = card.get("prompt")
    if isinstance(prompt, str) and is_yaml(prompt) and (path.parent / prompt).is_file():
        card["prompt"] = str(path.parent / prompt)
    return card


def _card(path: Path | Traversable) -> dict[str, Any]:
    card = read_yaml(path, "judge card")
    if not isinstance(card, dict) or not isinstance(card.get("kind"), str):
        raise BenchError(f"judge card {path}: a mapping with at least `kind: NAME` expected")
    return card


def default_card(kind: str) -> str:
    """Name of the first card of this kind that names a base model to train, or else the kind."""
    trainable = (name for name, c in cards().items() if c["kind"] == kind and "base" in c)
    return next(trainable, kind)


def task_names() -> list[str]:
    """Every task that can be asked for by name."""
    return sorted(_entry_points("smallclaims.tasks"))


def judge_names() -> list[str]:
    """Every kind of judge and every card that can be asked for by name."""
    return sorted({*_entry_points("smallclaims.judges"), *cards()})


def judge_kinds() -> dict[str, str]:
    """Kind of judge -> the first line of its factory's documentation, or why it does not load."""
    return _descriptions("smallclaims.judges")


def judge_facts() -> dict[str, Facts | None]:
    """Kind of judge -> its facts; None for a plug-in that says none, or does not load."""
    return {name: _facts(p) for name, p in sorted(_entry_points("smallclaims.judges").items())}


def _facts(point: EntryPoint) -> Facts | None:
    try:
        return getattr(_load(point), "facts", None)
    except BenchError:  # its description says why
        return None


def task_descriptions() -> dict[str, str]:
    """Task -> the first line of its factory's documentation, or why it does not load."""
    return _descriptions("smallclaims.tasks")


def _descriptions(group: str) -> dict[str, str]:
    return {name: _description(point) for name, point in sorted(_entry_points(group).items())}


def _description(point: EntryPoint) -> str:
    try:
        return (_load(point).__doc__ or "").partition("\n")[0].rstrip(".")
    except BenchError as error:  # one broken plug-in does not hide the others
        return str(error)


def _load(point: EntryPoint) -> Callable[..., Any]:
    try:
        factory: Callable[..., Any] = point.load()
    except (ImportError, AttributeError) as error:
        raise BenchError(
            f"{point.group} {point.name!r} ({point.value}) does not load: {error}. "
            "Repair or uninstall the package that declares it."
        ) from error
    return factory


def check_task(spec: Spec) -> None:
    """Raises BenchError with near names when `spec` names no task."""
    if spec.name not in task_names():
        raise choose("task", spec.name, task_names(), " Your own pairs: jsonl:PATH.")


def make_task(spec: Spec) -> Task:
    """The task that `spec` names, its data not yet read. Raises BenchError for a typo."""
    check_task(spec)
    task: Task = _load(_entry_points("smallclaims.tasks")[spec.name])(spec)
    task.asked = spec.text
    return task


def resolve_judge(spec: Spec) -> Spec:
    """A spec that names a card, or the YAML file of one -> the spec of the card's kind, with the
    card's settings first and the typed options over them. Raises BenchError with near names for a
    typo."""
    points = _entry_points("smallclaims.judges")
    own = is_yaml(spec.name)
    if own or spec.name in cards():
        if spec.argument:
            raise BenchError(
                f"{spec.text!r}: {spec.name!r} is a card and takes no argument; options only, as "
                f"in {spec.name}:option=value"
            )
        card = card_in(Path(spec.name)) if own else dict(cards()[spec.name])
        kind, argument = card.pop("kind"), card.pop("argument", "")
        card.pop("default", None)
        label = spec.label.replace(spec.name, Path(spec.name).stem, 1) if own else spec.label
        spec = Spec(kind, argument, {**card, **spec.options}, label, spec.text)
    if spec.name not in points:
        hint = (
            " A model of your own: KIND:MODEL, for example litellm:openai/gpt-4.1; a card of your "
            "own: the path of its YAML file."
        )
        raise choose("judge", spec.name, judge_names(), hint)
    return spec


def make_judge(spec: Spec, context: Context) -> Judge:
    """The judge that `spec` names, ready to be shown trials (its model not yet loaded)."""
    spec = resolve_judge(spec)
    judge: Judge = _load(_entry_points("smallclaims.judges")[spec.name])(spec, context)
    return judge
