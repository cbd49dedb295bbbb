from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import chi2, kstest

from bench.stats.slots import slot_shares
from bench.types import BenchError


def picks(slots, k=4):
    return np.eye(k)[np.asarray(slots)]


def test_shares_and_ties():
    got = picks([0, 0, 1, 3])
    got[2] = [0, 0.5, 0.5, 0]
    e = slot_shares(np.vstack([got, np.full(4, np.nan)]), range(5))
    assert [s.estimate for s in e.shares] == [0.5, 0.125, 0.125, 0.25]
    assert e.df == 3
    assert e.shares[0].n_missing == 1


def test_nearly_pearson_s_statistic_on_independent_rows():
    counts = np.array([260, 240, 255, 245])
    e = slot_shares(picks(np.repeat(range(4), counts)), range(1000))
    pearson = float(((counts - 250) ** 2 / 250).sum())
    assert e.chi2 == pytest.approx(pearson, rel=0.02)
    assert e.p == pytest.approx(chi2.sf(e.chi2, 3))


def test_repeating_every_row_in_its_prompt_tells_nothing_new():
    slots = np.random.default_rng(1).integers(0, 4, 100)
    a, b = (slot_shares(picks(np.tile(slots, m)), np.tile(range(100), m)) for m in (1, 3))
    assert a.chi2 == pytest.approx(b.chi2)
    assert slot_shares(picks(np.tile(slots, 3)), range(300)).chi2 > 2.5 * a.chi2


def test_renaming_slots_and_shuffling_rows():
    slots = np.random.default_rng(2).integers(0, 3, 60)
    ids = np.arange(60) // 2
    a = slot_shares(picks(slots, 3), ids)
    order = np.random.default_rng(3).permutation(60)
    b = slot_shares(picks((slots + 1) % 3, 3)[order], ids[order])
    assert a.chi2 == pytest.approx(b.chi2)
    np.testing.assert_allclose([s.lo for s in np.roll(a.shares, 1)], [s.lo for s in b.shares])


def test_p_is_uniform_when_slots_are_fair():
    """60 prompts of 3 showings that tend to fall on one slot."""
    rng = np.random.default_rng(6)
    ids = np.repeat(np.arange(60), 3)
    p = []
    for _ in range(600):
        slots = np.where(
            rng.random(180) < 0.5, rng.integers(0, 4, 60)[ids], rng.integers(0, 4, 180)
        )
        p.append(slot_shares(picks(slots), ids).p)
    assert kstest(p, "uniform").pvalue > 0.001
    assert 0.02 < np.mean(np.array(p) < 0.05) < 0.08


def test_locked_judge_is_found_out():
    e = slot_shares(picks([0] * 40), range(40))
    assert e.p < 1e-6
    assert e.chi2 == pytest.approx(40)
    assert e.shares[0].estimate == 1
    assert e.shares[3].hi > 0


def test_degenerate_zoo():
    none = slot_shares(np.empty((0, 4)), [])
    assert none.shares[0].status == "insufficient"
    assert math.isnan(none.p)
    assert math.isnan(slot_shares(picks([0, 1]), ["p", "p"]).p)
    assert math.isnan(slot_shares(picks([0]), ["p"]).p)
    with pytest.raises(BenchError, match=r"picks\[1\] sum to 2; a sum of 1"):
        slot_shares([[1, 0], [1, 1]], [1, 2])
    with pytest.raises(BenchError, match=r"picks\[0, 1\] is -0.5"):
        slot_shares([[1, -0.5]], [1])
    with pytest.raises(BenchError, match="1 slots; at least 2"):
        slot_shares([[1.0], [1.0]], [1, 2])
