"""The `smallclaims` command. Heavy libraries are imported by the commands that need them."""

from __future__ import annotations

import io
import os
import re
import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from bench.printable import printable_lines
from bench.types import BenchError, Task

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Can a small trained judge replace a large prompted one? Both on one bench.",
)
exports = typer.Typer(no_args_is_help=True, help="Write what other programs read.")
app.add_typer(exports, name="export")
RemoteCode = Annotated[
    bool, typer.Option("--remote-code", help="Run Python code that a model's repository brings.")
]
Out = Annotated[Path, typer.Argument(help="The run's folder, for example runs/verifiable.")]


@app.command()
def run(
    judges: Annotated[str, typer.Option(help="Cards or KIND:MODEL, joined by commas.")] = "",
    tasks: Annotated[str, typer.Option(help="Task names or jsonl:PATH, joined by commas.")] = "",
    out: Annotated[Path | None, typer.Option(help="Folder of the run. [runs/TASKS]")] = None,
    limit: Annotated[int | None, typer.Option(help="Items a task, at the most.")] = None,
    seed: Annotated[int, typer.Option(help="Of the sampling and of judges that draw.")] = 0,
    repeats: Annotated[int, typer.Option(help="Showings of each order.")] = 1,
    budget_usd: Annotated[
        float | None, typer.Option(min=0, help="Stop when this much is spent.")
    ] = None,
    max_errors: Annotated[int, typer.Option(min=1, help="Stop a judge after so many errors.")] = 50,
    keep_trained: Annotated[
        bool, typer.Option("--keep-trained", help="Keep items that a judge was trained on.")
    ] = False,
    threads: Annotated[int | None, typer.Option(min=1, help="Threads of local models.")] = None,
    remote_code: RemoteCode = False,
    revision: Annotated[
        list[str] | None, typer.Option(help="Of a task on the hub, TASK=COMMIT; several times.")
    ] = None,
    plan: Annotated[Path | None, typer.Option(help="Run a saved plan.json again.")] = None,
) -> None:
    """Show every item to every judge, then print the tables. Run again, it goes on."""
    from rich.console import Console

    from bench.carry import carry
    from bench.plan import Plan
    from bench.prepare import cache_folder, make_plan
    from bench.runner import Limits
    from bench.types import Context

    if plan is None:
        chosen = make_plan(
            judges,
            tasks,
            limit=limit,
            seed=seed,
            repeats=repeats,
            keep_trained=keep_trained,
            revisions=revision or (),
        )
    elif judges or tasks or limit is not None or seed or repeats != 1 or keep_trained or revision:
        raise BenchError("--plan holds judges, tasks, limit, seed, repeats: give it, or them")
    else:
        chosen = Plan.from_json(_read(plan))
    folder = out or Path("runs") / _name(chosen.tasks)
    limits = Limits(budget_usd, max_errors)
    context = Context(cache=cache_folder(), threads=threads, remote_code=remote_code)
    console = Console(stderr=True, emoji=False)
    stops = carry(chosen, folder, limits, context, console, time.monotonic())
    _report(folder)
    if stops:
        raise SystemExit(3)


@app.command()
def report(run: Out) -> None:
    """Make the tables and the page of a run from its ledger, and print the tables."""
    _report(run)


@app.command()
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


@app.command()
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


@app.command()
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


@app.command()
def card(
    judge: Annotated[str, typer.Argument(help="A judge of the run, as its tables name it.")],
    run: Annotated[Path, typer.Option(help="The run's folder, for example runs/verifiable.")],
) -> None:
    """One page on a judge of a run: what it is, whom it may replace, how it fails."""
    from bench.ledger import Ledger
    from reports.card import save

    with Ledger(run / "ledger.sqlite") as ledger:
        text, path = save(ledger, judge, run / "report" / "cards")
    print(text)
    _say(f"{path} written")


@app.command()
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


@app.command()
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


@exports.command("verdicts")
def export_verdicts(
    run: Out, parquet: Annotated[Path, typer.Argument(help="File to write.")]
) -> None:
    """All showings and verdicts of a run as one Parquet file."""
    from bench.ledger import Ledger

    with Ledger(run / "ledger.sqlite") as ledger:
        ledger.export_parquet(parquet)
    print(f"{parquet} written")


@exports.command("lm-eval")
def export_lm_eval(
    task: Annotated[str, typer.Argument(help="A task, for example verifiable or jsonl:PATH.")],
    out: Annotated[Path, typer.Option(help="Folder to write, new or empty.")],
    limit: Annotated[int | None, typer.Option(help="Items, at the most.")] = None,
    prompt: Annotated[
        str, typer.Option(help="Prompt that is answered with a letter: a name, or a YAML file.")
    ] = "choice-letter",
) -> None:
    """A task as YAML and data for a stock lm-eval, and the command that runs it."""
    from bench.lm_eval_export import export

    made = export(task, out, limit, prompt)
    print(
        f"{made.folder} written: {sum(made.domains.values())} items, a task for each of "
        f"{', '.join(made.domains)}"
        f"; left out: {made.undecided} undecided, {made.unlabelled} without label.\n"
        "To run it (MODEL: a hub id, or a model folder; offline with HF_HUB_OFFLINE=1):\n\n"
        f"{made.command}"
    )


