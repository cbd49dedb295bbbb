"""Any model that lm-eval (EleutherAI) knows, through its `loglikelihood` and `generate_until`.

Where the model has a tokenizer of transformers (hf, vllm, completion servers with tokenizer=...), a
conversation is turned into tokens here, and lm-eval scores tokens: its own way from text moves a
template's last line break into the answer, and reads a special token that is spelt out in a text as
one. Elsewhere it gets text: by the model's own template where it has one, plain where not.

What is written follows from text in any case: `generate_until` takes nothing else. So that nobody
can end a turn, a special token that a text spells out gets a space after its first character there;
a model whose special tokens are not known here (a server without tokenizer=...) is shown the text
as it is.

Of lm-eval's own arguments, `batch_size` and `num_concurrent` say how much is asked together. A
model that pads what it reads together gives scores that depend on that, in the fifth decimal.
"""

from __future__ import annotations

import contextlib
import io
import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from importlib.metadata import version
from itertools import islice
from typing import Any, TypeVar

from bench.types import BenchError, Context, Status, Usage
from judges.engines.answer_scores import Spellings
from judges.engines.base import AnswerScores, Reply, Request, Tag
from judges.engines.decoding import NOT_NUMBERS, TOO_LONG
from judges.engines.lm_eval_loading import LmEvalModel
from judges.engines.lm_eval_speech import Speech
from judges.engines.sampling import Sampling

WINDOW = 16  # requests that are asked together, at least

Value = TypeVar("Value")


class _FaultError(Exception):
    """The infrastructure gave no answer."""


