"""The engine over a provider's batch API, against a server that goes wrong on purpose."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from batch_server import BatchServer, answered, failed
from faulty_server import body, completion, hang, refuse

from bench.types import BenchError, Message, Status
from judges.engines.base import AnswerScores, Reply, Request
from judges.engines.litellm import Sampling
from judges.engines.provider_batch import BatchEngine
from judges.engines.retry import Backoff

KEY = "sk-a-key-that-nobody-may-see"
QUICK = Backoff(attempts=3, base_s=0.01, cap_s=0.02, patience_s=5.0)


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)


@pytest.fixture
def server() -> Iterator[BatchServer]:
    with BatchServer(echoed) as running:
        yield running
        assert {key for key in running.keys if key} <= {f"Bearer {KEY}"}


def echoed(asked: dict[str, Any]) -> dict[str, Any]:
    """A reply that says what was asked."""
    return answered(completion(f"{asked['messages'][0]['content']}!"))


def requests(n: int, start: int = 0) -> list[tuple[int, Request]]:
    return [(i, Request((Message("user", f"q{i}"),), ("A", "B"), i)) for i in range(start, n)]


def engine(
    server: BatchServer, folder: Path, sampling: Sampling | None = None, **options: Any
) -> BatchEngine:
    sampling = sampling or Sampling(api_base=server.base)
    quick = {"backoff": QUICK, "polls": QUICK, "timeout_s": 2.0, "say": lambda _: None, **options}
    return BatchEngine("openai/stand-in", sampling, folder=folder, **quick)


def ask(
    server: BatchServer, folder: Path, asked: Sequence[tuple[int, Request]], **options: Any
) -> dict[int, Reply]:
    replies = list(engine(server, folder, **options).generate(asked))
    assert len(replies) == len(asked)
    for _, reply in replies:
        assert KEY not in reply.note
        assert "http://" not in reply.note
    return dict(replies)


def texts(replies: dict[int, Reply]) -> dict[int, str]:
    return {i: reply.text for i, reply in sorted(replies.items())}


def echoes(n: int) -> dict[int, str]:
    return {i: f"q{i}!" for i in range(n)}


def test_answers_come_back_to_their_requests_with_their_tokens(
    server: BatchServer, tmp_path: Path
) -> None:
    said: list[str] = []
    replies = ask(server, tmp_path, requests(10), size=4, say=said.append)
    assert texts(replies) == echoes(10)
    usage = replies[3].usage
    assert (usage.prompt_tokens, usage.completion_tokens, usage.latency_s) == (11, 7, None)
    assert len(server.batches) == 3
    assert all(batch["completion_window"] == "24h" for batch in server.batches.values())
    expected = {"model": "stand-in", "temperature": 0.0, "max_tokens": 512}
    asked = server.asked()
    assert {b.pop("messages")[0]["content"] for b in asked} == {f"q{i}" for i in range(10)}
    assert all(b == expected for b in asked)
    assert "batch batch_0: 4 requests handed over" in said
    assert "batch batch_0: completed" in said


def test_each_request_has_its_own_seed_where_the_model_draws(
    server: BatchServer, tmp_path: Path
) -> None:
    ask(server, tmp_path, requests(3), sampling=Sampling(1.0, 9, None, server.base))
    assert sorted(asked["seed"] for asked in server.asked()) == [0, 1, 2]


def test_equal_requests_are_all_asked(server: BatchServer, tmp_path: Path) -> None:
    same = [(i, requests(1)[0][1]) for i in range(3)]
    assert texts(ask(server, tmp_path, same)) == {0: "q0!", 1: "q0!", 2: "q0!"}
    assert len(server.asked()) == 3


def test_another_question_is_another_request(server: BatchServer, tmp_path: Path) -> None:
    same = requests(1)
    ask(server, tmp_path, same)
    ask(server, tmp_path, same)
    assert len(server.batches) == 1
    ask(server, tmp_path, same, sampling=Sampling(0.0, 9, None, server.base))
    other = [(0, Request((Message("user", "Q0"),), ("A", "B"), 0))]
    assert texts(ask(server, tmp_path, other)) == {0: "Q0!"}
    assert len(server.batches) == 3


def test_probabilities(server: BatchServer, tmp_path: Path) -> None:
    def scored(asked: dict[str, Any]) -> dict[str, Any]:
        assert (asked["max_tokens"], asked["logprobs"], asked["top_logprobs"]) == (1, True, 5)
        top = [{"token": t, "logprob": math.log(p)} for t, p in (("A", 0.5), (" A", 0.25))]
        reply = completion("A", "length")
        reply["choices"][0]["logprobs"] = {"content": [{**top[0], "top_logprobs": top}]}
        return answered(reply)

    server.answer = scored
    scores = dict(engine(server, tmp_path, top_logprobs=5).answer_logprobs(requests(2)))
    assert scores[1].logprobs == (pytest.approx(math.log(0.75)), -math.inf)
    assert isinstance(scores[1], AnswerScores)


def test_no_probabilities_stop_the_judge(server: BatchServer, tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="read=text"):
        list(engine(server, tmp_path).answer_logprobs(requests(2)))


WHERE = ("POST files", "POST batches", "GET batches", "GET files")
PASSING: dict[str, Any] = {
    "500": refuse(500),
    "429": refuse(429, retry_after="0.1"),
    "a page": body("<html>", 502, "text/html"),
    "silence": hang(1.0),
    "half a JSON": body("{"),
    "a list": body("[1]"),
}


@pytest.mark.parametrize(
    ("what", "name"),
    # A file may hold anything: see below.
    [
        (w, n)
        for w in WHERE
        for n in PASSING
        if w != "GET files" or n not in ("half a JSON", "a list")
    ],
)
def test_failures_that_pass(server: BatchServer, tmp_path: Path, what: str, name: str) -> None:
    server.faults[what] = [PASSING[name]] * 2
    assert texts(ask(server, tmp_path, requests(3), timeout_s=0.3)) == echoes(3)
    assert len(server.batches) == 1


def test_a_batch_that_was_made_though_the_answer_failed_is_not_made_again(
    server: BatchServer, tmp_path: Path
) -> None:
    server.acts_all_the_same = True
    server.faults["POST batches"] = [refuse(500)]
    server.files["x"] = b""
    for metadata in ({"smallclaims": "other"}, None, "odd", {}):  # others' batches, on two pages
        server.make({"input_file_id": "x", "metadata": metadata})
    assert texts(ask(server, tmp_path, requests(3))) == echoes(3)
    assert len(server.batches) == 5


@pytest.mark.parametrize("what", WHERE)
def test_failures_that_stay_are_errors_and_lose_nothing(
    server: BatchServer, tmp_path: Path, what: str
) -> None:
    server.faults[what] = [refuse(500)] * 3
    replies = ask(server, tmp_path, requests(3))
    assert {reply.failed for reply in replies.values()} == {Status.ERROR}
    assert "HTTP 500" in replies[0].note
    assert "after 3 calls" in replies[0].note
    assert texts(ask(server, tmp_path, requests(3))) == echoes(3)
    assert len(server.batches) == 1


@pytest.mark.parametrize("status", [401, 402, 403])
@pytest.mark.parametrize("what", WHERE)
def test_what_no_retry_mends_stops_the_judge(
    server: BatchServer, tmp_path: Path, what: str, status: int
) -> None:
    server.faults[what] = [refuse(status, f"bad {KEY}")]
    with pytest.raises(BenchError, match="OPENAI_API_KEY") as caught:
        ask(server, tmp_path, requests(3))
    assert KEY not in str(caught.value)
    assert texts(ask(server, tmp_path, requests(3))) == echoes(3)
    assert len(server.batches) == 1


def test_a_server_without_batches(server: BatchServer, tmp_path: Path) -> None:
    server.faults["POST files"] = [refuse(404)]
    with pytest.raises(BenchError, match="no batch API"):
        ask(server, tmp_path, requests(3))


def test_a_server_that_is_not_there(tmp_path: Path) -> None:
    with BatchServer() as server:
        pass
    replies = ask(server, tmp_path, requests(2))
    assert {reply.failed for reply in replies.values()} == {Status.ERROR}


def test_a_refused_file_is_an_error_with_the_reason(server: BatchServer, tmp_path: Path) -> None:
    server.faults["POST batches"] = [refuse(400, f"limit reached for {KEY} at http://x/y")]
    replies = ask(server, tmp_path, requests(2))
    assert "limit reached for ***" in replies[0].note
    assert texts(ask(server, tmp_path, requests(2))) == echoes(2)


@pytest.mark.parametrize(("status", "n"), [("expired", 2), ("cancelled", 2), ("failed", 0)])
def test_a_batch_that_ends_otherwise_gives_what_it_has(
    server: BatchServer, tmp_path: Path, status: str, n: int
) -> None:
    server.steps = ["in_progress", "cancelling", status]
    server.ends = lambda lines: lines[1:]  # the last request has no line
    replies = ask(server, tmp_path, requests(3))
    assert [i for i, reply in replies.items() if reply.failed is None] == list(range(n))
    assert status in replies[2].note
    assert ("line 1 is not to our liking" in replies[2].note) == (status == "failed")
    server.steps, server.ends = ["completed"], lambda lines: lines
    assert texts(ask(server, tmp_path, requests(3))) == echoes(3)
    assert len(server.asked()) == 3 + 3 - n  # only those without an answer are asked again


def test_lines_that_are_none_are_left_out_with_a_note(server: BatchServer, tmp_path: Path) -> None:
    said: list[str] = []
    stranger = json.dumps({"custom_id": "x", **answered(completion("no"))})
    deep = "[" * 100_000
    odd = ["", "{", "5", '"x"', "null", "{}", '{"custom_id": 7}', deep, stranger, "\ud800"]
    server.ends = lambda lines: [*odd, lines[0], *lines, lines[1][:40]]
    assert texts(ask(server, tmp_path, requests(3), say=said.append)) == echoes(3)
    notes = [what for what in said if "ignored" in what]
    assert notes == [
        "batch batch_0: 9 lines that are no result, ignored",
        "batch batch_0: 1 lines of a request that was not in it, ignored",
        "batch batch_0: 1 lines of a request that had one already, ignored",
    ]


LINES: dict[str, tuple[dict[str, Any], Status | None]] = {
    "cut": (answered(completion("long", "length")), None),
    "filtered reply": (answered(completion("", "content_filter")), Status.REFUSED),
    "no choices": (answered({**completion("A"), "choices": []}), Status.ERROR),
    "an empty body": (answered({}), Status.ERROR),
    "no body": ({"response": {"status_code": 200}, "error": None}, Status.ERROR),
    "no response": ({"response": None, "error": None}, Status.ERROR),
    "text for a number": (answered(completion("A", prompt_tokens="many")), None),
    "a number for text": (answered(completion(5)), Status.ERROR),  # type: ignore[arg-type]
    "too long": (
        answered({"error": {"code": "context_length_exceeded", "message": "m"}}, 400),
        Status.TRUNCATED,
    ),
    "filtered": (
        answered({"error": {"code": "content_filter", "message": "m"}}, 400),
        Status.REFUSED,
    ),
    "bad request": (answered({"error": {"code": None, "message": f"{KEY}"}}, 400), Status.ERROR),
    "refused once": (answered({"error": {"message": "m"}}, 403), Status.ERROR),
    "busy": (answered({"error": {"message": "m"}}, 503), Status.ERROR),
    "expired": (failed("batch_expired", "not done in time"), Status.ERROR),
}


@pytest.mark.parametrize("name", LINES)
def test_what_a_line_says(server: BatchServer, tmp_path: Path, name: str) -> None:
    line, status = LINES[name]
    server.answer = lambda asked: line if asked["messages"][0]["content"] == "q1" else echoed(asked)
    replies = ask(server, tmp_path, requests(3))
    assert (replies[1].failed, bool(replies[1].note)) == (status, status is not None)
    assert replies[1].cut == (name == "cut")
    assert texts(replies) == {**echoes(3), 1: replies[1].text}
    server.answer = echoed
    again = ask(server, tmp_path, requests(3))
    assert (again[1].text == "q1!") == (status is Status.ERROR)


def test_one_who_leaves_finds_the_same_batches_again(server: BatchServer, tmp_path: Path) -> None:
    server.steps = ["completed"]
    replies = engine(server, tmp_path, size=4).generate(requests(10))
    first = dict(islice(replies, 3))
    replies.close()  # type: ignore[attr-defined]
    rest = [asked for asked in requests(12) if asked[0] not in first]  # and two new ones
    again = ask(server, tmp_path, rest, size=4)
    assert {**texts(first), **texts(again)} == echoes(12)
    assert len(server.asked()) == 12


KILLED = """
import sys
from pathlib import Path
sys.path[:0] = [{servers!r}, {tests!r}]
import test_batches
engine = test_batches.BatchEngine(
    "openai/stand-in", test_batches.Sampling(api_base={base!r}), folder=Path({folder!r}), size=5,
    polls=test_batches.QUICK, say=print)
