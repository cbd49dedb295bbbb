from __future__ import annotations

import itertools
import math
from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from bench.stats.estimate import Basis
from bench.stats.rankcorr import (
    PairCounts,
    correlation_ceiling,
    correlations,
    disattenuated,
    icc,
    spearman_brown,
)
from bench.types import BenchError

SCORE = st.integers(0, 4)
ROWS = st.lists(st.tuples(SCORE, SCORE, st.integers(0, 6)), min_size=2, max_size=30)
NAMES = ["tau_b", "tau_c", "gamma", "somers_d", "spearman", "pearson"]


def rows(triples):
    return tuple(np.array(x, float) for x in zip(*triples, strict=True))


def estimates(found):
    return {name: getattr(found, name) for name in NAMES}


def noisy(seed, n, per_prompt=1):
    rng = np.random.default_rng(seed)
    human = rng.normal(size=n)
    judge = np.round(human + rng.normal(size=n), 1)
    return judge, human, np.arange(n) // per_prompt


def test_vector(vector):
    v = vector("corr.ties")
    judge, human = (np.array(v.inputs[k]) for k in ("judge", "human"))
    found = correlations(judge, human, np.arange(10))
    names = ["concordant", "discordant", "ties_human_only", "ties_judge_only", "ties_both"]
    ours = ["concordant", "discordant", "human_ties", "judge_ties", "both_ties"]
    for name, field in zip(names, ours, strict=True):
        v.close(getattr(found.pairs, field), name)
    for name in ("tau_b", "tau_c", "spearman", "pearson"):
        v.close(getattr(found, name).estimate, name)
    v.close(found.gamma.estimate, "goodman_kruskal_gamma")
    v.close(found.somers_d.estimate, "somers_d_judge_given_human")
    both = icc(np.stack([judge, human], axis=1), np.arange(10))
    v.close(both.agreement.estimate, "icc_2_1")
    v.close(both.consistency.estimate, "icc_3_1")
    for e in (*estimates(found).values(), both.agreement, both.consistency):
        assert e.lo < e.estimate < e.hi and e.status == "ok_small"


def test_attenuation_vector(vector):
    v = vector("human.attenuation")
    r = v.inputs["r"]
    given_r = Basis("r", 0.95, 50, 40).estimate(r, (0.5, 0.7), se=0.05, n_eff=40, df=39)
    e = disattenuated(given_r, v.inputs["rel_judge"], v.inputs["rel_human"])
    v.close(e.estimate, "disattenuated")
    assert (e.lo / 0.5, e.hi / 0.7, e.se / 0.05) == pytest.approx([e.estimate / r] * 3)
    assert "known" in e.note and "beyond" not in e.note
    v.close(spearman_brown(v.inputs["split_half_r"]), "spearman_brown")
    v.close(correlation_ceiling(v.inputs["rel_human"]), "noise_ceiling_corr")


@pytest.mark.parametrize("seed", range(3))
def test_agrees_with_scipy(seed):
    judge, human, ids = noisy(seed, 80)
    found = correlations(judge, np.round(human), ids)
    human = np.round(human)
    others = {
        "tau_b": stats.kendalltau(judge, human).statistic,
        "tau_c": stats.kendalltau(judge, human, variant="c").statistic,
        "somers_d": stats.somersd(human, judge).statistic,
        "spearman": stats.spearmanr(judge, human).statistic,
        "pearson": stats.pearsonr(judge, human).statistic,
    }
    for name, other in others.items():
        assert getattr(found, name).estimate == pytest.approx(other, abs=1e-12)


@given(ROWS)
def test_pair_counts_agree_with_enumeration(triples):
    x, y, _ = rows(triples)
    seen = dict.fromkeys(("concordant", "discordant", "judge_ties", "human_ties", "both_ties"), 0)
    for i, j in itertools.combinations(range(x.size), 2):
        a, b = np.sign(x[i] - x[j]), np.sign(y[i] - y[j])
        if a == 0 or b == 0:
            seen["both_ties" if a == b else "judge_ties" if a == 0 else "human_ties"] += 1
        else:
            seen["concordant" if a == b else "discordant"] += 1
    assert PairCounts(**seen) == PairCounts.of(x, y)


