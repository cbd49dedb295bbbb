"""Items x orders x repeats -> trials. Pure: no clock, no random state, no input or output.

A run's choices live in `Plan`; everything that follows from them (which items, which orders, which
seeds) is computed here, so the saved plan is enough to run again.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from heapq import heappush, heappushpop, nlargest
from math import factorial
from operator import itemgetter
from typing import Any

from bench.types import BenchError, Item, JudgeCard, Protocol, Trial, content_key

ALL_ORDERS_UP_TO = 6  # n! orders: all of them for 2 and 3 responses, a Latin square from 4 on


@dataclass(frozen=True)
class Plan:
    """What a run is asked to do. `judges`, `tasks`: specs as typed. `limit`: items a task at the
    most, None for all. `seed`: of the sampling and of judges that draw. `repeats`: showings of
    each order. `keep_trained`: keep items whose prompt a judge was trained on."""

    judges: tuple[str, ...]
    tasks: tuple[str, ...]
    limit: int | None = None
    seed: int = 0
    repeats: int = 1
    keep_trained: bool = False

    def __post_init__(self) -> None:
        for name, least in (("limit", 1), ("repeats", 1), ("seed", 0)):
            value = getattr(self, name)
            if value is not None and value < least:
                raise BenchError(f"plan: {name} is {value}; {least} or more expected")

    def to_json(self) -> str:
        """The plan as JSON text, keys sorted."""
        return json.dumps(asdict(self), indent=2, sort_keys=True) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Plan:
        """The inverse of `to_json`. Raises BenchError when the text is no plan."""
        try:
            fields: dict[str, Any] = json.loads(text)
            values: dict[str, Any] = {
                k: tuple(v) if isinstance(v, list) else v for k, v in fields.items()
            }
            return cls(**values)
        except (ValueError, TypeError, AttributeError) as error:
            raise BenchError(f"not a saved plan: {error}") from error


def sample(items: Iterable[Item], limit: int | None, seed: int) -> list[Item]:
    """At most `limit` items, every domain in its share and none without an item while the limit
    lasts, in their own order. Which ones follows from the items alone: a larger share of a domain
    holds a smaller one, and items that come or go change little, so verdicts are used again. Of
    each domain no more than `limit` items are held, however many there are."""
    if limit is None:
        return list(items)
    sizes: Counter[str] = Counter()
    # Heaps with the worst rank on top; an index is there once, so items are never compared.
    held: dict[str, list[tuple[int, int, Item]]] = defaultdict(list)
    for index, item in enumerate(items):
        sizes[item.domain] += 1
        entry = (-int(content_key(seed, item.key), 16), index, item)
        if len(held[item.domain]) < limit:
            heappush(held[item.domain], entry)
        else:
            heappushpop(held[item.domain], entry)
    shares = _shares(sizes, limit)
    chosen = [entry for domain, heap in held.items() for entry in nlargest(shares[domain], heap)]
    return [item for _, _, item in sorted(chosen, key=itemgetter(1))]


def _shares(sizes: Mapping[str, int], limit: int) -> dict[str, int]:
    """Items per domain: one each as long as the limit lasts, then to whoever lacks most."""
    total = sum(sizes.values())
    share = dict.fromkeys(sizes, 0)
    for _ in range(min(limit, total)):
        not_full = [d for d in sizes if share[d] < sizes[d]]
        lacking = {d: limit * sizes[d] / total - share[d] for d in not_full}
        share[max(not_full, key=lambda d: (share[d] == 0, lacking[d], d))] += 1
    return share


def orders(n: int) -> list[tuple[int, ...]]:
    """The orders in which n responses are shown: all of them for n <= 3; otherwise a Latin square
    of n orders developed from Williams' sequence (every response once in every slot; for even n
    every response also follows every other exactly once; Williams 1949). The first order is the
    items' own."""
    if factorial(n) <= ALL_ORDERS_UP_TO:
        return list(itertools.permutations(range(n)))
    sequence = [0]
    for step in range(1, n):
        sequence.append((sequence[-1] + (step if step % 2 else -step)) % n)
    label = {value: slot for slot, value in enumerate(sequence)}
    return [tuple(label[(value + shift) % n] for value in sequence) for shift in range(n)]


def protocol_for(card: JudgeCard, item: Item) -> Protocol:
    """How `card`'s judge is asked about `item`. Raises BenchError when it cannot be."""
    n = len(item.responses)
    if "pointwise" in card.protocols:
        return "pointwise"
    wanted: Protocol = "pairwise" if n == 2 else "listwise"
    if wanted not in card.protocols or n > card.max_responses:
        limit = f", at most {card.max_responses} responses" if "listwise" in card.protocols else ""
        raise BenchError(
            f"judge {card.name!r} cannot be shown item {item.id!r} of task {item.task!r} with "
            f"{n} responses; it takes {' or '.join(card.protocols)} trials{limit}. "
            "Leave out the judge or the task."
        )
    return wanted


def trials(
    items: Iterable[Item], card: JudgeCard, *, repeats: int = 1
) -> Iterator[tuple[int, Trial]]:
    """(item index, trial) for every showing that `card`'s judge gets, of the tasks it can judge;
    each order `repeats` times, and each time as often as it has `samples`.

    Pairwise and listwise: every order of `orders`, or one when the order cannot matter or only one
    can be had. Pointwise: one showing per response; equal (prompt, response) have equal keys, so
    they are asked once however many items use them.
    """
    identity = card.identity
    for index, item in enumerate(items):
        if card.tasks is not None and item.task not in card.tasks:
            continue
        protocol = protocol_for(card, item)
        view = item.seen(card.sees)
        n = len(item.responses)
        if protocol == "pointwise":
            shown: list[tuple[int, ...]] = [(i,) for i in range(n)]
        elif card.order_free or card.orders == "first":
            shown = [tuple(range(n))]
        else:
            shown = orders(n)
        digests = _digests(view, protocol)
        for k, order in enumerate(shown):
            digest = digests[k if protocol == "pointwise" else 0]
            at = "" if protocol == "pointwise" else ",".join(map(str, order))
            for repeat in range(repeats * card.samples):
                text = f"{identity} {protocol} {digest} {at} {repeat}"
                key = hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
                yield index, Trial(key, view, order, protocol, repeat, int(key[:15], 16))


def _digests(view: Item, protocol: Protocol) -> list[str]:
    """Content keys of what is shown: one for the whole item, or one per response (pointwise)."""
    prompt = [(m.role, m.content) for m in view.prompt]
    labels = [(label.annotator, label.utilities) for label in view.labels]
    rest = (prompt, view.task, view.id, view.domain, view.reference, labels)
    texts = [(r.text, r.model) for r in view.responses]
    if protocol == "pointwise":
        return [content_key(rest, text) for text in texts]
    return [content_key(rest, texts)]
