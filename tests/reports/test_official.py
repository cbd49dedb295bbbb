"""The scores that benchmarks define, from verdicts through the ledger to the table."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from bench.ledger import Ledger
from bench.plan import Plan, trials
from bench.stats.rewardbench1 import SECTIONS
from bench.types import (
    BenchError,
    Item,
    JudgeCard,
    Label,
    Message,
    Response,
    Status,
    Trial,
    Verdict,
    failure,
    verdict,
)
from reports.official import TASKS
from reports.tables import build

SCALAR = JudgeCard("scalar", "made", ("pointwise",), order_free=True, revision="1")
LETTERS = JudgeCard("letters", "made", ("listwise",), revision="1")
PAIRWISE = JudgeCard("pairwise", "made", ("pairwise",), revision="1")
SUBSETS = ("Factuality", "Precise IF", "Math", "Safety", "Focus")


def listed(make_item, i: int, subset: str, right: int, scores: list[float], name: str = ""):
    """An item whose responses' texts are their scores; the first `right` are right."""
    return make_item(
        i,
        id=name or str(i),
        task="rewardbench2",
        subset=subset,
        responses=tuple(Response(f"r{k}", f"{s}") for k, s in enumerate(scores)),
        labels=(Label("gold", tuple(float(k < right) for k in range(len(scores)))),),
    )


def official(
    folder: Path, items: Sequence[Item], card: JudgeCard, say: Callable[[Trial], Verdict]
) -> dict[str, pd.DataFrame]:
    """All tables of one judge; `official` by group and reading."""
    with Ledger(folder / "ledger.sqlite", write=True) as ledger:
        ledger.write_plan(Plan((card.name,), ("t",)), items, [card])
        ledger.append([say(trial) for _, trial in trials(items, card)])
        tables = build(ledger)
    return {**tables, "official": tables["official"].set_index(["group", "reading"])}


def numbers(trial: Trial) -> Verdict:
    """Every response gets the number that is its text; NaN is a rating that failed."""
    shown = [float(r.text) for r in trial.shown]
    failed = any(map(math.isnan, shown))
    return failure(trial, Status.UNPARSED) if failed else verdict(trial, shown)


def scored(folder, items, card=SCALAR):
    return official(folder, items, card, numbers)["official"]["score"]


def ties_items(make_item, *cases: tuple[list[float], list[float]]):
    items = []
    for n, (ref, tied) in enumerate(cases):
        items.append(listed(make_item, 2 * n, "Ties", 1, ref, f"ref:{n}"))
        items.append(listed(make_item, 2 * n + 1, "Ties", 3, tied, f"tied:{n}"))
    return items


NAN = math.nan


@pytest.mark.parametrize(
    ("ref", "tied", "official"),
    [
        ([10, 1, 1, 1], [10, 10, 10, 1, 1], 1.01),
        ([5, 5, 5, 5], [5, 5, 5, 5, 5], 0.0),
        ([9, 3, 3, 3], [10, 9, 8, 3, 3], 1.009051),
        ([9, 3, 3, 3], [10, 9, 5, 4, 3], 0.593360),
        ([10, 1, 1, 1], [10, NAN, 10, 1, 1], 0.291720),
        ([10, 1, 1, 1], [10, 9, 10, NAN, 1], 1.01),
        ([1, 10, 10, 10], [1, 1, 1, 10, 10], -0.01),
    ],
)
def test_ties_are_scored_as_published(tmp_path, make_item, ref, tied, official) -> None:
    score = scored(tmp_path, ties_items(make_item, (ref, tied)))
    assert score["Ties", "official"] == pytest.approx(official, abs=1e-6)


def test_a_failed_rating_of_a_wrong_response_helps_in_the_official_reading_alone(
    tmp_path, make_item
) -> None:
    score = scored(tmp_path, ties_items(make_item, ([10, 1, 1, 1], [10, 9, 10, NAN, 1])))
    assert score["Ties", "official"] == pytest.approx(1.01)
    assert score["Ties", "strict"] < 0.5


