"""The family of the model that wrote a response, by its name: data in model_families.yaml."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

import yaml


def family(model: str | None) -> str | None:
    """The family of `model`; None where the writer or the name is not known. The organisation
    before a slash and case do not count."""
    if model is None:
        return None
    name = model.rpartition("/")[2].casefold()
    fitting = [start for start in _families() if _begins(name, start)]
    return _families()[max(fitting, key=len)] if fitting else None


def _begins(name: str, start: str) -> bool:
    """Whole words and numbers only: "opt-30b" and "qwen2" begin with "opt" and "qwen", "optimus"
    and "o100" do not with "opt" and "o1"."""
    last, after = start[-1:], name[len(start) :][:1]
    goes_on = after.isdigit() if last.isdigit() else after.isalpha()
    return name.startswith(start) and not goes_on


@cache
def _families() -> dict[str, str]:
    text = files("bench").joinpath("model_families.yaml").read_text(encoding="utf-8")
    return {start: name for name, starts in yaml.safe_load(text).items() for start in starts}
