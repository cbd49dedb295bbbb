from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.stats.position import accuracy_cost, position
from bench.types import BenchError

SLOT = {"F": 1, "T": 0, "S": -1, None: None}
SAID = st.sampled_from([-1, 0, 1, None])
ROWS = st.lists(st.tuples(SAID, SAID, st.integers(0, 6)), min_size=2, max_size=40)
MEANS = "consistency ties flip hard_flip fairness signed_bias first_share primacy_share"


def orders(text):
    """ "FS FF" -> both orders' verdicts."""
    return tuple([SLOT[pair[i]] for pair in text.split()] for i in (0, 1))


def numbers(e):
    return e.estimate, e.lo, e.hi, e.se


def test_swap_vector(vector):
    v = vector("pos.swap")
    first, swapped = ([SLOT[x] for x in v.inputs[k]] for k in ("order1", "order2"))
    e = position(first, swapped, np.arange(16))
    v.close(e.consistency.n_items, "n_pairs_both_parsed")
    v.close(e.consistency.n_missing, "parse_failures")
    v.close(e.consistency.estimate, "position_consistency")
    v.close(e.flip.estimate, "flip_rate_any")
    v.close(e.flip.estimate, "judgelm_total_bias")
    v.close(e.hard_flip.estimate, "hard_flip_rate")
    v.close(1 - e.decisive_consistency.estimate, "hard_flip_rate_among_decisive")
    primacy, recency = (sum(e.patterns[p] for p in of.split()) for of in ("FF FT TF", "SS ST TS"))
    v.close(primacy, "primacy_count")
    v.close(recency, "recency_count")
    v.close(e.primacy_share.estimate, "inconsistent_primacy_rate")
    v.close(e.primacy_share.estimate, "primacy_share_of_inconsistent")
    v.close(1 - e.primacy_share.estimate, "inconsistent_recency_rate")
    v.close(e.fairness.estimate, "PF_shi")
    v.close(abs(e.fairness.estimate), "judgelm_delta_bias")
    v.close(e.first_share.estimate, "first_slot_share_decisive")
    v.close(2 * e.signed_bias.estimate, "signed_bias_2p_minus_1")
    v.close(e.sign_p, "exact_sign_test_p_primacy_vs_recency")
    v.close(e.consistency_bounds[0], "worst_case_consistency_failures_count_as_flip")
    v.close(e.consistency_bounds[1], "best_case_consistency")
    v.close(e.log_odds.estimate, "log_odds_FF_vs_SS")


@pytest.mark.parametrize("recency, primacy, n", [(3, 5, 14), (0, 4, 9), (7, 7, 20), (6, 1, 7)])
def test_fairness_is_that_of_shi(recency, primacy, n):
    """The published form, term by term."""
    first = [1] * (n - primacy - recency) + [1] * primacy + [-1] * recency
    swapped = [-1] * (n - primacy - recency) + [1] * primacy + [-1] * recency
    irr = recency / (primacy + recency)
    wanted = (recency * irr - primacy * (1 - irr)) / n
    found = position(first, swapped, np.arange(n)).fairness
    assert found.estimate == pytest.approx(wanted, abs=1e-12)
    assert found.lo < found.estimate < found.hi or abs(wanted) == 1


@pytest.mark.parametrize(
    "pair, leans", [("FS", 0), ("SF", 0), ("TT", 0), ("FF", -1), ("FT", -1), ("TF", -1)]
)
def test_each_pattern_and_its_mirror_image(pair, leans):
    mirror = pair.translate(str.maketrans("FS", "SF"))
    for text, sign in ((pair, 1), (mirror, -1)):
        e = position(*orders(f"{text} FS TT"), np.arange(3))
        assert e.fairness.estimate == pytest.approx(sign * leans / 3)
        assert e.flip.estimate == pytest.approx(abs(leans) / 3)
        assert e.signed_bias.estimate == pytest.approx(
            -sign * leans * (1 if "T" not in text else 0.5) / 6
        )


@given(ROWS, st.randoms(use_true_random=False))
def test_what_must_not_matter_and_what_changes_sign(rows, random):
    a, b, prompts = (list(x) for x in zip(*rows, strict=True))
    e = position(a, b, prompts)
    order = random.sample(range(len(a)), len(a))
    shuffled = position(*([x[i] for i in order] for x in (a, b)), [f"p{prompts[i]}" for i in order])
    exchanged = position(b, a, prompts)  # which order is the first is arbitrary
    mirrored = position(*([None if x is None else -x for x in y] for y in (a, b)), prompts)
    for name in MEANS.split():
        x, y, z, m = (getattr(p, name) for p in (e, shuffled, exchanged, mirrored))
        for other in (y, z):
            np.testing.assert_allclose(numbers(x), numbers(other), atol=1e-9)
        flipped = {"fairness": -1, "signed_bias": -1}.get(name, 1)
        if name in ("first_share", "primacy_share"):
            np.testing.assert_allclose(1 - m.estimate, x.estimate, atol=1e-9)
        else:
            np.testing.assert_allclose(flipped * m.estimate, x.estimate, atol=1e-9)
        if not math.isnan(x.lo):
            assert x.lo <= x.estimate <= x.hi
            assert x.lo < x.hi
    assert sum(e.patterns.values()) == e.consistency.n_items
    assert e.consistency.n_items + e.consistency.n_missing == len(a)
    low, high = e.consistency_bounds
    if e.consistency.n_items:
        assert low - 1e-12 <= e.consistency.estimate <= high + 1e-12
        assert e.hard_flip.estimate <= e.flip.estimate
        assert not abs(e.fairness.estimate) > e.flip.estimate + 1e-12
        assert e.flip.estimate == pytest.approx(1 - e.consistency.estimate)


