"""Reward models by vLLM: sequence-classification models that score whole sequences, many at once.

Who uses them makes the tokens (`tokenizer`) and says what a score means.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import Any

from bench.types import Context, Status, Usage
from judges import models
from judges.engines.base import Tag
from judges.engines.decoding import TOO_LONG
from judges.engines.vllm_loading import Started, VllmModel, died
from judges.reward_input import Sequenced


@dataclass(frozen=True, slots=True)
class SequenceScores:
    """`logits`: one per label of the model, without any activation, finite or not; empty when
    `failed` says why there are none, with `note`."""

    logits: tuple[float, ...] = ()
    failed: Status | None = None
    note: str = ""
    usage: Usage = Usage()  # noqa: RUF009  (frozen)


class VllmScorer:
    """`model`, `dtype`, `commit`, `tensor_parallel`, `limit`, `remote_code`: as of VllmEngine.

    Nothing heavy is loaded before `tokenizer`, `limit` or the first score is asked for. Raises
    BenchError for a model that is not there, values that are none, and when vLLM is not installed.
    """

    def __init__(
        self,
        model: str,
        context: Context,
        *,
        dtype: str = "float32",
        commit: str | None = None,
        tensor_parallel: int = 1,
        limit: int | None = None,
        remote_code: bool = False,
    ) -> None:
        source = models.find(model, commit)
        self._model = VllmModel(source, context, dtype, tensor_parallel, limit, remote_code)

    pairs = False
    """It reads no pairs of texts: vLLM is not told which text a token is of."""

    @property
    def revision(self) -> str:
        """See judges.models.Model.revision."""
        return self._model.source.revision

    @property
    def parameters(self) -> int | None:
        """Number of weights; None for a hub id."""
        return self._model.source.parameters

    @property
    def settings(self) -> Mapping[str, Any]:
        """What changes scores beside the model and the tokens."""
        return self._model.settings

    @property
    def tokenizer(self) -> Any:
        """The model's, of transformers."""
        return self._started.llm.get_tokenizer()

    @property
    def limit(self) -> int:
        """Tokens that the model reads at most."""
        return self._started.limit

    def scores(
        self, sequences: Iterable[tuple[Tag, Sequenced]]
    ) -> Iterator[tuple[Tag, SequenceScores]]:
        """What the model's head gives at the last token of each sequence, each with its tag; drawn
        and failing as in AnswerEngine.

        Raises BenchError for a vLLM that does not start or ends, and for a model without such a
        head.
        """
        source = iter(sequences)
        while window := list(islice(source, self._started.window)):
            lengths = [(tag, read.ids) for tag, read in window]
            for tag, ids in lengths:
                if len(ids) > self.limit:
                    usage = Usage(prompt_tokens=len(ids), completion_tokens=0)
                    yield tag, SequenceScores((), Status.TRUNCATED, TOO_LONG, usage)
            fitting = [(tag, ids) for tag, ids in lengths if len(ids) <= self.limit]
            outputs, seconds = self._outputs([ids for _, ids in fitting])
            for (tag, ids), output in zip(fitting, outputs, strict=True):
                usage = Usage(len(ids), output.num_cached_tokens, 0, None, seconds)
                yield tag, SequenceScores(tuple(output.outputs.data.tolist()), usage=usage)

    def close(self) -> None:
        """End vLLM's processes; they are started again when the model is needed again."""
        started: Started | None = self.__dict__.pop("_started", None)
        if started is not None:
            started.end()

    @cached_property
    def _started(self) -> Started:
        return self._model.start("pooling")

    def _outputs(self, sequences: Sequence[Sequence[int]]) -> tuple[Sequence[Any], float]:
        """vLLM's output for each, and each one's share of the seconds that all took."""
        from vllm import PoolingParams
        from vllm.v1.engine.exceptions import EngineDeadError

        if not sequences:
            return [], 0.0
        start = time.perf_counter()
        try:
            outputs = self._started.llm.encode(
                [{"prompt_token_ids": list(ids)} for ids in sequences],
                PoolingParams(use_activation=False),
                pooling_task="classify",
                use_tqdm=False,
            )
        except EngineDeadError as error:
            raise died(error) from error
        return outputs, (time.perf_counter() - start) / len(sequences)
