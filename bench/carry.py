"""One run from plan to full ledger, as the command line does it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from bench import manifest
from bench.display import Display
from bench.ledger import Ledger
from bench.plan import Plan
from bench.prepare import Prepared, prepare
from bench.printable import printable_lines
from bench.runner import Limits, Progress, carry_out
from bench.types import Context


def carry(
    plan: Plan,
    folder: Path,
    limits: Limits,
    context: Context,
    console: Console,
    started: float,
) -> list[str]:
    """Prepare, ask, save. Returns why judges were stopped early. `context`: cache, threads and what
    the user agreed to. `started`: time.monotonic() when the command began. Raises BenchError;
    KeyboardInterrupt ends in SystemExit(130) with everything kept."""

    def say(line: str) -> None:
        console.print(printable_lines(line), markup=False, highlight=False, soft_wrap=True)

    try:
        prepared = prepare(plan, replace(context, say=say))
        for task, count in prepared.left_out.items():
            if count:
                say(f"{task}: {count:,} items left out, a judge of this run was trained on them")
        with Ledger(folder / "ledger.sqlite", write=True) as ledger:
            judges = [judge.card for judge in prepared.judges]
            ledger.write_plan(plan, prepared.items, judges, prepared.overlaps)
            (folder / "plan.json").write_text(plan.to_json(), encoding="utf-8")
            stops = _ask(plan, prepared, ledger, limits, context.threads, console, started, say)
    except KeyboardInterrupt:
        say(f"Interrupted. Everything answered is kept in {folder}; the same command goes on.")
        raise SystemExit(130) from None
    for stop in stops:
        say(stop)
    return stops


def _ask(
    plan: Plan,
    prepared: Prepared,
    ledger: Ledger,
    limits: Limits,
    threads: int | None,
    console: Console,
    started: float,
    say: Callable[[str], None],
) -> list[str]:
    """Carry the plan out, with a manifest that is there from the first question on."""
    folder, now = ledger.path.parent, time.time()
    manifest.save(folder, plan, prepared)
    display = Display(console)

    def show(progress: Progress) -> None:
        if not display.used:
            session = manifest.session(now, None, threads)
            manifest.save(folder, plan, prepared, session=session)
        display(progress)

    with display:
        stops = carry_out(
            prepared.items,
            prepared.judges,
            ledger,
            repeats=plan.repeats,
            limits=limits,
            show=show,
            say=say,
        )
    if display.used:
        session = manifest.session(now, time.monotonic() - started, threads)
        manifest.save(folder, plan, prepared, session=session)
    elif not stops:
        console.print("nothing to ask: every trial has its verdict")
    return stops