list(engine.generate(test_batches.requests(10)))
"""


def test_nothing_is_paid_for_twice_when_a_process_is_killed(
    server: BatchServer, tmp_path: Path
) -> None:
    """Killed while it waits for one batch, and for the answer that the other has been made."""
    server.steps, server.acts_all_the_same = ["in_progress"], True
    server.faults["POST batches"] = [hang(30)]
    here = Path(__file__).parent
    servers = str(here.parent / "servers")
    code = KILLED.format(servers=servers, tests=str(here), base=server.base, folder=str(tmp_path))
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.DEVNULL) as process:
        end = time.monotonic() + 60
        while not (looked(server) and len(server.batches) == 2) and time.monotonic() < end:
            time.sleep(0.02)
        os.kill(process.pid, signal.SIGKILL)
    assert len(server.batches) == 2
    server.steps = ["completed"]
    assert texts(ask(server, tmp_path, requests(10), size=5)) == echoes(10)
    assert len(server.batches) == 2


def looked(server: BatchServer) -> bool:
    return any(request.startswith("GET batches/") for request in server.requests)


def test_a_killed_process_left_a_batch_far_down_the_list(
    server: BatchServer, tmp_path: Path
) -> None:
    server.acts_all_the_same = True
    server.faults["POST batches"] = [refuse(500)]
    server.faults["GET batches"] = [refuse(500)] * 9  # whether it was made cannot be found out
    replies = ask(server, tmp_path, requests(3))
    assert {reply.failed for reply in replies.values()} == {Status.ERROR}
    server.faults.clear()
    server.files["x"] = b""
    for _ in range(5):  # others' batches, newer than ours
        server.make({"input_file_id": "x"})
    assert texts(ask(server, tmp_path, requests(3))) == echoes(3)
    assert len(server.batches) == 6


@pytest.mark.parametrize("page", ['{"data": 5}', '{"data": [5]}', '{"data": [], "has_more": true}'])
def test_a_list_of_batches_that_is_none_ends(
    server: BatchServer, tmp_path: Path, page: str
) -> None:
    server.faults["POST batches"] = [refuse(500)] * 3
    server.faults["GET batches"] = [body(page)] * 2
    assert ask(server, tmp_path, requests(2))[0].failed is Status.ERROR
    server.faults["GET batches"] = [body(page)] * 9
    ask(server, tmp_path, requests(2))
    server.faults.clear()
    assert texts(ask(server, tmp_path, requests(2))) == echoes(2)
    assert len(server.batches) == 1


def test_a_dead_process_that_made_no_batch_costs_nothing(
    server: BatchServer, tmp_path: Path
) -> None:
    server.faults["POST batches"] = [refuse(500)] * 3
    assert ask(server, tmp_path, requests(2))[0].failed is Status.ERROR
    server.lists = False  # and the server does not say what it has
    assert texts(ask(server, tmp_path, requests(2))) == echoes(2)
    assert len(server.batches) == 1


def test_results_that_are_gone_are_asked_for_again(server: BatchServer, tmp_path: Path) -> None:
    server.steps = ["completed"]
    ask(server, tmp_path, requests(2))
    for name in [name for name in server.files if name.startswith("results")]:
        del server.files[name]
    assert "dropped" in ask(server, tmp_path, requests(2))[0].note
    assert texts(ask(server, tmp_path, requests(2))) == echoes(2)


def test_another_account_is_told(server: BatchServer, tmp_path: Path) -> None:
    ask(server, tmp_path, requests(2))
    server.batches.clear()
    with pytest.raises(BenchError, match="Use the key that it was made with, or delete"):
        ask(server, tmp_path, requests(2))


def test_what_is_written_down_holds_no_key_and_no_text(server: BatchServer, tmp_path: Path) -> None:
    ask(server, tmp_path, requests(2))
    (file,) = tmp_path.iterdir()
    record = json.loads(file.read_text())
    assert set(record) == {"batch", "at", "requests"}
    assert len(record["requests"]) == 2
    assert KEY not in file.read_text()
    old = {**record, "at": time.time() - 31 * 86_400}
    file.write_text(json.dumps(old))
    assert texts(ask(server, tmp_path, requests(2))) == echoes(2)
    assert not file.exists()
    assert len(server.batches) == 2


def test_a_damaged_record_is_told(server: BatchServer, tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text('{"batch"')
    with pytest.raises(BenchError, match=r"x\.json"):
        ask(server, tmp_path, requests(2))
    assert server.requests == []


@pytest.mark.parametrize(
    ("model", "options", "told"),
    [
        ("anthropic/x", {}, "api_base"),
        ("nobody/x", {}, "no provider"),
        ("openai/x", {"size": 0}, "1 or more requests"),
        ("openai/x", {"timeout_s": 0}, "more than 0 s"),
    ],
)
def test_bad_options(
    model: str, options: dict[str, Any], told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
    with pytest.raises(BenchError, match=told):
        BatchEngine(model, Sampling(), folder=tmp_path, say=print, **options)


def test_half_the_price() -> None:
    assert BatchEngine.price_share == 0.5
