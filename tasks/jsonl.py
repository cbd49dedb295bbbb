"""``jsonl:PATH``: items in the interchange format, one JSON object a line, plain or gzipped. With
``columns=MAPPING.yaml`` the rows are in another form, which the mapping tells (`tasks.mapping`).

::

    {"id": "...", "domain": "chat",
     "prompt": [{"role": "user", "content": "..."}],
     "responses": [{"id": "a", "text": "...", "model": "..."?}, ...],
     "labels": [{"annotator": "w1", "preferred": 0 | "tie", "ranking": [..]?, "scores": [..]?}, ...]
            or {"chosen": [0], "rejected": [1, 2, 3]},
     "subset": "..."?, "reference": "..."?, "retests": [..]?, "cluster": "..."?, "meta": {...}?,
     "source": "..."?}

A label has at least one of `preferred` (index of the best response, or "tie": none is better),
`ranking` (every index once, best first) and `scores` (one number per response, higher is better).
`retests` has the form of `labels`: what annotators said when they were asked again; no score counts
it, and an annotator may stand in it several times. `cluster` names what ties items of different
prompts together: a person, a session. `source` says where a row came from and is not used.
"""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Iterator, Sequence
from pathlib import Path

from bench.spec import Spec
from bench.types import (
    MAX_RESPONSES,
    BenchError,
    Item,
    Label,
    Message,
    Response,
    Split,
    Task,
    TaskCard,
)
from tasks import mapped
from tasks.ordinary import ordinary
from tasks.rows import Node, rows

_ROLES = ("system", "user", "assistant")


