from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import t
from statsmodels.regression.linear_model import GLS
from statsmodels.stats.meta_analysis import combine_effects
from statsmodels.stats.outliers_influence import variance_inflation_factor

from bench.stats.meta import meta_analysis, meta_regression, tau2_reml
from bench.types import BenchError

STUDIES = st.lists(st.tuples(st.floats(-1, 1), st.floats(0.001, 0.5)), min_size=3, max_size=12)


def numbers(e):
    return e.estimate, e.lo, e.hi, e.se


def test_bcg_vector(vector):
    v = vector("meta.bcg")
    y, var = v.inputs["yi"], v.inputs["vi"]
    reml, dl, pm = (meta_analysis(y, var, method=m) for m in ("REML", "DL", "PM"))
    v.close(reml.fixed.estimate, "fixed")
    v.close(reml.spread.q, "Q")
    v.close(100 * reml.spread.i2, "I2_dl")
    v.close(dl.tau2, "tau2_DL")
    v.close(dl.random.estimate, "mu_DL")
    v.close(pm.tau2, "tau2_PM")
    v.close(reml.tau2, "tau2_REML")
    v.close(reml.random.estimate, "mu_REML")
    v.close(reml.random.se, "HKSJ_se")
    v.close((reml.random.lo, reml.random.hi), "HKSJ_ci95")
    v.close(reml.prediction, "prediction_interval95_t_k-2")
    weights = 1 / (np.array(var) + reml.tau2)
    v.close(weights.sum() ** -0.5, "se_REML")
    v.close((1 / (np.array(var) + dl.tau2)).sum() ** -0.5, "se_DL")
    assert reml.random.df == 12 and math.isinf(reml.fixed.df)


@given(STUDIES)
def test_agrees_with_statsmodels(studies):
    y, v = map(np.array, zip(*studies, strict=True))
    ours, oracle = meta_analysis(y, v, method="DL"), combine_effects(y, v, method_re="chi2")
    np.testing.assert_allclose(ours.tau2, max(0, oracle.tau2), rtol=1e-6, atol=1e-12)
    if oracle.tau2 > 0:  # theirs may be negative
        np.testing.assert_allclose(ours.random.estimate, oracle.mean_effect_re, atol=1e-9)
    np.testing.assert_allclose(ours.fixed.estimate, oracle.mean_effect_fe, atol=1e-9)
    np.testing.assert_allclose(ours.fixed.se, oracle.sd_eff_w_fe, rtol=1e-9)


@given(STUDIES)
def test_paule_mandel_solves_its_equation(studies):
    y, v = map(np.array, zip(*studies, strict=True))
    found = meta_analysis(y, v, method="PM")
    w = 1 / (v + found.tau2)
    excess = np.sum(w * (y - np.average(y, weights=w)) ** 2) - (y.size - 1)
    assert excess == pytest.approx(0, abs=1e-6) or (excess < 0 and found.tau2 == 0)


def test_paule_mandel_agrees_with_statsmodels(vector):
    y, v = (np.array(vector("meta.bcg").inputs[k]) for k in ("yi", "vi"))
    for part in (slice(None), slice(0, 6), slice(5, None)):
        # Closer, and rounding may make the last step too long, for which the library says 0.
        theirs = combine_effects(y[part], v[part], method_re="iterated", atol=1e-8)
        ours = meta_analysis(y[part], v[part], method="PM")
        np.testing.assert_allclose(ours.tau2, theirs.tau2, rtol=1e-6)
        np.testing.assert_allclose(ours.random.estimate, theirs.mean_effect_re, rtol=1e-6)


@given(STUDIES)
def test_reml_solves_its_equation_and_has_the_symmetries(studies):
    y, v = map(np.array, zip(*studies, strict=True))
    found = meta_analysis(y, v)
    assert found.random.lo <= found.random.estimate <= found.random.hi
    assert found.random.se >= (1 / (v + found.tau2)).sum() ** -0.5 - 1e-12, "never shortened"
    np.testing.assert_allclose(
        meta_analysis(-y[::-1], v[::-1]).random.estimate, -found.random.estimate, atol=1e-6
    )
    if found.tau2 > 1e-4:
        # tau^2 = sum w^2 ((y - m)^2 - v) / sum w^2 + 1 / sum w at the restricted maximum
        w = 1 / (v + found.tau2)
        m = np.average(y, weights=w)
        again = np.sum(w**2 * ((y - m) ** 2 - v)) / np.sum(w**2) + 1 / w.sum()
        np.testing.assert_allclose(again, found.tau2, rtol=1e-3)


def test_equal_variances_have_a_closed_form():
    y = np.array([0.1, 0.4, -0.2, 0.35, 0.0])
    for method in ("REML", "DL", "PM"):
        found = meta_analysis(y, np.full(5, 0.01), method=method)
        assert found.tau2 == pytest.approx(y.var(ddof=1) - 0.01, rel=1e-6)
        assert found.random.se == pytest.approx(y.std(ddof=1) / math.sqrt(5), rel=1e-6)


def test_few_studies():
    nan = math.nan
    none = meta_analysis([], [])
    assert none.random.status == none.fixed.status == "insufficient" and math.isnan(none.tau2)
    one = meta_analysis([0.3], [0.04])
    assert one.random == one.fixed and one.random.note == "one study"
    np.testing.assert_allclose(numbers(one.random), (0.3, 0.3 - 0.392, 0.3 + 0.392, 0.2), atol=1e-4)
    np.testing.assert_equal((one.tau2, *one.prediction), (nan, nan, nan))
    two = meta_analysis([0.3, 0.1], [0.04, 0.04])
    assert two.tau2 == 0 and two.random.df == 1
    assert two.random.hi - 0.2 == pytest.approx(t.ppf(0.975, 1) * math.sqrt(0.02))
    assert all(math.isnan(x) for x in two.prediction)
    three = meta_analysis([0.2] * 3, [0.04] * 3)
    assert three.tau2 == 0 and three.prediction[0] < three.random.lo
    assert three.prediction[1] - 0.2 == pytest.approx(t.ppf(0.975, 1) * math.sqrt(0.04 / 3))


