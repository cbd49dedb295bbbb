"""What a chat completion says: a reply, or how probable each answer was as its first token.

A completion is read by its attributes, whether the client library made it or a line of a file did.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from bench.types import Status, Usage
from judges.engines.base import AnswerScores, Reply, Request
from judges.engines.retry import Transient

Answer = TypeVar("Answer", Reply, AnswerScores)
FILTERED = "the provider's content filter"


class NoLogprobs(Exception):
    """The server said nothing of the probabilities that it was asked for."""


@dataclass(frozen=True)
class Form(Generic[Answer]):
    """A way to ask. `options`: what it adds to a call. `read`: the answer that a completion holds;
    raises Transient where it has not its shape. `make`: an answer, also one that failed."""

    options: dict[str, Any]
    read: Callable[[Any, Request], Answer]
    make: type[Answer]


def in_words() -> Form[Reply]:
    """The answer is the text."""
    return Form({}, _reply, Reply)


def by_probability(top: int) -> Form[AnswerScores]:
    """The answer is how probable each of the request's answers is, among the `top` most probable
    first tokens. A token counts for an answer when it is the answer, to the case, once spaces
    around it are taken off ("A", " A"). What is not among the `top` is not known and counts as
    nothing, so each probability, and their sum, is a lower bound. Reading raises NoLogprobs."""
    return Form({"max_tokens": 1, "logprobs": True, "top_logprobs": top}, _scores, AnswerScores)


def _reply(completion: Any, _: Request) -> Reply:
    choice = _choice(completion)
    text, usage = choice.message.content, usage_of(completion)
    if text is not None and not isinstance(text, str):
        raise Transient("the server's answer has no text")
    # Broken Unicode would not go into a file or the ledger.
    text = (text or "").encode("utf-8", "replace").decode()
    if choice.finish_reason == "content_filter":
        return Reply(text, failed=Status.REFUSED, note=FILTERED, usage=usage)
    return Reply(text, cut=choice.finish_reason == "length", usage=usage)


def _scores(completion: Any, request: Request) -> AnswerScores:
    choice, usage = _choice(completion), usage_of(completion)
    if choice.finish_reason == "content_filter":
        return AnswerScores(failed=Status.REFUSED, note=FILTERED, usage=usage)
    tokens: Any = getattr(getattr(choice, "logprobs", None), "content", None)
    if tokens == []:
        note = "the model ended its answer before the first token"
        return AnswerScores(failed=Status.UNPARSED, note=note, usage=usage)
    try:
        top = [(t.token.strip(), t.logprob) for t in tokens[0].top_logprobs]
        drawn = (tokens[0].token.strip(), tokens[0].logprob)
    except (AttributeError, IndexError, TypeError) as error:
        raise NoLogprobs from error
    if not top:
        raise NoLogprobs
    # The token that was drawn may lie outside the most probable ones; most servers repeat it there.
    known = top if drawn in top else [*top, drawn]
    if not all(isinstance(p, int | float) and p < 1e-3 for _, p in known):  # NaN is no less either
        note = "the server gave a log-probability that is none"
        return AnswerScores(failed=Status.UNPARSED, note=note, usage=usage)
    return AnswerScores(tuple(_summed(known, answer) for answer in request.answers), usage=usage)


def _summed(known: Sequence[tuple[str, float]], answer: str) -> float:
    """Log of the summed probability of the tokens that spell `answer`."""
    total = math.fsum(math.exp(logprob) for token, logprob in known if token == answer)
    return min(0.0, math.log(total)) if total > 0 else -math.inf


def _choice(completion: Any) -> Any:
    try:
        choice = completion.choices[0]
        choice.message.content, choice.finish_reason  # noqa: B018  (there, or not)
    except (AttributeError, IndexError, KeyError, TypeError) as error:
        raise Transient("the server's answer has no completion") from error
    return choice


def usage_of(completion: Any) -> Usage:
    """Tokens of a completion. Some servers and libraries write zeros where nothing is known, so a
    prompt of no tokens is an unknown one."""
    counts = getattr(completion, "usage", None)
    prompt = _count(counts, "prompt_tokens")
    if not prompt:
        return Usage()
    return Usage(
        prompt_tokens=prompt,
        cached_tokens=_count(getattr(counts, "prompt_tokens_details", None), "cached_tokens"),
        completion_tokens=_count(counts, "completion_tokens"),
        reasoning_tokens=_count(
            getattr(counts, "completion_tokens_details", None), "reasoning_tokens"
        ),
    )


def _count(counts: Any, name: str) -> int | None:
    value = getattr(counts, name, None)
    return value if isinstance(value, int) and value >= 0 else None
