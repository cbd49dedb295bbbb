"""What an engine is to a judge. An engine knows conversations and models, never trials."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar, runtime_checkable

from bench.types import Message, Status, Usage

Tag = TypeVar("Tag")
Conversation = Sequence[Message]


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back for one conversation. `text`: the completion alone. `cut`: it ran into the
    limit of tokens. `failed`: the status when there is no reply to read, with `note` why."""

    text: str = ""
    cut: bool = False
    failed: Status | None = None
    note: str = ""
    usage: Usage = Usage()  # noqa: RUF009  (frozen)


@runtime_checkable
class TextEngine(Protocol):
    """An engine that writes: conversations in, completions out."""

    def generate(self, requests: Iterable[tuple[Tag, Conversation]]) -> Iterator[tuple[Tag, Reply]]:
        """One reply per request, as they finish, each with the request's tag.

        Requests are drawn when there is room to ask them, not before. Raises BenchError when no
        request can succeed; what fails for one request is a Reply.
        """
        ...

    def close(self) -> None:
        """Free what the engine holds."""
        ...


class LetterScores(Protocol):
    """`logprobs`: per letter, the log of the summed probability of its spellings as the next
    token. `prompt_tokens`: length of the prompt. `truncated`: the prompt did not fit whole."""

    @property
    def logprobs(self) -> tuple[float, ...]: ...
    @property
    def prompt_tokens(self) -> int: ...
    @property
    def truncated(self) -> bool: ...


class ChoiceEngine(Protocol):
    """An engine that scores: how probable each answer letter is as the next token."""

    def letter_logprobs(
        self, conversations: Sequence[Conversation], letters: Sequence[Sequence[str]]
    ) -> Iterator[LetterScores]:
        """Scores in the order of `conversations`, as they are computed."""
        ...

    def close(self) -> None:
        """Free the model."""
        ...
