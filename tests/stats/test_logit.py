from __future__ import annotations

import math

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.stats.clusters import mean_variance
from bench.stats.logit import Logit, fit_logit
from bench.types import BenchError


def data(seed=0, n=300, k=2, ties=False):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, k)) * [1, 50][:k] + [0, 20][:k]
    eta = 0.4 + x @ ([0.8, -0.02][:k])
    y = (rng.random(n) < 1 / (1 + np.exp(-eta))).astype(float)
    if ties:
        y[rng.random(n) < 0.2] = 0.5
    return {f"x{i}": x[:, i] for i in range(k)}, y, rng.integers(0, n // 5, n)


def oracle(columns, y, clusters, correct=False):
    design = np.column_stack([np.ones(y.size), *columns.values()])
    kwds = {"groups": np.unique(clusters, return_inverse=True)[1], "use_correction": correct}
    model = sm.GLM(y, design, family=sm.families.Binomial())
    return model.fit(cov_type="cluster", cov_kwds=kwds)


def cr0(effect):
    return math.sqrt(mean_variance(effect.influence, effect.groups, small_sample=False))


@pytest.mark.parametrize("seed, ties", [(0, False), (1, True), (2, True), (3, False)])
def test_coefficients_and_errors_are_those_of_statsmodels(seed, ties):
    columns, y, clusters = data(seed, ties=ties)
    fit, other = fit_logit(columns, y, clusters), oracle(columns, y, clusters)
    assert fit.names == ("intercept", "x0", "x1")
    np.testing.assert_allclose(fit.coefficients, other.params, rtol=1e-7)
    np.testing.assert_allclose([cr0(fit.coefficient(x)) for x in fit.names], other.bse, rtol=1e-6)
    e = fit.coefficient("x0").estimate("log odds")
    g = e.n_clusters
    assert e.se == pytest.approx(other.bse[1] * math.sqrt(g / (g - 1)))
    assert e.lo < e.estimate < e.hi
    assert e.status == "ok"
    np.testing.assert_allclose(fit.influence.mean(axis=0), 0, atol=1e-9)


@pytest.mark.parametrize("ties", [False, True])
def test_marginal_effects_are_those_of_statsmodels(ties):
    columns, y, clusters = data(4, ties=ties)
    fit, other = fit_logit(columns, y, clusters), oracle(columns, y, clusters)
    p = other.fittedvalues
    for k, name in enumerate(columns, 1):
        e = fit.marginal(name)
        assert e.value == pytest.approx(np.mean(p * (1 - p)) * other.params[k])
    # With the design fixed, their delta method: only the part that the coefficients add.
    slope, beta = p * (1 - p), other.params
    design = fit.design
    gradient = beta[1] * np.mean((slope * (1 - 2 * p))[:, None] * design, axis=0)
    gradient[1] += slope.mean()
    fixed = fit.influence @ gradient
    error = math.sqrt(mean_variance(fixed, fit.groups, small_sample=False))
    assert error == pytest.approx(math.sqrt(gradient @ other.cov_params() @ gradient), rel=1e-6)


def test_marginal_effect_vector(vector):
    v = vector("bias.ame")
    eta = np.array(v.inputs["eta"], float)
    fit = Logit(
        ("intercept", "x"),
        np.column_stack([np.ones(4), eta / v.inputs["gamma"]]),
        np.array([0, v.inputs["gamma"]]),
        np.zeros((4, 2)),
        fit_logit({}, [], []).groups,
        frozenset(),
    )
    v.close(fit.marginal("x").value, "ame")


@pytest.mark.parametrize("what", ["coefficient", "marginal", "predicted", "ratio"])
def test_influence_is_the_jackknife(what):
    """n - 1 times the change when a row leaves is its influence, up to terms of 1 / n."""
    columns, y, clusters = data(5, n=400, ties=True)

    def effect(rows):
        fit = fit_logit({k: x[rows] for k, x in columns.items()}, y[rows], clusters[rows])
        return {
            "coefficient": lambda: fit.coefficient("x0"),
            "marginal": lambda: fit.marginal("x0"),
            "predicted": lambda: fit.predicted({"x1": 0.0}),
            "ratio": lambda: fit.ratio("x1", "x0"),
        }[what]()

    whole = effect(np.ones(400, bool))
    change = [399 * (whole.value - effect(np.arange(400) != i).value) for i in range(60)]
    expected = whole.influence[:60]
    np.testing.assert_allclose(change, expected, atol=0.05 * np.abs(expected).max())
    assert np.corrcoef(change, expected)[0, 1] > 0.999


def test_predicted_mean_at_a_value():
    columns, y, clusters = data(6)
    fit, other = fit_logit(columns, y, clusters), oracle(columns, y, clusters)
    design = fit.design.copy()
    design[:, 1] = 0
    e = fit.predicted({"x0": 0.0})
    assert e.value == pytest.approx(other.predict(design).mean())
    assert fit.predicted({}).value == pytest.approx(y.mean())
    # Nothing changed: the error is that of the mean response.
    assert cr0(fit.predicted({})) == pytest.approx(
        math.sqrt(mean_variance(y, e.groups, small_sample=False))
    )


def test_difference_of_two_fits_on_the_same_rows():
    columns, y, clusters = data(7)
    fit = fit_logit(columns, y, clusters)
    none = fit.coefficient("x0") - fit.coefficient("x0")
    assert none.value == 0
    assert none.estimate("difference").status == "degenerate"
    other = np.random.default_rng(8).permutation(y)
    b = fit_logit(columns, other, clusters)
    e = fit.coefficient("x0") - b.coefficient("x0")
    assert e.value == pytest.approx(fit.coefficients[1] - b.coefficients[1])
    # Two independent responses: variances add up, roughly.
    together = math.hypot(cr0(fit.coefficient("x0")), cr0(b.coefficient("x0")))
    assert cr0(e) == pytest.approx(together, rel=0.25)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000))
