"""How many calls a server gets at one time, and how fast they begin.

The number in flight is halved when the server says that it is asked too much and grows by one for
each round of calls that go well (additive increase, multiplicative decrease; Chiu and Jain 1989),
up to a bound. Limits per minute are kept by spacing the calls, not by bursts.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from bench.types import BenchError
from judges.engines.retry import Transient

CATCH_UP_S = (
    0.25  # of a limit may be used later: calls that begin late do not add up to a slower pace
)


@dataclass
class Call:
    """One call. `tokens`: as estimated; to be set right once the true number is known. `began`:
    time.perf_counter when it was let through."""

    tokens: int
    began: float = 0.0


class Pace:
    """The calls of one event loop to one server. `most`: calls in flight at most. `rpm`, `tpm`:
    requests and tokens a minute at most, None for no limit."""

    def __init__(self, most: int, rpm: int | None = None, tpm: int | None = None) -> None:
        self._most, self._window = most, float(most)
        self._requests, self._tokens = _Rate(rpm, "rpm"), _Rate(tpm, "tpm")
        self._open = self._cuts = 0
        self._quiet_until = 0.0  # time.monotonic
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._next = asyncio.Lock()

    @property
    def window(self) -> int:
        """Calls that may now be in flight."""
        return int(self._window)

    @asynccontextmanager
    async def call(self, tokens: int) -> AsyncIterator[Call]:
        """Room for one call of about so many tokens, as long as the block lasts. A Transient that
        leaves it, and none, tell how the server bears it."""
        while self._open >= self.window:
            turn = asyncio.get_running_loop().create_future()
            self._waiting.append(turn)
            try:
                await turn
            except asyncio.CancelledError:
                self._wake()  # the turn that this one may have been given is another's
                raise
        self._open += 1
        call, cuts = Call(tokens), self._cuts
        try:
            await self._due(tokens)
            call.began = time.perf_counter()
            yield call
            self._window = min(self._most, self._window + 1 / self._window)
        except Transient as error:
            # Of the calls that were in flight together, one cut tells all there is to tell.
            if error.busy and cuts == self._cuts:
                self._window, self._cuts = max(1.0, self._window / 2), self._cuts + 1
            raise
        finally:
            self._tokens.correct(call.tokens - tokens)
            self._open -= 1
            self._wake()

    def hold(self, seconds: float) -> None:
        """No call begins for so long: one of them was told to wait."""
        self._quiet_until = max(self._quiet_until, time.monotonic() + seconds)

    async def _due(self, tokens: int) -> None:
        async with self._next:  # one at a time, so that those behind are spaced anew
            while (wait := self._free_at() - time.monotonic()) > 0:
                await asyncio.sleep(wait)
            self._requests.take(1)
            self._tokens.take(tokens)

    def _free_at(self) -> float:
        return max(self._quiet_until, self._requests.free_at, self._tokens.free_at)

    def _wake(self) -> None:
        for _ in range(self.window - self._open):
            while self._waiting and self._waiting[0].done():  # cancelled
                self._waiting.popleft()
            if not self._waiting:
                return
            self._waiting.popleft().set_result(None)


class _Rate:
    """A limit per minute, as a time line on which each call takes its share; `free_at`
    (time.monotonic) is where the next one may begin. In any minute there begin no more than the
    limit, what fits into `CATCH_UP_S`, and the call that reaches it."""

    def __init__(self, per_minute: int | None, name: str) -> None:
        if per_minute is not None and per_minute < 1:
            raise BenchError(f"{name} is {per_minute}; 1 or more a minute expected")
        self._each_s = 60.0 / per_minute if per_minute else 0.0
        self.free_at = time.monotonic()

    def take(self, amount: int) -> None:
        """A call of this amount begins."""
        self.free_at = max(self.free_at, time.monotonic() - CATCH_UP_S) + amount * self._each_s

    def correct(self, amount: int) -> None:
        """A call took so much more than it had taken when it began, or less."""
        self.free_at += amount * self._each_s
