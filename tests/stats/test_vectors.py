"""Every stored vector is compared with by some test here."""

from __future__ import annotations

import json
from pathlib import Path


def test_every_vector_is_used(unread_vectors):
    assert unread_vectors == set()


def test_ids_are_unique():
    paths = (Path(__file__).parent / "vectors").glob("*.json")
    names = [entry["id"] for path in paths for entry in json.loads(path.read_text("utf-8"))]
    assert len(set(names)) == len(names) == 83
