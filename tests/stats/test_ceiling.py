from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import t

from bench.stats import (
    beta_ceiling,
    ceiling,
    cluster_wilson,
    human_agreement,
    leave_one_out,
    plug_in,
    share_of_ceiling,
)
from bench.stats.ceiling import _lower_ratio
from bench.types import BenchError


def panel(rng, n_prompts, per_prompt, a, accuracy):
    """A crowd whose share for response 0 is Beta(a, a); a judge that knows the better response
    with probability `accuracy`. Returns credit, votes, first, clusters."""
    n = n_prompts * per_prompt
    clusters = np.repeat(np.arange(n_prompts), per_prompt)
    share = rng.beta(a, a, n)
    votes = rng.integers(2, 6, n)
    first = rng.binomial(votes, share)
    picks_first = (share > 0.5) == (rng.random(n) < accuracy)
    credit = np.where(picks_first, first, votes - first) / votes
    return credit, votes, first, clusters


def test_binary_vector(vector):
    v = vector("human.ceiling_binary")
    votes, first = v.inputs["n_votes"], v.inputs["votes_for_A"]
    ids = range(len(votes))
    v.close(plug_in(votes, first, ids).estimate, "plugin_ceiling_per_annotator")
    v.close(human_agreement(votes, first, ids).estimate, "unbiased_pairwise_human_agreement")


def test_beta_vector(vector):
    v = vector("human.ceiling_beta")
    for hh in v.inputs["HH"]:
        v.close(beta_ceiling(hh), str(hh), "ceiling_vs_one_human")
    np.testing.assert_equal(beta_ceiling([0.2, 0.5, 1.0]), [math.nan, math.nan, 1.0])
    assert np.all(np.diff(beta_ceiling(np.linspace(0.5001, 1, 999))) > 0)


def test_leave_one_out_vector(vector):
    v = vector("agree.human_loo")
    human = np.array(v.inputs["human"])
    votes, first, ids = (human > 0).sum(1), (human == 1).sum(1), range(len(human))
    v.close(leave_one_out(votes, first, ids).estimate, "human_loo_vs_majority_of_rest")
    v.close(human_agreement(votes, first, ids).estimate, "human_pairwise")


VOTES = st.lists(st.lists(st.booleans(), max_size=6), max_size=8)


@given(VOTES)
def test_counts_give_what_enumeration_gives(items):
    votes, first = [len(i) for i in items], [sum(i) for i in items]
    usable = [i for i in items if len(i) > 1]
    pairs, rest = [], []
    for item in usable:
        others = [[b for k, b in enumerate(item) if k != j] for j in range(len(item))]
        pairs.append(
            np.mean([np.mean(np.array(o) == v) for o, v in zip(others, item, strict=True)])
        )
        for_majority = [
            0.5 if sum(o) * 2 == len(o) else float((sum(o) * 2 > len(o)) == v)
            for o, v in zip(others, item, strict=True)
        ]
        rest.append(np.mean(for_majority))
    hh, loo = (f(votes, first, range(len(items))) for f in (human_agreement, leave_one_out))
    assert (hh.n_items, hh.n_missing) == (len(usable), len(items) - len(usable))
    if usable:
        assert hh.estimate == pytest.approx(np.mean(pairs))
        assert loo.estimate == pytest.approx(np.mean(rest))
        assert loo.estimate <= plug_in(votes, first, range(len(items))).estimate + 1e-12
    else:
        assert hh.status == "insufficient" and math.isnan(hh.estimate)


def test_ceiling_recovers_the_truth_between_its_bounds():
    truth = 0.8183098861837911  # q ~ Beta(1/2, 1/2): 1/2 + 1/pi
    hits, runs = 0, 200
    for seed in range(runs):
        _, votes, first, clusters = panel(np.random.default_rng(seed), 400, 1, 0.5, 1)
        best = ceiling(votes, first, clusters)
        hits += best.lo <= truth <= best.hi
    assert hits / runs >= 0.92
    _, votes, first, clusters = panel(np.random.default_rng(30), 5000, 1, 0.5, 1)
    assert ceiling(votes, first, clusters).estimate == pytest.approx(truth, abs=0.02)
    assert leave_one_out(votes, first, clusters).hi < truth < plug_in(votes, first, clusters).lo


