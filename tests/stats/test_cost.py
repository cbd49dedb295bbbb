from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.prices import with_cost
from bench.stats.clusters import Clusters, critical_value, mean_variance
from bench.stats.cost import (
    amortised,
    break_even,
    break_even_volume,
    cost,
    gpu_usd_per_1000,
    kwh_per_1000,
    one_way,
)
from bench.stats.resample import bootstrap
from bench.types import BenchError, JudgeCard, Usage


def table(usd, valid=None, credit=None, items=None, clusters=None, **options):
    n = len(usd)
    ones, ids = np.ones(n), np.arange(n)
    given_or = [
        x if x is not None else y
        for x, y in ((valid, ones), (credit, ones), (items, ids), (clusters, ids))
    ]
    return cost(usd, *given_or, **options)


def test_cost_vector(vector):
    v = vector("cost.basic")
    api, gpu = v.inputs["api"], v.inputs["gpu"]
    n = api["n_judgments"]
    price = tuple(api[f"price_{kind}_per_M"] for kind in ("in", "cached", "out"))
    usage = Usage(
        prompt_tokens=api["prompt_tokens_total"],
        cached_tokens=api["cached_prompt_tokens"],
        completion_tokens=api["completion_tokens_total"],
    )
    card = JudgeCard("j", "prompted", ("pairwise",), usd_per_mtok=price)
    usd = np.full(n, with_cost(usage, card).cost_usd / n)
    valid = np.arange(n) < api["valid"]
    credit = np.arange(n) < api["correct_of_valid"]
    c = table(usd, valid, credit, np.arange(n) // 2)
    v.close(c.total, "api_total_usd")
    v.close(c.per_1000_judgments.estimate, "api_usd_per_1k_judgments")
    v.close(c.per_1000_valid.estimate, "usd_per_1k_valid")
    v.close(c.per_correct.estimate, "cost_of_pass_per_correct")
    v.close(c.per_correct.estimate, "cost_of_pass_api_ratio_form")
    assert c.per_1000_items.estimate == pytest.approx(10.2)
    assert c.per_correct_above_chance.estimate == pytest.approx(20.4 / (3136 - 2000))
    local = gpu_usd_per_1000(gpu["gpu_hour_price"], gpu["judgments_per_s"], gpu["utilisation"])
    v.close(local, "gpu_usd_per_1k")
    energy = kwh_per_1000(gpu["power_w"], gpu["judgments_per_s"], gpu["pue"])
    v.close(energy, "energy_kwh_per_1k_full_load")
    v.close(energy * gpu["kwh_price"], "energy_cost_per_1k")
    fixed = v.inputs["training_cost"] + v.inputs["label_cost"]
    volume = break_even_volume(fixed, c.per_1000_judgments.estimate, local)
    assert volume == pytest.approx(v.expected["break_even_judgments"], rel=1e-12)
    v.close(amortised(fixed, local, [1e5])[0], "amortised_usd_per_1k_at_100k")


def rows(seed, g=60, m=3):
    """Costs and credits that vary by prompt."""
    rng = np.random.default_rng(seed)
    ids = np.repeat(np.arange(g), m)
    usd = rng.gamma(2, 0.002, g)[ids] * rng.uniform(0.8, 1.2, g * m)
    credit = (rng.random(g * m) < rng.beta(6, 2, g)[ids]).astype(float)
    return usd, credit, ids


def test_fieller_agrees_with_a_bootstrap_where_the_divisor_is_clear_of_zero():
    usd, credit, ids = rows(1, g=300)
    c = table(usd, credit=credit, clusters=ids)
    for e, top, bottom in (
        (c.per_1000_judgments, 1000 * usd, np.ones(usd.size)),
        (c.per_correct, usd, credit),
        (c.per_correct_above_chance, usd, credit - 0.5),
    ):
        other = bootstrap([top, bottom], ids, lambda s: s[:, 0] / s[:, 1], "ratio", replicates=4000)
        assert e.estimate == pytest.approx(other.estimate)
        assert e.se == pytest.approx(other.se, rel=0.08)
        assert (e.hi - e.lo) == pytest.approx(other.hi - other.lo, rel=0.08)
        assert e.lo < e.estimate < e.hi


def test_mean_cost_is_a_clustered_mean():
    usd, _, ids = rows(2)
    e, groups = table(usd, clusters=ids).per_1000_judgments, Clusters.of(ids, ids.size)
    assert e.se == pytest.approx(1000 * math.sqrt(mean_variance(usd, groups)))
    half = critical_value(0.95, groups.df) * e.se
    np.testing.assert_allclose((e.lo, e.hi), (e.estimate - half, e.estimate + half))


def test_unknown_costs_are_the_mean_of_the_others_and_flagged():
    usd = np.array([1.0, 3.0, math.nan, math.nan])
    c = table(usd)
    assert (c.total, c.unknown) == (8, 2)
    assert c.per_1000_judgments.estimate == 2000 and c.per_1000_judgments.n_missing == 2
    assert "2 unknown costs" in c.per_1000_judgments.note
    none = table([math.nan, math.nan])
    assert math.isnan(none.total) and none.per_correct.status == "insufficient"
    assert math.isnan(none.per_correct.estimate)


def test_items_valid_verdicts_and_failures():
    """Two orders of two items; a failed verdict is paid, and its credit does not count."""
    c = table(
        [1, 1, 2, 4],
        valid=[1, 0, 1, 1],
        credit=[1, 1, 1, 0],
        items=list("aabb"),
        clusters=list("aabb"),
    )
    assert c.total == 8
    assert c.per_1000_judgments.estimate == 2000 and c.per_1000_items.estimate == 4000
    assert c.per_1000_valid.estimate == pytest.approx(8000 / 3)
    assert c.per_correct.estimate == 4


def test_no_better_than_chance_has_no_price():
    usd, credit, ids = rows(3)
    coin = table(usd, credit=np.resize([0, 1], usd.size), clusters=ids).per_correct_above_chance
    assert coin.estimate == coin.hi == math.inf and 0 < coin.lo < math.inf
    assert coin.status == "out_of_range" and coin.note
    wrong = table(usd, credit=credit < 0, clusters=ids).per_correct
    assert wrong.estimate == math.inf and wrong.status == "out_of_range"
    worse = table(usd, credit=1 - credit, clusters=ids).per_correct_above_chance
    assert worse.lo == worse.estimate == worse.hi == math.inf
    few = table(usd[:9], credit=np.resize([1, 1, 0], 9), clusters=ids[[0] * 5 + [8] * 4])
    assert math.isfinite(few.per_correct_above_chance.estimate)
    assert few.per_correct_above_chance.hi == math.inf


def test_cost_zoo():
    empty = table([])
    assert empty.per_1000_judgments.status == "insufficient" and math.isnan(empty.total)
    one = table([2.0]).per_1000_judgments
    assert (one.estimate, one.status) == (2000, "insufficient") and math.isnan(one.lo)
    prompt = table([1.0, 3.0], clusters=["p", "p"]).per_1000_judgments
    assert (prompt.estimate, prompt.status) == (2000, "one_cluster")
    same = table([1.0, 1.0]).per_1000_judgments
    assert (same.estimate, same.status) == (1000, "degenerate") and math.isnan(same.se)
    free = table([0.0, 0.0], credit=[0, 1]).per_correct
    assert (free.estimate, free.status) == (0, "degenerate")


@given(
    st.lists(
        st.tuples(st.floats(1e-6, 1), st.integers(0, 1), st.integers(0, 5)), min_size=2, max_size=30
    ),
    st.randoms(use_true_random=False),
)
def test_cost_properties(triples, random):
    usd, credit, ids = (np.array(x, float) for x in zip(*triples, strict=True))
    c = table(usd, credit=credit, clusters=ids)
    order = list(range(usd.size))
    random.shuffle(order)
    again = table(7 * usd[order], credit=credit[order], clusters=ids[order])
    for name in ("per_1000_judgments", "per_correct", "per_correct_above_chance"):
        e, seven = getattr(c, name), getattr(again, name)
        if not math.isnan(e.lo):
            assert 0 <= e.lo <= e.estimate <= e.hi
        if not math.isnan(e.lo + seven.lo):
            ours = 7 * np.array([e.estimate, e.lo])
            np.testing.assert_allclose([seven.estimate, seven.lo], ours, rtol=1e-6, atol=1e-9)
    assert c.per_correct.estimate >= c.per_1000_judgments.estimate / 1000 - 1e-12


def test_bad_costs_are_refused():
    with pytest.raises(BenchError, match=r"usd\[1\] is -1"):
        table([1.0, -1.0])
    with pytest.raises(BenchError, match=r"usd\[0\] is inf"):
        table([math.inf])
    with pytest.raises(BenchError, match=r"credit\[0\] is nan"):
        table([1.0], credit=[math.nan])
    with pytest.raises(BenchError, match="1 costs, 2 validities"):
        table([1.0], valid=[1, 1])
    with pytest.raises(BenchError, match="utilisation is 0"):
        gpu_usd_per_1000(1, 1, 0)
    with pytest.raises(BenchError, match="judgments_per_s is -1"):
        kwh_per_1000(1, -1)
    with pytest.raises(BenchError, match=r"volumes\[1\] is 0"):
        amortised(1, 1, [1, 0])


def test_break_even_interval():
    usd, _, ids = rows(4)
    api = table(usd, clusters=ids).per_1000_judgments
    e = break_even(2100, api, 0.5)
    assert e.estimate == break_even_volume(2100, api.estimate, 0.5)
    # A known local price: the ends of the price are the ends of the volume.
    assert e.lo == pytest.approx(break_even_volume(2100, api.hi, 0.5))
    assert e.hi == pytest.approx(break_even_volume(2100, api.lo, 0.5))
    measured = table(usd / 8, clusters=ids).per_1000_judgments
    wider = break_even(2100, api, measured)
    known = break_even(2100, api, measured.estimate)
    assert wider.lo < known.lo < wider.estimate == known.estimate < known.hi < wider.hi
    assert break_even(0, api, 0.5).estimate == 0


def test_break_even_that_never_comes():
    usd, _, ids = rows(5)
    api = table(usd, clusters=ids).per_1000_judgments
    for local in (api.estimate, 2 * api.hi):
        e = break_even(100, api, local)
        assert e.estimate == e.hi == math.inf and e.status == "out_of_range" and "never" in e.note
    assert math.isfinite(break_even(100, api, api.estimate).lo)
    perhaps = break_even(100, api, (api.lo + api.estimate) / 2)
    assert math.isfinite(perhaps.estimate) and perhaps.hi == math.inf
    listed = table([0.005] * 9).per_1000_judgments
    e = break_even(100, listed, 1)
    assert e.estimate == pytest.approx(25_000) and e.status == "degenerate"
    assert break_even(100, listed, 9).status == "out_of_range"
    assert break_even(100, table([math.nan]).per_1000_judgments, 1).status == "insufficient"
    with pytest.raises(BenchError, match="fixed cost is -1"):
        break_even(-1, api, 1)
    with pytest.raises(BenchError, match=r"levels 0.95 and 0.9"):
        break_even(1, api, table(usd, level=0.9).per_1000_judgments)


def test_amortised_cost_meets_the_api_price_at_break_even():
    volume = break_even_volume(2100, 5.1, 0.07)
    assert amortised(2100, 0.07, [volume])[0] == pytest.approx(5.1)
    curve = amortised(2100, 0.07, 10.0 ** np.arange(4, 9))
    assert (np.diff(curve) < 0).all() and curve[-1] == pytest.approx(0.091)


def test_one_way_sensitivity():
    def volume(labels, utilisation, api):
        return break_even_volume(labels, api, gpu_usd_per_1000(4, 25, utilisation))

    base = {"labels": 2100.0, "utilisation": 0.6, "api": 5.1}
    found = one_way(volume, base, {"labels": (1050, 3150), "api": (2.55, 7.65)})
    assert found["labels"] == pytest.approx((volume(**base) / 2, volume(**base) * 1.5))
    assert list(found) == ["labels", "api"] and found["api"][0] > found["api"][1]
    with pytest.raises(BenchError, match="no base value for rent"):
        one_way(volume, base, {"rent": (1, 2)})
