"""Every estimator against data that have nothing to say: it answers with a status or refuses in
words, and never breaks, warns, or gives NaN as a number."""

from __future__ import annotations

import importlib
import inspect
import math
import pkgutil
import typing
import warnings
from dataclasses import dataclass, fields, is_dataclass, replace
from functools import cached_property

import numpy as np
import pytest

import bench.stats
from bench.stats.affinity import affinity
from bench.stats.agree import against_votes, agreement, soft_agreement
from bench.stats.alpha import conger_kappa, krippendorff_alpha, many_raters
from bench.stats.alttest import alternative_annotator_test
from bench.stats.amplification import amplification, follows_more, shared_errors
from bench.stats.bca import bca
from bench.stats.bradley_terry import bradley_terry
from bench.stats.calibration import auroc, brier, brier_skill, log_loss, overconfidence
from bench.stats.cascade import cascade
from bench.stats.ceiling import ceiling, human_agreement, leave_one_out, plug_in, share_of_ceiling
from bench.stats.combine import macro
from bench.stats.contrast_domains import contrast_domains
from bench.stats.cost import break_even, cost
from bench.stats.estimate import Estimate
from bench.stats.families import families
from bench.stats.feature_effect import feature_effects
from bench.stats.headline import headline
from bench.stats.intervals import clopper_pearson, cluster_wilson, jeffreys, wilson
from bench.stats.intracluster import intracluster_correlation
from bench.stats.kappa import cohen_kappa, symmetrised_kappa
from bench.stats.latency import latency, quantile
from bench.stats.latent import latent_truth
from bench.stats.length import (
    balanced_agreement,
    controlled_agreement,
    length_effect,
    longer_preference,
    position_and_length,
)
from bench.stats.likeness import human_likeness
from bench.stats.logit import fit_logit
from bench.stats.mcnemar import conditional_odds_ratio, mcnemar
from bench.stats.meta import meta_analysis, meta_regression
from bench.stats.paired import cluster_bonett_price, macro_bonett_price
from bench.stats.paired_tables import PairedTable, bonett_price, newcombe, tango
from bench.stats.perturb import perturbation
from bench.stats.pointwise import calibrate_ties, pairwise_accuracy
from bench.stats.position import accuracy_cost, position
from bench.stats.ppi import Share, prediction_powered, rogan_gladen
from bench.stats.rankcorr import correlations, disattenuated, icc
from bench.stats.recalibrate import recalibration
from bench.stats.reliability import binned_errors, equal_mass_bins, reliability_diagram
from bench.stats.repeats import excess_flip, repetition_stability
from bench.stats.resample import bootstrap
from bench.stats.rewardbench1 import SECTIONS, section
from bench.stats.rewardbench2 import SUBSETS, TiesRow, ties, total
from bench.stats.rmbench import DOMAINS as STYLE_DOMAINS
from bench.stats.rmbench import overall, style_matrix
from bench.stats.selective import aurc
from bench.stats.sequential import win_share_sequence
from bench.stats.simultaneous import simultaneous
from bench.stats.slots import slot_shares
from bench.stats.strata import answer_classes, vote_strata
from bench.stats.style import style_effects, style_features
from bench.stats.table import chance_corrected, paradox
from bench.stats.transitivity import transitivity
from bench.stats.twogroups import two_groups
from bench.stats.twoway import two_way_mean
from bench.stats.unpaired import unpaired_difference
from bench.types import BenchError

FEW = {"replicates": 200}
NAN = math.nan


