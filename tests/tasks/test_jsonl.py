"""``jsonl:PATH``: what is accepted, what is refused and in which words."""

from __future__ import annotations

import copy
import gzip
import hashlib
import json
import os
from collections import Counter
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.spec import parse_specs
from bench.types import BenchError, Item
from tasks.jsonl import JsonlTask, make, parse_item
from tasks.ordinary import ordinary
from tasks.rows import Node

ROW: dict[str, Any] = {
    "id": "q1",
    "domain": "chat",
    "prompt": [{"role": "user", "content": "Say hello."}],
    "responses": [{"id": "a", "text": "Hello."}, {"id": "b", "text": "", "model": "m"}],
    "labels": [{"annotator": "w1", "preferred": 0}],
}
DATA = Path(os.environ.get("SMALLCLAIMS_MIRROR", "")) / ".." / "data"
needs_data = pytest.mark.skipif(
    "SMALLCLAIMS_MIRROR" not in os.environ or not DATA.is_dir(),
    reason="SMALLCLAIMS_MIRROR is not set, or has no folder `data` beside it",
)


def row(**change: Any) -> dict[str, Any]:
    return {**copy.deepcopy(ROW), **change}


def write(path: Path, *lines: dict[str, Any] | str) -> Path:
    texts = (line if isinstance(line, str) else json.dumps(line) for line in lines)
    path.write_text("".join(f"{text}\n" for text in texts), encoding="utf-8")
    return path


def load(path: Path) -> list[Item]:
    (spec,) = parse_specs(f"jsonl:{path}")
    return list(make(spec).items())


def utilities(n: int, **label: Any) -> tuple[float, ...]:
    responses = [{"id": str(i), "text": "x"} for i in range(n)]
    labels = [{"annotator": "w", **label}]
    item = parse_item(Node(row(responses=responses, labels=labels), "f, line 1"), "t")
    return item.labels[0].utilities


def test_a_row_becomes_an_item(tmp_path: Path) -> None:
    full = row(subset="s", reference="Hi", meta={"k": 1}, source="mine")
    path = write(tmp_path / "pairs.jsonl", full, "", row(id="q2"))
    first, second = load(path)
    assert (first.id, first.task, first.domain) == ("q1", f"jsonl:{tmp_path.name}/pairs", "chat")
    assert (first.subset, first.reference, first.meta) == ("s", "Hi", {"k": 1})
    assert first.prompt[0].content == "Say hello."
    assert [(r.id, r.text, r.model) for r in first.responses] == [
        ("a", "Hello.", None),
        ("b", "", "m"),
    ]
    assert second.subset is None and second.meta == {}


def test_gzipped_is_the_same_and_the_name_does_not_matter(tmp_path: Path) -> None:
    plain = write(tmp_path / "pairs.jsonl", row(), row(id="q2"))
    packed = tmp_path / "other.txt"
    packed.write_bytes(gzip.compress(b"\xef\xbb\xbf" + plain.read_bytes()))
    assert [item.id for item in load(packed)] == [item.id for item in load(plain)] == ["q1", "q2"]


def test_revision_is_the_sha256_of_the_file(tmp_path: Path) -> None:
    path = write(tmp_path / "pairs.jsonl", row())
    expected = hashlib.sha256(path.read_bytes()).hexdigest()
    assert JsonlTask(path).card.revision == f"sha256:{expected}"


def test_items_are_read_as_they_are_asked_for(tmp_path: Path) -> None:
    path = write(tmp_path / "pairs.jsonl", row(), "{broken")
    items = JsonlTask(path).items()
    assert next(items).id == "q1"
    with pytest.raises(BenchError, match=r"pairs.jsonl, line 2: not JSON"):
        next(items)