class JsonlTask(Task):
    """The items of one file. Its revision is the sha256 of the file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        next(rows(path), None)  # a file that is not there or is something else: said now
        # With its folder, as typed: many files are called items.jsonl.
        name = "/".join([*path.parts[-2:-1], path.name.removesuffix(".gz").removesuffix(".jsonl")])
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        self.card = TaskCard(
            name=f"jsonl:{name}",
            title=f"Items of {path.name}",
            domains=(),  # known only when the file has been read
            labels="as in the file",
            licence="the file's own",
            revision=f"sha256:{digest}",
        )

    def items(self, split: Split | None = None) -> Iterator[Item]:
        """The items in file order, read as they are asked for; eight bytes an item stay in memory.

        Raises BenchError at the first bad row with file, line, field, found and expected; for an
        id that stands there twice only at the end.
        """
        hashes = array("q")
        for row in rows(self.path):
            item = ordinary(row.value, self.card.name) or self._parsed(row, not hashes)
            hashes.append(hash(item.id))
            if split is None or item.split == split:
                yield item
        if not hashes:
            raise BenchError(f"{self.path} has no row; at least one item expected")
        _check_ids(self.path, hashes)

    def _parsed(self, row: Node, first: bool) -> Item:
        try:
            return parse_item(row, self.card.name)
        except BenchError as error:
            if not first:
                raise
            raise BenchError(
                f"{error} Rows of another shape take a mapping: jsonl:{self.path},columns=FILE."
            ) from error


def _check_ids(path: Path, hashes: array[int]) -> None:
    """Raises BenchError for an id that stands in the file twice. `hashes`: of every id. Ids with
    equal hashes need not be equal, so their rows are read again."""
    import numpy as np

    ordered = np.sort(np.frombuffer(hashes, np.int64))
    suspects = set(ordered[1:][ordered[1:] == ordered[:-1]].tolist())
    places: dict[str, str] = {}
    for row in rows(path) if suspects else ():
        name = row.member("id").text()
        if name in places:
            raise BenchError(
                f"{row.place}: item id {name!r} stands already in {places[name]}; every id once "
                "expected"
            )
        if hash(name) in suspects:
            places[name] = row.place


def make(spec: Spec) -> Task:
    """Your own items: jsonl:PATH in the interchange format, or with columns=MAPPING.yaml"""
    if not spec.argument or not spec.options.keys() <= {"columns"}:
        raise BenchError(
            f"{spec.text!r}: jsonl:PATH expected, for example jsonl:pairs.jsonl, or "
            "jsonl:PATH,columns=MAPPING.yaml for rows that are not in the interchange format"
        )
    if "columns" in spec.options:
        return mapped.jsonl(spec)
    return JsonlTask(Path(spec.argument).expanduser())


def parse_item(row: Node, task: str) -> Item:
    """One row as an item of `task`. Raises BenchError with file, line and field."""
    fields = row.object(
        ("id", "domain", "prompt", "responses", "labels"),
        ("subset", "reference", "retests", "cluster", "meta", "source"),
    )
    fields["source"].text_or_none()
    meta = fields["meta"].value
    if not isinstance(meta, dict | None):
        raise fields["meta"].error("an object")
    responses = _responses(fields["responses"])
    retests = fields["retests"]
    return Item(
        id=fields["id"].text(empty=False),
        task=task,
        domain=fields["domain"].text(empty=False),
        prompt=_prompt(fields["prompt"]),
        responses=responses,
        labels=_labels(fields["labels"], len(responses)),
        subset=fields["subset"].text_or_none(),
        reference=fields["reference"].text_or_none(),
        retests=_votes(retests, len(responses)) if retests.value is not None else (),
        cluster=fields["cluster"].text_or_none(),
        meta=meta or {},
    )


def _prompt(node: Node) -> tuple[Message, ...]:
    messages = []
    for message in node.list():
        fields = message.object(("role", "content"))
        if fields["role"].value not in _ROLES:
            raise fields["role"].error(f"one of {', '.join(_ROLES)}")
        messages.append(Message(fields["role"].value, fields["content"].text()))
    if not messages:
        raise node.error("at least one message")
    return tuple(messages)


def _responses(node: Node) -> tuple[Response, ...]:
    responses: list[Response] = []
    names: set[str] = set()
    for response in node.list():
        fields = response.object(("id", "text"), ("model",))
        name = fields["id"].text(empty=False)
        if name in names:
            raise fields["id"].error("an id that no other response of the item has")
        names.add(name)
        responses.append(Response(name, fields["text"].text(), fields["model"].text_or_none()))
    if not 2 <= len(responses) <= MAX_RESPONSES:
        raise BenchError(
            f"{node.place}, field {node.field}: {len(responses)} responses found, "
            f"2 to {MAX_RESPONSES} expected"
        )
    return tuple(responses)


def _labels(node: Node, n: int) -> tuple[Label, ...]:
    """Labels of an item with `n` responses, one an annotator."""
    labels = _votes(node, n)
    annotators: set[str] = set()
    for i, label in enumerate(labels):
        if label.annotator in annotators:
            raise (
                node.list()[i]
                .member("annotator")
                .error("an annotator with no other label for this item")
            )
        annotators.add(label.annotator)
    if not labels:
        raise node.error("at least one label (judges are measured against them)")
    return labels


def _votes(node: Node, n: int) -> tuple[Label, ...]:
    """What annotators said of an item with `n` responses."""
    if isinstance(node.value, dict):
        return (Label("gold", _chosen(node, n)),)
    return tuple(_label(label, n) for label in node.list())


def _label(node: Node, n: int) -> Label:
    fields = node.object(("annotator",), ("preferred", "ranking", "scores"))
    return Label(fields["annotator"].text(empty=False), _utilities(node, fields, n))


def _chosen(node: Node, n: int) -> tuple[float, ...]:
    fields = node.object(("chosen", "rejected"))
    chosen, rejected = (
        [index.index(n) for index in fields[name].list()] for name in ("chosen", "rejected")
    )
    if not chosen or not rejected or sorted(chosen + rejected) != list(range(n)):
        raise node.error(f"each response (0 to {n - 1}) once, in chosen or in rejected, none empty")
    return tuple(float(i in chosen) for i in range(n))


def _utilities(label: Node, fields: dict[str, Node], n: int) -> tuple[float, ...]:
    """One number per response from what the annotator gave; more than one form must agree."""
    forms = []
    if fields["preferred"].value is not None:
        forms.append(winner_utilities(fields["preferred"], n))
    if fields["ranking"].value is not None:
        ranking = fields["ranking"].permutation()
        if len(ranking) != n:
            raise fields["ranking"].error(f"{n} indices, best first")
        forms.append(tuple(float(n - 1 - ranking.index(i)) for i in range(n)))
    if fields["scores"].value is not None:
        forms.append(score_utilities(fields["scores"], n))
    if not forms:
        raise label.error("at least one of preferred, ranking, scores")
    if len(forms) > 1 and len({best(form) for form in forms}) > 1:
        raise label.error("forms (preferred, ranking, scores) that put the same responses first")
    return forms[-1]


def winner_utilities(node: Node, n: int) -> tuple[float, ...]:
    """The index of the best of `n` responses -> 1 for it and 0 for the others; "tie" -> all 0."""
    if isinstance(node.value, str):
        if node.value != "tie":
            raise node.error(f'the index of a response (0 to {n - 1}) or "tie"')
        return (0.0,) * n
    best_index = node.index(n)
    return tuple(float(i == best_index) for i in range(n))


def score_utilities(node: Node, n: int) -> tuple[float, ...]:
    """One finite number for each of `n` responses."""
    scores = tuple(score.number() for score in node.list())
    if len(scores) != n:
        raise node.error(f"{n} numbers, one per response")
    return scores


def best(utilities: Sequence[float]) -> frozenset[int]:
    """The indices of the highest utility."""
    return frozenset(i for i, u in enumerate(utilities) if u == max(utilities))
