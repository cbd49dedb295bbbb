"""A jury says what its members say together: recomputed from the members' own answers."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from members import Member, Says, drawn, run_of, verdicts_on

from bench.outcome import top_set
from bench.plan import trials
from bench.prepare import cache_folder
from bench.prices import priced
from bench.registry import make_judge
from bench.spec import parse_spec, parse_specs
from bench.types import (
    BenchError,
    Context,
    Item,
    Judge,
    JudgeCard,
    Label,
    Message,
    Status,
    Trial,
    Usage,
    Verdict,
)
from judges import jury
from judges.jury_rule import FOLDS


def a_jury(
    text: str, members: Iterable[Judge], folder: Path = Path(), items: Sequence[Item] = ()
) -> Judge:
    return jury.make(parse_spec(text), run_of(members, folder, items))


def in_item_order(says: Says, item: Item, order: tuple[int, ...]) -> np.ndarray | None:
    """What a member says of an item shown in `order`, without the jury's code."""
    said = says(Trial("", item, order, "listwise", 0, 0))
    if isinstance(said, Status):
        return None
    found = np.empty(len(order))
    found[list(order)] = said
    return found


@pytest.mark.parametrize("n", [2, 4])
@pytest.mark.parametrize("weights", ["equal", "2+1+.5+1"])
def test_a_vote_is_recomputed_from_what_the_members_say(make_item, n: int, weights: str) -> None:
    items = [make_item(i, n) for i in range(120)]
    says = [drawn(1, ties=0.2), drawn(2, fails=0.3), drawn(3, fails=0.3), drawn(4)]
    members = [Member(f"m{k}", s, pointwise=k == 3) for k, s in enumerate(says)]
    judge = a_jury(f"jury:m0+m1+m2+m3,weights={weights}", members)
    found = verdicts_on(judge, items)
    assert len(found) == 120 * {2: 2, 4: 4}[n]
    w = np.ones(4) if weights == "equal" else np.array([2, 1, 0.5, 1])
    seen: Counter[str] = Counter()
    for (index, order), v in found.items():
        item = items[index]
        said = [in_item_order(s, item, order) for s in says[:3]]
        said.append(
            np.array([says[3](Trial("", item, (i,), "pointwise", 0, 0))[0] for i in range(n)])
        )
        votes, failed = np.zeros(n), 0.0
        for weight, u in zip(w, said, strict=True):
            if u is None:
                failed += weight
            else:
                votes += weight * (u == u.max()) / (u == u.max()).sum()
        best, second = np.sort(votes)[::-1][:2]
        if failed and best - second <= failed + 1e-9:
            assert v.status is Status.UNPARSED and "no majority" in v.note
            seen["open"] += 1
        else:
            assert v.utilities == pytest.approx(votes / w.sum())
            assert v.confidence == pytest.approx(best / w.sum())
            seen["failed" if failed else "whole"] += 1
        for k, u in enumerate(said):
            assert (f"m{k} failed" in v.note) == (u is None)
    assert min(seen[kind] for kind in ("open", "failed", "whole")) > 10


A, B, TIE, NONE = (1.0, 0.0), (0.0, 1.0), (0.0, 0.0), Status.UNPARSED


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ((A, A, NONE), (2 / 3, 0)),  # two of three are a majority
        ((A, NONE, NONE), NONE),  # one of three is none
        ((A, B, NONE), NONE),  # the third would have decided
        ((A, NONE), NONE),
        ((A, B), (0.5, 0.5)),
        ((A, TIE, NONE), NONE),
        ((A, A, TIE, NONE), (2.5 / 4, 0.5 / 4)),
        ((NONE, NONE), NONE),
        ((Status.REFUSED, Status.REFUSED), Status.REFUSED),
        ((Status.REFUSED, Status.TRUNCATED), NONE),
        ((A, A, Status.ERROR), Status.ERROR),  # asked again, not decided without it
    ],
)
def test_failed_members_stay_in_the_denominator(make_item, answers, expected) -> None:
    members = [
        Member(f"m{k}", lambda trial, said=said: _shown(said, trial))
        for k, said in enumerate(answers)
    ]
    judge = a_jury("jury:" + "+".join(m.card.name for m in members), members)
    for v in verdicts_on(judge, [make_item(0)]).values():
        if isinstance(expected, Status):
            assert v.status is expected
        else:
            assert v.utilities == pytest.approx(expected)
        failed = [k for k, said in enumerate(answers) if isinstance(said, Status)]
        assert [k for k in range(len(answers)) if f"m{k}" in v.note] == failed


