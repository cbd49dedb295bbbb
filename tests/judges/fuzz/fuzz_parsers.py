"""Fuzzes the parsers: ``python tests/judges/fuzz/fuzz_parsers.py FOLDER [libFuzzer options]``.

Needs `pip install atheris` (wheels for Linux; not a dependency of the project). FOLDER collects
inputs, after corpus.json has been laid into it; ``keep FOLDER`` writes the smallest ones back.
"""

from __future__ import annotations

import base64
import json
import sys
from pathlib import Path

HERE = Path(__file__).parent
CORPUS = HERE / "corpus.json"
KEPT = 90  # inputs in corpus.json at most


def keep(folder: Path) -> None:
    """The corpus of the tests: of a merged folder (-merge=1), inputs of all sizes."""
    inputs = sorted((p.read_bytes() for p in folder.iterdir()), key=lambda data: (len(data), data))
    step = max(1, -(-len(inputs) // KEPT))
    lines = [json.dumps(base64.b64encode(data).decode()) for data in inputs[::step]]
    CORPUS.write_text("[\n" + ",\n".join(lines) + "\n]\n", encoding="utf-8")


def main() -> None:
    """Fuzz until libFuzzer's options say stop."""
    import atheris

    sys.path[:0] = [str(HERE), str(HERE.parent), str(HERE.parents[2])]
    with atheris.instrument_imports(include=["judges.parsers"]):
        from invariants import check
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for i, text in enumerate(json.loads(CORPUS.read_text(encoding="utf-8"))):
        (folder / f"kept-{i}").write_bytes(base64.b64decode(text))
    atheris.Setup([*sys.argv, f"-dict={HERE / 'tokens.dict'}"], check)
    atheris.Fuzz()


if __name__ == "__main__":
    if sys.argv[1] == "keep":
        keep(Path(sys.argv[2]))
    else:
        main()
