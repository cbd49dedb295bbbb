"""Hedging: a call that is slow to answer is made a second time, and the first answer counts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any, TypeVar

from bench.types import Usage

Answer = TypeVar("Answer")


async def hedged(
    ask: Callable[[asyncio.Event], Coroutine[Any, Any, Answer]], after_s: float | None
) -> tuple[Answer, int]:
    """The answer of `ask`, and how many of its calls are charged: those that were sent and did not
    fail. `ask` sets the event that it is given when its call is sent, for it may wait its turn.

    A second call is made when the first has neither answered nor failed `after_s` seconds after it
    was sent; None: never. The first answer counts and the other call is cancelled. Where one of two
    fails, the other is waited for; where both do, the failure of the later one is raised.
    """
    sent = asyncio.Event()
    if after_s is None:
        return await ask(sent), 1
    calls = {asyncio.ensure_future(ask(sent)): sent}
    waiting = asyncio.ensure_future(sent.wait())
    try:
        await asyncio.wait([*calls, waiting], return_when=asyncio.FIRST_COMPLETED)
        await asyncio.wait(calls, timeout=after_s)
        if not any(call.done() for call in calls):
            second = asyncio.Event()
            calls[asyncio.ensure_future(ask(second))] = second
        open_: set[asyncio.Future[Answer]] = set(calls)
        while True:
            done, open_ = await asyncio.wait(open_, return_when=asyncio.FIRST_COMPLETED)
            answered = next((call for call in done if call.exception() is None), None)
            if answered is not None or not open_:
                charge = [
                    begun.is_set() and not (call.done() and call.exception())
                    for call, begun in calls.items()
                ]
                return (answered or done.pop()).result(), sum(charge)
    finally:
        for future in (*calls, waiting):
            future.cancel()
        await asyncio.gather(*calls, waiting, return_exceptions=True)


def charged(usage: Usage, calls: int) -> Usage:
    """`usage` of one call, with the tokens of so many that are as long."""
    names = ("prompt_tokens", "cached_tokens", "completion_tokens", "reasoning_tokens")
    counts = {name: getattr(usage, name) for name in names}
    return replace(usage, **{name: calls * n for name, n in counts.items() if n is not None})
