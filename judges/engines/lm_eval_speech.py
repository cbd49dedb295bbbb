"""Conversations in the two forms that lm-eval takes: tokens, and text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cached_property
from typing import Any

from bench.types import BenchError
from judges.engines.base import Conversation
from judges.engines.chat import ChatTokens

PLAIN = "\n\n"  # between messages, for a model without template


class Speech:
    """For `lm`, an instance of lm-eval's LM. `reference`: its name, for messages.

    `chat`: None where the tokenizer is not known, or where lm-eval does not score tokens with it.
    """

    def __init__(self, lm: Any, reference: str) -> None:
        from lm_eval.api.model import TemplateLM

        self._lm, self._reference = lm, reference
        known = isinstance(lm, TemplateLM) and hasattr(lm.tokenizer, "added_tokens_decoder")
        self._tokenizer = _Templated(lm) if known else None
        self.chat: ChatTokens | None = None
        if self._tokenizer is not None and getattr(lm, "tokenized_requests", True):
            self.chat = ChatTokens(self._tokenizer, reference)

    def tokens(self, conversation: Conversation) -> list[int]:
        """The conversation as `chat` has it, up to where the answer begins. Raises BenchError for a
        template that refuses it."""
        assert self.chat is not None
        if self._has_template:
            return self.chat.conversation(conversation)
        opening: list[int] = self._lm.tok_encode("")  # what the model wants before any text
        return opening + self.chat.text(PLAIN.join(m.content for m in conversation))

    def text(self, conversation: Conversation) -> Any:
        """The same as text, special tokens that are spelt in it broken up; what stands for a
        conversation in lm-eval where a server has the template. Raises BenchError as `tokens`
        does."""
        history = [{"role": m.role, "content": self._broken(m.content)} for m in conversation]
        plain = PLAIN.join(message["content"] for message in history)
        if self._tokenizer is not None and self.chat is not None:
            if not self._has_template:
                return plain
            self.tokens(conversation)  # raises what the library would mend in silence
            return self._tokenizer.apply_chat_template(
                history, tokenize=False, add_generation_prompt=True
            )
        try:
            said = self._lm.apply_chat_template(history)
        except NotImplementedError:
            return plain
        if isinstance(said, list):
            raise BenchError(
                f"lm-eval's {self._reference} leaves the template to a tokenizer that it asks a "
                "server for. Give tokenizer_backend=huggingface and tokenizer=FOLDER among args."
            )
        return said

    def count(self, text: str) -> int | None:
        """Tokens of `text`, None where the tokenizer is not known."""
        return None if self.chat is None else len(self._lm.tok_encode(text))

    @property
    def _has_template(self) -> bool:
        return bool(self._tokenizer is not None and self._tokenizer.chat_template)

    def _broken(self, text: str) -> str:
        """Lone surrogates, which no tokenizer takes, become question marks."""
        text = text.encode("utf-8", "replace").decode("utf-8")
        return self._spelt.sub(lambda found: f"{found[0][0]} {found[0][1:]}", text)

    @cached_property
    def _spelt(self) -> re.Pattern[str]:
        """Special tokens, longest first; where none are known, what is nowhere."""
        known = {} if self._tokenizer is None else self._tokenizer.added_tokens_decoder
        special = {token.content for token in known.values() if token.special}
        longest = sorted(special, key=lambda content: (-len(content), content))
        return re.compile("|".join(map(re.escape, longest)) or r"(?!)")


class _Templated:
    """The tokenizer of `lm`, whose template is filled in as the model's arguments say."""

    def __init__(self, lm: Any) -> None:
        self._tokenizer = lm.tokenizer
        self._how = getattr(lm, "chat_template_args", None) or {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._tokenizer, name)

    def __call__(self, text: str, **how: Any) -> Any:
        return self._tokenizer(text, **how)

    def apply_chat_template(self, chat: Sequence[dict[str, str]], **how: Any) -> Any:
        return self._tokenizer.apply_chat_template(chat, **how, **self._how)
