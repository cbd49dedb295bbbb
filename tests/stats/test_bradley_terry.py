from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.api import GLM, families

from bench.stats.bradley_terry import bradley_terry
from bench.types import BenchError


def rows_of_wins(wins):
    """(J, J) wins -> first, second, outcome."""
    wins = np.asarray(wins, int)
    i, k = np.divmod(np.repeat(np.arange(wins.size), wins.ravel()), len(wins))
    return i, k, np.ones(i.size)


def tournament(seed, n=400, systems=5, prompts=60):
    rng = np.random.default_rng(seed)
    i = rng.integers(0, systems, n)
    k = (i + rng.integers(1, systems, n)) % systems
    ability = np.linspace(0, 1.5, systems)
    p = 1 / (1 + np.exp(ability[k] - ability[i]))
    outcome = np.where(rng.random(n) < 0.2, 0, np.where(rng.random(n) < p, 1, -1))
    return i, k, outcome, rng.integers(0, prompts, n)


def numbers(estimates):
    return np.array([(e.estimate, e.lo, e.hi, e.se) for e in estimates])


def test_vector(vector):
    v = vector("bt.citations")
    found = bradley_terry(*rows_of_wins(v.inputs["wins"]))
    v.close([e.estimate for e in found], "log_ability")
    v.close([e.se for e in found], "se_vs_reference")
    assert found[0].note == "reference" and (found[0].lo, found[0].hi) == (0, 0)
    assert all(e.n_items == np.sum(v.inputs["wins"]) and e.status == "ok" for e in found)
    assert found[1].hi < found[2].lo


@pytest.mark.parametrize("seed", range(3))
def test_agrees_with_a_clustered_logistic_regression(seed):
    i, k, outcome, ids = tournament(seed)
    design = np.zeros((i.size, 5))
    design[np.arange(i.size), i] = 1
    design[np.arange(i.size), k] = -1
    model = GLM((1 + outcome) / 2, design[:, 1:], family=families.Binomial())
    plain = model.fit(scale=1.0)
    clustered = model.fit(cov_type="cluster", cov_kwds={"groups": ids, "use_correction": False})
    ours = bradley_terry(i, k, outcome)
    np.testing.assert_allclose([e.estimate for e in ours[1:]], plain.params, atol=1e-7)
    np.testing.assert_allclose([e.se for e in ours[1:]], plain.bse, rtol=1e-6)
    g = np.unique(ids).size
    robust = bradley_terry(i, k, outcome, ids)
    expected = clustered.bse * math.sqrt(g / (g - 1))
    np.testing.assert_allclose([e.se for e in robust[1:]], expected, rtol=1e-6)
    assert robust[1].n_clusters == g and robust[1].df < g


@given(st.integers(0, 30), st.randoms(use_true_random=False))
def test_what_must_not_matter(seed, random):
    i, k, outcome, ids = tournament(seed, 200, 4)
    a = numbers(bradley_terry(i, k, outcome, ids))
    order = np.array(random.sample(range(200), 200))
    flip = np.array([random.random() < 0.5 for _ in range(200)])
    b = numbers(bradley_terry(
        np.where(flip, k, i)[order], np.where(flip, i, k)[order],
        np.where(flip, -outcome, outcome)[order], [f"p{x}" for x in ids[order]],
    ))  # fmt: skip
    np.testing.assert_allclose(a, b, atol=1e-7)
    lost = numbers(bradley_terry(i, k, -outcome, ids))
    np.testing.assert_allclose(a[:, 0], -lost[:, 0], atol=1e-7)
    other = numbers(bradley_terry(i, k, outcome, ids, reference=2))
    np.testing.assert_allclose(other[:, 0], a[:, 0] - a[2, 0], atol=1e-7)
    np.testing.assert_allclose(other[0, 3], a[2, 3], rtol=1e-6)


def test_two_systems_are_the_log_odds():
    first = bradley_terry([0] * 10, [1] * 10, [1] * 7 + [-1] * 2 + [0])
    assert first[1].estimate == pytest.approx(math.log(2.5 / 7.5))
    assert first[1].se == pytest.approx(math.sqrt(1 / 2.5 + 1 / 7.5))


def test_a_chain_of_wins_joins_systems_that_never_beat_each_other():
    circle = bradley_terry([0, 1, 2, 3], [1, 2, 3, 0], [1, 1, 1, 1])
    assert [e.estimate for e in circle] == pytest.approx([0] * 4)
    assert all(e.hi > 1 for e in circle[1:])


def test_every_prompt_twice_tells_nothing_new():
    i, k, outcome, ids = tournament(1)
    once = numbers(bradley_terry(i, k, outcome, ids))
    twice = numbers(bradley_terry(*(np.tile(x, 2) for x in (i, k, outcome, ids))))
    np.testing.assert_allclose(once, twice, atol=1e-7)


def test_unbeaten_winless_and_disconnected_are_flagged():
    #        0 beats 1, 1 beats 0; 2 beats both; 3 loses to both; 4 and 5 play each other
    first, second = [0, 1, 0, 2, 2, 0, 1, 4, 5], [1, 0, 1, 0, 1, 3, 3, 5, 4]
    found = bradley_terry(first, second, np.ones(9), n_systems=7)
    assert [e.status for e in found] == ["ok_small"] * 2 + ["degenerate"] * 5
    assert found[1].estimate == pytest.approx(math.log(1 / 2))
    assert all(math.isnan(e.estimate) for e in found[2:])
    assert "infinitely better" in found[2].note and "infinitely worse" in found[3].note
    assert all("not connected" in e.note for e in found[4:])
    assert (found[1].n_items, found[1].n_missing) == (3, 6)
    of_the_other_pair = bradley_terry(first, second, np.ones(9), reference=5)
    assert of_the_other_pair[4].estimate == pytest.approx(0)
    assert "not connected" in of_the_other_pair[0].note
    alone = bradley_terry(first, second, np.ones(9), np.arange(9), reference=2)
    assert alone[2].note == "reference" and "infinitely worse" in alone[0].note


def test_degenerate_zoo():
    ties = bradley_terry([0, 0, 1], [1, 2, 2], [0, 0, 0], [1, 2, 3])
    assert ties[1].estimate == 0 and ties[1].status == "degenerate" and math.isnan(ties[1].lo)
    assert bradley_terry([0, 0, 1], [1, 2, 2], [0, 0, 0])[1].hi > 1, (
        "without prompts it has a width"
    )
    one = bradley_terry([0, 1], [1, 0], [1, 1], ["p", "p"])
    assert one[1].status == "one_cluster" and one[1].estimate == 0
    empty = bradley_terry([], [], [], n_systems=3)
    assert [e.status for e in empty] == ["insufficient"] * 3


def test_bad_input():
    with pytest.raises(BenchError, match=r"outcomes\[1\] is nan"):
        bradley_terry([0, 1], [1, 0], [1, math.nan])
    with pytest.raises(BenchError, match=r"second\[0\] is 9"):
        bradley_terry([0], [9], [1], n_systems=3)
    with pytest.raises(BenchError, match="row 1 compares system 2 with itself"):
        bradley_terry([0, 2], [1, 2], [1, 1])
    with pytest.raises(BenchError, match="fractional"):
        bradley_terry([0.5], [1], [1])
    with pytest.raises(BenchError, match="2 first and 1 second"):
        bradley_terry([0, 1], [1], [1, 1])
    with pytest.raises(BenchError, match="reference 5"):
        bradley_terry([0], [1], [1], reference=5)
    with pytest.raises(BenchError, match="1 cluster ids for 2"):
        bradley_terry([0, 1], [1, 0], [1, 1], [1])
