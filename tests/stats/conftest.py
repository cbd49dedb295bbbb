"""Checked numeric vectors: id, inputs, expected numbers, tolerance, source."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

VECTORS = {
    v["id"]: v
    for path in sorted((Path(__file__).parent / "vectors").glob("*.json"))
    for v in json.loads(path.read_text("utf-8"))
}


class Vector:
    """One vector; `close(actual, key)` compares with its own tolerance."""

    def __init__(self, entry: dict[str, Any]) -> None:
        self.inputs = entry["inputs"]
        self.expected = entry["expected"]
        self.abs_tol = entry["abs_tol"]

    def close(self, actual: Any, *path: str) -> None:
        wanted = self.expected
        for key in path:
            wanted = wanted[key]
        np.testing.assert_allclose(actual, wanted, rtol=0, atol=self.abs_tol, err_msg=str(path))


@pytest.fixture
def vector() -> Callable[[str], Vector]:
    return lambda name: Vector(VECTORS[name])