def test_what_must_not_matter(seed):
    columns, y, clusters = data(seed, n=120, ties=True)
    fit = fit_logit(columns, y, clusters)
    order = np.random.default_rng(seed).permutation(y.size)
    shuffled = fit_logit(
        {k: x[order] for k, x in columns.items()}, y[order], [f"p{c}" for c in clusters[order]]
    )
    mirrored = fit_logit({k: -x for k, x in columns.items()}, 1 - y, clusters)
    scaled = fit_logit({k: 1000 * x + 5 for k, x in columns.items()}, y, clusters)
    doubled = fit_logit(
        {k: np.tile(x, 2) for k, x in columns.items()},
        np.tile(y, 2),
        np.append(clusters, clusters + 1000),
    )
    assert fit.note == mirrored.note == scaled.note
    for name, back in (("x0", 1000.0), ("x1", 1000.0)):
        e = fit.coefficient(name)
        for other, factor in ((shuffled, 1.0), (mirrored, 1.0), (scaled, back)):
            f = other.coefficient(name)
            np.testing.assert_allclose((e.value, cr0(e)), (factor * f.value, factor * cr0(f)), 1e-5)
        if not fit.note:
            twice = doubled.coefficient(name)
            np.testing.assert_allclose(
                (e.value, cr0(e) / math.sqrt(2)), (twice.value, cr0(twice)), 1e-5
            )


def test_separation_is_shrunk_and_said():
    x = np.linspace(-1, 1, 100)
    e = fit_logit({"x": x}, (x > 0).astype(float), range(100)).coefficient("x").estimate("b")
    assert "separated" in e.note
    assert e.status == "ok_small"
    assert 1 < e.estimate < 40
    # Partly: one value of a column always has the same response.
    rng = np.random.default_rng(0)
    flag, z = (np.arange(200) < 20).astype(float), rng.normal(size=200)
    y = np.where(flag > 0, 1, rng.random(200) < 0.5).astype(float)
    fit = fit_logit({"flag": flag, "z": z}, y, range(200))
    assert "separated" in fit.note
    assert np.isfinite(fit.coefficients).all()
    np.testing.assert_allclose(fit.influence.mean(axis=0), 0, atol=1e-9)


def test_columns_that_imply_each_other_share_the_effect():
    columns, y, clusters = data(9, k=1)
    alone = fit_logit(columns, y, clusters)
    fit = fit_logit(columns | {"again": 2 * columns["x0"]}, y, clusters)
    assert "collinear" in fit.note
    assert fit.coefficients[1] == pytest.approx(2 * fit.coefficients[2])
    assert fit.coefficients[1] + 2 * fit.coefficients[2] == pytest.approx(
        alone.coefficients[1], rel=0.02
    )