@app.command()
def judges(
    name: Annotated[str, typer.Argument(help="Show this card: a name, or a YAML file.")] = "",
) -> None:
    """List the judges that can be asked for, or show the card of one."""
    from rich.console import Console

    from bench.listing import show_judge, show_judges
    from reports.terminal import WIDTH

    console = Console(width=max(WIDTH, Console().width), emoji=False)
    show_judge(name, console) if name else show_judges(console)


@app.command()
def tasks(
    name: Annotated[str, typer.Argument(help="Show this task: llmbar, jsonl:PATH, ...")] = "",
) -> None:
    """List the tasks that can be asked for, or show one: card, counts, human agreement, and what
    judges get for nothing."""
    from bench.registry import make_task, task_descriptions
    from bench.spec import parse_spec

    if name:
        _show_task(make_task(parse_spec(name)))
    else:
        _list("Tasks", task_descriptions())


def _show_task(task: Task) -> None:
    """The card, and what its items say; the card alone where they cannot be had."""
    from dataclasses import asdict

    from rich.console import Console

    from bench.prepare import cache_folder
    from reports.profile import profile
    from reports.profile_view import show_profile
    from reports.terminal import WIDTH

    try:
        found, path = profile(task, cache_folder(), _say)
    except BenchError as error:
        found, why = None, printable_lines(str(error))
    card = {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(task.card).items()}
    _print_yaml(card)
    if found is None:
        _say(f"its items cannot be counted here: {why}")
        raise SystemExit(2)
    show_profile(found, path, Console(width=max(WIDTH, Console().width), emoji=False))


def _list(title: str, descriptions: dict[str, str]) -> None:
    print(f"{title}:")
    for name, description in descriptions.items():
        print(f"  {name:24} {description}")


def _print_yaml(values: dict[str, object]) -> None:
    import yaml

    print(yaml.safe_dump(values, sort_keys=False, allow_unicode=True, width=96), end="")


@app.command()
def overlap(
    a: Annotated[str, typer.Argument(help="A task, for example llmbar or jsonl:mine.jsonl.")],
    b: Annotated[str, typer.Argument(help="Another one: what a judge was trained on, say.")],
) -> None:
    """Which prompts two tasks share: the same, or thirteen words in a row."""
    from bench.overlap import described
    from bench.overlap import overlap as compare_sets
    from bench.registry import make_task
    from bench.spec import parse_spec

    ours, theirs = (make_task(parse_spec(text)) for text in (a, b))
    items = list(ours.items())
    found = compare_sets(items, theirs.items())
    print(described(ours.card.name, items, theirs.card.name, found))


@app.command()
def train(
    recipe: Annotated[str, typer.Argument(help="For example probe.")],
    task: Annotated[str, typer.Option(help="The task whose training split is learnt from.")],
    out: Annotated[Path, typer.Option(help="Folder for the trained judge.")],
    option: Annotated[
        list[str] | None, typer.Option(help="A setting of the recipe, name=value.")
    ] = None,
    seed: int = 0,
    threads: int | None = None,
    remote_code: RemoteCode = False,
) -> None:
    """Train a judge."""
    from bench.prepare import cache_folder, with_members
    from bench.registry import choose, default_card, make_task, resolve_judge
    from bench.spec import Spec, parse_options, parse_spec
    from bench.types import Context
    from judges.training import RECIPES

    if recipe not in RECIPES:
        raise choose("recipe", recipe, RECIPES)
    if out.exists() and (not out.is_dir() or any(p.name[0] != "." for p in out.iterdir())):
        raise BenchError(
            f"{out} is there already and not empty. Choose another name, or remove it."
        )
    made = make_task(parse_spec(task))
    asked = " ".join([f"train {recipe}", *(f"--option {piece}" for piece in option or ())])
    options = parse_options([p for piece in option or () for p in piece.split(",")], asked)
    spec = resolve_judge(Spec(default_card(recipe), options=options, text=asked))
    context = Context((made,), cache_folder(), threads, seed, remote_code, say=_say)
    context = with_members(context)
    folder = RECIPES[recipe](spec, made, out, context)
    print(f"{folder} written. To use it: --judges {recipe}:{folder}")


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _report(folder: Path) -> None:
    from rich.console import Console

    from bench.ledger import Ledger
    from reports.markdown import save as save_report
    from reports.page.items import write_items
    from reports.page.page import write
    from reports.render import save
    from reports.tables import build
    from reports.terminal import WIDTH, show

    with Ledger(folder / "ledger.sqlite") as ledger:
        tables = build(ledger)
        save(tables, folder / "tables")
        write_items(ledger, folder)
        page = write(ledger, tables, folder)
    save_report(tables, folder / "report")
    show(tables, Console(width=max(WIDTH, Console().width), emoji=False))
    print(f"\nTables: {folder / 'tables'} (csv, json, md, parquet, tex)\nReport: {page}, report.md")


def _name(tasks: tuple[str, ...]) -> str:
    return re.sub(r"[^\w.+=-]+", "-", "+".join(tasks)).strip("-")[:100]


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise BenchError(f"{path} cannot be read: {error.strerror}") from error


def main() -> None:
    """Entry point: errors that the user can mend end in one message and exit code 2."""
    for stream in (sys.stdout, sys.stderr):  # a terminal without some letter gets its number
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        app()
        sys.stdout.flush()
    except BenchError as error:
        _say(f"error: {printable_lines(str(error))}")
        raise SystemExit(2) from None
    except BrokenPipeError:  # whoever read the output has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(1) from None
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        where = error.filename or "the output"
        _say(f"error: {where} cannot be read or written: {error.strerror or error}")
        raise SystemExit(2) from None
