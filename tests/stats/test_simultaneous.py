from __future__ import annotations

import math
import time
import tracemalloc
from statistics import NormalDist

import numpy as np
import pytest
from scipy.stats import studentized_range

from bench.stats.combine import macro
from bench.stats.multiplicity import holm
from bench.stats.paired import cluster_bonett_price
from bench.stats.simultaneous import simultaneous
from bench.types import BenchError


def study(judges=5, prompts=120, rows=3, seed=0, accuracy=None):
    """0/1 credits of judges that share hard prompts, and the prompts."""
    rng = np.random.default_rng(seed)
    ids = np.repeat(np.arange(prompts), rows)
    accuracy = np.full(judges, 0.75) if accuracy is None else np.asarray(accuracy)
    easy = rng.normal(0, 0.5, (prompts, 1))[ids] + rng.normal(0, 1, (ids.size, judges))
    return (easy < np.array([NormalDist(0, 1.25**0.5).inv_cdf(a) for a in accuracy])) * 1.0, ids


def numbers(c):
    d = c.difference
    return d.estimate, d.lo, d.hi, d.se, c.p, c.p_adjusted, c.p_stepdown


def test_each_interval_is_that_of_the_pair_at_another_level():
    credits, ids = study()
    found = simultaneous(credits, ids)
    level = 2 * NormalDist().cdf(found.critical) - 1
    assert len(found.comparisons) == 10
    for c in found.comparisons:
        alone = cluster_bonett_price(credits[:, c.first] - credits[:, c.second], ids, level=level)
        for field in ("estimate", "lo", "hi", "se", "df"):
            expected = pytest.approx(getattr(alone, field), abs=1e-6)
            assert getattr(c.difference, field) == expected
        assert c.difference.level == 0.95 and "10 pairs" in c.difference.method


def test_critical_value_of_independent_judges_is_that_of_the_studentised_range():
    rng = np.random.default_rng(1)
    credits = (rng.random((6000, 20)) < 0.5).astype(float)
    critical = simultaneous(credits, np.arange(6000)).critical
    assert critical == pytest.approx(studentized_range.ppf(0.95, 20, np.inf) / 2**0.5, abs=0.03)


def test_two_judges_are_a_single_comparison():
    credits, ids = study(2, accuracy=[0.8, 0.7])
    found = simultaneous(credits, ids)
    (only,) = found.comparisons
    assert found.critical == pytest.approx(1.96, abs=0.06)
    assert only.p == pytest.approx(only.p_adjusted, abs=0.01)
    assert only.p_adjusted == only.p_stepdown


def test_adjusted_p_belong_to_the_intervals_and_beat_holm():
    credits, ids = study(8, 300, 2, accuracy=[0.9, 0.86, 0.84, 0.8, 0.8, 0.78, 0.76, 0.7])
    found = simultaneous(credits, ids)
    p = np.array([c.p for c in found.comparisons])
    adjusted = np.array([c.p_adjusted for c in found.comparisons])
    stepdown = np.array([c.p_stepdown for c in found.comparisons])
    better = found.better()
    for c in found.comparisons:
        excluded = better[c.first, c.second] or better[c.second, c.first]
        assert excluded == (c.p_adjusted < 0.05) or abs(c.p_adjusted - 0.05) < 1e-3
    assert (p <= stepdown).all() and (stepdown <= adjusted).all()
    assert (stepdown < adjusted).any()
    assert (np.diff(adjusted[np.argsort(p)]) >= 0).all()
    middle = (p > 1e-3) & (p < 0.02)
    assert middle.any() and (stepdown[middle] < holm(p)[middle]).all()
    assert better.any() and not (better & better.T).any()


def test_stepdown_by_its_definition():
    """The largest |t| among the pairs that are not more significant, pair by pair."""
    from bench.stats.resample import resampled_sums
    from bench.stats.simultaneous import macro_influence

    credits, ids = study(4, 90, 2, accuracy=[0.85, 0.8, 0.75, 0.7])
    found = simultaneous(credits, ids, replicates=999)
    zeros = np.zeros(ids.size, int)
    influence = np.stack([
        macro_influence(credits[:, c.first] - credits[:, c.second], ids, zeros, 90)
        for c in found.comparisons
    ], axis=1)  # fmt: skip
    drawn = np.abs(resampled_sums(influence, replicates=999))
    drawn /= np.sqrt((influence**2).sum(axis=0))
    z = np.array([-NormalDist().inv_cdf(c.p / 2) for c in found.comparisons])
    order, previous = np.argsort(-z), 0.0
    for step, pair in enumerate(order):
        p = (1 + (drawn[:, order[step:]].max(axis=1) >= z[pair]).sum()) / 1000
        previous = max(previous, p)
        comparison = found.comparisons[pair]
        assert comparison.p_stepdown == pytest.approx(max(previous, comparison.p), abs=2e-3)
        single = (1 + (drawn.max(axis=1) >= z[pair]).sum()) / 1000
        assert comparison.p_adjusted == pytest.approx(max(single, comparison.p), abs=2e-3)


