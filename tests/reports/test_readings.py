"""What ties items together, and what counts as the same item again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from bench.ledger import Ledger
from bench.plan import Plan
from bench.types import Item, JudgeCard, Label, Message, Response
from reports.data import data_table
from reports.readings import ItemTable
from reports.study import Study


def item(n: int, prompt: str, cluster: str | None = None) -> Item:
    return Item(
        f"i{n}",
        "made",
        "chat",
        (Message("user", prompt),),
        (Response("a", "yes"), Response("b", "no")),
        (Label("w", (1.0, 0.0)),),
        cluster=cluster,
    )


def groups(items: list[Item]) -> list[int]:
    return ItemTable(items).cluster.tolist()


def test_prompts_tie_items_together_where_nothing_else_is_said() -> None:
    assert groups([item(0, "x"), item(1, "y"), item(2, "X")]) == [0, 1, 0]


def test_clusters_count_where_they_are_fewer_than_prompts() -> None:
    assert groups([item(n, f"question {n}", f"person/{n % 2}") for n in range(4)]) == [0, 1, 0, 1]


def test_the_same_prompt_in_many_sessions_is_still_one_prompt() -> None:
    items = [item(n, f"question {n % 2}", f"session/{n}") for n in range(6)]
    assert groups(items) == [0, 1, 0, 1, 0, 1]


def test_each_task_has_its_own_unit() -> None:
    people = [item(n, f"question {n}", "person/ann") for n in range(3)]
    other = [replace(item(9 + n, f"question {n}"), task="other") for n in range(2)]
    assert groups([*people, *other]) == [0, 0, 0, 1, 2]


def duplicates(items: list[Item], folder: Path) -> int:
    with Ledger(folder / "ledger.sqlite", write=True) as ledger:
        ledger.write_plan(Plan(("j",), ("made",)), items, [JudgeCard("j", "made", ("pairwise",))])
        table = data_table(Study.of(ledger))
    return int(table.loc[0, "n_duplicates"])


def test_duplicates_ask_and_offer_the_same_whoever_was_there(tmp_path: Path) -> None:
    sessions = [item(n, "why?", f"session/{n}") for n in range(3)]
    assert duplicates(sessions, tmp_path / "a") == 2
    one_person = [item(0, "why?", "person/ann"), item(1, "how?", "person/ann")]
    assert duplicates(one_person, tmp_path / "b") == 0
    opening = (Message("user", "hi"), Message("assistant", "yes?"))
    turns = [
        replace(item(n, ""), prompt=(*opening, Message("user", text)))
        for n, text in enumerate(["why?", "how?"])
    ]
    assert duplicates(turns, tmp_path / "c") == 0
