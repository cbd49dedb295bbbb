from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest

from bench.ledger import Ledger
from bench.plan import Plan
from bench.runner import FIRST_LOOK, Limits, carry_out
from bench.types import (
    BenchError,
    Judge,
    JudgeCard,
    Status,
    Trial,
    Usage,
    Verdict,
    failure,
    verdict,
)

NO_LIMITS = Limits()
Answer = Callable[[Trial], Verdict]


class Scripted(Judge):
    """Stand-in for faults that no real judge shows on demand: answers as the test says."""

    def __init__(self, answer: Answer, name: str = "j", **fields: object) -> None:
        self.card = JudgeCard(name, "k", ("pairwise",), revision=name, **fields)  # type: ignore[arg-type]
        self.answer = answer
        self.asked: list[str] = []
        self.closed = 0

    def judge(self, trials: Iterable[Trial]) -> Iterator[Verdict]:
        for trial in trials:
            self.asked.append(trial.key)
            yield self.answer(trial)

    def close(self) -> None:
        self.closed += 1


def good(trial: Trial) -> Verdict:
    return verdict(trial, [1.0, 0.0], usage=Usage(prompt_tokens=1000, completion_tokens=100))


def verdict_of_three(trial: Trial) -> Verdict:
    return Verdict(trial.key, Status.OK, (1.0, 0.0, 0.0))


@pytest.fixture
def run(tmp_path: Path, make_item):
    items = [make_item(i) for i in range(30)]
    said: list[str] = []

    def start(
        *judges: Judge, limits: Limits = NO_LIMITS, repeats: int = 1
    ) -> tuple[list[str], list]:
        with Ledger(tmp_path / "ledger.sqlite", write=True) as ledger:
            plan = Plan(tuple(j.card.name for j in judges), ("made",), repeats=repeats)
            ledger.write_plan(plan, items, [j.card for j in judges])
            try:
                stops = carry_out(
                    items,
                    judges,
                    ledger,
                    repeats=repeats,
                    limits=limits,
                    show=lambda _: None,
                    say=said.append,
                )
            finally:
                rows = {j.card.name: [r[3] for r in ledger.showings(j.card.name)] for j in judges}
                start.rows, start.sessions = rows, ledger.sessions()  # type: ignore[attr-defined]
        return stops, rows

    start.said = said  # type: ignore[attr-defined]
    return start


def test_judge_by_judge_and_nothing_twice(run) -> None:
    a, b = Scripted(good, "a"), Scripted(good, "b")
    assert run(a, b)[0] == []
    assert len(a.asked) == len(set(a.asked)) == len(b.asked) == 60
    assert (a.closed, b.closed) == (1, 1)
    again = Scripted(good, "a")
    run(again, b)
    assert again.asked == []


def test_errors_are_asked_again_and_failures_are_not(run) -> None:
    def flaky(trial: Trial) -> Verdict:
        broken = trial.seed % 3
        if broken == 0:
            return failure(trial, Status.ERROR, note="503")
        return failure(trial, Status.UNPARSED) if broken == 1 else good(trial)

    first = Scripted(flaky)
    run(first)
    statuses = run.rows["j"]
    assert {"error", "unparsed", "ok"} == set(statuses)
    second = Scripted(good)
    run(second)
    assert len(second.asked) == statuses.count("error")
    assert run.rows["j"].count("unparsed") == statuses.count("unparsed")


PRICE = {"usd_per_mtok": (1.0, 1.0, 10.0), "paid": True}  # 0.002 a verdict of `good`


def test_the_budget_stops_paid_judges_and_keeps_everything(run) -> None:
    a, b, free = Scripted(good, "a", **PRICE), Scripted(good, "b", **PRICE), Scripted(good, "free")
    stops, rows = run(a, b, free, limits=Limits(budget_usd=0.021))
    assert len(a.asked) == 11
    assert rows["a"].count("ok") == 11
    assert b.asked == []
    assert rows["free"] == ["ok"] * 60, "what costs nothing goes on"
    assert "budget of $0.021 is used up ($0.0220 spent)" in stops[0]
    # What was spent before counts: the same budget buys nothing more.
    again = run(Scripted(good, "a", **PRICE), limits=Limits(budget_usd=0.021))
    assert again[1]["a"].count("ok") == 11


def test_two_accounts_of_a_cost_are_told_where_they_differ(run) -> None:
    same, other = Scripted(good, "same", **PRICE), Scripted(good, "other", **PRICE)
    unknown = Scripted(good, "unknown", paid=True, model="m")
    # Sixty verdicts at 0.002 each.
    same.library_usd, other.library_usd, unknown.library_usd = 0.1205, 0.1230, 0.5
    run(same, other, unknown)
    assert [line.partition(":")[0] for line in run.said] == ["other", "unknown"]
    assert "by our prices its answers cost $0.1200, by litellm's $0.1230" in run.said[0]
    assert "no price is known for 'm'" in run.said[1]
    assert "litellm says $0.5000" in run.said[1]


def test_a_budget_that_cannot_be_watched_stops_the_judge(run) -> None:
    silent = Scripted(lambda t: verdict(t, [1.0, 0.0]), **PRICE)
    stops, _ = run(silent, limits=Limits(budget_usd=1))
    assert len(silent.asked) == 1
    assert "without saying how many tokens" in stops[0]