def test_domains_count_alike():
    credits, ids = study(3, 150, 2, accuracy=[0.85, 0.8, 0.7])
    domains = np.where(ids < 30, "small", "large")
    found = simultaneous(credits, ids, domains)
    for c in found.comparisons:
        d = credits[:, c.first] - credits[:, c.second]
        parts = [d[domains == name] for name in ("small", "large")]
        assert c.difference.estimate == pytest.approx(np.mean([p.mean() for p in parts]))
        whole = macro([
            cluster_bonett_price(d[r], ids[r]) for r in (domains == "small", domains == "large")
        ])  # fmt: skip
        assert c.difference.se == pytest.approx(whole.se)
        width = (whole.hi - whole.lo) * found.critical / 1.96
        assert c.difference.hi - c.difference.lo == pytest.approx(width, rel=0.05)
        assert found.critical > 2.2
    one = simultaneous(credits, ids, np.full(ids.size, "all"))
    assert [numbers(c) for c in one.comparisons] == [
        numbers(c) for c in simultaneous(credits, ids).comparisons
    ]


def test_missing_credits_leave_the_shared_items():
    credits, ids = study(3)
    credits[::3, 0] = math.nan
    found = simultaneous(credits, ids)
    shared = ~np.isnan(credits[:, 0])
    c = found.comparisons[0]
    assert (c.difference.n_items, c.difference.n_missing) == (240, 120)
    d = credits[shared, 0] - credits[shared, 1]
    assert c.difference.se == pytest.approx(cluster_bonett_price(d, ids[shared]).se)
    assert found.comparisons[2].difference.n_missing == 0


def test_swapping_judges_negates_and_row_order_does_not_matter():
    credits, ids = study(3, accuracy=[0.8, 0.75, 0.7])
    a = simultaneous(credits, ids)
    b = simultaneous(credits[:, ::-1], ids)
    first, last = a.comparisons[0].difference, b.comparisons[2].difference
    np.testing.assert_allclose(
        (first.estimate, first.lo, first.hi), (-last.estimate, -last.hi, -last.lo), atol=1e-9
    )
    order = np.random.default_rng(0).permutation(ids.size)
    c = simultaneous(credits[order], ids[order])
    for x, y in zip(a.comparisons, c.comparisons, strict=True):
        np.testing.assert_allclose(numbers(x), numbers(y), atol=1e-9)


def test_judges_that_never_differ():
    credits, ids = study(2)
    found = simultaneous(np.column_stack([credits, credits[:, 0]]), ids)
    same = found.comparisons[1]
    assert same.difference.estimate == 0 and same.p == same.p_adjusted == 1
    assert -0.05 < same.difference.lo < 0 < same.difference.hi < 0.05
    assert math.isnan(same.difference.se) and same.difference.note
    alone = simultaneous(np.ones((40, 3)), np.arange(40))
    assert alone.critical == pytest.approx(1.96, abs=1e-3)
    assert all(c.p_adjusted == c.p_stepdown == 1 for c in alone.comparisons)
    # Means of .1, .2, .3 leave rounding noise, which is no variation.
    noise = simultaneous(np.tile([0.1, 0.2, 0.3], (43, 1)), np.arange(43))
    assert noise.critical == pytest.approx(1.9599640, abs=1e-6)
    apart = simultaneous(np.tile([1.0, 0.0], (40, 1)), np.arange(40)).comparisons[0]
    assert apart.p_adjusted < 0.001 and 0.8 < apart.difference.lo < 1


def test_what_cannot_be_compared():
    credits, ids = study(3, 40)
    credits[:, 2] = math.nan
    credits[0, 2] = 1
    found = simultaneous(credits, ids)
    assert [c.difference.status for c in found.comparisons] == [
        "ok",
        "insufficient",
        "insufficient",
    ]
    lost = found.comparisons[1]
    assert math.isnan(lost.difference.estimate) and math.isnan(lost.p_adjusted)
    assert not found.better()[:, 2].any()
    one = simultaneous(study(2)[0], np.zeros(360))
    assert one.comparisons[0].difference.status == "one_cluster"
    assert math.isnan(one.critical) and not math.isnan(one.comparisons[0].difference.estimate)
    domain = np.where(ids == 0, "a", "b")
    single = simultaneous(credits[:, :2], ids, domain).comparisons[0].difference
    assert single.status == "one_cluster" and "domain" in single.note
    empty = simultaneous(np.zeros((0, 2)), [])
    assert empty.comparisons[0].difference.status == "insufficient"
    assert simultaneous(np.ones((5, 1)), np.arange(5)).comparisons == ()


def test_bad_input():
    with pytest.raises(BenchError, match=r"credits\[1, 0\] is 2.0"):
        simultaneous([[0, 1], [2, 1]], [1, 2])
    with pytest.raises(BenchError, match="items by judges"):
        simultaneous([0, 1], [1, 2])
    with pytest.raises(BenchError, match="1 cluster ids for 2"):
        simultaneous([[0, 1], [1, 1]], [1])


@pytest.mark.parametrize(("prompts", "accuracy"), [(25, 0.75), (60, 0.9)])
def test_all_intervals_hold_together(prompts, accuracy):
    hits, runs = 0, 300
    for seed in range(runs):
        credits, ids = study(5, prompts, 3, seed, np.full(5, accuracy))
        found = simultaneous(credits, ids, replicates=500)
        hits += all(c.difference.lo <= 0 <= c.difference.hi for c in found.comparisons)
    assert hits / runs >= 0.925, "nominal .95, Monte-Carlo error .013"


def test_twenty_judges_are_quick_and_small():
    rng = np.random.default_rng(0)
    ids = rng.integers(0, 5000, 20_000)
    credits = (rng.random((20_000, 20)) < 0.7).astype(float)
    tracemalloc.start()
    simultaneous(credits, ids, replicates=500)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100e6
    started = time.perf_counter()
    simultaneous(credits, ids)
    assert time.perf_counter() - started < 10
