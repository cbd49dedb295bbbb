"""Hedging: who answers first counts, and both calls are charged."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest
from faulty_server import FaultyServer, hang, refuse, say

from bench.spec import parse_spec
from bench.types import BenchError, Context, Message, Usage
from judges.engines.base import Reply, Request
from judges.engines.hedge import charged, hedged
from judges.engines.limits import Pace
from judges.engines.litellm import LitellmEngine, Sampling
from judges.engines.retry import Backoff
from judges.prompted_kinds import litellm


class Calls:
    """Calls by what each does: seconds, then an answer or a failure. `ended`: who was cut off."""

    def __init__(self, *script: tuple[float, str | Exception], queue_s: float = 0.0) -> None:
        self.script, self.made, self.cancelled = script, 0, []  # type: ignore[var-annotated]
        self.queue_s = queue_s

    async def __call__(self, sent: asyncio.Event) -> str:
        number = self.made
        seconds, outcome = self.script[number]
        self.made += 1
        try:
            await asyncio.sleep(self.queue_s)
            sent.set()
            await asyncio.sleep(seconds)
        except asyncio.CancelledError:
            self.cancelled.append(number)
            raise
        if isinstance(outcome, Exception):
            raise outcome
        return outcome


@pytest.mark.parametrize(
    ("script", "after_s", "found", "cancelled"),
    [
        ([(0.0, "first")], None, ("first", 1), []),
        ([(0.0, "first")], 5.0, ("first", 1), []),
        ([(5.0, "first"), (0.0, "second")], 0.05, ("second", 2), [0]),
        ([(0.15, "first"), (5.0, "second")], 0.05, ("first", 2), [1]),
        ([(0.15, ValueError("a")), (0.3, "second")], 0.05, ("second", 1), []),
        ([(0.3, "first"), (0.0, ValueError("b"))], 0.05, ("first", 1), []),
    ],
)
def test_the_first_answer_counts(
    script: list[tuple[float, str | Exception]],
    after_s: float | None,
    found: tuple[str, int],
    cancelled: list[int],
) -> None:
    calls = Calls(*script)
    assert asyncio.run(hedged(calls, after_s)) == found
    assert calls.cancelled == cancelled
    assert calls.made == len(script)


def test_waiting_for_a_turn_is_no_slowness() -> None:
    calls = Calls((0.0, "first"), queue_s=0.3)
    assert asyncio.run(hedged(calls, 0.05)) == ("first", 1)


def test_a_second_call_that_was_not_sent_is_not_charged() -> None:
    class Slow(Calls):
        async def __call__(self, sent: asyncio.Event) -> str:
            self.queue_s = 5.0 * self.made
            return await super().__call__(sent)

    calls = Slow((0.2, "first"), (0.0, "second"))
    assert asyncio.run(hedged(calls, 0.05)) == ("first", 1)
    assert calls.made == 2


@pytest.mark.parametrize(
    ("script", "raised"),
    [
        ([(0.0, ValueError("alone"))], "alone"),
        ([(0.1, ValueError("sooner")), (0.3, ValueError("later"))], "later"),
        ([(0.3, ValueError("later")), (0.0, ValueError("sooner"))], "later"),
    ],
)
def test_failures(script: list[tuple[float, str | Exception]], raised: str) -> None:
    with pytest.raises(ValueError, match=raised):
        asyncio.run(hedged(Calls(*script), 0.05))


def test_who_is_stopped_leaves_no_call_behind() -> None:
    calls = Calls((5.0, "first"), (5.0, "second"))

    async def main() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await hedged(calls, 0.05)

    asyncio.run(main())
    assert sorted(calls.cancelled) == [0, 1]


def test_a_turn_that_is_not_taken_is_another_ones() -> None:
    pace = Pace(1)

    async def takes() -> None:
        async with pace.call(1):
            pass

    async def main() -> None:
        async with pace.call(1):
            waiting = [asyncio.ensure_future(takes()) for _ in range(2)]
            await asyncio.sleep(0.01)
        waiting[0].cancel()  # just after its turn was given to it
        await asyncio.wait_for(waiting[1], 1.0)

    asyncio.run(main())


def test_tokens_of_both_are_charged() -> None:
    usage = Usage(10, 4, 6, None, latency_s=1.5)
    assert charged(usage, 1) == usage
    assert charged(usage, 2) == Usage(20, 8, 12, None, latency_s=1.5)


def asked(server: FaultyServer, hedge_s: float | None) -> tuple[Reply, float, float | None]:
    """The reply, the seconds it took, and what the library says that it cost."""
    engine = LitellmEngine(
        "openai/gpt-4o",
        Sampling(api_base=server.base),
        hedge_s=hedge_s,
        timeout_s=20.0,
        backoff=Backoff(base_s=0.02),
    )
    start = time.monotonic()
    ((_, reply),) = engine.generate([(0, Request((Message("user", "A or B?"),)))])
    return reply, time.monotonic() - start, engine.library_usd


def test_a_slow_server_is_asked_twice_and_charged_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-nobody")
    with FaultyServer([say("A")]) as server:
        _, _, once_usd = asked(server, None)
        _, _, quick_usd = asked(server, 10.0)
        assert len(server.times) == 2
    assert once_usd == quick_usd
    assert once_usd is not None
    with FaultyServer([hang(15.0), say("A")]) as server:
        reply, seconds, usd = asked(server, 0.3)
        assert len(server.times) == 2
    assert (reply.text, reply.failed) == ("A", None)
    assert (reply.usage.prompt_tokens, reply.usage.completion_tokens) == (22, 14)
    assert usd == pytest.approx(2 * once_usd)
    assert seconds < 10
    assert 0.3 < (reply.usage.latency_s or 0) < 10


def test_a_second_call_that_is_refused_leaves_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-nobody")

    def slow(handler: Any) -> None:
        time.sleep(1.0)
        say("A")(handler)

    with FaultyServer([slow, refuse(429)]) as server:
        reply, _, _ = asked(server, 0.3)
        assert len(server.times) == 2
    assert (reply.text, reply.failed) == ("A", None)


@pytest.mark.parametrize("hedge", ["0", "-1", "120", "nan", "inf"])
def test_bad_values(hedge: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-nobody")
    with pytest.raises(BenchError, match=r"hedge.*expected"):
        litellm(parse_spec(f"litellm:openai/x,hedge={hedge}"), Context(cache=tmp_path))


def test_batches_are_not_hedged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-nobody")
    with pytest.raises(BenchError, match="hedge: a batch"):
        litellm(parse_spec("litellm:openai/x,hedge=5,batch=true"), Context(cache=tmp_path))
