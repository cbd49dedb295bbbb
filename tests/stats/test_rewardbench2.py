from __future__ import annotations

import math
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.stats.intervals import cluster_wilson
from bench.stats.rewardbench2 import (
    SUBSETS,
    TiesRow,
    best_of_credit,
    pairwise_credits,
    random_ties,
    ties,
    total,
)
from bench.types import BenchError

NAN = math.nan
SCORE = st.integers(0, 6)


def rows_of(entries):
    split = [(*e["id"].split(":"), e["scores"], e["num_correct"]) for e in entries]
    return [TiesRow(prompt, kind == "tied", u, k) for kind, prompt, u, k in split]


def prompt(name, ref, tied, n_right=3):
    return [TiesRow(name, False, ref, 1), TiesRow(name, True, tied, n_right)]


def numbers(t):
    shares = [e.estimate for e in (t.ref, t.tied, t.preferred, t.preferred_hard, t.score)]
    return [*shares, t.margin, t.score.lo, t.score.hi]


@pytest.mark.parametrize("name", ["rb2.ties", "rb2.ties_max"])
def test_ties_vectors(vector, name):
    v = vector(name)
    t = ties(rows_of(v.inputs["rows"]))
    v.close(t.ref.estimate, "ref_accuracy")
    v.close(t.tied.estimate, "tied_accuracy")
    v.close(t.preferred.estimate, "correctness_preferred")
    v.close(t.preferred_hard.estimate, "correctness_preferred_hard")
    v.close(t.margin, "margin")
    v.close(t.margins, "margin_per_prompt")
    v.close(t.score.estimate, "score")


GOLDEN = {
    "all right equal, perfect": ([10, 1, 1, 1], [10, 10, 10, 1, 1], 1.01),
    "constant": ([5, 5, 5, 5], [5, 5, 5, 5, 5], 0.0),
    "spread 2, gap 5": ([9, 3, 3, 3], [10, 9, 8, 3, 3], 1.009051),
    "spread 5, gap 1": ([9, 3, 3, 3], [10, 9, 5, 4, 3], 0.593360),
    "right one failed": ([10, 1, 1, 1], [10, NAN, 10, 1, 1], 0.291720),
    "wrong one failed": ([10, 1, 1, 1], [10, 9, 10, NAN, 1], 1.01),
    "inverted": ([1, 10, 10, 10], [1, 1, 1, 10, 10], -0.01),
}


@pytest.mark.parametrize("case", GOLDEN)
def test_ties_scores_of_the_published_code(case):
    ref, tied, expected = GOLDEN[case]
    t = ties(prompt(0, ref, tied), official=True)
    # One prompt: a score, no interval. "wrong one failed" is 1.01 to six digits only.
    assert t.score.estimate == pytest.approx(expected, abs=1e-6)
    assert t.score.status == "insufficient" and math.isnan(t.score.lo)
    assert t.score.n_missing == case.endswith("failed")


def test_two_prompts_of_the_published_code():
    together = [
        *prompt(0, *GOLDEN["spread 2, gap 5"][:2]),
        *prompt(1, *GOLDEN["inverted"][:2]),
    ]
    assert ties(together).score.estimate == pytest.approx(0.499526, abs=1e-6)


def test_a_missing_utility_fails_its_prompt_unless_official():
    for case in ("right one failed", "wrong one failed"):
        t = ties(prompt(0, *GOLDEN[case][:2]))
        assert (t.ref.estimate, t.tied.estimate) == (1, 0)
        assert (t.preferred.estimate, t.preferred_hard.estimate, t.margin) == (0, 0, -1)
        assert t.score.estimate == pytest.approx(0.29)
    ref = ties(prompt(0, [NAN, 1], [9, 9, 9, 1]))
    assert (ref.ref.estimate, ref.tied.estimate) == (0, 1)
    assert (ref.preferred.estimate, ref.preferred_hard.estimate, ref.margin) == (1, 0, -1)


def test_best_of_4_vector(vector):
    v = vector("rb2.best_of_4")
    credit = best_of_credit(v.inputs["scores_chosen_first"])
    v.close(credit, "credit")
    v.close(cluster_wilson(credit, range(5)).estimate, "accuracy")


