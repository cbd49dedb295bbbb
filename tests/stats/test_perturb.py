from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.stats.perturb import perturbation
from bench.types import BenchError

SAID = st.sampled_from([-1, 0, 1, None])
ROWS = st.lists(st.tuples(SAID, SAID, SAID, st.sampled_from([-1, 0, 1]), st.integers(0, 9)),
                min_size=2, max_size=40)  # fmt: skip
LETTERS = {"A": 1, "T": 0, "B": -1}


def test_vector(vector):
    v = vector("bias.calm_rr")
    said = [[LETTERS[x] for x in v.inputs[k]] for k in ("original", "perturbed", "reask")]
    e = perturbation(*said, range(8))
    v.close(e.robustness.estimate, "robustness_rate")
    v.close(e.consistency.estimate, "consistency_rate")
    v.close(e.excess_flip.estimate, "excess_flip")
    assert e.excess_flip.lo < 0.125 < e.excess_flip.hi
    assert e.directional.status == "insufficient"


def test_direction_by_hand():
    #           to it, from it, half way, stays, none favoured, failed
    original = [-1, 1, -1, 1, 1, 1]
    perturbed = [1, -1, 0, 1, -1, None]
    again = [-1, 1, 0, -1, 1, 1]
    e = perturbation(original, perturbed, again, range(6), favoured=[1, 1, 1, 1, 0, 1])
    assert e.directional.estimate == pytest.approx((1 - 1 + 1 + 0) / 4)
    assert e.pull.estimate == pytest.approx((1 - 1 + 0 + 1) / 4)
    assert (e.directional.n_items, e.directional.n_missing) == (4, 1)
    assert e.robustness.estimate == pytest.approx(1 / 5)


@given(ROWS, st.randoms(use_true_random=False))
def test_what_must_not_matter(rows, random):
    *said, favoured, ids = (list(x) for x in zip(*rows, strict=True))
    e = perturbation(*said, ids, favoured=favoured)
    flip = [random.choice([-1, 1]) for _ in ids]  # rename the responses of any pair

    def renamed(values):
        return [None if x is None else x * f for x, f in zip(values, flip, strict=True)]

    order = random.sample(range(len(ids)), len(ids))
    others = (
        perturbation(*map(renamed, said), ids, favoured=renamed(favoured)),
        perturbation(*([x[i] for i in order] for x in said), [f"p{ids[i]}" for i in order],
                     favoured=[favoured[i] for i in order]),
    )  # fmt: skip
    against = perturbation(*said, ids, favoured=[-x for x in favoured])
    for name in e.__slots__:
        x = getattr(e, name)
        for other in others:
            y = getattr(other, name)
            np.testing.assert_allclose(
                (x.estimate, x.lo, x.hi), (y.estimate, y.lo, y.hi), atol=1e-9
            )
            assert x.status == y.status
        if not math.isnan(x.lo):
            assert x.lo <= x.estimate <= x.hi
    for name in ("directional", "pull"):
        np.testing.assert_allclose(
            getattr(e, name).estimate, -getattr(against, name).estimate, atol=1e-12
        )
    if not math.isnan(e.excess_flip.estimate):
        assert e.excess_flip.estimate == pytest.approx(
            e.consistency.estimate - e.robustness.estimate
        )


def test_noise_alone_looks_directional_but_pulls_nowhere():
    """Tampering speaks for what the judge had not picked, and does nothing."""
    rng = np.random.default_rng(3)
    original, perturbed, again = rng.choice([-1, 1], (3, 2000))
    e = perturbation(original, perturbed, again, range(2000), favoured=-original)
    assert e.directional.lo > 0.4
    assert e.pull.lo < 0 < e.pull.hi
    assert e.excess_flip.lo < 0 < e.excess_flip.hi


def test_a_real_pull_is_found():
    rng = np.random.default_rng(4)
    favoured = rng.choice([-1, 1], 1000)
    original, again = rng.choice([-1, 1], (2, 1000))
    perturbed = np.where(rng.random(1000) < 0.3, favoured, original)
    e = perturbation(original, perturbed, again, range(1000), favoured=favoured)
    assert e.pull.lo < 0.15 < e.pull.hi
    assert e.pull.lo > 0.05


def test_degenerate_zoo():
    none = perturbation([], [], [], [])
    assert none.robustness.status == none.excess_flip.status == "insufficient"
    firm = perturbation(np.ones(40), np.ones(40), np.ones(40), range(40), favoured=-np.ones(40))
    assert firm.robustness.estimate == firm.consistency.estimate == 1
    assert firm.excess_flip.estimate == firm.directional.estimate == 0
    assert firm.excess_flip.lo < 0 < firm.excess_flip.hi
    failed = perturbation([None] * 3, [1] * 3, [1] * 3, range(3))
    assert failed.robustness.n_missing == 3
    assert math.isnan(failed.robustness.estimate)
    single = perturbation([1, -1, 0], [1, 1, 1], [1, 1, 1], ["p"] * 3)
    assert single.excess_flip.status == "one_cluster"
    with pytest.raises(BenchError, match=r"perturbed\[0\] is 0.5"):
        perturbation([1], [0.5], [1], [1])
    with pytest.raises(BenchError, match="original 1, perturbed 1, asked_again 1, favoured 2"):
        perturbation([1], [1], [1], [1], favoured=[1, 1])