def test_splits_are_those_of_the_prompts(tmp_path: Path) -> None:
    prompts = [[{"role": "user", "content": f"Question {i}"}] for i in range(60)]
    lines = [row(id=str(i), prompt=prompt) for i, prompt in enumerate(prompts)]
    task = JsonlTask(write(tmp_path / "pairs.jsonl", *lines))
    parts = {split: [i.id for i in task.items(split)] for split in ("train", "dev", "test")}
    assert sorted(chain.from_iterable(parts.values())) == sorted(i.id for i in task.items())
    assert all(parts.values())


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        ({"preferred": 2}, (0, 0, 1)),
        ({"preferred": "tie"}, (0, 0, 0)),
        ({"ranking": [1, 2, 0]}, (0, 2, 1)),
        ({"ranking": [1, 2, 0], "preferred": 1}, (0, 2, 1)),
        ({"scores": [3, 4.5, 4.5]}, (3, 4.5, 4.5)),
        ({"scores": [5, 5, 5], "preferred": "tie"}, (5, 5, 5)),
        ({"scores": [-1, 2, 1], "preferred": 1, "ranking": None}, (-1, 2, 1)),
    ],
)
def test_every_form_of_label(label: dict[str, Any], expected: tuple[float, ...]) -> None:
    assert utilities(3, **label) == expected


@given(st.permutations(range(6)))
def test_ranking_lists_indices_best_first(ranking: list[int]) -> None:
    values = utilities(6, ranking=ranking)
    assert sorted(range(6), key=lambda i: -values[i]) == ranking


def test_chosen_and_rejected(tmp_path: Path) -> None:
    responses = [{"id": str(i), "text": "x"} for i in range(4)]
    line = row(responses=responses, labels={"chosen": [2, 0], "rejected": [1, 3]})
    (item,) = load(write(tmp_path / "pairs.jsonl", line))
    assert item.labels[0].annotator == "gold"
    assert item.labels[0].utilities == (1, 0, 1, 0)


def test_retests_and_cluster(tmp_path: Path) -> None:
    again = [{"annotator": "w1", "preferred": 1}, {"annotator": "w1", "scores": [2, 3]}]
    path = write(tmp_path / "pairs.jsonl", row(retests=again, cluster="s1"), row(id="q2"))
    first, second = load(path)
    assert [(x.annotator, x.utilities) for x in first.labels] == [("w1", (1, 0))]
    assert [(x.annotator, x.utilities) for x in first.retests] == [("w1", (0, 1)), ("w1", (2, 3))]
    assert (first.cluster, second.cluster, second.retests) == ("s1", None, ())
    gold = row(labels={"chosen": [0], "rejected": [1]}, retests={"chosen": [1], "rejected": [0]})
    (item,) = load(write(tmp_path / "gold.jsonl", gold))
    assert item.retests[0].utilities == (0, 1)


def label_of(**fields: Any) -> dict[str, Any]:
    return {"labels": [{"annotator": "w1", **fields}]}