def _shown(said: Any, trial: Trial) -> Any:
    return said if isinstance(said, Status) else [said[i] for i in trial.order]


def labelled(make_item, n: int, seed: int = 0) -> list[Item]:
    """Pairs with two labels each, that do not always agree; two to a prompt."""
    draw = np.random.default_rng(seed)
    items = []
    for i in range(n):
        first = float(draw.random() < 0.5)
        again = first if draw.random() < 0.8 else 1 - first
        labels = tuple(Label(a, (u, 1 - u)) for a, u in (("x", first), ("y", again)))
        items.append(make_item(i, labels=labels, prompt=(Message("user", f"question {i // 2}"),)))
    return items


def skilled(skill: float, seed: int, scale: float, truth: Mapping[str, int]) -> Says:
    """Right with this probability, whatever the order; `truth`: text of a response -> 0 or 1."""

    def says(trial: Trial) -> Sequence[float]:
        key = sorted(r.text for r in trial.shown)
        draw = np.random.default_rng([seed, *"".join(key).encode()])
        right, size = draw.random() < skill, scale * draw.exponential()
        return [size * (truth[r.text] == right) + 1000 * scale for r in trial.shown]

    return says


def truth_of(items: Sequence[Item]) -> dict[str, int]:
    """Text of a response -> whether the first annotator has it on top."""
    return {
        r.text: int(r is item.responses[int(np.argmax(item.labels[0].utilities))])
        for item in items
        for r in item.responses
    }


def test_a_mean_is_of_utilities_on_one_scale_learnt_without_labels(make_item, tmp_path) -> None:
    items = labelled(make_item, 300)
    says = [drawn(1, scale=1e6), drawn(2, scale=1e-3, fails=0.2), drawn(3)]
    members = [Member(f"m{k}", s) for k, s in enumerate(says)]
    judge = a_jury("jury:m0+m1+m2,rule=mean", members, tmp_path, items)
    dev = [item for item in items if item.split == "dev"]
    assert 10 < len(dev) < 60
    centred: list[list[float]] = [[], [], []]
    for item in dev:
        for k, s in enumerate(says):
            for order in ((0, 1), (1, 0)):
                u = in_item_order(s, item, order)
                centred[k] += [] if u is None else list(u - u.mean())
    scales = [np.sqrt(np.mean(np.square(c))) for c in centred]
    assert scales[0] / scales[1] > 1e8
    members[0].asked.clear()
    for (index, order), v in verdicts_on(judge, items).items():
        total = np.zeros(2)
        for s, scale in zip(says, scales, strict=True):
            u = in_item_order(s, items[index], order)
            total += 0 if u is None else (u - u.mean()) / scale
        assert v.utilities == pytest.approx(total / 3, abs=1e-5)
        assert v.confidence is None
    again = a_jury("jury:m0+m1+m2,rule=mean", members, tmp_path, items)
    assert again.card.identity == judge.card.identity
    assert len(members[0].asked) == 600, "what was said of the dev items is kept"


