"""Recipes: how a judge is trained on a task's training split.

A recipe is ``train(spec, task, out, context) -> Path``, in the module of its name: with the options
of `spec` it writes a folder that the judge of the same name takes as its argument, and returns it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from importlib import import_module
from pathlib import Path

from bench.spec import Spec
from bench.types import Context, Task

Recipe = Callable[[Spec, Task, Path, Context], Path]


def _train(name: str, spec: Spec, task: Task, out: Path, context: Context) -> Path:
    train: Recipe = import_module(f"judges.training.{name}").train
    return train(spec, task, out, context)


RECIPES: Mapping[str, Recipe] = {
    name: partial(_train, name) for name in ("probe", "reward", "crossencoder", "aspects")
}
