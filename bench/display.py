"""Progress as a person wants it: a live bar in a terminal, plain lines anywhere else."""

from __future__ import annotations

import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, TextColumn
from rich.progress import Progress as Bar

from bench.runner import Progress

PLAIN_EVERY_S = 15.0


class Display:
    """Call it with every `Progress`; use it as a context manager. `used`: there was work."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = console.is_terminal
        self._bar = Bar(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[text]}", markup=False),
            console=console,
        )
        self._tasks: dict[str, int] = {}
        self._last = 0.0
        self.used = False

    def __enter__(self) -> Display:
        if self._live:
            self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._live:
            self._bar.stop()

    def __call__(self, progress: Progress) -> None:
        self.used = True
        now, done = time.monotonic(), progress.done_before + progress.seen
        ends = progress.seen == 0 or done == progress.planned
        if not ends and now - self._last < (0.1 if self._live else PLAIN_EVERY_S):
            return
        self._last = now
        if not self._live:
            self._console.print(
                f"{progress.judge}: {_text(progress)}", markup=False, highlight=False
            )
            return
        if progress.judge not in self._tasks:
            self._tasks[progress.judge] = self._bar.add_task(
                progress.judge, total=progress.planned, text=""
            )
        task = self._tasks[progress.judge]
        self._bar.update(self._bar.task_ids[task], completed=done, text=_text(progress))


def _text(progress: Progress) -> str:
    done = progress.done_before + progress.seen
    parts = [f"{done:,} of {progress.planned:,}"]
    if progress.seen:
        rate = progress.rate()
        parts.append(f"{rate:,.1f}/s" if rate < 100 else f"{rate:,.0f}/s")
        left = (progress.planned - done) / rate
        parts += [f"{_duration(left)} left"] if left >= 1 else []
        parts.append(f"{progress.failed / progress.seen:.1%} failed")
    if progress.cost_usd:
        parts.append(f"${progress.cost_usd:.4f} so far")
    return ", ".join(parts)


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60} h {minutes % 60:02} min" if minutes >= 60 else f"{minutes}:{rest:02}"
