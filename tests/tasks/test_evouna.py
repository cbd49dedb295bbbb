"""EVOUNA from the authors' files: which questions are left, and what was judged of each answer."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bench.spec import parse_specs
from bench.types import BenchError, Item
from tasks.evouna import COMMIT, EVOUNA, WRITERS, make

needs_mirror = pytest.mark.skipif(
    "SMALLCLAIMS_MIRROR" not in os.environ, reason="SMALLCLAIMS_MIRROR is not set"
)


@pytest.fixture(scope="module")
def items() -> list[Item]:
    return list(EVOUNA().items())


@pytest.fixture(scope="module")
def table(mirror: Path) -> pd.DataFrame:
    """All questions, by item id; a judgement is 1.0, 0.0 or missing."""
    folder = mirror / f"github.com/wangcunxiang/QA-Eval/{COMMIT}/EVOUNA"
    parts = []
    for subset in ("NQ", "TQ"):
        part = pd.read_json(folder / f"{subset}.json", dtype=False)
        part.index = pd.Index([f"evouna/{subset}/{number}" for number in range(len(part))])
        parts.append(part.assign(subset=subset))
    whole = pd.concat(parts)
    for writer in WRITERS:
        whole[f"judge_{writer}"] = whole[f"judge_{writer}"].map({True: 1.0, False: 0.0})
    return whole


@needs_mirror
def test_questions_that_are_left(items: list[Item], table: pd.DataFrame) -> None:
    """By the rule, with counts: proper, and right as well as wrong among the judged answers."""
    assert len(table) == 5610
    proper = table[~table["improper"].astype(bool)]
    assert len(proper) == 5610 - 652
    judged = proper[[f"judge_{writer}" for writer in WRITERS]].to_numpy()
    absent = proper[[f"answer_{writer}" for writer in WRITERS]].isna().to_numpy()
    assert (absent.sum(), np.isnan(judged).sum(), (absent & ~np.isnan(judged)).sum()) == (2, 1, 1)
    judged[absent] = np.nan
    left = proper[(np.nanmin(judged, axis=1) == 0) & (np.nanmax(judged, axis=1) == 1)]
    assert [item.id for item in items] == list(left.index)
    assert Counter(item.subset for item in items) == {"NQ": 1522, "TQ": 616}
    # The null answer was marked incorrect: with it, this question would count.
    (question,) = proper.index[
        (absent & (proper[[f"judge_{w}" for w in WRITERS]] == 0)).any(axis=1)
    ]
    assert question == "evouna/NQ/1986" and question not in left.index


@needs_mirror
def test_items_say_what_the_table_says(items: list[Item], table: pd.DataFrame) -> None:
    for item in items:
        row = table.loc[item.id]
        assert item.prompt[0].content == row["question"]
        assert item.reference == row["golden_answer"]
        (label,) = item.labels
        found = {
            response.model: (response.text, value)
            for response, value in zip(item.responses, label.utilities, strict=True)
        }
        assert found == {
            model: (row[f"answer_{writer}"], row[f"judge_{writer}"])
            for writer, model in WRITERS.items()
        }
    assert {item.domain for item in items} == {"factuality"}


@needs_mirror
def test_figures_of_the_card(items: list[Item]) -> None:
    chance, longest, shortest = [], [], []
    same, differently = 0, 0
    for item in items:
        right = np.array(item.labels[0].utilities)
        lengths = np.array([len(response.text) for response in item.responses])
        chance.append(right.mean())
        longest.append(right[lengths == lengths.max()].mean())
        shortest.append(right[lengths == lengths.min()].mean())
        judged = pd.Series(right).groupby([response.text for response in item.responses])
        same += bool((judged.size() > 1).any())
        differently += bool((judged.nunique() > 1).any())
    assert np.mean(chance) == pytest.approx(0.598, abs=5e-4)
    assert np.mean(longest) == pytest.approx(0.688, abs=5e-4)
    assert np.mean(shortest) == pytest.approx(0.497, abs=5e-4)
    assert (same, differently) == (113, 5)
    assert [i.id for i in items if not all(r.text for r in i.responses)] == ["evouna/NQ/537"]


@needs_mirror
def test_a_question_under_another_questions_text(items: list[Item]) -> None:
    pair = [item for item in items if item.id in ("evouna/NQ/2671", "evouna/NQ/2705")]
    assert pair[0].prompt == pair[1].prompt
    assert pair[0].reference != pair[1].reference
    assert len({item.prompt_key for item in items}) == len(items) - 1


@needs_mirror
def test_the_order_says_nothing_of_the_writer(items: list[Item]) -> None:
    """In the original the first writer is right in 0.508 of the items, the last in 0.736."""
    first = Counter(item.responses[0].model for item in items)
    assert set(first) == set(WRITERS.values())
    assert all(0.17 < count / len(items) < 0.23 for count in first.values())
    assert {tuple(r.id for r in item.responses) for item in items} == {tuple("abcde")}


def test_it_has_no_settings() -> None:
    (spec,) = parse_specs("evouna:x=1")
    with pytest.raises(BenchError, match="evouna alone expected"):
        make(spec)
