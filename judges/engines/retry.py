"""Asking again: exponential back-off with jitter, and obedience to Retry-After."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TypeVar

Answer = TypeVar("Answer")


class Transient(Exception):
    """A failure that may pass. `note`: what happened, without secrets. `retry_after`: seconds
    that the server asked to wait, or None. `busy`: it says that it is asked too much."""

    def __init__(self, note: str, retry_after: float | None = None, *, busy: bool = False) -> None:
        super().__init__(note)
        self.note, self.retry_after, self.busy = note, retry_after, busy


@dataclass(frozen=True)
class Backoff:
    """`attempts`: calls per request at most. `base_s`: wait after the first failure, doubled
    after each further one up to `cap_s`. `patience_s`: waiting per request at most, in all."""

    attempts: int = 6
    base_s: float = 1.0
    cap_s: float = 60.0
    patience_s: float = 300.0

    def wait_s(self, failures: int, asked: float | None = None) -> float:
        """Seconds before the next call: never less than was asked; the own share is drawn between
        half and all of the exponential step, so that many callers do not return together."""
        step = self.base_s * 2.0 ** min(failures - 1, 60)
        # The draw moves waits, never verdicts: it needs no seed.
        own = min(self.cap_s, step) * random.uniform(0.5, 1.0)
        return own if asked is None else asked + own * 0.1


async def asked_again(
    ask: Callable[[], Awaitable[Answer]], backoff: Backoff, hold: Callable[[float], None]
) -> Answer:
    """The answer of `ask`, called again after each Transient until attempts or patience run out:
    then the last Transient is raised, its note saying after how many calls. `hold` is given the
    seconds that the server asked to wait, for others that ask the same server."""
    waited = 0.0
    for calls in range(1, backoff.attempts + 1):
        try:
            return await ask()
        except Transient as error:
            wait, asked = backoff.wait_s(calls, error.retry_after), error.retry_after
            if calls == backoff.attempts or waited + wait > backoff.patience_s:
                longer = asked is not None and asked > backoff.patience_s
                told = f", asked to wait {asked:.0f} s" if longer else ""
                raise Transient(f"{error.note} after {calls} calls{told}") from error
            if asked is not None:
                hold(asked)
        waited += wait
        await asyncio.sleep(wait)
    raise AssertionError("unreachable: the last attempt returns or raises")


def retry_after_s(value: str | None) -> float | None:
    """Seconds from a Retry-After header: a number of seconds or an HTTP date (RFC 9110, 10.2.3).
    None when there is none or it says neither; never negative."""
    if not value:
        return None
    try:
        return max(0.0, float(value)) if float(value) < float("inf") else None
    except ValueError:
        pass
    try:
        when = parsedate_to_datetime(value)
    except ValueError:
        return None
    when = when if when.tzinfo else when.replace(tzinfo=UTC)
    return max(0.0, (when - datetime.now(UTC)).total_seconds())