def test_a_mean_of_members_on_one_scale_needs_no_data(make_item) -> None:
    items = [make_item(i, 3) for i in range(40)]
    says = [drawn(1), drawn(2)]
    judge = a_jury(
        "jury:m0+m1,rule=mean,scale=none", [Member(f"m{k}", s) for k, s in enumerate(says)]
    )
    for (index, order), v in verdicts_on(judge, items).items():
        rows = np.array([in_item_order(s, items[index], order) for s in says])
        assert v.utilities == pytest.approx((rows - rows.mean(1, keepdims=True)).mean(0), abs=1e-9)


def test_weights_are_log_odds_of_accuracy_on_other_dev_prompts(make_item, tmp_path) -> None:
    items = labelled(make_item, 600)
    truth = truth_of(items)
    says = [skilled(p, k, 1, truth) for k, p in enumerate((0.9, 0.7, 0.2))]
    members = [Member(f"m{k}", s) for k, s in enumerate(says)]
    judge = a_jury("jury:m0+m1+m2,weights=dev", members, tmp_path, items)
    dev = [item for item in items if item.split == "dev"]
    fold = {item.id: int(item.prompt_key[8:16], 16) % FOLDS for item in dev}
    credit = np.array(
        [
            [
                np.mean(
                    [
                        np.argmax(in_item_order(s, i, (0, 1))) == np.argmax(label.utilities)
                        for label in i.labels
                    ]
                )
                for s in says
            ]
            for i in dev
        ]
    )

    def weights(left_out: int | None) -> np.ndarray:
        kept = credit[[fold[item.id] != left_out for item in dev]]
        p = (kept.sum(axis=0) + 1) / (len(kept) + 2)
        return np.maximum(0, np.log(p / (1 - p)))

    distinct = set()
    for (index, order), v in verdicts_on(judge, items).items():
        item = items[index]
        w = weights(fold.get(item.id))
        assert w[2] == 0
        votes = sum(
            w[k] * (np.arange(2) == np.argmax(in_item_order(s, item, order)))
            for k, s in enumerate(says)
        )
        assert v.utilities == pytest.approx(votes / w.sum(), abs=1e-5)
        distinct.add((fold.get(item.id), round(w[0], 9)))
    assert len(distinct) == FOLDS + 1
    assert not judge.training_prompts, "no item has to leave the run"


def test_a_label_never_weighs_on_its_own_item(make_item, tmp_path) -> None:
    items = labelled(make_item, 600)
    truth = truth_of(items)
    says = [skilled(0.8, k, 1, truth) for k in range(2)]

    def rule(of: Sequence[Item]) -> jury.Rule:
        judge = a_jury(
            "jury:m0+m1,weights=dev", [Member(f"m{k}", s) for k, s in enumerate(says)], tmp_path, of
        )
        return judge._rule  # type: ignore[attr-defined]

    target = next(item for item in items if item.split == "dev")
    turned = tuple(Label(old.annotator, old.utilities[::-1]) for old in target.labels)
    other = [
        replace(item, labels=turned) if item.prompt_key == target.prompt_key else item
        for item in items
    ]
    assert rule(items).weights_for(target) == rule(other).weights_for(target)
    assert rule(items).weights[-1] != rule(other).weights[-1]


def test_cost_tokens_and_time_are_those_of_all_members(make_item) -> None:
    # Items 0 and 1 share a prompt and a response; the pointwise member reads it once.
    items = [make_item(0), make_item(1, prompt=make_item(0).prompt)]
    items[1] = replace(items[1], responses=(items[0].responses[0], items[1].responses[1]))
    pair = Member("pair", drawn(1), paid=True, usd_per_mtok=(1.0, 0.5, 10.0))
    pair.usage = Usage(prompt_tokens=1000, completion_tokens=10, latency_s=2.0)
    point = Member("point", drawn(2), pointwise=True, usd_per_hour=3.6)
    point.usage = Usage(prompt_tokens=100, latency_s=1.0)
    free = Member("free", drawn(3))
    judge = a_jury("jury:pair+point+free", [pair, point, free])
    usages = [v.usage for v in verdicts_on(judge, items).values()]
    assert len(point.asked) == 3 and len(pair.asked) == 4 and len(free.asked) == 4
    assert math.fsum(u.cost_usd or 0 for u in usages) == pytest.approx(4 * 0.0011 + 3 * 0.001)
    assert sum(u.prompt_tokens or 0 for u in usages) == 4 * 1000 + 3 * 100
    assert math.fsum(u.latency_s or 0 for u in usages) == pytest.approx(4 * 2 + 3)
    assert sum(u.completion_tokens or 0 for u in usages) == 40
    assert judge.card.paid and judge.card.usd_per_mtok == (1.0, 0.5, 10.0)


