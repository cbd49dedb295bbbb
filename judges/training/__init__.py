"""Recipes: how a judge is trained on a task's training split.

A recipe is ``train(options, task, out, context) -> Path``: it writes a folder that the judge of the
same name takes as its argument, and returns it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from bench.types import Context, Task

Recipe = Callable[[Mapping[str, Any], Task, Path, Context], Path]


def _probe(options: Mapping[str, Any], task: Task, out: Path, context: Context) -> Path:
    from judges.training.probe import train

    return train(options, task, out, context)


RECIPES: Mapping[str, Recipe] = {"probe": _probe}
