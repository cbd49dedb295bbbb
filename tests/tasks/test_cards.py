"""Every task that can be asked for by name has a whole card, and domains of ours."""

from __future__ import annotations

import re

import pytest

from bench.registry import make_task, task_descriptions, task_names
from bench.spec import parse_spec
from bench.types import DOMAINS

YOURS = {"csv", "hub", "jsonl", "lamp"}  # these take a path


@pytest.mark.parametrize("name", sorted(set(task_names()) - YOURS))
def test_card(name: str) -> None:
    card = make_task(parse_spec(name)).card
    assert card.name == name
    assert card.domains and set(card.domains) <= set(DOMAINS)
    for text in (card.title, card.labels, card.licence, card.pairs, card.clusters):
        assert text.strip()
    assert len(card.traps) >= 1
    if not card.synthetic:
        assert card.url and card.url.startswith("https://")
        assert card.citation and re.search(r"\b(19|20)\d\d\b", card.citation)
        pinned = re.fullmatch(r"[0-9a-f]{40}", card.revision)
        assert pinned or card.revision == "the newest, resolved when it is read"


def test_every_task_is_described_in_a_line() -> None:
    described = task_descriptions()
    assert set(described) == set(task_names())
    for name, line in described.items():
        assert 20 < len(line) <= 100, name
        assert "does not load" not in line
