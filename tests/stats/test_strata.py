from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.stats.strata import answer_classes, vote_strata
from bench.types import BenchError

NAMES = ("unanimous", "majority", "split")


def enumerated(judge, votes, first):
    """(stratum, [share, judge, human]) sums over items, by listing every split of every item."""
    sums = np.zeros((3, 3))
    for verdict, m, k in zip(judge, votes, first, strict=True):
        ballots = [1] * k + [-1] * (m - k)
        splits = list(itertools.combinations(range(m), math.ceil(m / 2)))
        for chosen in splits:
            half = [ballots[i] for i in chosen]
            rest = [ballots[i] for i in range(m) if i not in chosen]
            lead = abs(sum(half))
            s = 0 if lead == len(half) else 2 if lead == 0 else 1
            ours = 0.0 if math.isnan(verdict) else np.mean([(1 + verdict * r) / 2 for r in rest])
            human = np.mean([a == b for a in half for b in rest])
            sums[s] += np.array([1, ours, human]) / len(splits)
    return sums


ITEM = st.integers(3, 7).flatmap(
    lambda m: st.tuples(st.sampled_from([-1, 0, 0.5, 1, math.nan]), st.just(m), st.integers(0, m))
)


@settings(max_examples=40)
@given(st.lists(ITEM, min_size=2, max_size=8))
def test_closed_weights_give_what_enumeration_gives(items):
    judge, votes, first = zip(*items, strict=True)
    found = vote_strata(judge, votes, first, range(len(items)), replicates=50)
    for name, (share, ours, human) in zip(
        NAMES, enumerated(*zip(*items, strict=True)), strict=True
    ):
        s = getattr(found, name)
        assert s.share.estimate == pytest.approx(share / len(items), abs=1e-12)
        if share == 0:
            assert s.judge.status == s.human.status == "degenerate"
            assert math.isnan(s.judge.estimate)
        else:
            assert s.judge.estimate == pytest.approx(ours / share, abs=1e-9)
            assert s.human.estimate == pytest.approx(human / share, abs=1e-9)
        for e in (s.share, s.judge, s.human):
            assert math.isnan(e.lo) or 0 <= e.lo <= e.estimate <= e.hi <= 1


def crowd(rng, n, m, a):
    share = rng.beta(a, a, n)
    return share, np.full(n, m), rng.binomial(m, share)


def test_votes_that_sort_do_not_score():
    """Humans toss coins: also unanimous items must agree with nobody beyond chance."""
    rng = np.random.default_rng(1)
    n = 4000
    judge, votes = rng.choice([-1, 1], n), np.full(n, 5)
    found = vote_strata(judge, votes, rng.binomial(5, 0.5, n), np.arange(n), replicates=400)
    for s in (found.unanimous, found.majority):
        for e in (s.judge, s.human):
            assert e.lo < 0.5 < e.hi and e.hi - e.lo < 0.08
    assert found.unanimous.share.estimate == pytest.approx(0.25, abs=0.02)
    assert math.isnan(found.split.judge.estimate)  # three sorting votes are never tied


def test_agreement_falls_from_stratum_to_stratum():
    rng = np.random.default_rng(2)
    share, votes, first = crowd(rng, 3000, 8, 0.5)
    judge = np.where((share > 0.5) == (rng.random(3000) < 0.9), 1, -1)
    found = vote_strata(judge, votes, first, np.repeat(np.arange(1000), 3), replicates=400)
    for of in ("judge", "human"):
        sure, mostly, tied = (getattr(getattr(found, name), of) for name in NAMES)
        assert sure.lo > mostly.hi and mostly.lo > tied.estimate
    assert found.split.judge.hi < found.majority.judge.lo
    assert found.split.human.estimate == pytest.approx(0.5)
    total = sum(getattr(found, name).share.estimate for name in NAMES)
    assert total == pytest.approx(1)
    assert found.unanimous.judge.n_clusters == 1000