def test_what_a_paid_member_does_not_count_is_unknown_not_nothing(make_item) -> None:
    quiet = Member("quiet", drawn(1), paid=True, usd_per_mtok=(1.0, 1.0, 1.0))
    other = Member("other", drawn(2), paid=True, usd_per_mtok=(1.0, 1.0, 2.0))
    other.usage = Usage(prompt_tokens=5, completion_tokens=5)
    judge = a_jury("jury:quiet+other", [quiet, other])
    assert judge.card.usd_per_mtok == (2.0, 2.0, 3.0)
    for v in verdicts_on(judge, [make_item(0)]).values():
        assert (v.usage.cost_usd, v.usage.prompt_tokens) == (None, None)
    unpriced = Member("unpriced", drawn(3), paid=True)
    assert a_jury("jury:unpriced+other", [unpriced, other]).card.usd_per_mtok is None


def test_one_model_at_a_time_and_no_paid_answer_waits_for_the_end(make_item) -> None:
    items = [make_item(i) for i in range(30)]
    local = [Member(f"l{k}", drawn(k)) for k in range(2)]
    paid = [Member(f"p{k}", drawn(k), paid=True) for k in range(2, 4)]
    judge = a_jury("jury:p2+l0+p3+l1", [*local, *paid])
    stream = judge.judge([trial for _, trial in trials(items, judge.card)])
    next(stream)
    assert [len(m.asked) for m in local] == [60, 60]
    assert [m.closed for m in local] == [1, 1]
    assert [len(m.asked) for m in paid] == [1, 1]
    stream.close()  # type: ignore[attr-defined]
    here = a_jury("jury:l0+l1", local)
    for member in local:
        member.asked.clear()
    next(here.judge([trial for _, trial in trials(items, here.card)]))
    assert [len(m.asked) for m in local] == [60, 1]
    judge.close()
    assert all(m.closed for m in paid)


def test_samples_of_a_member_are_averaged(make_item) -> None:
    def says(trial: Trial) -> Sequence[float] | Status:
        return ([1.0, 0.0], [0.5, 0.0], Status.UNPARSED)[trial.repeat % 3]

    member = Member("m", says, samples=3)
    other = Member("o", lambda trial: [0.0, 0.0])
    judge = a_jury("jury:m+o,rule=mean,scale=none", [member, other])
    for (_, order), v in verdicts_on(judge, [make_item(0)]).items():
        assert v.utilities[order[0]] - v.utilities[order[1]] == pytest.approx(0.75 / 2)
    assert sorted(t.repeat for t in member.asked) == [0, 0, 1, 1, 2, 2]
    assert len({t.key for t in member.asked}) == len({t.seed for t in member.asked}) == 6


