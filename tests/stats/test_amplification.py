from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score, matthews_corrcoef

from bench.stats.amplification import amplification, fieller, follows_more, shared_errors
from bench.types import BenchError

Z = 1.959963984540054


def test_fieller_vector(vector):
    v = vector("bias.amplification_fieller")
    x = v.inputs
    covariance = x["corr"] * x["teacher_se"] * x["student_se"]
    found = fieller(x["teacher"], x["teacher_se"], x["student"], x["student_se"], covariance, Z)
    v.close(found, "fieller95")
    v.close(x["student"] / x["teacher"], "ratio")


def rows_with(mean, se, n=400, seed=0):
    """Two columns of n rows whose clustered (CR1) means, errors and covariance are these."""
    rng = np.random.default_rng(seed)
    noise = rng.normal(size=(n, 2))
    noise -= noise.mean(axis=0)
    noise = noise @ np.linalg.inv(np.linalg.cholesky(np.cov(noise.T))).T
    cover = np.array([[se[0] ** 2, se[2]], [se[2], se[1] ** 2]]) * n
    return (noise @ np.linalg.cholesky(cover).T + mean).T


def test_ratio_and_difference_from_rows(vector):
    v = vector("bias.amplification_fieller")
    x = v.inputs
    covariance = x["corr"] * x["teacher_se"] * x["student_se"]
    mean, se = (x["teacher"], x["student"]), (x["teacher_se"], x["student_se"], covariance)
    e = amplification(*rows_with(mean, se), range(400))
    v.close(e.ratio.estimate, "ratio")
    v.close(e.difference.estimate, "difference")
    v.close(e.difference.se, "difference_se")
    # t(399) in place of the normal law is a little wider.
    np.testing.assert_allclose((e.ratio.lo, e.ratio.hi), v.expected["fieller95"], atol=0.01)
    assert e.ratio.lo < v.expected["fieller95"][0]
    assert e.ratio.hi > v.expected["fieller95"][1]


def test_bounds_of_fieller_are_where_the_difference_is_just_significant():
    t, te, s, se, cov = 0.5, 0.1, 0.3, 0.12, 0.004
    for r in fieller(t, te, s, se, cov, Z):
        variance = se**2 - 2 * r * cov + r**2 * te**2
        assert abs(s - r * t) == pytest.approx(Z * math.sqrt(variance))


def test_no_ratio_where_the_teacher_has_no_clear_bias():
    e = amplification(*rows_with((0.15, 0.4), (0.08, 0.09, 0)), range(400))
    assert e.ratio.status == "degenerate"
    assert math.isnan(e.ratio.estimate)
    assert "read the difference" in e.ratio.note
    assert e.difference.estimate == pytest.approx(0.25)
    assert e.difference.lo > 0
    # The same at a low level: 1.96 errors are asked whatever the level.
    low = amplification(*rows_with((0.15, 0.4), (0.08, 0.09, 0)), range(400), level=0.5)
    assert low.ratio.status == "degenerate"


@given(st.integers(0, 10_000), st.floats(0.1, 10))
def test_symmetries(seed, factor):
    rng = np.random.default_rng(seed)
    teacher, student = rng.normal(0.5, 1, (2, 80))
    ids = rng.integers(0, 30, 80)
    e = amplification(teacher, student, ids)
    mirrored, scaled = (amplification(f * teacher, f * student, ids) for f in (-1, factor))
    for other in (mirrored, scaled):
        assert e.ratio.status == other.ratio.status
        np.testing.assert_allclose(
            (e.ratio.estimate, e.ratio.lo, e.ratio.hi),
            (other.ratio.estimate, other.ratio.lo, other.ratio.hi),
            rtol=1e-6,
        )
    if not math.isnan(e.ratio.lo):
        assert e.ratio.lo < e.ratio.estimate < e.ratio.hi
        same = amplification(teacher, teacher, ids).ratio
        np.testing.assert_allclose((same.estimate, same.lo, same.hi), 1, atol=1e-6)


def test_coverage_of_the_ratio():
    rng, hits = np.random.default_rng(5), 0
    ids = np.repeat(np.arange(50), 3)
    for _ in range(1000):
        shared = rng.normal(size=(2, 50))[:, ids] + rng.normal(size=150)
        teacher, student = shared + rng.normal(size=(2, 150)) + [[1.2], [1.8]]
        e = amplification(teacher, student, ids).ratio
        hits += e.lo <= 1.5 <= e.hi
    assert 0.93 <= hits / 1000 <= 0.97


