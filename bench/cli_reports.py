"""The commands of `smallclaims` that read a run's ledger, and need no judge, task or network."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from bench.types import BenchError

Out = Annotated[Path, typer.Argument(help="The run's folder, for example runs/verifiable.")]


def report(run: Out) -> None:
    """Make the tables and the page of a run from its ledger, and print the tables."""
    from rich.console import Console

    from bench.ledger import Ledger
    from reports.report import write_report
    from reports.terminal import WIDTH, show

    with Ledger(run / "ledger.sqlite") as ledger:
        tables = write_report(ledger, run)
    show(tables, Console(width=max(WIDTH, Console().width), emoji=False))
    print(f"\nTables: {run / 'tables'} (csv, json, md, parquet, tex)")
    print(f"Report: {run / 'report' / 'index.html'}, report.md")


def compare(
    run: Out,
    small: Annotated[str, typer.Option(help="Judges, joined by commas. [the trained ones]")] = "",
    large: Annotated[str, typer.Option(help="Judges, joined by commas. [the prompted ones]")] = "",
    margin: Annotated[float, typer.Option(help="Loss that does not matter, of 1.")] = 0.02,
) -> None:
    """Can the small judges replace the large ones? One verdict a task, with its domains."""
    from rich.console import Console

    from bench.ledger import Ledger
    from reports.cascade import cascade_table
    from reports.cascade_view import show_cascade
    from reports.comparison import ask, show_answer
    from reports.cost import cost_table, usd_per_1000
    from reports.headline import headline_table
    from reports.study import Study
    from reports.terminal import WIDTH

    console = Console(width=max(WIDTH, Console().width), emoji=False)
    with Ledger(run / "ledger.sqlite") as ledger:
        study = Study.of(ledger)
        cost = cost_table(ledger, study)
        question = ask(study, small, large, margin)
        show_answer(headline_table(study, question, usd_per_1000(cost)), question, console)
        if len(question.small) == len(question.large) == 1:
            per_item = dict(zip(cost.judge, cost.usd_per_1000_items, strict=True))
            curve = cascade_table(ledger, study, question.small[0], question.large[0], per_item)
            show_cascade(curve, console)


def check(run: Out) -> None:
    """Recompute the tables of a run and say whether they are what is stored."""
    from bench.ledger import Ledger
    from reports.render import differing
    from reports.tables import build

    with Ledger(run / "ledger.sqlite") as ledger:
        different = differing(build(ledger), run / "tables")
    if different:
        raise BenchError(
            f"{run}: {len(different)} stored tables are not what the ledger gives: "
            f"{', '.join(different)}. `smallclaims report {run}` writes them anew."
        )
    print(f"{run}: all tables are what the ledger gives")


def figures(
    run: Out,
    out: Annotated[Path | None, typer.Option(help="Folder to write. [figures in RUN]")] = None,
) -> None:
    """Draw the figures of a run from its ledger: PDF, SVG, PNG, and their numbers as CSV."""
    from bench.ledger import Ledger
    from reports.figures import every
    from reports.figures.files import save
    from reports.tables import build

    with Ledger(run / "ledger.sqlite") as ledger:
        drawn = every(build(ledger))
    folder = out or run / "figures"
    save(drawn, folder)
    print(f"{folder}: {len(drawn)} figures (pdf, svg, png, csv) and captions.md")


def card(
    judge: Annotated[str, typer.Argument(help="A judge of the run, as its tables name it.")],
    run: Annotated[Path, typer.Option(help="The run's folder, for example runs/verifiable.")],
) -> None:
    """One page on a judge of a run: what it is, whom it may replace, how it fails."""
    from bench.ledger import Ledger
    from reports.card import card as text_of
    from reports.card import save

    with Ledger(run / "ledger.sqlite") as ledger:
        text = text_of(ledger, judge)
    print(text, flush=True)  # also where it cannot be kept
    print(f"{save(text, judge, run / 'report' / 'cards')} written", file=sys.stderr)


def diff(
    run1: Annotated[Path, typer.Argument(help="The folder of a run.")],
    run2: Annotated[Path, typer.Argument(help="The folder of another one.")],
) -> None:
    """What changed between two runs, and whether it is more than noise."""
    from rich.console import Console

    from bench.ledger import Ledger
    from reports.diff import Run, Shared, diff_table
    from reports.diff_asked import asked
    from reports.diff_view import show_diff
    from reports.terminal import WIDTH

    console = Console(width=max(WIDTH, Console().width), emoji=False)
    with Ledger(run1 / "ledger.sqlite") as one, Ledger(run2 / "ledger.sqlite") as two:
        shared = Shared.of(Run.of(str(run1), one), Run.of(str(run2), two))
        show_diff(shared, asked(shared), diff_table(shared), console)


def paper(
    name: Annotated[str, typer.Argument(help="For example llmbar. [a list of them]")] = "",
    run: Annotated[Path | None, typer.Option(help="Set this run's numbers beside them.")] = None,
) -> None:
    """Published figures beside a run's; published counts scored again. Without a name: a list."""
    from contextlib import ExitStack

    from rich.console import Console

    from bench.ledger import Ledger
    from reports.published import paper as published
    from reports.published_reproduced import reproduce
    from reports.published_view import show_paper, show_papers
    from reports.terminal import WIDTH

    console = Console(width=max(WIDTH, Console().width), emoji=False)
    if not name:
        show_papers(console)
        return
    found = published(name)
    with ExitStack() as stack:
        ledger = stack.enter_context(Ledger(run / "ledger.sqlite")) if run else None
        show_paper(found, reproduce(found, ledger), run, console)


REPORTS = (report, compare, check, figures, card, diff, paper)
