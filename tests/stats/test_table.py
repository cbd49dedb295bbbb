from __future__ import annotations

import math
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score
from statsmodels.stats.inter_rater import cohens_kappa

from bench.stats.clusters import Clusters, mean_variance
from bench.stats.kappa import kappa_of_table, mirrored, table_cells, table_shares
from bench.stats.table import (
    agreement_weights,
    bennett_s_of_table,
    chance_corrected,
    gwet_ac_of_table,
    kappa_max,
    paradox,
    scott_pi_of_table,
)
from bench.types import BenchError

CHANCES = ["cohen", "scott", "gwet", "bennett"]
OF_TABLE = [kappa_of_table, scott_pi_of_table, gwet_ac_of_table, bennett_s_of_table]
WEIGHTS = ["identity", "linear", "quadratic", [[0, 1, 3], [1, 0, 6], [3, 6, 0]]]
CATEGORY = st.integers(0, 2)
ROWS = st.lists(st.tuples(CATEGORY, CATEGORY, st.integers(0, 6)), min_size=2, max_size=40)


def rows(triples):
    return tuple(np.array(x) for x in zip(*triples, strict=True))


def rows_of_table(table):
    table = np.array(table, dtype=int)
    q = len(table)
    judge, human = np.divmod(np.repeat(np.arange(q * q), table.ravel()), q)
    return judge, human


def numbers(e):
    return e.estimate, e.lo, e.hi, e.se, e.n_eff, e.df


@pytest.mark.parametrize(
    "name", ["wiki_2x2", "prev_balanced", "prev_asym", "paradox_hi", "paradox_lo", "gwet"]
)
def test_two_by_two_vectors(vector, name):
    v = vector(f"agree.{name}")
    judge, human = rows_of_table(v.inputs["table"])
    block = paradox(judge, human, np.arange(judge.size))
    v.close(block.agreement.n_items, "n")
    v.close(block.agreement.estimate, "po")
    v.close(block.kappa.estimate, "kappa")
    v.close(block.pi.estimate, "scott_pi")
    v.close(block.alpha.estimate, "krippendorff_alpha")
    v.close(block.ac1.estimate, "gwet_ac1")
    v.close(block.s.estimate, "pabak_bennett_s")
    v.close(block.kappa_max, "kappa_max")
    v.close(block.prevalence, "prevalence_index")
    v.close(block.bias, "bias_index")
    v.close([chance_corrected(judge, human, 2, chance="gwet").se], "ac1_se_irrCAC")
    v.close(chance_corrected(judge, human, 2, chance="scott").se, "pi_se_irrCAC")
    for e in (block.kappa, block.pi, block.alpha, block.ac1, block.s):
        assert e.lo < e.estimate < e.hi


def test_one_class_vector(vector):
    v = vector("agree.near_perfect_single")
    block = paradox(*rows_of_table(v.inputs["table"]), np.arange(50))
    for name, e in (
        ("kappa", block.kappa),
        ("scott_pi", block.pi),
        ("krippendorff_alpha", block.alpha),
    ):
        assert v.expected[name] is None
        assert math.isnan(e.estimate) and e.status == "degenerate"
    for name, e in (("gwet_ac1", block.ac1), ("pabak_bennett_s", block.s)):
        v.close(e.estimate, name)
        assert 0.8 < e.lo < 1 == e.hi and math.isnan(e.se)
    assert math.isnan(block.kappa_max) and block.prevalence == 1 and block.bias == 0


def test_weighted_vector(vector):
    v = vector("agree.weighted_3x3")
    data = rows_of_table(v.inputs["table"])
    of = partial(chance_corrected, *data, 3)
    own = v.inputs["custom_disagreement_weights"]
    for name, weights in (("linear",) * 2, ("quadratic",) * 2, ("custom", own)):
        e = of(weights=weights)
        v.close(e.estimate, f"kappa_{name}")
        v.close(e.se, f"kappa_{name}_se")
    v.close(of(chance="gwet").estimate, "ac1")
    v.close([of(chance="gwet").se], "ac1_se")
    for name in ("linear", "quadratic"):
        v.close(of(chance="gwet", weights=name).estimate, f"ac2_{name}")


