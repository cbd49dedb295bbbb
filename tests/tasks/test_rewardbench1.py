"""RewardBench from an imitation of the hub: invented rows in its true columns, and its traps."""

from __future__ import annotations

from collections import Counter

import pyarrow as pa
import pytest
from hub import Hub, parquet

from bench.spec import parse_spec
from bench.stats.rewardbench1 import SECTIONS
from bench.types import DOMAINS, BenchError
from tasks import rewardbench1
from tasks.rewardbench1 import CARD, SOURCE, make

REPO = "allenai/reward-bench"
README = b"""---
configs:
- config_name: default
  data_files:
  - split: raw
    path: data/raw-*
  - split: filtered
    path: data/filtered-*
---
"""
STRING = pa.string()
COLUMNS = ("prompt", "chosen", "chosen_model", "rejected", "rejected_model", "subset")
SCHEMA = pa.schema([*((name, STRING) for name in COLUMNS), ("id", pa.int64())])
DOMAIN_OF = {
    "alpacaeval-easy": "chat",
    "mt-bench-hard": "chat",
    "llmbar-adver-GPTOut": "instruction-following",
    "refusals-offensive": "safety",
    "xstest-should-respond": "safety",
    "donotanswer": "safety",
    "math-prm": "math",
    "hep-rust": "code",
}


def row(subset: str, number: int, **changed: object):
    return {
        "prompt": f"question {number} of {subset}",
        "chosen": f"good answer {number} to {subset}",
        "chosen_model": "writer-a",
        "rejected": f"bad answer {number} to {subset}",
        "rejected_model": "writer-b",
        "subset": subset,
        "id": number,
        **changed,
    }


def served(hub: Hub, rows):
    files = {
        "README.md": README,
        "data/raw-00000-of-00001.parquet": parquet([row("donotanswer", 99)], SCHEMA),
        "data/filtered-00000-of-00001.parquet": parquet(rows, SCHEMA),
    }
    return make(parse_spec(f"rewardbench1:revision={hub.put(REPO, files)}"))


def test_items(hub: Hub) -> None:
    rows = [row(subset, n) for subset in DOMAIN_OF for n in range(3)]
    items = list(served(hub, rows).items())
    assert [item.id for item in items] == [f"rewardbench1/{r['subset']}/{r['id']}" for r in rows]
    assert {item.subset: item.domain for item in items} == DOMAIN_OF
    for original, item in zip(rows, items, strict=True):
        assert item.prompt[0].content == original["prompt"]
        texts = {
            u: (r.text, r.model)
            for r, u in zip(item.responses, item.labels[0].utilities, strict=True)
        }
        assert texts == {
            1.0: (original["chosen"], "writer-a"),
            0.0: (original["rejected"], "writer-b"),
        }
    # Only what is needed is brought.
    assert not any("raw" in request for request in hub.requests if "resolve" in request)


def test_the_right_response_stands_on_both_sides(hub: Hub) -> None:
    items = served(hub, [row("hep-go", n) for n in range(200)]).items()
    first = Counter(item.labels[0].utilities for item in items)
    assert 70 <= first[1.0, 0.0] <= 130


def test_an_id_of_two_rows_is_made_unique(hub: Hub) -> None:
    rows = [row("hep-go", 5), row("hep-cpp", 5), row("hep-go", 5, prompt="another question")]
    ids = [item.id for item in served(hub, rows).items()]
    assert ids == ["rewardbench1/hep-go/5", "rewardbench1/hep-cpp/5", "rewardbench1/hep-go/5~2"]


def test_writers_that_are_not_known(hub: Hub) -> None:
    rows = [row("math-prm", 1, chosen_model="", rejected_model=None),
            row("math-prm", 2, chosen_model="unknown", rejected_model="human")]  # fmt: skip
    one, two = served(hub, rows).items()
    assert {r.model for r in one.responses} == {None}
    assert {r.text.split()[0]: r.model for r in two.responses} == {"good": None, "bad": "human"}


def test_the_subsets_are_those_that_the_sections_weigh() -> None:
    weighed = {subset for weights in SECTIONS.values() for subset in weights}
    assert set(rewardbench1.DOMAINS) == weighed
    assert len(weighed) == 23
    assert set(CARD.domains) <= set(DOMAINS)


def test_other_rows_are_told(hub: Hub) -> None:
    with pytest.raises(BenchError, match=r"filtered row 2.*\"mt-bench-medium\" found, one of"):
        list(served(hub, [row("hep-go", 1), row("mt-bench-medium", 2)]).items())
    with pytest.raises(BenchError, match="field chosen: nothing"):
        list(served(hub, [row("hep-go", 1, chosen=None)]).items())
    schema = SCHEMA.remove(SCHEMA.get_field_index("subset"))
    rows = [{k: v for k, v in row("hep-go", 1).items() if k != "subset"}]
    sha = hub.put(REPO, {"README.md": README, "data/filtered-0.parquet": parquet(rows, schema)})
    with pytest.raises(BenchError, match=r"no column subset\. Columns: prompt, chosen"):
        list(make(parse_spec(f"rewardbench1:revision={sha}")).items())


def test_the_pinned_revision_is_read(hub: Hub) -> None:
    assert SOURCE.revision is not None
    data = parquet([row("hep-go", 1)], SCHEMA)
    hub.repos[REPO] = {SOURCE.revision: {"README.md": README, "data/filtered-0.parquet": data}}
    hub.put(REPO, {"README.md": README})
    task = make(parse_spec("rewardbench1"))
    assert [item.id for item in task.items()] == ["rewardbench1/hep-go/1"]
    assert task.card.revision == SOURCE.revision