class LmEvalEngine:
    """`kind`: lm-eval's name of a type of model, such as hf. `args`: name=value, as for its
    --model_args. `sampling`: of what is written; above temperature 0 each request has its seed.
    Threads are `context.threads`, for a model in this process.

    Nothing heavy is loaded before the first request. Raises BenchError for an unknown type, for
    arguments that are none or refused, and when lm-eval is not installed.
    """

    def __init__(
        self,
        kind: str,
        args: Sequence[str],
        context: Context,
        *,
        sampling: Sampling = Sampling(),  # noqa: B008  (frozen)
    ) -> None:
        self._model = LmEvalModel(kind, tuple(args))
        self._context, self._sampling = context, sampling

    @property
    def revision(self) -> str | None:
        """See judges.models.Model.revision; None where the weights are not loaded here."""
        return None if self._model.source is None else self._model.source.revision

    @property
    def parameters(self) -> int | None:
        """Number of weights; None where no folder or file of them is known."""
        return None if self._model.source is None else self._model.source.parameters

    @property
    def context(self) -> int | None:
        """Tokens that the model reads at most; None where no folder or file of it is known."""
        return None if self._model.source is None else self._model.source.context

    @property
    def settings(self) -> Mapping[str, Any]:
        """What changes answers beside the model and what is asked of it."""
        return {"lm_eval": version("lm_eval"), "args": sorted(self._model.args)}

    def answer_logprobs(
        self, requests: Iterable[tuple[Tag, Request]]
    ) -> Iterator[tuple[Tag, AnswerScores]]:
        """See AnswerEngine; from text, an answer may be of several tokens.

        Raises BenchError for an answer that is no single token, where lm-eval has no
        log-probabilities for this type of model, and for a model that does not load.
        """
        for window in self._windows(requests, self._together):
            ready: list[tuple[Tag, Request, Any]] = []
            for tag, request in window:
                prompt, tokens = self._prompt(request)
                if tokens is not None and tokens >= self._limit:
                    usage = Usage(prompt_tokens=tokens, completion_tokens=0)
                    yield tag, AnswerScores((), Status.TRUNCATED, TOO_LONG, usage)
                else:
                    ready.append((tag, request, prompt))
            if ready:
                yield from self._scores(ready)

    def generate(self, requests: Iterable[tuple[Tag, Request]]) -> Iterator[tuple[Tag, Reply]]:
        """See TextEngine. Whether a reply was cut is known where the tokenizer is.

        Raises BenchError for a model that does not load, and for what lm-eval cannot do with it.
        """
        one = self._sampling.temperature > 0 and self._model.by_transformers
        for window in self._windows(requests, 1 if one else self._together):
            ready: list[tuple[Tag, Request, Any, int | None]] = []
            for tag, request in window:
                text = self._speech.text(request.conversation)
                tokens = self._speech.count(text)
                if tokens is not None and tokens >= self._limit:
                    usage = Usage(prompt_tokens=tokens, completion_tokens=0)
                    yield tag, Reply("", True, Status.TRUNCATED, TOO_LONG, usage)
                else:
                    ready.append((tag, request, text, tokens))
            if ready:
                yield from self._replies(ready)

    def close(self) -> None:
        """Free the model; it is loaded again when it is needed again."""
        for made_of_it in ("_speech", "_spellings"):
            self.__dict__.pop(made_of_it, None)
        if self.__dict__.pop("_lm", None) is not None and self._model.by_transformers:
            import torch

            torch.cuda.empty_cache()  # does nothing where there is no GPU

    @cached_property
    def _lm(self) -> Any:
        return self._model.load(self._context)

    @cached_property
    def _speech(self) -> Speech:
        return Speech(self._lm, self._model.type)

    @cached_property
    def _spellings(self) -> Spellings | None:
        chat = self._speech.chat
        return None if chat is None else Spellings(chat, self._model.type)

    @property
    def _limit(self) -> float:
        """Tokens that the model reads and writes at most."""
        limit: float = getattr(self._lm, "max_length", None) or math.inf
        return limit

    @property
    def _together(self) -> int:
        """Requests of a window: some batches, so that lm-eval can sort them by length."""
        asked = (self._model.given.get(name, "1") for name in ("batch_size", "num_concurrent"))
        return max(WINDOW, *(4 * int(n) if n.isdigit() else 16 * WINDOW for n in asked))

    def _prompt(self, request: Request) -> tuple[Any, int | None]:
        """The conversation as it is scored, and its number of tokens."""
        if self._speech.chat is None:
            return self._speech.text(request.conversation), None
        ids = self._speech.tokens(request.conversation)
        return ids, len(ids)

    def _spelt(self, answer: str) -> Sequence[Any]:
        """The spellings of an answer, as they are scored."""
        if self._spellings is None:
            return answer, f" {answer}"
        return [[token] for token in self._spellings.tokens(answer)]

    def _scores(
        self, ready: Sequence[tuple[Tag, Request, Any]]
    ) -> Iterator[tuple[Tag, AnswerScores]]:
        asked = [
            (prompt, spelt)
            for _, request, prompt in ready
            for answer in request.answers
            for spelt in self._spelt(answer)
        ]
        start = time.perf_counter()
        try:
            found = iter(self._logprobs(asked))
        except _FaultError as error:
            yield from ((tag, AnswerScores((), Status.ERROR, str(error))) for tag, *_ in ready)
            return
        seconds = (time.perf_counter() - start) / len(ready)
        for tag, request, prompt in ready:
            tokens = len(prompt) if self._spellings is not None else None
            usage = Usage(tokens, None, 0, None, seconds)
            spelt = [list(islice(found, len(self._spelt(a)))) for a in request.answers]
            if not all(value <= 0 for values in spelt for value in values):
                yield tag, AnswerScores((), Status.UNPARSED, NOT_NUMBERS, usage)
            else:
                yield tag, AnswerScores(tuple(map(_log_sum, spelt)), usage=usage)

    def _logprobs(self, asked: Sequence[tuple[Any, Any]]) -> list[float]:
        """Log-probability of each continuation after its prompt."""
        if self._speech.chat is not None:
            tokens = [(("", ""), prompt, spelt) for prompt, spelt in asked]
            found = _quietly(lambda: self._lm._loglikelihood_tokens(tokens, disable_tqdm=True))
        else:
            from lm_eval.api.instance import Instance

            texts = [Instance("loglikelihood", {}, pair, i) for i, pair in enumerate(asked)]
            found = _quietly(lambda: self._lm.loglikelihood(texts))
        return [float(value) for value, _ in found]

    def _replies(
        self, ready: Sequence[tuple[Tag, Request, Any, int | None]]
    ) -> Iterator[tuple[Tag, Reply]]:
        from lm_eval.api.instance import Instance

        limits = [self._written(tokens) for *_, tokens in ready]
        asked = [
            Instance("generate_until", {}, (text, self._how(request, limit)), i)
            for i, ((_, request, text, _), limit) in enumerate(zip(ready, limits, strict=True))
        ]
        start = time.perf_counter()
        try:
            found = self._write(asked, ready[0][1].seed)
        except _FaultError as error:
            yield from ((tag, Reply(failed=Status.ERROR, note=str(error))) for tag, *_ in ready)
            return
        seconds = (time.perf_counter() - start) / len(ready)
        for (tag, _, _, tokens), limit, text in zip(ready, limits, found, strict=True):
            chat = self._speech.chat
            count = None if chat is None else len(chat.text(text))
            usage = Usage(tokens, None, count, None, seconds)
            yield tag, Reply(text, count is not None and count >= limit, usage=usage)

    def _written(self, tokens: int | None) -> int:
        """How many tokens may be written after a prompt of `tokens`."""
        room = self._sampling.max_tokens if tokens is None else self._limit - tokens
        return int(min(self._sampling.max_tokens, room))

    def _how(self, request: Request, limit: int) -> dict[str, Any]:
        """lm-eval's settings of what is written: of all tokens, drawn by the request's seed."""
        warmth = self._sampling.temperature
        plain = {"until": [], "max_gen_toks": limit, "do_sample": warmth > 0, "temperature": warmth}
        if warmth == 0:
            return plain
        if self._model.by_transformers:
            return {**plain, "top_k": 0, "top_p": 1.0}
        return {**plain, "seed": request.seed % 2**31}

    def _write(self, asked: Sequence[Any], seed: int) -> list[str]:
        with _drawing(seed) if self._model.by_transformers else contextlib.nullcontext():
            found: list[str] = _quietly(lambda: self._lm.generate_until(asked))
        return found

    @staticmethod
    def _windows(source: Iterable[Value], size: int) -> Iterator[list[Value]]:
        left = iter(source)
        while window := list(islice(left, size)):
            yield window