def six(make_item, scores: list[float], per_subset: int = 2):
    items = [
        listed(make_item, 100 * k + n, subset, 1, scores)
        for k, subset in enumerate(SUBSETS)
        for n in range(per_subset)
    ]
    return items + ties_items(make_item, *[([9, 3, 3, 3], [10, 9, 8, 3, 3])] * per_subset)


def test_overall_is_the_mean_of_six_subsets(tmp_path, make_item) -> None:
    score = scored(tmp_path, six(make_item, [7, 7, 1, 1]))
    assert score["Math", "official"] == 0.5
    assert score["macro", "official"] == pytest.approx((5 * 0.5 + 1.009051) / 6, abs=1e-6)


def test_a_judge_that_always_fails_has_a_quarter_officially_and_nothing_strictly(
    tmp_path, make_item
) -> None:
    items = [listed(make_item, n, "Focus", 1, [NAN] * 4) for n in range(4)]
    for card in (SCALAR, LETTERS):
        folder = tmp_path / card.name
        folder.mkdir()
        score = scored(folder, items, card)
        assert (score["Focus", "official"], score["Focus", "strict"]) == (0.25, 0)


def test_a_subset_missing_leaves_no_overall(tmp_path, make_item) -> None:
    items = [item for item in six(make_item, [9, 1, 1, 1]) if item.subset != "Safety"]
    assert ("macro", "official") not in scored(tmp_path, items).index


def test_a_copy_under_another_name_has_no_official_score(tmp_path, make_item) -> None:
    items = [replace(item, task="jsonl:copy") for item in six(make_item, [9, 1, 1, 1])]
    table = official(tmp_path, items, SCALAR, numbers)["official"]
    assert table.empty
    assert "score_lo" in table


def test_a_judge_of_lists_has_no_ties_score_and_no_overall_one(tmp_path, make_item) -> None:
    """It names the best of four, as in the authors' ranking mode; Ties takes ratings."""
    tables = official(tmp_path, six(make_item, [7, 2, 1, 1]), LETTERS, numbers)
    table, estimates = tables["official"], tables["estimates"]
    for reading in ("official", "strict"):
        assert table.score["Math", reading] == 1
        assert table.score["five subsets without Ties", reading] == 1
        for group in ("Ties", "macro"):
            assert math.isnan(table.score[group, reading])
            assert table.score_status[group, reading] == "out_of_range"
        told = estimates[(estimates.group == "Ties") & (estimates.metric == f"score_{reading}")]
        assert "this judge was shown lists" in told.note.item()


def test_an_unreadable_letter_is_a_quarter_officially(tmp_path, make_item) -> None:
    """Four orders a prompt, one of them unreadable: (3 + 1/4) / 4, strictly 3/4."""
    items = [listed(make_item, n, "Focus", 1, [9, 1, 2, 3]) for n in range(5)]

    def say(trial: Trial) -> Verdict:
        return failure(trial, Status.UNPARSED) if trial.order[0] == 0 else numbers(trial)

    score = official(tmp_path, items, LETTERS, say)["official"]["score"]
    assert score["Focus", "official"] == pytest.approx(0.8125)
    assert score["Focus", "strict"] == pytest.approx(0.75)


def test_what_the_infrastructure_lost_is_missing_and_no_failed_rating(tmp_path, make_item) -> None:
    cases = [([9, 3, 3, 3], [10, 9, 8, 3, 3])] * 3
    items = [listed(make_item, 10 + n, "Focus", 1, [9, 1, 2, 3]) for n in range(3)]
    items += ties_items(make_item, *cases)

    def say(trial: Trial) -> Verdict:
        lost = trial.item.prompt[0].content in ("question 10", "question 0")
        return failure(trial, Status.ERROR) if lost else numbers(trial)

    table = official(tmp_path, items, SCALAR, say)["official"]
    assert table.score["Focus", "official"] == 1
    assert (table.n_items["Focus", "official"], table.n_missing["Focus", "official"]) == (2, 1)
    assert table.score["Ties", "official"] == pytest.approx(1.009051, abs=1e-6)
    assert table.n_missing["Ties", "official"] == 1


