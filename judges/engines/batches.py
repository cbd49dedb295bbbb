"""Sequences read together: similar lengths in one batch, smaller batches when memory runs out."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, TypeVar

from bench.types import BenchError

Value = TypeVar("Value")

MAX_BATCH = 64  # sequences; bounds the logits, which are as wide as the vocabulary
WINDOW = 256  # sequences whose lengths are compared to make batches
_NO_MEMORY = ("out of memory", "can't allocate memory", "not enough memory")


@dataclass(frozen=True, slots=True)
class Done(Generic[Value]):
    """`index`: of the sequence. `value`: what was computed for it; None when there was not memory
    enough even for it alone. `seconds`: its share of its batch's. `note`: what became of the batch
    that it was in first, empty when nothing did."""

    index: int
    value: Value | None
    seconds: float
    note: str


class Batches:
    """`tokens`: in a batch at most, padding counted; 0: one sequence at a time, in order. It is
    halved for good when a batch does not fit into memory, and `say` told. `halved`: how often."""

    def __init__(self, tokens: int, say: Callable[[str], None]) -> None:
        self._tokens, self._say = tokens, say
        self.halved = 0

    @property
    def window(self) -> int:
        """How many sequences to bring at a time."""
        return WINDOW if self._tokens else 1

    def run(
        self, lengths: Sequence[int], compute: Callable[[list[int]], Sequence[Value]]
    ) -> Iterator[Done[Value]]:
        """What `compute` gives for each sequence; it is called with batches of their indices."""
        left = dict(enumerate(lengths))
        notes: dict[int, str] = {}
        start = time.perf_counter()
        while left:
            batch = made(left, self._tokens)[0]
            values = within_memory(partial(compute, batch))
            if values is None and len(batch) > 1:
                note = f"memory ran out in a batch of {len(batch)}, read again in smaller ones"
                notes |= dict.fromkeys(batch, note)
                self._halve(len(batch) * max(lengths[i] for i in batch))
                continue
            seconds = (time.perf_counter() - start) / len(batch)
            for n, i in enumerate(batch):
                del left[i]
                yield Done(i, None if values is None else values[n], seconds, notes.get(i, ""))
            start = time.perf_counter()

    def _halve(self, tokens: int) -> None:
        self.halved += 1
        self._tokens = max(1, tokens // 2)
        self._say(f"memory ran out: going on with batches of {self._tokens} tokens at most")


def made(lengths: Mapping[int, int], budget: int) -> list[list[int]]:
    """Indices in batches of at most `budget` tokens, padding counted: similar lengths together,
    and the same batches for the same lengths. 0: each alone, in order."""
    if not budget:
        return [[i] for i in sorted(lengths)]
    batches: list[list[int]] = []
    for i in sorted(lengths, key=lambda i: (lengths[i], i)):
        room = batches and len(batches[-1]) < MAX_BATCH
        if room and lengths[i] * (len(batches[-1]) + 1) <= budget:
            batches[-1].append(i)
        else:
            batches.append([i])
    return batches


def within_memory(compute: Callable[[], Value]) -> Value | None:
    """What `compute` gives; None when memory ran out, with nothing of the attempt held."""
    try:
        return compute()
    except (RuntimeError, MemoryError) as error:  # torch's own error is a RuntimeError
        if not isinstance(error, MemoryError) and not _is_no_memory(error):
            raise
    import torch

    torch.cuda.empty_cache()  # does nothing where there is no GPU
    return None


class NoMemoryError(BenchError):
    """There is not memory enough for one sequence alone."""


def alone(compute: Callable[[], Value], tokens: int) -> Value:
    """What `compute` gives for one sequence of so many tokens. Raises NoMemoryError."""
    value = within_memory(compute)
    if value is None:
        raise NoMemoryError(
            f"{tokens:,} tokens alone need more memory than there is. Take a smaller model, or a "
            "machine with more memory."
        )
    return value


def _is_no_memory(error: RuntimeError) -> bool:
    return any(words in str(error).lower() for words in _NO_MEMORY)


def padded(batch: Sequence[Sequence[int]], device: Any) -> tuple[Any, Any]:
    """Token ids and attention mask (sequences, longest length), padded on the right."""
    import torch

    lengths = torch.tensor([len(ids) for ids in batch])
    table = torch.zeros((len(batch), int(lengths.max())), dtype=torch.long)
    for row, ids in zip(table, batch, strict=True):
        row[: len(ids)] = torch.tensor(ids)
    mask = (torch.arange(table.shape[1]) < lengths[:, None]).long()
    return table.to(device), mask.to(device)
