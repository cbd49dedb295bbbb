"""The whole report of 20 judges on 20,000 pairs: 800,000 verdicts with replies of some lines.

Bars: tables, page, verdict browser and report.md within 90 s and 1.5 GB (peak of a process of its
own); page and list of items below 5 MB each, and open in Chromium, where it is installed, within
2 s. The baseline of the time is building the tables alone.
"""

from __future__ import annotations

import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path

from ledger import BATCH, CARDS, items, verdicts

from bench.ledger import Ledger
from bench.plan import Plan
from bench.types import JudgeCard, Verdict

ITEMS = 20_000
REPLY = "The first response says more of what was asked, and what it says is right.\n" * 4
CHROMIUM = "/usr/bin/chromium"


def cards() -> list[JudgeCard]:
    """Half of them trained, half prompted, of many sizes."""
    return [
        replace(
            card,
            kind="reward" if n % 2 else "prompted",
            trained=n % 2 == 1,
            parameters=2**n * 10**6,
        )
        for n, card in enumerate(CARDS, start=1)
    ]


def fill(path: Path) -> None:
    """Write the ledger."""
    made, judges = items()[:ITEMS], cards()
    with Ledger(path, write=True) as ledger:
        ledger.write_plan(Plan(tuple(c.name for c in judges), ("made",)), made, judges)
        stream: Iterator[Verdict] = (replace(v, raw=REPLY) for v in verdicts(made, judges))
        while batch := list(islice(stream, BATCH)):
            ledger.append(batch)


def write(folder: Path, whole: bool) -> None:
    """Write the report, or build the tables alone; print time and peak memory of this process."""
    from reports.report import write_report
    from reports.tables import build

    started = time.perf_counter()
    with Ledger(folder / "ledger.sqlite") as ledger:
        if whole:
            write_report(ledger, folder)
        else:
            build(ledger)
    seconds = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(
        f"report: {'whole' if whole else 'tables alone'} in {seconds:.1f} s "
        f"({time.process_time():.1f} s of processor), peak {peak:.2f} GB"
    )


def show(report: Path) -> None:
    """Open page and list in Chromium; print how long that took, and a switch or a search in it."""
    from playwright.sync_api import sync_playwright

    acts = {
        "index.html": """() => { const start = performance.now();
            const rule = document.querySelector('#rule'); rule.value = 'strict';
            rule.dispatchEvent(new Event('change', { bubbles: true }));
            return performance.now() - start; }""",
        "items/index.html": """() => { const start = performance.now();
            document.querySelector('input[name=strong]').click();
            return performance.now() - start; }""",
    }
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        for name, act in acts.items():
            opened = browser.new_page()
            started = time.perf_counter()
            opened.goto((report / name).as_uri())
            seconds = time.perf_counter() - started
            acted = opened.evaluate(act)
            size = (report / name).stat().st_size / 1e6
            print(f"report: {name}, {size:.1f} MB, open in {seconds:.2f} s, acts in {acted:.0f} ms")
        browser.close()


def main() -> None:
    """Fill, and write in processes of their own so that a peak is their own."""
    if len(sys.argv) > 1:
        write(Path(sys.argv[1]), whole=sys.argv[2] == "whole")
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        fill(folder / "ledger.sqlite")
        for part in ("tables", "whole"):
            subprocess.run([sys.executable, __file__, str(folder), part], check=True)
        if shutil.which(CHROMIUM):
            show(folder / "report")


if __name__ == "__main__":
    main()
