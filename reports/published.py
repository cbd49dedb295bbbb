"""Published results as data: one YAML file a paper in `reports/papers`, all of one form.

A file says who found what on which items, where it was read, and how far that reading can be
trusted (`tags`); which of our judges stand for theirs (`judges`); and its `tables`. Every figure
inherits what its table says: unit, scoring, tag, source, and which number of ours is the same
(`ours`). A file with `counts` says besides how often the orders of a pair agreed, so that its
scores can be taken again under other rules (`reports.published_counts`). docs/papers.md has all
fields.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

import yaml

from bench.registry import choose
from bench.types import BenchError

TAGS = "RNAMC"
FROM_MEMORY = "M"
SCALES = {"percent": 100.0}
"""Of a unit in which our shares, from 0 to 1, are published otherwise."""

Fields = Mapping[str, Any]


@dataclass(frozen=True)
class OurJudge:
    """What stands here for a judge of the paper. `judge`: a card or KIND:ARGUMENT; `people`: the
    name of annotators in our tables; `needs`: what must be had first, or why there is none."""

    judge: str | None
    people: str | None
    needs: str


@dataclass(frozen=True)
class Figure:
    """One published number. `number`, `plus_minus`: in `unit`; `bound`: lower or upper, where only
    that is published. `column`: of the paper's table. `n`: items that the number is a share of.
    `ours`: TABLE.METRIC of the number here that is the same, on `task` and `group`, None where
    there is none; `same_verdicts`: the recorded verdicts here are those behind the number."""

    judge: str
    column: str
    number: float
    plus_minus: float | None
    bound: str | None
    table: str
    unit: str
    scoring: str
    tag: str
    source: str
    note: str
    ours: str | None
    task: str | None
    group: str
    n: int | None
    same_verdicts: bool


@dataclass(frozen=True)
class Paper:
    """A file of `reports/papers`. `claim`: its result in a line. `tags`: the meaning of each tag
    in it. `needs`: what any run needs. `counts`: see `reports.published_counts`."""

    name: str
    title: str
    authors: str
    date: str
    claim: str
    data: str
    source: str
    url: str
    licence: str
    tags: Mapping[str, str]
    needs: str
    judges: Mapping[str, OurJudge]
    figures: tuple[Figure, ...]
    counts: Fields | None


HEAD = ("title", "authors", "date", "claim", "data", "source", "url", "licence", "needs")
TABLE = ("table", "unit", "scoring", "tag", "source", "columns", "rows")
PER_COLUMN = ("unit", "scoring", "ours", "group", "n")
PER_TABLE = ("note", "task", "same_verdicts", *PER_COLUMN)
CELL = ("plus_minus", "bound")


def paper_names() -> list[str]:
    """The papers that there are."""
    return sorted(p.name.removesuffix(".yaml") for p in _folder().iterdir() if _is_paper(p))


def paper(name: str) -> Paper:
    """The paper of that name. Raises BenchError with the names that exist, and where a file is not
    of the form."""
    if name not in paper_names():
        raise choose("paper", name, paper_names())
    return read_paper(name, _folder().joinpath(f"{name}.yaml").read_text("utf-8"))


def read_paper(name: str, text: str) -> Paper:
    """A paper's file. Raises BenchError with the place, what was found and what was expected."""
    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise BenchError(f"paper {name} is no YAML: {error}") from error
    fields = _fields(content, f"paper {name}", (*HEAD, "tags", "judges", "tables"), ("counts",))
    tags = {
        tag: str(meaning)
        for tag, meaning in _mapping(fields["tags"], f"paper {name}, tags").items()
    }
    judges = {
        str(theirs): _our_judge(ours, f"paper {name}, judge {theirs}")
        for theirs, ours in _mapping(fields["judges"], f"paper {name}, judges").items()
    }
    _expect(isinstance(fields["tables"], list), f"paper {name}, tables", fields["tables"], "a list")
    figures = tuple(
        figure
        for n, table in enumerate(fields["tables"], 1)
        for figure in _figures(table, f"paper {name}, table {n}")
    )
    for figure in figures:
        place = f"paper {name}, {figure.table}, {figure.judge}"
        _expect(figure.tag in tags, f"{place}: tag", figure.tag, f"one of {', '.join(tags)}")
        _expect(figure.judge in judges, place, figure.judge, f"one of {', '.join(judges)}")
    head = {key: str(fields[key]) for key in HEAD}
    return Paper(
        name, **head, tags=tags, judges=judges, figures=figures, counts=fields.get("counts")
    )