def test_ceiling_where_humans_share_nothing():
    e = ceiling([2] * 50, [1] * 50, range(50))
    assert e.status == "out_of_range" and math.isnan(e.estimate) and math.isnan(e.lo)
    near = ceiling([2] * 20, [0, 1] * 9 + [2, 2], range(20))
    assert near.lo == 0.5 < near.estimate < near.hi


def test_share_of_ceiling_recovers_the_truth():
    rng = np.random.default_rng(31)
    data = panel(rng, 2000, 2, 0.5, 0.9)
    e = share_of_ceiling(*data)
    # Right with .9 about the better response: (.9 - .1) of the room above chance.
    assert e.lo < 0.8 < e.hi and e.hi - e.lo < 0.08
    assert (e.n_items, e.n_clusters, e.status) == (4000, 2000, "ok")
    wider = share_of_ceiling(*data, level=0.99)
    assert wider.lo < e.lo < e.estimate < e.hi < wider.hi


@pytest.mark.parametrize("n_prompts, votes", [(20, 3), (20, 5), (40, 3), (80, 3)])
@pytest.mark.parametrize("accuracy", [0.64, 0.97])
def test_share_of_ceiling_coverage(n_prompts, votes, accuracy):
    """Two items a prompt; 400 runs leave a standard error of .011, so .91 is two below .93."""
    rng = np.random.default_rng([32, n_prompts, votes])
    a, truth, hits, runs = 1 / 3, 2 * accuracy - 1, 0, 400
    clusters = np.repeat(np.arange(n_prompts), 2)
    for _ in range(400):
        share = rng.beta(a, a, n_prompts).repeat(2)
        ease = rng.beta(accuracy * 4, (1 - accuracy) * 4, n_prompts).repeat(2)
        first = rng.binomial(votes, share)
        picks_first = (share > 0.5) == (rng.random(clusters.size) < ease)
        credit = np.where(picks_first, first, votes - first) / votes
        e = share_of_ceiling(credit, np.full(clusters.size, votes), first, clusters)
        runs -= e.status == "out_of_range"
        hits += e.lo <= truth <= e.hi
    assert hits / runs >= 0.91 and runs > 380


def test_judge_without_an_opinion_has_an_interval():
    _, votes, first, clusters = panel(np.random.default_rng(33), 100, 2, 0.3, 1)
    e = share_of_ceiling(np.full(200, 0.5), votes, first, clusters)
    assert e.estimate == 0 and -0.5 < e.lo < -0.05 and 0.05 < e.hi < 0.5
    assert math.isnan(e.se) and "no variation" in e.note


def test_unanimous_humans_and_a_perfect_judge():
    e = share_of_ceiling(np.ones(40), [3] * 40, [3, 0] * 20, range(40))
    assert e.estimate == 1 and e.lo < 0.95 and e.hi > 1


def test_items_with_one_vote_are_missing_and_their_credit_is_not_read():
    rng = np.random.default_rng(34)
    credit, votes, first, clusters = panel(rng, 50, 2, 0.3, 0.9)
    e = share_of_ceiling(credit, votes, first, clusters)
    more = share_of_ceiling(
        np.append(credit, [math.nan, 0.3]),
        np.append(votes, [0, 1]),
        np.append(first, [0, 1]),
        np.append(clusters, [100, 3]),
    )
    assert (more.estimate, more.lo, more.hi) == (e.estimate, e.lo, e.hi)
    assert (more.n_items, more.n_missing) == (100, 2)


def test_degenerate_shares():
    few = share_of_ceiling([1, 1], [1, 2], [1, 2], [1, 2])
    assert few.status == "insufficient" and math.isnan(few.estimate)
    chance = share_of_ceiling([0.5] * 20, [2] * 20, [0, 1] * 10, range(20))
    assert chance.status == "out_of_range" and math.isnan(chance.estimate)
    single = share_of_ceiling([1] * 20, [2] * 20, [2] * 20, ["p"] * 20)
    assert single.status == "one_cluster" and single.estimate == 1 and math.isnan(single.lo)


