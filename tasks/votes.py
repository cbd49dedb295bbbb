"""What people said of a model_a and a model_b: the words of the arenas and of MT-Bench."""

from __future__ import annotations

from tasks.rows import Node

VOTER = "voter"
"""Annotator of a vote whose caster is not told apart from others."""


def preference(winner: Node) -> tuple[float, float]:
    """Utilities of a and of b; "both are bad" and whatever is called a tie are ties. Raises
    BenchError for any other word."""
    word = _word(winner)
    if "tie" in word or word == "both_bad":
        return (0.0, 0.0)
    if word not in ("model_a", "model_b"):
        raise winner.error('"model_a", "model_b", "both_bad" or a word with "tie" in it')
    return (1.0, 0.0) if word == "model_a" else (0.0, 1.0)


def both_bad(winner: Node) -> bool:
    """Whether the tie is one between two bad answers."""
    return "bad" in _word(winner)


def _word(winner: Node) -> str:
    return winner.text().strip().casefold()