def test_three_by_three_vectors(vector):
    v = vector("agree.fce_3x3")
    of = partial(chance_corrected, *rows_of_table(v.inputs["table"]), 3)
    v.close(of(chance="scott").estimate, "scott_pi")
    v.close(of(chance="gwet").estimate, "gwet_ac1")
    v = vector("agree.symmetrised_3x3")
    data = rows_of_table(v.inputs["table_rows_judge_cols_human"])
    of = partial(chance_corrected, *data, 3, symmetrise=True)
    v.close(of().estimate, "kappa_symmetrised")
    v.close(of(weights="linear").estimate, "kappa_linear_symmetrised")
    shares = table_shares(table_cells(*data, 0, 3), 3)
    v.close(mirrored(kappa_of_table, shares).chance, "pe")


def test_in_the_symmetrised_frame_all_coefficients_are_one(vector):
    v = vector("agree.chosen_frame_trap")
    data = rows_of_table(v.inputs["table"])
    found = [chance_corrected(*data, 2, np.arange(100), chance=c, symmetrise=True) for c in CHANCES]
    v.close(found[0].estimate, "kappa_symmetrised")
    v.close(found[2].estimate, "ac1_symmetrised")
    for e in found[1:]:
        np.testing.assert_allclose(numbers(e), numbers(found[0]), atol=1e-12)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("weights", ["linear", "quadratic"])
def test_weighted_kappa_agrees_with_others(seed, weights):
    table = np.random.default_rng(seed).integers(1, 30, (seed + 2, seed + 2))
    judge, human = rows_of_table(table)
    e = chance_corrected(judge, human, len(table), weights=weights)
    power = {"linear": 1, "quadratic": 2}[weights]
    other = cohens_kappa(table, wt="toeplitz", weights=np.arange(len(table)) ** power)
    np.testing.assert_allclose((e.estimate, e.se), (other.kappa, other.std_kappa), atol=1e-12)
    assert e.estimate == pytest.approx(cohen_kappa_score(judge, human, weights=weights))


@pytest.mark.parametrize("of", OF_TABLE)
@pytest.mark.parametrize("weights", WEIGHTS)
@pytest.mark.parametrize("symmetrise", [False, True])
def test_influence_is_the_derivative(of, weights, symmetrise):
    """Moving a little weight to one cell adds its influence; on average over the rows nothing."""
    shares = np.random.default_rng(8).dirichlet(np.ones(9)).reshape(3, 3)
    bound = partial(of, weights=agreement_weights(3, weights))
    value = partial(mirrored, bound) if symmetrise else bound
    influence, step = value(shares).influence, 1e-6
    for cell in np.ndindex(3, 3):
        point = np.zeros((3, 3))
        point[cell] = 1
        ends = [value(shares + s * (point - shares)).value for s in (step, -step)]
        assert influence[cell] == pytest.approx((ends[0] - ends[1]) / (2 * step), abs=1e-7)
    assert np.sum(shares * influence) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("chance", CHANCES)
def test_error_is_that_of_the_jackknife_over_prompts(chance):
    rng = np.random.default_rng(4)
    prompts = np.repeat(np.arange(120), rng.integers(1, 6, 120))
    human = rng.choice(3, prompts.size, p=[0.6, 0.1, 0.3])
    right = rng.random(prompts.size) < rng.beta(3, 1, 120)[prompts]
    judge = np.where(right, human, rng.choice(3, prompts.size))
    of = partial(chance_corrected, n_categories=3, chance=chance, weights="linear")
    left_out = [
        of(judge[prompts != g], human[prompts != g], clusters=prompts[prompts != g]).estimate
        for g in range(120)
    ]
    jackknife = math.sqrt(119 * np.var(left_out))
    assert of(judge, human, clusters=prompts).se == pytest.approx(jackknife, rel=0.03)


@pytest.mark.parametrize("chance", CHANCES)
@given(triples=ROWS, random=st.randoms(use_true_random=False))
def test_what_must_not_matter(chance, triples, random):
    judge, human, clusters = rows(triples)
    of = partial(chance_corrected, n_categories=3, chance=chance, weights="linear")
    e = of(judge, human, clusters=clusters)
    order = list(range(judge.size))
    random.shuffle(order)
    for other in (
        of(judge[order], human[order], clusters=[f"p{9 - c}" for c in clusters[order]]),
        of(2 - judge, 2 - human, clusters=clusters),
        of(human, judge, clusters=clusters),
    ):
        np.testing.assert_allclose(numbers(e), numbers(other), rtol=1e-6, atol=1e-8)
        assert e.status == other.status
    if not math.isnan(e.lo):
        assert e.lo <= e.estimate <= e.hi <= 1 and e.lo < e.hi