def test_no_share_of_a_ceiling_that_may_be_chance():
    """Seven of eight pairs of votes agree: the ceiling is .93, its interval starts at chance."""
    votes, first = [2] * 8, [2, 0, 2, 0, 2, 0, 2, 1]
    assert ceiling(votes, first, range(8)).lo == 0.5
    e = share_of_ceiling([1] * 7 + [0.5], votes, first, range(8))
    assert e.status == "out_of_range" and math.isnan(e.estimate)


def test_limits_are_where_the_interval_of_the_difference_ends():
    """At either limit, |(J - 1/2) - limit (C - 1/2)| is the root of the squared reaches of both,
    less what they share: checked for judges worse than a coin, poor, good, above the ceiling."""
    rng = np.random.default_rng(35)
    _, votes, first, clusters = panel(rng, 40, 2, 0.3, 1)
    for rate in (0.05, 0.5, 0.7, 1.0):
        right = rng.random(80) < rate
        credit = np.where(right, np.maximum(first, votes - first), 0) / votes
        e, c = share_of_ceiling(credit, votes, first, clusters), ceiling(votes, first, clusters)
        j = cluster_wilson(credit, clusters)
        pairs = (first * (first - 1) + (votes - first) * (votes - first - 1)) / votes / (votes - 1)
        x, y = (v.reshape(40, 2).sum(axis=1) for v in (credit, pairs))
        r = np.corrcoef(x, y)[0, 1] * 40 / (40 + t.ppf(0.975, 39) ** 2)
        for limit, of_judge in ((e.lo, j.estimate - j.lo), (e.hi, j.hi - j.estimate)):
            upper = (limit > 0) == (limit == e.lo)  # which end of C makes the ratio extreme
            of_best = abs(limit) * (c.hi - c.estimate if upper else c.estimate - c.lo)
            r_side = r if limit > 0 else -r
            gap = (j.estimate - 0.5) - limit * (c.estimate - 0.5)
            reach = of_judge**2 + of_best**2 - 2 * r_side * of_judge * of_best
            assert gap**2 == pytest.approx(reach, rel=1e-9)
        assert e.lo < e.estimate < e.hi and math.isnan(e.se)


def test_ceiling_far_above_its_estimate_leaves_a_positive_lower_limit():
    """A ceiling of .55 +- .25 reaches further up than it stands above chance."""
    lower = _lower_ratio((0.04, 0.03, 0.05), (0.05, 0.01, 0.3), 0.0)
    assert 0 < lower < 0.04 / 0.05
    assert (0.04 - lower * 0.05) ** 2 == pytest.approx(0.01**2 + (lower * 0.25) ** 2)


@settings(max_examples=25)
@given(st.randoms(use_true_random=False), st.integers(2, 120))
def test_swapping_the_responses_or_renaming_prompts_changes_nothing(random, n_prompts):
    rng = np.random.default_rng(random.getrandbits(32))
    credit, votes, first, clusters = panel(rng, n_prompts, 2, 0.2, 0.8)
    e = share_of_ceiling(credit, votes, first, clusters)
    swapped = share_of_ceiling(credit, votes, votes - first, clusters)
    named = share_of_ceiling(credit, votes, first, [f"p{c}" for c in clusters])
    for other in (swapped, named):
        np.testing.assert_allclose(
            (e.estimate, e.lo, e.hi), (other.estimate, other.lo, other.hi), rtol=1e-9
        )
    assert math.isnan(e.lo) or e.lo <= e.estimate <= e.hi


def test_bad_input():
    with pytest.raises(BenchError, match="item 1: 3 votes for response 0 of 2"):
        human_agreement([2, 2], [1, 3], [1, 2])
    with pytest.raises(BenchError, match=r"item 0: 0.5 votes"):
        human_agreement([2], [0.5], [1])
    with pytest.raises(BenchError, match=r"votes\[1\] is nan"):
        plug_in([2, math.nan], [1, 1], [1, 2])
    with pytest.raises(BenchError, match=r"credit\[1\] is nan"):
        share_of_ceiling([1, math.nan], [2, 2], [2, 2], [1, 2])
    with pytest.raises(BenchError, match="1 credits for 2 items"):
        share_of_ceiling([1], [2, 2], [2, 2], [1, 2])
    with pytest.raises(BenchError, match="2 numbers of votes and 1"):
        ceiling([2, 2], [2], [1, 2])
