"""PandaLM from the authors' files: three annotators, two recorded judges, known figures."""

from __future__ import annotations

import itertools
import os
from collections import Counter, defaultdict

import pytest
from statsmodels.stats.inter_rater import cohens_kappa, to_table

from bench.spec import parse_specs
from bench.types import BenchError, Item, Label
from tasks.pandalm import ANNOTATORS, PandaLM, make, recorded_sources

needs_mirror = pytest.mark.skipif(
    "SMALLCLAIMS_MIRROR" not in os.environ, reason="SMALLCLAIMS_MIRROR is not set"
)


def vote(label: Label) -> int | str:
    first, second = label.utilities
    return "tie" if first == second else int(second > first)


@pytest.fixture(scope="module")
def items() -> list[Item]:
    return list(PandaLM().items())


@needs_mirror
def test_items(items: list[Item]) -> None:
    assert len(items) == 999
    assert len({item.id for item in items}) == 999
    assert len({item.prompt[0].content for item in items}) == 170
    assert {tuple(label.annotator for label in item.labels) for item in items} == {ANNOTATORS}
    assert {item.domain for item in items} == {"chat"}
    longest = 0.0
    for item in items:
        a, b = (len(response.text) for response in item.responses)
        votes = Counter(vote(label) for label in item.labels)
        (majority, _), *_ = votes.most_common(1)
        if majority != "tie":
            longest += 0.5 if a == b else majority == int(b > a)
    decided = sum(
        Counter(vote(label) for label in item.labels).most_common(1)[0][0] != "tie"
        for item in items
    )
    assert longest / decided == pytest.approx(0.674, abs=5e-4)


@needs_mirror
def test_quirks_of_the_original(items: list[Item]) -> None:
    texts = [response.text for item in items for response in item.responses]
    assert texts.count("true") == 6
    assert sum(any(not r.text for r in item.responses) for item in items) == 54
    # Without an input the prompt is the instruction alone.
    assert not any(item.prompt[0].content.endswith("\n\n") for item in items)


@needs_mirror
def test_writers_stand_in_the_order_of_the_responses(items: list[Item]) -> None:
    """One writer nearly always answers one prompt in one way. With the writers exchanged, that is
    nearly never so: the order in the authors' key is that of the responses."""

    def in_one_way(exchange: bool) -> float:
        texts = defaultdict(list)
        for item in items:
            writers = [response.model for response in item.responses]
            for response, writer in zip(
                item.responses, reversed(writers) if exchange else writers, strict=True
            ):
                texts[item.prompt_key, writer].append(response.text)
        assert len({writer for _, writer in texts}) == 5
        several = [found for found in texts.values() if len(found) > 1]
        return sum(len(set(found)) == 1 for found in several) / len(several)

    assert in_one_way(exchange=False) > 0.95
    assert in_one_way(exchange=True) < 0.10


@needs_mirror
def test_annotators_agree_as_known(items: list[Item]) -> None:
    kappas, same, both_decided = [], [], []
    for one, other in itertools.combinations(range(3), 2):
        votes = [(vote(item.labels[one]), vote(item.labels[other])) for item in items]
        kappas.append(round(float(cohens_kappa(to_table([[str(v) for v in p] for p in votes])[0])
                                  .kappa), 3))  # fmt: skip
        same += [a == b for a, b in votes]
        both_decided += [a == b for a, b in votes if "tie" not in (a, b)]
    assert kappas == [0.852, 0.879, 0.862]
    assert sum(same) / len(same) == pytest.approx(0.920, abs=5e-4)
    assert sum(both_decided) / len(both_decided) == pytest.approx(0.947, abs=5e-4)


@needs_mirror
@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("gpt-3.5-turbo", {0: 460, 1: 476, "tie": 38, None: 25}),
        ("pandalm-7b", {0: 433, 1: 459, "tie": 107}),
    ],
)
def test_recorded_verdicts(source: str, expected: dict[object, int], items: list[Item]) -> None:
    records = list(PandaLM().recorded(source))
    assert [record["item_id"] for record in records] == [item.id for item in items]
    assert {record["order"] for record in records} == {"ab"}
    assert Counter(record["winner"] for record in records) == expected
    assert all(record["raw"] for record in records)


def test_unknown_names_are_told() -> None:
    assert recorded_sources() == ("gpt-3.5-turbo", "pandalm-7b")
    with pytest.raises(BenchError, match=r"'gpt-4'. There are: gpt-3.5-turbo, pandalm-7b\."):
        next(iter(PandaLM().recorded("gpt-4")))
    (spec,) = parse_specs("pandalm:x=1")
    with pytest.raises(BenchError, match="pandalm alone expected"):
        make(spec)