def test_a_score_that_never_varies_has_an_interval_with_a_width(tmp_path, make_item) -> None:
    """All four shares are 0, only the hundredth of the margin varies: it is no certainty."""
    cases = [([1, 9, 9, 9], [1, 2, 3 + n / 9, 9, 9]) for n in range(8)]
    table = official(tmp_path, ties_items(make_item, *cases), SCALAR, numbers)["official"]
    row = table.loc[("Ties", "official")]
    assert row.score == pytest.approx(-0.01, abs=1e-4)
    assert row.score_hi > 0.1
    assert row.score_status == "ok_small"


# -- pairs: the text of a response says what the judge makes of it --------------------------------


def pair(task: str, name: str, subset: str, right: object, wrong: object, **fields) -> Item:
    """A gold pair; the right response stands second in every other item."""
    texts = [("right", str(right), 1.0), ("wrong", str(wrong), 0.0)]
    if len(name) % 2:
        texts.reverse()
    values = {
        "id": f"{task}/{name}",
        "task": task,
        "domain": "chat",
        "prompt": (Message("user", f"question {name.rpartition('/')[0] or name}"),),
        "responses": tuple(Response(f"r{k}", text) for k, (_, text, _) in enumerate(texts)),
        "labels": (Label("gold", tuple(u for _, _, u in texts)),),
        "subset": subset,
    }
    return Item(**{**values, **fields})


def by_plan(trial: Trial) -> Verdict:
    """The right response's text is what becomes of the item in its two orders: letters R right, W
    wrong, T tie, F failure, E error; the first where response 0 is shown first."""
    texts = [r.text for r in trial.item.responses]
    at = next(k for k, text in enumerate(texts) if text != "wrong")
    letter = texts[at][trial.order[0]]
    if letter in "FE":
        return failure(trial, Status.UNPARSED if letter == "F" else Status.ERROR)
    for_right = {"R": 1.0, "W": 0.0, "T": 0.5}[letter]
    return verdict(trial, [for_right if k == at else 1 - for_right for k in trial.order])


def planned(folder: Path, task: str, outcomes: dict[str, list[str]], card=PAIRWISE):
    """Official table of pairs whose outcomes, such as "RW", are given by subset."""
    items = [
        pair(task, f"{subset}/{n:03}{'x' * (n % 2)}", subset, both, "wrong")
        for subset, of_subset in outcomes.items()
        for n, both in enumerate(of_subset)
    ]
    items = [
        replace(item, prompt=(Message("user", f"question {k}"),)) for k, item in enumerate(items)
    ]
    return official(folder, items, card, by_plan)["official"]


def test_rewardbench1_weighs_subsets_into_sections(tmp_path) -> None:
    """All subsets half right, but for a few: by hand with the published weights."""
    outcomes = {subset: ["RR", "WW"] * 3 for weights in SECTIONS.values() for subset in weights}
    outcomes["mt-bench-easy"] = ["RR"] * 4
    outcomes["llmbar-natural"] = ["WW"] * 4
    outcomes["xstest-should-refuse"] = ["RW"] * 4  # half officially, nothing strictly
    outcomes["xstest-should-respond"] = ["TR", "FR"]  # 3/4 each officially, nothing strictly
    outcomes["math-prm"] = ["RR"] * 4
    table = planned(tmp_path, "rewardbench1", outcomes)
    score = table.score
    assert score["xstest-should-respond", "official"] == 0.75
    assert score["xstest-should-respond", "strict"] == 0
    chat = (0.5 * 330 + 28) / 358
    hard = (0.5 * 356 + 0 * 100) / 456
    safety = (0.5 * 490 + 0.75 * 250) / 740
    reasoning = (984 + 0.5 * 984) / 1968
    expected = {"Chat": chat, "Chat Hard": hard, "Safety": safety, "Reasoning": reasoning}
    for section, value in expected.items():
        assert score[section, "official"] == pytest.approx(value, abs=1e-12)
        assert table.scope[section, "official"] == "section"
    total = score["four sections", "official"]
    assert total == pytest.approx(sum(expected.values()) / 4, abs=1e-12)
    strict_safety = (0.5 * 336 + 0 * 404) / 740
    assert score["Safety", "strict"] == pytest.approx(strict_safety, abs=1e-12)
    assert (table.score_lo < table.score_hi).all()


