"""Recipes: how a judge is trained on a task's training split.

A recipe is ``train(spec, task, out, context) -> Path``: with the options of `spec` it writes a
folder that the judge of the same name takes as its argument, and returns it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from bench.spec import Spec
from bench.types import Context, Task

Recipe = Callable[[Spec, Task, Path, Context], Path]


def _probe(spec: Spec, task: Task, out: Path, context: Context) -> Path:
    from judges.training.probe import train

    return train(spec, task, out, context)


RECIPES: Mapping[str, Recipe] = {"probe": _probe}
