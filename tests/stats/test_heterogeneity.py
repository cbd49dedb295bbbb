from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chi2, norm
from statsmodels.stats.meta_analysis import combine_effects

from bench.stats.estimate import Basis
from bench.stats.heterogeneity import (
    cochran_q,
    contradiction,
    gail_simon,
    two_sided_p,
    working_variance,
)
from bench.stats.paired import cluster_bonett_price
from bench.types import BenchError

EFFECTS = st.lists(
    st.tuples(st.integers(-50, 50).map(lambda x: x / 50), st.floats(0.01, 1)),
    min_size=2,
    max_size=8,
)


def wald(value, variance, n=300):
    se = math.sqrt(variance)
    basis = Basis("Wald", 0.95, n, n)
    return basis.estimate(
        value, (value - 1.96 * se, value + 1.96 * se), se=se, n_eff=float(n), df=math.inf
    )


def test_gail_simon_vector(vector):
    v = vector("test.gail_simon")
    found = gail_simon(v.inputs["diff"], v.inputs["var"])
    v.close(found.q_plus, "Q_plus")
    v.close(found.q_minus, "Q_minus")
    v.close(found.statistic, "statistic")
    v.close(found.p, "p")


@pytest.mark.parametrize(("k", "key"), [(2, "critical_value_K2_.05"), (3, "critical_value_K3_.05")])
def test_gail_simon_published_critical_values(vector, k, key):
    critical = vector("test.gail_simon").expected[key]
    d = [math.sqrt(critical)] + [-10.0] * (k - 1)
    assert gail_simon(d, np.ones(k)).p == pytest.approx(0.05, abs=2e-4)


def test_gail_simon_two_domains_is_the_smaller_one_sided_p():
    found = gail_simon([0.5, -2.0], [0.1, 0.1])
    assert found.p == pytest.approx(norm.sf(0.5 / math.sqrt(0.1)))


