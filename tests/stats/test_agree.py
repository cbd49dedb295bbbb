from __future__ import annotations

import math
from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.stats.agree import against_votes, agreement, soft_agreement
from bench.stats.ceiling import leave_one_out
from bench.stats.clusters import Clusters
from bench.types import BenchError

CODE = {"A": 1, "T": 0, "B": -1}
VERDICT = st.sampled_from([-1, 0, 1])
ROWS = st.lists(st.tuples(VERDICT, VERDICT, st.integers(0, 6)), min_size=1, max_size=40)
VOTED = st.lists(
    st.tuples(VERDICT, st.integers(0, 5), st.integers(0, 5), st.integers(0, 6)),
    min_size=1,
    max_size=30,
)


def rows(tuples):
    return tuple(np.array(x) for x in zip(*tuples, strict=True))


def block(found):
    return {field.name: getattr(found, field.name) for field in fields(found)}


def numbers(e):
    return e.estimate, e.lo, e.hi, e.se, e.n_eff, e.df


def test_ties_vector(vector):
    v = vector("agree.ties_setups")
    human, one, two = (
        np.array([CODE[x] for x in v.inputs[k]]) for k in ("human", "order1", "order2")
    )
    items = np.arange(10)
    combined = np.where(one == two, one, 0)
    assert [CODE[x] for x in v.expected["combined_inconsistent_as_tie"]] == combined.tolist()
    tie = agreement(combined, human, items)
    v.close(tie.three_way.estimate, "three_way_accuracy_S1")
    v.close(tie.two_way.estimate, "two_way_nontied_S2")
    v.close(tie.two_way.n_items, "S2_n")
    v.close(tie.coverage.estimate, "S2_coverage_of_human_decisive")
    v.close(tie.half_credit.estimate, "two_way_half_credit_ties")
    v.close(
        soft_agreement((1 + combined) / 2, (1 + human) / 2, items).estimate, "soft_absolute_score"
    )
    # Both orders as rows of one prompt.
    both = agreement(np.append(one, two), np.tile(human, 2), np.tile(items, 2))
    v.close(both.three_way.estimate, "order_averaged_three_way")
    v.close(both.half_credit.estimate, "two_way_order_averaged_half_credit")
    assert (both.three_way.n_items, both.three_way.n_clusters) == (20, 10)
    # An order that disagrees with the other made wrong: right only if both are.
    strict = np.where(one == two, one, np.where(human == 0, 1, -human))
    v.close(agreement(strict, human, items).three_way.estimate, "strict_both_orders_three_way")
    v.close(agreement(strict, human, items).half_credit.estimate, "two_way_strict")


def test_rows_that_a_number_does_not_look_at_are_missing():
    found = agreement([1, 0, -1, 0, 1], [1, 1, 1, 0, 0], np.arange(5), missing=2)
    counts = {name: (e.estimate, e.n_items, e.n_missing) for name, e in block(found).items()}
    assert counts == {
        "half_credit": (0.5, 3, 4),
        "three_way": (0.4, 5, 2),
        "two_way": (0.5, 2, 5),
        "coverage": (pytest.approx(2 / 3), 3, 4),
        "judge_ties": (0.4, 5, 2),
        "human_ties": (0.4, 5, 2),
    }


@given(ROWS, st.randoms(use_true_random=False))
def test_what_must_not_matter(triples, random):
    judge, human, clusters = rows(triples)
    order = list(range(judge.size))
    random.shuffle(order)
    names = [f"p{9 - c}" for c in clusters[order]]
    flip = np.array([random.choice([-1, 1]) for _ in order])
    found = block(agreement(judge, human, clusters))
    for other in (
        agreement(judge[order], human[order], names),
        agreement(flip * judge, flip * human, clusters),
    ):
        for name, e in found.items():
            np.testing.assert_allclose(
                numbers(e), numbers(getattr(other, name)), rtol=1e-9, atol=1e-12
            )
            assert e.status == getattr(other, name).status


@given(ROWS)
def test_half_credit_is_two_way_and_half_of_the_rest(triples):
    found = agreement(*rows(triples))
    if found.two_way.n_items:
        share = found.coverage.estimate
        whole = share * found.two_way.estimate + (1 - share) / 2
        assert found.half_credit.estimate == pytest.approx(whole)
    for e in block(found).values():
        assert math.isnan(e.lo) or 0 <= e.lo <= e.estimate <= e.hi <= 1


@given(st.lists(st.tuples(st.floats(0, 1), VERDICT, st.integers(0, 6)), min_size=1, max_size=30))
def test_soft_agreement_is_symmetric_and_turns_with_the_pair(triples):
    p, human, clusters = rows(triples)
    human = (1 + human) / 2
    e = soft_agreement(p, human, clusters)
    for other in (soft_agreement(human, p, clusters), soft_agreement(1 - p, 1 - human, clusters)):
        np.testing.assert_allclose(numbers(e)[:3], numbers(other)[:3], rtol=1e-7, atol=1e-9)


