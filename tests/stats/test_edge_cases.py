"""What each family of statistics makes of ties, failures, gaps, constants, and next to no rows."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from scipy.stats import kendalltau
from sklearn.metrics import cohen_kappa_score

from bench.outcome import POLICIES, outcome
from bench.stats.agree import agreement
from bench.stats.alpha import krippendorff_alpha, many_raters
from bench.stats.alttest import alternative_annotator_test
from bench.stats.calibration import auroc, brier
from bench.stats.ceiling import ceiling, human_agreement
from bench.stats.combine import failure_bounds
from bench.stats.cost import cost
from bench.stats.feature_effect import feature_effects
from bench.stats.intervals import cluster_wilson, wilson
from bench.stats.kappa import cohen_kappa, symmetrised_kappa
from bench.stats.latency import latency
from bench.stats.length import longer_preference
from bench.stats.logit import fit_logit
from bench.stats.mcnemar import mcnemar
from bench.stats.paired import cluster_bonett_price
from bench.stats.pointwise import calibrate_ties, pairwise_accuracy
from bench.stats.position import position
from bench.stats.ppi import Share, prediction_powered, rogan_gladen
from bench.stats.rankcorr import correlations
from bench.stats.reliability import binned_errors
from bench.stats.rewardbench2 import TiesRow, best_of_credit, ties
from bench.stats.signflip import signflip
from bench.stats.simultaneous import simultaneous
from bench.stats.table import chance_corrected
from bench.types import BenchError, Item, Label, Message, Response
from reports.readings import Block, ItemTable, Readings

NAN = math.nan
FEW = {"replicates": 200}
FAMILIES = (
    "accuracy",
    "kappa",
    "correlations",
    "ceiling",
    "paired",
    "position",
    "length",
    "calibration",
    "rewardbench2",
    "cost",
    "ppi",
)
COLUMNS = ("ties", "failure", "missing", "constant", "n=0", "n=1")
NOT_APPLICABLE = {"cost-ties"}
CELLS: dict[str, Callable[[], None]] = {}


def cell(name):
    def add(check):
        assert name not in CELLS
        CELLS[name] = check
        return check

    return add


def undefined(e, status):
    """No number, no interval, and the reason."""
    assert math.isnan(e.estimate) and math.isnan(e.lo) and math.isnan(e.hi), e
    assert e.status == status and e.note, e


def without_interval(e, value, status):
    assert e.estimate == pytest.approx(value) and math.isnan(e.lo) and math.isnan(e.hi), e
    assert math.isnan(e.se) and e.status == status and e.note, e


# Accuracy


@cell("accuracy-ties")
def _():
    e = agreement([0, 0, 1, -1], [1, -1, 1, 1], range(4))
    assert e.half_credit.estimate == 0.5
    assert e.three_way.estimate == 0.25
    assert e.two_way.estimate == 0.5 and e.two_way.n_items == 2
    assert e.coverage.estimate == 0.5


@cell("accuracy-failure")
def _():
    """Four pairs: right, wrong, two without a verdict."""
    picks, failed = np.array([[1], [2], [1], [1]]), np.array([[0], [0], [1], [1]], bool)
    label = np.array([1, 1, 1, 1])
    means = {
        policy: np.nanmean(outcome(picks, failed, label, np.full(4, 2), "mean", policy))
        for policy in POLICIES
    }
    assert means == {"wrong": 0.25, "half": 0.5, "chance": 0.5, "drop": 0.5}
    assert failure_bounds(1, 2, 2) == (0.25, 0.75)


def readings(label, lost):
    """One judge that says response 0 of two pairs; the second may lack an answer or a label."""
    items = [
        Item(
            f"{i}",
            "made",
            "chat",
            (Message("user", f"question {i}"),),
            (Response("a", "x"), Response("b", "y")),
            (Label("gold", (1.0, 0.0)),) if i == 0 or label else (),
        )
        for i in range(2)
    ]
    column = np.zeros((2, 1))
    block = Block(
        item=np.arange(2),
        repeat=np.zeros(2, int),
        top=column.astype(int) + 1,
        failed=column > 0,
        lost=np.array([[False], [lost]]),
        slot=column.astype(int),
        confidence=column,
    )
    return Readings(
        "judge", ItemTable(items), (block,), np.zeros((2, 1), int), np.zeros(2, int), {}
    )


@cell("accuracy-missing")
def _():
    """What was not run is no wrong answer, and an unlabelled item is out."""
    for lost in (True, False):
        reading = readings(label=lost, lost=lost)
        np.testing.assert_array_equal(reading.scores("mean"), [1, NAN])
        assert reading.lost_items().tolist() == [False, lost]
    e = cluster_wilson([1.0, 0.0], range(2), missing=1)
    assert (e.estimate, e.n_items, e.n_missing) == (0.5, 2, 1)


@cell("accuracy-constant")
def _():
    for value in (0.0, 1.0):
        e = cluster_wilson(np.full(40, value), range(40))
        assert e.estimate == value and e.hi - e.lo > 0.05 and e.lo <= value <= e.hi
        assert math.isnan(e.se)


@cell("accuracy-n=0")
def _():
    undefined(cluster_wilson([], []), "insufficient")
    undefined(agreement([], [], []).half_credit, "insufficient")


@cell("accuracy-n=1")
def _():
    e, plain = cluster_wilson([1.0], ["p"]), wilson(1, 1)
    assert (e.estimate, e.lo, e.hi) == (1, plain.lo, plain.hi)
    assert 0 < e.lo < 0.5 and math.isnan(e.se)


# Chance-corrected


@cell("kappa-ties")
def _():
    """A third category in kappa; half an agreement with weights."""
    judge, human = [1, 1, 0, -1, 0, -1], [1, 0, 0, -1, 1, 1]
    swapped = [-x for x in judge], [-x for x in human]
    found = symmetrised_kappa(judge, human, range(6))
    wanted = cohen_kappa_score([*judge, *swapped[0]], [*human, *swapped[1]])
    assert found.estimate == pytest.approx(wanted)
    codes = [x + 1 for x in judge], [x + 1 for x in human]
    weighted = chance_corrected(*codes, 3, range(6), weights="linear", symmetrise=True)
    wanted = cohen_kappa_score([*judge, *swapped[0]], [*human, *swapped[1]], weights="linear")
    assert weighted.estimate == pytest.approx(wanted)


@cell("kappa-failure")
def _():
    """Left out and counted, or a category of its own."""
    judge, human = [0, 1, 1, 0, 2], [0, 1, 0, 0, 1]
    fourth = cohen_kappa(judge, human, 3, range(5))
    assert fourth.estimate == pytest.approx(cohen_kappa_score(judge, human))
    without = cohen_kappa(judge[:4], human[:4], 3, range(4), missing=1)
    assert (without.n_items, without.n_missing) == (4, 1)
    assert without.estimate == pytest.approx(cohen_kappa_score(judge[:4], human[:4]))
    with pytest.raises(BenchError, match=r"judge\[1\] is nan"):
        symmetrised_kappa([1, NAN], [1, 1], range(2))


@cell("kappa-missing")
def _():
    """A gap leaves the other ratings; an item with one rating has no pair."""
    whole = [[0, 0, 1], [1, 1, 1], [0, 0, 0], [1, 0, 1]]
    alone = [*whole, [1, NAN, NAN]]
    a = krippendorff_alpha(whole, range(4), **FEW)
    b = krippendorff_alpha(alone, range(5), **FEW)
    assert b.estimate == a.estimate and (a.n_missing, b.n_missing) == (0, 1)
    gap = [[0, 0, NAN], *whole[1:]]
    assert krippendorff_alpha(gap, range(4), **FEW).n_items == 4
    one = many_raters(alone, range(5), [0, 1], **FEW)
    assert one.fleiss.n_missing == one.ac1.n_missing == 1
    assert not math.isnan(one.fleiss.estimate + one.ac1.estimate)


@cell("kappa-constant")
def _():
    same = np.ones(40)
    undefined(cohen_kappa(same, same, 2, range(40)), "degenerate")
    undefined(chance_corrected(same, same, 2, range(40), chance="scott"), "degenerate")
    undefined(krippendorff_alpha(np.ones((40, 2)), range(40), **FEW), "degenerate")
    for chance in ("gwet", "bennett"):
        assert chance_corrected(same, same, 2, range(40), chance=chance).estimate == 1
    one_sided = cohen_kappa(same, np.arange(40) % 2, 2, range(40))
    without_interval(one_sided, 0, "degenerate")


@cell("kappa-n=0")
def _():
    undefined(symmetrised_kappa([], [], []), "insufficient")
    undefined(krippendorff_alpha(np.zeros((0, 2)), [], **FEW), "insufficient")


@cell("kappa-n=1")
def _():
    undefined(symmetrised_kappa([1], [1], ["p"]), "insufficient")
    undefined(krippendorff_alpha([[1, 0]], ["p"], **FEW), "insufficient")


# Correlations and pairwise accuracy of scores


@cell("correlations-ties")
def _():
    judge, human = [1, 2, 2, 3, 5, 4], [1, 1, 2, 3, 3, 4]
    e = correlations(judge, human, range(6))
    assert e.tau_b.estimate == pytest.approx(kendalltau(judge, human).statistic)
    near = [1.0, 1.1, 3.0, 3.1] * 4, [1, 1, 2, 2] * 4, np.arange(16) // 4
    assert pairwise_accuracy(*near).estimate == pytest.approx(4 / 6)
    assert calibrate_ties(*near).epsilon == pytest.approx(0.1)
    assert pairwise_accuracy(*near, epsilon=0.15).estimate == pytest.approx(1)


@cell("correlations-failure")
def _():
    with pytest.raises(BenchError, match=r"judge\[1\] is nan"):
        correlations([1, NAN, 2], [1, 2, 3], range(3))
    e = correlations([1, 2, 4], [1, 3, 2], range(3), missing=1)
    assert (e.tau_b.n_items, e.tau_b.n_missing) == (3, 1)


@cell("correlations-missing")
def _():
    """A response left out takes its pairs along, and no other; of one alone there is no pair."""
    judge, human, prompt = [1, 2, 3, 1, 2], [1, 3, 2, 1, 2], ["a", "a", "a", "b", "b"]
    whole = pairwise_accuracy(judge, human, prompt)
    assert whole.estimate == pytest.approx((2 / 3 + 1) / 2)
    less = pairwise_accuracy(judge[1:], human[1:], prompt[1:])
    assert less.estimate == pytest.approx((0 + 1) / 2) and less.n_items == 2
    alone = pairwise_accuracy(judge[:4], human[:4], prompt[:4])
    assert alone.estimate == pytest.approx(2 / 3) and (alone.n_items, alone.n_missing) == (1, 1)


@cell("correlations-constant")
def _():
    e = correlations(np.ones(30), np.arange(30), range(30))
    for found in (e.tau_b, e.gamma, e.spearman, e.pearson):
        undefined(found, "degenerate")


@cell("correlations-n=0")
def _():
    undefined(correlations([], [], []).tau_b, "insufficient")
    undefined(pairwise_accuracy([], [], []), "insufficient")


@cell("correlations-n=1")
def _():
    undefined(correlations([1], [1], ["p"]).spearman, "insufficient")
    undefined(pairwise_accuracy([1], [1], ["p"]), "insufficient")


# Human ceiling and alternative annotator


def crowd(value=1.0, n=40):
    return np.full((n, 3), value)


@cell("ceiling-ties")
def _():
    """Humans who tie agree with each other, and with a judge who ties."""
    assert alternative_annotator_test(crowd(0), np.zeros(40), range(40)).rho.estimate == 1
    assert alternative_annotator_test(crowd(0), np.ones(40), range(40)).rho.estimate == 0


@cell("ceiling-failure")
def _():
    e = alternative_annotator_test(crowd(), np.full(40, NAN), range(40))
    assert e.rho.estimate == 0 and e.omega == 0 and not e.passes
    half = np.where(np.arange(40) % 2, 1.0, NAN)
    assert alternative_annotator_test(crowd(), half, range(40)).rho.estimate == 0.5


@cell("ceiling-missing")
def _():
    e = human_agreement([3, 1, 0, 2], [3, 1, 0, 1], range(4))
    assert (e.n_items, e.n_missing) == (2, 2)
    humans = crowd()
    humans[:5, 1:] = NAN
    found = alternative_annotator_test(humans, np.ones(40), range(40))
    assert found.n_items.tolist() == [35, 35, 35] and found.rho.n_missing == 5


@cell("ceiling-constant")
def _():
    """No variance: the test is that of the number itself."""
    e = alternative_annotator_test(crowd(), np.ones(40), range(40), epsilon=0.2)
    assert e.difference.tolist() == [0, 0, 0]
    assert e.p_values(0.2).tolist() == [0, 0, 0] and e.p_values(0.0).tolist() == [1, 1, 1]
    assert e.omega == 1


@cell("ceiling-n=0")
def _():
    undefined(human_agreement([], [], []), "insufficient")
    undefined(ceiling([], [], []), "insufficient")
    for humans, judge in ((crowd(n=29), np.ones(29)), (crowd()[:, :2], np.ones(40))):
        e = alternative_annotator_test(humans, judge, range(len(judge)))
        undefined(e.rho, "insufficient")
        assert math.isnan(e.omega) and not e.passes and e.note


@cell("ceiling-n=1")
def _():
    e = alternative_annotator_test(crowd(n=1), [1.0], ["p"])
    undefined(e.rho, "insufficient")
    one = human_agreement([3], [3], ["p"])
    assert one.estimate == 1 and one.lo == wilson(1, 1).lo


# Two judges


@cell("paired-ties")
def _():
    d, prompts = [1, 0.5, -1, 0.5, 1, 1], list("abcdef")
    with pytest.raises(BenchError, match="signflip"):
        mcnemar(d, prompts)
    assert 0 < signflip(d, prompts) < 1
    assert cluster_bonett_price(d, prompts).estimate == pytest.approx(0.5)


@cell("paired-failure")
def _():
    """The item stays, with the credit of the policy: a failure against a right answer is a loss."""
    picks, label, n = np.array([[1], [1], [2]]), np.array([1, 1, 1]), np.full(3, 2)
    whole = outcome(picks, np.zeros((3, 1), bool), label, n, "mean", "wrong")
    failing = np.array([[0], [1], [1]], bool)
    broken = outcome(picks, failing, label, n, "mean", "wrong")
    e = cluster_bonett_price(broken - whole, range(3))
    assert e.n_items == 3 and e.estimate == pytest.approx(-1 / 3)
    assert mcnemar(broken - whole, range(3)).second_only == 1


@cell("paired-missing")
def _():
    """Complete cases: what both judges have; the rest is counted, not guessed."""
    credits = np.array([[1, 0], [1, NAN], [0, 1], [NAN, 1], [1, 0]])
    pair = simultaneous(credits, range(5), **FEW).comparisons[0].difference
    alone = cluster_bonett_price([1, -1, 1], range(3), missing=2)
    assert pair.estimate == pytest.approx(alone.estimate) and alone.n_missing == 2
    assert pair.n_items == 3
    with pytest.raises(BenchError, match=r"differences\[1\] is nan"):
        cluster_bonett_price([1, NAN], range(2))


@cell("paired-constant")
def _():
    e, same = mcnemar(np.zeros(40), range(40)), cluster_bonett_price(np.zeros(40), range(40))
    assert e.p == e.mid_p == signflip(np.zeros(40), range(40)) == 1
    undefined(e.odds_ratio, "degenerate")
    assert same.lo < 0 < same.hi and math.isnan(same.se)


@cell("paired-n=0")
def _():
    undefined(cluster_bonett_price([], []), "insufficient")
    assert math.isnan(mcnemar([], []).p) and math.isnan(signflip([], []))


@cell("paired-n=1")
def _():
    undefined(cluster_bonett_price([1.0], ["p"]), "insufficient")
    assert math.isnan(mcnemar([1], ["p"]).p)


# Position


def shown(text):
    """ "FS FF": the verdicts in both orders."""
    slot = {"F": 1, "T": 0, "S": -1, "-": None}
    return tuple([slot[pair[i]] for pair in text.split()] for i in (0, 1))


@cell("position-ties")
def _():
    for text, consistent, lean in (("TT TT", 1, 0), ("FT TF", 0, -1), ("ST TS", 0, 1)):
        e = position(*shown(text), range(len(text.split())))
        assert (e.consistency.estimate, e.fairness.estimate) == (consistent, lean)


@cell("position-failure")
def _():
    e = position(*shown("FS FF -- F-"), range(4))
    assert (e.consistency.estimate, e.consistency.n_items, e.consistency.n_missing) == (0.5, 2, 2)
    assert e.consistency_bounds == (0.25, 0.75)


@cell("position-missing")
def _():
    whole, gap = (position(*shown(t), range(t.count(" ") + 1)) for t in ("FS FF", "FS FF -S"))
    assert gap.patterns == whole.patterns and gap.fairness.n_missing == 1
    assert gap.fairness.estimate == whole.fairness.estimate


@cell("position-constant")
def _():
    e = position(*shown("FS SF " * 20), range(40))
    assert e.fairness.estimate == 0 and e.fairness.lo < 0 < e.fairness.hi
    undefined(e.primacy_share, "insufficient")
    assert e.sign_p == 1


@cell("position-n=0")
def _():
    e = position([], [], [])
    undefined(e.consistency, "insufficient")
    undefined(e.fairness, "insufficient")
    assert math.isnan(e.sign_p) and all(map(math.isnan, e.consistency_bounds))


@cell("position-n=1")
def _():
    for text, value in (("FS", 1), ("FF", 0)):
        e, plain = position(*shown(text), ["p"]).consistency, wilson(value, 1)
        assert (e.estimate, e.lo, e.hi) == (value, plain.lo, plain.hi)


# Length and style


def sized(n=120):
    """Verdicts that lean to the longer response."""
    rng = np.random.default_rng(3)
    d = rng.normal(size=n)
    human = np.sign(d + 2 * rng.normal(size=n))
    judge = np.sign(d + 2 * rng.normal(size=n))
    return judge, human, d, np.arange(n)


@cell("length-ties")
def _():
    judge, human, d, prompts = sized()
    assert longer_preference(judge * 0, human, d, prompts).judge.estimate == 0.5
    half = judge.copy()
    half[:30] = 0
    fit = fit_logit({"length": d}, (1 + half) / 2, prompts)
    effect = feature_effects(half, human, {"length": d}, prompts)["length"].judge
    assert effect.status == "ok" and effect.n_items == 120
    assert effect.estimate == pytest.approx(fit.coefficient("length").value)


@cell("length-failure")
def _():
    judge, human, d, prompts = sized()
    gone = judge.copy()
    gone[:20] = NAN
    e = feature_effects(gone, human, {"length": d}, prompts)["length"].judge
    rest = feature_effects(judge[20:], human[20:], {"length": d[20:]}, prompts[20:])["length"].judge
    assert (e.n_items, e.n_missing, e.estimate) == (100, 20, rest.estimate)
    e = longer_preference(gone, human, d, prompts).judge
    assert (e.n_items, e.n_missing) == (100, 20)


@cell("length-missing")
def _():
    judge, human, d, prompts = sized()
    gap = d.copy()
    gap[5] = NAN
    e = feature_effects(judge, human, {"length": gap, "other": d**2}, prompts)
    assert {(f.judge.n_items, f.judge.n_missing) for f in e.values()} == {(119, 1)}


@cell("length-constant")
def _():
    judge, human, d, prompts = sized()
    e = feature_effects(judge, human, {"length": d, "same": d * 0 + 4}, prompts)
    undefined(e["same"].judge, "degenerate")
    assert "same" in e["length"].judge.note and e["length"].judge.status == "ok"
    apart = feature_effects(np.sign(d), human, {"length": d}, prompts)["length"].judge
    assert apart.status == "ok_small" and "ridge" in apart.note and math.isfinite(apart.estimate)


@cell("length-n=0")
def _():
    undefined(feature_effects([], [], {"length": []}, [])["length"].judge, "insufficient")
    judge, human, d, prompts = sized(49)
    e = feature_effects(judge, human, {"length": d}, prompts)["length"].judge
    undefined(e, "insufficient")
    rare = np.where(np.arange(120) < 19, 1.0, -1.0)  # 19 for two coefficients
    fit = fit_logit({"x": sized()[2]}, (1 + rare) / 2, range(120))
    undefined(fit.coefficient("x").estimate("x"), "insufficient")


@cell("length-n=1")
def _():
    undefined(feature_effects([1], [1], {"length": [3]}, ["p"])["length"].judge, "insufficient")
    e = longer_preference([1], [1], [3], ["p"]).judge
    assert e.estimate == 1 and e.lo == wilson(1, 1).lo


# Confidence


@cell("calibration-ties")
def _():
    """A tie is neither right nor wrong: out of the ranking; the caller counts it as missing."""
    with pytest.raises(BenchError, match=r"correct\[2\] is 0.5"):
        auroc([0.9, 0.6, 0.5], [1, 0, 0.5], range(3))
    e = auroc([0.9, 0.6], [1, 0], range(2), missing=1)
    assert (e.estimate, e.n_missing) == (1, 1)


@cell("calibration-failure")
def _():
    for statistic in (brier, auroc):
        with pytest.raises(BenchError, match=r"confidence\[1\] is nan"):
            statistic([0.9, NAN], [1, 0], range(2))


@cell("calibration-missing")
def _():
    e = brier([0.9, 0.6, 0.8], [1, 0, 1], range(3), missing=4)
    assert (e.n_items, e.n_missing) == (3, 4)
    e = binned_errors([0.9, 0.6, 0.8], [1, 0, 1], [0, 0, 1], range(3), missing=4, **FEW)
    assert (e.ece.n_items, e.ece.n_missing) == (3, 4)


@cell("calibration-constant")
def _():
    confidence, right = np.linspace(0.6, 0.9, 40), np.ones(40)
    undefined(auroc(confidence, right, range(40)), "degenerate")
    e = binned_errors(confidence, right, np.arange(40) // 20, range(40), **FEW).ece
    assert e.estimate == pytest.approx(0.25)
    assert brier(confidence, right, range(40)).estimate > 0


@cell("calibration-n=0")
def _():
    for e in (brier([], [], []), auroc([], [], []), binned_errors([], [], [], [], **FEW).ece):
        undefined(e, "insufficient")


@cell("calibration-n=1")
def _():
    without_interval(brier([0.8], [1], ["p"]), 0.04, "insufficient")
    for e in (auroc([0.8], [1], ["p"]), binned_errors([0.8], [1], [0], ["p"], **FEW).ece):
        assert math.isnan(e.estimate) and e.note


# RewardBench 2


@cell("rewardbench2-ties")
def _():
    """The right response shares its credit with its equals; in Ties equal is not above."""
    tied = [[3, 3, 1, 1], [3, 3, 3, 1], [2, 3, 1, 1]]
    assert best_of_credit(tied) == pytest.approx([1 / 2, 1 / 3, 0])
    e = ties([TiesRow(1, False, [2, 2], 1), TiesRow(2, False, [2, 1], 1)], **FEW)
    assert e.ref.estimate == 0.5


@cell("rewardbench2-failure")
def _():
    failed = np.full((3, 4), NAN)
    assert best_of_credit(failed, official=True).tolist() == [0.25] * 3
    assert best_of_credit(failed).tolist() == [0] * 3


@cell("rewardbench2-missing")
def _():
    assert best_of_credit([[3, NAN, 1, 1], [3, 2, 1, 1]]).tolist() == [0, 1]
    rows = [TiesRow(k, False, [2, NAN if k == 0 else 1], 1) for k in range(4)]
    e = ties(rows, **FEW).ref
    assert (e.estimate, e.n_missing) == (0.75, 1)


@cell("rewardbench2-constant")
def _():
    assert best_of_credit(np.ones((5, 4))).tolist() == [0.25] * 5
    rows = [TiesRow(k, tied, [1, 1, 1], 1 + tied) for k in range(30) for tied in (False, True)]
    e = ties(rows, **FEW)
    assert e.ref.estimate == e.tied.estimate == e.preferred.estimate == 0


@cell("rewardbench2-n=0")
def _():
    assert best_of_credit(np.zeros((0, 4))).size == 0
    undefined(ties([], **FEW).score, "insufficient")


@cell("rewardbench2-n=1")
def _():
    rows = [TiesRow(1, False, [3, 1], 1), TiesRow(1, True, [3, 2.9, 1], 2)]
    e = ties(rows, **FEW)
    without_interval(e.score, 1 + 0.01 * e.margin, "insufficient")


# Cost


def bill(usd, valid=None, credit=None):
    n = len(usd)
    return cost(usd, valid or [1] * n, credit or [1] * n, range(n), range(n))


@cell("cost-failure")
def _():
    e = bill([0.01] * 4, valid=[1, 1, 0, 1], credit=[1, 1, 1, 0])
    assert e.total == pytest.approx(0.04)
    assert e.per_1000_judgments.estimate == pytest.approx(10)
    assert e.per_1000_valid.estimate == pytest.approx(40 / 3)
    assert e.per_correct.estimate == pytest.approx(0.02)


@cell("cost-missing")
def _():
    e = bill([0.01, 0.03, NAN, NAN])
    assert e.unknown == 2 and e.total == pytest.approx(0.08)
    assert "2 unknown" in e.per_1000_judgments.note and e.per_1000_judgments.n_missing == 2


@cell("cost-constant")
def _():
    e = bill([0.0] * 30)
    assert e.total == 0 and e.per_1000_judgments.estimate == 0 and e.per_correct.estimate == 0


@cell("cost-n=0")
def _():
    e = bill([])
    assert math.isnan(e.total)
    undefined(e.per_1000_judgments, "insufficient")
    undefined(latency([]).p50, "insufficient")


@cell("cost-n=1")
def _():
    without_interval(latency([2.0]).p95, 2, "insufficient")
    assert bill([0.02]).per_1000_judgments.estimate == pytest.approx(20)


# Judge-corrected


def sample(n=40, more=200):
    rng = np.random.default_rng(2)
    truth = rng.integers(0, 3, n + more) / 2
    said = np.where(rng.random(n + more) < 0.8, truth, rng.integers(0, 3, n + more) / 2)
    return truth[:n], said[:n], said[n:], np.arange(n), np.arange(n, n + more)


@cell("ppi-ties")
def _():
    y, f, u, *ids = sample()
    assert set(y) == {0, 0.5, 1}
    e = prediction_powered(y, f, u, *ids)
    assert e.human.estimate == pytest.approx(y.mean()) and e.corrected.status == "ok"
    swapped = prediction_powered(1 - y, 1 - f, 1 - u, *ids)
    assert swapped.corrected.estimate == pytest.approx(1 - e.corrected.estimate)


@cell("ppi-failure")
def _():
    """Without a verdict an item is out of both sums, and counted."""
    y, f, u, *ids = sample()
    for labelled, rest in (([*f[:-1], NAN], u), (f, [NAN, *u[1:]])):
        with pytest.raises(BenchError, match="nan"):
            prediction_powered(y, labelled, rest, *ids)
    e = prediction_powered(y, f, u, *ids, missing=3)
    assert e.corrected.n_missing == e.judge.n_missing == 3 and e.human.n_missing == 0


@cell("ppi-missing")
def _():
    """An item without a label is among the others. That labels are of a random sample is up to the
    caller; `bias` and both means are there to compare."""
    y, f, u, ids, more = sample()
    e = prediction_powered(y[10:], f[10:], [*u, *f[:10]], ids[10:], [*more, *ids[:10]])
    assert (e.human.n_items, e.judge.n_items) == (30, 240)
    assert e.bias.estimate == pytest.approx(np.mean(f[10:] - y[10:]))


@cell("ppi-constant")
def _():
    y, f, u, *ids = sample()
    e = prediction_powered(y * 0 + 1, f, u, *ids)
    undefined(e.corrected, "degenerate")
    assert math.isnan(e.weight) and e.human.estimate == 1
    coin = rogan_gladen(Share(50, 100), Share(50, 100), Share(50, 100))
    undefined(coin.adjusted, "out_of_range")
    with pytest.raises(BenchError, match="specificity"):
        rogan_gladen(Share(50, 100), Share(90, 100), Share(0, 0))


@cell("ppi-n=0")
def _():
    y, f, u, ids, more = sample()
    for n in (0, 19):
        undefined(prediction_powered(y[:n], f[:n], u, ids[:n], more).corrected, "insufficient")
    assert prediction_powered(y[:20], f[:20], u, ids[:20], more).corrected.status == "ok_small"
    undefined(prediction_powered(y, f, [], ids, []).corrected, "insufficient")


@cell("ppi-n=1")
def _():
    y, f, u, ids, more = sample()
    e = prediction_powered(y[:1], f[:1], u, ids[:1], more)
    undefined(e.corrected, "insufficient")
    assert e.human.estimate == y[0] and e.judge.n_items == 201


MATRIX = [f"{f}-{c}" for f in FAMILIES for c in COLUMNS if f"{f}-{c}" not in NOT_APPLICABLE]


@pytest.mark.parametrize("name", MATRIX)
def test_cell(name):
    CELLS[name]()


def test_every_cell_is_one_of_the_matrix():
    assert set(CELLS) == set(MATRIX)
