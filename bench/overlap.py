"""Do two sets of items share prompts: the same normalised opening, or thirteen words in a row?

Thirteen words are the length that Brown et al. (2020, arXiv:2005.14165, appendix C) took for a text
that was seen in training. Shorter prompts are compared as wholes only. A run of words that many
prompts share (the frame of a template) counts too: look at the examples.
"""

from __future__ import annotations

import re
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.printable import printable
from bench.registry import make_task, task_names
from bench.spec import parse_spec
from bench.types import BenchError, Item, Judge, Task, normalised

GRAM = 13
EXAMPLES = 3
_WORD = re.compile(r"\w+")
_FACTORS = np.cumprod(np.full(GRAM, 0x9E3779B97F4A7C15, np.uint64))  # odd, so no bit is lost
Hashes = NDArray[np.uint64]


@dataclass(frozen=True)
class Overlap:
    """What a set shares with another one. `prompt`, `gram`: index of an item of ours -> id of one
    of theirs with the same prompt, or with GRAM words in a row; `gram` leaves out those in
    `prompt`. `n_theirs`: how many items they have; `theirs_prompt`, `theirs_gram`: how many of
    these are found in ours."""

    prompt: Mapping[int, str]
    gram: Mapping[int, str]
    n_theirs: int
    theirs_prompt: int
    theirs_gram: int


def overlap(ours: Sequence[Item], theirs: Iterable[Item]) -> Overlap:
    """Compare two sets; `theirs` is read once and not kept."""
    by_key: dict[str, list[int]] = {}
    for index, item in enumerate(ours):
        by_key.setdefault(item.prompt_key, []).append(index)
    grams, starts, owners = _index(ours)
    found_at = np.full(len(grams), -1, np.int64)  # number in `found_by` of who has the gram too
    found_by: list[str] = []
    prompt: dict[int, str] = {}
    n_theirs = theirs_prompt = theirs_gram = 0
    for item in theirs:
        n_theirs += 1
        same = by_key.get(item.prompt_key, [])
        theirs_prompt += bool(same)
        for index in same:
            prompt.setdefault(index, item.id)
        places = _places(grams, _grams(item))
        if len(places):
            theirs_gram += not same
            found_at[places] = len(found_by)
            found_by.append(item.id)
    gram: dict[int, str] = {}
    for place in np.flatnonzero(found_at >= 0).tolist():
        for index in owners[starts[place] : starts[place + 1]].tolist():
            if index not in prompt:
                gram[index] = found_by[found_at[place]]
    return Overlap(prompt, dict(sorted(gram.items())), n_theirs, theirs_prompt, theirs_gram)


def _index(items: Sequence[Item]) -> tuple[Hashes, NDArray[np.int64], NDArray[np.int64]]:
    """The sorted distinct grams of all items; where the owners of each begin, and one end more; and
    the owners, indices of items, gram by gram."""
    of_item = [_grams(item) for item in items]
    every = np.concatenate([np.zeros(0, np.uint64), *of_item])
    owners = np.repeat(np.arange(len(items)), [len(g) for g in of_item])
    order = np.argsort(every, kind="stable")
    grams, starts = np.unique(every[order], return_index=True)
    return grams, np.append(starts, len(every)), owners[order]


def _grams(item: Item) -> Hashes:
    """Hashes of every run of GRAM words of the prompt; none where it is shorter."""
    text = normalised("\n".join(message.content for message in item.prompt))
    words = [zlib.crc32(w.encode("utf-8", "surrogatepass")) for w in _WORD.findall(text)]
    if len(words) < GRAM:
        return np.zeros(0, np.uint64)
    windows = np.lib.stride_tricks.sliding_window_view(np.array(words, np.uint64), GRAM)
    sums: Hashes = (windows * _FACTORS).sum(axis=1, dtype=np.uint64)
    return sums


def _places(grams: Hashes, wanted: Hashes) -> NDArray[np.int64]:
    """Where those of `wanted` that are in the sorted `grams` stand."""
    if not len(grams) or not len(wanted):
        return np.zeros(0, np.int64)
    at: NDArray[np.int64] = np.searchsorted(grams, wanted)
    at[at == len(grams)] = 0
    found: NDArray[np.int64] = at[grams[at] == wanted]
    return found


def described(a: str, ours: Sequence[Item], b: str, found: Overlap) -> str:
    """The overlap of the sets named `a` and `b` in a few lines, with examples."""
    n = len(ours)
    lines = [
        f"{a}: {n:,} items; {b}: {found.n_theirs:,} items",
        f"same prompt: {len(found.prompt):,} of {a}, {found.theirs_prompt:,} of {b}",
        f"{GRAM} words in a row, prompt not the same: {len(found.gram):,} of {a}, "
        f"{found.theirs_gram:,} of {b}",
    ]
    by_subset = Counter(ours[i].subset or ours[i].domain for i in (*found.prompt, *found.gram))
    if by_subset:
        counts = ", ".join(f"{name} {count:,}" for name, count in sorted(by_subset.items()))
        lines.append(f"in {a}: {counts}")
    for what, pairs in (("same prompt", found.prompt), (f"{GRAM} words", found.gram)):
        for index, other in list(pairs.items())[:EXAMPLES]:
            start = normalised(ours[index].opening[-1].content)[:70]
            lines.append(f"  {what}: {ours[index].id} and {other}: {start}")
    return "\n".join(map(printable, lines))


@dataclass(frozen=True)
class TrainingOverlap:
    """What the items of a run share with one of the sets that a judge was trained on. `shared`:
    index of an item -> "prompt" or "gram". `unknown`: why the two could not be compared, empty
    where they were."""

    judge: str
    source: str
    shared: Mapping[int, str]
    unknown: str = ""


def training_overlaps(
    judges: Iterable[Judge],
    items: Sequence[Item],
    tasks: Sequence[Task],
    say: Callable[[str], None],
) -> list[TrainingOverlap]:
    """The items beside every set that a judge's card says it was trained on. A set is one of a
    run's `tasks`, or a task that can be asked for by that name; where the judge knows the prompts
    that it was fitted on, only these count. A set that cannot be had is told and kept as unknown:
    nobody has shown then that the items are new to the judge."""
    by_name = {name: task for task in tasks for name in (task.asked, task.card.name)}
    found = []
    for judge in judges:
        for source in judge.card.trained_on:
            try:
                task = by_name.get(source) or _loaded(source)
                shared = overlap(items, _fitted_on(task, judge.training_prompts))
            except BenchError as error:
                say(f"{judge.card.name}: not compared with its training set {source}: {error}")
                found.append(TrainingOverlap(judge.card.name, source, {}, str(error)))
                continue
            how = {**dict.fromkeys(shared.gram, "gram"), **dict.fromkeys(shared.prompt, "prompt")}
            found.append(TrainingOverlap(judge.card.name, source, how))
    return found


def _loaded(source: str) -> Task:
    if source.partition(":")[0] not in task_names():
        raise BenchError("it is no task that can be asked for by this name")
    return make_task(parse_spec(source))


def _fitted_on(task: Task, prompts: frozenset[str]) -> Iterable[Item]:
    if not prompts:
        return task.items()
    return (item for item in task.items("train") if item.prompt_key in prompts)
