from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.stats.repeats import excess_flip, repetition_stability
from bench.types import BenchError

SAID = st.sampled_from([-1, 0, 1, None])
REPEATS = st.integers(1, 12).flatmap(
    lambda n: st.lists(st.lists(SAID, min_size=4, max_size=4), min_size=n, max_size=n)
)


def test_stability_vector(vector):
    v = vector("pos.repetition_stability")
    slot = {"F": 1, "T": 0, "S": -1}
    e = repetition_stability([[slot[x] for x in row] for row in v.inputs["repeats"]], range(5))
    v.close(e.modal.estimate, "modal_share_mean_RS")
    v.close(e.agreement.estimate, "pairwise_repeat_agreement")
    assert e.agreement.lo < 0.6 < e.agreement.hi


@given(REPEATS)
def test_by_enumeration(repeats):
    e = repetition_stability(repeats, range(len(repeats)))
    both = excess_flip([r[:2] for r in repeats], [r[2:] for r in repeats], range(len(repeats)))
    pairs, flips, noises = [], [], []
    for row in repeats:
        known = [x for x in row if x is not None]
        if len(known) > 1:
            pairs.append(np.mean([x == y for x, y in itertools.combinations(known, 2)]))
        own, exchanged = ([x for x in r if x is not None] for r in (row[:2], row[2:]))
        again = [r[0] != r[1] for r in (own, exchanged) if len(r) == 2]
        if own and exchanged and again:
            flips.append(np.mean([x != -y for x in own for y in exchanged]))
            noises.append(np.mean(again))
    assert e.agreement.n_items == len(pairs) == len(repeats) - e.agreement.n_missing
    np.testing.assert_allclose(
        e.agreement.estimate, np.mean(pairs) if pairs else math.nan, atol=1e-9
    )
    assert both.excess.n_items == len(flips) == len(repeats) - both.excess.n_missing
    np.testing.assert_allclose(both.flip.estimate, np.mean(flips) if flips else math.nan, atol=1e-9)
    np.testing.assert_allclose(
        both.noise.estimate, np.mean(noises) if flips else math.nan, atol=1e-9
    )
    if len(flips) > 1:
        assert both.excess.estimate == pytest.approx(np.mean(flips) - np.mean(noises))


def test_agreement_does_not_depend_on_the_number_of_repeats_but_the_modal_share_does():
    rng = np.random.default_rng(4)
    said = rng.choice([-1, 0, 1], (4000, 8), p=[0.3, 0.1, 0.6])
    few, many = (repetition_stability(said[:, :k], range(4000)) for k in (2, 8))
    wanted = 0.3**2 + 0.1**2 + 0.6**2
    for e in (few, many):
        assert e.agreement.estimate == pytest.approx(wanted, abs=0.03)
    assert few.modal.estimate > many.modal.estimate + 0.05


def test_noise_alone_is_no_excess_and_bias_is():
    rng = np.random.default_rng(5)
    law = [0.3, 0.1, 0.6]
    noisy = rng.choice([-1, 0, 1], (3000, 3), p=law), -rng.choice([-1, 0, 1], (3000, 3), p=law)
    e = excess_flip(*noisy, range(3000))
    assert e.excess.lo < 0 < e.excess.hi
    assert e.flip.estimate > 0.5
    assert e.excess.hi - e.excess.lo < 0.05
    biased = rng.choice([-1, 0, 1], (3000, 3), p=law), rng.choice([-1, 0, 1], (3000, 3), p=law)
    e = excess_flip(*biased, range(3000))
    assert e.excess.lo < 0.3**2 < e.excess.hi  # ((.6 - .3)^2 + (.3 - .6)^2) / 2
    assert e.excess.lo > 0.05


def test_one_repeated_order_is_enough():
    e = excess_flip([[1, 1], [1, -1], [1, None]], [[-1], [-1], [-1]], range(3))
    assert (e.flip.estimate, e.noise.estimate, e.excess.n_missing) == (0.25, 0.5, 1)


def test_degenerate_zoo():
    assert repetition_stability(np.empty((0, 3)), []).modal.status == "insufficient"
    alone = repetition_stability([[1], [0]], [1, 2])
    assert alone.modal.n_missing == 2
    assert math.isnan(alone.agreement.estimate)
    same = repetition_stability(np.ones((40, 3)), range(40))
    assert same.agreement.estimate == same.modal.estimate == 1
    assert same.agreement.lo < 1
    assert excess_flip([[1, 1]], [[1, 1]], [1]).excess.status == "insufficient"
    locked = excess_flip(np.ones((40, 2)), np.ones((40, 2)), range(40))
    assert (locked.flip.estimate, locked.noise.estimate, locked.excess.estimate) == (1, 0, 1)
    with pytest.raises(BenchError, match=r"repeats\[0, 1\] is 0.5"):
        repetition_stability([[1, 0.5]], [1])
    with pytest.raises(BenchError, match="2 dimension"):
        repetition_stability([1, 1], [1, 2])
    with pytest.raises(BenchError, match="first 1, swapped 2"):
        excess_flip([[1, 1]], [[1], [1]], [1])
