"""What every recipe learns from: pairs of a better and a worse response, split by prompt."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from itertools import combinations

from bench.types import BenchError, Item, Task, content_key


def training_items(
    tasks: Sequence[Task], recipe: str, max_items: int, least_prompts: int, seed: int
) -> list[Item]:
    """At most `max_items` items of the tasks' training splits with a better and a worse response,
    in turn from each domain of each task. `recipe`: its name, for messages.

    Raises BenchError for a task without any, or for fewer than `least_prompts` prompts in all.
    """
    elsewhere = (
        f"Train one elsewhere: smallclaims train {recipe} --task OTHER --out models/NAME, then the "
        f"judge {recipe}:models/NAME"
    )
    ranked: list[tuple[int, str, Item]] = []
    for task in tasks:
        usable = [item for item in task.items("train") if pairs_of(item, 1, seed)]
        if not usable:
            raise BenchError(
                f"task {task.card.name!r} has no training items with a preference, so no {recipe} "
                f"can be trained on it. {elsewhere}"
            )
        domains: dict[str, list[Item]] = defaultdict(list)
        for item in sorted(usable, key=lambda item: content_key(seed, item.key)):
            domains[item.domain].append(item)
            ranked.append((len(domains[item.domain]), item.key, item))
    chosen = [item for *_, item in sorted(ranked, key=lambda r: r[:2])[:max_items]]
    names = ", ".join(task.card.name for task in tasks)
    prompts = len({item.prompt_key for item in chosen})
    if prompts < least_prompts:
        raise BenchError(
            f"{prompts} training prompts in {names or 'no task'}; a {recipe} needs {least_prompts} "
            f"or more. {elsewhere}"
        )
    return chosen


def pairs_of(item: Item, at_most: int, seed: int) -> list[tuple[int, int]]:
    """(better, worse) indices, by the majority of the labels; ties between annotators and equal
    texts are left out. More than `at_most` are thinned by a hash of the seed and the item."""
    found = []
    for i, j in combinations(range(len(item.responses)), 2):
        signs = (_sign(label.utilities[i] - label.utilities[j]) for label in item.labels)
        votes = sum(signs)
        if votes and item.responses[i].text != item.responses[j].text:
            found.append((i, j) if votes > 0 else (j, i))
    if len(found) > at_most:
        found = sorted(found, key=lambda pair: content_key(seed, item.key, pair))[:at_most]
    return found


def held_out(items: Sequence[Item], share: float, seed: int) -> tuple[list[Item], list[Item]]:
    """(to fit on, to validate on): whole prompts go to one side, `share` of them to the second, at
    least one and not all. Which ones follows from a hash of the seed and the prompt."""
    prompts = sorted(
        {item.prompt_key for item in items}, key=lambda prompt: content_key(seed, prompt)
    )
    n = min(max(1, round(share * len(prompts))), len(prompts) - 1)
    held = set(prompts[:n])
    return (
        [item for item in items if item.prompt_key not in held],
        [item for item in items if item.prompt_key in held],
    )


def _sign(x: float) -> int:
    return (x > 0) - (x < 0)
