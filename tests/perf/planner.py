"""Planner: seconds and memory for 1,000,000 trials. Baseline: hashing the same number of keys."""

from __future__ import annotations

import hashlib
import statistics
import time
import tracemalloc

from bench.plan import trials
from bench.types import Item, JudgeCard, Label, Message, Response

ITEMS, ROUNDS = 500_000, 3
CARD = JudgeCard("j", "k", ("pairwise",))


def items(n: int) -> list[Item]:
    """n small pairs."""
    label = (Label("gold", (1.0, 0.0)),)
    pair = (Response("a", "one answer of some length"), Response("b", "another one"))
    return [
        Item(str(i), "t", "d", (Message("user", f"prompt {i}"),), pair, label) for i in range(n)
    ]


def plan(made: list[Item]) -> float:
    """Seconds to go through all trials."""
    started = time.perf_counter()
    count = sum(1 for _ in trials(made, CARD))
    assert count == 2 * len(made)
    return time.perf_counter() - started


def baseline(n: int) -> float:
    """Seconds to hash n keys one by one: what content keys cost at the least."""
    started = time.perf_counter()
    for i in range(n):
        hashlib.blake2b(b"%d" % i, digest_size=16).hexdigest()
    return time.perf_counter() - started


def main() -> None:
    """Print one row."""
    made = items(ITEMS)
    rounds = [(plan(made), baseline(2 * ITEMS)) for _ in range(ROUNDS)]
    tracemalloc.start()
    plan(made[: ITEMS // 10])
    peak = tracemalloc.get_traced_memory()[1] / 2**20
    seconds, ratio = (
        statistics.median(x) for x in zip(*((p, p / b) for p, b in rounds), strict=True)
    )
    print(
        f"planner: 1,000,000 trials of 500,000 pairs in {seconds:.1f} s (median of {ROUNDS}), "
        f"{ratio:.0f} x hashing alone; {peak:.1f} MB beside the items (measured on a tenth)"
    )


if __name__ == "__main__":
    main()
