"""RM-Bench from an imitation of the hub: one JSON array in its true columns, and its traps."""

from __future__ import annotations

import itertools
import json
from collections import Counter

import pytest
from hub import Hub

from bench.spec import parse_spec
from bench.types import BenchError, Item
from tasks.rmbench import make

REPO = "THU-KEG/RM-Bench"
README = b"---\nlicense: odc-by\n---\n"
DOMAIN_OF = {
    "chat": "chat",
    "code": "code",
    "math": "math",
    "safety-refuse": "safety",
    "safety-response": "safety",
}


def row(domain: str, number: object, **changed: object):
    return {
        "id": number,
        "prompt": f"question {number} of {domain}",
        "chosen": [f"right {style} {domain} {number}" for style in range(3)],
        "rejected": [f"wrong {style} {domain} {number}" for style in range(3)],
        "domain": domain,
        **changed,
    }


def items(hub: Hub, rows) -> list[Item]:
    hub.put(
        REPO,
        {
            "README.md": README,
            "total_dataset.json": json.dumps(rows).encode(),
            "data/other.json": b'[{"id": "not ours"}]',
        },
    )
    return list(make(parse_spec("rmbench")).items())


def test_nine_items_a_prompt(hub: Hub) -> None:
    rows = [row(domain, n) for domain in DOMAIN_OF for n in (8, 12)]
    rows[0] |= {"error_key": "made", "error": "made"}  # extra columns of some domains
    rows[2] |= {"language": "cpp", "task_id": "CPP/8"}
    found = items(hub, rows)
    assert len(found) == 90
    assert len({item.id for item in found}) == 90
    assert len({item.prompt_key for item in found}) == 10
    assert {item.subset: item.domain for item in found} == DOMAIN_OF
    assert not any("other.json" in request for request in hub.requests if "resolve" in request)
    of_first = found[:9]
    assert [item.id for item in of_first] == [
        f"rmbench/chat/8/{i}-{j}" for i, j in itertools.product(range(3), repeat=2)
    ]
    for (i, j), item in zip(itertools.product(range(3), repeat=2), of_first, strict=True):
        assert item.meta == {"chosen_style": i, "rejected_style": j}
        texts = {u: r.text for r, u in zip(item.responses, item.labels[0].utilities, strict=True)}
        assert texts == {1.0: f"right {i} chat 8", 0.0: f"wrong {j} chat 8"}


def test_the_right_response_stands_on_both_sides(hub: Hub) -> None:
    found = items(hub, [row("math", n) for n in range(40)])
    first = Counter(item.labels[0].utilities for item in found)
    assert 140 <= first[1.0, 0.0] <= 220


def test_ids_that_come_again(hub: Hub) -> None:
    """Across domains they do; within one they would be kept apart as well."""
    rows = [row("chat", 8), row("code", 8), row("chat", 8, prompt="another question")]
    found = items(hub, rows)
    assert len({item.id for item in found}) == 27
    assert [found[k].id for k in (0, 9, 18)] == [
        "rmbench/chat/8/0-0",
        "rmbench/code/8/0-0",
        "rmbench/chat/8~2/0-0",
    ]


def test_ids_may_be_text(hub: Hub) -> None:
    assert items(hub, [row("chat", "a/8")])[0].id == "rmbench/chat/a/8/0-0"


def test_styles_of_the_same_text_are_all_kept(hub: Hub) -> None:
    found = items(hub, [row("code", 1, chosen=["same", "same", "other"])])
    assert len(found) == 9
    right = [
        r.text
        for item in found
        for r, u in zip(item.responses, item.labels[0].utilities, strict=True)
        if u
    ]
    assert Counter(right) == {"same": 6, "other": 3}


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"domain": "poems"}, r"row 2, field domain: \"poems\" found, one of 'chat'"),
        ({"domain": None}, "field domain: nothing"),
        ({"chosen": ["a", "b"]}, r"field chosen: \[\"a\", \"b\"\] found, 3 texts"),
    ],
)
def test_other_values_are_told(hub: Hub, changed, message: str) -> None:
    with pytest.raises(BenchError, match=message):
        items(hub, [row("chat", 1), {**row("chat", 2), **changed}])


def test_a_missing_column_is_told(hub: Hub) -> None:
    with pytest.raises(BenchError, match=r"no column rejected\. Columns: id, prompt, chosen"):
        items(hub, [{k: v for k, v in row("chat", 1).items() if k != "rejected"}])
    with pytest.raises(BenchError, match=r"no field domain\. Fields: id, prompt"):
        items(hub, [{k: v for k, v in row("chat", 1).items() if k != "domain"}])


def test_the_authors_files_of_one_domain_have_it_in_their_name(tmp_path) -> None:
    rows = [{k: v for k, v in row("-", 2952).items() if k != "domain"} | {"subset": "made"}]
    file = tmp_path / "safety-refuse_filtered.json"
    file.write_text(json.dumps(rows))
    found = list(make(parse_spec(f"rmbench:{file}")).items())
    assert {(item.subset, item.domain) for item in found} == {("safety-refuse", "safety")}
    assert found[0].id == "rmbench/safety-refuse/2952/0-0"
    odd = tmp_path / "poems_filtered.json"
    odd.write_text(json.dumps(rows))
    with pytest.raises(BenchError, match='"poems" found, one of'):
        list(make(parse_spec(f"rmbench:{odd}")).items())
