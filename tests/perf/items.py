"""Verdict browser of 20 judges on 20,000 pairs: 800,000 verdicts with replies of some lines.

Bars: written in <= 25 s and <= 0.5 GB (peak of a process of its own), the list of items <= 5 MB,
and open in Chromium, where it is installed, within 2 s.
"""

from __future__ import annotations

import resource
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from itertools import islice
from pathlib import Path

from ledger import BATCH, CARDS, items, verdicts

from bench.ledger import Ledger
from bench.plan import Plan

ITEMS = 20_000
REPLY = "The first response says more of what was asked, and what it says is right.\n" * 4
CHROMIUM = "/usr/bin/chromium"


def fill(path: Path) -> None:
    """Write the ledger."""
    made = items()[:ITEMS]
    with Ledger(path, write=True) as ledger:
        ledger.write_plan(Plan(tuple(c.name for c in CARDS), ("made",)), made, CARDS)
        stream = (replace(v, raw=REPLY) for v in verdicts(made))
        while batch := list(islice(stream, BATCH)):
            ledger.append(batch)


def write(folder: Path) -> None:
    """Write the browser; print time and peak memory of this process."""
    from reports.page.items import write_items

    started = time.perf_counter()
    with Ledger(folder / "ledger.sqlite") as ledger:
        write_items(ledger, folder)
    seconds = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    pages = list((folder / "report" / "items").iterdir())
    size = sum(page.stat().st_size for page in pages)
    listed = (folder / "report" / "items" / "index.html").stat().st_size
    print(
        f"items: {len(pages):,} pages of {size / 1e6:,.0f} MB, of which the list {listed / 1e6:.1f}"
        f" MB, in {seconds:.1f} s ({time.process_time():.1f} s of processor), peak {peak:.2f} GB"
    )


def show(page: Path) -> None:
    """Open the list in Chromium; print how long that took, and one search."""
    from playwright.sync_api import sync_playwright

    search = """() => { const start = performance.now();
        document.querySelector('input[name=strong]').click();
        return performance.now() - start; }"""
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        opened = browser.new_page()
        started = time.perf_counter()
        opened.goto(page.as_uri())
        seconds = time.perf_counter() - started
        searched = opened.evaluate(search)
        browser.close()
    print(f"items: the list opened in {seconds:.2f} s, searched in {searched:.0f} ms")


def main() -> None:
    """Fill, and write in a process of its own so that its peak is its own."""
    if len(sys.argv) > 1:
        write(Path(sys.argv[1]))
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        fill(folder / "ledger.sqlite")
        subprocess.run([sys.executable, __file__, str(folder)], check=True)
        if shutil.which(CHROMIUM):
            show(folder / "report" / "items" / "index.html")


if __name__ == "__main__":
    main()
