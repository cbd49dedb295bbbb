"""What our engine costs over the client library alone: calls per second of both, and their ratio.

A stub in its own process answers every call after 50 ms. At each concurrency it is asked in turn by
(a) a bare asyncio loop over litellm.acompletion with a semaphore and (b) the runner with a prompted
judge, which also makes trials, renders the prompt, hands answers to another thread, parses them and
commits them to a ledger. Prints a line of JSON for each; `ratio`: the rate of (b) over that of (a)
beside it, the median of the rounds, and `cpu_ms`: processor time of this process for one verdict.

    python tests/perf/api_overhead.py [--calls 600] [--rounds 6] [--concurrency 64 256]
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import socket
import statistics
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.ledger import Ledger
from bench.plan import Plan, trials
from bench.runner import Limits, carry_out
from bench.spec import parse_spec
from bench.types import Context, Item, JudgeCard, Label, Message, Response

DELAY_S = 0.05
MODEL = "openai/stub"


def serve(port: int) -> None:
    """The stub: reads a request, waits, answers; connections stay open."""
    message = {"role": "assistant", "content": "Both are fair, A is right.\nVerdict: A"}
    counts = {"prompt_tokens": 300, "completion_tokens": 12, "total_tokens": 312}
    reply = {
        "id": "x",
        "object": "chat.completion",
        "created": 1,
        "model": "stub",
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": counts,
    }
    data = json.dumps(reply).encode()
    head = (
        f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(data)}\r\n\r\n"
    )

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            try:
                asked = await reader.readuntil(b"\r\n\r\n")
            except (asyncio.IncompleteReadError, ConnectionError):
                writer.close()
                return
            lengths = [line for line in asked.lower().split(b"\r\n") if b"content-length" in line]
            await reader.readexactly(int(lengths[0].split(b":")[1]) if lengths else 0)
            await asyncio.sleep(DELAY_S)
            writer.write(head.encode() + data)

    async def main() -> None:
        server = await asyncio.start_server(answer, "127.0.0.1", port, backlog=1024)
        await server.serve_forever()

    asyncio.run(main())


def items(n: int) -> list[Item]:
    """n pairs with prompts of about 1,500 characters, 2 n calls."""
    made = []
    for i in range(n):
        texts = (f"first answer {i} " * 25, f"second answer {i} " * 25)
        responses = tuple(Response(str(k), text) for k, text in enumerate(texts))
        label = Label("gold", (1.0, 0.0))
        made.append(
            Item(f"i{i}", "t", "d", (Message("user", f"question {i}"),), responses, (label,))
        )
    return made


def bare(base: str, n: int, concurrency: int) -> float:
    """Calls per second of the library alone, on conversations made beforehand."""
    import litellm

    from judges.prompt import load_prompt

    prompt = load_prompt("choice")
    card = JudgeCard("j", "k", ("pairwise",))
    asked = [
        [{"role": m.role, "content": m.content} for m in prompt.render(trial)]
        for _, trial in trials(items(n // 2), card)
    ]

    async def main() -> None:
        slots = asyncio.Semaphore(concurrency)

        async def one(messages: list[dict[str, str]]) -> None:
            async with slots:
                await litellm.acompletion(
                    model=MODEL,
                    messages=messages,
                    api_base=base,
                    temperature=0.0,
                    max_tokens=512,
                    timeout=120.0,
                    num_retries=0,
                    max_retries=0,
                )

        await asyncio.gather(*map(one, asked))
        await litellm.close_litellm_async_clients()
        litellm.in_memory_llm_clients_cache.flush_cache()

    start = time.perf_counter()
    asyncio.run(main())
    return n / (time.perf_counter() - start)


def ours(base: str, n: int, concurrency: int) -> float:
    """Calls per second through runner, judge, engine and ledger, everything committed."""
    from judges.prompted_kinds import litellm

    text = f"litellm:{MODEL},api_base={base},concurrency={concurrency}"
    judge = litellm(parse_spec(text), Context())
    with TemporaryDirectory() as folder, Ledger(Path(folder) / "l.sqlite", write=True) as ledger:
        made = items(n // 2)
        ledger.write_plan(Plan((text,), ("t",)), made, [judge.card])
        start = time.perf_counter()
        stops = carry_out(made, [judge], ledger, repeats=1, limits=Limits(), show=lambda _: None)
        seconds = time.perf_counter() - start
        if stops or [row[3] for row in ledger.showings(judge.card.name)] != ["ok"] * n:
            raise SystemExit("a call failed: the figures would mean nothing")
    return n / seconds


def measure(calls: int, rounds: int, concurrency: int) -> dict[str, float | int]:
    """Both in turn, several rounds since a shared machine drifts; one first, uncounted."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    stub = subprocess.Popen([sys.executable, __file__, "--serve", str(port)])
    try:
        _wait_for(port)
        base = f"http://127.0.0.1:{port}/v1"
        for run in (ours, bare):
            run(base, concurrency, concurrency)
        # A full collection takes 0.2 s with the library loaded, and falls on either by chance.
        gc.collect()
        gc.freeze()
        rates: dict[str, list[float]] = {"bare": [], "ours": []}
        cpu: dict[str, list[float]] = {"bare": [], "ours": []}
        for turn in range(2 * rounds):
            run = (bare, ours)[(turn + turn // 2) % 2]  # a b b a a b ...
            start = time.process_time()
            rates[run.__name__].append(run(base, calls, concurrency))
            cpu[run.__name__].append((time.process_time() - start) * 1e3 / calls)
    finally:
        stub.terminate()
        stub.wait()
    ratios = [mine / theirs for mine, theirs in zip(rates["ours"], rates["bare"], strict=True)]
    return {
        "concurrency": concurrency,
        "ratio": round(statistics.median(ratios), 3),
        **{f"{k}_per_s": round(statistics.median(v), 1) for k, v in rates.items()},
        **{f"{k}_cpu_ms": round(statistics.median(v), 2) for k, v in cpu.items()},
        "calls": calls,
        "rounds": rounds,
    }


def _wait_for(port: int) -> None:
    for _ in range(200):
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return
        except ConnectionRefusedError:
            time.sleep(0.05)
    raise SystemExit("the stub server did not start")


def main() -> None:
    """Parse the command line, measure, print a line of JSON for each concurrency."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--calls", type=int, default=600)
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--concurrency", type=int, nargs="+", default=[64, 256])
    parser.add_argument("--serve", type=int, metavar="PORT", help="be the stub, on this port")
    given = parser.parse_args()
    if given.serve:
        serve(given.serve)
        return
    os.environ.setdefault("OPENAI_API_KEY", "stub")
    for concurrency in given.concurrency:
        print(json.dumps(measure(given.calls, given.rounds, concurrency)), flush=True)


if __name__ == "__main__":
    main()
