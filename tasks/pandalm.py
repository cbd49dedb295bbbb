"""PandaLM test set: 999 pairs, each judged by three annotators, and the recorded verdicts of a
trained and of a prompted judge on the same pairs.

Wang et al., 2023, https://arxiv.org/abs/2306.05087.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from bench.spec import Spec
from bench.types import BenchError, Item, Label, Message, Response, Split, Task, TaskCard
from tasks.sources import Source, pinned, read_json

COMMIT = "3871806e72b4832f815ecafd24d3503c73403f48"
ITEMS = "data/testset-v1.json"
ANNOTATORS = ("annotator1", "annotator2", "annotator3")
UTILITIES = {0: (0.0, 0.0), 1: (1.0, 0.0), 2: (0.0, 1.0)}
WINNERS: dict[object, int | str | None] = {
    **{1: 0, "1": 0, 2: 1, "2": 1, 0: "tie", "Tie": "tie"},
    "garbage": None,  # an answer that the authors could not read
}
CARD = TaskCard(
    name="pandalm",
    title="PandaLM test set v1",
    domains=("chat",),
    labels="three annotators on every item, ties allowed",
    licence="Apache-2.0",
    revision=COMMIT,
    url="https://github.com/WeOpenML/PandaLM",
    citation="Wang et al., PandaLM: An Automatic Evaluation Benchmark for LLM Instruction Tuning "
    "Optimization, 2023, arXiv:2306.05087",
    traps=(
        "999 pairs share 170 prompts.",
        "The authors left out items on which the annotators differed much: the human ceiling is "
        "higher than annotators would reach on all items.",
        "Annotators are positions (first, second, third vote), not persons.",
        "Always choosing the longest response scores 0.674 against the majority, 0.668 by the mean "
        "vote.",
        "54 items have an empty response; 6 responses are the JSON boolean true in the original, "
        "and stand here as the text 'true'.",
        "Verdicts were recorded in one order only: nothing can be said of position bias.",
    ),
)


class PandaLM(Task):
    """The pairs in the authors' order."""

    card = CARD

    def items(self, split: Split | None = None) -> Iterator[Item]:
        """All 999 items, or those of one split. Raises what `tasks.sources.fetch` raises."""
        for row in read_json(_files()[ITEMS]):
            item = _item(row)
            if split in (None, item.split):
                yield item

    def recorded(self, source: str) -> Iterator[Mapping[str, Any]]:
        """The verdicts of one of the two recorded judges, in the one order that they saw."""
        if source not in recorded_sources():
            raise BenchError(
                f"task pandalm has no recorded judge {source!r}. "
                f"There are: {', '.join(recorded_sources())}."
            )
        for row in read_json(_files()[_verdict_file(source)]):
            # Fields are idx, X_result, X_reason, X_reference, with a prefix X for each judge.
            fields = {name.rpartition("_")[2]: value for name, value in row.items()}
            texts = (str(fields["result"]), fields["reason"], fields["reference"])
            yield {
                "item_id": _id(row),
                "order": "ab",
                "winner": WINNERS[fields["result"]],
                "raw": "\n".join(filter(None, texts)),
                "source": f"pandalm/{source}",
            }


def make(spec: Spec) -> Task:
    """PandaLM: 999 pairs, three annotators each; recorded verdicts of two judges"""
    spec.bare("task pandalm")
    return PandaLM()


@cache
def _files() -> dict[str, Source]:
    return pinned("WeOpenML", "PandaLM", COMMIT, "pandalm.sha256")


def _verdict_file(source: str) -> str:
    return f"data/{source}-testset-v1.json"


@cache
def recorded_sources() -> tuple[str, ...]:
    """The judges that were recorded."""
    before, after = _verdict_file("*").split("*")
    names = (path.removeprefix(before).removesuffix(after) for path in _files() if path != ITEMS)
    return tuple(sorted(names))


def _id(row: Mapping[str, Any]) -> str:
    return f"pandalm/{row['idx']}"


def _item(row: Mapping[str, Any]) -> Item:
    prompt = "\n\n".join(filter(None, (row["instruction"], row["input"])))
    # The key names the writers in the order of the responses, as FIRST_SECOND.
    writers = row["cmp_key"].split("_")
    return Item(
        id=_id(row),
        task=CARD.name,
        domain=CARD.domains[0],
        prompt=(Message("user", prompt),),
        responses=tuple(
            Response(name, _text(row[name]), writer)
            for name, writer in zip(("response1", "response2"), writers, strict=True)
        ),
        labels=tuple(Label(name, UTILITIES[row[name]]) for name in ANNOTATORS),
    )


def _text(response: Any) -> str:
    """A response as text: where the original has a JSON boolean, its JSON text."""
    return response if isinstance(response, str) else json.dumps(response)
