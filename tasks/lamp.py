"""``lamp:PATH``: 201 triplets of LAMP, each ranked by three professional writers: what a model
wrote, a writer's edit of it and a model's edit of it.

The originals name people, so no home of theirs is named here: PATH is a file of the triplets in the
interchange format with the names replaced, and only the one known file is taken.

Chakrabarty et al., 2024, https://arxiv.org/abs/2409.14509.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from bench.spec import Spec
from bench.types import BenchError, Item, Split, Task, TaskCard
from tasks.jsonl import parse_item
from tasks.rows import check_file, numbered_lines, rows

SHA256 = "b4999791697cb66ad0094d215ab7637320685bc362d6469b542fda58eecb719d"
UNKNOWN = "None"  # begins the writer's name where the file does not know the model
CARD = TaskCard(
    name="lamp",
    title="LAMP preference rankings",
    domains=("creative-writing",),
    labels="three professional writers an item, each of whom ranked all three texts; utilities are "
    "2, 1, 0 by rank, strength was not asked",
    licence="BSD-3-Clause",
    revision=f"sha256:{SHA256}",
    url="https://github.com/salesforce/creativity_eval",
    citation="Chakrabarty et al., Can AI writing be salvaged? Mitigating Idiosyncrasies and "
    "Improving Human-AI Alignment in the Writing Process through Edits, 2024, arXiv:2409.14509",
    pairs="as published, names of people replaced, in the order of the file",
    traps=(
        "The writer's edit is put first in 0.652 of votes, the model's edit in 0.255, the unedited "
        "text in 0.093: a judge that only spots the person's hand scores high.",
        "Always choosing the longest scores 0.216 against the majority, 0.221 by the mean vote "
        "(chance 0.333; 0.219 where the first of two equally long texts is taken): edits cut.",
        "Two writers put the same text first in 0.728 of pairs of votes, and no item has three "
        "different first places.",
        "Writers are persons, the same across items: 13 of them, in six groups of three that "
        "ranked 25 to 66 items together. One took part in 118 items.",
        "201 items share 200 prompts. Prompts were made from published texts, of which the models "
        "wrote their own version.",
        "Subsets are as published, with their spelling; the model is not known for 7 items.",
    ),
)


class Lamp(Task):
    """The triplets of the known file."""

    card = CARD

    def __init__(self, path: Path) -> None:
        """Raises BenchError, with both sums, when `path` is not the known file."""
        self._path = path
        check_file(path, "the file of LAMP triplets", (".jsonl", ".jsonl.gz"))
        next(numbered_lines(path), None)  # a file that cannot be read: said now
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if found != SHA256:
            raise BenchError(
                f"{path} is not the known file of LAMP triplets: sha256 {SHA256} expected, {found} "
                f"found. For a file of your own: jsonl:{path}"
            )

    def items(self, split: Split | None = None) -> Iterator[Item]:
        """All 201 items in file order, or those of one split."""
        for row in rows(self._path):
            item = _honest(parse_item(row, CARD.name))
            if split in (None, item.split):
                yield item


def make(spec: Spec) -> Task:
    """lamp:PATH, 201 texts with a writer's and a model's edit; rankings by three writers.

    It has no options.
    """
    if not spec.argument or spec.options:
        raise BenchError(
            f"{spec.text!r}: lamp:PATH expected, for example lamp:data/lamp/items.jsonl.gz. The "
            "triplets do not come with smallclaims and are not fetched, because the originals name "
            "people: PATH is the file of them in the interchange format with the names replaced "
            f"(sha256 {SHA256})."
        )
    return Lamp(Path(spec.argument).expanduser())


def _honest(item: Item) -> Item:
    """The item with no writer's name where the model is not known."""
    return replace(
        item,
        responses=tuple(
            replace(r, model=None) if r.model and r.model.startswith(UNKNOWN) else r
            for r in item.responses
        ),
    )
