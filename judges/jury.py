"""The judge ``jury:A+B+C``: several judges are asked, and their answers make one verdict.

How they make one, and what is learnt for it, is in judges.jury_rule.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace

from bench.kinds import kind
from bench.spec import Spec
from bench.types import BenchError, Context, Judge, Status, Trial, Verdict, failure, verdict
from judges.described import Described
from judges.dev import dev_items, say_on_dev
from judges.jury_rule import FOLDS, LEAST_DEV, Rule, deciding, learnt_weights, spread
from judges.panel import Answer, ask, bill, card_of, evidence, members_of, rounded


@dataclass(frozen=True)
class Settings(Described):
    """Options. `rule`: vote or mean. `weights`: equal, dev, or one number per member joined by
    ``+``. `scale`: dev or none, for the mean. `dev_items`: to learn from, at most."""

    rule: str = "vote"
    weights: str = "equal"
    scale: str = "dev"
    dev_items: int = 200

    def __post_init__(self) -> None:
        for name, valid in (("rule", ("vote", "mean")), ("scale", ("dev", "none"))):
            if getattr(self, name) not in valid:
                raise BenchError(
                    f"jury: {name} is {getattr(self, name)!r}; {' or '.join(valid)} expected"
                )
        if self.dev_items < LEAST_DEV:
            raise BenchError(f"jury: dev_items is {self.dev_items}; {LEAST_DEV} or more expected")


class JuryJudge(Judge):
    """Members that run here are asked one after another, each about all trials, so that one model
    at a time is in memory. Paid ones are asked together, and a verdict is there as soon as all of
    them have answered: nothing that was paid for waits for the rest of the run."""

    def __init__(self, spec: Spec, settings: Settings, members: list[Judge], rule: Rule) -> None:
        self._members, self._rule = members, rule
        self.training_prompts = frozenset[str]().union(*(m.training_prompts for m in members))
        own = {"rule": settings.rule, "weights": rule.weights, "scales": rule.scales}
        names = ", ".join(member.card.name for member in members)
        about = f"{'vote' if settings.rule == 'vote' else 'mean'} of {names}"
        self.card = settings.on(card_of("jury", spec, members, own, about))

    def judge(self, trials: Iterable[Trial]) -> Iterator[Verdict]:
        """One verdict per trial, as they come."""
        asked = list(trials)
        answers: list[dict[int, Answer]] = [{} for _ in asked]
        paid = [seat for seat, member in enumerate(self._members) if member.card.paid]
        here = [seat for seat in range(len(self._members)) if seat not in paid]
        together = paid or [here.pop()]
        for seat in here:
            for number, answer in ask(self._members[seat], asked):
                answers[number][seat] = answer
            self._members[seat].close()
        with ExitStack() as stack:
            streams = [
                stack.enter_context(closing(ask(self._members[seat], asked))) for seat in together
            ]
            for row in zip(*streams, strict=True):
                for seat, (number, answer) in zip(together, row, strict=True):
                    answers[number][seat] = answer
                    if len(answers[number]) == len(self._members):
                        said = answers[number]
                        yield self._verdict(asked[number], [said[s] for s in sorted(said)])

    def close(self) -> None:
        """Free the members."""
        for member in self._members:
            member.close()

    def _verdict(self, trial: Trial, answers: list[Answer]) -> Verdict:
        said = list(zip(self._members, answers, strict=True))
        usage = bill(said, paid=self.card.paid)
        raw = evidence(**{m.card.name: rounded(a.utilities) for m, a in said})
        note = "; ".join(
            f"{m.card.name}: {a.note or a.status}" for m, a in said if a.utilities is None
        )
        # What a network owes is asked for again; a jury without that member would be another one.
        if any(a.status is Status.ERROR for a in answers):
            return failure(trial, Status.ERROR, raw=raw, usage=usage, note=note)
        utilities = self._rule.utilities(trial.item, answers)
        if utilities is None:
            failed = {a.status for a in answers if a.utilities is None}
            status = failed.pop() if len(failed) == 1 else Status.UNPARSED
            return failure(trial, status, raw=raw, usage=usage, note=f"no majority; {note}")
        confidence = max(utilities) if self._rule.scales is None else None
        shown = [utilities[i] for i in trial.order]
        cut = any(a.cut for a in answers)
        made = verdict(trial, shown, confidence=confidence, raw=raw, usage=usage, cut=cut)
        return replace(made, note=note)


@kind(trained=None, order_free=None, cost="its members'", options={"jury:A+B": Settings})
def make(spec: Spec, context: Context) -> Judge:
    """Several judges asked together, jury:A+B+C; a vote, or a mean with rule=mean.

    Raises BenchError for a bad option or member, and where the dev split is needed and too small.
    """
    settings = spec.settings(Settings)
    members = members_of(spec, context, "jury:smollm2+smollm2-rating+longest")
    return JuryJudge(spec, settings, members, _learnt(spec, settings, members, context))


def _learnt(spec: Spec, settings: Settings, members: list[Judge], context: Context) -> Rule:
    by_scale = settings.rule == "mean" and settings.scale == "dev"
    fixed = _fixed(spec, settings.weights, len(members))
    ones = (1.0,) * len(members)
    if fixed is not None and not by_scale:
        return Rule((fixed,), None if settings.rule == "vote" else ones)
    items = dev_items(members, settings.dev_items, context)
    items = [item for item in items if fixed is not None or deciding(item)]
    prompts = len({item.prompt_key for item in items})
    if prompts < LEAST_DEV:
        raise BenchError(
            f"{spec.text!r}: {prompts} dev prompts in the run's tasks; {LEAST_DEV} or more are "
            f"needed to learn weights or scales. {_INSTEAD}"
        )
    said = [say_on_dev(member, items, context, _INSTEAD) for member in members]
    scales = tuple(map(spread, said)) if by_scale else None if settings.rule == "vote" else ones
    if fixed is not None:
        return Rule((fixed,), scales)
    weights = tuple(learnt_weights(items, said, left_out) for left_out in (*range(FOLDS), None))
    if not all(map(any, weights)):
        raise BenchError(
            f"{spec.text!r}: no member is better than chance on the dev split, so none has a "
            "weight. Take weights=equal, or other members"
        )
    return Rule(weights, scales)


_INSTEAD = (
    "Run the members alone and give their weights, weights=W1+W2+.., or take weights=equal; "
    "for a mean of members on one scale: scale=none"
)


def _fixed(spec: Spec, text: str, n: int) -> tuple[float, ...] | None:
    """Weights that need no data; None for those to be learnt."""
    if text in ("equal", "dev"):
        return (1.0,) * n if text == "equal" else None
    try:
        weights = tuple(map(float, text.split("+")))
    except ValueError:
        weights = ()
    if len(weights) != n or not all(0 <= w < math.inf for w in weights) or not any(weights):
        raise BenchError(
            f"{spec.text!r}: weights is {text!r}; equal, dev, or {n} numbers from 0 expected, one "
            f"per member: {'+'.join(['1'] * n)}"
        )
    return weights
