"""``csv:``, ``jsonl:`` and ``hub:`` with a mapping of columns: what becomes an item, what is
refused and in which words."""

from __future__ import annotations

import csv
import gzip
import hashlib
import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from hub import Hub, parquet
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bench.spec import parse_spec
from bench.types import BenchError, Item, Task
from tasks import jsonl, mapped
from tasks.mapping import KEYS, read_columns
from tasks.mapping_template import template

BASIC = {"prompt": "question", "responses": ["left", "right"], "label": "winner"}
FULL = BASIC | {"models": ["m1", "m2"], "annotator": "rater", "domain": "topic"}


def written(folder: Path, mapping: dict[str, Any] | str) -> Path:
    path = folder / "columns.yaml"
    path.write_text(mapping if isinstance(mapping, str) else yaml.safe_dump(mapping), "utf-8")
    return path


def csv_task(folder: Path, text: str | bytes, mapping: dict[str, Any] | str = BASIC) -> Task:
    path = folder / "votes.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return mapped.csv(parse_spec(f"csv:{path},columns={written(folder, mapping)}"))


def json_task(folder: Path, rows: list[dict[str, Any]], mapping: dict[str, Any]) -> Task:
    path = folder / "votes.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return jsonl.make(parse_spec(f"jsonl:{path},columns={written(folder, mapping)}"))


def one(task: Task) -> Item:
    (item,) = task.items()
    return item


def utilities(folder: Path, row: dict[str, Any], **mapping: Any) -> tuple[float, ...]:
    row = {"question": "q", "left": "x", "right": "y"} | row
    columns = {"prompt": "question", "responses": ["left", "right"]} | mapping
    return one(json_task(folder, [row], columns)).labels[0].utilities


# -- what becomes of rows -------------------------------------------------------------------------

VOTES = '''\
question,left,right,m1,m2,winner,rater,topic
"Two lines,
one cell",yes,"no, ""never""",red,blue,left,ann,chat
"Two lines,
one cell",yes,"no, ""never""",red,blue,blue,bob,chat
NA,1,01,red,blue,tie,ann,sums

"Two lines,
one cell",yes,"no, ""never""",red,blue,1,ann,chat
NA,1,1.0,red,,0,ann,sums
'''


def test_rows_of_one_content_are_one_item(tmp_path: Path) -> None:
    items = list(csv_task(tmp_path, VOTES, FULL).items())
    # The same by hand: rows in groups, in pandas' words.
    frame = pd.read_csv(tmp_path / "votes.csv", dtype=str, keep_default_na=False)
    keys = ["question", "left", "right", "m1", "m2", "topic"]
    groups = list(frame.groupby(keys, sort=False))
    assert len(items) == len(groups) == 3
    for item, (key, rows) in zip(items, groups, strict=True):
        texts = (item.prompt[0].content, *(r.text for r in item.responses))
        models = tuple(r.model or "" for r in item.responses)
        assert (*texts, *models, item.domain) == key
        said = defaultdict(list)
        for rater, winner in zip(rows["rater"], rows["winner"], strict=True):
            said[rater].append(winner)
        assert {label.annotator for label in item.labels} == set(said)
        assert len(item.retests) == sum(len(votes) - 1 for votes in said.values())
    first, second, third = items
    assert [item.id for item in items] == ["row-1", "row-3", "row-5"]
    assert [(x.annotator, x.utilities) for x in first.labels] == [("ann", (1, 0)), ("bob", (0, 1))]
    assert [(x.annotator, x.utilities) for x in first.retests] == [("ann", (0, 1))]
    assert second.labels[0].utilities == (0, 0) and third.labels[0].utilities == (1, 0)
    # Text stays text.
    assert second.prompt[0].content == "NA" and second.responses[1].text == "01"
    assert third.responses[1].text == "1.0" and third.responses[1].model is None


def test_ids_tie_rows_together(tmp_path: Path) -> None:
    mapping = BASIC | {"id": "n", "annotator": "rater"}
    text = "n,question,left,right,winner,rater\n7,q,x,y,0,ann\n8,q,x,y,1,ann\n7,q,x,y,1,bob\n"
    items = list(csv_task(tmp_path, text, mapping).items())
    assert [(i.id, len(i.labels)) for i in items] == [("7", 2), ("8", 1)]
    other = text + "8,q,x,z,1,bob\n"
    with pytest.raises(BenchError, match=r"row 4 .*id '8' with other texts than in .*row 2"):
        list(csv_task(tmp_path, other, mapping).items())


