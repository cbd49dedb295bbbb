"""Many calls in flight, asked from ordinary code: a bounded number on an event loop of their own.

The loop runs in a thread, so that calls go on while the caller writes verdicts down; requests are
drawn and answers handed over in the caller's thread.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Iterator
from functools import partial
from itertools import islice
from queue import SimpleQueue
from typing import Any, Generic, TypeVar

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
    drawn = 0
    loop: _Loop[Tag, Request, Answer] = _Loop(ask, finish)
    with loop:
        while True:
            for tag, request in islice(source, limit - drawn):
                loop.start(tag, request)
                drawn += 1
            if not drawn:
                return
            tag, task = loop.answered.get()
            yield tag, task.result()
            drawn -= 1


class _Loop(Generic[Tag, Request, Answer]):
    """An event loop in a thread, for the length of a with block. `answered`: what is done."""

    def __init__(
        self,
        ask: Callable[[Request], Coroutine[Any, Any, Answer]],
        finish: Callable[[], Awaitable[None]],
    ) -> None:
        self.answered: SimpleQueue[tuple[Tag, asyncio.Task[Answer]]] = SimpleQueue()
        self._ask, self._finish = ask, finish
        self._handed: deque[tuple[Tag, Request]] = deque()
        self._called = False
        self._ready = threading.Event()
        # daemon: a second Ctrl-C while the thread is joined must not hang the interpreter.
        self._thread = threading.Thread(target=lambda: asyncio.run(self._live()), daemon=True)

    def start(self, tag: Tag, request: Request) -> None:
        """Ask one request. A busy loop is called once for all that it is handed meanwhile: each
        call of a loop from another thread writes to a socket."""
        self._handed.append((tag, request))
        if not self._called:
            self._called = True
            self._loop.call_soon_threadsafe(self._start_all)

    def _start_all(self) -> None:
        self._called = False  # before the last look: what is handed over after it calls again
        while self._handed:
            tag, request = self._handed.popleft()
            task = self._loop.create_task(self._ask(request))
            task.add_done_callback(partial(self._done, tag))

    def _done(self, tag: Tag, task: asyncio.Task[Answer]) -> None:
        if not task.cancelled():
            task.exception()  # seen: of many that fail together the caller takes one
        self.answered.put((tag, task))

    async def _live(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        self._ready.set()
        await self._stop.wait()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        await self._finish()

    def __enter__(self) -> None:
        self._thread.start()
        self._ready.wait()

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()
