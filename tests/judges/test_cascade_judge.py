"""A cascade asks the large judge about what the small one is unsure of, and about nothing else."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from members import Member, Says, drawn, run_of, verdicts_on

from bench.plan import trials
from bench.prepare import cache_folder
from bench.registry import make_judge
from bench.spec import parse_spec
from bench.stats.cascade import deferral_threshold
from bench.types import (
    BenchError,
    Context,
    Item,
    Judge,
    Status,
    Trial,
    Usage,
)
from judges import cascade
from judges.cascade import margin, threshold_at


def a_cascade(
    text: str,
    members: Iterable[Judge],
    folder: Path = Path(),
    items: Sequence[Item] = (),
    say: Callable[[str], None] = lambda _: None,
) -> Judge:
    return cascade.make(parse_spec(text), run_of(members, folder, items, say))


def in_item_order(says: Says, item: Item, order: tuple[int, ...]) -> np.ndarray | None:
    said = says(Trial("", item, order, "listwise", 0, 0))
    if isinstance(said, Status):
        return None
    found = np.empty(len(order))
    found[list(order)] = said
    return found


ORDERS = {
    2: [(0, 1), (1, 0)],
    3: [(0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0)],
}


@pytest.mark.parametrize("n", [2, 3])
def test_who_decides_is_what_comes_out_by_hand(make_item, n: int) -> None:
    items = [make_item(i, n) for i in range(120)]
    small, large = drawn(1, fails=0.05), drawn(2, fails=0.1)
    judge = a_cascade("cascade:s+l,threshold=.6", [Member("s", small), Member("l", large)])
    found = verdicts_on(judge, items)
    decided = {"s": 0, "l": 0}
    for index, item in enumerate(items):
        rows = [in_item_order(small, item, order) for order in ORDERS[n]]
        sure = False
        if not any(row is None for row in rows):
            means = np.sort(np.mean(rows, axis=0))[::-1]
            sure = means[0] - means[1] >= 0.6
        for k, order in enumerate(ORDERS[n]):
            v = found[index, order]
            expected = rows[k] if sure else in_item_order(large, item, order)
            assert json.loads(v.raw)["decided"] == ("s" if sure else "l")
            decided["s" if sure else "l"] += 1
            if expected is None:
                assert v.status is Status.UNPARSED and v.note == "l: l failed"
            else:
                assert v.utilities == pytest.approx(expected, abs=0)
                assert v.confidence == 0.75
    assert min(decided.values()) > 30


def test_a_judge_that_changes_its_mind_with_the_order_is_not_sure(make_item) -> None:
    first = Member("first", lambda trial: [1.0, 0.0])
    large = Member("l", lambda trial: [0.25, 0.75])
    judge = a_cascade("cascade:first+l,threshold=.1", [first, large])
    for v in verdicts_on(judge, [make_item(0)]).values():
        assert (json.loads(v.raw)["decided"], json.loads(v.raw)["margin"]) == ("l", 0.0)
    assert margin([(1.0, 0.0), (0.0, 1.0)]) == 0
    assert margin([(1.0, 0.0), (0.5, 0.25)]) == pytest.approx(0.625)
    assert margin([(3.0, 1.0, 2.5)]) == 0.5
    assert margin([(1.0, 0.0), None]) == -1


@pytest.mark.parametrize("rate", [0.0, 0.1, 0.3, 0.5, 1.0])
def test_the_threshold_hands_over_no_more_than_the_rate_of_dev_items(
    make_item, tmp_path, rate: float
) -> None:
    items = [make_item(i) for i in range(500)]
    says = drawn(1, fails=0.02)
    members = [Member("s", says), Member("l", drawn(2))]
    said: list[str] = []
    judge = a_cascade(f"cascade:s+l,rate={rate}", members, tmp_path, items, said.append)
    dev = [item for item in items if item.split == "dev"]
    margins = []
    for item in dev:
        rows = [in_item_order(says, item, order) for order in ORDERS[2]]
        margins.append(
            -1.0
            if None in [r if r is None else 0 for r in rows]
            else abs(np.mean(rows, axis=0) @ [1, -1])
        )
    found = verdicts_on(judge, dev)
    handed = {i for (i, _), v in found.items() if json.loads(v.raw)["decided"] == "l"}
    failed = {i for i, m in enumerate(margins) if m < 0}
    ranked = sorted(range(len(dev)), key=lambda i: margins[i])
    assert handed == set(ranked[: math.floor(rate * len(dev))]) | failed
    assert f"{len(handed)} of {len(dev)} dev items" in said[-1]
    assert not members[1].asked[len(handed) * 2 :], (
        "the large judge is not asked about the dev split"
    )


def test_the_threshold_is_the_one_of_the_statistics() -> None:
    draw = np.random.default_rng(0)
    margins = draw.integers(0, 8, size=200) / 7
    for rate in (0.0, 0.05, 0.3, 0.77, 0.99, 1.0):
        assert threshold_at(list(margins), rate) == deferral_threshold(margins, rate)
    assert threshold_at([5.0, 500.0], 0.5) == 500.0


def test_small_is_asked_once_an_item_and_large_only_what_is_handed_over(make_item) -> None:
    items = [make_item(i) for i in range(40)]
    small = Member("s", drawn(1), usd_per_hour=3.6, pointwise=True)
    large = Member("l", drawn(2), paid=True, usd_per_mtok=(1.0, 1.0, 1.0))
    small.usage = Usage(prompt_tokens=10, latency_s=1.0)
    large.usage = Usage(prompt_tokens=1000, completion_tokens=0, latency_s=2.0)
    judge = a_cascade("cascade:s+l,threshold=.8", [small, large])
    assert judge.card.paid and not judge.card.order_free
    found = verdicts_on(judge, items)
    assert len(small.asked) == 80, "each response once, for both orders"
    handed = [key for key, v in found.items() if json.loads(v.raw)["decided"] == "l"]
    assert 10 < len(handed) < 70
    assert len(large.asked) == len(handed)
    assert len({i for i, _ in handed}) * 2 == len(handed), "both orders of an item go together"
    usages = [v.usage for v in found.values()]
    total = math.fsum(u.cost_usd or 0 for u in usages)
    assert total == pytest.approx(80 * 0.001 + len(handed) * 0.001)
    assert math.fsum(u.latency_s or 0 for u in usages) == pytest.approx(80 + 2 * len(handed))
    assert sum(u.prompt_tokens or 0 for u in usages) == 800 + 1000 * len(handed)
    assert small.closed == 1, "freed before the large one is loaded"
    sure = [v for v in found.values() if json.loads(v.raw)["decided"] == "s"]
    assert all((v.usage.cost_usd or 0) <= 0.002 for v in sure)


def test_a_small_judge_that_knows_no_order_does_not_flip(make_item) -> None:
    items = [make_item(i) for i in range(40)]
    members = [Member("s", drawn(1), pointwise=True), Member("l", drawn(2))]
    found = verdicts_on(a_cascade("cascade:s+l,threshold=.5", members), items)
    for i in range(40):
        one, other = found[i, (0, 1)], found[i, (1, 0)]
        if json.loads(one.raw)["decided"] == "s":
            assert one.utilities == other.utilities
    both = [Member("s", drawn(1), pointwise=True), Member("l", drawn(2), pointwise=True)]
    judge = a_cascade("cascade:s+l,threshold=.5", both)
    assert judge.card.order_free and len(verdicts_on(judge, items)) == 40


def test_what_the_network_owes_is_asked_again(make_item) -> None:
    down = Member("s", lambda trial: Status.ERROR if trial.order == (0, 1) else [1.0, 0.0])
    large = Member("l", drawn(2))
    for v in verdicts_on(
        a_cascade("cascade:s+l,threshold=.5", [down, large]), [make_item(0)]
    ).values():
        assert (v.status, v.note) == (Status.ERROR, "s: s failed")
    assert not large.asked


def test_a_paid_small_judge_goes_a_few_items_ahead(make_item) -> None:
    items = [make_item(i) for i in range(200)]
    small = Member("s", lambda trial: [1.0, 0.0], paid=True)
    large = Member("l", drawn(2), paid=True)
    judge = a_cascade("cascade:s+l,threshold=.5", [small, large])
    stream = judge.judge([trial for _, trial in trials(items, judge.card)])
    next(stream)
    assert len(small.asked) == 2 * cascade.PAID_AT_ONCE
    assert len(list(stream)) == 399
    assert len(small.asked) == len(large.asked) == 400


def test_the_card_names_what_changes_a_verdict(make_item) -> None:
    members = [
        Member("s", drawn(1), trained=True, parameters=3),
        Member("l", drawn(2), parameters=4),
    ]
    members[1].training_prompts = frozenset("x")
    one = a_cascade("cascade:s+l,threshold=.5", members)
    assert (one.card.kind, one.card.parameters, one.card.trained) == ("cascade", 7, False)
    assert one.training_prompts == frozenset("x")
    others = ["cascade:s+l,threshold=.6", "cascade:s+l,threshold=inf", "cascade:l+s,threshold=.5"]
    identities = {one.card.identity, *(a_cascade(text, members).card.identity for text in others)}
    assert len(identities) == 4
    assert (
        a_cascade("cascade:s+l,threshold=.5,description=mine", members).card.identity
        == one.card.identity
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("cascade:s", "names 1 members; at least two"),
        ("cascade:s+l+x", "a small and a large judge expected, not 3"),
        ("cascade:s+l", "0 dev items in the run's tasks; 10 or more"),
        ("cascade:s+l,rate=.1,threshold=2", "threshold and rate are given"),
        ("cascade:s+l,rate=30", "a share from 0 to 1 expected"),
        ("cascade:s+l,threshold=nan", "threshold is not a number"),
        ("cascade:s+l,dev_items=1", "10 or more expected"),
    ],
)
def test_what_cannot_be_a_cascade_is_said(text: str, said: str) -> None:
    with pytest.raises(BenchError, match=said):
        a_cascade(text, [Member(name, drawn(1)) for name in "slx"])


def test_a_paid_small_judge_is_not_asked_behind_the_ledger(make_item, tmp_path) -> None:
    items = [make_item(i) for i in range(300)]
    small = Member("s", drawn(1), paid=True)
    with pytest.raises(BenchError, match="Give the margin yourself: threshold=NUMBER"):
        a_cascade("cascade:s+l", [small, Member("l", drawn(2))], tmp_path, items)
    assert not small.asked


def test_a_cascade_of_real_models(random_llama, make_item) -> None:
    items = [make_item(i) for i in range(24)]
    folders = [random_llama(seed, blocks=2, tokens=256) for seed in (1, 2)]
    context = Context(cache=cache_folder())
    texts = [f"transformers:{folder};min_mass=0" for folder in folders]

    def make(text: str) -> Judge:
        return make_judge(parse_spec(text), context)

    own = []
    for text in texts:
        judge = make(text.replace(";", ","))
        own.append(verdicts_on(judge, items))
        judge.close()
    margins = []
    for i in range(24):
        p = [own[0][i, order].utilities for order in ORDERS[2]]
        margins.append(abs(np.mean([u[0] - u[1] for u in p if u])))
    t = float(np.median(margins))
    spec = parse_spec(f"cascade:{'+'.join(texts)},threshold={t}")
    judge = cascade.make(spec, replace(context, make=make))
    found = verdicts_on(judge, items)
    judge.close()
    for (i, order), v in found.items():
        by = own[0] if margins[i] >= t else own[1]
        assert (v.utilities, v.confidence) == (by[i, order].utilities, by[i, order].confidence)
        assert (v.usage.prompt_tokens or 0) > 0 or order == (1, 0)
    deciders = [json.loads(v.raw)["decided"] for v in found.values()]
    assert len(set(deciders)) == 2 and deciders.count(deciders[0]) == 24
