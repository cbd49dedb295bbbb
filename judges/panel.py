"""What judges of judges share: how members are named, made, asked and paid for.

Members are specs joined by ``+``; inside one, ``;`` stands for the comma before an option:
``jury:smollm2+longest`` or ``jury:litellm:openai/NAME;temperature=1+smollm2-rating``. A member with
a ``+`` in an option needs a card.
"""

from __future__ import annotations

import json
import math
from collections.abc import Generator, Iterable, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, fields
from statistics import fmean
from typing import Any, TypeVar, get_args

from bench.plan import orders
from bench.prices import with_cost
from bench.spec import Spec
from bench.types import (
    Aspect,
    BenchError,
    Context,
    Item,
    Judge,
    JudgeCard,
    Protocol,
    Status,
    Trial,
    Usage,
    Verdict,
    content_key,
)

WHOLE: tuple[Protocol, ...] = ("pairwise", "listwise")
"""A panel is shown all responses at once, whatever its members are shown."""
_COUNTS = ("prompt_tokens", "cached_tokens", "completion_tokens", "reasoning_tokens")
Order = tuple[int, ...]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Answer:
    """What one member says of one trial. `utilities`: one per response in item order, None without
    a verdict; the mean over its samples. `usages`: of the calls made for it; a response that a
    pointwise member has scored before is not paid for again."""

    status: Status
    utilities: tuple[float, ...] | None = None
    confidence: float | None = None
    usages: tuple[Usage, ...] = ()
    cut: bool = False
    note: str = ""


def members_of(spec: Spec, context: Context, example: str) -> list[Judge]:
    """The judges that `spec` names, in its order.

    Raises BenchError for fewer than two, for twins, and for whatever stops one from being made.
    """
    texts = [text.strip().replace(";", ",") for text in spec.argument.split("+")]
    if len(texts) < 2 or not all(texts):
        raise BenchError(
            f"{spec.text!r} names {len(texts) if spec.argument else 'no'} members; at least two "
            f"expected, joined by +, for example {example}"
        )
    if context.make is None:
        raise BenchError(f"{spec.text!r}: judges of judges can only be made for a run")
    members = [context.make(text) for text in texts]
    names = [member.card.name for member in members]
    twins = sorted({name for name in names if names.count(name) > 1})
    if twins:
        raise BenchError(
            f"{spec.text!r}: member {', '.join(twins)} is there twice; one seat each expected. To "
            "ask a judge several times, let it have samples"
        )
    return members


def card_of(
    kind: str, spec: Spec, members: Sequence[Judge], settings: dict[str, Any], about: str
) -> JudgeCard:
    """The card of a panel: what its members' cards make together. `usd_per_mtok` is their sum, of a
    million tokens shown to each; None when a paid member has none.

    Raises BenchError for members that cannot judge the same items.
    """
    cards = [member.card for member in members]
    protocols = tuple(
        p for p in WHOLE if all({p, "pointwise"} & set(card.protocols) for card in cards)
    )
    limits = [set(card.tasks) for card in cards if card.tasks is not None]
    tasks = tuple(sorted(set.intersection(*limits))) if limits else None
    if not protocols or tasks == ():
        raise BenchError(f"{spec.text!r}: its members cannot be shown the same items")
    paid = [card for card in cards if card.paid]
    prices = [card.usd_per_mtok for card in paid if card.usd_per_mtok is not None]
    whole = bool(paid) and len(prices) == len(paid)
    sizes = {(c.model or c.name, c.revision): c.parameters for c in cards if c.parameters}
    return JudgeCard(
        name=spec.label or spec.text,
        kind=kind,
        protocols=protocols,
        description=about,
        order_free=all(card.order_free for card in cards),
        orders="first" if any(_own_order_alone(card) for card in cards) else "all",
        sees=tuple(a for a in get_args(Aspect) if any(a in card.sees for card in cards)),
        settings={"members": [card.identity for card in cards], **settings},
        parameters=sum(sizes.values()) or None,
        trained=all(card.trained for card in cards),
        trained_on=_union(card.trained_on for card in cards),
        tasks=tasks,
        max_responses=min(card.max_responses for card in cards),
        families=_union(card.families for card in cards),
        licence=" and ".join(_union((card.licence,) for card in cards if card.licence)) or None,
        context=min((card.context for card in cards if card.context), default=None),
        cuts="; ".join(f"{card.name}: {card.cuts}" for card in cards if card.cuts),
        paid=bool(paid),
        usd_per_mtok=tuple(map(math.fsum, zip(*prices, strict=True))) if whole else None,  # type: ignore[arg-type]
    )


def _own_order_alone(card: JudgeCard) -> bool:
    return card.orders == "first" and not card.order_free


def _union(parts: Iterable[Iterable[T]]) -> tuple[T, ...]:
    return tuple(dict.fromkeys(part for several in parts for part in several))


def showings(card: JudgeCard, item: Item, repeat: int = 0) -> list[Trial]:
    """A trial for every order in which `card`'s judge is asked about the whole item."""
    n = len(item.responses)
    shown = [tuple(range(n))] if card.order_free or _own_order_alone(card) else orders(n)
    protocol: Protocol = "pairwise" if n == 2 else "listwise"
    return [Trial("", item, order, protocol, repeat, 0) for order in shown]


