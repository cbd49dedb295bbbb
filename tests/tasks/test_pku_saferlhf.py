"""PKU-SafeRLHF in miniature: two labels that can disagree are two tasks."""

from __future__ import annotations

from typing import Any

import pytest
from hub import Hub, json_lines

from bench.spec import Spec, parse_spec
from bench.types import BenchError, Label, Task
from tasks.pku_saferlhf import BETTER, SAFER, better, safer

REPO = "PKU-Alignment/PKU-SafeRLHF"
MODELS = ("Alpaca-7B", "Alpaca2-7B", "Alpaca3-8B")
README = "---\nconfigs:\n- config_name: default\n  data_files:\n" + "".join(
    f"  - split: {split}\n    path:\n"
    + "".join(f"    - data/{model}/{split}.jsonl\n" for model in MODELS)
    for split in ("train", "test")
)
for model in MODELS:
    README += (
        f"- config_name: {model.lower()}\n  data_files:\n"
        f"  - split: test\n    path: data/{model}/test.jsonl\n"
    )
README += "---\n"
HARMS = ("Violence", "White-Collar Crime", "Endangering National Security")


def row(better: int, safer: int, safe: tuple[bool, bool] = (True, False), **more: Any) -> Any:
    value = {
        "prompt": "How do I open a jar that is not mine?",
        "response_0": "Ask its owner.",
        "response_1": "Twist the lid.",
        "prompt_source": "Alpaca3-70B",
        "better_response_id": better,
        "safer_response_id": safer,
    }
    for side in (0, 1):
        value |= {
            f"response_{side}_source": f"Alpaca-{side}",
            f"is_response_{side}_safe": safe[side],
            f"response_{side}_harm_category": {
                name: not safe[side] and name != HARMS[0] for name in HARMS
            },
            f"response_{side}_severity_level": 0 if safe[side] else 2,
            f"response_{side}_sha256": f"{side:064}",
        }
    return value | more


TEST = [row(1, 0), row(0, 0, (True, True)), row(1, 1, (False, False)), row(0, 1, (False, True))]


def put(hub: Hub, rows: list[Any], train: list[Any] | None = None) -> str:
    """Every row in a file of its own model, in turn."""
    files = {"README.md": README.encode()}
    for at, model in enumerate(MODELS):
        files[f"data/{model}/test.jsonl"] = json_lines(rows[at::3] or rows[:1])
        files[f"data/{model}/train.jsonl"] = json_lines(train or rows[:1])
    return hub.put(REPO, files)


def spec(name: str, sha: str, more: str = "") -> Spec:
    return parse_spec(f"{name}:revision={sha}{more}")


def both(hub: Hub, rows: list[Any]) -> tuple[Task, Task]:
    sha = put(hub, rows)
    return better(spec("pku_better", sha)), safer(spec("pku_safer", sha))


def test_two_labels_are_two_tasks(hub: Hub) -> None:
    helpful, harmless = (list(task.items()) for task in both(hub, TEST))
    in_order = [TEST[0], TEST[3], TEST[1], TEST[2]]  # Alpaca-7B has the first and the fourth
    for items, column in ((helpful, "better_response_id"), (harmless, "safer_response_id")):
        assert [item.labels for item in items] == [
            (Label("merged", (1.0, 0.0) if row[column] == 0 else (0.0, 1.0)),) for row in in_order
        ]
    assert [item.labels for item in helpful] != [item.labels for item in harmless]
    assert [item.key for item in helpful] != [item.key for item in harmless]
    assert {item.task for item in helpful} == {BETTER.name} == {"pku_better"}
    assert {item.task for item in harmless} == {SAFER.name} == {"pku_safer"}
    assert [item.prompt_key for item in helpful] == [item.prompt_key for item in harmless]
    assert not any("response_id" in str(item.meta) for item in helpful)


def test_items(hub: Hub) -> None:
    _, task = both(hub, TEST)
    items = list(task.items())
    assert [item.id for item in items] == [f"pku_safer/test/{n}" for n in range(4)]
    assert [item.subset for item in items] == ["one-safe", "one-safe", "both-safe", "neither-safe"]
    assert {item.domain for item in items} == {"safety"}
    assert [(r.text, r.model) for r in items[0].responses] == [
        ("Ask its owner.", "Alpaca-0"),
        ("Twist the lid.", "Alpaca-1"),
    ]
    assert items[0].meta == {
        "prompt_source": "Alpaca3-70B",
        "harm": [[], ["Endangering National Security", "White-Collar Crime"]],
        "severity": [0, 2],
    }


def test_the_authors_train_split(hub: Hub) -> None:
    sha = put(hub, TEST, train=[row(0, 0, response_0="Knock first.")])
    task = better(spec("pku_better", sha, ",split=train"))
    items = list(task.items())
    assert [item.id for item in items] == [f"pku_better/train/{n}" for n in range(3)]
    assert {item.responses[0].text for item in items} == {"Knock first."}
    assert task.card.name == "pku_better:split=train" == items[0].task


def test_a_revision_without_harm_categories(hub: Hub) -> None:
    rows = [
        {k: v for k, v in row(0, 1).items() if "harm" not in k and "severity" not in k}
        for _ in range(3)
    ]
    _, task = both(hub, rows)
    meta = next(iter(task.items())).meta
    assert meta["harm"] == [None, None] == meta["severity"]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"better_response_id": 2}, r"field better_response_id: 2 found, the index of a response"),
        ({"better_response_id": None}, r"better_response_id: nothing"),
        ({"is_response_1_safe": 1}, "field is_response_1_safe: 1 found, true or false expected"),
        (
            {"response_0_harm_category": ["Violence"]},
            r"harm_category: \[\"Violence\"\] found, an ob",
        ),
    ],
)
def test_what_is_not_known_is_told(hub: Hub, changes: dict[str, Any], told: str) -> None:
    task, _ = both(hub, [row(0, 0, **changes)])
    with pytest.raises(BenchError, match=told):
        list(task.items())


def test_a_missing_column_is_told(hub: Hub) -> None:
    """The set of 2023 had one file and no sources."""
    old = {k: v for k, v in row(0, 0).items() if not k.endswith("_source")}
    _, task = both(hub, [old])
    with pytest.raises(BenchError, match=r"no column response_0_source, response_1_source\. Col"):
        list(task.items())
