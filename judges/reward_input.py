"""A prompt and one response as tokens: what a reward model reads, in training and judging alike.

A model with a chat template is shown the whole conversation, the response as its last turn. One
without, an encoder, is shown prompt and response as its tokenizer makes a pair of texts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bench.types import BenchError, Message
from judges.engines.batches import padded
from judges.engines.chat import ChatTokens
from judges.one_text import one_text, utf8

FORM = "chat template with the response as a turn, or a pair of texts; 1"  # another, another word


@dataclass(frozen=True, slots=True)
class Sequenced:
    """Prompt and response as the model reads them. `segments`: per token, which text of a pair it
    is of; None where the model is not told. `pair`: the two texts; None for a conversation."""

    ids: list[int]
    segments: list[int] | None
    pair: tuple[str, str] | None = None


class Reader:
    """Makes the input of a reward model. `tokenizer`: of transformers. `pad`: the id that batches
    are filled up with. `reference`: the model, for messages.

    Raises BenchError for a tokenizer that has neither chat template nor separator.
    """

    def __init__(self, tokenizer: Any, pad: int, reference: str) -> None:
        self._tokenizer, self.pad, self._reference = tokenizer, pad, reference
        self._chat = None
        if tokenizer.chat_template:
            self._chat = ChatTokens(_ClosedTurns(tokenizer), reference)
        elif tokenizer.sep_token_id is None:
            raise BenchError(
                f"model {reference!r}: its tokenizer has neither a chat template nor a separator "
                "of texts, so how it was shown prompt and response is not known. Expected: one of "
                "the two, in tokenizer_config.json or chat_template.jinja."
            )

    def read(self, prompt: Sequence[Message], text: str) -> Sequenced:
        """The response `text` to `prompt`. Special tokens that are spelt out in them are ordinary
        characters.

        Raises BenchError for a chat template that refuses these roles, and for a conversation that
        ends in the token that batches are filled up with.
        """
        if self._chat is not None:
            ids = self._chat.conversation([*prompt, Message("assistant", text)])
            found = Sequenced(ids, None)
        else:
            found = self._pair(one_text(prompt), text)
        if found.ids[-1] == self.pad:
            token = self._tokenizer.convert_ids_to_tokens(self.pad)
            raise BenchError(
                f"model {self._reference!r}: a conversation ends in {token!r}, which is also what "
                "it fills batches up with, so its score would be read at another token. Name a "
                "token that no text holds: pad=TOKEN."
            )
        return found

    def inputs(self, batch: Sequence[Sequenced], device: Any) -> dict[str, Any]:
        """The model's arguments: tensors (sequences, longest length), filled up on the right."""
        ids, mask = padded([sequence.ids for sequence in batch], device)
        found = {"input_ids": ids.masked_fill(mask == 0, self.pad), "attention_mask": mask}
        segments = [sequence.segments for sequence in batch if sequence.segments is not None]
        if len(segments) == len(batch):
            found["token_type_ids"], _ = padded(segments, device)
        return found

    def _pair(self, prompt: str, text: str) -> Sequenced:
        pair = (utf8(prompt), utf8(text))
        found = self._tokenizer(*pair, split_special_tokens=True)
        return Sequenced(found["input_ids"], found.get("token_type_ids"), pair)


class _ClosedTurns:
    """A tokenizer whose chat template ends with the last message and opens no answer."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer

    def __call__(self, *args: Any, **options: Any) -> Any:
        return self._tokenizer(*args, **options)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._tokenizer, name)

    def apply_chat_template(self, chat: Any, **options: Any) -> Any:
        return self._tokenizer.apply_chat_template(
            chat, **{**options, "add_generation_prompt": False}
        )