def test_optional_columns(tmp_path: Path) -> None:
    rows = [
        {"a": ["x", "y", "z"], "s": [1, 2.5, "-1e1"], "n": 12, "by": 3, "who": ["m"] * 3},
        {"a": ["x", "y"], "s": [0, 0], "n": "b", "by": "4", "who": ["m", None], "r": "k"},
    ]
    mapping = {"prompt": {"is": "Why?"}, "responses": "a", "scores": "s", "id": "n"}
    mapping |= {"annotator": "by"}
    mapping |= {"models": "who", "reference": "r", "domain": {"is": "math"}, "subset": {"is": "s1"}}
    mapping |= {"cluster": "by"}
    first, second = json_task(tmp_path, rows, mapping).items()
    assert first.labels[0].utilities == (1, 2.5, -10) and first.labels[0].annotator == "3"
    assert (first.id, first.domain, first.subset, first.cluster) == ("12", "math", "s1", "3")
    assert [r.model for r in second.responses] == ["m", None]
    assert first.reference is None and second.reference == "k"  # r is missing in the first row


def test_votes_that_name_nobody_are_all_counted(tmp_path: Path) -> None:
    rows = "question,left,right,winner\nq,x,y,right\nq,x,y,right\nq,x,y,left\n"
    made = csv_task(tmp_path, rows)
    (item,) = made.items()
    said = [(label.annotator, label.utilities) for label in item.labels]
    assert said == [("vote1", (0, 1)), ("vote2", (0, 1)), ("vote3", (1, 0))]
    assert item.retests == ()
    assert "each row of an item is another annotator's" in made.card.labels


def test_without_optional_columns(tmp_path: Path) -> None:
    item = one(csv_task(tmp_path, "question,left,right,winner\nq,x,y,right\n"))
    assert (item.domain, item.labels[0].annotator, item.subset) == ("own", "vote1", None)
    assert item.meta == {} and item.cluster is None and item.reference is None


@pytest.mark.parametrize(
    ("value", "extra", "expected"),
    [
        (0, {}, (1, 0)),
        ("1", {}, (0, 1)),
        (1.0, {}, (0, 1)),
        ("tie", {}, (0, 0)),
        ("right", {}, (0, 1)),
        ("m2", {"models": ["m1", "m2"]}, (0, 1)),
        ("red", {"models": ["m1", "m2"]}, (1, 0)),
        ("A", {"values": {"A": "right", "B": "left"}}, (0, 1)),
        (2, {"values": {"1": 0, "2": 1}}, (0, 1)),
        (-1.0, {"values": {"-1.0": 1}}, (0, 1)),
        (True, {"values": "{true: 1, false: 0}"}, (0, 1)),
        ("no", {"values": "{yes: 0, no: 1}"}, (0, 1)),
        ("", {"values": {"": "tie"}}, (0, 0)),
    ],
)
def test_what_a_label_may_say(
    tmp_path: Path, value: Any, extra: dict[str, Any], expected: tuple[float, ...]
) -> None:
    row = {"question": "q", "left": "x", "right": "y", "winner": value, "m1": "red", "m2": "blue"}
    path = tmp_path / "votes.jsonl"
    path.write_text(json.dumps(row))
    lines = yaml.safe_dump(BASIC)  # values as a user writes them, not as a library quotes them
    for key, part in extra.items():
        lines += f"{key}: {part if isinstance(part, str) else json.dumps(part)}\n"
    task = jsonl.make(parse_spec(f"jsonl:{path},columns={written(tmp_path, lines)}"))
    assert one(task).labels[0].utilities == expected


def test_scores_instead_of_a_label(tmp_path: Path) -> None:
    assert utilities(tmp_path, {"a": "3", "b": 4.5}, scores=["a", "b"]) == (3, 4.5)
    for bad in ("nan", "1_0", " 1", "", None, True, "٣", "1e999"):
        with pytest.raises(BenchError, match=r"line 1, field b: .* number expected"):
            utilities(tmp_path, {"a": 1, "b": bad}, scores=["a", "b"])


