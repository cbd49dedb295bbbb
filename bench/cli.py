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

from bench.cli_reports import REPORTS, Out, report
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
for command in REPORTS:
    app.command()(command)
RemoteCode = Annotated[
    bool, typer.Option("--remote-code", help="Run Python code that a model's repository brings.")
]


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
    report(folder)
    if stops:
        raise SystemExit(3)


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