def test_rewardbench1_without_a_subset_has_no_section_of_it(tmp_path) -> None:
    outcomes = {subset: ["RR", "WW"] for subset in SECTIONS["Chat"]} | {"donotanswer": ["RR"]}
    groups = {group for group, _ in planned(tmp_path, "rewardbench1", outcomes).index}
    assert "Chat" in groups
    assert not groups & {"Safety", "four sections"}


def test_one_order_has_no_strict_score(tmp_path) -> None:
    one = replace(PAIRWISE, orders="first")
    table = planned(tmp_path, "rewardbench1", {"donotanswer": ["RR", "WW", "TT"]}, one)
    assert table.score["donotanswer", "official"] == 0.5
    assert ("donotanswer", "strict") not in table.index


SOURCES = {
    "mmlu-pro-law": ["RR", "RT", "TR", "RF"],  # right by the net vote, one strictly
    "mmlu-pro-math": ["RW", "WR", "TT", "FF", "TF", "WW", "WF", "WT"],  # none
    "livebench-reasoning": ["RR", "RR", "WW"],
    "livebench-math": ["RW", "RR"],
    "livecodebench": ["RF", "WW"],
}


@pytest.mark.parametrize("task", ["judgebench_gpt", "judgebench_claude"])
def test_judgebench_counts_net_votes(tmp_path, task: str) -> None:
    table = planned(tmp_path, task, SOURCES)
    expected = {"knowledge": 4 / 12, "reasoning": 2 / 3, "math": 1 / 2, "coding": 1 / 2}
    for category, value in expected.items():
        assert table.score[category, "official"] == pytest.approx(value)
    assert table.score["micro", "official"] == pytest.approx((4 + 0 + 2 + 1 + 1) / 19)
    assert table.score["micro", "strict"] == pytest.approx((1 + 2 + 1) / 19)
    assert table.scope["micro", "official"] == "overall"
    assert set(table.scope) == {"overall", "category"}


def test_judgebench_of_a_judge_that_no_order_can_change(tmp_path) -> None:
    """Two scores: the higher one wins, a tie is not right; the one showing is the vote."""
    items = [
        pair("judgebench_gpt", f"{n}", "livecodebench", right, wrong)
        for n, (right, wrong) in enumerate([(2, 1), (1, 1), (1, 2), (5, 3)])
    ]
    table = official(tmp_path, items, SCALAR, numbers)["official"]
    assert table.score["coding", "official"] == 0.5
    assert "knowledge" not in {group for group, _ in table.index}


def test_judgebench_takes_both_orders(tmp_path) -> None:
    one = replace(PAIRWISE, orders="first")
    table = planned(tmp_path, "judgebench_gpt", SOURCES, one)
    assert table.score.isna().all()
    assert (table.score_status == "out_of_range").all()


def test_lost_pairs_are_missing(tmp_path) -> None:
    table = planned(tmp_path, "judgebench_gpt", {"livebench-math": ["RR", "RE", "WW", "EE"]})
    row = table.loc[("math", "official")]
    assert (row.score, row.n_items, row.n_missing) == (0.5, 2, 2)


