"""One run from plan to full ledger, as the command line does it."""

from __future__ import annotations

import time
from pathlib import Path

from rich.console import Console

from bench import manifest
from bench.display import Display
from bench.ledger import Ledger
from bench.plan import Plan
from bench.prepare import cache_folder, prepare
from bench.runner import Limits, carry_out
from bench.types import Context


def carry(
    plan: Plan,
    folder: Path,
    limits: Limits,
    threads: int | None,
    console: Console,
    started: float,
) -> list[str]:
    """Prepare, ask, save. Returns why judges were stopped early. `started`: time.monotonic() when
    the command began. Raises BenchError; KeyboardInterrupt ends in SystemExit(130) with
    everything kept."""

    def say(line: str) -> None:
        console.print(line, markup=False, highlight=False, soft_wrap=True)

    try:
        context = Context(cache=cache_folder(), threads=threads, say=say)
        prepared = prepare(plan, context)
        for task, count in prepared.left_out.items():
            if count:
                say(f"{task}: {count:,} items left out, a judge of this run was trained on them")
        with Ledger(folder / "ledger.sqlite", write=True) as ledger:
            ledger.write_plan(plan, prepared.items, [judge.card for judge in prepared.judges])
            (folder / "plan.json").write_text(plan.to_json(), encoding="utf-8")
            with Display(console) as display:
                stops = carry_out(
                    prepared.items,
                    prepared.judges,
                    ledger,
                    repeats=plan.repeats,
                    limits=limits,
                    show=display,
                )
    except KeyboardInterrupt:
        say(f"Interrupted. Everything answered is kept in {folder}; the same command goes on.")
        raise SystemExit(130) from None
    if not display.used and not stops:
        say("nothing to ask: every trial has its verdict")
    wall_s = time.monotonic() - started
    manifest.write(manifest.describe(plan, prepared, threads=threads, wall_s=wall_s), folder)
    for stop in stops:
        say(stop)
    return stops