def ask(member: Judge, trials: Sequence[Trial]) -> Generator[tuple[int, Answer], None, None]:
    """(number of the trial, answer) for each of `trials`, as they come. What the member is asked
    are trials of its own: a pointwise one scores each distinct response once, one with samples is
    asked that often, one that knows no order is shown the items' own.

    Raises BenchError when the member leaves a trial out or answers one twice.
    """
    asked: dict[str, Trial] = {}
    samples: list[list[list[str]]] = []  # of each trial: per sample the keys of its parts
    waiting: dict[str, list[int]] = {}
    for number, trial in enumerate(trials):
        own = _own_trials(member.card, trial)
        samples.append([[part.key for part in parts] for parts in own])
        for key, part in {part.key: part for parts in own for part in parts}.items():
            asked.setdefault(key, part)
            waiting.setdefault(key, []).append(number)
    missing = [len(_union(keys)) for keys in samples]
    found: dict[str, Verdict] = {}
    charged: set[str] = set()
    with closing(_said(member, list(asked.values()))) as verdicts:
        for verdict in verdicts:
            if verdict.key not in waiting:
                raise BenchError(f"member {member.card.name!r} answered a trial twice, or another")
            found[verdict.key] = verdict
            for number in waiting.pop(verdict.key):
                missing[number] -= 1
                if not missing[number]:
                    new = [key for key in _union(samples[number]) if key not in charged]
                    charged.update(new)
                    usages = tuple(with_cost(found[key].usage, member.card) for key in new)
                    verdicts_of = [[found[key] for key in keys] for keys in samples[number]]
                    yield number, _answer(verdicts_of, usages)
    if waiting:
        raise BenchError(f"member {member.card.name!r} left {len(waiting):,} trials unanswered")


def _said(member: Judge, trials: list[Trial]) -> Generator[Verdict, None, None]:
    yield from member.judge(trials)  # with a close(), whatever kind of iterator that is


def _own_trials(card: JudgeCard, trial: Trial) -> list[list[Trial]]:
    """What a member is asked: for each of its samples one trial, or one per response."""
    view = trial.item.seen(card.sees)
    n = len(view.responses)
    content = asdict(view)
    texts = [(r.text, r.model) for r in view.responses]
    if "pointwise" in card.protocols:
        protocol: Protocol = "pointwise"
        # Without the index: equal responses to equal prompts are one.
        shown: list[tuple[Order, dict[str, Any]]] = [
            ((i,), content | {"responses": texts[i]}) for i in range(n)
        ]
    else:
        protocol = trial.protocol
        order = tuple(range(n)) if card.order_free else trial.order
        shown = [(order, content | {"responses": texts, "order": order})]
    made = []
    for sample in range(trial.repeat * card.samples, (trial.repeat + 1) * card.samples):
        keys = [content_key(card.identity, protocol, what, sample) for _, what in shown]
        made.append(
            [
                Trial(key, view, order, protocol, sample, int(key[:15], 16))
                for key, (order, _) in zip(keys, shown, strict=True)
            ]
        )
    return made


def _answer(samples: list[list[Verdict]], usages: tuple[Usage, ...]) -> Answer:
    """Samples, each one verdict on all responses or one per response -> one answer: the mean of
    those with a verdict. An answer that the infrastructure owes makes it an error."""
    verdicts = [verdict for sample in samples for verdict in sample]
    failed = [v for v in verdicts if v.utilities is None]
    lost = [v for v in failed if v.status is Status.ERROR]
    given = [s for s in samples if all(v.utilities is not None for v in s)]
    if lost or not given:
        first = (lost or failed)[0]
        return Answer(first.status, usages=usages, note=first.note)
    rows = [[u for v in sample for u in v.utilities or ()] for sample in given]
    utilities = tuple(rows[0]) if len(rows) == 1 else tuple(map(fmean, zip(*rows, strict=True)))
    sure = [s[0].confidence for s in given if len(s) == 1 and s[0].confidence is not None]
    confidence = fmean(sure) if len(sure) == len(given) else None
    cut = any(v.cut for s in given for v in s)
    return Answer(Status.OK, utilities, confidence, usages, cut)


def bill(said: Iterable[tuple[Judge, Answer]], *, paid: bool) -> Usage:
    """What the answers took together. A part that nobody counts is left out; what a paid member
    should have counted and did not leaves tokens and cost unknown. `paid`: some member of the panel
    is; what costs nothing is then 0, for without a figure the runner would price all tokens alike.
    """
    usages: list[Usage] = []
    unknown = False
    for member, answer in said:
        usages += answer.usages
        unknown |= member.card.paid and any(u.cost_usd is None for u in answer.usages)
    sums: dict[str, Any] = {}
    for name in (f.name for f in fields(Usage)):
        known = [value for u in usages if (value := getattr(u, name)) is not None]
        sums[name] = (sum if name in _COUNTS else math.fsum)(known) if known else None
    if unknown:
        sums |= dict.fromkeys((*_COUNTS, "cost_usd"))
    elif paid and sums["cost_usd"] is None:
        sums["cost_usd"] = 0.0
    return Usage(**sums)


def rounded(utilities: Sequence[float] | None) -> list[float] | None:
    """Utilities as the raw text of a panel's verdict shows them: six significant digits."""
    return None if utilities is None else [float(f"{u:.6g}") for u in utilities]


def evidence(**said: object) -> str:
    """The raw text of a panel's verdict: JSON."""
    return json.dumps(said, ensure_ascii=False)
