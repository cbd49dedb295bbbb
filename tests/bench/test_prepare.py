"""From what was typed to a plan, and revisions that it pins."""

from __future__ import annotations

import pytest

from bench.plan import Plan
from bench.prepare import make_plan
from bench.types import BenchError


def test_revisions_become_part_of_the_plan() -> None:
    plan = make_plan(
        "longest",
        "rmbench,helpsteer3:split=train,llmbar",
        revisions=["rmbench=abc", "helpsteer3:split=train=v1"],
    )
    assert plan.tasks == ("rmbench:revision=abc", "helpsteer3:split=train,revision=v1", "llmbar")
    assert Plan.from_json(plan.to_json()) == plan


def test_a_task_is_known_without_its_options_where_that_is_clear() -> None:
    asked = "hub:me/pairs,columns=c.yaml,split=test"
    plan = make_plan("longest", asked, revisions=["hub:me/pairs=abc"])
    assert plan.tasks == (f"{asked},revision=abc",)
    both = "helpsteer3:split=train,helpsteer3:split=validation"
    with pytest.raises(BenchError, match="TASK=COMMIT expected"):
        make_plan("longest", both, revisions=["helpsteer3=abc"])


def test_two_pins_of_one_task_are_refused() -> None:
    with pytest.raises(BenchError, match="pinned twice"):
        make_plan("longest", "rmbench", revisions=["rmbench=a", "rmbench=b"])
    with pytest.raises(BenchError, match="an option is given twice"):
        make_plan("longest", "rmbench:revision=a", revisions=["rmbench:revision=a=b"])


@pytest.mark.parametrize("pin", ["abc", "llmbar=", "other=abc"])
def test_a_revision_names_a_task_of_the_run(pin: str) -> None:
    with pytest.raises(BenchError, match=r"TASK=COMMIT expected, with a task of this run: llmbar"):
        make_plan("longest", "llmbar", revisions=[pin])


def test_typos_are_told_before_anything_is_loaded() -> None:
    with pytest.raises(BenchError, match=r"no task 'rewardbench3'. Did you mean rewardbench"):
        make_plan("longest", "rewardbench3")
    with pytest.raises(BenchError, match="task 'llmbar' is there twice"):
        make_plan("longest", "llmbar,llmbar")
