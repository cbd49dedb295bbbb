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


compared: set[str] = set()
"""Ids of the vectors whose expected numbers a test has read."""


class Vector:
    """One vector; `close(actual, key)` compares with its own tolerance."""

    def __init__(self, entry: dict[str, Any]) -> None:
        self.inputs = entry["inputs"]
        self.abs_tol = entry["abs_tol"]
        self._entry = entry

    @property
    def expected(self) -> Any:
        compared.add(self._entry["id"])
        return self._entry["expected"]

    def close(self, actual: Any, *path: str) -> None:
        wanted = self.expected
        for key in path:
            wanted = wanted[key]
        np.testing.assert_allclose(actual, wanted, rtol=0, atol=self.abs_tol, err_msg=str(path))


@pytest.fixture
def vector() -> Callable[[str], Vector]:
    return lambda name: Vector(VECTORS[name])


@pytest.fixture
def unread_vectors(request: pytest.FixtureRequest) -> set[str]:
    """Ids of the vectors that no test has read; skips where not all tests ran before."""
    here = Path(__file__).parent
    ran = {item.path for item in request.session.items}
    if request.config.stash[SOME_LEFT_OUT] or not ran.issuperset(here.glob("test_*.py")):
        pytest.skip("only where all tests of this folder run")
    return set(VECTORS) - compared


SOME_LEFT_OUT = pytest.StashKey[bool]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[SOME_LEFT_OUT] = any("::" in argument for argument in config.args)


def pytest_deselected(items: list[pytest.Item]) -> None:
    for item in items:
        item.config.stash[SOME_LEFT_OUT] = True


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The test that asks what the others have read runs last."""
    items.sort(key=lambda item: "unread_vectors" in getattr(item, "fixturenames", ()))