def test_swapping_responses_or_rows_changes_nothing():
    rng = np.random.default_rng(3)
    _, votes, first = crowd(rng, 60, 5, 0.5)
    judge = rng.choice([-1, 0, 1], 60)
    ids = np.repeat(np.arange(30), 2)
    a = vote_strata(judge, votes, first, ids, replicates=100)
    b = vote_strata(-judge, votes, votes - first, ids, replicates=100)
    inside = np.arange(60).reshape(30, 2)[:, ::-1].ravel()  # rows within prompts
    c = vote_strata(judge[inside], votes[inside], first[inside], ids, replicates=100)
    for other in (b, c):
        for name in NAMES[:2]:
            x, y = getattr(a, name).judge, getattr(other, name).judge
            np.testing.assert_allclose(
                (x.estimate, x.lo, x.hi), (y.estimate, y.lo, y.hi), atol=1e-9
            )


def test_strata_of_too_little():
    few = vote_strata([1, 1], [2, 2], [2, 1], [0, 1])
    assert few.unanimous.judge.status == few.unanimous.share.status == "insufficient"
    assert few.unanimous.judge.n_missing == 2
    single = vote_strata([1] * 9, [3] * 9, [2] * 9, ["p"] * 9)
    assert single.unanimous.judge.status == "one_cluster"
    assert vote_strata([], [], [], []).split.share.status == "insufficient"
    failed = vote_strata([math.nan] * 9, [3] * 9, [3] * 9, range(9))
    assert failed.unanimous.judge.estimate == 0 and failed.unanimous.human.estimate == 1


def test_bad_votes():
    with pytest.raises(BenchError, match="item 1: 4 votes for the first response of 3"):
        vote_strata([1, 1], [3, 3], [1, 4], [0, 1])
    with pytest.raises(BenchError, match=r"judge\[0\] is 2"):
        vote_strata([2], [3], [1], [0])
    with pytest.raises(BenchError, match=r"votes\[0\] is nan"):
        vote_strata([1], [math.nan], [1], [0])
    with pytest.raises(BenchError, match="rows: judge 1, votes 2"):
        vote_strata([1], [3, 3], [1, 1], [0, 1])


def respondents(rng, n, shares, times=2, tie=0.0):
    """(kind, own, swapped): answers of n humans of the three kinds, `times` in each order."""
    law = [(1 - tie) / 2, tie, (1 - tie) / 2]
    kind = rng.choice(3, n, p=shares)
    a, b = (rng.choice([-1, 0, 1], n, p=law) for _ in range(2))
    while (same := a == b).any():
        pair = rng.choice([-1, 0, 1], (2, same.sum()), p=law)
        a[same], b[same] = pair
    base = rng.choice([-1, 0, 1], n, p=law)
    anew = rng.choice([-1, 0, 1], (2, n, times), p=law)
    first = np.where(kind == 0, base, a)[:, None].repeat(times, axis=1)
    second = np.where(kind == 0, base, b)[:, None].repeat(times, axis=1)
    wild = (kind == 2)[:, None]
    return kind, np.where(wild, anew[0], first), np.where(wild, anew[1], second)


@pytest.mark.parametrize("tie", [0.0, 0.3])
def test_classes_are_recovered(tie):
    rng = np.random.default_rng(4)
    shares = [0.6, 0.25, 0.15]
    kind, own, swapped = respondents(rng, 3000, shares, tie=tie)
    found = answer_classes(own, swapped, np.arange(3000), replicates=300)
    for e, share in zip(
        (found.genuine, found.constructed, found.non_attitude), shares, strict=True
    ):
        assert e.lo < share < e.hi and e.hi - e.lo < 0.1
    guess = found.posterior.argmax(axis=1)
    assert np.mean([np.mean(guess[kind == c] == c) for c in range(3)]) > 0.8
    np.testing.assert_allclose(found.posterior.sum(axis=1), 1)
    # Calibrated: the mean posterior of a class is its share.
    np.testing.assert_allclose(found.posterior.mean(axis=0)[0], found.genuine.estimate, atol=1e-6)


