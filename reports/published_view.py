"""Published results in a terminal: beside what a run gave, what was not run and how to run it."""

from __future__ import annotations

import math
import shlex
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from reports.published import Figure, Paper, paper, paper_names
from reports.published_counts import RULES, rescored
from reports.published_reproduced import Number, Reproduced

NOT_RUN = "not run here"
BOUNDS = {"lower": "≥ ", "upper": "≤ "}
UNDEFINED = "–"


def show_papers(console: Console) -> None:
    """Print what papers there are, one line each."""
    shown = _table("paper", "figures", "judges", "ours", "what it found")
    for name in paper_names():
        found = paper(name)
        ours = sum(judge.judge is not None for judge in found.judges.values())
        counts = (str(len(found.figures)), str(len(found.judges)), str(ours))
        shown.add_row(name, *counts, Text(found.claim))
    console.print(shown)
    console.print(
        "ours: judges that a card or a kind here stands for. `smallclaims paper NAME --run RUN` "
        "sets the figures beside those of a run.",
        style="dim",
    )


def show_paper(found: Paper, results: Sequence[Reproduced], run: Path | None, out: Console) -> None:
    """Print every table of the paper with what `results` has beside it, its counts under every
    rule, and what is missing. `run`: the folder that the results are from."""
    out.print(Text(f"{found.title} ({found.authors}, {found.date})", style="bold"))
    for line in (found.claim, f"data: {found.data}", f"read in: {found.source}"):
        _say(line, out)
    _say("; ".join(f"[{tag}] {meaning}" for tag, meaning in found.tags.items()), out)
    for _, of_table in groupby(results, lambda r: r.figure.table):
        _show_table(list(of_table), found, out)
    if found.counts:
        out.print()
        _show_counts(found, out)
    _show_missing(found, results, run, out)


def _show_table(results: Sequence[Reproduced], found: Paper, out: Console) -> None:
    figure = results[0].figure
    out.print(Text(f"\n{figure.table}, {figure.unit} [{figure.tag}]", style="bold"))
    for scoring in dict.fromkeys(r.figure.scoring for r in results):
        _say(f"scored there: {scoring} ({figure.source})", out)
    made, digits = [r for r in results if r.here], _digits(r.figure for r in results)
    if made:
        ours = dict.fromkeys(r.figure.ours or "" for r in made)
        _say(f"here, on {figure.task}: {', '.join(ours)}", out)
        if figure.note:
            _say(f"note: {figure.note}", out)
        shown = _table("judge", "", "published", "here", "difference", "items here")
        for judge, of_judge in groupby(made, lambda r: r.figure.judge):
            name = f"{judge} ({found.judges[judge].judge or 'people'})"
            for n, r in enumerate(of_judge):
                head = Text("" if n else name), Text(r.figure.column)
                shown.add_row(*head, _published(r.figure, digits), *_beside(r, digits))
        out.print(shown)
        _say(_account(made, digits), out)
    if len(made) < len(results):
        out.print(_published_alone([r.figure for r in results if not r.here], digits))


def _published_alone(figures: Iterable[Figure], digits: int) -> Table:
    """Judges by columns."""
    cells: dict[str, dict[str, str]] = {}
    columns: dict[str, None] = {}
    for figure in figures:
        cells.setdefault(figure.judge, {})[figure.column] = _published(figure, digits)
        columns[figure.column] = None
    shown = _table("judge", *columns, "")
    for judge, row in cells.items():
        shown.add_row(Text(judge), *(row.get(c, UNDEFINED) for c in columns), NOT_RUN)
    return shown


def _published(figure: Figure, digits: int) -> str:
    number = f"{BOUNDS.get(figure.bound or '', '')}{figure.number:.{digits}f}"
    return number if figure.plus_minus is None else f"{number} ± {figure.plus_minus:g}"


def _digits(figures: Iterable[Figure]) -> int:
    """Places after the point that the table was published with."""
    return max(len(f"{figure.number:g}".partition(".")[2]) for figure in figures)


def _beside(r: Reproduced, published: int) -> tuple[str, str, str]:
    digits = max(published, 1 if r.figure.unit == "percent" else 3)
    here = _number(r.here, digits, "") if r.here else UNDEFINED
    items = f"{r.n_items:,}" + (f" ({r.n_missing:,} missing)" if r.n_missing else "")
    if r.difference is None:
        return here, "from memory: none", items
    return here, _number(r.difference, digits, "+") + (" u" if r.unpaired else ""), items