def test_the_card_is_made_of_the_members_cards() -> None:
    def card(text: str, *members: Judge) -> JudgeCard:
        return a_jury(text, members).card

    one = Member("a", drawn(1), True, parameters=5, model="m", trained=True, trained_on=("x",))
    same = Member("b", drawn(1), True, parameters=5, model="m", trained=True, families=("f",))
    pair = Member("c", drawn(1), sees=("text", "reference"), max_responses=26, parameters=2)
    first = Member("d", drawn(1), orders="first", tasks=("made", "other"))
    free = card("jury:a+b", one, same)
    assert (free.order_free, free.protocols) == (True, ("pairwise", "listwise"))
    assert (free.parameters, free.trained, free.trained_on, free.families) == (
        5,
        True,
        ("x",),
        ("f",),
    )
    mixed = card("jury:a+c+d", one, pair, first)
    assert (mixed.order_free, mixed.orders, mixed.tasks) == (False, "first", ("made", "other"))
    assert (mixed.sees, mixed.max_responses) == (("text", "reference"), 26)
    assert (mixed.parameters, mixed.trained) == (7, False)
    identities = {
        free.identity,
        card("jury:a+c", one, pair).identity,
        card("jury:a+b,weights=1+2", one, same).identity,
        card("jury:a+b,rule=mean,scale=none", one, same).identity,
        card("jury:a+b", one, Member("b", drawn(1), True, settings={"name": "other"})).identity,
    }
    assert len(identities) == 5
    one.training_prompts, pair.training_prompts = frozenset("xy"), frozenset("yz")
    assert a_jury("jury:a+c", [one, pair]).training_prompts == frozenset("xyz")


def test_a_jury_of_order_free_members_cannot_flip(make_item) -> None:
    items = [make_item(i) for i in range(50)]
    members = [Member(f"m{k}", drawn(k), pointwise=True) for k in range(3)]
    judge = a_jury("jury:m0+m1+m2", members)
    assert len(list(trials(items, judge.card))) == 50
    shown = [
        replace(t, key=f"{t.key[:31]}{k}", order=order)
        for _, t in trials(items, judge.card)
        for k, order in enumerate([(0, 1), (1, 0)])
    ]
    found = {v.key: v.utilities for v in judge.judge(shown)}
    assert all(found[k] == found[f"{k[:31]}1"] for k in found if k.endswith("0"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("jury:a", "names 1 members; at least two expected, joined by +"),
        ("jury:rule=vote", "names no members"),
        ("jury:a+", "at least two"),
        ("jury:a+a", "member a is there twice"),
        ("jury:a+b,rule=median", "rule is 'median'; vote or mean expected"),
        ("jury:a+b,weights=1", "2 numbers from 0 expected"),
        ("jury:a+b,weights=0+0", "2 numbers from 0 expected"),
        ("jury:a+b,weights=1+nan", "2 numbers from 0 expected"),
        ("jury:a+b,weights=dev", "0 dev prompts in the run's tasks; 10 or more"),
        ("jury:a+b,rule=mean", "0 dev prompts in the run's tasks; 10 or more"),
        ("jury:a+b,dev_items=3", "10 or more expected"),
        ("jury:a+b,quorum=2", "no option 'quorum'"),
        ("jury:a+t", "cannot be shown the same items"),
    ],
)
def test_what_cannot_be_a_jury_is_said(text: str, said: str) -> None:
    members = [
        Member(name, drawn(1), tasks=tasks)
        for name, tasks in [("a", ("x",)), ("b", None), ("t", ("y",))]
    ]
    with pytest.raises(BenchError, match=said.replace("+", r"\+")):
        a_jury(text, members)


def test_dev_items_are_not_paid_for_behind_the_ledger(make_item, tmp_path) -> None:
    items = labelled(make_item, 300)
    paid = Member("paid", drawn(1), paid=True)
    with pytest.raises(BenchError, match=r"'paid' is paid by the call.*weights=W1\+W2"):
        a_jury("jury:paid+b,weights=dev", [paid, Member("b", drawn(2))], tmp_path, items)
    assert not paid.asked
    down = Member("down", lambda trial: Status.ERROR)
    with pytest.raises(BenchError, match="'down' gave no answer to"):
        a_jury("jury:down+b,weights=dev", [down, Member("b", drawn(2))], tmp_path, items)
    bad = [Member(f"m{k}", skilled(0.1, k, 1, truth_of(items))) for k in range(2)]
    with pytest.raises(BenchError, match="no member is better than chance"):
        a_jury("jury:m0+m1,weights=dev", bad, tmp_path, items)


