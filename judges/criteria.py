"""What counts in a domain, in a sentence or two: shown to judges whose prompt has `criteria`
(after the criteria that arXiv:2604.13717 adds to its prompts, in our own words)."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from types import MappingProxyType

import yaml


@cache
def all_criteria() -> Mapping[str, str]:
    """Domain -> text, as judges/criteria.yaml has it."""
    text = files("judges").joinpath("criteria.yaml").read_text(encoding="utf-8")
    return MappingProxyType(
        {name: " ".join(said.split()) for name, said in yaml.safe_load(text).items()}
    )
