"""A prompt as one text, for models that know no roles."""

from __future__ import annotations

from collections.abc import Sequence

from bench.types import Message


def one_text(messages: Sequence[Message]) -> str:
    """The content of a single message; of several, each below the last, after its role."""
    if len(messages) == 1:
        return messages[0].content
    return "\n\n".join(f"{message.role}: {message.content}" for message in messages)


def utf8(text: str) -> str:
    """Lone surrogates, which no tokenizer takes, become question marks."""
    return text.encode("utf-8", "replace").decode("utf-8")