def test_messages_as_prompt_and_as_responses(tmp_path: Path) -> None:
    asked = [{"role": "system", "content": "Be short."}, {"role": "user", "content": "Why?"}]
    rows = [
        {
            "prompt": asked,
            "chosen": [{"role": "assistant", "content": f"good {i}"}],
            "rejected": [*asked, {"role": "assistant", "content": f"bad {i}"}],
        }
        for i in range(40)
    ]
    mapping = {"prompt": "prompt", "responses": ["chosen", "rejected"], "label": {"is": 0}}
    task = json_task(tmp_path, rows, mapping)
    items = list(task.items())
    assert [(m.role, m.content) for m in items[0].prompt] == [
        ("system", "Be short."),
        ("user", "Why?"),
    ]
    # The better one does not always stand first, nor is it told by its id.
    at = [item.labels[0].utilities.index(1.0) for item in items]
    assert all(item.responses[i].text.startswith("good") for item, i in zip(items, at, strict=True))
    assert 10 <= sum(at) <= 30 and {r.id for r in items[0].responses} == {"a", "b"}
    assert [i.responses for i in task.items()] == [i.responses for i in items]
    assert "fixed pseudo-random order" in task.card.pairs
    other = [{"role": "user", "content": "Who?"}, rows[0]["chosen"][0]]
    for bad in (other, [asked[1]], [{"role": "assistant", "content": [{"type": "text"}]}]):
        with pytest.raises(BenchError, match="line 1, field rejected"):
            list(json_task(tmp_path, [rows[0] | {"rejected": bad}], mapping).items())


def test_splits_are_those_of_the_prompts(tmp_path: Path) -> None:
    text = "question,left,right,winner\n" + "".join(f"q{i},x,y,0\n" for i in range(60))
    task = csv_task(tmp_path, text)
    parts = {split: list(task.items(split)) for split in ("train", "dev", "test")}
    assert all(item.split == split for split, items in parts.items() for item in items)
    assert sum(map(len, parts.values())) == 60 and all(parts.values())


# -- files ----------------------------------------------------------------------------------------


def test_every_form_of_a_csv_file(tmp_path: Path) -> None:
    header = ["question", "left", "right", "winner"]
    rows = [header, ["a\tb, c\r\n“d”", "{{ 7 * 7 }}", "x" * 300_000, "1"]]
    for name, dialect, pack in (
        ("a.csv", "excel", bytes),
        ("b.csv.gz", "excel", gzip.compress),
        ("c.tsv", "excel-tab", bytes),
        ("d.TSV.gz", "excel-tab", gzip.compress),
    ):
        path = tmp_path / name
        with (tmp_path / "plain").open("w", encoding="utf-8-sig", newline="") as file:
            csv.writer(file, dialect).writerows(rows)
        path.write_bytes(pack((tmp_path / "plain").read_bytes()))
        item = one(mapped.csv(parse_spec(f"csv:{path},columns={written(tmp_path, BASIC)}")))
        assert [item.prompt[0].content, *(r.text for r in item.responses)] == rows[1][:3]
        assert item.labels[0].utilities == (0, 1)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(st.lists(st.text(st.characters(codec="utf-8"), min_size=1), min_size=3, max_size=3))
def test_any_text_comes_back(tmp_path: Path, cells: list[str]) -> None:
    path = tmp_path / "any.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([["question", "left", "right", "winner"], [*cells, "0"]])
    item = one(mapped.csv(parse_spec(f"csv:{path},columns={written(tmp_path, BASIC)}")))
    assert [item.prompt[0].content, *(r.text for r in item.responses)] == cells


HEADER = b"question,left,right,winner\n"
BROKEN = [
    (b"", "votes.csv is empty; a header and rows expected"),
    (HEADER, "votes.csv has no row"),
    (HEADER + b"q,x,y,0\nq,caf\xe9,y,0\n", "line 3: not UTF-8 at byte 5"),
    (HEADER + b"q,x,y,0\nq,x,y\n", r"row 2 \(to line 3\): 3 cells found, 4 expected"),
    (HEADER + b"q,x,y,0,1\n", r"row 1 .*: 5 cells found, 4 expected"),
    (HEADER + b'"q,x,y,0\n', "line 2: unexpected end of data"),
    (HEADER + b'"q" r,x,y,0\n', "line 2: .*double quote"),
    (b"question,left,left,winner\nq,x,y,0\n", "the column 'left' is there twice"),
    (gzip.compress(HEADER + b"q,x,y,0\n")[:-6], "votes.csv, after line"),
]