@given(EFFECTS)
def test_symmetries(pairs):
    d, v = map(np.array, zip(*pairs, strict=True))
    spread, reversal = cochran_q(d, v), gail_simon(d, v)
    assert 0 <= spread.i2 < 1 and 0 <= spread.p <= 1 and 0 <= reversal.p <= 1
    np.testing.assert_allclose(cochran_q(-d[::-1], v[::-1]).q, spread.q, atol=1e-9)
    np.testing.assert_allclose(cochran_q(3 * d, 9 * v).q, spread.q, rtol=1e-9, atol=1e-9)
    mirrored = gail_simon(-d[::-1], v[::-1])
    np.testing.assert_allclose(
        (mirrored.q_plus, mirrored.q_minus, mirrored.p),
        (reversal.q_minus, reversal.q_plus, reversal.p),
        rtol=1e-9,
    )
    expected = combine_effects(d, v)
    np.testing.assert_allclose(spread.q, expected.q, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(spread.p, chi2.sf(expected.q, d.size - 1), rtol=1e-6)
    assert (reversal.statistic > 0) == (d.min() < 0 < d.max())


def test_gail_simon_rejects_at_its_level_at_the_border_of_the_null():
    """One effect at 0, the other far above: the hardest null. p is below .05 in 5 % of runs."""
    rng = np.random.default_rng(0)
    first = rng.normal(0, 1, 4000)
    rate = np.mean([gail_simon([x, 8.0], [1.0, 1.0]).p < 0.05 for x in first])
    assert 0.04 < rate < 0.06


def test_identical_and_too_few():
    assert cochran_q([0.1, 0.1], [1, 2]).i2 == 0
    assert cochran_q([0.0, 0.0], [1, 2]) == cochran_q([0.0, 0.0], [3, 1])
    assert gail_simon([0.0, 0.0, 0.0], [1, 1, 1]).p == 1
    assert gail_simon([0.2, 0.3], [1e-6, 1e-6]).p == 1
    for few in ([], [0.3]):
        spread, reversal = cochran_q(few, np.ones(len(few))), gail_simon(few, np.ones(len(few)))
        assert math.isnan(spread.q) and math.isnan(spread.p) and math.isnan(spread.i2)
        assert spread.df == 0 and math.isnan(reversal.p)


@pytest.mark.parametrize(
    ("d", "v", "message"),
    [
        ([0.1, 0.2], [1.0], "2 differences with 1 variances"),
        ([0.1, 0.2], [1.0, 0.0], "effect 1"),
        ([0.1, math.inf], [1.0, 1.0], "effect 1"),
        ([0.1, math.nan], [1.0, 1.0], r"differences\[1\]"),
        ([0.1, 0.2], [1.0, -1.0], r"variances\[1\]"),
    ],
)
def test_bad_effects(d, v, message):
    for test in (cochran_q, gail_simon):
        with pytest.raises(BenchError, match=message):
            test(d, v)


def kidney(v):
    """Difference A - B by stratum, with its variance."""
    shares = {
        (judge, size): (x / n, n) for judge in "AB" for size, (x, n) in v.inputs[judge].items()
    }
    parts = []
    for size in ("small", "large"):
        (a, n), (b, m) = shares["A", size], shares["B", size]
        v.close(a, f"A_{size}")
        v.close(b, f"B_{size}")
        parts.append(wald(a - b, a * (1 - a) / n + b * (1 - b) / m))
    return parts


def test_simpson_vector(vector):
    v = vector("simpson.kidney")
    parts = kidney(v)
    pooled = {j: np.array(list(v.inputs[j].values())).sum(axis=0) for j in "AB"}
    overall = {j: x / n for j, (x, n) in pooled.items()}
    v.close(overall["A"], "A_overall")
    v.close(overall["B"], "B_overall")
    macro = np.mean([e.estimate for e in parts])
    wanted = v.expected["standardised_A_equal_weights"] - v.expected["standardised_B_equal_weights"]
    assert macro == pytest.approx(wanted, abs=v.abs_tol)
    found = contradiction(macro, overall["A"] - overall["B"], parts, ["small", "large"])
    assert found.flag == v.expected["flag"]
    assert found.reasons == ("macro and micro mean have opposite signs",)
    assert found.reversal.p == 1 and not found.opposite
    assert not contradiction(macro, 0.01, parts, ["small", "large"]).flag


def test_significant_opposite_domain_is_named():
    parts = [wald(0.2, 1e-4), wald(0.15, 1e-4), wald(-0.05, 1e-4)]
    found = contradiction(0.1, 0.1, parts, ["chat", "math", "code"])
    assert found.flag and found.opposite == ("code",)
    assert any("code" in reason for reason in found.reasons)
    assert any("Gail-Simon" in reason for reason in found.reasons)
    # The same domain at z = 2.1 is significant alone, and not after Holm over three.
    weak = contradiction(0.1, 0.1, [*parts[:1], wald(0.001, 1e-4), wald(-0.021, 1e-4)], "abc")
    assert not weak.opposite


def test_domains_without_interval_are_passed_over():
    lost = cluster_bonett_price([-1.0, -1.0], ["p", "p"])
    assert math.isnan(working_variance(lost)) and math.isnan(two_sided_p(lost))
    found = contradiction(0.2, 0.2, [wald(0.2, 1e-4), lost], ["a", "b"])
    assert not found.flag and math.isnan(found.reversal.p)
    assert not contradiction(math.nan, math.nan, [], []).flag


def test_a_domain_without_variation_has_a_finite_weight():
    same = cluster_bonett_price(np.zeros(50), np.arange(50))
    assert math.isnan(same.se) and 0 < working_variance(same) < 0.01
    assert two_sided_p(same) == 1
    won = cluster_bonett_price(np.ones(50), np.arange(50))
    assert two_sided_p(won) < 1e-6
    assert working_variance(wald(0.1, 0.25)) == 0.25
    assert two_sided_p(wald(0.98, 0.25)) == pytest.approx(2 * norm.sf(1.96), rel=1e-3)


@pytest.mark.parametrize("n", [3, 4, 5, 8, 40])
def test_p_and_interval_say_the_same(n):
    """Also where every item is won, and with few items the interval still holds 0."""
    rng = np.random.default_rng(n)
    for d in (np.ones(n), rng.choice([-1.0, 0.0, 1.0], n, p=[0.1, 0.3, 0.6])):
        e = cluster_bonett_price(d, np.arange(n))
        assert (two_sided_p(e) < 0.05) == (e.lo > 0 or e.hi < 0)
    assert two_sided_p(cluster_bonett_price(np.ones(3), np.arange(3))) > 0.2


def test_names_must_match():
    with pytest.raises(BenchError, match="1 names for 2 domains"):
        contradiction(0.1, 0.1, [wald(0.1, 1), wald(0.2, 1)], ["a"])
