"""WMT 2023 English-German, side by side: three professional raters marked the errors of both
translations of a pair, seeing both.

Song et al., 2025, https://arxiv.org/abs/2502.17797.
"""

from __future__ import annotations

import re
import tarfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from bench.spec import Spec
from bench.types import BenchError, Item, Label, Message, Response, Split, Task, TaskCard
from tasks.sources import fetch, pinned

COMMIT = "7fadea281aff8db61cc72fc3d469a4dca78b82a6"
TABLE = "sxs_mqm_generalMT2023_ende.3ratingsPerSegment.tsv"
ARCHIVE = f"generalMT2023/ende/{TABLE}.tar.gz"
TEST = "HOTW-test"  # severity of a row about an error that was injected to test the rater
# The sides that were shown together, left and right. GPT-4's translation was shown twice.
PAIRS = (
    ("NLLB_MBR_BLEU", "Lan-BridgeMT"),
    ("ONLINE-M", "ONLINE-G"),
    ("ONLINE-Y", "ONLINE-A"),
    ("ONLINE-W", "GPT4-5shot_with_ONLINE-W"),
    ("GPT4-5shot_with_refA", "refA"),
)
AGAIN = {
    "GPT4-5shot_with_ONLINE-W": "GPT4-5shot_with_refA",
    "GPT4-5shot_with_refA": "GPT4-5shot_with_ONLINE-W",
}
REFERENCE = "refA"
INSTRUCTION = "Translate from English to German:"
CARD = TaskCard(
    name="wmt_sxs",
    title="WMT 2023 English-German, side-by-side MQM",
    domains=("translation",),
    labels="three professional raters on every pair; utilities are minus the MQM penalties that "
    "the rater gave to the two sides, so their difference is a strength, and equal ones are a tie",
    licence="Apache-2.0",
    revision=COMMIT,
    url="https://github.com/google/wmt-mqm-human-evaluation",
    citation="Song et al., Enhancing Human Evaluation in Machine Translation with Comparative "
    "Judgment, 2025, arXiv:2502.17797",
    pairs="the five pairs of systems that were shown side by side, left one first, for each of 104 "
    "segments. Penalties: major error 5, minor 1, minor punctuation 0.1, non-translation 25; marks "
    "of an issue in the source and of creative reinterpretation weigh nothing, as in the scores "
    "that the file itself carries. 245 rows about injected test errors are dropped, error-span "
    "markers and surrounding blanks are taken out of the texts. The prompt is the source after an "
    "instruction of our own; the reference is the human translation refA where it is no side of "
    "the pair",
    clusters="the document: its segments (2 to 5) were rated by the same three persons, in context",
    traps=(
        "520 pairs share 104 segments of 30 documents, all news. Raters are persons: ten of them, "
        "each on some of the documents.",
        "Raters agree in 0.576 of pairs of votes with ties, in 0.676 where both decided; 0.272 of "
        "votes are ties. Measure judges against this ceiling.",
        "Nobody judged a pair twice. GPT-4's translation was rated twice by each rater, beside two "
        "other translations: a retest of a pair is that rater's other rating of GPT-4's side with "
        "the same rating of the other side. 624 retests rest on 312 such double ratings, and half "
        "of a pair is new: they (0.853 the same; GPT-4's penalty 0.609) overstate how steady "
        "raters are.",
        "With marks of source issues and creative reinterpretation weighed as any other, raters "
        "agree in 0.571 and 0.674.",
        "Always choosing the longest scores 0.501 against the majority.",
        "Each system is always on the same side; the left one is better in 0.495 of the votes that "
        "decide. refA is a human translation and no gold answer: GPT-4 is preferred to it in 0.388 "
        "of the votes that decide between them.",
        "In 10 pairs the two translations are the same text; all 30 votes on them are ties.",
        "Raters saw the document around a segment; a judge does not.",
    ),
)

_MARKER = re.compile("</?v>")


@dataclass
class _Segment:
    """What the table says of one source segment. `texts`: by system. `penalties`: by system and
    rater, in tenths, so that equal ones are equal. `raters`: in order of appearance."""

    number: str
    document: str
    source: str
    raters: dict[str, None] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)
    penalties: Counter[tuple[str, str]] = field(default_factory=Counter)


class WmtSxs(Task):
    """The pairs, segment by segment in the order of the table."""

    card = CARD

    def items(self, split: Split | None = None) -> Iterator[Item]:
        """All 520 items, or those of one split. Raises what `tasks.sources.fetch` raises."""
        for segment in _segments():
            for pair in PAIRS:
                item = _item(segment, pair)
                if split in (None, item.split):
                    yield item


def make(spec: Spec) -> Task:
    """520 pairs of English-German translations; three professional raters (MQM), ties, retests.

    It has no argument and no options.
    """
    spec.bare("task wmt_sxs")
    return WmtSxs()


def _segments() -> list[_Segment]:
    segments: dict[str, _Segment] = {}
    for line in _table().rstrip("\n").split("\n")[1:]:
        system, document, _, number, rater, source, target, category, severity, _ = line.split("\t")
        if severity == TEST:
            continue
        segment = segments.setdefault(number, _Segment(number, document, _plain(source)))
        segment.raters[rater] = None
        segment.texts.setdefault(system, _plain(target))
        segment.penalties[system, rater] += _tenths(category, severity)
    return list(segments.values())


def _table() -> str:
    """The one file in the archive, read where it is: nothing is unpacked to disk."""
    path = fetch(pinned("google", "wmt-mqm-human-evaluation", COMMIT, "wmt_sxs.sha256")[ARCHIVE])
    with tarfile.open(path) as archive:
        table = archive.extractfile(TABLE)
        if table is None:
            raise BenchError(f"{path}: {TABLE} is not a plain file in it; one expected")
        return table.read().decode("utf-8")


def _plain(text: str) -> str:
    """A text without markers of error spans. A rating that marked an end may lack a blank there."""
    return _MARKER.sub("", text).strip()


def _tenths(category: str, severity: str) -> int:
    """The MQM penalty of one mark, in tenths."""
    if severity == "No-error" or category in ("Source issue", "Accuracy/Creative Reinterpretation"):
        return 0
    if category == "Non-translation!":
        return 250
    if severity == "Minor" and category == "Fluency/Punctuation":
        return 1
    return {"Major": 50, "Minor": 10}[severity]


def _item(segment: _Segment, pair: tuple[str, str]) -> Item:
    writers = [system.partition("_with_")[0] for system in pair]
    repeated = any(system in AGAIN for system in pair)
    again = tuple(AGAIN.get(system, system) for system in pair)
    return Item(
        id=f"wmt_sxs/{segment.number}/{'-vs-'.join(writers)}",
        task=CARD.name,
        domain=CARD.domains[0],
        prompt=(Message("user", f"{INSTRUCTION}\n\n{segment.source}"),),
        responses=tuple(
            Response(side, segment.texts[system], writer)
            for side, system, writer in zip(("left", "right"), pair, writers, strict=True)
        ),
        labels=tuple(_label(segment, pair, rater) for rater in segment.raters),
        reference=None if REFERENCE in pair else segment.texts[REFERENCE],
        retests=tuple(_label(segment, again, rater) for rater in segment.raters if repeated),
        cluster=segment.document,
    )


def _label(segment: _Segment, pair: tuple[str, ...], rater: str) -> Label:
    return Label(rater, tuple(-segment.penalties[system, rater] / 10 for system in pair))
