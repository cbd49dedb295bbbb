"""Streaming: a JSON Lines file of 1,000,000 items in the interchange format (two small responses,
one or two labels) is read item by item.

Bars, each reader in a process of its own: >= 20,000 items/s, peak <= 300 MB. Baseline: plain
`json.loads` of every line, nothing checked, nothing built.
"""

from __future__ import annotations

import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tasks.jsonl import JsonlTask

ITEMS, ROUNDS = 1_000_000, 3
BAR_RATE, BAR_MB = 20_000, 300


def line(i: int) -> str:
    """One small pair; every other one has a second annotator."""
    row = {
        "id": f"item-{i}",
        "domain": ("chat", "math", "code", "safety")[i % 4],
        "subset": f"part {i % 10}",
        "prompt": [{"role": "user", "content": f"Question {i // 2}: what is the next number?"}],
        "responses": [
            {"id": "a", "text": f"It is {i + 1}" + ", surely" * (i % 7), "model": f"m-{i % 3}"},
            {"id": "b", "text": f"“{i}”, of course" + "!" * (i % 5), "model": f"m-{i % 3 + 1}"},
        ],
        "labels": [{"annotator": f"w{w}", "preferred": (i + w) % 2} for w in range(1 + i % 2)],
    }
    return json.dumps(row, ensure_ascii=False)


def ours(path: Path) -> int:
    """The number of items that the task gives."""
    return sum(1 for _ in JsonlTask(path).items())


def bare(path: Path) -> int:
    """The number of lines that are JSON."""
    with path.open("rb") as lines:
        return sum(1 for text in lines if json.loads(text))


def read(reader: str, path: Path) -> None:
    """Print the seconds that a reader takes, and the peak memory of this process in MB."""
    started = time.perf_counter()
    assert {"ours": ours, "bare": bare}[reader](path) == ITEMS
    seconds = time.perf_counter() - started
    print(seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10)


def measured(reader: str, path: Path) -> tuple[float, float]:
    """Seconds and MB of a reader in a process of its own."""
    command = [sys.executable, __file__, reader, str(path)]
    out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    seconds, peak = map(float, out.split())
    return seconds, peak


def main() -> int:
    """Print one line; 1 when a bar is missed."""
    if len(sys.argv) > 1:
        read(sys.argv[1], Path(sys.argv[2]))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "items.jsonl"
        with path.open("w", encoding="utf-8") as file:
            file.writelines(f"{line(i)}\n" for i in range(ITEMS))
        size = path.stat().st_size / 2**20
        rounds = [(measured("ours", path), measured("bare", path)) for _ in range(ROUNDS)]
    rate = statistics.median(ITEMS / seconds for (seconds, _), _ in rounds)
    share = statistics.median(plain / own for (own, _), (plain, _) in rounds)
    peak = max(megabytes for (_, megabytes), _ in rounds)
    missed = [rate < BAR_RATE, peak > BAR_MB].count(True)
    print(
        f"streaming: {ITEMS:,} items ({size:.0f} MB) at {rate:,.0f}/s (median of {ROUNDS}), "
        f"{share:.2f} of json.loads alone; peak {peak:.0f} MB; {missed} bars missed"
    )
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main())