def test_pair_counts_of_many_rows_are_whole():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=3000), rng.integers(0, 50, 3000).astype(float)
    pairs = PairCounts.of(x, y)
    ahead = int(np.sum(np.sign(np.subtract.outer(x, x)) * np.sign(np.subtract.outer(y, y)))) // 2
    assert pairs.concordant - pairs.discordant == ahead
    assert sum(getattr(pairs, f.name) for f in fields(pairs)) == math.comb(3000, 2)


def test_error_of_pearson_and_spearman_is_the_textbook_one():
    """Bivariate normal, independent rows: (1 - r^2) / sqrt(n)."""
    judge, human, ids = noisy(5, 190)
    found = correlations(judge, human, ids)
    r = found.pearson.estimate
    assert found.pearson.se == pytest.approx((1 - r**2) / math.sqrt(190), rel=0.15)
    other = stats.pearsonr(judge, human).confidence_interval(0.95)
    assert (found.pearson.lo, found.pearson.hi) == pytest.approx(other, abs=0.03)
    assert found.spearman.se == pytest.approx(found.pearson.se, rel=0.3)


def test_groups_of_prompts_give_the_error_of_prompts():
    judge, human, ids = noisy(6, 1000)
    grouped = correlations(judge, human, ids)
    single = [
        stats.pearsonr(np.delete(judge, i), np.delete(human, i)).statistic for i in range(1000)
    ]
    assert grouped.pearson.se == pytest.approx(math.sqrt(999 * np.var(single)), rel=0.15)
    assert grouped.pearson.n_clusters == 1000


def test_repeated_rows_of_a_prompt_tell_nothing_new():
    judge, human, ids = noisy(7, 60)
    once, twice = (
        correlations(np.tile(judge, k), np.tile(human, k), np.tile(ids, k)) for k in (1, 2)
    )
    for name in ("spearman", "pearson", "gamma"):
        a, b = getattr(once, name), getattr(twice, name)
        assert (a.estimate, a.se, a.lo) == pytest.approx((b.estimate, b.se, b.lo), rel=1e-9)
        assert (a.n_clusters, b.n_items) == (60, 120)
    # New prompts do.
    more = correlations(np.tile(judge, 2), np.tile(human, 2), np.arange(120))
    assert more.pearson.se == pytest.approx(once.pearson.se / math.sqrt(2), rel=0.05)


@given(ROWS, st.randoms(use_true_random=False))
def test_what_must_not_matter(triples, random):
    judge, human, ids = rows(triples)
    found = estimates(correlations(judge, human, ids))
    order = list(range(judge.size))
    random.shuffle(order)
    for other, ranks_only in (
        (correlations(judge[order], human[order], [f"p{i}" for i in ids[order]]), False),
        (correlations(-judge, -human, ids), False),
        (correlations(2 * judge - 3, human + 1, ids), False),
        (correlations(judge**3, np.exp(human), ids), True),
    ):
        for name, e in found.items():
            if ranks_only and name == "pearson":
                continue
            o = getattr(other, name)
            np.testing.assert_allclose(
                (e.estimate, e.lo, e.hi, e.se), (o.estimate, o.lo, o.hi, o.se), rtol=1e-6, atol=1e-7
            )
            assert e.status == o.status
    for e in found.values():
        assert math.isnan(e.estimate) or -1 - 1e-12 <= e.estimate <= 1 + 1e-12
        assert math.isnan(e.lo) or -1 <= e.lo <= e.estimate <= e.hi <= 1
        assert math.isnan(e.lo) == (e.status not in ("ok", "ok_small"))


def anova_icc(table):
    """From the mean squares of a two-way table."""
    n, k = table.shape
    rows, raters = table.mean(axis=1), table.mean(axis=0)
    between = k * rows.var(ddof=1)
    shift = n * raters.var(ddof=1)
    rest = table - rows[:, None] - raters + table.mean()
    error = np.sum(rest**2) / ((n - 1) * (k - 1))
    total = between + (k - 1) * error
    return (between - error) / (total + k / n * (shift - error)), (between - error) / total


