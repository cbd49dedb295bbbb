from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.stats.affinity import affinity
from bench.types import BenchError

NUMBERS = ("judge", "others", "human", "over_human", "over_others", "ratio")


def counted(n, k):
    """n verdicts, the first k of them for the first response."""
    return np.where(np.arange(n) < k, 1, -1)


def fam(n, a="F", b="G"):
    return [a] * n, [b] * n


def test_self_preference_vector(vector):
    v = vector("bias.self_preference")
    n = v.inputs["n_pairs"]
    own, human = (counted(n, v.inputs[k]) for k in ("own_judge_prefers_F", "human_prefers_F"))
    # Two other judges with 108 on average.
    mean = v.inputs["other_judges_mean_prefers_F"]
    others = np.stack([counted(n, mean - 8), counted(n, mean + 8)], axis=1)
    e = affinity(own, human, fam(n), {"F"}, range(n), others=others)
    v.close(e.over_human.estimate, "own_minus_human")
    v.close(e.over_others.estimate, "own_minus_other_judges")
    v.close(e.ratio.estimate, "rate_ratio_vs_human")
    assert 1 < e.ratio.lo < e.ratio.estimate < e.ratio.hi
    assert e.over_human.lo > 0
    assert e.judge.estimate == 126 / 200


def test_equal_opportunity_vector(vector):
    v = vector("bias.self_preference_eo")
    (a, b), (c, d) = v.inputs["table"]
    human, own = np.repeat([1, 1, -1, -1], [a, b, c, d]), np.repeat([1, -1, 1, -1], [a, b, c, d])
    e = affinity(own, human, fam(200), {"F"}, range(200)).equal_opportunity
    v.close(e.first.estimate, "recall_F")
    v.close(e.second.estimate, "recall_nonF")
    v.close(e.difference.estimate, "gap")
    assert 0.1 < e.difference.lo < e.difference.hi < 0.4


def mixed(seed, n=160):
    rng = np.random.default_rng(seed)
    families = tuple(rng.choice(["F", "G", "H"], n).tolist() for _ in range(2))
    judge, human, *others = rng.choice([-1, 0, 1], (5, n)).astype(float)
    return judge, human, families, np.stack(others, axis=1), rng.integers(0, 60, n)


@given(st.integers(0, 10_000))
def test_what_must_not_matter(seed):
    judge, human, (a, b), others, ids = mixed(seed)
    rng = np.random.default_rng(seed)
    keywords = {"others": others, "replicates": 50}
    e = affinity(judge, human, (a, b), ["F"], ids, **keywords)
    flip, order = rng.random(160) < 0.5, rng.permutation(160)
    sign = np.where(flip, -1, 1)
    exchanged = (
        [y if f else x for f, x, y in zip(flip, a, b, strict=True)],
        [x if f else y for f, x, y in zip(flip, a, b, strict=True)],
    )
    swapped = affinity(
        sign * judge, sign * human, exchanged, ["F"], ids,
        others=sign[:, None] * others, replicates=50,
    )  # fmt: skip
    shuffled = affinity(
        judge[order], human[order], ([a[i] for i in order], [b[i] for i in order]), {"F"},
        ids[order], others=others[order], replicates=50,
    )  # fmt: skip
    for name in NUMBERS:
        x = getattr(e, name)
        for y in (getattr(swapped, name), getattr(shuffled, name)):
            np.testing.assert_allclose(x.estimate, y.estimate, atol=1e-9)
            if name != "ratio":  # resamples number the prompts by their order
                np.testing.assert_allclose((x.lo, x.hi, x.se), (y.lo, y.hi, y.se), atol=1e-9)
        if not math.isnan(x.lo):
            assert x.lo <= x.estimate <= x.hi
    x, y = (z.equal_opportunity.difference for z in (e, swapped))
    np.testing.assert_allclose((x.estimate, x.lo, x.hi), (y.estimate, y.lo, y.hi), atol=1e-9)


