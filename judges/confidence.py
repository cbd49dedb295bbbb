"""The judge ``confidence``: how sure a model is of the answer that a response states.

The response is read as the model's own chain of thought. Before each of its tokens stands how far
the most probable one is ahead of the second; after it comes a cue, and the model writes the answer.
The longest run of tokens that the answer and the response share is the answer's span, and the
utility is the mean lead over that span, 0 where they share nothing (RLSF, arXiv 2507.21931, after
the confidence of chain-of-thought decoding, arXiv 2402.10200).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import fsum

from bench.kinds import kind
from bench.spec import Spec
from bench.types import (
    BenchError,
    Context,
    Judge,
    JudgeCard,
    Trial,
    Verdict,
    failure,
    verdict,
)
from judges.described import Described
from judges.engines.continuing import Continued
from judges.engines.transformers import TransformersEngine
from judges.likelihood import given

SPAN = "last longest common run without line breaks and full stops; 1"  # another, another word
_DROPPED = " \t\r\n."  # tokens of nothing else, and special ones, belong to no answer


@dataclass(frozen=True)
class Confident(Described):
    """`cue`: stands on a line of its own after the response, and the answer after it.
    `answer_tokens`: at most. `revision`: commit of a hub id. `dtype`: of the weights."""

    cue: str = "So the answer is"
    answer_tokens: int = 20
    revision: str | None = None
    dtype: str = "float32"

    def __post_init__(self) -> None:
        if not self.cue.strip():
            raise BenchError("confidence: the cue is empty; words expected, as in cue=Answer:")
        if self.answer_tokens < 1:
            raise BenchError(
                f"confidence: answer_tokens is {self.answer_tokens}; 1 or more expected"
            )


class ConfidenceJudge(Judge):
    """Each response is read once, whatever pairs it is in."""

    def __init__(self, card: JudgeCard, settings: Confident, engine: TransformersEngine) -> None:
        self.card, self._settings, self._engine = card, settings, engine

    def judge(self, trials: Iterable[Trial]) -> Iterator[Verdict]:
        """One verdict per trial, in their order."""
        cue, most = f"\n{self._settings.cue}", self._settings.answer_tokens
        for trial, found in self._engine.continued(given(trials), cue, most):
            if found.failed is not None:
                yield failure(trial, found.failed, usage=found.usage, note=found.note)
            else:
                utility, span = confidence(found)
                raw = json.dumps({"answer": _text(found.answer, found.spelt), "span": span})
                yield verdict(trial, [utility], raw=raw, usage=found.usage)

    def close(self) -> None:
        """Free the model."""
        self._engine.close()


def confidence(found: Continued) -> tuple[float, str]:
    """Mean disparity over the answer's span, in [0, 1], and the span as text."""
    chain = [(t, d) for t, d in zip(found.response, found.disparities, strict=True)]
    chain = [(token, lead) for token, lead in chain if found.spelt[token].strip(_DROPPED)]
    answer = [token for token in found.answer if found.spelt[token].strip(_DROPPED)]
    start, length = last_longest_run([token for token, _ in chain], answer)
    span = chain[start:][:length]
    utility = fsum(lead for _, lead in span) / length if length else 0.0
    return utility, _text([token for token, _ in span], found.spelt)


def last_longest_run(chain: Sequence[int], answer: Sequence[int]) -> tuple[int, int]:
    """Start in `chain` and length of the longest run that `answer` holds too; of several, the last,
    since a chain ends with what it found."""
    best = (0, 0)
    before = [0] * (len(answer) + 1)  # length of the common run that ends at each token of answer
    for i, token in enumerate(chain):
        here = [0]
        for j, other in enumerate(answer):
            here.append(before[j] + 1 if token == other else 0)
        longest = max(here)
        if longest and longest >= best[1]:
            best = (i + 1 - longest, longest)
        before = here
    return best


def _text(tokens: Iterable[int], spelt: Mapping[int, str]) -> str:
    return "".join(spelt[token] for token in tokens)


@kind(
    trained=False,
    order_free=True,
    cost="this machine",
    extras=("local",),
    options={"confidence:MODEL": Confident},
)
def make(spec: Spec, context: Context) -> Judge:
    """Confidence in the answer that a response states: confidence:MODEL, a folder or a hub id.

    Raises BenchError for a model that is not there or a bad option.
    """
    settings = spec.settings(Confident)
    if not spec.argument:
        raise BenchError(f"{spec.text!r} names no model; one expected: confidence:FOLDER")
    engine = TransformersEngine(
        spec.argument, context, dtype=settings.dtype, commit=settings.revision
    )
    own = {"cue": settings.cue, "answer_tokens": settings.answer_tokens, "span": SPAN}
    card = JudgeCard(
        name=spec.label or spec.text,
        kind="confidence",
        protocols=("pointwise",),
        description=f"confidence of {spec.argument} in the answer that a response states",
        order_free=True,
        model=spec.argument,
        revision=engine.revision,
        settings={**own, **engine.settings},
        parameters=engine.parameters,
        context=engine.context,
    )
    return ConfidenceJudge(settings.on(card), settings, engine)
