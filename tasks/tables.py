"""Tables of the user's own, row by row: CSV and TSV, JSON Lines, a data set on the hub.

A cell of a CSV file is the text that stands there: nothing is taken for a number, a date or
nothing at all.
"""

from __future__ import annotations

import csv
import hashlib
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

from bench.types import BenchError
from tasks import rows as json_lines
from tasks.hub import RESOLVED_LATER, read
from tasks.hub_files import HubSource, bring
from tasks.rows import Node, check_file, decoded, numbered_lines

_COLUMNS_SHOWN, _NAME_SHOWN, _VALUE_SHOWN = 60, 60, 50
_BIGGEST_CELL = 2**31 - 1  # characters; the csv module stops at 2**17 if nobody says otherwise


class Table(ABC):
    """`where`: its name in messages. `revision`: what says which content this is."""

    where: str
    revision: str

    @abstractmethod
    def rows(self) -> Iterator[Node]:
        """The rows, objects with a value per column. Raises BenchError when they cannot be had."""

    @cached_property
    def first(self) -> Mapping[str, Any]:
        """The first row. Raises BenchError when there is none."""
        row = next(self.rows(), None)
        if row is None:
            raise BenchError(f"{self.where} has no row; at least one expected")
        return dict(row.value)

    @cached_property
    def columns(self) -> list[str]:
        """The names of the columns. Raises BenchError when there is no row."""
        return list(self.first)


class _File(Table):
    def __init__(self, path: Path, expected: str, suffixes: tuple[str, ...]) -> None:
        check_file(path, expected, suffixes)
        self.path, self.where = path, str(path)
        try:
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise BenchError(
                f"{path} cannot be read: {error.strerror}. Make it readable."
            ) from error
        self.revision = f"sha256:{digest}"


class CsvTable(_File):
    """A CSV file with a header in UTF-8, or with tabs where its name ends in .tsv; plain or
    gzipped."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, "a CSV file", (".csv", ".tsv", ".csv.gz", ".tsv.gz"))
        tabs = path.name.removesuffix(".gz").lower().endswith(".tsv")
        self._delimiter = "\t" if tabs else ","

    def rows(self) -> Iterator[Node]:
        """The rows below the header, blank lines left out."""
        csv.field_size_limit(_BIGGEST_CELL)
        texts = (decoded(line, f"{self.path}, line {n}") for n, line in numbered_lines(self.path))
        reader = csv.reader(texts, delimiter=self._delimiter, strict=True)
        try:
            header = next(filter(None, reader), None)
            if header is None:
                raise BenchError(f"{self.path} is empty; a header and rows expected")
            self._check(header)
            for number, cells in enumerate(filter(None, reader), start=1):
                place = f"{self.path}, row {number} (to line {reader.line_num})"
                if len(cells) != len(header):
                    raise BenchError(
                        f"{place}: {len(cells)} cells found, {len(header)} expected, one for each "
                        f"of the columns {shown_columns(header)}. A cell with a "
                        f"{self._delimiter!r} or a line break in it stands in double quotes."
                    )
                yield Node(dict(zip(header, cells, strict=True)), place)
        except csv.Error as error:
            raise BenchError(
                f"{self.path}, line {reader.line_num}: {error}. A double quote opens and closes a "
                "cell, and is doubled inside of it."
            ) from error

    def _check(self, header: Sequence[str]) -> None:
        twice = [name for name, count in Counter(header).items() if count > 1]
        if twice:
            raise BenchError(
                f"{self.path}: the column {twice[0]!r} is there twice; every name once expected. "
                f"Columns: {shown_columns(header)}."
            )


class JsonTable(_File):
    """A JSON Lines file, an object a line; a column may be missing in some of them."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, "a JSON Lines file", (".jsonl", ".jsonl.gz"))

    def rows(self) -> Iterator[Node]:
        """The rows, blank lines left out."""
        return json_lines.rows(self.path)

    @cached_property
    def columns(self) -> list[str]:
        """The names in all rows, since a row leaves out what it does not have."""
        return list(dict.fromkeys(name for row in self.rows() for name in row.value))


class HubTable(Table):
    """A split of a data set on the hub. Its revision is known once it has been brought."""

    def __init__(self, source: HubSource) -> None:
        self.source, self.where = source, source.repo
        self.revision = source.revision or RESOLVED_LATER

    def rows(self) -> Iterator[Node]:
        """The rows of the split, of one revision from the first reading on."""
        folder, self.revision = bring(self.source)
        self.source = replace(self.source, revision=self.revision)
        yield from read(folder, self.source)


def shown_columns(names: Sequence[str]) -> str:
    """Names of columns for a message, in order."""
    shown = ", ".join(shown_name(name) for name in names[:_COLUMNS_SHOWN])
    more = len(names) - _COLUMNS_SHOWN
    return f"{shown} and {more} more" if more > 0 else shown


def shown_name(name: str) -> str:
    """A column's name for a message, in quotes where its end would not be seen."""
    name = _cut(name, _NAME_SHOWN)
    plain = name.isprintable() and name == name.strip() and name and "," not in name
    return name if plain else repr(name)


def shown_row(values: Mapping[str, Any]) -> str:
    """A row for a message, its values cut to a length that can be read."""
    pairs = list(values.items())[:_COLUMNS_SHOWN]
    return ", ".join(f"{shown_name(k)}={_cut(str(v), _VALUE_SHOWN)!r}" for k, v in pairs)


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[:length]}..."
