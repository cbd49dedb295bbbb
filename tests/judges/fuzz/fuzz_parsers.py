"""Fuzzes the parsers: ``python tests/judges/fuzz/fuzz_parsers.py FOLDER [libFuzzer options]``.

Needs `pip install atheris` (wheels for Linux; not a dependency of the project). FOLDER collects
inputs, after corpus.json has been laid into it; ``keep FOLDER`` writes back those that reach most.
"""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

HERE = Path(__file__).parent
CORPUS = HERE / "corpus.json"
KEPT = 90  # inputs in corpus.json at most

Step = tuple[str, int, int]
"""file, line, next line"""


def keep(folder: Path) -> None:
    """Makes the corpus of the tests: inputs of `folder`, short ones first, of which each takes a
    step from line to line that those before it did not; the ones with most new steps if these are
    too many."""
    from invariants import check, parser_of

    inputs = sorted((p.read_bytes() for p in folder.iterdir()), key=lambda data: (len(data), data))
    seen: set[tuple[str, *Step]] = set()
    fresh: list[tuple[int, bytes]] = []
    for data in inputs:
        new = {(parser_of(data), *step) for step in steps(check, data)} - seen
        seen |= new
        if new:
            fresh.append((len(new), data))
    fresh.sort(key=lambda found: -found[0])
    lines = [json.dumps(base64.b64encode(data).decode()) for _, data in fresh[:KEPT]]
    CORPUS.write_text("[\n" + ",\n".join(lines) + "\n]\n", encoding="utf-8")
    print(f"{len(fresh)} of {len(inputs)} inputs take {len(seen)} steps; {len(lines)} kept")


def steps(check: Callable[[bytes], None], data: bytes) -> set[Step]:
    """The steps from line to line in the parsers that reading `data` takes."""
    found: set[Step] = set()

    def trace(frame: FrameType, event: str, arg: object) -> Any:
        if "judges/parsers" not in frame.f_code.co_filename:
            return None
        last = frame.f_lineno

        def inside(frame: FrameType, event: str, arg: object) -> Any:
            nonlocal last
            found.add((frame.f_code.co_filename, last, frame.f_lineno))
            last = frame.f_lineno
            return inside

        return inside

    sys.settrace(trace)
    try:
        check(data)
    finally:
        sys.settrace(None)
    return found


def main() -> None:
    """Fuzz until libFuzzer's options say stop."""
    import atheris

    with atheris.instrument_imports(include=["judges.parsers"]):
        from invariants import check
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for i, text in enumerate(json.loads(CORPUS.read_text(encoding="utf-8"))):
        (folder / f"kept-{i}").write_bytes(base64.b64decode(text))
    atheris.Setup([*sys.argv, f"-dict={HERE / 'tokens.dict'}"], check)
    atheris.Fuzz()


if __name__ == "__main__":
    sys.path[:0] = [str(HERE), str(HERE.parent), str(HERE.parents[2])]
    if sys.argv[1] == "keep":
        keep(Path(sys.argv[2]))
    else:
        main()
