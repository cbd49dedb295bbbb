"""Every stored vector is checked by some test here."""

from __future__ import annotations

import json
import re
from pathlib import Path

HERE = Path(__file__).parent


def test_every_vector_is_used() -> None:
    text = "\n".join(p.read_text() for p in HERE.glob("test_*.py") if p.name != "test_vectors.py")
    names = [
        v["id"] for path in (HERE / "vectors").glob("*.json") for v in json.loads(path.read_text())
    ]
    quoted = set(re.findall(r"[\w.]+", text))
    unused = [name for name in names if name not in quoted and name.partition(".")[2] not in quoted]
    assert unused == []
    assert len(set(names)) == 83
