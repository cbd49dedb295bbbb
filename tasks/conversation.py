"""Two conversations with the same user turns, as one item: the user's messages are the prompt, and
a side's answers are one text.

So the prompt opens with the first message whatever turn is judged, and all turns of a conversation
fall into one split. One answer stands as it is; several stand in order, each under a line of ours.
"""

from __future__ import annotations

from collections.abc import Sequence

from bench.types import Message

Turn = tuple[str, str]
"""Role and text."""


def flaw(a: Sequence[Turn], b: Sequence[Turn]) -> str | None:
    """Why two conversations are no answers to the same messages; None where they are."""
    for side in (a, b):
        roles = [role for role, _ in side]
        if not roles or roles != ["user", "assistant"] * (len(roles) // 2):
            return "turns that do not go from user to assistant and end there"
    if a[::2] != b[::2]:
        return "two sides with different user messages"
    return None


def prompt(conversation: Sequence[Turn]) -> tuple[Message, ...]:
    """The user's messages, in order."""
    return tuple(Message("user", text) for _, text in conversation[::2])


def answer(conversation: Sequence[Turn]) -> str:
    """The assistant's answers as one text."""
    texts = [text for _, text in conversation[1::2]]
    if len(texts) == 1:
        return texts[0]
    return "\n\n".join(f"[Answer to message {i}]\n{text}" for i, text in enumerate(texts, start=1))
