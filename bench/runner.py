"""Carries a plan out: judge by judge, in batches, so that nothing finished is ever lost.

A judge is shown all its trials of all tasks before the next one begins, so a model is loaded once.
What has its verdict already is not asked again: resuming is running the same command.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace

from bench.ledger import Ledger
from bench.plan import trials
from bench.prices import with_cost
from bench.types import BenchError, Item, Judge, Status, Trial, Usage, Verdict

COMMIT_EVERY_S = 0.5  # at most one second of work is lost when the process is killed
COMMIT_AT = 5_000  # verdicts, for judges that answer faster than the clock
FIRST_LOOK = 20  # this many verdicts, all unparsed, say that the prompt or the parser is wrong
SAMPLES = 3
TWO_ACCOUNTS = 0.01  # two accounts of a cost may differ by this share


@dataclass(frozen=True)
class Limits:
    """When to stop a judge early. `budget_usd`: spent in the whole run folder, None for no limit;
    judges that cost nothing go on. `max_errors`: infrastructure errors of one judge."""

    budget_usd: float | None = None
    max_errors: int = 50


class JudgeStopped(Exception):
    """This judge cannot usefully go on; the others can."""


@dataclass
class Progress:
    """How far the judge at work is. Numbers of verdicts, but for `cost_usd`: US dollars, of the
    whole run folder. `unpriced`: answers of unknown cost."""

    judge: str
    planned: int
    done_before: int
    seen: int = 0
    unparsed: int = 0
    failed: int = 0
    errors: int = 0
    unpriced: int = 0
    cost_usd: float = 0.0
    started: float = field(default_factory=time.monotonic)

    def count(self, status: Status, usage: Usage) -> None:
        """Take one verdict into account."""
        self.seen += 1
        self.failed += status is not Status.OK
        self.errors += status is Status.ERROR
        self.unparsed += status is Status.UNPARSED
        self.unpriced += status is not Status.ERROR and usage.cost_usd is None
        self.cost_usd += usage.cost_usd or 0.0

    def rate(self) -> float:
        """Verdicts a second since the judge began."""
        return self.seen / max(time.monotonic() - self.started, 1e-9)


Show = Callable[[Progress], None]


def carry_out(
    items: Sequence[Item],
    judges: Sequence[Judge],
    ledger: Ledger,
    *,
    repeats: int,
    limits: Limits,
    show: Show,
    say: Callable[[str], None] = lambda line: None,
) -> list[str]:
    """Ask every judge its open trials. Returns why judges were stopped early, empty when none was.
    `say` is told where two accounts of what a judge cost differ.

    KeyboardInterrupt passes through after everything that came back has been committed.
    """
    stops = []
    done = ledger.done()
    for judge in judges:
        pending, planned = _pending(items, judge, repeats, done)
        if not pending:
            continue
        progress = Progress(
            judge.card.name, planned, planned - len(pending), cost_usd=ledger.spent()
        )
        show(progress)
        try:
            _check_budget(judge, limits, progress)
            before = progress.cost_usd
            _work(judge, pending, ledger, limits, progress, show)
            if line := _two_accounts(judge, progress.cost_usd - before, progress.unpriced):
                say(line)
            done.update(trial.key for trial in pending)  # another judge may share its identity
        except JudgeStopped as stop:
            stops.append(f"judge {judge.card.name!r} was stopped: {stop}")
        finally:
            judge.close()
    return stops


def _two_accounts(judge: Judge, ours: float, unpriced: int) -> str:
    """Where the library's account of the cost differs from ours by more than TWO_ACCOUNTS."""
    theirs = judge.library_usd
    if theirs is None or not (theirs or ours):
        return ""
    name = judge.card.name
    if unpriced:
        return (
            f"{name}: no price is known for {judge.card.model!r}, so its cost is not counted; "
            f"litellm says ${theirs:.4f}. usd_per_mtok=IN+CACHED+OUT gives it one."
        )
    if abs(ours - theirs) <= TWO_ACCOUNTS * max(ours, theirs):
        return ""
    return (
        f"{name}: by our prices its answers cost ${ours:.4f}, by litellm's ${theirs:.4f}. Ours "
        "count; one of the two lists is out of date."
    )


def _pending(
    items: Sequence[Item], judge: Judge, repeats: int, done: set[str]
) -> tuple[list[Trial], int]:
    """Trials still to be asked, each key once, and the number of distinct trials planned."""
    open_trials: dict[str, Trial] = {}
    answered = set()
    for _, trial in trials(items, judge.card, repeats=repeats):
        if trial.key in done:
            answered.add(trial.key)
        else:
            open_trials.setdefault(trial.key, trial)
    return list(open_trials.values()), len(open_trials) + len(answered)