@contextlib.contextmanager
def _drawing(seed: int) -> Iterator[None]:
    """torch draws by `seed`, and afterwards goes on as if nothing had been."""
    import torch

    with torch.random.fork_rng():
        torch.manual_seed(seed % 2**63)
        yield


def _quietly(ask: Callable[[], Any]) -> Any:
    """What lm-eval answers, without its progress bars. Raises _FaultError for what may go away,
    BenchError for what will not."""
    from aiohttp import ClientError

    try:
        with contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO()):
            return ask()
    except NotImplementedError as error:
        raise BenchError(
            f"lm-eval cannot ask this type of model for that: {error or 'it says no more'}. "
            "Chat servers give text only: read=text."
        ) from error
    except (OSError, ClientError) as error:  # its HTTP libraries' errors are these
        raise _FaultError(f"{type(error).__name__}: {error}"[:500]) from error
    except Exception as error:  # of three dozen libraries
        raise BenchError(
            f"lm-eval failed: {type(error).__name__}: {str(error)[:2000]} Where memory ran out, "
            "give a smaller batch_size among args."
        ) from error


def _log_sum(logprobs: Sequence[float]) -> float:
    total = math.fsum(map(math.exp, logprobs))
    return min(0.0, math.log(total)) if total > 0 else -math.inf