def test_bad_studies():
    with pytest.raises(BenchError, match="effect 1"):
        meta_analysis([0.1, 0.2], [0.1, 0])
    with pytest.raises(BenchError, match="2 differences with 1 variances"):
        meta_analysis([0.1, 0.2], [0.1])


def judges(v):
    covariates = {"size": v.inputs["log10_params_b"], "trained": v.inputs["trained"]}
    return np.array(v.inputs["accuracy"]), covariates, np.array(v.inputs["var"])


def test_regression_vector(vector):
    v = vector("meta.regression")
    y, covariates, var = judges(v)
    found = meta_regression(y, covariates, var)
    assert list(found.coefficients) == ["intercept", "size", "trained"]
    estimates = list(found.coefficients.values())
    v.close(found.tau2, "tau2_reml")
    v.close([e.estimate for e in estimates], "coef")
    v.close([e.se for e in estimates], "se_kh_truncated_max(1,s2)")
    v.close([e.se for e in estimates], "se_z")
    v.close(found.s2, "knapp_hartung_s2")
    untruncated = np.array([e.se for e in estimates]) * math.sqrt(found.s2)
    v.close(untruncated, "se_kh")
    assert {e.df for e in estimates} == {v.expected["df"]}
    v.close(found.vif["trained"], "vif_trained_size")
    v.close(found.vif["size"], "vif_trained_size")


def test_regression_with_shared_items_is_gls(vector):
    y, covariates, var = judges(vector("meta.regression"))
    shared = 0.6 * np.sqrt(np.outer(var, var))
    np.fill_diagonal(shared, var)
    found = meta_regression(y, covariates, shared)
    x = np.column_stack([np.ones(8), *covariates.values()])
    oracle = GLS(y, x, sigma=shared + found.tau2 * np.eye(8)).fit()
    estimates = found.coefficients.values()
    np.testing.assert_allclose([e.estimate for e in estimates], oracle.params, rtol=1e-9)
    np.testing.assert_allclose(found.s2, oracle.scale, rtol=1e-9)
    plain = oracle.bse / math.sqrt(oracle.scale)
    np.testing.assert_allclose([e.se for e in estimates], plain * max(1, found.s2**0.5), rtol=1e-9)
    # Errors that judges share cancel in the slopes and leave more to the spread between judges.
    assert found.tau2 > meta_regression(y, covariates, var).tau2
    assert found.vif["size"] == pytest.approx(variance_inflation_factor(x, 1))


def test_without_covariates_it_is_the_meta_analysis(vector):
    v = vector("meta.bcg")
    y, var = v.inputs["yi"], v.inputs["vi"]
    alone = meta_regression(y, {}, var).coefficients["intercept"]
    assert numbers(alone) == numbers(meta_analysis(y, var).random)


def test_regression_refuses():
    y, var = np.linspace(0.6, 0.8, 6), np.full(6, 1e-4)
    size = np.array([0.0, 1, 2, 0, 1, 3])
    few = meta_regression(y[:5], {"size": size[:5], "trained": [1, 1, 0, 0, 1]}, var[:5])
    assert {e.status for e in few.coefficients.values()} == {"insufficient"}
    assert "5 judges for 3 coefficients" in few.coefficients["size"].note
    assert math.isnan(few.tau2) and math.isnan(few.vif["size"])
    for bad in (np.ones(6), np.zeros(6), 2 * size + 1):
        found = meta_regression(y, {"size": size, "other": bad}, var)
        assert {e.status for e in found.coefficients.values()} == {"degenerate"}
        assert found.vif["other"] == math.inf and "other" in found.coefficients["size"].note
    exact = meta_regression(0.5 + 0.1 * size, {"size": size}, var)
    assert exact.tau2 == 0 and exact.coefficients["size"].estimate == pytest.approx(0.1)


def test_regression_bad_input():
    y, size = np.linspace(0.6, 0.8, 6), np.arange(6.0)
    with pytest.raises(BenchError, match="size has 5 values for 6 judges"):
        meta_regression(y, {"size": size[:5]}, np.ones(6))
    with pytest.raises(BenchError, match=r"size\[0\] is nan"):
        meta_regression(y, {"size": [math.nan, *size[1:]]}, np.ones(6))
    with pytest.raises(BenchError, match="symmetric 6 by 6"):
        meta_regression(y, {"size": size}, np.ones((5, 5)))
    with pytest.raises(BenchError, match="not positive definite"):
        meta_regression(y, {"size": size}, np.ones((6, 6)))
    with pytest.raises(BenchError, match="symmetric"):
        meta_regression(y, {"size": size}, np.full((6, 6), math.nan))


def test_reml_finds_the_higher_of_two_peaks():
    rng = np.random.default_rng(3)
    y, v = rng.normal(0, 0.3, 12), rng.uniform(0.001, 0.4, 12)
    x = np.ones((12, 1))

    def likelihood(tau2):
        w = 1 / (v + tau2)
        m = np.average(y, weights=w)
        return np.sum(np.log(w)) - math.log(w.sum()) - np.sum(w * (y - m) ** 2)

    best = likelihood(tau2_reml(y, x, np.diag(v)))
    assert best >= max(likelihood(tau2) for tau2 in np.linspace(0, 1, 2000)) - 1e-9
