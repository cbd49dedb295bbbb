"""One row of a table, read through a mapping of columns: what somebody said of an item."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bench.types import BenchError, Message
from tasks.mapping import TIE, Cell, Cells, Column, Columns, Constant
from tasks.messages import messages
from tasks.rows import Node

_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")


@dataclass(frozen=True, slots=True)
class Content:
    """What an item is before anybody said anything of it. `models`: one per response."""

    prompt: tuple[Message, ...]
    texts: tuple[str, ...]
    models: tuple[str | None, ...]
    domain: str
    subset: str | None
    reference: str | None
    cluster: str | None = field(compare=False)  # of the first row: rows of several are one item


@dataclass(frozen=True, slots=True)
class Vote:
    """A row. `id` of the item, `annotator`: None without such a column. `place`: of the row."""

    id: str | None
    content: Content
    annotator: str | None
    utilities: tuple[float, ...]
    place: str


def read_vote(row: Node, columns: Columns) -> Vote:
    """The row as the mapping tells it. Raises BenchError with the place and the column of a value
    that is not what it should be."""
    prompt = _prompt(_value(row, columns.prompt, "prompt"))
    texts = tuple(_response(node, prompt) for node in _values(row, columns.responses, "responses"))
    models = _models(row, columns.models, len(texts))
    content = Content(
        prompt=prompt,
        texts=texts,
        models=models,
        domain=_name(_value(row, columns.domain, "domain")),
        subset=_text_or_none(row, columns.subset, "subset"),
        reference=_text_or_none(row, columns.reference, "reference"),
        cluster=_text_or_none(row, columns.cluster, "cluster"),
    )
    if columns.label is not None:
        utilities = _preferred(_value(row, columns.label, "label"), columns, models, len(texts))
    else:
        assert columns.scores is not None  # a mapping has the one or the other
        scores = _values(row, columns.scores, "scores")
        if len(scores) != len(texts):
            raise BenchError(f"{row.place}: {len(scores)} scores of {len(texts)} responses")
        utilities = tuple(_number(node) for node in scores)
    name, annotator = (
        _name(_value(row, cell, key)) if cell else None
        for key, cell in (("id", columns.id), ("annotator", columns.annotator))
    )
    return Vote(name, content, annotator, utilities, row.place)


def _value(row: Node, cell: Cell, key: str) -> Node:
    if isinstance(cell, Constant):
        return Node(cell.text, row.place, key)
    return row.member_or_none(cell.name)


def _values(row: Node, cells: Cells, key: str) -> list[Node]:
    if isinstance(cells, Column):
        return row.member_or_none(cells.name).list()
    return [_value(row, cell, key) for cell in cells]


def _prompt(node: Node) -> tuple[Message, ...]:
    if isinstance(node.value, list):
        return messages(node)
    return (Message("user", node.text()),)


def _response(node: Node, prompt: tuple[Message, ...]) -> str:
    """A text; or messages of which the last is the assistant's, alone or after the prompt's."""
    if not isinstance(node.value, list):
        return node.text()
    *before, last = messages(node)
    if last.role != "assistant" or tuple(before) not in ((), prompt):
        raise node.error("a text, or a message of the assistant (alone, or after the prompt's)")
    return last.content


def _models(row: Node, cells: Cells | None, n: int) -> tuple[str | None, ...]:
    if cells is None:
        return (None,) * n
    nodes = _values(row, cells, "models")
    if len(nodes) != n:
        raise BenchError(f"{row.place}: {len(nodes)} models of {n} responses")
    return tuple(None if node.value in (None, "") else _name(node) for node in nodes)


def _name(node: Node) -> str:
    """A text that is not empty; a whole number is one too, as ids and raters often are."""
    return str(node.value) if type(node.value) is int else node.text(empty=False)


def _text_or_none(row: Node, cell: Cell | None, key: str) -> str | None:
    """A text or number as text. Nothing, null and an empty cell are the same."""
    node = _value(row, cell, key) if cell else None
    return None if node is None or node.value in (None, "") else _name(node)


def _number(node: Node) -> float:
    if isinstance(node.value, str) and _NUMBER.fullmatch(node.value):
        return Node(float(node.value), node.place, node.field).number()
    return node.number()


def _preferred(
    node: Node, columns: Columns, models: Sequence[str | None], n: int
) -> tuple[float, ...]:
    """Utilities from the value of a label: 1 for the response that it means and 0 for the others,
    all 0 for a tie."""
    known = _known(columns, models, n) if columns.values is None else columns.values
    meant = {known[text] for text in _written(node.value) if text in known}
    if len(meant) != 1:
        raise _no_meaning(node, known)
    (index,) = meant
    if index is not None and index >= n:
        raise node.error(f"a label that means one of {n} responses, not number {index}")
    return tuple(float(i == index) for i in range(n))


def _known(columns: Columns, models: Sequence[str | None], n: int) -> Mapping[str, int | None]:
    """What a label may say of itself: an index, a tie, the column or the model of a response.
    What could mean two responses means none."""
    names: list[tuple[str, int | None]] = [(TIE, None)]
    names += [(str(i), i) for i in range(n)]
    names += [(model, i) for i, model in enumerate(models) if model]
    for cells in (columns.responses, columns.models):
        if isinstance(cells, tuple):
            names += [(c.name, i) for i, c in enumerate(cells) if isinstance(c, Column)]
    meanings: dict[str, set[int | None]] = {}
    for name, meaning in names:
        meanings.setdefault(name, set()).add(meaning)
    return {name: next(iter(m)) for name, m in meanings.items() if len(m) == 1}


def _written(value: Any) -> list[str]:
    """How a label may be written in the mapping: true as true, 1.0 as 1.0 and as 1."""
    if isinstance(value, str):
        return [value]
    written = [json.dumps(value, default=str)]
    if isinstance(value, float) and value.is_integer():
        written.append(str(int(value)))
    return written


def _no_meaning(node: Node, known: Mapping[str, int | None]) -> BenchError:
    near = difflib.get_close_matches(str(node.value)[:100], known, n=1)
    mean = f" Did you mean {near[0]!r}?" if near else ""
    expected = ", ".join(map(repr, list(known)[:20]))
    error = node.error(f"one of {expected}")
    return BenchError(
        f"{error}.{mean} What other values mean stands in the mapping: values: {{VALUE: 0, ...}}."
    )