MISTAKES: list[tuple[dict[str, Any], str]] = [
    ({"id": 5}, "field id: 5 found, a string"),
    ({"id": ""}, "field id: "),
    ({"domain": None}, "field domain: nothing"),
    ({"subset": 3}, "field subset: 3 found"),
    ({"reference": ["x"]}, "field reference"),
    ({"source": 1}, "field source"),
    ({"cluster": 3}, "field cluster: 3 found"),
    ({"retests": "no"}, 'field retests: "no" found, a list'),
    ({"retests": [{"annotator": "w1"}]}, r"field retests\[0\]: .* at least one of preferred"),
    ({"retests": [{"annotator": "w1", "preferred": 2}]}, r"field retests\[0\].preferred: 2"),
    ({"meta": [1]}, "field meta: "),
    ({"prompt": "Say hello."}, 'field prompt: "Say hello." found, a list'),
    ({"prompt": []}, "field prompt: .* at least one message"),
    ({"prompt": [{"role": "bot", "content": "x"}]}, r"field prompt\[0\].role: .* system, user"),
    ({"prompt": [{"role": "user"}]}, r"no field prompt\[0\].content"),
    ({"prompt": [{"role": "user", "content": 1}]}, r"field prompt\[0\].content: 1 found"),
    ({"responses": [{"id": "a", "text": "x"}]}, "field responses: 1 responses found, 2 to 62"),
    ({"responses": ROW["responses"] + [{"id": "c"}]}, r"no field responses\[2\].text"),
    ({"responses": [ROW["responses"][0]] * 2}, r"responses\[1\].id: .*no other response"),
    ({"responses": [{"id": "a", "text": True}] * 2}, r"responses\[0\].text: true found"),
    ({"responses": [{"id": "a", "txt": "x"}]}, r"unknown field responses\[0\].txt. Did you mean"),
    ({"lables": []}, "unknown field lables. Did you mean labels"),
    ({"labels": []}, "field labels: .* at least one label"),
    ({"labels": None}, "field labels: nothing"),
    (label_of(), r"field labels\[0\]: .* at least one of preferred, ranking, scores"),
    (label_of(preferred=2), r"labels\[0\].preferred: 2 found, .*0 to 1"),
    (label_of(preferred=-1), r"labels\[0\].preferred"),
    (label_of(preferred=True), r"labels\[0\].preferred: true found"),
    (label_of(preferred=1.0), r"labels\[0\].preferred: 1.0 found"),
    (label_of(preferred="both"), r'labels\[0\].preferred: "both" found, .* or "tie"'),
    (label_of(ranking=[0]), r"labels\[0\].ranking: .* 2 indices, best first"),
    (label_of(ranking=[1, 1]), r"labels\[0\].ranking: .* every index once"),
    (label_of(ranking=[0, 2]), r"labels\[0\].ranking\[1\]: 2 found"),
    (label_of(scores=[1]), r"labels\[0\].scores: .* 2 numbers"),
    (label_of(scores=[1, True]), r"labels\[0\].scores\[1\]: true found, a number"),
    (label_of(scores=[1, "2"]), r"labels\[0\].scores\[1\]"),
    (label_of(scores=[1, 10**400]), r"labels\[0\].scores\[1\]: .* a finite number"),
    (label_of(preferred=0, scores=[1, 2]), r"field labels\[0\]: .* put the same responses first"),
    (label_of(preferred=0, scores=[2, 2]), r"field labels\[0\]: "),
    (label_of(prefered=0), r"unknown field labels\[0\].prefered. Did you mean preferred"),
    ({"labels": ROW["labels"] * 2}, r"labels\[1\].annotator: "),
    ({"labels": {"chosen": [0]}}, "no field labels.rejected"),
    ({"labels": {"chosen": [0], "rejected": []}}, "field labels: .* none empty"),
    ({"labels": {"chosen": [0], "rejected": [0, 1]}}, "field labels: .* once"),
    ({"labels": {"chosen": [0], "rejected": [2]}}, r"field labels.rejected\[0\]: 2 found"),
]


@pytest.mark.parametrize(("change", "said"), MISTAKES)
def test_a_bad_row_is_told_with_file_line_and_field(
    tmp_path: Path, change: dict[str, Any], said: str
) -> None:
    path = write(tmp_path / "pairs.jsonl", row(id="q0"), row(**change))
    with pytest.raises(BenchError, match=rf"pairs.jsonl, line 2.*{said}"):
        load(path)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("[1, 2]", "one JSON object a line"),
        ('{"id": NaN}', "NaN is no JSON number"),
        ('{"id": -Infinity}', "no JSON number"),
        ('{"id": "a", "id": "b"}', "given twice"),
        ('{"id": ' + "9" * 5000 + "}", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ('{"id": "a"', "not JSON"),
    ],
)
def test_a_line_that_is_no_object(tmp_path: Path, line: str, said: str) -> None:
    with pytest.raises(BenchError, match=rf"line 2.*{said}"):
        load(write(tmp_path / "pairs.jsonl", row(), line))


@given(st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.sampled_from([*ROW, "annotator", "preferred", "chosen"]), inner),
))  # fmt: skip
def test_any_json_is_an_item_or_a_bench_error(value: Any) -> None:
    for candidate in (value, *(row(**{field: value}) for field in ROW)):
        try:
            parse_item(Node(candidate, "f, line 1"), "t")
        except BenchError as error:
            assert str(error).startswith("f, line 1")


JSON = st.recursive(
    st.sampled_from([None, True, False, -1, 0, 1, 2, 1.0, "", "tie", "user", "a", "w1"]),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(["id", "text", "model", "role", "content", "annotator", "preferred"]), inner
    ),
)  # fmt: skip


def places(value: Any) -> list[tuple[Any, Any]]:
    """Every (container, key) of a JSON value."""
    keys = (
        list(value)
        if isinstance(value, dict)
        else list(range(len(value)))
        if isinstance(value, list)
        else []
    )
    return [(value, key) for key in keys] + [p for key in keys for p in places(value[key])]