def test_constant_scorer_vector(vector):
    v = vector("rb2.constant_scorer")
    v.close(best_of_credit([v.inputs["best_of_4_scores"]])[0], "best_of_4_credit")
    v.close(ties(rows_of(v.inputs["ties_rows"])).score.estimate, "ties_score")


def test_missing_utilities_in_the_best_of_4():
    rows = [[NAN] * 4, [NAN, 1, 2, 3], [9, NAN, 1, 2], [NAN, NAN, 1, 1], [1, 0, 0, 0]]
    np.testing.assert_array_equal(best_of_credit(rows), [0, 0, 0, 0, 1])
    np.testing.assert_array_equal(best_of_credit(rows, official=True), [0.25, 0, 1, 0, 1])


def test_pairwise_vector(vector):
    v = vector("rb2.best_of_4_pairwise")
    c = pairwise_credits(v.inputs["p_chosen_beats"])
    v.close(c.all_wins, "all_wins_strict")
    v.close(c.product, "product_rule")
    v.close(c.mean, "mean_pairwise")
    v.close(cluster_wilson(c.all_wins, range(4)).estimate, "strict_accuracy")
    v.close(cluster_wilson(c.mean, range(4)).estimate, "mean_pairwise_accuracy")


def test_random_baselines_vector(vector):
    v = vector("rb2.random_baselines")
    for case in v.inputs["cases"]:
        c, m = (int(part[:-1]) for part in case.split("_"))
        v.close(random_ties(c, m)[0], case, "ref_accuracy")
        v.close(random_ties(c, m)[1], case, "tied_accuracy")
    draws = np.random.default_rng(3).random((20_000, 6))
    t = ties(
        [r for i, u in enumerate(draws) for r in prompt(i, u[2:], u)], replicates=10, level=0.9
    )
    assert t.preferred.estimate == pytest.approx(
        v.expected["mc_P(gap>spread)_3c3i_uniform"], abs=v.abs_tol
    )
    assert t.tied.estimate == pytest.approx(0.05, abs=0.006)


def test_random_baseline_by_enumeration():
    orders = list(permutations(range(5)))
    rows = [TiesRow(i, True, u, 2) for i, u in enumerate(orders)]
    assert ties(rows, replicates=10).tied.estimate == pytest.approx(random_ties(2, 3)[1])


def test_average_vector(vector):
    v = vector("rb2.average")
    subsets, pooled, variance = {}, [], 0.0
    for name, (n, accuracy) in v.inputs["subset_n_acc"].items():
        right = accuracy * n
        credit = np.r_[np.ones(int(right + 1e-9)), np.zeros(n - int(right + 1e-9) - 1)]
        credit = np.r_[credit, max(0.0, right - credit.sum())]
        subsets[name] = cluster_wilson(credit, np.arange(n))
        pooled.append(credit)
        variance += subsets[name].se ** 2
    subsets["Ties"] = cluster_wilson(np.resize([1, 1, 1, 0], 100), np.arange(100))
    e = total(subsets)
    v.close(e.estimate, "macro6")
    every = np.concatenate(pooled)
    v.close(cluster_wilson(every, np.arange(every.size)).estimate, "micro_non_ties")
    # The vector takes the Ties score as known, and n for n - 1.
    assert math.sqrt(variance) / 6 == pytest.approx(v.expected["se_macro_non_ties_iid"], rel=3e-3)
    assert e.se == pytest.approx(math.sqrt(variance + subsets["Ties"].se ** 2) / 6)
    assert e.lo < e.estimate < e.hi and e.hi - e.lo < 0.06


def test_total_wants_the_six_subsets():
    one = cluster_wilson([1, 0], [0, 1])
    with pytest.raises(BenchError, match="Precise IF, Math, Safety, Focus, Ties expected"):
        total({"Factuality": one})
    assert total(dict.fromkeys(SUBSETS, one)).estimate == 0.5


ROW = st.tuples(st.lists(SCORE, min_size=2, max_size=4), st.lists(SCORE, min_size=3, max_size=6))


