"""Judges that are models asked in words: a prompt and its parser above, an engine below."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from itertools import islice
from typing import Any, cast

from bench.spec import Spec
from bench.types import (
    BenchError,
    Context,
    Judge,
    JudgeCard,
    Status,
    Trial,
    Usage,
    Verdict,
    failure,
    verdict,
)
from judges.engines.base import ChoiceEngine, Conversation, LetterScores, Reply, TextEngine
from judges.parsers import PARSERS, RATERS, VERSION
from judges.prompt import LETTERS, Prompt, load_prompt

RAW = 20_000  # characters of a reply that are kept: its end, where the verdict is
BATCH = 256  # trials handed to a choice engine at a time, which sorts them by length


@dataclass(frozen=True)
class ApiSettings:
    """Options of ``litellm:MODEL``; the last four change no verdict and are no part of the
    identity. `timeout`: seconds for one call. `concurrency`: calls in flight at most.
    `usd_per_mtok`: price of input, cached input and output, for a model without a list price.
    `families`: see JudgeCard."""

    prompt: str = "choice"
    temperature: float | None = 0.0
    max_tokens: int = 512
    seed: int | None = None
    api_base: str | None = None
    timeout: float = 120.0
    concurrency: int = 16
    usd_per_mtok: tuple[float, ...] | None = None
    families: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        price = self.usd_per_mtok
        if price is not None and (len(price) != 3 or not all(0 <= p < math.inf for p in price)):
            raise BenchError(
                f"usd_per_mtok is {price}; three numbers from 0 expected: INPUT+CACHED+OUTPUT in "
                "US dollars per million tokens, for example 2.5+1.25+10"
            )


@dataclass(frozen=True)
class LocalSettings:
    """Options of ``transformers:MODEL``. `dtype`: of the weights. The other three describe the
    model on a card."""

    prompt: str = "choice-letter"
    dtype: str = "float32"
    licence: str | None = None
    families: tuple[str, ...] = ()
    description: str | None = None


def litellm(spec: Spec, context: Context) -> Judge:
    """The judge ``litellm:PROVIDER/MODEL``: a verdict read from the model's text.

    Raises BenchError for a missing key, an unknown provider or a bad option.
    """
    from judges.engines.litellm import LitellmEngine, Sampling

    settings = spec.settings(ApiSettings)
    model = _model(spec, "litellm:openai/NAME")
    prompt = load_prompt(settings.prompt)
    sampling = Sampling(settings.temperature, settings.max_tokens, settings.seed, settings.api_base)
    engine = LitellmEngine(
        model, sampling, concurrency=settings.concurrency, timeout_s=settings.timeout
    )
    card = _card(spec, prompt, model, {"engine": "litellm", **asdict(sampling)})
    price = cast(tuple[float, float, float] | None, settings.usd_per_mtok)
    card = replace(card, paid=True, usd_per_mtok=price, families=settings.families)
    return PromptedJudge(card, prompt, engine)


def transformers(spec: Spec, context: Context) -> Judge:
    """The judge ``transformers:MODEL``: a verdict from the probabilities of the answer letters.

    Raises BenchError for a model that is not there, or a prompt whose answer is no letter.
    """
    from judges.engines.transformers import TransformersEngine

    settings = spec.settings(LocalSettings)
    model = _model(spec, "transformers:FOLDER")
    prompt = load_prompt(settings.prompt)
    engine = TransformersEngine(model, context, dtype=settings.dtype)
    own = {"engine": "transformers", "verdict": "letter probabilities", "dtype": settings.dtype}
    card = _card(spec, prompt, model, own)
    card = replace(
        card,
        revision=engine.revision,
        parameters=engine.parameters,
        licence=settings.licence,
        families=settings.families,
        description=settings.description or card.description,
    )
    return PromptedJudge(card, prompt, engine)


class PromptedJudge(Judge):
    """A prompt, its parser and an engine. With a text engine the verdict is read from the text:
    the response named gets utility 1, those of a tie share it, a rated one its rating. With a
    choice engine the utilities are the probabilities of the letters, normalised; a rated response
    has the mean of the ratings, each weighed by its probability (G-Eval, arXiv:2303.16634)."""

    def __init__(self, card: JudgeCard, prompt: Prompt, engine: TextEngine | ChoiceEngine) -> None:
        if not isinstance(engine, TextEngine):
            _check_signs(prompt)
        self.card, self._prompt, self._engine = card, prompt, engine

    def judge(self, trials: Iterable[Trial]) -> Iterator[Verdict]:
        """One verdict per trial, as they come; see Judge."""
        if isinstance(self._engine, TextEngine):
            return self._from_text(self._engine, trials)
        return self._from_letters(self._engine, trials)

    def close(self) -> None:
        """Free the engine."""
        self._engine.close()

    def _from_text(self, engine: TextEngine, trials: Iterable[Trial]) -> Iterator[Verdict]:
        asked = ((trial, self._prompt.render(trial)) for trial in trials)
        requests = (((trial, conversation), conversation) for trial, conversation in asked)
        with closing(cast(Any, engine.generate(requests))) as replies:
            for (trial, conversation), reply in replies:
                yield self._read(trial, conversation, reply)

    def _read(self, trial: Trial, conversation: Conversation, reply: Reply) -> Verdict:
        raw = _capped(reply.text)
        if reply.failed is not None:
            return failure(trial, reply.failed, raw=raw, usage=reply.usage, note=reply.note)
        n, tie = len(trial.order), "tie" in self._prompt.returns
        shown = "\n".join(message.content for message in conversation)
        if self._prompt.scale is not None:
            rated = RATERS[self._prompt.parser](reply.text, self._prompt.scale, shown)
            if rated.rating is not None:
                return verdict(trial, [rated.rating], raw=raw, usage=reply.usage)
            return _unread(trial, reply, raw, rated.status, rated.note)
        reading = PARSERS[self._prompt.parser](reply.text, n, tie, shown)
        if reading.status is Status.OK:
            share = 1.0 / len(reading.winners)
            utilities = [share if i in reading.winners else 0.0 for i in range(n)]
            return verdict(trial, utilities, raw=raw, usage=reply.usage)
        return _unread(trial, reply, raw, reading.status, reading.note)

    def _from_letters(self, engine: ChoiceEngine, trials: Iterable[Trial]) -> Iterator[Verdict]:
        source = iter(trials)
        while batch := list(islice(source, BATCH)):
            conversations = [self._prompt.render(trial) for trial in batch]
            signs = [_signs(self._prompt, trial) for trial in batch]
            scores = engine.letter_logprobs(conversations, signs)
            for trial, asked in zip(batch, signs, strict=True):
                start = time.perf_counter()
                score = next(scores)
                # The time of a batch of the engine's falls on its first trial; sums are right.
                yield _scored(trial, asked, score, time.perf_counter() - start)


def _check_signs(prompt: Prompt) -> None:
    """Raises BenchError for a prompt whose answer is not one sign that an engine can weigh."""
    if prompt.scale is not None:
        if not 0 <= prompt.scale[0] < prompt.scale[1] <= 9:
            raise BenchError(
                f"prompt {prompt.name!r} has the scale {list(prompt.scale)}; an engine that scores "
                "digits needs one from 0 to 9 at the most, for example rating-digit"
            )
    elif prompt.returns != ("letter",):
        raise BenchError(
            f"prompt {prompt.name!r} may return {', '.join(prompt.returns)}; an engine that "
            "scores letters needs one that returns a letter alone, for example choice-letter"
        )


def _signs(prompt: Prompt, trial: Trial) -> str:
    """The signs that the answer may be: a letter for each response shown, or a digit."""
    if prompt.scale is None:
        return LETTERS[: len(trial.order)]
    low, high = prompt.scale
    return "".join(map(str, range(low, high + 1)))


def _unread(trial: Trial, reply: Reply, raw: str, status: Status, note: str) -> Verdict:
    if reply.cut:
        status, note = Status.TRUNCATED, f"the limit of tokens was reached; {note}"
    return failure(trial, status, raw=raw, usage=reply.usage, note=note)


def _scored(trial: Trial, signs: str, score: LetterScores, seconds: float) -> Verdict:
    """Log-probabilities of the signs -> a verdict; `mass` is what they sum to."""
    usage = Usage(prompt_tokens=score.prompt_tokens, completion_tokens=0, latency_s=seconds)
    probabilities = [math.exp(value) for value in score.logprobs]
    named = dict(zip(signs, (float(f"{p:.6g}") for p in probabilities), strict=False))
    raw = json.dumps({**named, "mass": float(f"{math.fsum(probabilities):.6g}")})
    if score.truncated:
        note = "the prompt is longer than the model reads"
        return failure(trial, Status.TRUNCATED, raw=raw, usage=usage, note=note)
    top = max(score.logprobs)
    if not math.isfinite(top):
        note = f"the signs {signs} have no probability"
        return failure(trial, Status.UNPARSED, raw=raw, usage=usage, note=note)
    weights = [math.exp(value - top) for value in score.logprobs]  # tiny masses keep their ratio
    total = math.fsum(weights)
    if trial.protocol == "pointwise":
        mean = math.fsum(int(s) * w for s, w in zip(signs, weights, strict=True)) / total
        return verdict(trial, [mean], raw=raw, usage=usage)
    utilities = [weight / total for weight in weights]
    return verdict(trial, utilities, confidence=max(utilities), raw=raw, usage=usage)


def _model(spec: Spec, example: str) -> str:
    if not spec.argument:
        raise BenchError(f"{spec.text!r} names no model; one expected, for example {example}")
    return spec.argument


def _card(spec: Spec, prompt: Prompt, model: str, settings: dict[str, Any]) -> JudgeCard:
    own = {"prompt": prompt.name, "prompt_key": prompt.key, "parser": f"{prompt.parser} {VERSION}"}
    return JudgeCard(
        name=spec.label or spec.text,
        kind="prompted",
        protocols=prompt.protocols,
        description=f"{model} asked with the prompt {prompt.name!r}",
        order_free=prompt.scale is not None,
        sees=("text", "reference") if prompt.uses_reference else ("text",),
        model=model,
        settings={**settings, **own},
        max_responses=len(LETTERS),
    )


def _capped(text: str) -> str:
    """The end of a long reply, with a line that says how much is missing."""
    left_out = len(text) - RAW
    return text if left_out <= 0 else f"[{left_out} characters left out]\n{text[-RAW:]}"
