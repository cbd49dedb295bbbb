"""Constraints that a program can check: how each is asked for, and whether a text keeps it.

A constraint is a pair (rule, value) of JSON values. Markdown marks do not count as text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from tasks.verifiable.candidates import plain

Constraint = tuple[str, Any]
NUMBERS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight")


def words(text: str) -> list[str]:
    """The words of a text, in lower case."""
    return re.findall(r"[a-z]+", text.lower())


def entries(text: str) -> list[str]:
    """The entries of a comma-separated list, in lower case."""
    return [entry.strip().lower() for entry in text.rstrip(".\n").split(",")]


def _lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.strip()]


_RULES: dict[str, tuple[str, Callable[[str, Any], bool]]] = {
    "words": ("Use exactly {} words.", lambda t, v: len(words(t)) == v),
    "first": ("Make “{}” the first word.", lambda t, v: words(t)[:1] == [v]),
    "last": ("Make “{}” the last word.", lambda t, v: words(t)[-1:] == [v]),
    "include": ("Use the word “{}”.", lambda t, v: v in words(t)),
    "exclude": ("Do not use the word “{}”.", lambda t, v: v not in words(t)),
    "letter": ("Do not use the letter “{}”.", lambda t, v: v not in t.lower()),
    "lower": ("Write everything in lower case.", lambda t, v: t == t.lower()),
    "sentences": (
        "Write exactly {} sentences.",
        lambda t, v: len(re.findall(r"\.(?:\s|$)", t)) == v,
    ),
    "lines": ("Write exactly {} lines.", lambda t, v: len(_lines(t)) == v),
    "prefix": (
        "Begin each line with “{}:”.",
        lambda t, v: all(line.startswith(f"{v}:") for line in _lines(t)),
    ),
    "entries": ("Name exactly {} of them.", lambda t, v: len(entries(t)) == v),
    "name": ("One of them must be “{}”.", lambda t, v: v in entries(t)),
    "skip": ("Leave out “{}”.", lambda t, v: v not in entries(t)),
    "alphabetical": (
        "Put them in alphabetical order.",
        lambda t, v: entries(t) == sorted(entries(t)),
    ),
}


def ask(constraint: Constraint) -> str:
    """The sentence that asks for it."""
    rule, value = constraint
    counted = rule in ("sentences", "lines", "entries", "words") and value < len(NUMBERS)
    return _RULES[rule][0].format(NUMBERS[value] if counted else value)


def broken(text: str, constraints: Sequence[Constraint]) -> list[str]:
    """The rules that the text breaks."""
    bare = plain(text)
    return [rule for rule, value in constraints if not _RULES[rule][1](bare, value)]


def check(kind: str, text: str, params: dict[str, Any]) -> bool:
    """Whether the response keeps every constraint of the prompt."""
    return not broken(text, params["constraints"])