@given(st.lists(ROW, min_size=2, max_size=12), st.randoms(use_true_random=False))
def test_ties_properties(pairs, random):
    rows = [r for i, (ref, tied) in enumerate(pairs) for r in prompt(i, ref, tied, 2)]
    t = ties(rows, replicates=200)
    assert -0.01 <= t.score.estimate <= 1.01
    assert -0.01 <= t.score.lo <= t.score.estimate <= t.score.hi <= 1.01
    assert t.preferred_hard.estimate <= t.preferred.estimate <= t.tied.estimate
    # The unit of the utilities, and which of the right responses comes first, do not matter.
    other = [
        TiesRow(r.prompt, r.tied, [8.0 * u - 16 for u in r.utilities], r.n_right) for r in rows
    ]
    assert numbers(ties(other, replicates=200)) == numbers(t)
    swapped = [
        TiesRow(
            r.prompt,
            r.tied,
            [*r.utilities[: r.n_right][::-1], *r.utilities[r.n_right :]],
            r.n_right,
        )
        for r in rows
    ]
    assert numbers(ties(swapped, replicates=200)) == numbers(t)
    shuffled = list(rows)
    random.shuffle(shuffled)
    np.testing.assert_allclose(numbers(ties(shuffled, replicates=200))[:6], numbers(t)[:6])


@given(st.lists(st.lists(SCORE, min_size=4, max_size=4), min_size=1, max_size=20))
def test_credits_of_the_four_positions_add_up_to_one(table):
    table = np.array(table, float)
    shares = sum(best_of_credit(np.roll(table, -k, axis=1)) for k in range(4))
    np.testing.assert_allclose(shares, 1)


def test_perfect_judge_has_an_interval():
    rows = [r for i in range(40) for r in prompt(i, [10, 1], [10, 10, 10, 1])]
    t = ties(rows)
    assert t.score.estimate == t.score.hi == pytest.approx(1.01)
    assert 0.85 < t.score.lo < 1 and t.score.status == "ok_small"


def test_prompts_with_one_kind_of_row():
    rows = [r for i in range(4) for r in prompt(i, [2, 1], [3, 3, 1 + 2 * (i % 2)], 2)]
    more = ties([*rows, TiesRow("alone", False, [0, 1], 1)])
    assert more.ref.estimate == 0.8 and more.preferred.estimate == 0.5
    assert more.margins.size == 4 and not math.isnan(more.score.estimate)
    refs = ties([r for r in rows if not r.tied])
    assert math.isnan(refs.score.estimate) and refs.score.status == "degenerate"
    assert refs.tied.status == "insufficient" and math.isnan(refs.margin)
    empty = ties([])
    assert empty.score.status == "insufficient" and math.isnan(empty.score.estimate)


def test_bad_rows_are_refused():
    with pytest.raises(BenchError, match="two ref rows"):
        ties([TiesRow(1, False, [1, 0], 1)] * 2)
    for row in (
        TiesRow(1, False, [1, 0], 2),
        TiesRow(1, False, [1], 1),
        TiesRow(1, True, [1, 0, 0], 1),
        TiesRow(1, True, [1, 0], 2),
        TiesRow(1, True, [1, math.inf, 0], 2),
    ):
        with pytest.raises(BenchError, match=r"prompt 1, .* expected"):
            ties([row])
    with pytest.raises(BenchError, match=r"shape \(3,\)"):
        best_of_credit([1, 2, 3])
    with pytest.raises(BenchError, match=r"utilities\[0\]\[1\] is inf"):
        best_of_credit([[0, math.inf]])
    with pytest.raises(BenchError, match=r"probabilities\[1\] is 1.5"):
        pairwise_credits([[0.5, 1.5]])


def test_a_failed_rating_is_the_worst_also_where_scores_are_negative():
    table = [[np.nan, -3, -4, -5], [-3, np.nan, -4, -5], [np.nan, 1, 2, 3], [np.nan] * 4]
    np.testing.assert_array_equal(best_of_credit(table, official=True), [0, 1, 0, 1 / 4])
    shifted = [TiesRow(1, False, [np.nan, -4, -5], 1), TiesRow(1, True, [-2, np.nan, -9, -9], 2)]
    found = ties(shifted, official=True)
    assert (found.ref.estimate, found.tied.estimate) == (0, 0)
    known = [TiesRow(1, False, [np.nan, 4, 5], 1), TiesRow(1, True, [9, np.nan, 3, 3], 2)]
    as_minus_one = [TiesRow(1, False, [-1, 4, 5], 1), TiesRow(1, True, [9, -1, 3, 3], 2)]
    one, other = (ties(rows, official=True).score.estimate for rows in (known, as_minus_one))
    assert one == other
