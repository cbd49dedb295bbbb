"""LAMP: the known file and no other; rankings of three writers, known figures."""

from __future__ import annotations

import gzip
import hashlib
import itertools
import json
import os
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from bench.spec import parse_spec
from bench.types import BenchError, Item
from tasks.lamp import SHA256, make

Row = dict[str, Any]


@pytest.fixture(scope="module")
def path() -> Path:
    folder = os.environ.get("SMALLCLAIMS_MIRROR")
    if not folder:
        pytest.skip("SMALLCLAIMS_MIRROR is not set")
    found = Path(folder).parent / "data/lamp/items.jsonl.gz"
    if not found.is_file():
        pytest.skip(f"{found} is not there: no LAMP triplets to test on")
    return found


@pytest.fixture(scope="module")
def items(path: Path) -> list[Item]:
    return list(make(parse_spec(f"lamp:{path}")).items())


@pytest.fixture(scope="module")
def rows(path: Path) -> list[Row]:
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def test_items_say_what_the_rows_say(items: list[Item], rows: list[Row]) -> None:
    assert [item.id for item in items] == [row["id"] for row in rows]
    assert len({item.id for item in items}) == 201
    for item, row in zip(items, rows, strict=True):
        assert item.task == "lamp"
        assert [r.text for r in item.responses] == [r["text"] for r in row["responses"]]
        assert item.prompt[0].content == row["prompt"][0]["content"]
        assert item.subset == row["subset"]
        for label, said in zip(item.labels, row["labels"], strict=True):
            assert label.annotator == said["annotator"]
            assert [label.utilities[i] for i in said["ranking"]] == [2, 1, 0]
    assert len({item.prompt_key for item in items}) == 200
    assert {item.domain for item in items} == {"creative-writing"}
    assert {len(item.labels) for item in items} == {3}
    assert len({label.annotator for item in items for label in item.labels}) == 13


def test_a_writer_that_is_not_known_has_no_name(items: list[Item], rows: list[Row]) -> None:
    unnamed = {item.id for item in items if all(r.model is None for r in item.responses)}
    assert unnamed == {row["id"] for row in rows if row["meta"]["llm"] is None}
    assert len(unnamed) == 7
    named = [r.model for item in items if item.id not in unnamed for r in item.responses]
    assert all(model and "None" not in model for model in named)
    assert len(named) == 3 * 194


def test_length_and_agreement_as_known(rows: list[Row]) -> None:
    """From the rows alone: the figures of the card, with the golden 0.219."""
    majority, earlier, by_vote, same = [], [], [], []
    firsts = Counter[str]()
    for row in rows:
        lengths = [len(response["text"]) for response in row["responses"]]
        longest = [i for i, length in enumerate(lengths) if length == max(lengths)]
        votes = [label["ranking"][0] for label in row["labels"]]
        (top, count), *_ = Counter(votes).most_common()
        assert count >= 2
        majority.append((top in longest) / len(longest))
        earlier.append(top == longest[0])
        by_vote += [(vote in longest) / len(longest) for vote in votes]
        same += [a == b for a, b in itertools.combinations(votes, 2)]
        firsts.update(row["responses"][vote]["id"] for vote in votes)
    assert sum(earlier) / 201 == pytest.approx(0.219, abs=5e-4)
    assert sum(majority) / 201 == pytest.approx(0.216, abs=5e-4)
    assert sum(by_vote) / 603 == pytest.approx(0.221, abs=5e-4)
    assert sum(same) / 603 == pytest.approx(0.728, abs=5e-4)
    assert firsts == {"Human-edited": 393, "AI-edited": 154, "AI-generated": 56}


def test_persons_are_the_same_across_items(items: list[Item]) -> None:
    groups = Counter(frozenset(label.annotator for label in item.labels) for item in items)
    assert sorted(groups.values()) == [25, 25, 27, 27, 31, 66]
    taken_part = Counter(label.annotator for item in items for label in item.labels)
    assert max(taken_part.values()) == 118


def test_one_split_is_a_part(path: Path, items: list[Item]) -> None:
    task = make(parse_spec(f"lamp:{path}"))
    parts = [list(task.items(split)) for split in ("train", "dev", "test")]
    assert sorted(i.id for part in parts for i in part) == sorted(i.id for i in items)
    assert all(len(part) < 201 for part in parts)


def test_another_file_is_refused_with_both_sums(tmp_path: Path) -> None:
    other = tmp_path / "items.jsonl"
    other.write_text('{"id": "lamp/b1-01"}\n')
    found = hashlib.sha256(other.read_bytes()).hexdigest()
    with pytest.raises(BenchError, match=f"sha256 {SHA256} expected, {found} found"):
        make(parse_spec(f"lamp:{other}"))
    with pytest.raises(BenchError, match=r"does not exist.* Did you mean .*items\.jsonl"):
        make(parse_spec(f"lamp:{tmp_path / 'item.jsonl'}"))


@pytest.mark.parametrize("text", ["lamp", "lamp:items.jsonl,x=1"])
def test_without_a_path_it_says_what_is_needed(text: str) -> None:
    with pytest.raises(BenchError, match=f"lamp:PATH expected, for example.*{SHA256}"):
        make(parse_spec(text))