def test_constant_column_is_left_out():
    columns, y, clusters = data(10, k=1)
    fit = fit_logit(columns | {"same": np.full(y.size, 7.0)}, y, clusters)
    plain = fit_logit(columns, y, clusters)
    np.testing.assert_allclose(fit.coefficients, plain.coefficients)
    for effect in (fit.coefficient("same"), fit.marginal("same"), fit.ratio("same", "x0")):
        e = effect.estimate("b")
        assert math.isnan(e.estimate)
        assert e.status == "degenerate"
        assert "constant, so left out: same" in e.note
    kept = fit.coefficient("x0").estimate("b")
    assert kept.status == "ok"
    assert "same" in kept.note
    assert fit.predicted({"same": 0}).value == pytest.approx(y.mean())


@pytest.mark.parametrize(
    "n, events, refused", [(49, 24, True), (50, 20, False), (50, 19, True), (0, 0, True)]
)
def test_too_little_is_refused(n, events, refused):
    y = np.arange(n) < events
    x = np.random.default_rng(1).normal(size=n)
    fit = fit_logit({"x": x}, y, range(n))
    for effect in (
        fit.coefficient("x"), fit.marginal("x"), fit.predicted({}), fit.ratio("x", "x"),
        fit.coefficient("x") - fit.coefficient("x"),
    ):  # fmt: skip
        e = effect.estimate("b", missing=3)
        assert (e.status == "insufficient") == refused
        assert e.n_missing == 3
        if refused:
            assert math.isnan(e.estimate)
            assert "20 needed" in e.note or n == 0


def test_ratio_needs_a_divisor_clear_of_0():
    rng = np.random.default_rng(2)
    x, z = rng.normal(size=(2, 400))
    y = (rng.random(400) < 1 / (1 + np.exp(-x))).astype(float)
    e = fit_logit({"x": x, "z": z}, y, range(400)).ratio("x", "z").estimate("ratio")
    assert e.status == "degenerate"
    assert "z is not clear of 0" in e.note


def test_one_cluster_has_no_error():
    columns, y, _ = data(11)
    e = fit_logit(columns, y, ["p"] * y.size).coefficient("x0").estimate("b")
    assert e.status == "one_cluster"
    assert math.isnan(e.lo)
    assert math.isfinite(e.estimate)


def test_bad_input_is_refused():
    columns, y, clusters = data(12)
    with pytest.raises(BenchError, match=r"response\[0\] is 2"):
        fit_logit(columns, np.where(np.arange(y.size) == 0, 2, y), clusters)
    with pytest.raises(BenchError, match=r"x\[1\] is nan"):
        fit_logit({"x": [0, math.nan]}, [0, 1], [1, 2])
    with pytest.raises(BenchError, match=r"x\[0\] is inf"):
        fit_logit({"x": [math.inf, 0]}, [0, 1], [1, 2])
    with pytest.raises(BenchError, match="'x': 3 values for 2 responses"):
        fit_logit({"x": [0, 1, 2]}, [0, 1], [1, 2])
    with pytest.raises(BenchError, match="no column 'y'"):
        fit_logit(columns, y, clusters).coefficient("y")


def test_coverage_with_clusters():
    """40 prompts of 5 rows that share an effect; marginal log odds from a large sample."""

    def draw(rng, g):
        ids = np.repeat(np.arange(g), 5)
        x = rng.normal(size=g)[ids] * 0.7 + rng.normal(size=ids.size) * 0.7
        eta = 0.3 + 0.8 * x + rng.normal(size=g)[ids]
        return {"x": x}, (rng.random(ids.size) < 1 / (1 + np.exp(-eta))).astype(float), ids

    truth = fit_logit(*draw(np.random.default_rng(0), 100_000))
    rng, hits = np.random.default_rng(13), np.zeros(3)
    wanted = [truth.coefficient("x").value, truth.marginal("x").value, truth.predicted({}).value]
    for _ in range(800):
        fit = fit_logit(*draw(rng, 40))
        found = fit.coefficient("x"), fit.marginal("x"), fit.predicted({})
        for i, effect in enumerate(found):
            e = effect.estimate("")
            hits[i] += e.lo <= wanted[i] <= e.hi
    assert (hits / 800 > 0.915).all(), hits / 800
