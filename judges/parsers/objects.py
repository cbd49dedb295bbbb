"""A JSON object in which a completion ends, in a code fence or not."""

from __future__ import annotations

import json
import re
from typing import Any

SHORT = 100  # characters of a value that may be an answer

_OPENING = re.compile(r"\A```(?:json)?\s*", re.I)
_OPENED = re.compile(r"```(?:json)?\s*\Z", re.I)


def final_object(text: str) -> tuple[str, dict[str, Any]] | None:
    """What stands before the object that ends `text`, and the object with its names in lower case;
    None where the text does not end in one, or where it says a name twice."""
    text = _unfenced(text)
    if not text.endswith("}"):
        return None
    decoder = json.JSONDecoder(object_pairs_hook=_once)
    start = text.find("{")
    while start >= 0:  # the outermost object that reaches to the end; `text` is short
        try:
            value, end = decoder.raw_decode(text, start)
        except (ValueError, RecursionError):
            end = -1
        if end == len(text) and isinstance(value, dict):
            return _OPENED.sub("", text[:start].rstrip()), value
        start = text.find("{", start + 1)
    return None


def shortened(text: str, length: int) -> str:
    """A text that is one JSON object, longer than `length`, without its long values: an answer may
    stand before a long explanation. Any other text as it is."""
    bare = _OPENING.sub("", _unfenced(text), count=1) if len(text) > length else ""
    if not (bare.startswith("{") and bare.endswith("}")):
        return text
    try:
        value = json.loads(bare, object_pairs_hook=_once)
    except (ValueError, RecursionError):
        return text
    return json.dumps(
        {name: v for name, v in value.items() if len(str(v)) <= SHORT}, ensure_ascii=False
    )


def spelt(value: object) -> str:
    """A value as a text that an answer may be read from: yes and no for the truth values, nothing
    for what has parts."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value) if isinstance(value, str | int | float) else ""


def _unfenced(text: str) -> str:
    """Without the marks that end a block of code (no pattern: those are slow on long blanks)."""
    return text.rstrip().removesuffix("```").rstrip()


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    named = {name.strip().casefold(): value for name, value in pairs}
    if len(named) < len(pairs):
        raise ValueError("a name is said twice")
    return named