def _is_paper(path: Traversable) -> bool:
    return path.name.endswith(".yaml")


def _folder() -> Traversable:
    return files("reports").joinpath("papers")


def _our_judge(value: Any, place: str) -> OurJudge:
    fields = _fields(value, place, (), ("judge", "people", "needs"))
    ours, people = fields.get("judge"), fields.get("people")
    _expect(not (ours and people), place, "judge and people", "one of the two")
    _expect(bool(ours or people or fields.get("needs")), place, "nothing", "judge, people or needs")
    return OurJudge(ours, people, str(fields.get("needs", "")))


def _figures(value: Any, place: str) -> Iterator[Figure]:
    """All figures of a table, row by row; an empty cell is none."""
    table = _fields(value, place, TABLE, PER_TABLE)
    columns = {
        str(name): _fields(settings or {}, f"{place}, column {name}", (), PER_COLUMN)
        for name, settings in _mapping(table["columns"], f"{place}, columns").items()
    }
    for judge, row in _mapping(table["rows"], f"{place}, rows").items():
        of_row = f"{place}, {judge}"
        _expect(isinstance(row, list) and len(row) == len(columns), of_row, row, "a cell a column")
        for (column, settings), cell in zip(columns.items(), row, strict=True):
            if cell is not None:
                yield _figure(judge, column, cell, {**table, **settings}, f"{of_row}, {column}")


def _figure(judge: str, column: str, cell: Any, of: Fields, place: str) -> Figure:
    fields = _fields(cell if isinstance(cell, dict) else {"number": cell}, place, ("number",), CELL)
    for name in ("number", "plus_minus"):
        value = fields.get(name, 0.0)
        number = isinstance(value, int | float) and not isinstance(value, bool)
        _expect(number, f"{place}: {name}", value, "a number")
    _expect(fields.get("bound") in (None, "lower", "upper"), place, fields, "lower or upper")
    ours, task, n = of.get("ours"), of.get("task"), of.get("n")
    _expect(n is None or (type(n) is int and n > 0), f"{place}: n", n, "a number of items")
    _expect(ours is None or bool(task), place, f"ours: {ours}", "the task that it is taken on")
    return Figure(
        judge=judge,
        column=column,
        number=float(fields["number"]),
        plus_minus=fields.get("plus_minus"),
        bound=fields.get("bound"),
        note=str(of.get("note", "")),
        ours=ours,
        task=task,
        group=str(of.get("group", column)),
        n=n,
        same_verdicts=bool(of.get("same_verdicts", False)),
        **{name: str(of[name]) for name in ("table", "unit", "scoring", "tag", "source")},
    )


def _fields(
    value: Any, place: str, required: tuple[str, ...], optional: tuple[str, ...] = ()
) -> Fields:
    """`value` as a mapping that has the required fields and no others than these and the optional
    ones."""
    found = _mapping(value, place)
    missing = [name for name in required if found.get(name) in (None, "")]
    unknown = [str(name) for name in found if name not in (*required, *optional)]
    _expect(not missing, place, f"no {', '.join(missing)}", "a value for it")
    _expect(not unknown, place, ", ".join(unknown), f"only {', '.join((*required, *optional))}")
    return found


def _mapping(value: Any, place: str) -> Fields:
    _expect(isinstance(value, dict), place, value, "a mapping")
    found: Fields = value
    return found


def _expect(holds: bool, place: str, found: object, expected: str) -> None:
    if not holds:
        raise BenchError(f"{place}: {found!r} found, {expected} expected")
