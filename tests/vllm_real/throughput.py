"""Speed of vLLM and of transformers on the same 64 trials, in turns: seconds of the clock, and of
processor time, which other work on the machine disturbs less.

    .venv-vllm/bin/python tests/vllm_real/throughput.py [THREADS] [ROUNDS]
"""

from __future__ import annotations

import os
import sys
import time
from typing import Any

import psutil
from vllm_trials import questions, shown

from bench.prepare import cache_folder
from bench.registry import cards
from bench.types import Context
from judges.engines.base import Request
from judges.engines.transformers import TransformersEngine
from judges.engines.vllm import VllmEngine


def main(threads: int, rounds: int) -> None:
    reference, asked = cards()["smollm2"]["argument"], questions(shown())
    context = Context(cache=cache_folder(), threads=threads)
    start = time.perf_counter()
    ours, plain = VllmEngine(reference, context), TransformersEngine(reference, context)
    timed(ours, asked[:1])
    print(f"vLLM: first score after {time.perf_counter() - start:.1f} s")
    timed(plain, asked[:1])
    for _ in range(rounds):
        ours._started.llm.reset_prefix_cache()
        for name, engine in (("vLLM", ours), ("transformers", plain)):
            wall, processor, tokens = timed(engine, asked)
            print(
                f"{name}, {threads} threads: {len(asked)} trials, {tokens} tokens in {wall:.1f} s "
                f"({processor:.1f} s of processor time), load {os.getloadavg()[0]:.1f}"
            )
    ours.close()


def timed(engine: Any, asked: list[Request]) -> tuple[float, float, int]:
    """Wall-clock seconds, processor seconds of this process and its children, prompt tokens."""
    start, used = time.perf_counter(), processor_s()
    scores = [scores for _, scores in engine.answer_logprobs(enumerate(asked))]
    tokens = sum(found.usage.prompt_tokens or 0 for found in scores)
    return time.perf_counter() - start, processor_s() - used, tokens


def processor_s() -> float:
    """Of all processes that run here."""
    own = psutil.Process()
    times = [process.cpu_times() for process in (own, *own.children(recursive=True))]
    return sum(t.user + t.system for t in times)


if __name__ == "__main__":
    arguments = [int(argument) for argument in sys.argv[1:]]
    main(*arguments, *(2, 3)[len(arguments) :])