@pytest.mark.parametrize(("content", "said"), BROKEN)
def test_a_file_that_is_no_csv(tmp_path: Path, content: bytes, said: str) -> None:
    with pytest.raises(BenchError, match=said):
        list(csv_task(tmp_path, content).items())


def test_files_that_are_not_there(tmp_path: Path) -> None:
    csv_task(tmp_path, HEADER + b"q,x,y,0\n")
    with pytest.raises(BenchError, match=r"vote\.csv does not exist.*Did you mean .*votes\.csv"):
        mapped.csv(parse_spec(f"csv:{tmp_path / 'vote.csv'}"))
    with pytest.raises(BenchError, match=r"(?s)no\.yaml cannot be read.*Columns: question, left"):
        mapped.csv(parse_spec(f"csv:{tmp_path / 'votes.csv'},columns={tmp_path / 'no.yaml'}"))
    for text, factory in (("csv", mapped.csv), ("hub", mapped.hub), ("hub:x", mapped.hub)):
        with pytest.raises(BenchError, match=r"columns=MAPPING\.yaml expected"):
            factory(parse_spec(text))
    with pytest.raises(BenchError, match="no option 'colums'"):
        mapped.csv(parse_spec("csv:votes.csv,colums=x"))


def test_the_revision_is_of_file_and_mapping(tmp_path: Path) -> None:
    task = csv_task(tmp_path, VOTES, FULL)
    digest = hashlib.sha256((tmp_path / "votes.csv").read_bytes()).hexdigest()
    assert task.card.revision.startswith(f"sha256:{digest} columns:")
    assert task.card.name == f"csv:{tmp_path.name}/votes"
    said = "# a remark\n" + yaml.safe_dump(FULL)
    assert csv_task(tmp_path, VOTES, said).card.revision == task.card.revision
    other = csv_task(tmp_path, VOTES, FULL | {"responses": ["right", "left"]})
    assert other.card.revision != task.card.revision
    assert csv_task(tmp_path, VOTES + "q,x,y,,,0,a,c\n", FULL).card.revision != task.card.revision


# -- a wrong mapping ------------------------------------------------------------------------------

WRONG = [
    ({"lable": "winner"}, "unknown key 'lable'. Did you mean label"),
    ({"prompt": "qestion"}, "votes.csv has no column qestion. Did you mean question"),
    ({"responses": ["left", "rigth"]}, "no column rigth. Did you mean right"),
    ({"annotator": "zzz"}, r"no column zzz\."),
    ({"label": "left"}, r"row 1 \(to line 2\), field left: \"x\" found, one of 'tie', '0', '1'"),
    ({"values": {"first": 0, "second": 1}}, "\"frist\" found, .*Did you mean 'first'"),
    ({"values": {"frist": 2}}, r"key values: 'frist' has no meaning; the index \(0 to 1\)"),
    ({"values": {"frist": "lft"}}, "key values: 'frist' has no meaning"),
    ({"values": ["frist"]}, "key values: {VALUE: MEANING"),
    ({"responses": ["left"]}, "key responses: 1 column found, 2 or more"),
    ({"responses": ["left", "left"]}, "key responses: a column twice"),
    ({"responses": {"is": "x"}}, "key responses: a column, or a list"),
    ({"responses": "left"}, 'field left: "x" found, a list expected'),
    ({"models": ["left"]}, "key models: 1 columns found, 2 expected"),
    ({"prompt": ["question"]}, "key prompt: the name of a column"),
    ({"domain": {"was": "x"}}, "key domain: the name of a column, or {is: TEXT}"),
    ({"scores": ["left", "right"]}, "both label and scores"),
    ({"id": "blank", "values": {"frist": 0}}, 'field blank: "" found, a string that is not empty'),
]


