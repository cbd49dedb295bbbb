"""The judge ``cascade:SMALL+LARGE``: a small judge decides what it is sure of, and a large one is
asked about the rest.

Sure is the margin: the best utility less the second best, averaged over all orders in which the
small judge is asked, in its own units. A judge that changes its mind with the order has none. An
item is decided by one of the two, whatever the order: where the margin is below `threshold`, or the
small judge has no verdict, the large one is asked.

The threshold is chosen on the dev split as the greatest that hands over no more than a share `rate`
of its items. That asks the small judge alone, and no label: a threshold for the best accuracy would
need the large judge's answers to more items than the run may have, and where that one is better
everywhere the best is to ask it always. So the user says what can be spent. (Margins as a gate:
CAMEL, arXiv:2602.20670.)
"""

from __future__ import annotations

import math
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from statistics import fmean

from bench.kinds import kind
from bench.spec import Spec
from bench.types import BenchError, Context, Judge, Status, Trial, Verdict, failure, verdict
from judges.described import Described
from judges.dev import dev_items, say_on_dev
from judges.panel import Answer, ask, bill, card_of, evidence, members_of, rounded, showings

RATE = 0.3
LEAST_DEV = 10
PAID_AT_ONCE = 8
"""Items that a paid small judge is asked about before the large one has its turn."""


@dataclass(frozen=True)
class Settings(Described):
    """Options. `threshold`: margin from which the small judge decides, in its utilities. Or `rate`:
    share of the dev items that may be handed over, from 0 to 1. `dev_items`: to choose the
    threshold on, at most."""

    threshold: float | None = None
    rate: float | None = None
    dev_items: int = 200

    def __post_init__(self) -> None:
        if self.threshold is not None and self.rate is not None:
            raise BenchError("cascade: threshold and rate are given; one of them expected")
        if self.threshold is not None and math.isnan(self.threshold):
            raise BenchError("cascade: threshold is not a number; a margin expected")
        if self.rate is not None and not 0 <= self.rate <= 1:
            raise BenchError(f"cascade: rate is {self.rate}; a share from 0 to 1 expected")
        if self.dev_items < LEAST_DEV:
            raise BenchError(
                f"cascade: dev_items is {self.dev_items}; {LEAST_DEV} or more expected"
            )


def margin(rows: Sequence[Sequence[float] | None]) -> float:
    """Best less second best of the mean utilities over orders; -1 without a verdict in each.
    `rows`: utilities in item order, one per order shown."""
    given = [row for row in rows if row is not None]
    if len(given) < len(rows):
        return -1.0
    means = sorted(map(fmean, zip(*given, strict=True)), reverse=True)
    return means[0] - means[1]


def threshold_at(margins: Sequence[float], rate: float) -> float:
    """The greatest threshold below which lies no more than a share `rate` of `margins`; those that
    are equal go together. Infinite where it may be all."""
    from bench.stats.cascade import deferral_threshold

    values = sorted(set(margins))
    ranks = {value: rank / len(values) for rank, value in enumerate(values)}
    found = deferral_threshold([ranks[value] for value in margins], rate)
    return next((value for value, rank in ranks.items() if rank == found), math.inf)


