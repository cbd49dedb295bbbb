from __future__ import annotations

import itertools
import weakref
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.plan import Plan, orders, sample, trials
from bench.types import BenchError, JudgeCard, Label, Response

PAIRWISE = JudgeCard("j", "k", ("pairwise", "listwise"))
POINTWISE = JudgeCard("p", "k", ("pointwise",), order_free=True)


@pytest.mark.parametrize("n", [2, 3])
def test_few_responses_are_shown_in_all_orders(n: int) -> None:
    assert sorted(orders(n)) == sorted(itertools.permutations(range(n)))
    assert orders(n)[0] == tuple(range(n))


@pytest.mark.parametrize("n", [*range(4, 12), 22, 38, 62])
def test_many_responses_are_shown_in_a_latin_square(n: int) -> None:
    square = orders(n)
    assert len(square) == n
    assert square[0] == tuple(range(n))
    for line in [*square, *zip(*square, strict=True)]:
        assert sorted(line) == list(range(n))
    if n % 2 == 0:  # balanced for what stands before it, too
        neighbours = Counter(pair for order in square for pair in itertools.pairwise(order))
        assert set(neighbours.values()) == {1}
        assert len(neighbours) == n * (n - 1)


def test_pairs_get_both_orders_and_order_free_judges_one(make_item) -> None:
    items = [make_item(1), make_item(2)]
    assert [t.order for _, t in trials(items, PAIRWISE)] == [(0, 1), (1, 0)] * 2
    free = JudgeCard("f", "k", ("pairwise",), order_free=True)
    assert [t.order for _, t in trials(items, free)] == [(0, 1)] * 2
    recorded = JudgeCard("f", "k", ("pairwise",), orders="first")
    assert [t.order for _, t in trials(items, recorded)] == [(0, 1)] * 2


def test_repeats_are_trials_of_their_own(make_item) -> None:
    made = [t for _, t in trials([make_item(1)], PAIRWISE, repeats=3)]
    assert len({t.key for t in made}) == len({t.seed for t in made}) == 6


def test_equal_prompt_and_response_are_one_pointwise_trial(make_item) -> None:
    """Three responses, as their three pairs: six uses, three trials."""
    responses = [Response(f"r{i}", f"text {i}") for i in range(3)]
    items = [
        make_item(7, id=f"{a}-{b}", responses=(responses[a], responses[b]))
        for a, b in itertools.combinations(range(3), 2)
    ]
    made = list(trials(items, POINTWISE))
    assert len(made) == 6
    assert len({t.key for _, t in made}) == 3
    text_of_key = {(t.key, t.shown[0].text) for _, t in made}
    assert len(text_of_key) == 3


def test_equal_texts_in_two_orders_stay_two_trials(make_item) -> None:
    item = make_item(1, responses=(Response("a", "same"), Response("b", "same")))
    assert len({t.key for _, t in trials([item], PAIRWISE)}) == 2


def test_keys_follow_what_is_shown_and_to_whom(make_item) -> None:
    def keys(item, card=PAIRWISE) -> list[str]:
        return [t.key for _, t in trials([item], card)]

    item = make_item(1)
    other_label = make_item(1, labels=(Label("gold", (0.0, 1.0)),), id="other")
    assert keys(item) == keys(other_label), "a judge that sees text only"
    sees = JudgeCard("j", "k", ("pairwise",), sees=("text", "labels"))
    assert keys(item, sees) != keys(other_label, sees)
    changed = make_item(1, responses=(Response("r0", "answer"), Response("r1", "else")))
    assert not set(keys(item)) & set(keys(changed))
    newer = JudgeCard("j", "k", ("pairwise", "listwise"), revision="2")
    assert not set(keys(item)) & set(keys(item, newer))


def test_a_judge_is_asked_only_of_its_tasks(make_item) -> None:
    card = JudgeCard("j", "k", ("pairwise",), tasks=("elsewhere",))
    assert not list(trials([make_item(1)], card))


def test_lists_that_a_judge_cannot_be_shown_are_refused(make_item) -> None:
    with pytest.raises(BenchError, match="4 responses; it takes pairwise"):
        list(trials([make_item(1, n=4)], JudgeCard("j", "k", ("pairwise",))))
    with pytest.raises(BenchError, match="at most 3 responses"):
        list(trials([make_item(1, n=4)], JudgeCard("j", "k", ("listwise",), max_responses=3)))


@settings(max_examples=60)
@given(st.lists(st.integers(1, 30), min_size=1, max_size=6), st.integers(1, 60), st.integers(0, 3))
def test_samples_are_stratified_nested_and_seeded(make_item, sizes, limit, seed) -> None:
    items = [
        make_item(1000 * d + i, domain=f"d{d}") for d, size in enumerate(sizes) for i in range(size)
    ]
    chosen = sample(items, limit, seed)
    assert chosen == sample(items, limit, seed)
    assert [i for i in items if i in chosen] == chosen
    assert len(chosen) == min(limit, len(items))
    by_domain = Counter(item.domain for item in chosen)
    assert len(by_domain) == min(limit, len(sizes)), "no domain without an item"
    larger = sample(items, limit + 1, seed)
    more = Counter(item.domain for item in larger)
    for domain, count in by_domain.items():
        if limit >= len(sizes):
            exact = limit * sum(i.domain == domain for i in items) / len(items)
            assert count == 1 or count <= exact + 1
        if more[domain] >= count:
            here = {i.id for i in chosen if i.domain == domain}
            assert here <= {i.id for i in larger if i.domain == domain}


def test_an_item_more_or_less_changes_little_of_a_sample(make_item) -> None:
    items = [make_item(i) for i in range(1000)]
    first, second = sample(items, 50, 0), sample(items[1:], 50, 0)
    assert len({i.id for i in first} & {i.id for i in second}) >= 49


def test_another_seed_samples_other_items(make_item) -> None:
    items = [make_item(i) for i in range(200)]
    assert sample(items, 50, 0) != sample(items, 50, 1)


def test_a_plan_survives_its_file() -> None:
    plan = Plan(("a", "b:x=1"), ("t",), limit=3, seed=5, repeats=2, keep_trained=True)
    assert Plan.from_json(plan.to_json()) == plan
    for text in ("{", "[]", '{"judges": ["a"], "what": 1}'):
        with pytest.raises(BenchError, match="not a saved plan"):
            Plan.from_json(text)
    with pytest.raises(BenchError, match="limit is 0"):
        Plan(("a",), ("t",), limit=0)


def test_a_sample_holds_no_more_than_it_must(make_item) -> None:
    """A stream of any length: of each domain, at most `limit` items are alive at a time."""
    alive = most = 0

    def gone() -> None:
        nonlocal alive
        alive -= 1

    def stream():
        nonlocal alive, most
        for n in range(600):
            item = make_item(n, domain=f"d{n % 3}")
            alive += 1
            weakref.finalize(item, gone)
            most = max(most, alive)
            yield item

    assert len(sample(stream(), 12, 0)) == 12
    assert 3 * 12 <= most <= 3 * 12 + 2


def test_samples_are_showings_of_each_order(make_item) -> None:
    card = JudgeCard("j", "k", ("pairwise",), samples=3)
    made = [trial for _, trial in trials([make_item(1)], card, repeats=2)]
    assert [trial.repeat for trial in made] == [*range(6), *range(6)]
    assert len({trial.key for trial in made}) == len({trial.seed for trial in made}) == 12
    with pytest.raises(BenchError, match="0 samples"):
        JudgeCard("j", "k", ("pairwise",), samples=0)
