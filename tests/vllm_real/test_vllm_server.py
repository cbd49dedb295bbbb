"""The same model behind vLLM's own server, asked through the litellm engine as a user would."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from bench.prepare import cache_folder
from bench.spec import parse_spec
from bench.types import Context, Judge, Trial, Verdict
from judges.prompted_kinds import litellm, transformers

HERE = Context(cache=cache_folder())
CPU = {
    "VLLM_CPU_NUM_OF_RESERVED_CPU": "0",
    "VLLM_CPU_OMP_THREADS_BIND": ",".join(map(str, sorted(os.sched_getaffinity(0)))),
    "VLLM_CPU_KVCACHE_SPACE": "2",
    "VLLM_NO_USAGE_STATS": "1",
}
PATIENCE_S = 600


@pytest.fixture(scope="module")
def server(embedded_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of vLLM's server on loopback; its process group is gone afterwards."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = tmp_path_factory.mktemp("server") / "log.txt"
    command = [sys.executable, "-m", "vllm.entrypoints.openai.api_server"]
    command += ["--model", str(embedded_folder), "--served-model-name", "smol"]
    command += ["--host", "127.0.0.1", "--port", str(port), "--dtype", "float32"]
    command += ["--enforce-eager", "--max-logprobs", "500"]
    start = time.perf_counter()
    with log.open("w") as out:
        process = subprocess.Popen(
            command, stdout=out, stderr=out, env={**os.environ, **CPU}, start_new_session=True
        )
    try:
        wait_until_healthy(process, f"http://127.0.0.1:{port}/health", log)
        print(f"\nserver: healthy after {time.perf_counter() - start:.0f} s")
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def wait_until_healthy(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        if process.poll() is not None:
            break
        try:
            if httpx.get(url, timeout=5).status_code == 200:
                return
        except httpx.HTTPError:
            pass
        time.sleep(1)
    pytest.fail(f"the server did not come up:\n{log.read_text()[-3000:]}")


def judged(judge: Judge, trials: list[Trial]) -> list[Verdict]:
    found = {verdict.key: verdict for verdict in judge.judge(trials)}
    judge.close()
    return [found[trial.key] for trial in trials]


def test_probabilities_are_those_of_transformers(
    server: str, embedded: str, shown: list[Trial]
) -> None:
    options = "prompt=choice-letter,read=probabilities,min_mass=0"
    served = f"litellm:hosted_vllm/smol,api_base={server},{options},top_logprobs=500"
    start = time.perf_counter()
    ours = judged(litellm(parse_spec(served), HERE), shown)
    print(f"\nserver: {len(shown)} trials in {time.perf_counter() - start:.1f} s")
    plain = judged(transformers(parse_spec(f"transformers:{embedded},{options}"), HERE), shown)
    assert len(ours) == 64
    for one, other in zip(ours, plain, strict=True):
        assert one.utilities == pytest.approx(other.utilities, abs=1e-3)
        assert json.loads(one.raw)["mass"] == pytest.approx(json.loads(other.raw)["mass"], abs=1e-3)
        assert one.usage.prompt_tokens == other.usage.prompt_tokens


def test_text_is_that_of_transformers(server: str, embedded: str, shown: list[Trial]) -> None:
    some, options = shown[:6], "prompt=choice,read=text,max_tokens=12"
    served = f"litellm:hosted_vllm/smol,api_base={server},{options}"
    ours = judged(litellm(parse_spec(served), HERE), some)
    plain = judged(transformers(parse_spec(f"transformers:{embedded},{options}"), HERE), some)
    assert [(v.raw, v.status, v.utilities) for v in ours] == [
        (v.raw, v.status, v.utilities) for v in plain
    ]
    assert all(verdict.raw for verdict in ours)
