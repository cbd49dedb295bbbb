"""How many calls a server gets, and how fast they begin: alone, and through the engine."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from itertools import combinations

import pytest
from faulty_server import FaultyServer, refuse, say

from bench.types import BenchError, Message
from judges.engines.base import Request
from judges.engines.limits import CATCH_UP_S, Pace
from judges.engines.litellm import LitellmEngine, Sampling
from judges.engines.retry import Backoff, Transient

SLACK_S = CATCH_UP_S + 0.002  # a clock may tick early


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-nobody")


def spaced(begun: list[float], gap_s: float) -> bool:
    """Whether no stretch of time holds more than its share."""
    marks = [when - i * gap_s for i, when in enumerate(begun)]
    return all(later > earlier - SLACK_S for earlier, later in combinations(marks, 2))


async def call(pace: Pace, tokens: int, begun: list[float], used: int | None = None) -> None:
    async with pace.call(tokens) as one:
        begun.append(one.began)
        one.tokens = tokens if used is None else used


def run(work: Callable[[], Awaitable[object]]) -> None:
    async def main() -> None:
        await work()

    asyncio.run(main())


def test_requests_of_a_minute_are_spread_over_it() -> None:
    begun: list[float] = []
    pace = Pace(16, rpm=3_000)  # one in 20 ms
    run(lambda: asyncio.gather(*(call(pace, 1, begun) for _ in range(50))))
    assert spaced(begun, 0.02)
    assert not spaced(begun, 0.04)
    assert begun[-1] - begun[0] < 2.0


def test_what_was_not_used_is_not_made_up_for() -> None:
    begun: list[float] = []
    pace = Pace(16, rpm=3_000)

    async def work() -> None:
        for _ in range(2):
            await asyncio.sleep(0.6)  # nobody asks
            await asyncio.gather(*(call(pace, 1, begun) for _ in range(25)))

    run(work)
    assert spaced(begun, 0.02)


def test_without_limits_all_begin_at_once() -> None:
    begun: list[float] = []
    pace = Pace(16)
    run(lambda: asyncio.gather(*(call(pace, 10**9, begun) for _ in range(200))))
    assert begun[-1] - begun[0] < 1.0


@pytest.mark.parametrize(("used", "gap_s"), [(None, 0.1), (250, 0.25), (50, 0.05)])
def test_tokens_are_estimated_before_and_corrected_after(used: int | None, gap_s: float) -> None:
    begun: list[float] = []
    pace = Pace(1, tpm=60_000)  # one in 1 ms
    run(lambda: asyncio.gather(*(call(pace, 100, begun, used) for _ in range(10))))
    assert spaced(begun, gap_s)
    assert not spaced(begun, gap_s + 0.05)


def test_one_call_larger_than_the_limit_goes_through() -> None:
    begun: list[float] = []
    run(lambda: call(Pace(1, tpm=1), 1000, begun))
    assert len(begun) == 1


def test_calls_that_are_refused_together_are_one_cut() -> None:
    pace = Pace(16)
    ready = asyncio.Event()

    async def refused() -> None:
        with pytest.raises(Transient):
            async with pace.call(1):
                await ready.wait()
                raise Transient("busy", busy=True)

    async def work() -> None:
        tasks = [asyncio.create_task(refused()) for _ in range(16)]
        await asyncio.sleep(0.01)
        ready.set()
        await asyncio.gather(*tasks)

    run(work)
    assert pace.window == 8
    run(refused)
    assert pace.window == 4


def test_a_failure_of_another_kind_cuts_nothing() -> None:
    pace = Pace(16)

    async def failed() -> None:
        with pytest.raises(Transient):
            async with pace.call(1):
                raise Transient("HTTP 500")

    run(failed)
    assert pace.window == 16


def test_the_number_in_flight_finds_what_the_server_bears_and_grows_back() -> None:
    pace, bears = Pace(64), 10
    now = most = refused = done = 0

    async def one() -> None:
        nonlocal now, most, refused, done
        while True:
            try:
                async with pace.call(1):
                    now += 1
                    most = max(most, now)
                    try:
                        await asyncio.sleep(0.002)
                        if now > bears:
                            refused += 1
                            raise Transient("busy", busy=True)
                    finally:
                        now -= 1
                done += 1
                return
            except Transient:
                await asyncio.sleep(0.002)

    run(lambda: asyncio.gather(*(one() for _ in range(600))))
    assert (done, most) == (600, 64)
    assert refused < 250  # 64 + 32 + 16 at first; without cuts it is thousands
    assert 1 <= pace.window <= 2 * bears
    bears = 1000
    for _ in range(20):  # one more in flight for each round of calls that went well
        before = pace.window
        run(lambda: asyncio.gather(*(one() for _ in range(pace.window))))
        assert pace.window <= before + 1
    assert pace.window >= 20
    run(lambda: asyncio.gather(*(one() for _ in range(5000))))
    assert pace.window == 64
    assert most == 64


def test_nobody_begins_while_the_server_asked_for_peace() -> None:
    pace, begun = Pace(4, rpm=3_000), []  # one in 20 ms

    async def work() -> None:
        tasks = [asyncio.create_task(call(pace, 1, begun)) for _ in range(30)]
        await asyncio.sleep(0.07)
        pace.hold(0.3)
        held = time.perf_counter()
        await asyncio.gather(*tasks)
        late = [t for t in begun if t > held]
        assert len(late) >= 20
        assert late[0] > held + 0.298
        assert spaced(begun, 0.01)  # and they do not all come at its end

    run(work)


def test_callers_that_leave_leave_their_room_to_others() -> None:
    pace, begun = Pace(2), []

    async def stays() -> None:
        async with pace.call(1):
            await asyncio.sleep(0.05)

    async def work() -> None:
        tasks = [asyncio.create_task(stays()) for _ in range(6)]
        await asyncio.sleep(0.01)
        for task in (*tasks[:1], *tasks[2:]):  # one that runs, four that wait
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.wait_for(asyncio.gather(*(call(pace, 1, begun) for _ in range(9))), 1.0)

    run(work)
    assert len(begun) == 9


@pytest.mark.parametrize("options", [{"rpm": 0}, {"tpm": 0}, {"concurrency": 0}, {"timeout_s": 0}])
def test_bad_limits(options: dict[str, int]) -> None:
    with pytest.raises(BenchError, match="expected"):
        LitellmEngine("openai/x", Sampling(), **options)  # type: ignore[arg-type]


def ask(server: FaultyServer, n: int, **options: object) -> None:
    quick = Backoff(attempts=8, base_s=0.02, cap_s=0.2, patience_s=20.0)
    engine = LitellmEngine(
        "openai/stand-in",
        Sampling(max_tokens=100, api_base=server.base),
        backoff=quick,
        **options,  # type: ignore[arg-type]
    )
    asked = [(i, Request((Message("user", "x" * 400),))) for i in range(n)]
    replies = dict(engine.generate(asked))
    assert sorted(replies) == list(range(n))
    assert {(r.text, r.failed) for r in replies.values()} == {("Verdict: A", None)}


def test_an_engine_keeps_to_the_requests_of_a_minute() -> None:
    with FaultyServer([say("Verdict: A")]) as server:
        ask(server, 1)  # the library's first call takes seconds
        ask(server, 20, rpm=1_200)
    assert spaced(server.times[1:], 0.05 - 0.003)  # on their way one may be late and the next not


def test_an_engine_keeps_to_the_tokens_of_a_minute() -> None:
    # 100 + 100 tokens each as estimated: 200 ms at this pace; as the server says, it is this.
    for tokens, gap_s in [(100, 0.12), (300, 0.32)]:
        used = say("Verdict: A", prompt_tokens=tokens, completion_tokens=20)
        with FaultyServer([used]) as server:
            ask(server, 8, tpm=60_000, concurrency=1)
        assert spaced(server.times, gap_s - 0.003)
        assert not spaced(server.times, gap_s + 0.08)


@pytest.mark.parametrize("status", [429, 503])
def test_an_engine_asks_less_of_a_server_that_is_busy(status: int) -> None:
    refused: list[int] = []

    def bears_four(handler: object) -> None:
        if server.open > 4:
            refused.append(server.open)
            refuse(status)(handler)  # type: ignore[arg-type]
            return
        time.sleep(0.03)
        say("Verdict: A")(handler)  # type: ignore[arg-type]

    with FaultyServer([bears_four]) as server:
        ask(server, 60, concurrency=16)
    assert max(refused[-3:], default=0) < 10
    assert len(refused) < 40
