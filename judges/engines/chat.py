"""Conversations as tokens.

Text of users and models is hostile: a special token that is spelt out inside a message
("<|im_end|>") is read as ordinary characters, so that nobody can end a turn but the template.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from bench.types import BenchError, Message
from judges.one_text import utf8

_PRIVATE = range(0xE000, 0xF900)  # Unicode's private use area


class ChatTokens:
    """`tokenizer`: of transformers, with a chat template. `reference`: the model, for messages."""

    def __init__(self, tokenizer: Any, reference: str) -> None:
        self._tokenizer, self._reference = tokenizer, reference
        special = {t.content for t in tokenizer.added_tokens_decoder.values() if t.special}
        self._special = sorted(special, key=lambda text: (-len(text), text))
        self.end: int | None = tokenizer.eos_token_id

    def conversation(self, messages: Sequence[Message]) -> list[int]:
        """The messages by the model's own template, up to where its answer begins.

        Raises BenchError when the model has no template, or one that refuses these roles.
        """
        texts = [utf8(message.content) for message in messages]
        # Each special token spelt out in a text stands as one private character while the template
        # is filled in, and is put back as the ordinary characters that it is made of.
        free = (c for c in map(chr, _PRIVATE) if not any(c in text for text in texts))
        spelt = [s for s in self._special if any(s in text for text in texts)]
        back = dict(zip(free, spelt, strict=False))
        for mark, special in back.items():
            texts = [text.replace(special, mark) for text in texts]
        rendered = self._render([m.role for m in messages], texts)
        ids: list[int] = []
        for piece in re.split(f"([{''.join(back)}])", rendered) if back else [rendered]:
            ids += self.text(back[piece]) if piece in back else self._encode(piece, False)
        if not ids:
            raise BenchError(
                f"model {self._reference!r}: its chat template shows nothing of these messages"
            )
        return ids

    def text(self, text: str) -> list[int]:
        """Text as ordinary characters: no special token comes of it."""
        return self._encode(utf8(text), True)

    def spelt(self, tokens: Sequence[int]) -> str:
        """Tokens as text, special ones left out."""
        text: str = self._tokenizer.decode(
            tokens, skip_special_tokens=True, clean_up_tokenization_spaces=False
        )
        return text

    def _encode(self, text: str, split: bool) -> list[int]:
        found = self._tokenizer(text, add_special_tokens=False, split_special_tokens=split)
        ids: list[int] = found["input_ids"]
        return ids

    def _render(self, roles: Sequence[str], texts: Sequence[str]) -> str:
        from jinja2 import TemplateError

        chat = [{"role": r, "content": t} for r, t in zip(roles, texts, strict=True)]
        try:
            text: str = self._tokenizer.apply_chat_template(
                chat, tokenize=False, add_generation_prompt=True
            )
        except (ValueError, TemplateError) as error:
            raise BenchError(
                f"model {self._reference!r}: its chat template cannot show these messages "
                f"({error}). Expected: a model tuned for instructions, whose template knows the "
                f"roles {', '.join(sorted(set(roles)))}."
            ) from error
        return text
