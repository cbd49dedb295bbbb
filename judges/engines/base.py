"""What an engine is to a judge. An engine knows conversations and models, never trials."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from bench.types import Message, Status, Usage

Tag = TypeVar("Tag")
Conversation = Sequence[Message]


@dataclass(frozen=True, slots=True)
class Request:
    """One question to a model. `answers`: what it may answer, for an engine that scores: A, B; 1 to
    9; Yes, No. `seed`: fixed by the plan, for an engine that samples."""

    conversation: Conversation
    answers: Sequence[str] = ()
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back for one conversation. `text`: the completion alone. `cut`: it ran into the
    limit of tokens. `failed`: the status when there is no reply to read, with `note` why."""

    text: str = ""
    cut: bool = False
    failed: Status | None = None
    note: str = ""
    usage: Usage = Usage()  # noqa: RUF009  (frozen)


@dataclass(frozen=True, slots=True)
class AnswerScores:
    """`logprobs`: per answer, the log of the summed probability of its spellings ("A", " A") as the
    next token, of all tokens there are; empty when `failed` says why there are none, with `note`.
    """

    logprobs: tuple[float, ...] = ()
    failed: Status | None = None
    note: str = ""
    usage: Usage = Usage()  # noqa: RUF009  (frozen)


class TextEngine(Protocol):
    """An engine that writes: conversations in, completions out."""

    def generate(self, requests: Iterable[tuple[Tag, Request]]) -> Iterator[tuple[Tag, Reply]]:
        """One reply per request, as they finish, each with the request's tag.

        Requests are drawn when there is room to ask them, not before. Raises BenchError when no
        request can succeed; what fails for one request is a Reply.
        """
        ...

    def close(self) -> None:
        """Free what the engine holds."""
        ...


class AnswerEngine(Protocol):
    """An engine that scores: how probable each answer is as the next token."""

    def answer_logprobs(
        self, requests: Iterable[tuple[Tag, Request]]
    ) -> Iterator[tuple[Tag, AnswerScores]]:
        """One score per request, as they finish, each with the request's tag; drawn and failing as
        in `TextEngine.generate`. Raises BenchError for an answer that is no single token."""
        ...

    def close(self) -> None:
        """Free what the engine holds."""
        ...
