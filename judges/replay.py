"""``replay:PATH`` or ``replay:TASK/SOURCE``: verdicts that were recorded earlier, as a judge.

A recording is JSON Lines in the verdict interchange format, plain or gzipped::

    {"item_id": "...", "order": "ab" | "ba" | "point" | [2, 0, 1],
     "winner": 0 | 1 | ... | "tie" | null, "scores": [..]?, "raw": "..."?, "model": "..."?,
     "source": "..."?}

`winner` and `scores` are in item coordinates, whatever the order shown. Scores decide where they
are given (without them `winner` must be); null is a judge that gave no verdict. "point" is a judge
that saw each response alone: one record holds the scores of all of them, null for one without.
Several records of one item and order are its repeats, in file order.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.kinds import kind
from bench.spec import Spec
from bench.types import (
    BenchError,
    Context,
    Judge,
    JudgeCard,
    Status,
    Task,
    Trial,
    Verdict,
    failure,
    verdict,
)
from tasks.jsonl import best, score_utilities, winner_utilities
from tasks.rows import Node, rows

Order = tuple[int, ...]
POINT: Order = ()
_ORDERS: Mapping[str, Order] = {"ab": (0, 1), "ba": (1, 0), "point": POINT}


@dataclass(frozen=True)
class Replay:
    """Settings. `model`: the judge that was recorded. `parameters`: number of its weights.
    `order_free`: each response was recorded alone; none: as the records say. `trained`: fitted for
    judging. `trained_on`: the sets that it was trained on. `licence`: of its
    weights. `tasks`: the only tasks that the recording is about (a card says so; ``TASK/SOURCE``
    implies it). `families`: beginnings of the names of models that are its kin. `description`: one
    line."""

    model: str | None = None
    parameters: int | None = None
    order_free: bool | None = None
    trained: bool = False
    trained_on: tuple[str, ...] = ()
    licence: str | None = None
    tasks: tuple[str, ...] | None = None
    families: tuple[str, ...] = ()
    description: str = "recorded verdicts"


@dataclass(frozen=True, slots=True)
class Record:
    """One recorded verdict. `order`: item indices as shown, empty for a pointwise one.
    `utilities`: one per response in item order; None where there was no verdict."""

    item_id: str
    order: Order
    utilities: tuple[float | None, ...]
    raw: str
    model: str | None
    place: str


class ReplayJudge(Judge):
    """Answers from `recording`: (item id, order) -> records, one per repeat."""

    def __init__(self, card: JudgeCard, recording: Mapping[tuple[str, Order], list[Record]]):
        self.card = card
        self._recording = recording

    def judge(self, trials: Iterable[Trial]) -> Iterator[Verdict]:
        """The recorded verdicts, in the order asked for. A plan with more repeats than were
        recorded gets them again from the first. Raises BenchError when a record does not fit its
        item and, after all others, when an item and order has no record: it stays not run."""
        missing: list[Trial] = []
        for trial in trials:
            order = POINT if trial.protocol == "pointwise" else trial.order
            records = self._recording.get((trial.item.id, order))
            if records is None:
                missing.append(trial)
            else:
                yield _answer(trial, records[trial.repeat % len(records)])
        if missing:
            first = missing[0]
            raise BenchError(
                f"the recording has no verdict for {len(missing):,} of the showings asked for, "
                f"the first: item {first.item.id!r} of task {first.item.task!r}, order "
                f"{','.join(map(str, first.order))}. Its row stands on the other items only."
            )


@kind(trained=None, order_free=None, cost="nothing", options={"replay:FILE": Replay})
def make(spec: Spec, context: Context) -> Judge:
    """Recorded verdicts: replay:FILE, or those that a task's authors recorded, by their cards.

    Raises BenchError when the recording is not there, when its task is not in the run, and at a
    bad row with file, line, field, found and expected.
    """
    settings = spec.settings(Replay)
    nodes, task = _source(spec, settings, context)
    recording: dict[tuple[str, Order], list[Record]] = {}
    models: set[str | None] = set()
    digest = hashlib.sha256()
    for node in nodes:
        record = parse_record(node)
        recording.setdefault((record.item_id, record.order), []).append(record)
        models.add(record.model)
        digest.update(json.dumps(node.value, sort_keys=True).encode())
    if not recording:
        raise BenchError(
            f"judge {spec.text!r}: the recording is empty; one verdict a line expected"
        )
    orders = {order for _, order in recording}
    if POINT in orders and len(orders) > 1:
        raise BenchError(
            f'judge {spec.text!r}: some records have order "point" and others do not; '
            "one kind of record in a recording expected. Split it in two."
        )
    if settings.order_free not in (None, POINT in orders):
        found = "of responses alone" if POINT in orders else "of responses side by side"
        raise BenchError(
            f"judge {spec.text!r}: order_free is {settings.order_free}, and its records are "
            f"{found}. Correct it, or leave it out."
        )
    card = JudgeCard(
        name=spec.label or spec.text,
        kind="replay",
        protocols=("pointwise",) if POINT in orders else ("pairwise", "listwise"),
        description=settings.description,
        order_free=POINT in orders,
        orders="first" if POINT not in orders and _own_order_alone(orders) else "all",
        sees=("text", "id"),
        model=settings.model or (models.pop() if len(models) == 1 else None),
        revision=f"sha256:{digest.hexdigest()}",
        parameters=settings.parameters,
        trained=settings.trained,
        trained_on=settings.trained_on,
        tasks=(task,) if task else settings.tasks,
        families=settings.families,
        licence=settings.licence,
    )
    return ReplayJudge(card, recording)


def _own_order_alone(orders: Iterable[Order]) -> bool:
    return all(order == tuple(range(len(order))) for order in orders)


def _source(spec: Spec, settings: Replay, context: Context) -> tuple[Iterator[Node], str | None]:
    """The rows of the recording, and its task when it comes from one."""
    for task in context.tasks:
        name = task.card.name
        if spec.argument.startswith(f"{name}/"):
            return _recorded(task, spec.argument.removeprefix(f"{name}/")), name
    present = ", ".join(task.card.name for task in context.tasks) or "none"
    if settings.tasks:
        wanted = ", ".join(settings.tasks)
        raise BenchError(
            f"judge {spec.text!r} holds verdicts on {wanted}; the tasks of this run are: "
            f"{present}. Add {wanted} to the tasks, or leave the judge out."
        )
    if not spec.argument:
        raise BenchError(f"judge {spec.text!r}: replay:PATH or replay:TASK/SOURCE expected")
    path = Path(spec.argument).expanduser()
    if not path.exists() and not path.parent.is_dir():
        raise BenchError(
            f"judge {spec.text!r}: neither a file nor TASK/SOURCE with a task of this run "
            f"(they are: {present})"
        )
    return rows(path), None


def _recorded(task: Task, source: str) -> Iterator[Node]:
    for number, record in enumerate(task.recorded(source), start=1):
        yield Node(record, f"verdict {number} of {task.card.name}/{source}")


def parse_record(row: Node) -> Record:
    """One row of a recording. Raises BenchError with file, line, field, found and expected."""
    fields = row.object(("item_id", "order"), ("winner", "scores", "raw", "model", "source"))
    fields["source"].text_or_none()
    order = _order(fields["order"])
    return Record(
        item_id=fields["item_id"].text(empty=False),
        order=order,
        utilities=_points(fields) if order == POINT else _utilities(row, fields, len(order)),
        raw=fields["raw"].text_or_none() or "",
        model=fields["model"].text_or_none(),
        place=row.place,
    )


def _order(node: Node) -> Order:
    expected = '"ab", "ba", "point" or a list of at least two indices'
    if isinstance(node.value, list):
        order = node.permutation()
        if len(order) < 2:
            raise node.error(expected)
        return order
    if not isinstance(node.value, str) or node.value not in _ORDERS:
        raise node.error(expected)
    return _ORDERS[node.value]


def _points(fields: Mapping[str, Node]) -> tuple[float | None, ...]:
    """Scores of responses that were seen alone."""
    if fields["winner"].value is not None:
        raise fields["winner"].error('nothing beside order "point", but scores')
    scores = fields["scores"].list()
    if len(scores) < 2:
        raise fields["scores"].error("one score (or null) per response")
    return tuple(None if score.value is None else score.number() for score in scores)


def _utilities(row: Node, fields: Mapping[str, Node], n: int) -> tuple[float | None, ...]:
    """One utility for each of the `n` responses that were shown."""
    winner, scores = fields["winner"], fields["scores"]
    if scores.value is None:
        if "winner" not in row.value:
            raise winner.error("winner (null for no verdict) or scores")
        return (None,) * n if winner.value is None else winner_utilities(winner, n)
    utilities = score_utilities(scores, n)
    if winner.value is not None and best(winner_utilities(winner, n)) != best(utilities):
        raise winner.error("the response that scores put first, or no winner")
    return utilities


def _answer(trial: Trial, record: Record) -> Verdict:
    n = len(trial.item.responses)
    if len(record.utilities) != n:
        raise BenchError(
            f"{record.place}: verdict on {len(record.utilities)} responses, but item "
            f"{record.item_id!r} of task {trial.item.task!r} has {n}. The recording belongs to "
            "other items: leave out the judge or the task."
        )
    shown = [record.utilities[i] for i in trial.order]
    utilities = [u for u in shown if u is not None]
    if len(utilities) < len(shown):
        return failure(trial, Status.UNPARSED, raw=record.raw, note="recorded without a verdict")
    return verdict(trial, utilities, raw=record.raw)