def test_clusters_widen():
    a, b = orders(" ".join(["FS"] * 20 + ["FF"] * 20 + ["SF"] * 20))
    alone = position(a, b, np.arange(60))
    together = position(a, b, np.arange(60) // 4)
    for name in ("consistency", "fairness", "signed_bias"):
        x, y = getattr(alone, name), getattr(together, name)
        assert x.estimate == y.estimate
        assert y.hi - y.lo > 1.5 * (x.hi - x.lo)
    # A prompt counts once in the sign test: 5 prompts lean to the first slot, not 20 pairs.
    assert alone.sign_p == pytest.approx(2 * 0.5**20)
    assert together.sign_p == pytest.approx(2 * 0.5**5)


def test_no_inconsistent_pair():
    e = position(*orders("FS SF TT " * 20), np.arange(60))
    assert e.fairness.estimate == 0
    assert e.fairness.status == "ok"
    assert -0.1 < e.fairness.lo < 0 < e.fairness.hi < 0.1
    assert math.isnan(e.primacy_share.estimate)
    assert e.primacy_share.status == "insufficient"
    assert e.log_odds.status == "insufficient"
    assert e.sign_p == 1
    assert e.consistency.estimate == e.consistency.hi == 1


def test_judge_that_always_picks_the_first_slot():
    e = position(*orders("FF " * 40), np.arange(40))
    assert (e.consistency.estimate, e.hard_flip.estimate, e.fairness.estimate) == (0, 1, -1)
    assert e.signed_bias.estimate == e.signed_bias.hi == 0.5
    assert 0.4 < e.signed_bias.lo < 0.5
    assert e.log_odds.estimate == pytest.approx(math.log(81))
    assert e.log_odds.hi == math.inf
    assert 1 < e.log_odds.lo < e.log_odds.estimate


def test_log_odds_interval_is_wilson_s():
    from statsmodels.stats.proportion import proportion_confint

    e = position(*orders("FF " * 30 + "SS " * 10 + "FS " * 50), np.arange(90)).log_odds
    assert e.n_items == 40
    # The same share with the critical value of t(39) for 40 prompts.
    lo, hi = proportion_confint(30, 40, 0.05, method="wilson")
    assert math.log(lo / (1 - lo)) - 0.1 < e.lo < math.log(lo / (1 - lo))
    assert math.log(hi / (1 - hi)) < e.hi < math.log(hi / (1 - hi)) + 0.1


def test_degenerate_zoo():
    e = position([], [], [])
    assert e.consistency.status == e.fairness.status == "insufficient"
    assert math.isnan(e.sign_p)
    failed = position([None] * 3, [1, 0, None], [1, 2, 3])
    assert failed.consistency.n_missing == 3
    assert math.isnan(failed.consistency.estimate)
    assert failed.consistency_bounds == (0, 1)
    one = position([1], [-1], ["p"])
    assert one.consistency.estimate == 1
    assert 0 < one.consistency.lo < 1
    assert math.isnan(one.fairness.estimate)
    ties = position([0] * 40, [0] * 40, np.arange(40))
    assert (ties.ties.estimate, ties.consistency.estimate) == (1, 1)
    assert math.isnan(ties.decisive_consistency.estimate)
    assert math.isnan(ties.first_share.estimate)
    single = position([1, 1, -1], [1, -1, -1], ["p"] * 3)
    assert single.flip.status == single.fairness.status == single.log_odds.status == "one_cluster"
    with pytest.raises(BenchError, match=r"swapped\[1\] is 2"):
        position([1, 1], [1, 2], [1, 2])
    with pytest.raises(BenchError, match="first 2, swapped 1"):
        position([1, 1], [1], [1, 2])
    with pytest.raises(BenchError, match="first: could not convert"):
        position(["F", "S"], [1, 1], [1, 2])


def test_accuracy_cost_by_hand():
    #           right, locked first, locked second, wrong, tie/right, label tie, failed
    first = [1, 1, -1, -1, 0, 1, None]
    swapped = [-1, 1, -1, 1, -1, 1, 1]
    human = [1, 1, 1, 1, 1, 0, 1]
    e = accuracy_cost(first, swapped, human, np.arange(7))
    # Means of both orders 1, .5, .5, 0, .75; right in both 1, 0, 0, 0, 0.
    assert e.strictness.estimate == pytest.approx(1.75 / 5)
    # Right response first 1, 1, 0, 0, .5; second 1, 0, 1, 0, 1.
    assert e.slot.estimate == pytest.approx((1 - 1 - 0.5) / 5)
    assert e.slot.n_missing == 2


@given(ROWS, st.lists(st.sampled_from([-1, 0, 1]), min_size=40, max_size=40))
def test_naming_the_responses_does_not_change_the_cost(rows, labels):
    a, b, prompts = (list(x) for x in zip(*rows, strict=True))
    human = np.array(labels[: len(a)])
    x, y = accuracy_cost(a, b, human, prompts), accuracy_cost(b, a, -human, prompts)
    for name in ("strictness", "slot"):
        p, q = getattr(x, name), getattr(y, name)
        np.testing.assert_allclose((p.estimate, p.lo, p.hi), (q.estimate, q.lo, q.hi), atol=1e-12)
    assert not x.strictness.estimate < 0


def test_slot_gap_is_the_lean_where_there_are_no_ties():
    a, b = orders("FF " * 10 + "SS " * 4 + "FS " * 6)
    e = position(a, b, np.arange(20))
    cost = accuracy_cost(a, b, np.resize([1, -1], 20), np.arange(20))
    assert cost.slot.estimate == pytest.approx(-e.fairness.estimate)
    assert cost.strictness.estimate == pytest.approx(e.flip.estimate / 2)