@given(st.data())
def test_an_ordinary_row_is_the_item_that_the_whole_format_makes(data: st.DataObject) -> None:
    subset = data.draw(st.sampled_from([{}, {"subset": "s"}, {"subset": None}, {"meta": {}}]))
    changed = row(**subset)
    for _ in range(data.draw(st.integers(0, 2))):
        container, key = data.draw(st.sampled_from(places(changed)))
        if isinstance(container, dict) and data.draw(st.booleans()):
            del container[key]
        else:
            container[key] = data.draw(JSON)
    found = ordinary(changed, "t")
    try:
        expected = parse_item(Node(changed, "f, line 1"), "t")
    except BenchError:
        expected = None
    assert found is None or found == expected


def test_which_rows_are_ordinary() -> None:
    tie = [{"annotator": "w1", "preferred": "tie"}, {"annotator": "w2", "preferred": 1}]
    for plain in (row(), row(subset="s"), row(subset=None), row(labels=tie)):
        item = ordinary(plain, "t")
        assert item is not None and item == parse_item(Node(plain, "f, line 1"), "t")
    for other in (row(reference="x"), row(labels=[{"annotator": "w", "scores": [1, 2]}])):
        assert ordinary(other, "t") is None


def test_ids_that_only_look_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tasks.jsonl.hash", lambda name: len(name), raising=False)
    path = write(tmp_path / "pairs.jsonl", row(), row(id="q2"), row(id="long"))
    assert [item.id for item in load(path)] == ["q1", "q2", "long"]
    write(path, row(), row(id="q2"), row(id="q2"), row())
    with pytest.raises(BenchError, match=r"line 3: item id 'q2' stands already in .*line 2"):
        load(path)


def test_the_same_id_twice(tmp_path: Path) -> None:
    path = write(tmp_path / "pairs.jsonl", row(), row(id="q2"), row())
    with pytest.raises(BenchError, match=r"line 3: item id 'q1' stands already in .*line 1"):
        load(path)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    path = write(tmp_path / "pairs.jsonl", row())
    with pytest.raises(BenchError, match=r"does not exist.*Did you mean .*pairs\.jsonl"):
        load(tmp_path / "pair.jsonl")
    with pytest.raises(BenchError, match=r"is a folder.*Did you mean .*pairs\.jsonl"):
        load(tmp_path)
    with pytest.raises(BenchError, match="does not exist"):
        load(tmp_path / "no" / "such" / "folder.jsonl")
    (tmp_path / "cut.gz").write_bytes(gzip.compress(path.read_bytes())[:-12])
    with pytest.raises(BenchError, match=r"cut\.gz, after line"):
        load(tmp_path / "cut.gz")
    (tmp_path / "latin").write_bytes(b'{"id": "caf\xe9"}\n')
    with pytest.raises(BenchError, match=r"line 1: not UTF-8 at byte 11"):
        load(tmp_path / "latin")
    (tmp_path / "empty").write_bytes(b"\n")
    with pytest.raises(BenchError, match="no row"):
        load(tmp_path / "empty")


@pytest.mark.parametrize("text", ["jsonl", "jsonl:", "jsonl:a.jsonl,x=1"])
def test_a_spec_without_a_path_or_with_options(text: str) -> None:
    (spec,) = parse_specs(text)
    with pytest.raises(BenchError, match="jsonl:PATH expected"):
        make(spec)


@needs_data
def test_creative_writing_triplets() -> None:
    items = load(DATA / "lamp" / "items.jsonl.gz")
    assert len(items) == 201
    assert {len(item.responses) for item in items} == {3}
    assert {len(item.labels) for item in items} == {3}
    # Professional writers put the text that a person edited first far more often than the others:
    # this would not hold if `ranking` were ranks.
    first = Counter(
        item.responses[label.utilities.index(2.0)].id for item in items for label in item.labels
    )
    assert first == {"Human-edited": 393, "AI-edited": 154, "AI-generated": 56}


@needs_data
def test_ties_lists() -> None:
    items = load(DATA / "rb2_ties" / "items.jsonl.gz")
    assert len(items) == 102
    assert {min(len(i.responses) for i in items), max(len(i.responses) for i in items)} == {11, 38}
    assert all(item.domain == "factuality" and item.subset == "Ties" for item in items)
    assert sum(sum(item.labels[0].utilities) for item in items) > len(items)