def test_strange_token_counts_lose_nothing(run) -> None:
    usage = Usage(prompt_tokens=10, cached_tokens=500, completion_tokens=1)
    judge = Scripted(lambda t: verdict(t, [1.0, 0.0], usage=usage), **PRICE)
    assert run(judge)[0] == []
    assert run.rows["j"] == ["ok"] * 60


def test_what_a_stopped_judge_left_open_is_asked_of_its_twin(run) -> None:
    """Two names for one identity share verdicts, and only verdicts."""
    broken = Scripted(lambda t: failure(t, Status.ERROR, note="503"), "a")
    twin = Scripted(good, "b")
    twin.card = JudgeCard("b", "k", ("pairwise",), revision="a")
    assert broken.card.identity == twin.card.identity
    _, rows = run(broken, twin, limits=Limits(max_errors=5))
    assert len(twin.asked) == 60
    assert rows["a"] == rows["b"] == ["ok"] * 60


def test_a_budget_needs_a_price(run) -> None:
    judge = Scripted(good, model="maker/new", paid=True)
    stops, _ = run(judge, limits=Limits(budget_usd=1))
    assert judge.asked == []
    assert "price of 'maker/new' is not known" in stops[0]


def test_too_many_errors_stop_that_judge_only(run) -> None:
    broken = Scripted(lambda t: failure(t, Status.ERROR, note="HTTP 503"), "a")
    fine = Scripted(good, "b")
    stops, rows = run(broken, fine, limits=Limits(max_errors=5))
    assert len(broken.asked) == 5
    assert "5 errors (the last: HTTP 503)" in stops[0]
    assert rows["b"] == ["ok"] * 60


def test_twenty_unparsed_replies_stop_the_judge_and_are_shown(run) -> None:
    lost = Scripted(lambda t: failure(t, Status.UNPARSED, raw=f"I cannot say {t.seed % 2}"), "a")
    stops, rows = run(lost, Scripted(good, "b"))
    assert len(lost.asked) == FIRST_LOOK
    assert stops[0].count("I cannot say") == 3
    assert rows["a"].count("unparsed") == FIRST_LOOK
    assert rows["b"] == ["ok"] * 60


def test_one_good_reply_among_the_first_keeps_the_judge(run) -> None:
    count = iter(range(1000))
    judge = Scripted(lambda t: good(t) if next(count) == 19 else failure(t, Status.UNPARSED))
    assert run(judge)[0] == []
    assert len(judge.asked) == 60


def test_a_judge_that_cannot_go_on_leaves_the_others_their_turn(run) -> None:
    def gone(trial: Trial) -> Verdict:
        raise BenchError("the server refused the key")

    stops, rows = run(Scripted(gone, "a"), Scripted(good, "b"))
    assert stops == ["judge 'a' was stopped: the server refused the key"]
    assert rows["b"] == ["ok"] * 60


@pytest.mark.parametrize("fault", [KeyboardInterrupt, ValueError])
def test_whatever_ends_the_run_what_came_back_is_kept(run, fault) -> None:
    count = iter(range(1000))

    def answer(trial: Trial) -> Verdict:
        if next(count) == 25:
            raise fault
        return good(trial)

    judge = Scripted(answer)
    with pytest.raises(fault):
        run(judge)
    assert run.rows["j"].count("ok") == 25
    assert judge.closed == 1
    assert run.sessions[-1][3] == 25
    assert run.sessions[-1][4] is not None
    run(Scripted(good))
    assert run.rows["j"] == ["ok"] * 60


def test_a_silent_judge_does_not_hold_back_what_came_before(tmp_path: Path, make_item) -> None:
    """While the judge is busy with its next answer, the last one is on disk within a second."""
    items = [make_item(i) for i in range(5)]
    seen = []

    def answer(trial: Trial) -> Verdict:
        if len(judge.asked) == 4:
            time.sleep(1.2)
            with Ledger(tmp_path / "ledger.sqlite") as reader:
                seen.append(len(reader.done()))
        return good(trial)

    judge = Scripted(answer)
    with Ledger(tmp_path / "ledger.sqlite", write=True) as ledger:
        ledger.write_plan(Plan(("j",), ("made",)), items, [judge.card])
        carry_out(items, [judge], ledger, repeats=1, limits=Limits(), show=lambda _: None)
    assert seen == [3]


def test_a_judge_that_breaks_its_promise_is_told(run) -> None:
    class Twice(Scripted):
        def judge(self, trials: Iterable[Trial]) -> Iterator[Verdict]:
            for trial in trials:
                yield good(trial)
                yield good(trial)

    assert "answered a trial twice" in run(Twice(good))[0][0]

    stops, rows = run(Scripted(verdict_of_three, "three"))
    assert "3 utilities for 2 responses" in stops[0]
    assert "ok" not in rows["three"]

    class Lazy(Scripted):
        def judge(self, trials: Iterable[Trial]) -> Iterator[Verdict]:
            yield good(next(iter(trials)))

    stops, _ = run(Lazy(good, "lazy"))
    assert "left 59 of 60 trials unanswered" in stops[0]


def test_repeats_are_asked_each(run) -> None:
    judge = Scripted(good)
    run(judge, repeats=3)
    assert len(judge.asked) == 180
