"""MultiPref: pairs of chat responses, each compared by two crowd workers and two experts, all
known by id, on a scale of five.

Miranda et al., 2024, https://arxiv.org/abs/2410.19133.
"""

from __future__ import annotations

from collections.abc import Iterator

from bench.spec import Spec
from bench.types import Item, Label, Message, Response, Split, Task, TaskCard
from tasks.hub import HubTask
from tasks.hub_files import HubSource
from tasks.ids import UniqueIds
from tasks.rows import Node

POOLS = {"normal": "normal_worker_annotations", "expert": "expert_worker_annotations"}
UTILITIES = {
    "a-is-clearly-better": (2.0, 0.0),
    "a-is-better": (1.5, 0.0),
    "a-is-slightly-better": (1.0, 0.0),
    "tie": (0.0, 0.0),
    "b-is-slightly-better": (0.0, 1.0),
    "b-is-better": (0.0, 1.5),
    "b-is-clearly-better": (0.0, 2.0),
}
DOMAIN_OF_SOURCE = {"anthropic/harmless-base": "safety"}
DOMAIN_OF_CATEGORY = {"coding": "code", "summarize": "summarization"}
OTHER_DOMAIN = "chat"
COLUMNS = (
    "comparison_id",
    "prompt_id",
    "text",
    "model_a",
    "completion_a",
    "model_b",
    "completion_b",
    "source",
    "category",
    *POOLS.values(),
)
SOURCE = HubSource(
    "allenai/multipref",
    config="default",
    # Beside it lie the binarised configurations, an older copy and features of other sets.
    files=("data/*",),
    revision="12910233a0238a997ebe425656e9dfed7b0ff031",
)
CARD = TaskCard(
    name="multipref",
    title="MultiPref",
    domains=(OTHER_DOMAIN, *DOMAIN_OF_CATEGORY.values(), *DOMAIN_OF_SOURCE.values()),
    labels="overall preference of two crowd workers and two experts a pair, ties allowed; strength "
    "1 slightly better, 1.5 better without a degree, 2 clearly better",
    licence="ODC-BY",
    revision="",
    url=None,
    citation="Miranda et al., Hybrid Preferences: Learning to Route Instances for Human vs. AI "
    "Feedback, 2024, arXiv:2410.19133",
    pairs="one item a row; several pairs share a prompt",
    traps=(
        "Annotators are persons, named POOL/ID: each pool has ids of its own.",
        "Where one annotator judged one pair twice, the first judgement in the file is the label, "
        "the other a retest. An annotation without an overall preference is no label.",
        "Votes on helpful, truthful and harmless, confidences and reasons are not used.",
        "Red-team prompts (source anthropic/harmless-base) count as safety, the categories Coding "
        "and Summarize as code and summarization, everything else as chat; the subset is the "
        "authors' own category.",
        "Every annotator judges many pairs: labels of different prompts are not independent.",
    ),
)


class MultiPref(HubTask):
    """The pairs in the authors' order."""

    def items(self, split: Split | None = None) -> Iterator[Item]:
        """All items, or those of one split. Raises what `HubTask.rows` raises, and for a
        preference that the set's description does not know."""
        ids = UniqueIds()
        for row in self.rows(*COLUMNS):
            item = self._item(row, ids)
            if split in (None, item.split):
                yield item

    def _item(self, row: Node, ids: UniqueIds) -> Item:
        labels, retests = _labels(row)
        source, category = (row.member(name).text_or_none() for name in ("source", "category"))
        return Item(
            id=ids.of(f"multipref/{row.member('comparison_id').text(empty=False)}"),
            task=self.card.name,
            domain=_domain(source, category),
            prompt=(Message("user", row.member("text").text()),),
            responses=tuple(
                Response(
                    f"completion_{side}",
                    row.member(f"completion_{side}").text(),
                    row.member(f"model_{side}").text_or_none(),
                )
                for side in "ab"
            ),
            labels=labels,
            subset=category,
            retests=retests,
            meta={"prompt_id": row.member("prompt_id").value, "source": source},
        )


def make(spec: Spec) -> Task:
    """MultiPref: 10,461 pairs judged by two crowd workers and two experts known by id."""
    return MultiPref(CARD, SOURCE, spec)


def _domain(source: str | None, category: str | None) -> str:
    of_source = DOMAIN_OF_SOURCE.get((source or "").casefold())
    return of_source or DOMAIN_OF_CATEGORY.get((category or "").casefold(), OTHER_DOMAIN)


def _labels(row: Node) -> tuple[tuple[Label, ...], tuple[Label, ...]]:
    """The annotators' labels, and what they said when they judged the same pair again."""
    labels: dict[str, Label] = {}
    retests = []
    for pool, column in POOLS.items():
        annotations = row.member(column)
        for annotation in annotations.list() if annotations.value is not None else []:
            utilities = _utilities(annotation.member("overall_pref"))
            if utilities is None:
                continue
            annotator = f"{pool}/{annotation.member('evaluator').text(empty=False)}"
            label = Label(annotator, utilities)
            if annotator in labels:
                retests.append(label)
            else:
                labels[annotator] = label
    return tuple(labels.values()), tuple(retests)


def _utilities(preference: Node) -> tuple[float, float] | None:
    text = preference.text_or_none()
    if text is None:
        return None
    utilities = UTILITIES.get(text.strip().casefold())
    if utilities is None:
        raise preference.error(f"one of {', '.join(UTILITIES)} (any case), or null")
    return utilities