@pytest.mark.parametrize(("change", "said"), WRONG)
def test_a_wrong_mapping_shows_columns_and_first_row(
    tmp_path: Path, change: dict[str, Any], said: str
) -> None:
    text = f"question,left,right,winner,blank\nq,x,{'long ' * 50},frist,\n"
    with pytest.raises(BenchError, match=said) as raised:
        list(csv_task(tmp_path, text, BASIC | change).items())
    assert "Columns: question, left, right, winner, blank." in str(raised.value)
    assert "question='q', left='x', right='long long" in str(raised.value)
    assert len(str(raised.value)) < 900


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("prompt: question\nresponses: [left, right]\n", "neither label nor scores"),
        ("responses: [left, right]\nlabel: winner\n", "no key 'prompt'"),
        ("prompt: question\nprompt: left\n", "no YAML: line 2: the key 'prompt' is there twice"),
        ("prompt: &a question\nlabel: *a\n", "no YAML: line 2: an alias"),
        ("prompt: [", "no YAML"),
        ("[" * 5000, "no YAML"),
        ("prompt: \x07", "no YAML"),
        ("", "lines `KEY: COLUMN` expected"),
        ("- prompt", "lines `KEY: COLUMN` expected"),
        ("[a]: b", "no YAML"),
        (yaml.safe_dump({**BASIC, "label": None}), "no column null"),
        (
            "prompt: !!python/object/apply:os.getcwd []\nresponses: left\nlabel: winner",
            "no YAML: line 1: could not determine",
        ),
        (
            "prompt: question\nresponses: left\nscores: right\nvalues: {a: 0}\n",
            "values say what a label means",
        ),
    ],
)
def test_a_mapping_that_is_none(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(BenchError, match=said) as raised:
        csv_task(tmp_path, HEADER + b"q,x,y,0\n", text)
    assert "Columns: question, left, right, winner." in str(raised.value)


def test_a_label_that_could_mean_two_responses_means_none(tmp_path: Path) -> None:
    names = {"m1": "same", "m2": "same"}
    with pytest.raises(BenchError, match=r'"same" found'):
        utilities(tmp_path, {"w": "same"} | names, models=["m1", "m2"], label="w")
    swapped = {"w": "left", "m1": "right", "m2": "left"}
    with pytest.raises(BenchError, match='field w: "left" found'):
        utilities(tmp_path, swapped, models=["m1", "m2"], label="w")


def test_a_label_beyond_the_list(tmp_path: Path) -> None:
    mapping = {"prompt": "q", "responses": "a", "label": "w", "values": {"third": 2}}
    row = {"q": "", "a": ["x", "y", "z"], "w": "third"}
    assert one(json_task(tmp_path, [row], mapping)).labels[0].utilities == (0, 0, 1)
    with pytest.raises(BenchError, match='line 1, field w: "third" found'):
        list(json_task(tmp_path, [row | {"a": ["x", "y"]}], mapping).items())
    mapping["values"] = {"third": 0}
    with pytest.raises(BenchError, match="1 responses; 2 to 62 expected"):
        list(json_task(tmp_path, [row | {"a": ["x"]}], mapping).items())


# -- the template ---------------------------------------------------------------------------------


def test_without_a_mapping_one_is_shown_that_works(tmp_path: Path) -> None:
    path = tmp_path / "own.csv"
    path.write_text("instruction,output_1,output_2,preference,judge_id\nq,x,y,1,ann\n")
    with pytest.raises(BenchError, match=r"columns=columns\.yaml") as raised:
        mapped.csv(parse_spec(f"csv:{path}"))
    shown = str(raised.value).split("\n\n")[1]
    item = one(mapped.csv(parse_spec(f"csv:{path},columns={written(tmp_path, shown)}")))
    assert item.prompt[0].content == "q" and item.responses[1].text == "y"
    assert item.labels[0].annotator == "ann" and item.labels[0].utilities == (0, 1)
    assert "The first row: instruction='q'" in str(raised.value)


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ("prompt chosen rejected", {"responses": ["chosen", "rejected"], "label": {"is": "0"}}),
        ("id query answer_a answer_b score_a score_b", {"scores": ["score_a", "score_b"]}),
        ("Prompt output_a output_b winner model_a model_b", {"models": ["model_a", "model_b"]}),
        ("x y", {"prompt": "COLUMN", "responses": ["COLUMN_1", "COLUMN_2"], "label": "COLUMN"}),
    ],
)
def test_the_template_follows_the_names(columns: str, expected: dict[str, Any]) -> None:
    made = yaml.safe_load(template(columns.split()))
    assert made | expected == made and set(made) <= set(KEYS)


@given(st.lists(st.text(max_size=8), max_size=6, unique=True))
def test_the_template_is_a_mapping_whatever_the_names(columns: list[str]) -> None:
    made = yaml.safe_load(template(columns))
    assert {"prompt", "responses"} <= set(made) <= set(KEYS)


# -- the hub --------------------------------------------------------------------------------------

