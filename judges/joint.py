"""A prompt and two responses as one input of an encoder: what a cross-encoder reads, in training as
in judging."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bench.types import BenchError, Item
from judges import classifiers
from judges.engines.batches import padded

FORM = "CLS prompt SEP slot 1 SEP slot 2 SEP, segments 0 0 1; 1"  # another way, another word
CUTS = "the end of the prompt and of each response, of those that are longer than a fair share"
SPECIAL = 4  # CLS and three SEP


@dataclass(frozen=True, slots=True)
class Joint:
    """One input of the model. `ids`, `segments`: (tokens,). `cut`: not all of it fitted."""

    ids: list[int]
    segments: list[int]
    cut: bool


class Joiner:
    """Makes one input of a prompt and two responses. `tokenizer`: of transformers. `limit`: tokens
    in an input at most. Special tokens that are spelt out in a text are ordinary characters.

    Raises BenchError for a tokenizer without CLS and SEP, and for a limit that leaves no room.
    """

    def __init__(self, tokenizer: Any, limit: int, reference: str) -> None:
        if tokenizer.cls_token_id is None or tokenizer.sep_token_id is None:
            raise BenchError(
                f"model {reference!r}: its tokenizer has no CLS and SEP, which keep prompt and "
                "responses apart. An encoder of the BERT family expected."
            )
        if limit < SPECIAL + 3:
            raise BenchError(
                f"model {reference!r}: inputs of {limit} tokens; {SPECIAL + 3} or more expected"
            )
        tokenizer.truncation_side = "right"  # some are set to keep the end of a text
        self._tokenizer, self._room = tokenizer, limit - SPECIAL

    def item(self, item: Item, order: Sequence[int]) -> Joint:
        """The input that shows `order`, two indices of responses of `item`. Messages of a longer
        conversation stand below each other, each after its role."""
        messages = item.prompt
        prompt = messages[0].content
        if len(messages) > 1:
            prompt = "\n".join(f"{message.role}: {message.content}" for message in messages)
        return self.join(*map(self._part, (prompt, *(item.responses[i].text for i in order))))

    def join(self, prompt: list[int], first: list[int], second: list[int]) -> Joint:
        """Tokens of the parts -> the input. What is too long is cut at its end: each part has its
        share of the room, and what a short one leaves goes to the others. A response keeps the
        same tokens in both slots."""
        parts = (prompt, first, second)
        share = fair_share([len(part) for part in parts], self._room)
        prompt, first, second = (part[:share] for part in parts)
        cls, sep = self._tokenizer.cls_token_id, self._tokenizer.sep_token_id
        ids = [cls, *prompt, sep, *first, sep, *second, sep]
        behind = len(second) + 1
        segments = [0] * (len(ids) - behind) + [1] * behind
        return Joint(ids, segments, any(len(part) > share for part in parts))

    def _part(self, text: str) -> list[int]:
        """Tokens of a text, of a long one only enough to tell that it is too long."""
        found = self._tokenizer(
            text.encode("utf-8", "replace").decode("utf-8"),  # no tokenizer takes lone surrogates
            add_special_tokens=False,
            split_special_tokens=True,
            truncation=True,
            max_length=self._room + 1,
        )
        ids: list[int] = found["input_ids"]
        return ids


def fair_share(lengths: Sequence[int], room: int) -> int:
    """The largest share with sum of min(length, share) <= `room`; the longest length where all of
    it fits."""
    for done, length in enumerate(sorted(lengths)):
        share = room // (len(lengths) - done)
        if length > share:
            return share
        room -= length
    return max(lengths)


def inputs(joints: Sequence[Joint], config: Any, device: Any) -> dict[str, Any]:
    """A batch as a model with this `config` takes it: tensors (inputs, longest length)."""
    ids, mask = padded([joint.ids for joint in joints], device)
    batch = {"input_ids": ids, "attention_mask": mask}
    if getattr(config, "type_vocab_size", 0) > 1:
        batch["token_type_ids"], _ = padded([joint.segments for joint in joints], device)
    return batch


def limit_of(tokenizer: Any, config: Any, at_most: int | None) -> int:
    """Tokens that an input of this model may have."""
    return int(min(classifiers.limit_of(tokenizer, config), at_most or math.inf))