def _check_budget(judge: Judge, limits: Limits, progress: Progress) -> None:
    """Stops a judge that costs money when the budget is used up, or cannot be watched."""
    card, budget = judge.card, limits.budget_usd
    if budget is None or not (card.paid or card.usd_per_hour):
        return
    if card.paid and card.usd_per_mtok is None:
        raise JudgeStopped(
            f"--budget-usd is set and the price of {card.model!r} is not known. Name it with the "
            "judge: usd_per_mtok=IN+CACHED+OUT (US dollars per million tokens)."
        )
    if progress.unpriced:
        raise JudgeStopped(
            f"--budget-usd is set and {card.model!r} answered without saying how many tokens it "
            "used, so its cost is not known. Run it without --budget-usd, or elsewhere."
        )
    if progress.cost_usd >= budget:
        raise JudgeStopped(
            f"the budget of ${budget:g} is used up (${progress.cost_usd:.4f} spent). "
            "Everything is kept; run again with a larger --budget-usd to go on."
        )


def _work(
    judge: Judge,
    pending: list[Trial],
    ledger: Ledger,
    limits: Limits,
    progress: Progress,
    show: Show,
) -> None:
    started = time.time()
    stopped: str | None = "interrupted"
    samples: list[str] = []
    try:
        with Committer(ledger) as committer, closing(_stream(judge, pending)) as verdicts:
            for verdict in verdicts:
                usage = with_cost(verdict.usage, judge.card)
                committer.add(replace(verdict, usage=usage))
                progress.count(verdict.status, usage)
                show(progress)
                _check_budget(judge, limits, progress)
                _look_at(judge, verdict, progress, samples, limits)
        stopped = None
    except (JudgeStopped, BenchError) as error:
        stopped = str(error)
        raise
    finally:
        wall = time.monotonic() - progress.started
        answered = progress.seen - progress.errors
        ledger.add_session(judge.card.name, started, wall, answered, stopped)


def _stream(judge: Judge, pending: list[Trial]) -> Generator[Verdict, None, None]:
    """The judge's verdicts, with its promise checked: one for each trial, none for any other."""
    waiting = {trial.key: len(trial.order) for trial in pending}
    verdicts = judge.judge(pending)
    try:
        for verdict in verdicts:
            if verdict.key not in waiting:
                raise JudgeStopped(
                    "it answered a trial twice, or one that it was not asked "
                    f"({verdict.key}). This is a fault of the judge's code."
                )
            shown = waiting.pop(verdict.key)
            if verdict.utilities is not None and len(verdict.utilities) != shown:
                raise JudgeStopped(
                    f"it gave {len(verdict.utilities)} utilities for {shown} responses. "
                    "This is a fault of the judge's code."
                )
            yield verdict
    except BenchError as error:  # a refused key, a model that went away: the others can go on
        raise JudgeStopped(str(error)) from error
    finally:
        close = getattr(verdicts, "close", None)
        if close is not None:
            close()
    if waiting:
        raise JudgeStopped(f"it left {len(waiting):,} of {len(pending):,} trials unanswered")


def _look_at(
    judge: Judge, verdict: Verdict, progress: Progress, samples: list[str], limits: Limits
) -> None:
    """Stops a judge when going on would only waste time and money."""
    if verdict.status is Status.UNPARSED and len(samples) < SAMPLES:
        samples.append(repr(verdict.raw[-300:]))
    # A recording costs nothing to read to its end, and has no prompt to mend.
    if progress.seen == FIRST_LOOK == progress.unparsed and judge.card.kind != "replay":
        shown = "\n  ".join(samples)
        raise JudgeStopped(
            f"its first {FIRST_LOOK} replies held no verdict. {SAMPLES} of them (their ends):\n"
            f"  {shown}\nThe prompt or its parser does not fit this model."
        )
    if progress.errors >= limits.max_errors:
        raise JudgeStopped(
            f"{progress.errors} errors (the last: {verdict.note}). Everything is kept; run the "
            "same command again to go on, or raise --max-errors."
        )


class Committer:
    """Collects verdicts and writes them within `COMMIT_EVERY_S` of their arrival, also while the
    judge is silent. Leaving the block writes the rest, whatever the reason for leaving."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._batch: list[Verdict] = []
        self._lock = threading.Lock()
        self._end = threading.Event()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._every, daemon=True)

    def __enter__(self) -> Committer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()
        self._write()

    def add(self, verdict: Verdict) -> None:
        """Take one verdict. Raises what an earlier write raised."""
        if self._error is not None:
            raise self._error
        with self._lock:
            self._batch.append(verdict)
            full = len(self._batch) >= COMMIT_AT
        if full:
            self._write()

    def _every(self) -> None:
        while not self._end.wait(COMMIT_EVERY_S):
            try:
                self._write()
            except BenchError as error:
                self._error = error
                return

    def _write(self) -> None:
        with self._lock:
            if self._batch:
                self._ledger.append(self._batch)
                self._batch = []