def test_amplification_degenerate_zoo():
    assert amplification([], [], []).ratio.status == "insufficient"
    assert amplification([1, 2], [1, 2], ["p", "p"]).ratio.status == "one_cluster"
    assert amplification([1, 1, 1], [1, 2, 3], range(3)).ratio.status == "degenerate"
    with pytest.raises(BenchError, match=r"student\[1\] is nan"):
        amplification([1, 2], [1, math.nan], [1, 2])
    with pytest.raises(BenchError, match="2 rows of the teacher, 1 of the student"):
        amplification([1, 2], [1], [1, 2])


def errors(counts):
    """Both wrong, only the student, only the teacher, neither -> verdicts where humans say +1."""
    student, teacher = np.repeat([[-1, -1, 1, 1], [-1, 1, -1, 1]], counts, axis=1)
    return student, teacher, np.ones(sum(counts))


def test_shared_errors_vector(vector):
    v = vector("bias.error_agreement")
    names = "both_wrong only_student_wrong only_teacher_wrong both_right"
    student, teacher, human = errors([v.inputs[k] for k in names.split()])
    e = shared_errors(student, teacher, human, range(500))
    v.close(e.both_wrong.estimate, "observed_both_wrong")
    v.close(e.both_wrong.estimate / e.lift.estimate, "expected_independent")
    v.close(e.lift.estimate, "lift")
    v.close(e.phi.estimate, "phi")
    v.close(e.kappa.estimate, "error_kappa")
    v.close(e.follows.estimate, "P_student_follows_teacher_given_teacher_wrong")
    v.close(e.own.estimate, "P_student_wrong_given_teacher_right")
    for x in (e.both_wrong, e.lift, e.phi, e.kappa, e.follows, e.own):
        assert x.lo < x.estimate < x.hi
    assert e.lift.lo > 1


@given(st.lists(st.tuples(*[st.sampled_from([-1, 0, 1])] * 3), min_size=4, max_size=40))
def test_coefficients_are_those_of_sklearn(triples):
    student, teacher, human = (np.array(x) for x in zip(*triples, strict=True))
    e = shared_errors(student, teacher, human, range(human.size), replicates=20)
    again = shared_errors(-student, -teacher, -human, range(human.size), replicates=20)
    a, b = student != human, teacher != human
    if 0 < a.sum() < a.size and 0 < b.sum() < b.size:
        assert e.phi.estimate == pytest.approx(matthews_corrcoef(a, b))
        assert e.kappa.estimate == pytest.approx(cohen_kappa_score(a, b))
    else:
        assert math.isnan(e.phi.estimate)
    for name in e.__slots__:
        np.testing.assert_allclose(
            getattr(e, name).estimate, getattr(again, name).estimate, atol=1e-9
        )
    if b.any():
        assert e.follows.estimate == pytest.approx(np.mean(student[b] == teacher[b]))


def test_follows_means_the_same_wrong_verdict():
    e = shared_errors([0, -1, 1, None], [-1, -1, -1, 1], [1, 1, 1, 1], range(4))
    assert e.both_wrong.estimate == pytest.approx(2 / 3)
    assert e.follows.estimate == pytest.approx(1 / 3)
    assert e.follows.n_missing == 1


def test_shared_errors_degenerate_zoo():
    none = shared_errors([], [], [], [])
    assert none.lift.status == none.follows.status == "insufficient"
    right = shared_errors(np.ones(40), np.ones(40), np.ones(40), range(40))
    assert right.both_wrong.estimate == 0
    assert right.both_wrong.hi > 0
    assert math.isnan(right.lift.estimate)
    assert right.follows.status == "insufficient"
    with pytest.raises(BenchError, match=r"teacher\[0\] is 2"):
        shared_errors([1], [2], [1], [1])


def test_training_made_the_student_follow():
    rng = np.random.default_rng(6)
    human = np.ones(800)
    teacher = np.where(rng.random(800) < 0.3, -1, 1)
    base = np.where(rng.random(800) < 0.3, -1, 1)
    student = np.where(rng.random(800) < 0.5, teacher, base)
    e = follows_more(student, base, teacher, human, range(800))
    wrong = teacher == -1
    assert e.n_items == wrong.sum()
    assert e.estimate == pytest.approx(np.mean(student[wrong] == -1) - np.mean(base[wrong] == -1))
    assert e.lo > 0.1
    same = follows_more(base, base, teacher, human, range(800))
    assert same.estimate == 0
    assert same.lo < 0 < same.hi
    missing = np.where(np.arange(800) < 7, np.nan, student)
    assert follows_more(missing, base, teacher, human, range(800)).n_missing == 7
    assert follows_more([1], [1], [1], [1], [1]).status == "insufficient"