@pytest.mark.parametrize("raters", [2, 5])
def test_icc_of_the_mean_squares_far_from_zero(raters):
    rng = np.random.default_rng(raters)
    table = 1e6 + rng.normal(size=(40, 1)) + rng.normal(size=(40, raters)) + np.arange(raters)
    found = icc(table, np.arange(40))
    agreement, consistency = anova_icc(table)
    assert found.agreement.estimate == pytest.approx(agreement, rel=1e-6)
    assert found.consistency.estimate == pytest.approx(consistency, rel=1e-6)
    assert found.agreement.estimate < found.consistency.estimate


def test_icc_of_shrout_and_fleiss():
    """The table of their 1979 paper: ICC(2,1) = .29, ICC(3,1) = .71."""
    table = [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]]
    found = icc(table, np.arange(6))
    assert found.agreement.estimate == pytest.approx(0.29, abs=0.005)
    assert found.consistency.estimate == pytest.approx(0.71, abs=0.005)


def test_beyond_one_is_flagged():
    r = Basis("r", 0.95, 50, 40).estimate(0.8, (0.7, 0.9), se=0.05, n_eff=40, df=39)
    e = disattenuated(r, 0.6, 0.6)
    assert e.estimate > 1 and "beyond 1" in e.note
    none = disattenuated(r, -0.1, 0.6)
    assert none.status == "out_of_range" and math.isnan(none.estimate)
    assert math.isnan(correlation_ceiling(-0.1)) and math.isnan(spearman_brown(-1))
    assert spearman_brown(spearman_brown(0.3, 4), 1 / 4) == pytest.approx(0.3)


def test_degenerate_zoo():
    judge, human, ids = noisy(1, 40)
    for constant in (correlations(np.ones(40), human, ids), correlations(judge, np.ones(40), ids)):
        for e in estimates(constant).values():
            assert math.isnan(e.estimate) and e.status == "degenerate"
    for n in (0, 1):
        few = correlations(judge[:n], human[:n], ids[:n], missing=3)
        for e in (*estimates(few).values(), icc(np.ones((n, 2)), ids[:n], missing=3).agreement):
            assert (e.status, e.n_missing) == ("insufficient", 3) and math.isnan(e.estimate)
    single = correlations(judge, human, np.zeros(40))
    for e in estimates(single).values():
        assert e.status == "one_cluster" and math.isnan(e.lo) and 0 < e.estimate < 1
    perfect = correlations(human, human, ids)
    for name in ("tau_b", "gamma", "somers_d", "spearman", "pearson"):
        e = getattr(perfect, name)
        assert e.estimate == pytest.approx(1) and e.status == "degenerate" and math.isnan(e.lo)
    # All that the judge distinguishes is one prompt.
    lone = correlations(np.eye(40)[0], human, ids)
    assert lone.tau_b.status == "degenerate" and not math.isnan(lone.tau_b.estimate)
    assert icc(np.full((40, 2), 0.1), ids).agreement.status == "degenerate"
    assert icc(np.stack([human, human], axis=1), np.zeros(40)).agreement.status == "one_cluster"


def test_bad_input():
    with pytest.raises(BenchError, match=r"judge\[1\] is nan"):
        correlations([1, math.nan], [1, 2], [1, 2])
    with pytest.raises(BenchError, match=r"human\[0\] is inf"):
        correlations([1, 2], [math.inf, 2], [1, 2])
    with pytest.raises(BenchError, match="2 scores of the judge for 1"):
        correlations([1, 2], [1], [1, 2])
    with pytest.raises(BenchError, match=r"rater 1\[0\] is nan"):
        icc([[1, math.nan]], [1])
    with pytest.raises(BenchError, match="shape"):
        icc([1, 2], [1, 2])
    r = Basis("r", 0.95, 50, 40).undefined("degenerate", "none")
    for bad in (1.1, math.nan):
        with pytest.raises(BenchError, match="reliability of the human"):
            disattenuated(r, 0.5, bad)
