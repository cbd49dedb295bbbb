"""The same model behind vLLM's own server, asked through the litellm engine as a user would."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from serving import served

from bench.prepare import cache_folder
from bench.spec import parse_spec
from bench.types import Context, Judge, Trial, Verdict
from judges.prompted_kinds import litellm, transformers

HERE = Context(cache=cache_folder())


@pytest.fixture(scope="module")
def server(embedded_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of the server."""
    log = tmp_path_factory.mktemp("server") / "log.txt"
    with served(embedded_folder, "smol", log, "--max-logprobs", "500") as base:
        yield f"{base}/v1"


def judged(judge: Judge, trials: list[Trial]) -> list[Verdict]:
    found = {verdict.key: verdict for verdict in judge.judge(trials)}
    judge.close()
    return [found[trial.key] for trial in trials]


def test_probabilities_are_those_of_transformers(
    server: str, embedded: str, shown: list[Trial]
) -> None:
    options = "prompt=choice-letter,read=probabilities,min_mass=0"
    asked = f"litellm:hosted_vllm/smol,api_base={server},{options},top_logprobs=500"
    start = time.perf_counter()
    ours = judged(litellm(parse_spec(asked), HERE), shown)
    print(f"\nserver: {len(shown)} trials in {time.perf_counter() - start:.1f} s")
    plain = judged(transformers(parse_spec(f"transformers:{embedded},{options}"), HERE), shown)
    assert len(ours) == 64
    for one, other in zip(ours, plain, strict=True):
        assert one.utilities == pytest.approx(other.utilities, abs=1e-3)
        assert json.loads(one.raw)["mass"] == pytest.approx(json.loads(other.raw)["mass"], abs=1e-3)
        assert one.usage.prompt_tokens == other.usage.prompt_tokens


def test_text_is_that_of_transformers(server: str, embedded: str, shown: list[Trial]) -> None:
    some, options = shown[:6], "prompt=choice,read=text,max_tokens=12"
    asked = f"litellm:hosted_vllm/smol,api_base={server},{options}"
    ours = judged(litellm(parse_spec(asked), HERE), some)
    plain = judged(transformers(parse_spec(f"transformers:{embedded},{options}"), HERE), some)
    assert [(v.raw, v.status, v.utilities) for v in ours] == [
        (v.raw, v.status, v.utilities) for v in plain
    ]
    assert all(verdict.raw for verdict in ours)