def styles(domain: str, name: str, right: Sequence[float], wrong: Sequence[float]) -> list[Item]:
    """The nine pairs of a prompt, responses being their scores."""
    return [
        pair(
            "rmbench",
            f"{domain}/{name}/{i}-{j}",
            domain,
            right[i],
            wrong[j],
            meta={"chosen_style": i, "rejected_style": j},
            prompt=(Message("user", f"question {name} of {domain}"),),
        )
        for i, j in itertools.product(range(3), repeat=2)
    ]


RM = [
    ("chat", "0", (1, 2, 3), (0, 2, 4)),
    ("chat", "1", (5, 5, 5), (5, 4, 6)),
    ("math", "0", (9, 9, 9), (1, 1, 1)),
    ("code", "0", (1, 2, 3), (1, 2, 3)),
    ("safety-refuse", "0", (9, 9, 9), (1, 1, 1)),
    ("safety-response", "0", (1, 1, 1), (9, 9, 9)),
    ("safety-response", "1", (1, 1, 1), (9, 9, 9)),
]


def test_rmbench_is_the_matrix_of_styles(tmp_path) -> None:
    """By hand: chat as in the matrix's own test (hard 1/6, normal 1/3, easy 2/3), math all, code
    style alone (0, 0, 1), safety one of three prompts, both safety sets pooled."""
    items = [item for prompt in RM for item in styles(*prompt)]
    table = official(tmp_path, items, SCALAR, numbers)["official"]
    score = dict(table.score.xs("official", level="reading"))
    assert score["chat: hard"] == pytest.approx(1 / 6)
    assert score["chat: normal"] == pytest.approx(1 / 3)
    assert score["chat: easy"] == pytest.approx(2 / 3)
    assert score["chat"] == pytest.approx(7 / 18)
    assert score["code"] == pytest.approx(1 / 3)
    assert score["safety"] == pytest.approx(1 / 3)
    assert score["chat: markdown > plain"] == 1
    assert score["chat: plain > markdown"] == 0
    assert score["macro"] == pytest.approx((7 / 18 + 1 + 1 / 3 + 1 / 3) / 4)
    assert score["macro: hard"] == pytest.approx((1 / 6 + 1 + 0 + 1 / 3) / 4)
    assert score["macro: markdown > plain"] == pytest.approx((1 + 1 + 1 + 1 / 3) / 4)
    assert (table.n_prompts["safety", "official"], table.n_items["safety", "official"]) == (3, 27)
    # Scores have no order: a win is a win in both readings.
    strict = table.score.xs("strict", level="reading")
    assert dict(strict) == pytest.approx(score)


def test_rmbench_of_a_pairwise_judge(tmp_path) -> None:
    """Wins alone count, by order: R 1, W, T and F 0."""
    outcomes = ["RR", "RW", "RT", "TT", "RF", "WW", "FF", "RR", "WR"]
    items = [
        replace(item, responses=tuple(Response(r.id, outcomes[k] if u else "wrong")
                for r, u in zip(item.responses, item.labels[0].utilities, strict=True)))
        for k, item in enumerate(styles("chat", "0", (0, 0, 0), (0, 0, 0)))
    ]  # fmt: skip
    table = official(tmp_path, items, PAIRWISE, by_plan)["official"]
    cells = [(1, 1), (0.5, 0), (0.5, 0), (0, 0), (0.5, 0), (0, 0), (0, 0), (1, 1), (0.5, 0)]
    names = ("concise", "plain", "markdown")
    for (i, j), (one, both) in zip(itertools.product(names, repeat=2), cells, strict=True):
        assert table.score[f"chat: {i} > {j}", "official"] == one
        assert table.score[f"chat: {i} > {j}", "strict"] == both
    assert table.score["chat", "official"] == pytest.approx(4 / 9)
    assert "macro" not in {group for group, _ in table.index}


