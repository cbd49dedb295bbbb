"""Hedging: a call that is slow to answer is made a second time, and the first answer counts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any, TypeVar

from bench.types import Usage

Answer = TypeVar("Answer")


async def hedged(
    ask: Callable[[], Coroutine[Any, Any, Answer]], after_s: float | None
) -> tuple[Answer, int]:
    """The answer of `ask`, and how many calls were made for it.

    A second call is made when the first has neither answered nor failed after `after_s` seconds;
    None: never. The first answer counts and the other call is cancelled. Where one of two fails,
    the other is waited for; where both do, the failure of the later one is raised.
    """
    if after_s is None:
        return await ask(), 1
    calls = [asyncio.ensure_future(ask())]
    try:
        await asyncio.wait(calls, timeout=after_s)
        if not calls[0].done():
            calls.append(asyncio.ensure_future(ask()))
        open_: set[asyncio.Future[Answer]] = set(calls)
        while True:
            done, open_ = await asyncio.wait(open_, return_when=asyncio.FIRST_COMPLETED)
            answered = next((call for call in done if call.exception() is None), None)
            if answered is not None or not open_:
                return (answered or done.pop()).result(), len(calls)
    finally:
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)


def charged(usage: Usage, calls: int) -> Usage:
    """`usage` of one call, with the tokens of so many that are as long."""
    names = ("prompt_tokens", "cached_tokens", "completion_tokens", "reasoning_tokens")
    counts = {name: getattr(usage, name) for name in names}
    return replace(usage, **{name: calls * n for name, n in counts.items() if n is not None})
