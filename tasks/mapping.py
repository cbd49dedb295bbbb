"""Which columns of a table are what: a small YAML file that the user writes.

::

    prompt: instruction               # text, or a list of messages {role, content}
    responses: [output_1, output_2]   # columns, or one column with a list of texts
    models: [model_1, model_2]        # who wrote them, likewise
    label: winner                     # the better response: its index, column or model, or "tie"
    values: {A: 0, B: 1, C: tie}      # what the label's values mean, if they are others
    scores: [score_1, score_2]        # instead of a label: numbers, higher is better
    annotator: judge                  # who said it
    domain: {is: chat}                # {is: ...} in place of a column: the same in every row
    id: question_id
    subset: category
    reference: answer
    cluster: session

Prompt, responses, and label or scores must be there; the rest is optional. Everything in the file
is text: a column may be called 1 or yes.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from bench.types import MAX_RESPONSES, BenchError
from bench.yaml_file import read_yaml

TIE = "tie"
_REQUIRED = ("prompt", "responses")


@dataclass(frozen=True, slots=True)
class Column:
    """The value of a column."""

    name: str


@dataclass(frozen=True, slots=True)
class Constant:
    """The same text in every row."""

    text: str


Cell = Column | Constant
Cells = Column | tuple[Cell, ...]
"""One column that holds a list, or one cell for each element."""


@dataclass(frozen=True, slots=True)
class Columns:
    """Where the parts of an item are in a row (see the module). `values`: text of the label ->
    index of a response, None for a tie."""

    prompt: Cell
    responses: Cells
    models: Cells | None = None
    label: Cell | None = None
    values: Mapping[str, int | None] | None = None
    scores: Cells | None = None
    annotator: Cell | None = None
    domain: Cell = Constant("own")
    id: Cell | None = None
    subset: Cell | None = None
    reference: Cell | None = None
    cluster: Cell | None = None

    def names(self) -> list[str]:
        """The columns that are used, each once."""
        cells: list[Any] = []
        for field in fields(self):
            value = getattr(self, field.name)
            cells += value if isinstance(value, tuple) else [value]
        return list(dict.fromkeys(cell.name for cell in cells if isinstance(cell, Column)))


KEYS = tuple(field.name for field in fields(Columns))
_LISTS = ("responses", "models", "scores")


def read_columns(path: Path) -> Columns:
    """What the file says. Raises BenchError with the file and the key that is wrong."""
    content = read_yaml(path, "columns file", texts=True)
    if not isinstance(content, dict):
        raise BenchError(f"{path}: lines `KEY: COLUMN` expected. Keys: {', '.join(KEYS)}.")
    return _columns(content, str(path))


def _columns(content: Mapping[str, Any], where: str) -> Columns:
    for key in content:
        if key not in KEYS:
            near = difflib.get_close_matches(key, KEYS, n=1)
            mean = f" Did you mean {near[0]}?" if near else ""
            raise BenchError(f"{where}: unknown key {key!r}.{mean} Keys: {', '.join(KEYS)}.")
    for key in _REQUIRED:
        if key not in content:
            raise BenchError(f"{where}: no key {key!r}; `{key}: COLUMN` expected")
    if ("label" in content) == ("scores" in content):
        found = "both label and scores" if "label" in content else "neither label nor scores"
        raise BenchError(f"{where}: {found} found, one of the two expected")
    if "values" in content and "label" not in content:
        raise BenchError(f"{where}: values say what a label means, and there is no label")
    made: dict[str, Any] = {
        key: (_cells if key in _LISTS else _cell)(value, f"{where}, key {key}")
        for key, value in content.items()
        if key != "values"
    }
    columns = Columns(**made)
    _check_lists(columns, where)
    if "values" not in content:
        return columns
    return replace(columns, values=_values(content["values"], columns, f"{where}, key values"))


def _cell(value: Any, where: str) -> Cell:
    if isinstance(value, str):
        return Column(value)
    if isinstance(value, dict) and list(value) == ["is"] and isinstance(value["is"], str):
        return Constant(value["is"])
    raise BenchError(f"{where}: the name of a column, or {{is: TEXT}} for a constant, expected")


def _cells(value: Any, where: str) -> Cells:
    if isinstance(value, str):
        return Column(value)
    if not isinstance(value, list) or not value:
        raise BenchError(f"{where}: a column, or a list [COLUMN, COLUMN, ...], expected")
    cells = tuple(_cell(element, where) for element in value)
    names = [cell.name for cell in cells if isinstance(cell, Column)]
    if len(set(names)) != len(names):
        raise BenchError(f"{where}: a column twice among {names}; each once expected")
    return cells


def _check_lists(columns: Columns, where: str) -> None:
    """Lists of columns that belong together are of one length."""
    if not isinstance(columns.responses, tuple):
        return
    n = len(columns.responses)
    if n < 2:
        raise BenchError(f"{where}, key responses: {n} column found, 2 or more expected")
    for key in ("models", "scores"):
        cells = getattr(columns, key)
        if isinstance(cells, tuple) and len(cells) != n:
            raise BenchError(f"{where}, key {key}: {len(cells)} columns found, {n} expected")


def _values(value: Any, columns: Columns, where: str) -> dict[str, int | None]:
    if not isinstance(value, dict) or not value:
        raise BenchError(f"{where}: {{VALUE: MEANING, ...}} expected, for example {{A: 0, C: tie}}")
    meanings: dict[str, int | None] = {TIE: None}
    cells = columns.responses
    # Where one column holds all responses, how many they are is seen row by row.
    n = len(cells) if isinstance(cells, tuple) else MAX_RESPONSES
    meanings |= {str(i): i for i in range(n)}
    if isinstance(cells, tuple):
        meanings |= {c.name: i for i, c in enumerate(cells) if isinstance(c, Column)}
    for text, meaning in value.items():
        if not isinstance(meaning, str) or meaning not in meanings:
            raise BenchError(
                f"{where}: {text!r} has no meaning; the index (0 to {n - 1}) or the column of a "
                f"response, or {TIE}, expected"
            )
    return {text: meanings[meaning] for text, meaning in value.items()}