@dataclass(frozen=True)
class Rows:
    """What a study has of n pairs. `judge`, `swapped`, `human`, `other`: (n,) +1, 0, -1 or NaN;
    `swapped` in slots. `confidence`: (n,). `length`: (n,). `item`, `prompt`: (n,) ids."""

    judge: np.ndarray
    swapped: np.ndarray
    human: np.ndarray
    other: np.ndarray
    confidence: np.ndarray
    length: np.ndarray
    item: np.ndarray
    prompt: np.ndarray

    @property
    def n(self):
        return self.item.size

    @cached_property
    def credit(self):
        return (1 + self.judge * self.human) / 2

    @cached_property
    def rival(self):
        return (1 + self.other * self.human) / 2

    @cached_property
    def right(self):
        return np.where(np.isnan(self.judge), NAN, self.judge == self.human)

    @cached_property
    def rival_right(self):
        return np.where(np.isnan(self.other), NAN, self.other == self.human)

    @property
    def ratings(self):
        return np.stack([self.human, self.other, self.judge, -self.swapped], axis=1)

    @property
    def votes(self):
        return np.full(self.n, 5)

    @property
    def first(self):
        return np.round((1 + self.human) * 2.5)

    @property
    def domain(self):
        return np.where(self.item % 2, "chat", "code")

    def take(self, rows):
        return Rows(*(getattr(self, f.name)[rows] for f in fields(self)))


def sound() -> Rows:
    rng = np.random.default_rng(7)
    n = 180
    truth = rng.choice([-1.0, 1.0], n)

    def said(slip, tie):
        u = rng.random(n)
        return np.where(u < tie, 0.0, np.where(u < tie + slip, -truth, truth))

    judge = said(0.2, 0.1)
    return Rows(
        judge=judge,
        swapped=np.where(rng.random(n) < 0.2, judge, -judge),
        human=said(0.1, 0.05),
        other=said(0.3, 0.1),
        confidence=np.clip(np.round(0.75 + 0.15 * rng.standard_normal(n), 2), 0.5, 1),
        length=np.round(rng.normal(truth, 3), 1),
        item=np.arange(n),
        prompt=np.arange(n) // 3,
    )


def with_one(rows, value):
    judge = rows.judge.copy()
    judge[3] = value
    return replace(rows, judge=judge)


SOUND = sound()
SAME = np.zeros(SOUND.n)
ZOO = {
    "empty": SOUND.take(np.zeros(SOUND.n, bool)),
    "one_item": SOUND.take(np.arange(SOUND.n) == 5),
    "two_items": SOUND.take(np.arange(SOUND.n) < 2),
    "one_cluster": replace(SOUND, prompt=SAME),
    "all_ties": replace(SOUND, judge=SAME, swapped=SAME, human=SAME, other=SAME),
    "judge_ties": replace(SOUND, judge=SAME, swapped=SAME),
    "all_failures": replace(SOUND, judge=SAME * NAN, swapped=SAME * NAN, confidence=SAME * NAN),
    "constant_judge": replace(SOUND, judge=SAME + 1, swapped=SAME + 1, confidence=SAME + 1),
    "one_class": replace(SOUND, human=SAME + 1),
    "always_right": replace(SOUND, judge=SOUND.human, other=SOUND.human, swapped=-SOUND.human),
    "always_wrong": replace(SOUND, judge=-SOUND.human, other=-SOUND.human),
    "nan": with_one(replace(SOUND, confidence=np.where(SOUND.item == 3, NAN, 0.8)), NAN),
    "infinite": with_one(
        replace(SOUND, confidence=np.where(SOUND.item == 3, math.inf, 0.8)), math.inf
    ),
    "duplicate_ids": SOUND.take(np.repeat(np.arange(60), 2)),
    "unseen_category": with_one(SOUND, 7.0),
    "unbalanced_orders": replace(SOUND, swapped=np.where(SOUND.item < 170, NAN, SOUND.swapped)),
    "giant_prompt": replace(SOUND, prompt=np.maximum(SOUND.prompt, 50)),
}


def three(values):
    """Verdicts -> categories 0, 1, 2."""
    return values + 1


def two(values):
    return np.where(np.isfinite(values), values > 0, values)


def picks(r):
    return np.stack([(1 + r.judge) / 2, (1 - r.judge) / 2], axis=1)


def utilities(r):
    rows = []
    for prompt, c, x, y in zip(r.item.tolist(), r.confidence, r.judge, r.other, strict=True):
        rows.append(TiesRow(prompt, False, (c, x / 2, y / 2), 1))
        rows.append(TiesRow(prompt, True, (c, x / 2, y / 2), 2))
    return rows