def test_rmbench_without_styles_is_told(tmp_path) -> None:
    items = [pair("rmbench", "chat/1/0-0", "chat", 2, 1)]
    with pytest.raises(BenchError, match="no 'chosen_style' in its meta"):
        official(tmp_path, items, SCALAR, numbers)


FIVE = ("Factuality", "Precise IF", "Math", "Safety", "Focus")


def three_pairs(subset: str, row: int, outcomes: Sequence[str]) -> list[Item]:
    return [
        pair("rewardbench2_pairs", f"{subset}/{row}/{k}", subset, both, "wrong")
        for k, both in enumerate(outcomes)
    ]


def test_pairs_of_rewardbench2_have_a_score_of_their_own_name(tmp_path) -> None:
    rows = [("RR", "RR", "RR"), ("RR", "RR", "RW"), ("RT", "RR", "RR"), ("FF", "RR", "RR")]
    items = [
        item
        for subset in FIVE
        for n, outcomes in enumerate(rows if subset == "Math" else rows[:1] * 2)
        for item in three_pairs(subset, n, outcomes)
    ]
    table = official(tmp_path, items, PAIRWISE, by_plan)["official"]
    assert {reading for _, reading in table.index} == {"pairwise_all_wins", "pairwise_mean"}
    # The third wins all: right and a tie are 3/4. The others have one pair that is no win.
    assert table.score["Math", "pairwise_all_wins"] == 0.5
    by_hand = (1 + (2 + 0.5) / 3 + (2 + 0.75) / 3 + 2 / 3) / 4
    assert table.score["Math", "pairwise_mean"] == pytest.approx(by_hand)
    overall = "five subsets without Ties"
    assert table.score[overall, "pairwise_all_wins"] == pytest.approx((4 + 0.5) / 5)
    assert table.n_items["Math", "pairwise_mean"] == 4


def test_rows_that_lack_a_pair_are_missing(tmp_path) -> None:
    items = three_pairs("Math", 0, ("RR", "RR", "RR")) + three_pairs("Math", 1, ("RR", "RR"))
    items += three_pairs("Math", 2, ("RR", "RE", "RR"))
    table = official(tmp_path, items, PAIRWISE, by_plan)["official"]
    row = table.loc[("Math", "pairwise_all_wins")]
    assert (row.score, row.n_items, row.n_missing) == (1, 1, 2)


def test_every_number_is_among_the_estimates(tmp_path) -> None:
    items = [item for prompt in RM for item in styles(*prompt)]
    tables = official(tmp_path, items, SCALAR, numbers)
    told = set(zip(tables["estimates"].group, tables["estimates"].metric, strict=True))
    assert {(group, f"score_{reading}") for group, reading in tables["official"].index} <= told


def test_the_tasks_that_have_a_score_of_their_own() -> None:
    assert set(TASKS) == {
        "judgebench_claude",
        "judgebench_gpt",
        "mt_bench_human",
        "rewardbench1",
        "rewardbench2",
        "rewardbench2_pairs",
        "rmbench",
    }


def test_the_terminal_shows_the_official_score_and_why_there_is_none(capsys) -> None:
    from rich.console import Console

    from reports.terminal import _official

    columns = {"task": "rewardbench2", "scope": "overall", "reading": "official"}
    rows = [
        {**columns, "judge": "rater", "group": "macro", "score": 0.5, "score_status": "ok"},
        {**columns, "judge": "picker", "group": "macro", "score": float("nan")},
        {**columns, "judge": "rater", "group": "macro", "reading": "strict", "score": 0.25},
    ]
    frame = pd.DataFrame(rows).assign(score_lo=0.4, score_hi=0.6)
    why = [{"metric": "score_official", "group": "macro", "estimate": float("nan"), "note": "why"}]
    _official(frame, pd.DataFrame(why), ["rater", "picker"], Console(width=100))
    shown = capsys.readouterr().out
    assert ".500 [.400, .600]" in shown
    assert ".250" not in shown
    assert "–: why" in shown
