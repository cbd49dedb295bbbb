"""The judge ``embedding``: a trained linear head on a frozen sentence encoder.

The utility of a response is w . phi(x, y), see judges.heads, so a preference is a difference of two
numbers and order cannot matter. The recipe is judges.training.embedding, by ``train reward``.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.kinds import kind
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
from judges.described import Described
from judges.engines.batches import NoMemoryError
from judges.engines.decoding import NOT_NUMBERS
from judges.heads import BLOCKS, Heads, blocks, load
from judges.models import is_commit
from judges.one_text import one_text
from judges.sentences import READ_AS, Embedded, Sentences

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class HeadJudge(Judge):
    """One head on its encoder. `heads`: the folder that it is from. `weights`: float64 (features,),
    the head. `card`: what this kind says of itself; the encoder's part is filled in here. Each
    distinct text is embedded once, whatever pairs and prompts it is in."""

    def __init__(
        self,
        spec: Spec,
        described: Described,
        heads: Heads,
        weights: NDArray[np.float64],
        context: Context,
        *,
        kind: str,
        description: str,
        settings: Mapping[str, Any],
    ) -> None:
        about = heads.about
        commit = about["base_revision"] if is_commit(about["base_revision"]) else None
        self._sentences = Sentences(about["base"], context, commit)
        if self._sentences.revision != about["base_revision"]:
            raise BenchError(
                f"judge {spec.text!r} was trained on {about['base']!r} at revision "
                f"{about['base_revision'][:16]}, and here it is {self._sentences.revision[:16]}. "
                "Install that revision, or train the head again."
            )
        self._weights = weights
        self._last: tuple[str, Embedded] | None = None
        self.training_prompts = frozenset(about["prompts"])
        read = {"base_revision": about["base_revision"], "read_as": READ_AS}
        known = self._sentences.parameters
        card = JudgeCard(
            name=spec.label or spec.text,
            kind=kind,
            protocols=("pointwise",),
            description=description,
            order_free=True,
            model=about["base"],
            revision=heads.revision,
            settings={**read, "features": about["features"], **settings},
            parameters=None if known is None else known + weights.size,
            trained=True,
            trained_on=tuple(about["asked"]),
            context=about["tokens"],
            cuts=f"the end of a prompt and of a response of more than {about['tokens']} tokens",
        )
        self.card = described.on(card)

    def judge(self, trials: Iterable[Trial]) -> Iterator[Verdict]:
        """One verdict per trial, in their order.

        Raises BenchError when the encoder's embeddings have another width than the head.
        """
        for trial in trials:
            try:
                prompt, seconds = self._prompt(one_text(trial.item.prompt))
                response = self._sentences.embedded(trial.shown[0].text)
            except NoMemoryError as error:
                yield failure(trial, Status.ERROR, note=str(error))
                continue
            phi = blocks(prompt.vector, response.vector).ravel()
            if phi.size != self._weights.size:
                raise BenchError(
                    f"judge {self.card.name!r}: its head has {self._weights.size} weights, and "
                    f"{BLOCKS} x {response.vector.size} features are read. Train it again."
                )
            utility = float(phi @ self._weights)
            tokens = prompt.tokens + response.tokens
            usage = Usage(prompt_tokens=tokens, latency_s=seconds + response.seconds)
            if not math.isfinite(utility):
                yield failure(trial, Status.UNPARSED, usage=usage, note=NOT_NUMBERS)
                continue
            cut = prompt.cut or response.cut
            yield verdict(trial, [utility], raw=f"{utility:.6g}", usage=usage, cut=cut)

    def close(self) -> None:
        """Free the encoder."""
        self._sentences.close()

    def _prompt(self, text: str) -> tuple[Embedded, float]:
        """Embedding and seconds; none where the trial before had the same prompt."""
        if self._last is not None and self._last[0] == text:
            return self._last[1], 0.0
        found = self._sentences.embedded(text)
        self._last = text, found
        return found, found.seconds


def judge_of(spec: Spec, described: Described, folder: Path, context: Context) -> HeadJudge:
    """The judge of the one head in `folder`. Raises BenchError for a folder that holds none, or one
    for each annotator."""
    import numpy as np

    heads = load(folder)
    if heads.annotators:
        raise BenchError(
            f"{spec.text!r}: {folder} holds a head for each of {len(heads.annotators)} annotators. "
            f"One of them, or their mean, is the judge personal:{folder}"
        )
    return HeadJudge(
        spec,
        described,
        heads,
        heads.weights[0].astype(np.float64),
        context,
        kind="embedding",
        description="linear head on a frozen sentence encoder",
        settings={},
    )


@kind(
    trained=True,
    order_free=True,
    cost="this machine",
    extras=("local",),
    options={"embedding:FOLDER": Described},
)
def make(spec: Spec, context: Context) -> Judge:
    """A linear head on a frozen sentence encoder, embedding:FOLDER; made by train reward.

    Raises BenchError: no such head, no encoder.
    """
    if not spec.argument:
        raise BenchError(
            f"{spec.text!r} names no trained head. Make one: smallclaims train reward --task TASK "
            "--out models/NAME, then the judge embedding:models/NAME"
        )
    folder = Path(spec.argument).expanduser()
    return judge_of(spec, spec.settings(Described), folder, context)
