from __future__ import annotations

import itertools
import math
from collections import Counter
from dataclasses import asdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.stats.transitivity import transitivity
from bench.types import BenchError

FEW = {"replicates": 200}


def table(outcomes):
    """{(prompt, first, second): outcome} -> the four arrays."""
    rows = [(a, b, sign, prompt) for (prompt, a, b), sign in outcomes.items()]
    return [list(column) for column in zip(*rows, strict=True)] if rows else [[]] * 4


def kind(ab, bc, ca):
    """By hand, from the three outcomes around a triple."""
    signs = sorted((ab, bc, ca))
    if 0 not in signs:
        return "cycle" if abs(sum(signs)) == 3 else "order"
    if signs.count(0) == 1:
        return "chain" if abs(sum(signs)) == 2 else "shared"
    return "split" if signs.count(0) == 2 else "equal"


def by_hand(outcomes):
    both = outcomes | {(p, b, a): -sign for (p, a, b), sign in outcomes.items()}
    kinds, incomplete = Counter(), 0
    for prompt in {p for p, _, _ in outcomes}:
        systems = sorted({a for p, a, _ in both if p == prompt})
        for a, b, c in itertools.combinations(systems, 3):
            around = [both.get((prompt, *pair)) for pair in ((a, b), (b, c), (c, a))]
            if None in around:
                incomplete += 1
            else:
                kinds[kind(*around)] += 1
    return kinds, incomplete


@st.composite
def tournaments(draw):
    """Some prompts, some systems of each, some pairs left out."""
    found = {}
    for prompt in range(draw(st.integers(1, 4))):
        systems = draw(st.permutations("abcdefg"))[: draw(st.integers(2, 6))]
        for a, b in itertools.combinations(systems, 2):
            sign = draw(st.sampled_from([-1, 0, 1, 1, -1, None]))
            if sign is not None:
                found[prompt, a, b] = sign
    return found


@given(tournaments())
@settings(max_examples=150)
def test_counts_are_those_of_a_loop(outcomes):
    found = transitivity(*table(outcomes), **FEW)
    kinds, incomplete = by_hand(outcomes)
    assert asdict(found.triples) == {name: kinds[name] for name in asdict(found.triples)}
    assert found.incomplete == incomplete
    n, chained = sum(kinds.values()), kinds["order"] + kinds["cycle"] + kinds["chain"]
    for share, bad, among in (
        (found.cycles, kinds["cycle"], kinds["order"] + kinds["cycle"]),
        (found.chains, kinds["cycle"] + kinds["chain"], chained),
        (found.weak, kinds["cycle"] + kinds["chain"] + kinds["split"], n),
    ):
        assert (share.n_items, share.n_missing) == (among, incomplete)
        if among:
            assert share.estimate == bad / among
            assert math.isnan(share.lo) or 0 <= share.lo <= share.estimate <= share.hi <= 1
        else:
            assert math.isnan(share.estimate) and share.status == "insufficient"


@given(tournaments(), st.randoms())
@settings(max_examples=40)
def test_names_sides_and_rows_do_not_matter(outcomes, random):
    first = transitivity(*table(outcomes), **FEW)
    names = dict(zip("abcdefg", random.sample("abcdefg", 7), strict=True))
    rows = [
        ((prompt, names[a], names[b]), sign)
        if random.random() < 0.5
        else ((prompt, names[b], names[a]), -sign)
        for (prompt, a, b), sign in outcomes.items()
    ]
    random.shuffle(rows)
    # Prompts keep their place: a resample names clusters by number.
    rows.sort(key=lambda row: row[0][0])
    second = transitivity(*table(dict(rows)), **FEW)
    for one, other in zip(asdict(first).values(), asdict(second).values(), strict=True):
        assert str(one) == str(other)


def random_table(rng, prompts, systems, ties=0.0):
    return {
        (prompt, a, b): 0 if rng.random() < ties else int(rng.choice([-1, 1]))
        for prompt in range(prompts)
        for a, b in itertools.combinations(range(systems), 2)
    }


def test_a_coin_makes_cycles_of_a_quarter():
    found = transitivity(*table(random_table(np.random.default_rng(0), 200, 6)))
    assert found.cycles.lo < 0.25 < found.cycles.hi
    assert found.cycles.estimate == pytest.approx(0.25, abs=0.02)
    assert found.cycles.status == "ok"
    # Without ties the three shares are one.
    assert found.cycles.estimate == found.chains.estimate == found.weak.estimate
    assert found.cycles.n_items == 200 * 20 and found.cycles.n_clusters == 200