def test_pairs_of_answers_give_the_moments():
    """1000 asked twice in one order, 1000 once in each; no ties."""
    nan = math.nan
    same, across = 900, 700
    own = [[1, 1]] * same + [[1, -1]] * (1000 - same) + [[-1, nan]] * 1000
    swapped = [[nan]] * 1000 + [[-1]] * across + [[1]] * (1000 - across)
    found = answer_classes(own, swapped, np.arange(2000), replicates=50)
    got = [e.estimate for e in (found.genuine, found.constructed, found.non_attitude)]
    np.testing.assert_allclose(got, [0.6, 0.2, 0.2], atol=1e-5)


def test_coverage_of_class_shares():
    hits = np.zeros(3)
    shares = [0.6, 0.25, 0.15]
    for seed in range(150):
        _, own, swapped = respondents(np.random.default_rng(seed), 200, shares)
        found = answer_classes(own, swapped, np.repeat(np.arange(100), 2), replicates=200)
        for c, e in enumerate((found.genuine, found.constructed, found.non_attitude)):
            hits[c] += e.lo <= shares[c] <= e.hi
    assert np.all(hits / 150 >= 0.9)


def test_classes_do_not_depend_on_names_of_orders_or_responses():
    _, own, swapped = respondents(np.random.default_rng(5), 120, [0.5, 0.3, 0.2], tie=0.2)
    a = answer_classes(own, swapped, np.arange(120), replicates=50)
    for b in (
        answer_classes(-own, -swapped, np.arange(120), replicates=50),
        answer_classes(swapped, own, np.arange(120), replicates=50),
        answer_classes(own[:, ::-1], swapped, np.arange(120), replicates=50),
    ):
        np.testing.assert_allclose(a.posterior, b.posterior, atol=1e-6)
        for x, y in ((a.genuine, b.genuine), (a.non_attitude, b.non_attitude)):
            np.testing.assert_allclose(
                (x.estimate, x.lo, x.hi), (y.estimate, y.lo, y.hi), atol=1e-6
            )


def test_classes_that_cannot_be_told_apart():
    nan, ids = math.nan, range(40)
    refused = {
        "twice in one order": ([[1]] * 40, [[1]] * 40),
        "in both orders": ([[1, 1]] * 40, [[nan, nan]] * 40),
        "is a tie": ([[0, 0]] * 40, [[0, 0]] * 40),
    }
    for why, (own, swapped) in refused.items():
        found = answer_classes(own, swapped, ids)
        for e in (found.genuine, found.constructed, found.non_attitude):
            assert e.status == "insufficient" and why in e.note and math.isnan(e.estimate)
        assert np.isnan(found.posterior).all()
    assert answer_classes(np.zeros((0, 2)), np.zeros((0, 2)), []).genuine.status == "insufficient"


def test_classes_of_the_constant_and_the_single():
    always = answer_classes([[1, 1]] * 40, [[1, 1]] * 40, range(40), replicates=50)
    assert always.genuine.status == "degenerate"
    assert always.genuine.estimate == pytest.approx(1, abs=1e-6)
    slot = answer_classes([[1, 1]] * 40, [[-1, -1]] * 40, range(40), replicates=50)
    assert slot.constructed.estimate == pytest.approx(1, abs=1e-6)
    one = answer_classes([[1, 1], [1, -1]] * 9, [[1, 1]] * 18, ["p"] * 18, replicates=50)
    assert one.genuine.status == "one_cluster"
    lost = answer_classes([[1, 1], [1, math.nan]], [[1], [math.nan]], [0, 1], replicates=50)
    assert lost.genuine.n_missing == 1 and np.isnan(lost.posterior[1]).all()
    with pytest.raises(BenchError, match=r"own\[0, 1\] is 3"):
        answer_classes([[1, 3]], [[1, 1]], [0])
    with pytest.raises(BenchError, match="rows: own 1, swapped 2"):
        answer_classes([[1, 1]], [[1], [1]], [0])