REPO = "somebody/votes"
README = b"""---
configs:
- config_name: plain
  default: true
  data_files:
  - {split: train, path: train.parquet}
  - {split: test, path: test.parquet}
- config_name: other
  data_files:
  - {split: train, path: other.parquet}
---
"""


def hub_rows(n: int, said: str) -> list[dict[str, Any]]:
    return [
        {"conversation": [{"role": "user", "content": f"{said} {i}"}], "answers": ["x", "y"],
         "best": i % 2, "by": i}
        for i in range(n)
    ]  # fmt: skip


@pytest.fixture
def repo(hub: Hub) -> str:
    files = {
        "README.md": README,
        "train.parquet": parquet(hub_rows(3, "train")),
        "test.parquet": parquet(hub_rows(2, "test")),
        "other.parquet": parquet(hub_rows(1, "other")),
    }
    return hub.put(REPO, files)


HUB = {"prompt": "conversation", "responses": "answers", "label": "best", "annotator": "by"}


def hub_task(folder: Path, options: str = "", mapping: dict[str, Any] = HUB) -> Task:
    return mapped.hub(parse_spec(f"hub:{REPO},columns={written(folder, mapping)}{options}"))


def test_a_set_on_the_hub(tmp_path: Path, hub: Hub, repo: str) -> None:
    task = hub_task(tmp_path)
    assert hub.requests == [] and "resolved when it is read" in task.card.revision
    items = list(task.items())
    assert [item.prompt[0].content for item in items] == ["train 0", "train 1", "train 2"]
    assert [item.labels[0].utilities for item in items] == [(1, 0), (0, 1), (1, 0)]
    assert [item.labels[0].annotator for item in items] == ["0", "1", "2"]
    assert task.card.revision.startswith(f"{repo} columns:")
    assert task.card.name == f"hub:{REPO}"
    assert task.card.url == f"https://huggingface.co/datasets/{REPO}"


def test_split_config_and_revision(tmp_path: Path, hub: Hub, repo: str) -> None:
    held = hub_task(tmp_path, ",split=test")
    assert [item.prompt[0].content for item in held.items()] == ["test 0", "test 1"]
    other = hub_task(tmp_path, ",config=other")
    assert one(other).prompt[0].content == "other 0"
    assert len({held.card.name, other.card.name, hub_task(tmp_path).card.name}) == 3
    hub.put(REPO, {"README.md": b"", "train.parquet": parquet(hub_rows(1, "newer"))})
    assert one(hub_task(tmp_path)).prompt[0].content == "newer 0"
    assert len(list(hub_task(tmp_path, f",revision={repo}").items())) == 3
    with pytest.raises(BenchError, match="split 'dev' "):
        list(hub_task(tmp_path, ",split=dev").items())


def test_one_reading_fixes_the_revision_of_the_next(tmp_path: Path, hub: Hub, repo: str) -> None:
    task = hub_task(tmp_path)
    assert len(list(task.items())) == 3
    hub.put(REPO, {"README.md": b"", "train.parquet": parquet(hub_rows(1, "newer"))})
    assert len(list(task.items())) == 3 and task.card.revision.startswith(repo)


def test_a_wrong_mapping_of_a_set_on_the_hub(tmp_path: Path, hub: Hub, repo: str) -> None:
    shown = r"(?s)%s.*Columns: conversation, answers, best, by.*The first row: .*train 0"
    with pytest.raises(BenchError, match=shown % "no column bst. Did you mean best"):
        list(hub_task(tmp_path, mapping=HUB | {"label": "bst"}).items())
    with pytest.raises(BenchError, match=shown % "unknown key 'lable'"):
        hub_task(tmp_path, mapping=HUB | {"lable": "best"})
    with pytest.raises(BenchError, match=shown % "prompt: conversation"):
        mapped.hub(parse_spec(f"hub:{REPO}"))
    bad = written(tmp_path, HUB | {"lable": "best"})
    with pytest.raises(BenchError, match=r"(?s)unknown key 'lable'.*cannot be shown: no data set"):
        mapped.hub(parse_spec(f"hub:nobody/votes,columns={bad}"))


def test_everything_in_a_mapping_is_text(tmp_path: Path) -> None:
    columns = read_columns(written(tmp_path, "prompt: yes\nresponses: [1, 2.0]\nlabel: null\n"))
    assert columns.names() == ["yes", "1", "2.0", "null"]
