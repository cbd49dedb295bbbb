"""The reward judge that asks a vLLM server, against a stand-in that fails on purpose. The server
itself is tested by `make test-vllm`."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="torch is not installed (extra: local)")
pytest.importorskip("transformers", reason="transformers is not installed (extra: local)")

import random_bert
from faulty_server import Behaviour, FaultyServer, body, cut, drip, hang, refuse, scores

from bench.spec import parse_spec
from bench.types import BenchError, Context, Item, Judge, Message, Response, Status, Trial, Verdict
from judges import reward
from judges.engines.retry import Backoff
from judges.engines.vllm_server import VllmServer
from judges.models import find
from judges.reward import Options
from judges.reward_input import Reader
from judges.reward_vllm import VllmRewardJudge

KEY = "sk-a-key-that-nobody-may-see"
QUICK = Backoff(attempts=3, base_s=0.01, cap_s=0.02, patience_s=5.0)
TEMPLATE = "{% for m in messages %}{{ m.role + ' ' + m.content + '[SEP]' }}{% endfor %}"


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOSTED_VLLM_API_KEY", KEY)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a model that reads a pair of texts."""
    return random_bert.save(tmp_path_factory.mktemp("encoder"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a model with a chat template."""
    made = random_bert.save(tmp_path_factory.mktemp("chat"))
    (made / "chat_template.jinja").write_text(TEMPLATE)
    return made


def trial(response: str = "yes, 4", n: int = 0) -> Trial:
    responses = (Response("0", response), Response("1", "no"))
    item = Item(f"i{n}", "t", "d", (Message("user", "is it a number?"),), responses)
    return Trial(f"k{n}", item, (0,), "pointwise", 0, 0)


def judge(folder: Path, base: str, timeout_s: float = 5.0, limit: int | None = None) -> Judge:
    """As a user's, with less patience."""
    source = find(str(folder))
    options = Options(engine="vllm", api_base=base, max_length=limit)
    scorer = VllmServer(
        source,
        Context(),
        base,
        "rm",
        limit=limit,
        concurrency=4,
        timeout_s=timeout_s,
        backoff=QUICK,
    )
    return VllmRewardJudge(parse_spec(f"reward:{folder}"), options, source, Context(), scorer)


def ask(folder: Path, server: FaultyServer, response: str = "yes, 4", **how: float) -> Verdict:
    (verdict,) = judge(folder, server.base, **how).judge([trial(response)])  # type: ignore[arg-type]
    for text in (verdict.note, verdict.raw):
        assert KEY not in text
    return verdict


def read(folder: Path, response: str = "yes, 4") -> list[int]:
    from transformers import AutoTokenizer

    shown = trial(response)
    reader = Reader(AutoTokenizer.from_pretrained(folder), -1, "rm")
    return reader.read(shown.item.prompt, shown.shown[0].text).ids


def test_a_conversation_is_sent_as_tokens_and_its_score_is_the_logit(folder: Path) -> None:
    with FaultyServer([scores(-1.25)]) as server:
        verdict = ask(folder, server)
    assert (verdict.status, verdict.utilities, verdict.raw) == (Status.OK, (-1.25,), "-1.25")
    ids = read(folder)
    assert server.asked == [
        {"model": "rm", "input": ids, "task": "classify", "use_activation": False}
    ]
    assert (server.paths, server.keys) == (["/pooling"], [f"Bearer {KEY}"])
    usage = verdict.usage
    assert (usage.prompt_tokens, usage.completion_tokens) == (len(ids), 0)
    assert usage.latency_s


def test_a_pair_is_sent_as_two_texts(encoder: Path) -> None:
    with FaultyServer([scores(2.5, tokens=len(read(encoder, "\ud800")))]) as server:
        verdict = ask(encoder, server, "\ud800")
    assert verdict.utilities == (2.5,)
    texts = {"text_1": "is it a number?", "text_2": "?"}
    assert server.asked == [{"model": "rm", "use_activation": False, **texts}]
    assert server.paths == ["/score"]


def test_a_pair_that_the_server_read_otherwise_is_no_verdict(encoder: Path) -> None:
    """Its tokenizer takes a special token that is spelt out for one."""
    hostile = "yes [SEP] no"
    ours = read(encoder, hostile)
    theirs = len(ours) - len("[SEP]") + 1  # each letter of it is a token in this vocabulary
    with FaultyServer([scores(2.5, tokens=theirs)]) as server:
        verdict = ask(encoder, server, hostile)
    assert (verdict.status, verdict.utilities) == (Status.ERROR, None)
    assert f"read {theirs} tokens where the model's own tokenizer makes {len(ours)}" in verdict.note


def test_with_and_without_v1_it_is_one_server_and_one_judge(folder: Path) -> None:
    with FaultyServer([scores(1.0)]) as server:
        root = server.base.removesuffix("/v1")
        for base in (root, f"{root}/", f"{root}/v1", f"{root}/v1/"):
            (verdict,) = judge(folder, base).judge([trial()])
            assert verdict.utilities == (1.0,)
    assert set(server.paths) == {"/pooling"}
    bases = (root, f"{root}/v1/", "http://other:1")
    identities = [judge(folder, base).card.identity for base in bases]
    assert identities[0] == identities[1] != identities[2]


def test_many_are_asked_at_a_time(folder: Path) -> None:
    def slow(handler: object) -> None:
        handler.server.closing.wait(0.05)  # type: ignore[attr-defined]
        scores(1.0)(handler)  # type: ignore[arg-type]

    with FaultyServer([slow]) as server:
        found = list(judge(folder, server.base).judge(trial(n=n) for n in range(20)))
    assert sorted(v.key for v in found) == sorted(f"k{n}" for n in range(20))
    assert 1 < server.busiest <= 4


def test_a_busy_server_is_given_the_time_that_it_asks_for(folder: Path) -> None:
    with FaultyServer([refuse(429, retry_after="0.6"), scores(1.0)]) as server:
        verdict = ask(folder, server)
    assert (verdict.utilities, len(server.times)) == ((1.0,), 2)
    assert server.times[1] - server.times[0] > 0.6
    assert (verdict.usage.latency_s or 0) > 0.6


@pytest.mark.parametrize("behaviour", [refuse(503), hang(3), drip(3)], ids=["503", "hang", "drip"])
def test_failures_that_pass(folder: Path, behaviour: Behaviour) -> None:
    with FaultyServer([behaviour, scores(1.0)]) as server:
        verdict = ask(folder, server, timeout_s=0.3)
    assert (verdict.utilities, len(server.times)) == ((1.0,), 2)


def answer(**changed: object) -> Behaviour:
    said = {"data": [{"data": [1.0]}], "usage": {"prompt_tokens": 1}}
    return body(json.dumps({**said, **changed}))


WRONG = {
    "half a JSON": body('{"data": ['),
    "a page": body("<html>busy</html>", kind="text/html"),
    "an empty body": body(""),
    "a list": body("[1]"),
    "deep": body("[" * 100_000),
    "a chat completion": body('{"choices": [], "usage": {"prompt_tokens": 1}}'),
    "no data": answer(data=[]),
    "two sequences": answer(data=[{"data": [1.0]}] * 2),
    "an embedding in base64": answer(data=[{"data": "AAAA"}]),
    "numbers for each token": answer(data=[{"data": [[1.0], [2.0]]}]),
    "no usage": answer(usage=None),
    "cut": cut(),
    "500": refuse(500),
    "elsewhere": body("", 307, Location="http://127.0.0.1:1/"),
}


@pytest.mark.parametrize("name", WRONG)
def test_failures_that_stay_are_errors_after_the_last_attempt(folder: Path, name: str) -> None:
    with FaultyServer([WRONG[name]]) as server:
        verdict = ask(folder, server)
    assert (verdict.status, verdict.utilities, len(server.times)) == (Status.ERROR, None, 3)
    assert "after 3 calls" in verdict.note


def test_a_server_that_is_not_there(folder: Path) -> None:
    with FaultyServer([scores(1.0)]) as server:
        base = server.base
    (verdict,) = judge(folder, base).judge([trial()])
    assert (verdict.status, verdict.note) == (Status.ERROR, "ConnectError after 3 calls")


LONG = "This model's maximum context length is 8 tokens. However, your prompt contains 9"
NAN = "Out of range float values are not JSON compliant"  # what vLLM 0.32 says of it


@pytest.mark.parametrize(
    ("behaviour", "status", "said"),
    [
        (refuse(400, LONG, param="input_tokens"), Status.TRUNCATED, "longer than the model reads"),
        (refuse(413), Status.TRUNCATED, "longer than the model reads"),
        (refuse(400, f"bad {KEY} at http://x/y"), Status.ERROR, "HTTP 400: bad *** at (address)"),
        (
            refuse(400, "Out of range float values are not JSON compliant"),
            Status.UNPARSED,
            "no num",
        ),
        (scores(math.nan), Status.UNPARSED, "no numbers"),
        (scores(math.inf), Status.UNPARSED, "no numbers"),
        (scores(None), Status.UNPARSED, "no numbers"),
    ],
)
def test_what_a_server_says_once(
    folder: Path, behaviour: Behaviour, status: Status, said: str
) -> None:
    with FaultyServer([behaviour]) as server:
        verdict = ask(folder, server)
    assert (verdict.status, verdict.utilities, len(server.times)) == (status, None, 1)
    assert said in verdict.note


@pytest.mark.parametrize("numbers", [(), (1.0, 2.0)])
def test_a_model_that_gives_another_number_of_scores_stops_the_judge(
    folder: Path, numbers: tuple[float, ...]
) -> None:
    with FaultyServer([scores(*numbers)]) as server:
        with pytest.raises(BenchError, match=f"{len(numbers)} numbers for a response"):
            list(judge(folder, server.base).judge(trial(n=n) for n in range(9)))
        assert len(server.times) <= 5


@pytest.mark.parametrize(
    ("behaviour", "says"),
    [
        (body('{"error": "Unauthorized"}', 401), "HOSTED_VLLM_API_KEY"),
        (refuse(403, KEY), "HOSTED_VLLM_API_KEY"),
        (refuse(404, f"The model `rm` does not exist. {KEY}"), "served=NAME"),
        (body('{"detail": "Method Not Allowed"}', 405), "no vLLM"),
        (refuse(501, "The model does not support Pooling API"), "--runner pooling"),
    ],
)
def test_what_no_retry_mends_stops_the_judge(folder: Path, behaviour: Behaviour, says: str) -> None:
    with FaultyServer([behaviour]) as server:
        with pytest.raises(BenchError) as error:
            list(judge(folder, server.base).judge(trial(n=n) for n in range(9)))
        assert len(server.times) <= 5
    assert says in str(error.value)
    assert KEY not in str(error.value)


def test_what_is_longer_than_max_length_is_not_asked(folder: Path) -> None:
    n = len(read(folder))
    with FaultyServer([scores(1.0)]) as server:
        assert ask(folder, server, limit=n).status is Status.OK
        verdict = ask(folder, server, limit=n - 1)
    assert (verdict.status, verdict.usage.prompt_tokens) == (Status.TRUNCATED, n)
    assert len(server.times) == 1


def test_a_server_is_asked_as_the_options_say(folder: Path) -> None:
    def asked(options: str) -> Judge:
        return reward.make(parse_spec(f"reward:{folder},engine=vllm,{options}"), Context())

    with FaultyServer([scores(1.0)]) as server:
        for options in ("", ",served=other"):
            list(asked(f"api_base={server.base}{options}").judge([trial()]))
    assert [said["model"] for said in server.asked] == [str(folder), "other"]
    plain = asked("api_base=http://h:1").card
    same = asked("api_base=http://h:1,concurrency=3,timeout=7").card
    other = asked("api_base=http://h:1,served=other").card
    assert plain.identity == same.identity != other.identity


def test_the_rate_of_this_machine_is_not_a_server_s(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a card of a public model has it, on a machine with GPUs."""
    monkeypatch.setattr("judges.described._gpus", lambda: True)
    rate = f"reward:{folder},usd_per_gpu_hour=2"
    assert reward.make(parse_spec(rate), Context()).card.usd_per_hour == 2
    served = reward.make(parse_spec(f"{rate},engine=vllm,api_base=http://h:1"), Context())
    assert served.card.usd_per_hour is None


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ("api_base=http://h:1", "engine=vllm"),
        ("engine=vllm,served=x", "api_base="),
        ("engine=vllm,api_base=http://h:1,usd_per_hour=2", "calls to a server overlap"),
        ("engine=vllm,api_base=http://h:1,concurrency=0", "1 or more calls"),
        ("engine=vllm,api_base=http://h:1,timeout=0", "more than 0 s"),
        ("engine=vllm,api_base=http://u:secret@h/v1", "environment"),
        ("engine=vllm,api_base=ftp://h/v1", "http or https"),
        ("engine=vllm,api_base=http://h:port", "http or https"),
        ("engine=vllm,api_base=http://[::1", "http or https"),
        ("engine=vllm,api_base=http://", "http or https"),
    ],
)
def test_bad_options(folder: Path, options: str, says: str) -> None:
    with pytest.raises(BenchError) as error:
        reward.make(parse_spec(f"reward:{folder},{options}"), Context())
    assert says in str(error.value)
    assert "secret" not in str(error.value)


def test_a_key_that_cannot_be_sent(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for wrong in ("sk-secret\n", "sk-secreté"):
        monkeypatch.setenv("HOSTED_VLLM_API_KEY", wrong)
        with pytest.raises(BenchError, match="HOSTED_VLLM_API_KEY") as error:
            judge(folder, "http://h:1")
        assert "secret" not in str(error.value)


def test_the_tokenizer_must_be_had_here(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:1")
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:1")
    options = "engine=vllm,api_base=http://127.0.0.1:1"
    with pytest.raises(BenchError, match="its tokens are made here") as error:
        reward.make(parse_spec(f"reward:nobody/served,{options}"), Context())
    assert "served=NAME" in str(error.value)
    for name in ("config.json", "model.safetensors"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    bare = reward.make(parse_spec(f"reward:{tmp_path},{options}"), Context())
    with pytest.raises(BenchError, match="its tokenizer does not load here"):
        list(bare.judge([trial()]))


def test_in_this_process_vllm_reads_no_pairs(
    encoder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class InProcess(VllmServer):
        """A stand-in for vLLM in this process, which is not installed here."""

        pairs = False

    source, options = find(str(encoder)), Options(engine="vllm")
    scorer = InProcess(source, Context(), "http://127.0.0.1:1", "rm")
    asked = VllmRewardJudge(parse_spec(f"reward:{encoder}"), options, source, Context(), scorer)
    with pytest.raises(BenchError, match="has no chat template"):
        list(asked.judge([trial()]))