def test_a_member_that_breaks_its_promise_is_told(make_item) -> None:
    class Short(Member):
        def judge(self, trials: Iterable[Trial]) -> Iterator[Verdict]:
            yield from super().judge(list(trials)[1:])

    judge = a_jury("jury:a+b", [Short("a", drawn(1)), Member("b", drawn(2))])
    with pytest.raises(BenchError, match="member 'a' left 1 trials unanswered"):
        verdicts_on(judge, [make_item(0)])


def test_options_of_members_are_typed_after_semicolons(make_item) -> None:
    (spec,) = parse_specs("jury:planted:acc=.9;first=.1+longest,weights=1+2")
    made = []

    def make(text: str) -> Judge:
        made.append(text)
        judge = make_judge(parse_spec(text), Context(seed=3))
        judge.card = priced(judge.card)
        return judge

    judge = jury.make(spec, Context(make=make))
    assert made == ["planted:acc=.9,first=.1", "longest"]
    assert judge.card.sees == ("text", "labels")
    texts = ("the longer answer", "short")
    item = make_item(0)
    item = replace(
        item,
        responses=tuple(replace(r, text=t) for r, t in zip(item.responses, texts, strict=True)),
    )
    for v in verdicts_on(judge, [item]).values():
        assert v.utilities is not None and v.utilities[0] >= 2 / 3
        assert json.loads(v.raw)["longest"] == [17, 5]


def test_a_jury_of_real_judges_is_their_vote(embedded: str, random_llama, make_item) -> None:
    items = [make_item(i) for i in range(20)]
    tiny = random_llama(3, blocks=2, tokens=256)
    rating = f"transformers:{tiny};prompt=rating-digit;min_mass=0"
    members = f"transformers:{embedded}+{rating}+longest"
    heard: dict[tuple[str, tuple[Message, ...], tuple[int, ...]], Verdict] = {}

    class Heard(Judge):
        def __init__(self, judge: Judge) -> None:
            self.of, self.card, self.close = judge, judge.card, judge.close

        def judge(self, trials: Iterable[Trial]) -> Iterator[Verdict]:
            by_key = {t.key: t for t in trials}
            for v in self.of.judge(by_key.values()):
                trial = by_key[v.key]
                heard[self.card.name, trial.item.prompt, trial.order] = v
                yield v

    context = Context(cache=cache_folder())
    judge = jury.make(
        parse_spec(f"jury:{members}"),
        replace(context, make=lambda text: Heard(make_judge(parse_spec(text), context))),
    )
    found = verdicts_on(judge, items)
    judge.close()
    assert len(heard) == 20 * (2 + 2 + 2)
    letters, digits, _ = dict.fromkeys(name for name, *_ in heard)
    alone = make_judge(parse_spec(f"transformers:{embedded}"), context)
    own = verdicts_on(alone, items[:3])
    alone.close()
    for (index, order), v in found.items():
        item = items[index]
        chosen = heard[letters, item.prompt, order].utilities
        rated = [heard[digits, item.prompt, (i,)].utilities for i in (0, 1)]
        assert chosen is not None and None not in rated
        votes = np.zeros(2)
        for u in (chosen, [r[0] for r in rated if r], [len(r.text) for r in item.responses]):
            top = top_set(u)
            votes += [(top >> i & 1) / top.bit_count() for i in (0, 1)]
        assert v.utilities == pytest.approx(votes / 3)
        assert v.usage.prompt_tokens and v.usage.latency_s
        if index < 3:
            assert chosen == own[index, order].utilities, "in the jury as alone"
    assert judge.card.parameters and judge.card.parameters > (alone.card.parameters or 0) > 1e8