def matrix(r):
    """Three items a prompt, each right style against one wrong one."""
    return style_matrix(r.credit, r.item % 3, r.item // 3 % 3, r.prompt)


def makers(r):
    """Of the first and the second responses."""
    return tuple([names[i % 4] for i in r.item] for names in (("a", "b", "a", None), "baca"))


def whole_table(r):
    cells = [(r.right == x) & (r.rival_right == y) for x in (1, 0) for y in (1, 0)]
    return PairedTable(*(int(cell.sum()) for cell in cells))


def styles(r):
    text = ["# a\n- b **c**" if x > 0 else "plain words" for x in r.length]
    both = [style_features(t) for t in text], [style_features("a b")] * r.n
    return tuple([{k: f[k] for k in ("chars", "bold")} for f in side] for side in both)


def accuracy(r, level=0.95):
    return cluster_wilson(r.credit, r.prompt, level=level)


def gap(r, level=0.95):
    return cluster_bonett_price(r.credit - r.rival, r.prompt, level=level)


def discordant(r):
    d = r.right - r.rival_right
    return int(np.sum(d > 0)), int(np.sum(d < 0))


def studies(r):
    known = [gap(r.take(r.domain == d)) for d in ("chat", "code")]
    known += [gap(r.take(r.item % 3 == k)) for k in range(3)]
    return [e for e in known if e.se > 0]


def bins(r):
    return equal_mass_bins(r.confidence, 5)


def system_pairs(r):
    """Each prompt has three systems, a pair of them a row."""
    which = r.item % 3
    return np.array([0, 0, 1])[which], np.array([1, 2, 2])[which]


def calibrated(r):
    return r.confidence, r.right, r.prompt


def mean_of(s):
    with np.errstate(divide="ignore", invalid="ignore"):
        return s[:, 0] / s[:, 1]


CALLS = {
    "affinity": lambda r: affinity(
        r.judge, r.human, makers(r), {"a"}, r.prompt, others=r.other[:, None], **FEW
    ),
    "agreement": lambda r: agreement(r.judge, r.human, r.prompt),
    "soft_agreement": lambda r: soft_agreement((1 + r.judge) / 2, (1 + r.human) / 2, r.prompt),
    "against_votes": lambda r: against_votes(r.judge, r.votes, r.first, r.prompt),
    "krippendorff_alpha": lambda r: krippendorff_alpha(r.ratings, r.prompt, **FEW),
    "krippendorff_alpha_ordinal": lambda r: krippendorff_alpha(
        r.ratings, r.prompt, metric="ordinal", **FEW
    ),
    "many_raters": lambda r: many_raters(r.ratings, r.prompt, [-1, 0, 1], **FEW),
    "conger_kappa": lambda r: conger_kappa(r.ratings, r.prompt, [-1, 0, 1], **FEW),
    "alternative_annotator_test": lambda r: alternative_annotator_test(
        r.ratings[:, [0, 1, 3]], r.judge, r.prompt, **FEW
    ),
    "amplification": lambda r: amplification(r.other - r.human, r.judge - r.human, r.prompt),
    "shared_errors": lambda r: shared_errors(r.judge, r.other, r.human, r.prompt, **FEW),
    "follows_more": lambda r: follows_more(r.judge, -r.swapped, r.other, r.human, r.prompt),
    "bca": lambda r: bca([r.credit, np.ones(r.n)], r.prompt, mean_of, "mean", **FEW),
    "bradley_terry": lambda r: bradley_terry(*system_pairs(r), r.judge, r.prompt),
    "bradley_terry_unclustered": lambda r: bradley_terry(*system_pairs(r), r.judge, n_systems=4),
    "brier": lambda r: brier(*calibrated(r)),
    "brier_skill": lambda r: brier_skill(*calibrated(r), **FEW),
    "overconfidence": lambda r: overconfidence(*calibrated(r)),
    "log_loss": lambda r: log_loss(*calibrated(r)),
    "auroc": lambda r: auroc(*calibrated(r)),
    "cascade": lambda r: cascade(
        r.confidence, r.right, r.rival_right, r.prompt, [0.6, 0.8], cheap_cost=1, strong_cost=9
    ),
    "human_agreement": lambda r: human_agreement(r.votes, r.first, r.prompt),
    "leave_one_out": lambda r: leave_one_out(r.votes, r.first, r.prompt),
    "plug_in": lambda r: plug_in(r.votes, r.first, r.prompt),
    "ceiling": lambda r: ceiling(r.votes, r.first, r.prompt),
    "share_of_ceiling": lambda r: share_of_ceiling(r.credit, r.votes, r.first, r.prompt),
    "macro": lambda r: macro([accuracy(r), accuracy(r.take(r.domain == "chat"))]),
    "contrast_domains": lambda r: contrast_domains(r.credit - r.rival, r.prompt, r.domain),
    "cost": lambda r: cost(
        np.where(r.item % 10, 0.01, NAN),
        ~np.isnan(r.judge),
        np.nan_to_num(r.credit),
        r.item,
        r.prompt,
    ),
    "break_even": lambda r: break_even(100.0, accuracy(r), 0.1),
    "families": lambda r: families(
        np.stack([r.credit, 1 - r.credit], axis=1), r.rival[:, None], r.prompt
    ),
    "feature_effects": lambda r: feature_effects(r.judge, r.human, {"length": r.length}, r.prompt),
    "headline": lambda r: headline(gap(r), gap(r, level=0.9)),
    "wilson": lambda r: wilson(float(r.credit.sum()), r.n),
    "clopper_pearson": lambda r: clopper_pearson(int(np.nansum(r.right)), r.n),
    "jeffreys": lambda r: jeffreys(int(np.nansum(r.right)), r.n),
    "cluster_wilson": accuracy,
    "intracluster_correlation": lambda r: intracluster_correlation(r.credit, r.prompt),
    "cohen_kappa": lambda r: cohen_kappa(three(r.judge), three(r.human), 3, r.prompt),
    "symmetrised_kappa": lambda r: symmetrised_kappa(r.judge, r.human, r.prompt),
    "latency": lambda r: latency(r.confidence),
    "quantile": lambda r: quantile(r.confidence, 0.9),
    "latent_truth": lambda r: latent_truth(
        r.ratings[:, [0, 1, 3]], r.prompt, r.judge, replicates=20
    ),
    "longer_preference": lambda r: longer_preference(r.judge, r.human, r.length, r.prompt),
    "length_effect": lambda r: length_effect(r.judge, r.human, r.length, r.prompt),
    "balanced_agreement": lambda r: balanced_agreement(r.judge, r.human, r.length, r.prompt),
    "controlled_agreement": lambda r: controlled_agreement(
        r.judge, r.human, r.length, r.prompt, domains=r.domain
    ),
    "position_and_length": lambda r: position_and_length(
        r.judge, r.swapped, r.human, r.length, r.prompt
    ),
    "human_likeness": lambda r: human_likeness(r.ratings[:, [0, 1, 3]], r.judge, r.prompt, **FEW),
    "fit_logit": lambda r: [
        fit_logit({"x": r.length}, r.credit, r.prompt).marginal("x").estimate("effect")
    ],
    "mcnemar": lambda r: mcnemar(r.right - r.rival_right, r.item),
    "conditional_odds_ratio": lambda r: conditional_odds_ratio(*discordant(r)),
    "meta_analysis": lambda r: meta_analysis(
        [e.estimate for e in studies(r)], [e.se**2 for e in studies(r)]
    ),
    "meta_regression": lambda r: meta_regression(
        [e.estimate for e in studies(r)],
        {"size": np.arange(len(studies(r)))},
        [e.se**2 for e in studies(r)],
    ),
    "cluster_bonett_price": gap,
    "macro_bonett_price": lambda r: macro_bonett_price(r.credit - r.rival, r.prompt, r.domain),
    "bonett_price": lambda r: bonett_price(whole_table(r)),
    "newcombe": lambda r: newcombe(whole_table(r)),
    "tango": lambda r: tango(whole_table(r)),
    "perturbation": lambda r: perturbation(
        r.judge, r.other, -r.swapped, r.prompt, favoured=np.sign(r.length)
    ),
    "pairwise_accuracy": lambda r: pairwise_accuracy(r.judge, r.human, r.prompt),
    "calibrate_ties": lambda r: calibrate_ties(r.judge, r.human, r.prompt),
    "position": lambda r: position(r.judge, r.swapped, r.prompt),
    "accuracy_cost": lambda r: accuracy_cost(r.judge, r.swapped, r.human, r.prompt),
    "prediction_powered": lambda r: prediction_powered(
        *((1 + side[r.item % 2 == 0]) / 2 for side in (r.human, r.judge)),
        (1 + r.judge[r.item % 2 == 1]) / 2,
        r.prompt[r.item % 2 == 0],
        r.prompt[r.item % 2 == 1],
    ),
    "rogan_gladen": lambda r: rogan_gladen(
        Share(float(np.sum(r.judge > 0)), r.n),
        Share(float(np.sum((r.judge > 0) & (r.human > 0))), float(np.sum(r.human > 0))),
        Share(float(np.sum((r.judge < 0) & (r.human < 0))), float(np.sum(r.human < 0))),
    ),
    "correlations": lambda r: correlations(r.judge, r.human, r.prompt),
    "icc": lambda r: icc(r.ratings[:, :3], r.prompt, **FEW),
    "disattenuated": lambda r: disattenuated(
        correlations(r.judge, r.human, r.prompt).pearson, 0.9, 0.8
    ),
    "recalibration": lambda r: recalibration(*calibrated(r), "platt", **FEW),
    "recalibration_isotonic": lambda r: recalibration(*calibrated(r), "isotonic", **FEW),
    "recalibration_temperature": lambda r: recalibration(*calibrated(r), "temperature", **FEW),
    "binned_errors": lambda r: binned_errors(r.confidence, r.right, bins(r), r.prompt, **FEW),
    "reliability_diagram": lambda r: reliability_diagram(r.confidence, r.right, bins(r), r.prompt),
    "repetition_stability": lambda r: repetition_stability(
        np.stack([r.judge, r.other], axis=1), r.prompt
    ),
    "excess_flip": lambda r: excess_flip(
        np.stack([r.judge, r.other], axis=1), r.swapped[:, None], r.prompt
    ),
    "bootstrap": lambda r: bootstrap([r.credit, np.ones(r.n)], r.prompt, mean_of, "mean", **FEW),
    "ties": lambda r: ties(utilities(r), **FEW),
    "total": lambda r: total({name: accuracy(r) for name in SUBSETS}),
    "section": lambda r: section("Chat", {name: accuracy(r) for name in SECTIONS["Chat"]}),
    "style_matrix": matrix,
    "overall": lambda r: overall({domain: matrix(r) for domain in STYLE_DOMAINS}),
    "aurc": lambda r: aurc(*calibrated(r)),
    "win_share_sequence": lambda r: win_share_sequence(*discordant(r)),
    "simultaneous": lambda r: simultaneous(
        np.stack([r.credit, r.rival, 1 - r.rival], axis=1), r.prompt, **FEW
    ),
    "simultaneous_domains": lambda r: simultaneous(
        np.stack([r.credit, r.rival], axis=1), r.prompt, r.domain, **FEW
    ),
    "slot_shares": lambda r: slot_shares(picks(r), r.prompt),
    "vote_strata": lambda r: vote_strata(r.judge, r.votes, r.first, r.prompt, **FEW),
    "answer_classes": lambda r: answer_classes(
        r.ratings[:, :2], -r.ratings[:, 2:], r.prompt, replicates=20
    ),
    "style_effects": lambda r: style_effects(r.judge, r.human, *styles(r), r.prompt),
    "chance_corrected": lambda r: [
        chance_corrected(
            three(r.judge), three(r.human), 3, r.prompt, chance=c, weights=w, symmetrise=s
        )
        for c in ("cohen", "scott", "gwet", "bennett")
        for w, s in (("identity", False), ("linear", True))
    ],
    "paradox": lambda r: paradox(two(r.judge), two(r.human), r.prompt),
    "transitivity": lambda r: transitivity(*system_pairs(r), r.judge, r.prompt, **FEW),
    "two_groups": lambda r: two_groups(r.credit, r.length > 0, r.prompt),
    "two_way_mean": lambda r: two_way_mean(r.credit, r.prompt, r.item % 12),
    "unpaired_difference": lambda r: unpaired_difference(
        (float(r.credit.sum()), float(r.rival.sum())), (r.n, r.n)
    ),
}


def estimates(result):
    """All estimates in what a function returned."""
    if isinstance(result, Estimate):
        yield result
    elif is_dataclass(result):
        for field in fields(result):
            yield from estimates(getattr(result, field.name))
    elif isinstance(result, list | tuple):
        for part in result:
            yield from estimates(part)
    elif isinstance(result, dict):
        yield from estimates(list(result.values()))


def sane(e):
    number, bounds = not math.isnan(e.estimate), not math.isnan(e.lo)
    assert bounds == (not math.isnan(e.hi))
    if e.status in ("ok", "ok_small"):
        assert number and bounds, e
    else:
        assert e.note, e
    if number and bounds:
        assert e.lo <= e.estimate <= e.hi, e
    assert number or not bounds or e.status == "out_of_range", e
    assert not e.se <= 0 or e.note == "reference", e
    assert e.n_items >= 0 and e.n_clusters >= 0 and e.n_missing >= 0


BAD_VALUES = ("all_failures", "nan", "infinite", "unseen_category")
NOT_FOR = {
    "bradley_terry": ["empty"],  # no system to refer to
    "mcnemar": ["duplicate_ids"],
    "recalibration": ["empty", "one_item", "two_items", "one_cluster"],
    "recalibration_isotonic": ["empty", "one_item", "two_items", "one_cluster"],
    "recalibration_temperature": ["empty", "one_item", "two_items", "one_cluster"],
    "rogan_gladen": ["empty", "one_item", "two_items", "all_ties", "one_class"],
    "ties": ["duplicate_ids"],
    "transitivity": ["duplicate_ids", "one_cluster", "giant_prompt"],  # a pair comes twice
}
"""Where a BenchError is the right answer; bad values any function may refuse."""


@pytest.mark.parametrize("animal", ZOO)
@pytest.mark.parametrize("name", CALLS)
def test_zoo(name, animal):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        if animal in NOT_FOR.get(name, []):
            with pytest.raises(BenchError, match=r"\w+ .*\w+"):
                CALLS[name](ZOO[animal])
            return
        try:
            found = list(estimates(CALLS[name](ZOO[animal])))
        except BenchError as error:
            assert animal in BAD_VALUES, error
            assert "expected" in str(error)
            return
    for e in found:
        sane(e)


@pytest.mark.parametrize("name", CALLS)
def test_sound_data_have_an_answer(name):
    found = list(estimates(CALLS[name](SOUND)))
    assert any(e.status in ("ok", "ok_small") for e in found)
    for e in found:
        sane(e)


INNER = {
    "clustered_t",  # of checked values: what brier, log_loss and the regressions call
    "coefficient_estimate",  # of a table: what the kappas call
}


def holds_estimates(kind):
    if kind is Estimate:
        return True
    if is_dataclass(kind):
        return any(map(holds_estimates, typing.get_type_hints(kind).values()))
    return any(map(holds_estimates, typing.get_args(kind)))


def test_no_estimator_is_left_out():
    missing = []
    for module in pkgutil.iter_modules(bench.stats.__path__):
        names = vars(importlib.import_module(f"bench.stats.{module.name}"))
        for name, f in names.items():
            public = inspect.isfunction(f) and f.__module__ == f"bench.stats.{module.name}"
            if public and not name.startswith("_"):
                kind = typing.get_type_hints(f).get("return")
                if holds_estimates(kind) and name not in CALLS and name not in INNER:
                    missing.append(f"{module.name}.{name}")
    assert missing == []
