"""What must not matter does not: the order of rows, the names of prompts, which response is called
the first; and what must matter does: more prompts, more confidence."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_zoo import CALLS, SOUND, Rows, estimates, sane

from bench.stats.agree import agreement
from bench.stats.alpha import krippendorff_alpha
from bench.stats.bradley_terry import bradley_terry
from bench.stats.calibration import brier
from bench.stats.clusters import Clusters, mean_variance
from bench.stats.feature_effect import feature_effects
from bench.stats.headline import headline
from bench.stats.intervals import cluster_wilson
from bench.stats.kappa import symmetrised_kappa
from bench.stats.length import longer_preference, position_and_length
from bench.stats.paired import cluster_bonett_price
from bench.stats.position import accuracy_cost, position
from bench.stats.rankcorr import correlations
from bench.stats.repeats import excess_flip
from bench.stats.table import chance_corrected
from bench.types import Item, Message, Response, to_item_coordinates
from reports.readings import Block, ItemTable, Readings

FEW = {"replicates": 200}


def numbers(result):
    """(estimates, 4) number, interval and error of every estimate in a result."""
    return np.array([(e.estimate, e.lo, e.hi, e.se) for e in estimates(result)]).reshape(-1, 4)


def close(a, b, rtol=1e-7):
    np.testing.assert_allclose(a, b, rtol=rtol, atol=1e-9)


def copies(rows: Rows, **shift: int) -> Rows:
    """The rows twice; the ids named get new values in the second copy."""
    second = replace(rows, **{name: getattr(rows, name) + by for name, by in shift.items()})
    both = (np.concatenate([getattr(x, f) for x in (rows, second)]) for f in Rows.__annotations__)
    return Rows(*both)


# All functions


RESAMPLED = {
    name for name in CALLS if any("bootstrap" in e.method for e in estimates(CALLS[name](SOUND)))
}
OF_ROWS = {
    "bradley_terry_unclustered",
    "wilson",
    "clopper_pearson",
    "jeffreys",
    "mcnemar",
    "conditional_odds_ratio",
    "bonett_price",
    "newcombe",
    "tango",
    "rogan_gladen",
    "ties",
    "win_share_sequence",
    "unpaired_difference",
}
"""These take rows as independent, or are called with a prompt a row."""

WITHIN_PROMPTS = {"intracluster_correlation", "pairwise_accuracy", "calibrate_ties", "transitivity"}
RECALIBRATED = {"recalibration", "recalibration_isotonic", "recalibration_temperature"}


@pytest.mark.parametrize("name", CALLS)
def test_order_of_rows(name):
    rows = np.random.default_rng(1).permutation(SOUND.n)
    found, wanted = (numbers(CALLS[name](r)) for r in (SOUND.take(rows), SOUND))
    columns = 1 if name == "ties" else 4  # its prompts are drawn in the order in which they come
    close(found[:, :columns], wanted[:, :columns])


@pytest.mark.parametrize("name", CALLS)
def test_names_of_prompts(name):
    """Names of any kind; in their order here, on which the draws of a bootstrap depend."""
    named = replace(SOUND, prompt=np.array([f"prompt {p:03}" for p in SOUND.prompt], object))
    close(numbers(CALLS[name](named)), numbers(CALLS[name](SOUND)))


@pytest.mark.parametrize("name", sorted(set(CALLS) - RESAMPLED - {"prediction_powered"}))
def test_order_of_prompts(name):
    """Folds and draws follow it, nothing else does."""
    shuffled = np.random.default_rng(2).permutation(SOUND.n)
    other = replace(SOUND, prompt=shuffled[SOUND.prompt])
    close(numbers(CALLS[name](other)), numbers(CALLS[name](SOUND)))


# Left out: recalibration is fitted on other prompts, which are now copies of these; the second way
# of two_way_mean is not doubled; smallest epsilon and the EM of few replicates are no plain means.
@pytest.mark.parametrize(
    "name",
    sorted(
        set(CALLS)
        - RECALIBRATED
        - {"two_way_mean", "alternative_annotator_test", "latent_truth", "answer_classes"}
    ),
)
def test_twice_the_prompts(name):
    """The same number, and an error smaller by the root of 2 but for the correction of few
    prompts, and for the noise of a bootstrap."""
    once, twice = (numbers(CALLS[name](x)) for x in (SOUND, copies(SOUND, prompt=60, item=180)))
    np.testing.assert_allclose(once[:, 0], twice[:, 0], rtol=0.02, atol=0.004)
    known = ~np.isnan(once[:, 3] + twice[:, 3]) & (once[:, 3] > 0)
    width, less = once[:, 2] - once[:, 1], twice[:, 2] - twice[:, 1]
    assert known.any() or np.any(less < 0.9 * width)
    close(twice[known, 3] / once[known, 3], math.sqrt(0.5), 0.25 if name in RESAMPLED else 0.02)


@pytest.mark.parametrize("small_sample", [False, True])
def test_the_correction_of_few_prompts_is_all_that_differs(small_sample):
    """CR0 is halved to the digit, CR1 but for G / (G - 1)."""
    values, prompts = SOUND.credit, np.concatenate([SOUND.prompt, SOUND.prompt + 60])
    once, twice = (
        mean_variance(v, Clusters.of(c, v.size), small_sample=small_sample)
        for v, c in ((values, SOUND.prompt), (np.tile(values, 2), prompts))
    )
    change = (120 / 119) / (60 / 59) if small_sample else 1
    assert twice / once == pytest.approx(change / 2, rel=1e-12)


@pytest.mark.parametrize(
    "name", sorted(set(CALLS) - OF_ROWS - WITHIN_PROMPTS - RECALIBRATED - {"latent_truth"})
)
def test_twice_the_items_of_each_prompt(name):
    """Saying all twice says nothing more."""
    once, twice = (numbers(CALLS[name](x)) for x in (SOUND, copies(SOUND, item=180)))
    np.testing.assert_allclose(once[:, 0], twice[:, 0], rtol=0.02, atol=0.004)
    np.testing.assert_allclose(once[:, 3], twice[:, 3], rtol=0.02)


@pytest.mark.parametrize("name", sorted(OF_ROWS - {"ties"}))
def test_rows_taken_as_independent_count_twice(name):
    once, twice = (numbers(CALLS[name](x))[:, 3] for x in (SOUND, copies(SOUND, item=180)))
    known = once > 0
    close(twice[known] / once[known], math.sqrt(0.5), rtol=0.02)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", CALLS)
def test_small_samples_are_sane(name, seed):
    draw = np.random.default_rng(seed)
    few = SOUND.take(np.sort(draw.choice(SOUND.n, (5, 12, 30)[seed], replace=False)))
    for e in estimates(CALLS[name](few)):
        sane(e)


# Levels

AT_LEVEL = {
    "wilson": lambda r, **k: cluster_wilson(r.credit, r.prompt, **k),
    "difference": lambda r, **k: cluster_bonett_price(r.credit - r.rival, r.prompt, **k),
    "agreement": lambda r, **k: agreement(r.judge, r.human, r.prompt, **k),
    "kappa": lambda r, **k: symmetrised_kappa(r.judge, r.human, r.prompt, **k),
    "alpha": lambda r, **k: krippendorff_alpha(r.ratings, r.prompt, **FEW, **k),
    "position": lambda r, **k: position(r.judge, r.swapped, r.prompt, **k),
    "brier": lambda r, **k: brier(r.confidence, r.right, r.prompt, **k),
    "correlations": lambda r, **k: correlations(r.judge, r.human, r.prompt, **k),
    "length": lambda r, **k: feature_effects(r.judge, r.human, {"length": r.length}, r.prompt, **k),
}


@pytest.mark.parametrize("name", AT_LEVEL)
def test_levels_are_nested(name):
    found = [numbers(AT_LEVEL[name](SOUND, level=level)) for level in (0.5, 0.8, 0.95, 0.99)]
    for narrow, wide in pairwise(found):
        known = ~np.isnan(narrow[:, 1])
        assert known.any()
        np.testing.assert_array_equal(narrow[:, 0], wide[:, 0])
        assert np.all(wide[known, 1] <= narrow[known, 1])
        assert np.all(wide[known, 2] >= narrow[known, 2])
        assert np.any(wide[known, 2] > narrow[known, 2])


# First and second response

VERDICT = st.sampled_from([-1.0, 0.0, 1.0])
PAIRS = st.lists(
    st.tuples(VERDICT, VERDICT, VERDICT, st.integers(0, 6)), min_size=2, max_size=30
).map(lambda rows: tuple(np.array(column) for column in zip(*rows, strict=True)))

UNCHANGED = {
    "agreement": lambda j, h, s, p: agreement(j, h, p),
    "kappa": lambda j, h, s, p: symmetrised_kappa(j, h, p),
    "weighted": lambda j, h, s, p: chance_corrected(
        j + 1, h + 1, 3, p, weights="linear", symmetrise=True
    ),
    "alpha": lambda j, h, s, p: krippendorff_alpha(np.stack([j, h], axis=1), p, replicates=50),
}


@pytest.mark.parametrize("name", UNCHANGED)
@given(PAIRS)
@settings(max_examples=40)
def test_swapping_the_responses_leaves_agreement(name, pairs):
    j, h, s, p = pairs
    close(numbers(UNCHANGED[name](-j, -h, -s, p)), numbers(UNCHANGED[name](j, h, s, p)))


@given(PAIRS)
@settings(max_examples=40)
def test_swapping_the_responses_swaps_the_orders_and_leaves_position(pairs):
    """What was shown in the own order is then what was shown exchanged."""
    own, h, exchanged, p = pairs
    close(numbers(position(exchanged, own, p)), numbers(position(own, exchanged, p)))
    close(
        numbers(accuracy_cost(exchanged, own, -h, p)), numbers(accuracy_cost(own, exchanged, h, p))
    )
    close(
        numbers(excess_flip(exchanged[:, None], np.stack([own, h], 1), p)),
        numbers(excess_flip(np.stack([own, h], 1), exchanged[:, None], p)),
    )


def turned(e):
    return -e.estimate, -e.hi, -e.lo, e.se


@given(PAIRS)
@settings(max_examples=40)
def test_the_other_slot_turns_position_bias(pairs):
    own, _, exchanged, p = pairs
    a, b = position(own, exchanged, p), position(-own, -exchanged, p)
    for signed in ("fairness", "signed_bias", "log_odds"):
        e = getattr(b, signed)
        close((e.estimate, e.lo, e.hi, e.se), turned(getattr(a, signed)))
    close(numbers([a.consistency, a.flip]), numbers([b.consistency, b.flip]))
    assert a.sign_p == pytest.approx(b.sign_p)


def effects(r, sign=1):
    """Signed content effects of the length and of systems."""
    length = sign * r.length
    yield longer_preference(r.judge, r.human, length, r.prompt).excess
    yield feature_effects(r.judge, r.human, {"x": length}, r.prompt)["x"].judge
    yield feature_effects(r.judge, r.human, {"x": length}, r.prompt)["x"].excess_ame


def test_swapping_the_responses_turns_signed_effects():
    """With the feature turned as well nothing changes; without, the sign does."""
    other = replace(SOUND, judge=-SOUND.judge, human=-SOUND.human, swapped=-SOUND.swapped)
    for e, both, half in zip(effects(SOUND), effects(other, -1), effects(other), strict=True):
        close(numbers(half), [turned(e)])
        close(numbers(both), numbers(e))
    orders = SOUND.judge, SOUND.swapped
    a = position_and_length(*orders, SOUND.human, SOUND.length, SOUND.prompt)
    b = position_and_length(*orders[::-1], -SOUND.human, -SOUND.length, SOUND.prompt)
    close(numbers(b), numbers(a))
    systems = SOUND.item % 3, (SOUND.item + 1) % 3
    ability = bradley_terry(*systems, SOUND.judge, SOUND.prompt)
    close(numbers(bradley_terry(*systems[::-1], -SOUND.judge, SOUND.prompt)), numbers(ability))
    for e, against in zip(
        ability, bradley_terry(*systems, -SOUND.judge, SOUND.prompt), strict=True
    ):
        close(numbers(against), [turned(e)])


def test_swapping_the_judges_turns_the_difference():
    ahead, behind = (cluster_bonett_price(d, SOUND.prompt) for d in both_ways(SOUND))
    close(numbers(behind), [turned(ahead)])
    verdicts = [
        headline(*(cluster_bonett_price(d, SOUND.prompt, level=x) for x in (0.95, 0.9)))
        for d in both_ways(SOUND)
    ]
    assert verdicts[0].superior == verdicts[1].inferior
    assert verdicts[0].equivalent == verdicts[1].equivalent


def both_ways(r):
    return r.credit - r.rival, r.rival - r.credit


# Frames


@given(st.permutations(range(4)), st.lists(st.floats(-5, 5), min_size=4, max_size=4))
def test_shown_to_item_and_back(order, utilities):
    """The inverse order takes back what an order did; a swap is its own inverse."""
    inverse = sorted(range(4), key=order.__getitem__)
    there = to_item_coordinates(order, utilities)
    assert to_item_coordinates(inverse, there) == tuple(utilities)
    twice = to_item_coordinates((1, 0), to_item_coordinates((1, 0), utilities[:2]))
    assert twice == tuple(utilities[:2])


@given(
    st.lists(st.tuples(st.sampled_from([1, 2, 3]), st.sampled_from([1, 2, 3])), min_size=1),
    st.booleans(),
)
def test_items_to_slots_and_back(tops, swapped_first):
    """Slot verdicts times +1 (own order) and -1 (exchanged) are the verdicts on the responses, and
    the order in which a ledger has the two showings does not matter."""
    top = np.array(tops)
    slot = np.tile([1, 0] if swapped_first else [0, 1], (len(top), 1))
    reading = pair_readings(top, slot)
    _, first, exchanged = reading.in_slots()
    own = top[:, int(swapped_first)], top[:, 1 - int(swapped_first)]
    for mask, back in zip(own, (first, -exchanged), strict=True):
        np.testing.assert_array_equal(back, (mask & 1) - (mask >> 1))
    _, first2, exchanged2 = pair_readings(top[:, ::-1], slot[:, ::-1]).in_slots()
    np.testing.assert_array_equal((first, exchanged), (first2, exchanged2))
    renamed = np.array([0, 2, 1, 3])[top]  # the responses exchange their names, and so the orders
    _, first3, exchanged3 = pair_readings(renamed, 1 - slot).in_slots()
    np.testing.assert_array_equal((first, exchanged), (exchanged3, first3))


def pair_readings(top, slot):
    n = len(top)
    none = np.zeros(top.shape, bool)
    block = Block(np.arange(n), np.zeros(n, int), top, none, none, slot, none * math.nan)
    return Readings("judge", table_of(n), (block,), np.zeros((n, 1), int), np.zeros(n, int), {})


def table_of(n):
    item = Item(
        "i", "t", "d", (Message("user", "q"),), (Response("a", "x"), Response("b", "y")), ()
    )
    return ItemTable([item] * n)