def test_only_pairs_with_one_response_of_the_family_count():
    judge, human, (a, b), others, ids = mixed(1)
    e = affinity(judge, human, (a, b), {"F"}, ids, others=others)
    rows = np.array([(x == "F") != (y == "F") for x, y in zip(a, b, strict=True)])
    side = np.where(np.array(a)[rows] == "F", 1, -1)
    assert e.judge.n_items == rows.sum()
    wanted = ((judge - human)[rows] * side / 2).mean()
    assert e.over_human.estimate == pytest.approx(wanted)
    less = ((judge - others.mean(axis=1))[rows] * side) / 2
    assert e.over_others.estimate == pytest.approx(less.mean())
    groups = e.over_others.n_clusters
    assert groups == np.unique(ids[rows]).size
    both = affinity(judge, human, (a, b), {"F", "G"}, ids)
    related = np.isin(a, ["F", "G"]) != np.isin(b, ["F", "G"])
    assert both.judge.n_items == related.sum()


def test_a_better_family_is_no_bias():
    """The judge prefers the family's responses no more than humans, with whom it agrees."""
    rng = np.random.default_rng(2)
    human = np.where(rng.random(600) < 0.75, 1, -1)
    e = affinity(human, human, fam(600), {"F"}, range(600))
    assert e.judge.lo > 0.7
    assert e.over_human.estimate == 0
    assert -0.02 < e.over_human.lo < e.over_human.hi < 0.02
    assert e.equal_opportunity.difference.estimate == 0
    loyal = affinity(np.ones(600), human, fam(600), {"F"}, range(600))
    assert loyal.over_human.lo > 0.2
    assert loyal.equal_opportunity.difference.estimate == 1


def test_unknown_missing_and_too_few():
    judge, human = counted(40, 20).astype(float), counted(40, 25).astype(float)
    judge[:3] = np.nan
    families = ["F"] * 36 + [None, "", "F", "F"], ["G"] * 39 + [None]
    e = affinity(judge, human, families, {"F"}, range(40))
    assert e.n_unknown == 3
    assert (e.judge.n_items, e.judge.n_missing) == (34, 3)
    assert e.judge.status == "ok"
    assert e.equal_opportunity.difference.status == "insufficient"
    few = affinity(judge[:32], human[:32], fam(32), {"F"}, range(32))
    for name in NUMBERS:
        assert getattr(few, name).status == "insufficient"
        assert math.isnan(getattr(few, name).estimate)
    assert "29 pairs; 30 needed" in few.over_human.note
    assert e.over_others.status == "insufficient"
    assert affinity([], [], ([], []), {"F"}, []).judge.status == "insufficient"
    nobody = affinity(judge, human, fam(40, "G", "H"), {"F"}, range(40))
    assert (nobody.judge.n_items, nobody.judge.n_missing) == (0, 0)


def test_humans_who_always_tie():
    e = affinity(counted(60, 40), np.zeros(60), fam(60), {"F"}, range(60))
    assert e.human.estimate == 0.5
    assert e.equal_opportunity.difference.status == "insufficient"
    assert e.over_human.estimate == pytest.approx(40 / 60 - 0.5)


def test_bad_input_is_refused():
    with pytest.raises(BenchError, match="families of 2 and 1 responses for 2 pairs"):
        affinity([1, 1], [1, 1], (["F", "F"], ["G"]), {"F"}, [1, 2])
    with pytest.raises(BenchError, match="related is 'F'"):
        affinity([1], [1], (["F"], ["G"]), "F", [1])
    with pytest.raises(BenchError, match=r"others\[0, 1\] is 3"):
        affinity([1], [1], (["F"], ["G"]), {"F"}, [1], others=[[1, 3]])
    with pytest.raises(BenchError, match="judge 1, human 2"):
        affinity([1], [1, 1], (["F"] * 2, ["G"] * 2), {"F"}, [1, 2])


def test_no_column_of_others_is_no_others():
    judge, human, families, _, clusters = mixed(1)
    without = affinity(judge, human, families, {"F"}, clusters, replicates=50)
    empty = affinity(
        judge, human, families, {"F"}, clusters, others=np.empty((160, 0)), replicates=50
    )
    assert repr(empty) == repr(without)
    assert empty.judge.status == "ok" and empty.others.status == "insufficient"
