"""A GGUF model on this machine by llama.cpp, as the package xllamacpp brings it ready built.

One request at a time, and nothing of its prompt is kept for the next one, so that an answer follows
from its request alone. llama.cpp computes with 8-bit activations, and sums its softmax in float32:
its log-probabilities are those of the same weights in float32 to about 0.1, and they sum to 1 to
about 1e-3.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from bench.types import BenchError, Context, Status, Usage
from judges import models
from judges.engines.answer_scores import Spellings
from judges.engines.base import AnswerScores, Reply, Request, Tag
from judges.engines.decoding import NOT_NUMBERS, TOO_LONG
from judges.engines.llama_model import LlamaModel
from judges.engines.sampling import Sampling

_SEEDS = 2**32 - 1  # the number after these means "draw one" to llama.cpp


class LlamaCppEngine:
    """`model`: a GGUF file, as in judges.models. `limit`: tokens of a prompt and what is written
    after it, 8,192 for None, and no more than the model was trained on: memory is taken for all.
    `sampling`: of what is written. Threads are `context.threads`.

    Nothing is loaded before the first request. Raises BenchError for a model that is not there or
    no GGUF file, and when xllamacpp is not installed.
    """

    def __init__(
        self,
        model: str,
        context: Context,
        *,
        limit: int | None = None,
        sampling: Sampling = Sampling(),  # noqa: B008  (frozen)
    ) -> None:
        if find_spec("xllamacpp") is None:
            raise BenchError(
                "judges that run on llama.cpp need xllamacpp: pip install 'smallclaims[llama-cpp]'"
            )
        if limit is not None and limit < 2:
            raise BenchError(f"limit is {limit}; 2 or more tokens expected")
        self._model = models.find(model)
        if self._model.path is None or not self._model.path.is_file():
            raise BenchError(
                f"model {model!r}: llama.cpp reads GGUF files. Expected: FILE.gguf, or "
                "package:IMPORT_NAME/FILE.gguf. A model folder or hub id: transformers:MODEL."
            )
        self._path: Path = self._model.path
        self._context, self._limit, self._sampling = context, limit, sampling

    @property
    def revision(self) -> str:
        """See judges.models.Model.revision."""
        return self._model.revision

    @property
    def parameters(self) -> int | None:
        """Number of weights."""
        return self._model.parameters

    @property
    def context(self) -> int | None:
        """Tokens that the model was trained to read; None where its file does not say."""
        return self._model.context

    @property
    def settings(self) -> Mapping[str, Any]:
        """What changes answers beside the model and what is asked of it."""
        limit = {} if self._limit is None else {"limit": self._limit}
        return {"xllamacpp": version("xllamacpp"), **limit}

    def answer_logprobs(
        self, requests: Iterable[tuple[Tag, Request]]
    ) -> Iterator[tuple[Tag, AnswerScores]]:
        """See AnswerEngine. Raises BenchError for an answer that is no single token, and for a
        model that does not load or has no chat template."""
        for tag, request in requests:
            yield tag, self._scores(request)

    def generate(self, requests: Iterable[tuple[Tag, Request]]) -> Iterator[tuple[Tag, Reply]]:
        """See TextEngine. Raises BenchError for a model that does not load or has no chat
        template."""
        for tag, request in requests:
            yield tag, self._reply(request)

    def close(self) -> None:
        """Free the model; it is loaded again when it is needed again."""
        self.__dict__.pop("_spellings", None)
        if (loaded := self.__dict__.pop("_loaded", None)) is not None:
            loaded.close()

    @cached_property
    def _loaded(self) -> LlamaModel:
        return LlamaModel(self._path, self._model.reference, self._limit, self._context.threads)

    @cached_property
    def _spellings(self) -> Spellings:
        return Spellings(self._loaded.chat, self._model.reference)

    def _scores(self, request: Request) -> AnswerScores:
        start = time.perf_counter()
        ids = self._loaded.chat.conversation(request.conversation)
        if len(ids) >= self._loaded.limit:
            usage = Usage(prompt_tokens=len(ids), completion_tokens=0)
            return AnswerScores((), Status.TRUNCATED, TOO_LONG, usage)
        spelt = [self._spellings.tokens(answer) for answer in request.answers]
        found = self._loaded.next_tokens(ids, spelt)
        usage = Usage(len(ids), None, 0, None, time.perf_counter() - start)
        if len(found) < len(spelt):
            return AnswerScores((), Status.UNPARSED, NOT_NUMBERS, usage)
        logprobs = (math.log(p) if p > 0 else -math.inf for p in found)
        return AnswerScores(tuple(min(0.0, value) for value in logprobs), usage=usage)

    def _reply(self, request: Request) -> Reply:
        start = time.perf_counter()
        ids = self._loaded.chat.conversation(request.conversation)
        room = self._loaded.limit - len(ids)
        if room < 1:
            usage = Usage(len(ids), completion_tokens=0)
            return Reply("", True, Status.TRUNCATED, TOO_LONG, usage)
        found = self._loaded.complete(
            ids,
            n_predict=min(self._sampling.max_tokens, room),
            temperature=self._sampling.temperature,
            samplers=["temperature"],  # alone: others leave rare tokens out
            seed=request.seed % _SEEDS,
        )
        choice, written = found["choices"][0], found["usage"]["completion_tokens"]
        usage = Usage(len(ids), None, written, None, time.perf_counter() - start)
        return Reply(choice["text"], choice["finish_reason"] == "length", usage=usage)
