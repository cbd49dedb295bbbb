"""A first mapping for a table that has none: its columns at the keys that their names suggest.

It is shown to the user, who mends it and saves it; nothing is read by it.
"""

from __future__ import annotations

from collections.abc import Sequence

import yaml

_PROMPT = ("prompt", "instruction", "question", "query", "input", "messages", "conversation")
_RESPONSES = ("response", "output", "answer", "completion", "candidate", "generation", "text")
_LABEL = ("label", "winner", "prefer", "choice", "vote", "better", "human")
_SCORES = ("score", "rating")
_OPTIONAL = {
    "models": ("model",),
    "annotator": ("annotator", "rater", "worker", "judge", "user"),
    "domain": ("domain", "category", "topic"),
    "id": ("id", "question_id", "item"),
    "reference": ("reference", "gold"),
}
_OPEN = "COLUMN"  # stands where no name suggests itself


def template(columns: Sequence[str]) -> str:
    """YAML lines with the required keys, and those optional ones that columns are named after."""
    free = list(columns)
    found: dict[str, object] = {"prompt": _one(free, _PROMPT) or _OPEN}
    if "chosen" in free and "rejected" in free:
        found["responses"] = _taken(free, ["chosen", "rejected"])
        found["label"] = {"is": "0"}
    else:
        found["responses"] = _several(free, _RESPONSES) or [f"{_OPEN}_1", f"{_OPEN}_2"]
        scores, label = _several(free, _SCORES), _one(free, _LABEL)
        found |= {"scores": scores} if scores and not label else {"label": label or _OPEN}
    for key, words in _OPTIONAL.items():
        name = _several(free, words) if key == "models" else _one(free, words)
        found |= {key: name} if name else {}
    lines = yaml.safe_dump(
        found, default_flow_style=None, sort_keys=False, allow_unicode=True, width=10**6
    )
    return str(lines).rstrip()


def _one(free: list[str], words: Sequence[str]) -> str | None:
    """The first column that is called one of the words, or else begins with one."""
    for fits in (str.__eq__, str.startswith):
        for word in words:
            for name in free:
                if fits(name.lower(), word):
                    return _taken(free, [name])[0]
    return None


def _several(free: list[str], words: Sequence[str]) -> list[str] | None:
    """The columns that begin with the same word, where they are two or more."""
    for word in words:
        names = [name for name in free if name.lower().startswith(word)]
        if len(names) > 1:
            return _taken(free, names)
    return None


def _taken(free: list[str], names: list[str]) -> list[str]:
    for name in names:
        free.remove(name)
    return names
