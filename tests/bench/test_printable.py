"""Names out of somebody's data cannot steer a terminal, break a line or a page of text."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from bench.printable import printable, printable_lines

HOSTILE = "a\x1b[31mb\x07\u009b2J\u202ec\r"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain, naïve, 日本語, 🙂", "plain, naïve, 日本語, 🙂"),
        (HOSTILE, r"a\x1b[31mb\x07\x9b2J\u202ec\r"),
        ("two\nlines", r"two\nlines"),
        ("\ud800", r"\ud800"),
        ("", ""),
    ],
)
def test_printable(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_lines_stay() -> None:
    assert printable_lines("one\ntwo\x1b") == "one\ntwo\\x1b"


@pytest.fixture
def hostile(tmp_path: Path) -> Path:
    rows = [
        {
            "id": f"{HOSTILE}{n}",
            "domain": f"{HOSTILE}{n % 2}",
            "subset": f"{HOSTILE}s{n % 2}",
            "prompt": [{"role": "user", "content": f"{HOSTILE} question {n} \ud800"}],
            "responses": [{"id": "a", "text": f"yes {n}"}, {"id": "b", "text": f"no, {n} it is"}],
            "labels": [{"annotator": f"{HOSTILE}w", "preferred": n % 2}],
        }
        for n in range(24)
    ]
    path = tmp_path / "own.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_no_command_lets_control_characters_through(hostile: Path, tmp_path: Path) -> None:
    task, out = f"jsonl:{hostile}", str(tmp_path / "run")
    wrong = tmp_path / "wrong.jsonl"
    wrong.write_text(json.dumps({HOSTILE: 1}) + "\n")
    commands = {
        ("tasks", task): 0,
        ("overlap", task, task): 0,
        ("run", "--tasks", task, "--judges", "longest", "--out", out): 0,
        ("compare", out, "--small", "longest", "--large", "first"): 0,
        ("card", "longest", "--run", out): 0,
        ("diff", out, out): 0,
        ("tasks", f"jsonl:{wrong}"): 2,
        ("run", "--tasks", f"jsonl:{wrong}", "--out", str(tmp_path / "no")): 2,
    }
    environment = {**os.environ, "SMALLCLAIMS_CACHE": str(tmp_path / "cache")}
    for encoding in ("utf-8", "ascii"):
        environment["PYTHONIOENCODING"] = encoding
        for command, code in commands.items():
            ran = subprocess.run(
                [sys.executable, "-m", "bench", *command], capture_output=True, env=environment
            )
            said = (ran.stdout + ran.stderr).decode(encoding)
            assert ran.returncode == code, said
            assert "Traceback" not in said
            assert [c for c in said if not c.isprintable() and c != "\n"] == []
    for page in (tmp_path / "run").rglob("*.md"):
        assert all(line.isprintable() for line in page.read_text().splitlines()), page


def test_output_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    with Path("/dev/full").open("w") as full:
        ran = subprocess.run(
            [sys.executable, "-m", "bench", "judges"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
        )
    assert ran.returncode == 2
    assert ran.stderr == "error: the output cannot be read or written: No space left on device\n"