def test_votes_vector(vector):
    v = vector("agree.human_loo")
    human, judge = np.array(v.inputs["human"]), 3 - 2 * np.array(v.inputs["judge"])
    votes, first, items = np.full(5, 4), np.sum(human == 1, axis=1), np.arange(5)
    found = against_votes(judge, votes, first, items)
    v.close(found.each.estimate, "judge_vs_each_annotator")
    v.close(found.majority.estimate, "judge_vs_majority_ties_half")
    v.close(found.majority_of_rest.estimate, "judge_vs_majority_of_rest_matched")
    v.close(leave_one_out(votes, first, items).estimate, "human_loo_vs_majority_of_rest")


def enumerated(verdict, m, k):
    """Credits of one item, vote by vote."""
    votes = [1] * k + [-1] * (m - k)

    def credit(reference):
        return (1 + verdict * np.sign(reference)) / 2

    each = np.mean([credit(vote) for vote in votes])
    rest = np.mean([credit(sum(votes) - vote) for vote in votes])
    return each, credit(sum(votes)), rest if m > 1 else math.nan


@given(VOTED)
def test_votes_agree_with_enumeration(items):
    items = [(j, k + other, k, c) for j, k, other, c in items]
    found = against_votes(*rows(items), missing=1)
    expected = np.array([enumerated(*item[:3]) for item in items if item[1]]).reshape(-1, 3)
    for e, column in zip(block(found).values(), expected.T, strict=True):
        credits = column[~np.isnan(column)]
        assert (e.n_items, e.n_missing) == (credits.size, 1 + len(items) - credits.size)
        if credits.size:
            assert e.estimate == pytest.approx(credits.mean())
        else:
            assert e.status == "insufficient"


def test_one_vote_each():
    found = against_votes([1, -1, 0], [1, 1, 1], [1, 1, 0], np.arange(3))
    assert found.each.estimate == found.majority.estimate == 0.5
    assert found.majority_of_rest.status == "insufficient"
    assert math.isnan(found.majority_of_rest.estimate)


@given(VOTED, st.randoms(use_true_random=False))
def test_against_votes_what_must_not_matter(items, random):
    judge, other, first, clusters = rows(items)
    votes = first + other
    order = list(range(judge.size))
    random.shuffle(order)
    found = block(against_votes(judge, votes, first, clusters))
    swapped = block(against_votes(-judge, votes, other, clusters))
    moved = block(against_votes(*(x[order] for x in (judge, votes, first, clusters))))
    opposite = block(against_votes(-judge, votes, first, clusters))
    for name, e in found.items():
        for same in (swapped[name], moved[name]):
            np.testing.assert_allclose(numbers(e), numbers(same), rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(e.estimate, 1 - opposite[name].estimate, atol=1e-12)


def test_degenerate_zoo():
    n = np.arange(40)
    mixed = np.resize([1, 0, -1], 40)
    for size in (0, 1):
        found = agreement(np.ones(size), np.ones(size), n[:size])
        assert found.half_credit.status == ("insufficient" if size == 0 else "ok_small")
        assert math.isnan(found.half_credit.se)
    ties = agreement(np.zeros(40), mixed, n)
    assert ties.two_way.status == "insufficient" and ties.coverage.estimate == 0 < ties.coverage.hi
    assert ties.half_credit.estimate == 0.5 and ties.half_credit.lo < 0.5 < ties.half_credit.hi
    undecided = agreement(mixed, np.zeros(40), n)
    assert undecided.half_credit.status == undecided.coverage.status == "insufficient"
    assert undecided.human_ties.estimate == 1 and undecided.three_way.estimate == 13 / 40
    right = agreement(mixed, mixed, n)
    assert right.half_credit.estimate == 1 == right.half_credit.hi and right.half_credit.lo < 0.9
    single = agreement(mixed, np.roll(mixed, 1), Clusters.of(["p"] * 40, 40))
    assert single.three_way.status == "one_cluster" and math.isnan(single.three_way.lo)


def test_bad_input():
    with pytest.raises(BenchError, match=r"judge\[1\] is nan"):
        agreement([1, math.nan], [1, 1], [1, 2])
    with pytest.raises(BenchError, match=r"human\[0\] is 0.5"):
        agreement([1], [0.5], [1])
    with pytest.raises(BenchError, match=r"judge\[0\] is 1.5"):
        soft_agreement([1.5], [1], [1])
    with pytest.raises(BenchError, match="2 values of the judge for 1"):
        soft_agreement([1, 0], [1], [1, 2])
    with pytest.raises(BenchError, match=r"item 1: verdict 0\.5"):
        against_votes([1, 0.5], [1, 1], [1, 1], [1, 2])
    with pytest.raises(BenchError, match="3 votes for the first response of 2"):
        against_votes([1], [2], [3], [1])
    with pytest.raises(BenchError, match="one each per item"):
        against_votes([1], [2, 2], [1, 1], [1, 2])
    with pytest.raises(BenchError, match="1 cluster ids for 2"):
        agreement([1, 1], [1, 1], [1])