def test_error_is_the_closed_one():
    """Against the clustered error of a ratio of sums."""
    outcomes = random_table(np.random.default_rng(1), 300, 5, ties=0.3)
    found = transitivity(*table(outcomes))
    per_prompt = [by_hand({k: v for k, v in outcomes.items() if k[0] == p})[0] for p in range(300)]
    bad = np.array([k["cycle"] for k in per_prompt])
    among = np.array([k["cycle"] + k["order"] for k in per_prompt])
    residuals = bad - bad.sum() / among.sum() * among
    assert found.cycles.se == pytest.approx(math.sqrt((residuals**2).sum()) / among.sum(), rel=0.05)


def test_a_ranking_with_ties_contradicts_nothing():
    rng = np.random.default_rng(2)
    outcomes = {}
    for prompt in range(40):
        score = rng.integers(0, 3, 6)
        for a, b in itertools.combinations(range(6), 2):
            outcomes[prompt, a, b] = int(np.sign(score[a] - score[b]))
    found = transitivity(*table(outcomes), **FEW)
    for share in (found.cycles, found.chains, found.weak):
        assert share.estimate == 0 == share.lo and 0 < share.hi < 0.1 and share.note
    assert found.triples.shared and found.triples.equal and found.triples.order


def test_a_threshold_splits_ties_only():
    """Scores told apart only from 2 up: ties are not transitive, preference is."""
    outcomes = {
        (prompt, a, b): int(np.sign(a - b)) if abs(a - b) > 1 else 0
        for prompt in range(30)
        for a, b in itertools.combinations(range(5), 2)
    }
    found = transitivity(*table(outcomes), **FEW)
    assert found.cycles.estimate == 0 and found.cycles.n_items
    assert found.chains.estimate == 0
    assert found.triples.split > 0 == found.triples.cycle == found.triples.chain


def test_twice_the_prompts_shrink_the_error():
    outcomes = random_table(np.random.default_rng(3), 120, 5)
    twice = outcomes | {(p + 120, a, b): sign for (p, a, b), sign in outcomes.items()}
    one, two = (transitivity(*table(o)).cycles for o in (outcomes, twice))
    assert two.estimate == one.estimate
    assert two.se == pytest.approx(one.se / math.sqrt(2), rel=0.05)


def test_edges():
    nothing = transitivity([], [], [], [])
    pair = transitivity(["a", "a"], ["b", "b"], [1, -1], [1, 2])
    for found in (nothing, pair):
        for share in (found.cycles, found.chains, found.weak):
            assert share.status == "insufficient" and math.isnan(share.estimate)
        assert found.incomplete == 0
    lone = transitivity(["a", "b", "c"], ["b", "c", "a"], [1, 1, 1], ["q"] * 3)
    assert lone.cycles.estimate == 1 and lone.cycles.status == "one_cluster"
    ties = transitivity(["a", "b", "c"] * 2, ["b", "c", "a"] * 2, [0] * 6, [1] * 3 + [2] * 3)
    assert ties.cycles.status == "insufficient" == ties.chains.status
    assert ties.weak.estimate == 0 and ties.triples.equal == 2
    # A triple over two prompts is none.
    apart = transitivity(["a", "b", "c"], ["b", "c", "a"], [1, 1, 1], [1, 1, 2])
    assert apart.triples.cycle == 0 and apart.incomplete == 1


@pytest.mark.parametrize(
    ("first", "second", "outcomes", "message"),
    [
        (["a", "b"], ["b", "c"], [1, 0.5], r"outcomes\[1\] is 0.5"),
        (["a", "b"], ["b", "c"], [math.nan, 1], r"outcomes\[0\] is nan"),
        (["a", "b"], ["b", "b"], [1, 1], "row 1 compares a system with itself"),
        (["a", "b"], ["b", "a"], [1, 1], "row 1 has a pair of systems that another row"),
        (["a", None], ["b", "c"], [1, 1], r"first\[1\] is None"),
        (["a", "b"], ["b", "c", "d"], [1, 1], "3 systems in second for 2 outcomes"),
    ],
)
def test_bad_rows_are_told(first, second, outcomes, message):
    with pytest.raises(BenchError, match=message):
        transitivity(first, second, outcomes, [0, 0])
