"""Shared by all tests: where the original files are, and small made-up items."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hub import Hub
from hypothesis import settings

from bench.types import Item, Label, Message, Response

# The first example of a test may load a library, and machines are shared: no test is timed.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


@pytest.fixture(scope="session")
def mirror() -> Path:
    """The folder of original files; tests on real data are skipped without it."""
    folder = os.environ.get("SMALLCLAIMS_MIRROR")
    if not folder:
        pytest.skip("SMALLCLAIMS_MIRROR is not set: no original data files to test on")
    return Path(folder)


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Hub]:
    """An imitation of the hub on loopback that tasks load from in this test, with an empty cache;
    `hub.put(repo, files)` fills it."""
    for name in ("SMALLCLAIMS_MIRROR", "HF_TOKEN", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    # The library reads its folders when it is first imported.
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", str(tmp_path / "token"))
    with Hub() as running:
        monkeypatch.setenv("HF_ENDPOINT", running.url)
        yield running


MakeItem = Callable[..., Item]


@pytest.fixture(scope="session")
def make_item() -> MakeItem:
    """item(3, n=2, right=0, ...) -> a small item whose response `right` is labelled best."""

    def make(number: int, n: int = 2, right: int = 0, **fields: object) -> Item:
        texts = [f"answer {i} to question {number}" for i in range(n)]
        values: dict[str, object] = {
            "id": f"item-{number}",
            "task": "made",
            "domain": "chat",
            "prompt": (Message("user", f"question {number}"),),
            "responses": tuple(Response(f"r{i}", text) for i, text in enumerate(texts)),
            "labels": (Label("gold", tuple(float(i == right) for i in range(n))),),
        }
        return Item(**{**values, **fields})  # type: ignore[arg-type]

    return make
