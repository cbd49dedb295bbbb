"""Ledger: 1,000,000 verdicts of 20 judges on 25,000 pairs. Insert, resume scan, tables over them.
The pairs have three annotators and named writers, the verdicts confidences and costs, so that no
table is spared.

Bars: insert >= 30,000/s in batches, resume scan <= 5 s, tables <= 60 s and <= 1 GB (peak of a
process of its own). Baseline of the insert: the same rows into SQLite in one transaction.
"""

from __future__ import annotations

import json
import resource
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

from bench.ledger import Ledger
from bench.plan import Plan, trials
from bench.types import Item, JudgeCard, Label, Message, Response, Usage, Verdict, verdict

ITEMS, JUDGES, BATCH = 25_000, 20, 5_000
CARDS = [JudgeCard(f"judge-{j}", "made", ("pairwise",), revision=str(j)) for j in range(JUDGES)]
USAGE = Usage(prompt_tokens=400, completion_tokens=20, latency_s=0.1, cost_usd=0.001)


def items() -> list[Item]:
    """Pairs of four domains, five to a prompt, three annotators of whom one in six errs."""
    return [
        Item(
            str(i),
            "made",
            f"domain-{i % 4}",
            (Message("user", f"prompt {i // 20 * 4 + i % 4}"),),
            (
                Response("a", f"answer {i} of some length" + " and more" * (i % 7), f"m-{i % 3}"),
                Response("b", f"another one, {i}" + " and more" * (i % 5), f"m-{i % 3 + 1}"),
            ),
            tuple(
                Label(f"w{w}", (float(first), float(not first)))
                for w, first in enumerate((i % 3 > 0) ^ ((i * 7 + w) % 6 == 0) for w in range(3))
            ),
            meta={"n": i},
        )
        for i in range(ITEMS)
    ]


def verdicts(made: list[Item], judges: Sequence[JudgeCard]) -> Iterator[Verdict]:
    """Of both orders of every pair, right in three of four."""
    for card in judges:
        for i, trial in trials(made, card):
            best = (i % 3 == 0) ^ (trial.seed % 4 == 0)
            utilities = [float(r == best) for r in trial.order]
            sure = 0.5 + (trial.seed % 50) / 100
            yield verdict(trial, utilities, confidence=sure, raw="Verdict: A", usage=USAGE)


def fill(path: Path) -> None:
    """Write plan and verdicts; print the rates."""
    made = items()
    with Ledger(path, write=True) as ledger:
        started = time.perf_counter()
        ledger.write_plan(Plan(tuple(c.name for c in CARDS), ("made",)), made, CARDS)
        planned = time.perf_counter() - started
        ours = bare = 0.0
        flat = sqlite3.connect(path.with_name("bare.sqlite"), isolation_level=None)
        flat.execute("CREATE TABLE v (key BLOB PRIMARY KEY, status, utilities, raw)")
        stream, count = verdicts(made, CARDS), 0
        while batch := list(islice(stream, BATCH)):
            count += len(batch)
            started = time.perf_counter()
            ledger.append(batch)
            ours += time.perf_counter() - started
            started = time.perf_counter()
            flat.execute("BEGIN")
            rows = ((bytes.fromhex(v.key), v.status, json.dumps(v.utilities), v.raw) for v in batch)
            flat.executemany("INSERT INTO v VALUES (?, ?, ?, ?)", rows)
            flat.execute("COMMIT")
            bare += time.perf_counter() - started
        started = time.perf_counter()
        done = len(ledger.done())
        scan = time.perf_counter() - started
    print(
        f"ledger: plan of 1,000,000 trials written in {planned:.1f} s; {count:,} verdicts "
        f"inserted at {count / ours:,.0f}/s in batches of {BATCH:,} "
        f"({bare / ours:.2f} of bare SQLite with four columns); "
        f"resume scan of {done:,} in {scan:.1f} s"
    )


def tables(path: Path) -> None:
    """Compute all tables; print time and peak memory of this process."""
    from reports.tables import build

    started = time.perf_counter()
    with Ledger(path) as ledger:
        made = build(ledger)
    seconds = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    rows = sum(map(len, made.values()))
    print(f"tables: {rows:,} rows of {len(made)} tables in {seconds:.1f} s, peak {peak:.2f} GB")


def main() -> None:
    """Run both parts, the tables in a process of their own so that its peak is theirs."""
    if len(sys.argv) > 1:
        tables(Path(sys.argv[1]))
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ledger.sqlite"
        fill(path)
        sys.stdout.flush()
        subprocess.run([sys.executable, __file__, str(path)], check=True)


if __name__ == "__main__":
    main()