@pytest.mark.parametrize("of", OF_TABLE)
@given(triples=ROWS)
def test_twice_the_prompts_halve_the_variance(of, triples):
    judge, human, ids = rows(triples)
    variance = []
    for k in (1, 2):
        cells = table_cells(np.tile(judge, k), np.tile(human, k), 0, 3)
        found = of(table_shares(cells, 3), agreement_weights(3, "identity"))
        groups = Clusters.of(np.concatenate([ids, ids + 7])[: k * ids.size], k * ids.size)
        influence = found.influence.ravel()[cells]
        variance.append(mean_variance(influence, groups, small_sample=False))
    assert variance[0] == pytest.approx(2 * variance[1], rel=1e-9, abs=1e-15)


def test_kappa_at_its_maximum():
    shares = np.array([[0.5, 0.2], [0, 0.3]])
    assert kappa_of_table(shares).value == pytest.approx(kappa_max(shares))
    assert math.isnan(kappa_max(np.zeros((2, 2))))


def test_unused_category_counts_for_ac_and_s_alone():
    judge, human = rows_of_table([[40, 9], [6, 45]])
    for chance, same in zip(CHANCES, (True, True, False, False), strict=True):
        two, three = (chance_corrected(judge, human, q, chance=chance).estimate for q in (2, 3))
        assert (two == pytest.approx(three)) is same


def test_weighted_s_below_minus_one_keeps_its_interval():
    judge = np.tile([0, 2], 20)
    e = chance_corrected(judge, 2 - judge, 3, np.arange(40), chance="bennett", weights="quadratic")
    assert e.lo <= e.estimate == pytest.approx(-2) and -2 < e.hi < -1


@pytest.mark.parametrize("chance", CHANCES)
def test_degenerate_zoo(chance):
    of = partial(chance_corrected, n_categories=3, chance=chance, missing=2)
    mixed = np.resize([2, 0, 1], 30)
    for n in (0, 1):
        e = of(mixed[:n], mixed[:n], clusters=np.arange(n))
        assert (e.status, e.n_missing) == ("insufficient", 2) and math.isnan(e.estimate)
    single = of(mixed, np.roll(mixed, 1), clusters=np.zeros(30))
    assert single.status == "one_cluster" and math.isnan(single.lo) and single.estimate <= 0
    constant = of(np.ones(30), mixed, clusters=np.arange(30))
    assert constant.status == ("degenerate" if chance == "cohen" else "ok")
    assert math.isnan(constant.lo) is (chance == "cohen")
    right = of(mixed, mixed, clusters=np.arange(30))
    assert right.estimate == right.hi == 1 and 0.5 < right.lo < 1 and math.isnan(right.se)


def test_empty_paradox():
    block = paradox([], [], [])
    assert block.kappa.status == block.alpha.status == block.agreement.status == "insufficient"
    assert all(math.isnan(x) for x in (block.kappa_max, block.prevalence, block.bias))


def test_bad_input():
    with pytest.raises(BenchError, match=r"judge\[1\] is nan"):
        chance_corrected([0, math.nan], [1, 1], 2)
    with pytest.raises(BenchError, match=r"human\[0\] is 3"):
        chance_corrected([0], [3], 3)
    with pytest.raises(BenchError, match="at least 2"):
        chance_corrected([0], [0], 1)
    with pytest.raises(BenchError, match="chance 'fleiss'"):
        chance_corrected([0], [0], 2, chance="fleiss")
    with pytest.raises(BenchError, match="weights 'cubic'"):
        chance_corrected([0], [0], 2, weights="cubic")
    for matrix in ([[0, 1], [2, 0]], [[1, 1], [1, 0]], [[0, 0], [0, 0]], [[0, math.nan]] * 2, [1]):
        with pytest.raises(BenchError, match="symmetric"):
            chance_corrected([0], [0], 2, weights=matrix)
