"""Which pairs a cross-encoder is shown in an epoch, and in which order.

  off     each pair once, in item order: slot 1 has the response that stands first in the data
  random  each pair once, in an order drawn anew in each epoch, even odds (what JudgeLM's trainer
          does; arXiv:2310.17631)
  both    each pair twice, once in each order, the two in one step: what they have in common, a
          liking for a slot, then cancels out of the gradient

An epoch follows from the seed and its number alone, so a training that was stopped goes on with
what it would have been shown.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import TYPE_CHECKING, Any

from bench.types import Item
from judges.joint import Joiner, Joint
from judges.training.preferences import pairs_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SWAPS = ("off", "random", "both")
_WINDOW = 16  # batches whose inputs are sorted by length among each other, to pad less


@dataclass(frozen=True)
class Rows:
    """Pairs in both orders: row 2i shows pair i in item order, row 2i + 1 the other way round.
    `labels`: 1 where the response in slot 1 is the better one, else 0."""

    joints: Sequence[Joint]
    labels: Sequence[float]

    @classmethod
    def of(cls, items: Sequence[Item], joiner: Joiner, pairs_per_item: int, seed: int) -> Rows:
        """The pairs of `items`, see judges.training.preferences.pairs_of."""
        joints, labels = [], []
        for item in items:
            for better, worse in pairs_of(item, pairs_per_item, seed):
                low, high = sorted((better, worse))
                joints += [joiner.item(item, (low, high)), joiner.item(item, (high, low))]
                labels += [float(better == low), float(better == high)]
        return cls(joints, labels)

    @property
    def pairs(self) -> int:
        """How many there are."""
        return len(self.labels) // 2

    @cached_property
    def lengths(self) -> Sequence[int]:
        """Tokens of each row."""
        return [len(joint.ids) for joint in self.joints]


def epoch_rows(pairs: int, swap: str, seed: int, epoch: int) -> NDArray[np.int64]:
    """The rows shown in `epoch`, from 0, in no order yet."""
    import numpy as np

    if swap == "both":
        return np.arange(2 * pairs)
    rows = 2 * np.arange(pairs)
    if swap == "random":
        rows += np.random.default_rng((seed, epoch, 0)).integers(2, size=pairs)
    return rows


class Epochs:
    """The batches of rows of one epoch after the other, as a batch sampler of torch; made with what
    the library gives every batch sampler, which is not needed here.

    The rows of an epoch are shuffled, with `swap` both the pairs, and within some batches sorted by
    length. `batch`: rows in one. `lengths`: tokens of each row. `shuffle`: the seed of what is
    drawn.
    """

    drop_last = False

    def __init__(
        self,
        _dataset: Any,
        *,
        batch: int,
        swap: str,
        lengths: Sequence[int],
        shuffle: int,
        **_: Any,
    ) -> None:
        self.batch_size = batch
        self._swap, self._lengths, self._seed, self._epoch = swap, lengths, shuffle, 0

    def set_epoch(self, epoch: int) -> None:
        """Which epoch comes next, from 0."""
        self._epoch = epoch

    def __len__(self) -> int:
        shown = self._shown()
        return -(-len(shown) // self._together(shown))

    def __iter__(self) -> Iterator[list[int]]:
        import numpy as np

        rng = np.random.default_rng((self._seed, self._epoch, 1))
        shown = rng.permutation(self._shown())
        size = self._together(shown)
        batches: list[list[int]] = []
        for start in range(0, len(shown), size * _WINDOW):
            near = sorted(
                shown[start : start + size * _WINDOW].tolist(),
                key=lambda rows: self._lengths[rows[0]],
            )
            batches += [list(chain(*near[i : i + size])) for i in range(0, len(near), size)]
        for i in rng.permutation(len(batches)):
            yield batches[i]

    def _shown(self) -> NDArray[np.int64]:
        """(n, 1 or 2) rows: those of a line stay together."""
        rows = epoch_rows(len(self._lengths) // 2, self._swap, self._seed, self._epoch)
        return rows.reshape(-1, 2 if self._swap == "both" else 1)

    def _together(self, shown: NDArray[np.int64]) -> int:
        """Lines in a batch."""
        return max(1, self.batch_size // int(shown.shape[1]))