class CascadeJudge(Judge):
    """`threshold`: margin from which the small judge decides."""

    def __init__(
        self, spec: Spec, settings: Settings, members: list[Judge], threshold: float
    ) -> None:
        self._small, self._large = members
        self._threshold = threshold
        self.training_prompts = self._small.training_prompts | self._large.training_prompts
        # As text: infinity is no JSON.
        own = {"threshold": repr(threshold)}
        about = (
            f"{self._small.card.name} where its margin is {threshold:.4g} or more, "
            f"else {self._large.card.name}"
        )
        self.card = settings.on(card_of("cascade", spec, members, own, about))

    def judge(self, trials: Iterable[Trial]) -> Iterator[Verdict]:
        """One verdict per trial, those of the small judge first."""
        of_item: dict[tuple[str, int], list[Trial]] = {}
        for trial in trials:
            of_item.setdefault((trial.item.key, trial.repeat), []).append(trial)
        groups = iter(of_item.values())
        at_once = PAID_AT_ONCE if self._small.card.paid else None
        while batch := list(islice(groups, at_once)):
            yield from self._decide(batch)

    def close(self) -> None:
        """Free both judges."""
        self._small.close()
        self._large.close()

    def _decide(self, groups: list[list[Trial]]) -> Iterator[Verdict]:
        """`groups`: the trials of one item each."""
        handed: list[tuple[Trial, dict[str, object], list[tuple[Judge, Answer]]]] = []
        with closing(self._small_says(groups)) as said:
            for trials, answers in said:
                found = margin([answer.utilities for answer in answers.values()])
                sure = found >= self._threshold and found >= 0
                lost = next((a for a in answers.values() if a.status is Status.ERROR), None)
                bills = [(self._small, answer) for answer in answers.values()]
                for trial in trials:
                    own = answers.get(trial.order) or next(iter(answers.values()))
                    raw: dict[str, object] = {
                        "margin": None if found < 0 else float(f"{found:.6g}"),
                        self._small.card.name: rounded(own.utilities),
                    }
                    if sure or lost is not None:
                        yield self._verdict(trial, self._small, lost or own, raw, bills)
                    else:
                        handed.append((trial, raw, bills))
                    bills = []  # the small judge's calls are paid for once an item
        if not handed:
            return
        if not self._small.card.paid:
            self._small.close()
        with closing(ask(self._large, [trial for trial, *_ in handed])) as asked:
            for number, answer in asked:
                trial, raw, bills = handed[number]
                raw = raw | {self._large.card.name: rounded(answer.utilities)}
                paid = [*bills, (self._large, answer)]
                yield self._verdict(trial, self._large, answer, raw, paid)

    def _small_says(
        self, groups: list[list[Trial]]
    ) -> Generator[tuple[list[Trial], dict[tuple[int, ...], Answer]], None, None]:
        """(trials of an item, the small judge's answer in each order it is asked in), as soon as an
        item has all of them."""
        shown: list[Trial] = []
        owner: list[int] = []
        missing: list[int] = []
        for number, trials in enumerate(groups):
            own = showings(self._small.card, trials[0].item, trials[0].repeat)
            shown += own
            owner += [number] * len(own)
            missing.append(len(own))
        answers: list[dict[tuple[int, ...], Answer]] = [{} for _ in groups]
        with closing(ask(self._small, shown)) as asked:
            for number, answer in asked:
                item = owner[number]
                answers[item][shown[number].order] = answer
                missing[item] -= 1
                if not missing[item]:
                    yield groups[item], answers[item]

    def _verdict(
        self,
        trial: Trial,
        by: Judge,
        answer: Answer,
        raw: dict[str, object],
        paid: list[tuple[Judge, Answer]],
    ) -> Verdict:
        text = evidence(decided=by.card.name, **raw)
        usage = bill(paid, paid=self.card.paid)
        if answer.utilities is None:
            note = f"{by.card.name}: {answer.note or answer.status}"
            return failure(trial, answer.status, raw=text, usage=usage, note=note)
        shown = [answer.utilities[i] for i in trial.order]
        return verdict(
            trial, shown, confidence=answer.confidence, raw=text, usage=usage, cut=answer.cut
        )


@kind(trained=None, order_free=None, cost="its members'", options={"cascade:SMALL+LARGE": Settings})
def make(spec: Spec, context: Context) -> Judge:
    """A small judge, and a large one for what it is unsure of, cascade:SMALL+LARGE.

    Raises BenchError for a bad option or member, and where the dev split is needed and too small.
    """
    settings = spec.settings(Settings)
    members = members_of(spec, context, "cascade:smollm2-probe+litellm:openai/NAME")
    if len(members) != 2:
        raise BenchError(f"{spec.text!r}: a small and a large judge expected, not {len(members)}")
    chosen = settings.threshold
    if chosen is None:
        rate = RATE if settings.rate is None else settings.rate
        chosen = _chosen(spec, members[0], rate, settings.dev_items, context)
    return CascadeJudge(spec, settings, members, chosen)


def _chosen(spec: Spec, small: Judge, rate: float, at_most: int, context: Context) -> float:
    items = dev_items([small], at_most, context)
    instead = "Give the margin yourself: threshold=NUMBER"
    if len(items) < LEAST_DEV:
        raise BenchError(
            f"{spec.text!r}: {len(items)} dev items in the run's tasks; {LEAST_DEV} or more are "
            f"needed to choose a threshold. {instead}"
        )
    margins = [margin(said) for said in say_on_dev(small, items, context, instead)]
    chosen = threshold_at(margins, rate)
    below = sum(m < chosen or m < 0 for m in margins)
    context.say(
        f"{spec.label or spec.text}: margins below {chosen:.4g} are handed over, {below} of "
        f"{len(margins)} dev items at a rate of {rate:g}"
    )
    return chosen
