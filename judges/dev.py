"""What a judge of judges learns from before a run: its members' answers on the dev split."""

from __future__ import annotations

import json
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from bench.types import BenchError, Context, Item, Judge, Status, content_key
from judges.panel import ask, showings

Said = list[tuple[float, ...] | None]
"""One member on one item: utilities in item order for each order shown, None without a verdict."""


def dev_items(members: Sequence[Judge], at_most: int, context: Context) -> list[Item]:
    """At most `at_most` items of the dev split of the run's tasks that all `members` can judge, in
    turn from each domain of each task."""
    ranked: list[tuple[int, str, Item]] = []
    for task in context.tasks:
        seen: dict[str, int] = defaultdict(int)
        items = sorted(task.items("dev"), key=lambda item: content_key(context.seed, item.key))
        for item in items:
            if all(m.card.tasks is None or item.task in m.card.tasks for m in members):
                seen[item.domain] += 1
                ranked.append((seen[item.domain], item.key, item))
    return [item for *_, item in sorted(ranked, key=lambda r: r[:2])[:at_most]]


def say_on_dev(member: Judge, items: Sequence[Item], context: Context, instead: str) -> list[Said]:
    """What `member` says of each item in each order: from the cache, or asked now and kept there.

    Raises BenchError for a paid member (what it costs would be in no ledger and under no budget;
    `instead` says what to do), and when the infrastructure gave no answer.
    """
    if member.card.paid:
        raise BenchError(
            f"{member.card.name!r} is paid by the call, and asking it about the dev split before "
            f"the run would be in no ledger and under no budget. {instead}"
        )
    key = content_key("dev; 1", member.card.identity, [item.key for item in items])
    path = context.cache / "panels" / f"{key}.json"
    try:
        return _read(path, len(items))
    except (FileNotFoundError, ValueError, TypeError):
        pass
    context.say(f"asking {member.card.name} about {len(items)} dev items, once; kept in {path}")
    said = _ask(member, items)
    member.close()
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", prefix=".", dir=path.parent, delete=False) as file:
        json.dump(said, file)
    Path(file.name).replace(path)
    return said


def _read(path: Path, n: int) -> list[Said]:
    found = json.loads(path.read_text(encoding="utf-8"))
    if len(found) != n:
        raise ValueError(f"{len(found)} items; {n} expected")
    return [[None if u is None else tuple(map(float, u)) for u in said] for said in found]


def _ask(member: Judge, items: Sequence[Item]) -> list[Said]:
    trials, owner = [], []
    for number, item in enumerate(items):
        shown = showings(member.card, item)
        trials += shown
        owner += [number] * len(shown)
    answers = dict(ask(member, trials))
    lost = [answer for answer in answers.values() if answer.status is Status.ERROR]
    if lost:
        raise BenchError(
            f"{member.card.name!r} gave no answer to {len(lost):,} of {len(trials):,} showings of "
            f"dev items (the first: {lost[0].note}). Run the same command again."
        )
    said: list[Said] = [[] for _ in items]
    for number in range(len(trials)):
        said[owner[number]].append(answers[number].utilities)
    return said
