"""Many calls in flight, asked from ordinary code: a bounded number on an event loop of their own.

The loop runs in a thread, so that calls go on while the caller writes verdicts down; requests are
drawn and answers handed over in the caller's thread.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Iterator
from concurrent.futures import Future
from functools import partial
from itertools import islice
from queue import SimpleQueue
from typing import Any, TypeVar

Tag = TypeVar("Tag")
Request = TypeVar("Request")
Answer = TypeVar("Answer")


def in_flight(
    requests: Iterable[tuple[Tag, Request]],
    ask: Callable[[Request], Coroutine[Any, Any, Answer]],
    limit: int,
    finish: Callable[[], Awaitable[None]],
) -> Iterator[tuple[Tag, Answer]]:
    """The answer to each request, as they come, with the request's tag.

    At most `limit` requests are drawn and not yet taken by the caller, so a caller that stops
    leaves no more than that behind. An exception of `ask` is raised here. However this ends
    (also by close()), calls in flight are cancelled, then `finish` is awaited on their loop, then
    the thread is joined.
    """
    source = iter(requests)
    answered: SimpleQueue[tuple[Tag, Future[Answer]]] = SimpleQueue()
    drawn = 0
    with _Loop(finish) as loop:
        while True:
            for tag, request in islice(source, limit - drawn):
                future = asyncio.run_coroutine_threadsafe(ask(request), loop)
                future.add_done_callback(partial(_hand_over, answered, tag))
                drawn += 1
            if not drawn:
                return
            tag, future = answered.get()
            yield tag, future.result()
            drawn -= 1


def _hand_over(
    answered: SimpleQueue[tuple[Tag, Future[Answer]]], tag: Tag, future: Future[Answer]
) -> None:
    answered.put((tag, future))


class _Loop:
    """An event loop in a thread, for the length of a with block."""

    def __init__(self, finish: Callable[[], Awaitable[None]]) -> None:
        self._finish = finish
        self._started = threading.Event()
        # daemon: a second Ctrl-C while the thread is joined must not hang the interpreter.
        self._thread = threading.Thread(target=lambda: asyncio.run(self._live()), daemon=True)

    async def _live(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        self._started.set()
        await self._stop.wait()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        await self._finish()

    def __enter__(self) -> asyncio.AbstractEventLoop:
        self._thread.start()
        self._started.wait()
        return self._loop

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()
