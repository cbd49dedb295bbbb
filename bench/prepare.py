"""A plan -> the items and judges that carry it out. Everything that can be wrong with a run is
found here, before anything is spent."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from bench.overlap import TrainingOverlap, training_overlaps
from bench.plan import Plan, protocol_for, sample
from bench.prices import priced
from bench.registry import cards, check_task, make_judge, make_task, resolve_judge
from bench.spec import Spec, parse_spec, parse_specs
from bench.types import BenchError, Context, Item, Judge, Task

NULL_JUDGES = ("random", "first", "longest", "shortest", "author")
DEFAULT_TASK = "verifiable"


def cache_folder() -> Path:
    """Where models, fetched files and hidden states are kept: SMALLCLAIMS_CACHE or the user's
    cache folder."""
    named = os.environ.get("SMALLCLAIMS_CACHE")
    return Path(named) if named else Path.home() / ".cache" / "smallclaims"


@dataclass(frozen=True)
class Prepared:
    """`items`: what is shown, trained-on prompts left out, sampled. `left_out`: by task, how many
    items were left out because a judge was trained on their prompt. `overlaps`: what those that
    stayed share with the sets that judges say they were trained on."""

    tasks: tuple[Task, ...]
    items: tuple[Item, ...]
    judges: tuple[Judge, ...]
    left_out: dict[str, int]
    overlaps: tuple[TrainingOverlap, ...] = ()


def make_plan(
    judges: str,
    tasks: str,
    *,
    limit: int | None = None,
    seed: int = 0,
    repeats: int = 1,
    keep_trained: bool = False,
    revisions: Sequence[str] = (),
) -> Plan:
    """A plan from what the user typed; empty texts take the defaults. The null judges are always
    in it. `revisions`: TASK=COMMIT, which the plan then pins. Raises BenchError for unknown names
    before anything is loaded."""
    task_specs = _pinned(parse_specs(tasks) or parse_specs(DEFAULT_TASK), revisions)
    for spec in task_specs:
        check_task(spec)
    task_names = {spec.name for spec in task_specs}
    judge_specs = parse_specs(judges) or [
        s for n in _default_judges(task_names) for s in parse_specs(n)
    ]
    for spec in judge_specs:
        resolve_judge(spec)
    texts = [spec.text for spec in judge_specs]
    texts += [name for name in NULL_JUDGES if name not in texts]
    _refuse_twins("judge", texts)
    _refuse_twins("task", [spec.text for spec in task_specs])
    return Plan(tuple(texts), tuple(s.text for s in task_specs), limit, seed, repeats, keep_trained)


def _pinned(tasks: list[Spec], revisions: Sequence[str]) -> list[Spec]:
    """The tasks, with the revisions that were asked for as an option. A task is known by what was
    typed, or by that without its options."""
    known = {spec.text: spec.text for spec in tasks}
    short = [f"{spec.name}:{spec.argument}".rstrip(":") for spec in tasks]
    known |= {s: spec.text for s, spec in zip(short, tasks, strict=True) if short.count(s) == 1}
    commits = {}
    for pin in revisions:
        name, _, commit = pin.rpartition("=")
        if name not in known or not commit:
            raise BenchError(
                f"--revision {pin!r}: TASK=COMMIT expected, with a task of this run: "
                f"{', '.join(spec.text for spec in tasks)}"
            )
        text = known[name]
        if text in commits:
            raise BenchError(f"--revision {pin!r}: {text} is pinned twice; once expected")
        commits[text] = f"{',' if ':' in text else ':'}revision={commit}"
    return [parse_spec(spec.text + commits.get(spec.text, "")) for spec in tasks]


def _default_judges(tasks: set[str]) -> list[str]:
    """The judges recorded for one of the tasks, or else those whose card says `default: true`."""
    recorded = [name for name, card in cards().items() if tasks & set(card.get("tasks", ()))]
    return recorded or [name for name, card in cards().items() if card.get("default")]


def _refuse_twins(kind: str, names: Iterable[str]) -> None:
    twins = [name for name, count in Counter(names).items() if count > 1]
    if twins:
        raise BenchError(
            f"{kind} {', '.join(map(repr, twins))} is there twice; names stand in tables, so each "
            "once expected (files: in folders of other names)"
        )


def prepare(plan: Plan, context: Context) -> Prepared:
    """Make the plan's tasks, build its judges (training those that are trained on first use), read
    the items, leave out what judges were trained on, sample. `context.tasks` and `context.seed` are
    filled in here. Raises BenchError when anything is missing or does not fit."""
    tasks = tuple(make_task(spec) for text in plan.tasks for spec in parse_specs(text))
    _refuse_twins("task", [task.card.name for task in tasks])
    context = with_members(replace(context, tasks=tasks, seed=plan.seed))
    judges = [_judge(text, context) for text in plan.judges]
    _refuse_twins("judge", [judge.card.name for judge in judges])
    trained = frozenset[str]().union(*(judge.training_prompts for judge in judges))
    trained = frozenset() if plan.keep_trained else trained
    items: list[Item] = []
    left_out = {}
    for task in tasks:
        name = task.card.name
        sampled, left_out[name] = _fresh(task, trained, plan)
        if not sampled:
            raise BenchError(
                f"task {name!r}: every prompt is one that a judge of this run was trained on. "
                "Leave out that judge, or --keep-trained to see scores on training data."
            )
        items.extend(sampled)
    for judge in judges:
        for item in items:
            if judge.card.tasks is None or item.task in judge.card.tasks:
                protocol_for(judge.card, item)
    overlaps = training_overlaps(judges, items, tasks, context.say)
    return Prepared(tasks, tuple(items), tuple(judges), left_out, tuple(overlaps))


def with_members(context: Context) -> Context:
    """`context` with a way for judges of judges to make their members."""
    return replace(context, make=lambda text: _judge(text, with_members(context)))


def _judge(text: str, context: Context) -> Judge:
    judge = make_judge(parse_spec(text), context)
    judge.card = priced(judge.card)
    return judge


def _fresh(task: Task, trained: frozenset[str], plan: Plan) -> tuple[list[Item], int]:
    """A sample of the items whose prompt is not in `trained`, and how many others there are."""
    left_out = 0

    def fresh() -> Iterator[Item]:
        nonlocal left_out
        for item in distinct_items(task):
            if item.prompt_key in trained:
                left_out += 1
            else:
                yield item

    return sample(fresh(), plan.limit, plan.seed), left_out


def distinct_items(task: Task) -> Iterator[Item]:
    """All items of a task that the bench shows. Raises BenchError for none, and for an id twice."""
    seen: set[str] = set()
    for item in task.items():
        if item.id in seen:
            raise BenchError(f"task {task.card.name!r}: item id {item.id!r} is there twice")
        seen.add(item.id)
        yield item
    if not seen:
        raise BenchError(f"task {task.card.name!r} has no items")
