"""Judges that are models asked in words: a prompt and its parser above, an engine below."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any, Literal, cast

from bench.spec import Spec
from bench.types import BenchError, Judge, JudgeCard, Status, Trial, Verdict, failure
from bench.types import verdict as given
from judges.described import Described
from judges.engines.base import AnswerEngine, AnswerScores, Reply, Request, TextEngine
from judges.parsers import PARSERS, VERSION, Asked
from judges.prompt import LETTERS, Prompt

MIN_MASS = 0.01
RAW = 20_000  # characters of a reply that are kept: its end, where the verdict is

Read = Literal["text", "probabilities"]


@dataclass(frozen=True)
class Asking(Described):
    """Options of every judge that is asked in words. `prompt`: a name, or the path of a YAML file.
    `read`: the verdict from the text, or from the probabilities of the possible answers; None: what
    the kind does by default. `min_mass`: least probability that these must have together, where it
    is read; None: .01. `k`: calls whose verdicts are averaged into one. `weights`: of the aspects
    that a prompt has rated, in its order; equal where none are given."""

    prompt: str = "choice"
    read: str | None = None
    min_mass: float | None = None
    k: int = 1
    weights: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if self.read not in (None, "text", "probabilities"):
            raise BenchError(f"read is {self.read!r}; text or probabilities expected")
        if self.min_mass is not None and not 0 <= self.min_mass < 1:
            raise BenchError(f"min_mass is {self.min_mass}; from 0 to below 1 expected")
        if self.k < 1:
            raise BenchError(f"k is {self.k}; 1 or more calls expected")
        if self.weights and (min(self.weights) < 0 or not 0 < sum(self.weights) < math.inf):
            raise BenchError(f"weights are {self.weights}; from 0 expected, and not all 0")


class PromptedJudge(Judge):
    """A prompt, its parser and an engine. From text, the response named gets utility 1, those of a
    tie share it, a rated one its rating. From probabilities, letters have theirs, normalised, and
    a rated response has the mean rating (G-Eval, arXiv:2303.16634)."""

    def __init__(
        self,
        card: JudgeCard,
        prompt: Prompt,
        engine: TextEngine | AnswerEngine,
        read: Read = "text",
        min_mass: float = 0.0,
        weights: tuple[float, ...] = (),
    ) -> None:
        self.card, self.prompt, self._engine = card, prompt, engine
        self._read_as, self._min_mass, self.weights = read, min_mass, weights

    def judge(self, trials: Iterable[Trial]) -> Iterator[Verdict]:
        """One verdict per trial, as they come; see Judge."""
        if self._read_as == "text":
            return self._from_text(cast(TextEngine, self._engine), trials)
        return self._from_probabilities(cast(AnswerEngine, self._engine), trials)

    @property
    def library_usd(self) -> float | None:  # type: ignore[override]
        """See Judge; of an engine that asks somebody else."""
        usd: float | None = getattr(self._engine, "library_usd", None)
        return usd

    def close(self) -> None:
        """Free the engine."""
        self._engine.close()

    def _from_text(self, engine: TextEngine, trials: Iterable[Trial]) -> Iterator[Verdict]:
        with closing(cast(Any, engine.generate(self._requests(trials)))) as replies:
            for (trial, request), reply in replies:
                yield self._read(trial, request, reply)

    def _from_probabilities(
        self, engine: AnswerEngine, trials: Iterable[Trial]
    ) -> Iterator[Verdict]:
        with closing(cast(Any, engine.answer_logprobs(self._requests(trials)))) as replies:
            for (trial, request), scores in replies:
                yield self._weigh(trial, request, scores)

    def _requests(self, trials: Iterable[Trial]) -> Iterator[tuple[tuple[Trial, Request], Request]]:
        for trial in trials:
            answers = self.prompt.answers(len(trial.order)) or ()
            request = Request(self.prompt.render(trial), answers, trial.seed)
            yield (trial, request), request

    def _read(self, trial: Trial, request: Request, reply: Reply) -> Verdict:
        raw = _capped(reply.text)
        if reply.failed is not None:
            return failure(trial, reply.failed, raw=raw, usage=reply.usage, note=reply.note)
        shown = "\n".join(message.content for message in request.conversation)
        asked = Asked(len(trial.order), self.prompt, shown, self.weights)
        read = PARSERS[self.prompt.parser](reply.text, asked)
        if read.utilities is not None:
            return given(trial, read.utilities, raw=raw, usage=reply.usage)
        status, note = read.status, read.note
        if reply.cut:
            status, note = Status.TRUNCATED, f"the limit of tokens was reached; {note}"
        return failure(trial, status, raw=raw, usage=reply.usage, note=note)

    def _weigh(self, trial: Trial, request: Request, scores: AnswerScores) -> Verdict:
        """Log-probabilities of the answers -> a verdict; `mass` is what they sum to."""
        probabilities = [math.exp(value) for value in scores.logprobs]
        mass = math.fsum(probabilities)
        named = dict(zip(request.answers, map(_short, probabilities), strict=False))
        told = {"note": scores.note} if scores.note and scores.failed is None else {}
        raw = json.dumps({**named, "mass": _short(mass), **told}) if named else ""
        usage = scores.usage
        if scores.failed is not None:
            return failure(trial, scores.failed, raw=raw, usage=usage, note=scores.note)
        if not math.isfinite(max(scores.logprobs)) or mass < self._min_mass:
            answers = ", ".join(request.answers)
            note = f"the answers {answers} have {mass:.2g} of the probability together"
            return failure(trial, Status.UNPARSED, raw=raw, usage=usage, note=note)
        utilities = self.prompt.utilities(scores.logprobs)
        sure = max(utilities) if trial.protocol != "pointwise" else None
        return given(trial, utilities, confidence=sure, raw=raw, usage=usage)


def prompted(
    spec: Spec,
    model: str,
    asking: Asking,
    prompt: Prompt,
    engine: TextEngine | AnswerEngine,
    default: Read,
    settings: dict[str, Any],
) -> PromptedJudge:
    """The judge that `engine` is with this prompt. `default`: how the kind reads a verdict where
    nothing is said, and where the prompt can be read so. `settings`: the engine's part of the
    identity.

    Raises BenchError where the answers of the prompt have no probabilities to read, and for an
    option that belongs to the other way of reading.
    """
    read = how_to_read(asking, prompt, default)
    if asking.k > 1 and read == "probabilities":
        raise BenchError(
            f"{spec.text!r}: k is {asking.k}, and probabilities are read, which are the same at "
            "every call. Leave k out, or take read=text with a temperature."
        )
    if asking.min_mass is not None and read == "text":
        raise BenchError(
            f"{spec.text!r}: min_mass belongs to read=probabilities, and here the prompt "
            f"{prompt.name!r} is read as text. Leave min_mass out, or take read=probabilities with "
            "a prompt that is answered with one sign, such as choice-letter."
        )
    mass = 0.0 if read == "text" else MIN_MASS if asking.min_mass is None else asking.min_mass
    identity = {
        **settings,
        "read": read,
        **({"min_mass": mass} if mass else {}),
        **({"weights": asking.weights} if asking.weights else {}),
        "prompt": prompt.name,
        "prompt_key": prompt.key,
        "parser": f"{prompt.parser} {VERSION}",
    }
    card = JudgeCard(
        name=spec.label or spec.text,
        kind="prompted",
        protocols=prompt.protocols,
        description=f"{model} asked with the prompt {prompt.name!r}",
        order_free=prompt.pointwise,
        sees=prompt.sees,
        model=model,
        settings=identity,
        samples=asking.k,
        max_responses=9 if prompt.signs == "numbers" else len(LETTERS),
    )
    if asking.weights and len(asking.weights) != len(prompt.aspects):
        raise BenchError(
            f"{spec.text!r}: {len(asking.weights)} weights; the prompt {prompt.name!r} has "
            f"{len(prompt.aspects)} aspects: {', '.join(prompt.aspects) or 'none'}"
        )
    return PromptedJudge(asking.on(card), prompt, engine, read, mass, asking.weights)


def how_to_read(asking: Asking, prompt: Prompt, default: Read) -> Read:
    """From text, or from probabilities. Raises BenchError where the prompt's answer is not one sign
    and probabilities were asked for."""
    weighable = prompt.answers(2) is not None
    if asking.read == "probabilities" and not weighable:
        raise BenchError(
            f"prompt {prompt.name!r} is not answered with one letter, digit or word, so there are "
            "no probabilities to read. Take read=text, or a prompt such as choice-letter, "
            "rating-digit, yes-no."
        )
    wanted = cast(Read, asking.read or default)
    return wanted if weighable else "text"


def model_of(spec: Spec, example: str) -> str:
    """The argument of a spec. Raises BenchError where there is none."""
    if not spec.argument:
        raise BenchError(f"{spec.text!r} names no model; one expected, for example {example}")
    return spec.argument


def _short(value: float) -> float:
    return float(f"{value:.6g}")


def _capped(text: str) -> str:
    """The end of a long reply, with a line that says how much is missing."""
    left_out = len(text) - RAW
    return text if left_out <= 0 else f"[{left_out} characters left out]\n{text[-RAW:]}"
