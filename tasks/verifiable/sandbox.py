"""Runs small Python functions apart from this process, with limits, and compares what they return.

A program is a source that defines one function. It runs in a new interpreter in isolated mode,
without environment, in an empty folder, with limits on time, memory, files and processes. That
keeps mistakes in; it is no wall against hostile code, which needs a container or a machine.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bench.types import BenchError

_SECONDS = 1  # for all cases of one program
_MEMORY = 512 * 2**20  # bytes of address space

# The child gets no expected outputs, so no program can return them unless it computes them. What
# programs print is thrown away: the reports go out through a copy of the first standard output.
_CHILD = """
import json, os, resource, signal, sys
programs, seconds, memory = json.load(sys.stdin)
for limit, value in ((resource.RLIMIT_AS, memory), (resource.RLIMIT_FSIZE, 0),
                     (resource.RLIMIT_CORE, 0), (resource.RLIMIT_NPROC, 0),
                     (resource.RLIMIT_CPU, 2 + seconds * len(programs))):
    resource.setrlimit(limit, (value, value))
report = os.fdopen(os.dup(1), "w")
os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
report.write("ready\\n")
report.flush()
def late(*_):
    raise TimeoutError
signal.signal(signal.SIGALRM, late)
for source, inputs in programs:
    outputs = []
    try:
        signal.setitimer(signal.ITIMER_REAL, seconds)
        names = {}
        exec(source, names)
        function = [v for k, v in names.items() if callable(v) and k != "__builtins__"][-1]
        outputs = [json.dumps(function(*arguments)) for arguments in inputs]
    except BaseException as error:
        outputs = type(error).__name__
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    report.write(json.dumps(outputs) + "\\n")
    report.flush()
"""


@dataclass(frozen=True, slots=True)
class Case:
    """One call: the arguments and the value that must come back, all JSON values."""

    arguments: tuple[Any, ...]
    expected: Any


def run_cases(source: str, cases: Sequence[Case]) -> bool:
    """Whether the function that `source` defines (the last one) returns what every case expects.

    An exception, a time-out (1 s), too much memory (512 MiB) or a crash is False. Values are
    compared as JSON, so True is not 1. Raises BenchError where no subprocess with limits can be
    started (POSIX only).
    """
    return run_batch([(source, cases)])[0]


def run_batch(programs: Sequence[tuple[str, Sequence[Case]]]) -> list[bool]:
    """`run_cases` for many programs in one subprocess. Programs that trust each other only: one
    that kills the process makes the rest of the batch run again, in a batch of their own."""
    passed: list[bool] = []
    while len(passed) < len(programs):
        rest = programs[len(passed) :]
        reports = _reports([(source, [c.arguments for c in cases]) for source, cases in rest])
        for outputs, (_, cases) in zip(reports, rest, strict=False):
            passed.append(outputs == [json.dumps(case.expected) for case in cases])
        if len(reports) < len(rest):
            passed.append(False)  # the one that brought the process down
    return passed


def _reports(programs: Sequence[tuple[str, Sequence[tuple[Any, ...]]]]) -> list[Any]:
    """What the child reported of each program, up to the one that ended it."""
    with tempfile.TemporaryDirectory() as folder:
        child = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _CHILD],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=folder,
            env={},
            text=True,
        )
        asked = json.dumps([programs, _SECONDS, _MEMORY])
        try:
            text, _ = child.communicate(asked, timeout=10 + 2 * _SECONDS * len(programs))
        except subprocess.TimeoutExpired:
            child.kill()
            text, _ = child.communicate()
    ready, *lines = text.split("\n")[:-1] or [""]
    if ready != "ready":
        raise BenchError(
            f"no program can be run apart from this process: {sys.executable} did not start with "
            "limits on its resources. A POSIX system that allows new processes is needed."
        )
    return [json.loads(line) for line in lines]