def _number(number: Number, digits: int, sign: str) -> str:
    value, *ends = (round(x, digits) + 0.0 for x in (number.value, number.lo, number.hi))
    if any(map(math.isnan, ends)):
        return f"{value:{sign}.{digits}f}"
    return f"{value:{sign}.{digits}f} [{ends[0]:{sign}.{digits}f}, {ends[1]:{sign}.{digits}f}]"


def _account(made: Sequence[Reproduced], digits: int) -> str:
    """How far the figures of a table were met, and what the intervals of the differences are."""
    differences = [r.difference.value for r in made if r.difference]
    same = sum(abs(d) <= 0.5 * 10**-digits + 1e-9 for d in differences)
    told = f"{same} of {len(differences)} are the published number to its last digit"
    if any(r.figure.same_verdicts for r in made):
        return (
            f"{told}; both are of the same verdicts, so a difference is one of scoring, and the "
            "interval that of our number moved"
        )
    exact = "the published number counts as exact, so its interval is that of ours moved"
    unpaired = "u: unpaired, error of both; otherwise " if any(r.unpaired for r in made) else ""
    return f"{told}; {unpaired}{exact}"


def _show_counts(found: Paper, out: Console) -> None:
    """The counts under every rule."""
    table = rescored(found)
    shown = _table("judge", "published", *RULES)
    by = table.set_index(["judge", "rule"])
    for judge in dict.fromkeys(table.judge):
        values = (by.loc[(judge, rule)] for rule in RULES)
        ends = [f"{v.score:.4f} [{v.score_lo:.3f}, {v.score_hi:.3f}]" for v in values]
        shown.add_row(judge, f"{by.loc[(judge, 'strict')].published:.4f}", *ends)
    out.print(Text("the published counts, scored again", style="bold"))
    out.print(shown)
    first = table.judge.iloc[0]
    for row in table[table.judge != first].to_dict("records"):
        if row["trained"]:
            out.print(
                f"{row['judge']} less {first}, {row['rule']}: {row['difference']:+.4f} "
                f"[{row['difference_lo']:+.3f}, {row['difference_hi']:+.3f}], p = {row['p']:.2f}",
                highlight=False,
                markup=False,
            )
    _say(
        "strict: right in both orders; mean: a disagreement of the orders counts 1/2; decisive: "
        "disagreements left out. Wilson intervals, items taken as independent; differences "
        "unpaired.",
        out,
    )


def _show_missing(
    found: Paper, results: Sequence[Reproduced], run: Path | None, out: Console
) -> None:
    """What was not run, by what it needs, with the command that would run it."""
    done = {r.figure.judge for r in results if r.here}
    tasks = _tasks(results)
    missing = {name: ours for name, ours in found.judges.items() if name not in done}
    if not missing:
        return
    out.print(Text(f"\n{NOT_RUN}" + (f" ({run})" if run else ""), style="bold"))
    _say(f"any of it needs: {found.needs}", out)
    runnable = {name: ours.judge for name, ours in missing.items() if ours.judge and name in tasks}
    for needs in dict.fromkeys(ours.needs for ours in missing.values()):
        mine = [name for name, ours in missing.items() if ours.needs == needs]
        out.print(Text(", ".join(mine) + (f": {needs}" if needs else "")))
        judges = [runnable[name] for name in mine if name in runnable]
        if judges:
            of = dict.fromkeys(task for name in mine for task in tasks.get(name, ()))
            command = f"smallclaims run --judges {shlex.quote(','.join(judges))}"
            _code(f"{command} --tasks {','.join(of)} --out runs/{found.name}", out)
    if runnable:
        _say("then:", out)
        _code(f"smallclaims paper {found.name} --run runs/{found.name}", out)


def _tasks(results: Iterable[Reproduced]) -> Mapping[str, Sequence[str]]:
    """Judge -> the tasks on which a figure of theirs can be had."""
    tasks: dict[str, list[str]] = {}
    for figure in (r.figure for r in results if r.figure.ours):
        if figure.task and figure.task not in tasks.setdefault(figure.judge, []):
            tasks[figure.judge].append(figure.task)
    return tasks


def _table(*heads: str) -> Table:
    shown = Table(box=None, pad_edge=False, header_style="bold")
    for n, head in enumerate(heads):
        words = head in ("judge", "paper", "what it found") or (n == 1 and not head)
        shown.add_column(head, justify="left" if words else "right", no_wrap=head != "judge")
    return shown


def _say(text: str, out: Console) -> None:
    out.print(Text(text, style="dim"))


def _code(command: str, out: Console) -> None:
    out.print(f"  {command}", markup=False, highlight=False, soft_wrap=True)
