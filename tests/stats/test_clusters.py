from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.stats.clusters import Clusters, critical_value, mean_variance
from bench.types import BenchError


def test_clustered_error_vector(vector):
    v = vector("se.clustered")
    d = np.array(v.inputs["score1"]) - np.array(v.inputs["score2"])
    clusters = Clusters.of(v.inputs["cluster"], d.size)
    v.close(d.mean(), "mean_diff")
    v.close(math.sqrt(mean_variance(d, clusters, small_sample=False)), "se_cluster_CR0")
    v.close(math.sqrt(mean_variance(d, clusters)), "se_cluster_CR1_statsmodels")
    alone = Clusters.of(np.arange(d.size), d.size)
    v.close(math.sqrt(mean_variance(d, alone, small_sample=False)), "se_iid_ddof0")
    v.close(math.sqrt(mean_variance(d, alone)), "se_iid_ddof1")
    assert clusters.n_clusters == v.expected["n_clusters"]
    v.close(critical_value(0.95, clusters.n_clusters - 1), "t_crit_G_minus_1")


IDS = st.one_of(
    st.lists(st.integers(-5, 5)),
    st.lists(st.integers(-(2**62), 2**62)),
    st.lists(st.text(max_size=2)),
    st.lists(st.floats(allow_nan=False)),
    st.lists(st.tuples(st.integers(0, 2), st.booleans())),
)


@given(IDS, st.booleans())
def test_codes_partition_rows_as_the_ids_do(ids, as_array):
    numbers = all(isinstance(i, int) for i in ids)
    clusters = Clusters.of(np.array(ids, np.int64) if as_array and numbers else ids, len(ids))
    assert len(set(zip(ids, clusters.codes.tolist(), strict=True))) == len(set(ids))
    assert set(clusters.codes.tolist()) == set(range(clusters.n_clusters))
    assert clusters.n_clusters == len(set(ids))
    assert clusters.sizes.sum() == clusters.n_items == len(ids)


@pytest.mark.parametrize(
    "dtype", [np.int8, np.uint8, np.uint64, np.bool_, np.float32, "U3", object]
)
def test_codes_of_array_kinds(dtype):
    ids = np.array([0, 1, 1, 0, 0], dtype=dtype)
    assert sorted(Clusters.of(ids, 5).sizes.tolist()) == [2, 3]


def test_strings_are_coded_in_their_order():
    for ids in (["b", "a", "c", "a"], np.array(["b", "a", "c", "a"])):
        assert Clusters.of(ids, 4).codes.tolist() == [1, 0, 2, 0]
    assert Clusters.of(["b", 2, "a"], 3).codes.tolist() == [0, 1, 2]  # these have no order


def test_extreme_int8_ids_do_not_overflow():
    assert Clusters.of(np.array([-128, 127, -128], np.int8), 3).codes.tolist() == [0, 1, 0]


def test_effective_number_of_clusters():
    assert Clusters.of(np.repeat(np.arange(7), 3), 21).n_effective == pytest.approx(7)
    giant = Clusters.of(np.repeat(np.arange(31), [60] + [1] * 30), 90)
    assert giant.n_effective == pytest.approx(90**2 / (3600 + 30))
    assert Clusters.of([1, 1, 1, 1, 1, 2], 6).df == 1, "never below 1"


@pytest.mark.parametrize("missing", [None, math.nan])
def test_missing_id_is_refused_with_its_position(missing):
    with pytest.raises(BenchError, match="cluster id 2 is"):
        Clusters.of(["a", "b", missing], 3)


def test_unusable_ids_are_refused():
    with pytest.raises(BenchError, match="shape"):
        Clusters.of(np.zeros((2, 2), int), 4)
    with pytest.raises(BenchError, match="unhashable"):
        Clusters.of([["a"], ["b"]], 2)
    with pytest.raises(BenchError, match="2 cluster ids for 3"):
        Clusters.of(Clusters.of([1, 2], 2), 3)


@given(st.lists(st.tuples(st.integers(-4, 4), st.integers(0, 5)), min_size=1, max_size=30))
def test_doubling_prompts_halves_the_variance(pairs):
    values, ids = (np.array(x) for x in zip(*pairs, strict=True))
    values = values / 4
    once = mean_variance(values, Clusters.of(ids, ids.size), small_sample=False)
    more_ids = np.concatenate([ids, ids + 10])
    more = Clusters.of(more_ids, more_ids.size)
    twice = mean_variance(np.tile(values, 2), more, small_sample=False)
    assert twice == pytest.approx(once / 2, abs=1e-15)


def test_variance_of_one_cluster_is_unknown():
    assert math.isnan(mean_variance(np.array([0.0, 1.0]), Clusters.of([1, 1], 2)))
