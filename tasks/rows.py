"""JSON Lines, read one line at a time, with errors that say file, line and field."""

from __future__ import annotations

import difflib
import gzip
import json
import math
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.types import BenchError

_SHOWN = 60  # characters of a wrong value that an error shows


@dataclass(slots=True)  # not frozen, which would take several times as long to make
class Node:
    """A JSON value and its place. `place`: file and line. `field`: the way to it in its row, such
    as ``labels[0].scores``; empty for the row itself."""

    value: Any
    place: str
    field: str = ""

    def error(self, expected: str) -> BenchError:
        """The error for a value that is not what was expected."""
        where = f"{self.place}, field {self.field}" if self.field else self.place
        return BenchError(f"{where}: {_found(self.value)} found, {expected} expected")

    def text(self, *, empty: bool = True) -> str:
        """A string. `empty`: whether it may be."""
        if not isinstance(self.value, str) or not (self.value or empty):
            raise self.error("a string" if empty else "a string that is not empty")
        return self.value

    def text_or_none(self) -> str | None:
        """A string, or None for null and for a missing field."""
        return None if self.value is None else self.text()

    def number(self) -> float:
        """A finite number; true and false are none."""
        if isinstance(self.value, bool) or not isinstance(self.value, int | float):
            raise self.error("a number")
        try:
            number = float(self.value)
        except OverflowError:
            number = math.inf
        if not math.isfinite(number):
            raise self.error("a finite number")
        return number

    def boolean(self) -> bool:
        """true or false; 1 and 0 are none."""
        if not isinstance(self.value, bool):
            raise self.error("true or false")
        return self.value

    def whole(self) -> int:
        """A whole number, also one that is written with a point (306.0)."""
        number = self.number()
        if number != int(number):
            raise self.error("a whole number")
        return int(number)

    def choice(self, names: Iterable[str]) -> str:
        """One of `names`."""
        names = list(names)
        if self.value not in names:
            raise self.error(f"one of {', '.join(map(repr, names))}")
        return str(self.value)

    def member(self, name: str) -> Node:
        """A field that the object must have, among others. Its value may be null."""
        node = self.member_or_none(name)
        if name not in self.value:
            raise BenchError(
                f"{self.place}: no field {node.field}. Fields: {', '.join(map(str, self.value))}."
            )
        return node

    def member_or_none(self, name: str) -> Node:
        """A field of the object; one that is not there has the value None."""
        if not isinstance(self.value, dict):
            raise self.error("an object")
        return Node(
            self.value.get(name), self.place, f"{self.field}.{name}" if self.field else name
        )

    def index(self, n: int) -> int:
        """The index of one of `n` responses."""
        if type(self.value) is not int or not 0 <= self.value < n:
            raise self.error(f"the index of a response (0 to {n - 1})")
        return self.value

    def list(self) -> list[Node]:
        """The elements of a list."""
        if not isinstance(self.value, list):
            raise self.error("a list")
        return [
            Node(element, self.place, f"{self.field}[{i}]") for i, element in enumerate(self.value)
        ]

    def permutation(self) -> tuple[int, ...]:
        """A list that holds every index of its own length once."""
        indices = tuple(node.index(len(self.value)) for node in self.list())
        if len(set(indices)) != len(indices):
            raise self.error("every index once")
        return indices

    def object(self, required: Iterable[str], optional: Iterable[str] = ()) -> dict[str, Node]:
        """The fields of an object; a missing optional one has the value None."""
        required, optional = tuple(required), tuple(optional)
        value, place = self.value, self.place
        if not isinstance(value, dict):
            raise self.error(f"an object with the fields {', '.join(required + optional)}")
        dot = f"{self.field}." if self.field else ""
        nodes = {name: Node(value.get(name), place, dot + name) for name in required + optional}
        if not value.keys() <= nodes.keys() or not all(map(value.__contains__, required)):
            raise self._other_fields(required, optional)
        return nodes

    def _other_fields(self, required: tuple[str, ...], optional: tuple[str, ...]) -> BenchError:
        """The error for an object with an unknown field, or without a required one."""
        dot, names = f"{self.field}." if self.field else "", required + optional
        unknown = next((name for name in self.value if name not in names), None)
        if unknown is not None:
            near = difflib.get_close_matches(unknown, names, n=1)
            mean = f" Did you mean {near[0]}?" if near else ""
            return BenchError(
                f"{self.place}: unknown field {dot}{unknown}.{mean} Fields: {', '.join(names)}."
            )
        missing = next(name for name in required if name not in self.value)
        return BenchError(
            f"{self.place}: no field {dot}{missing}. Fields: {', '.join(required)}"
            + (f"; optional: {', '.join(optional)}." if optional else ".")
        )


def rows(path: Path) -> Iterator[Node]:
    """The rows of a JSON Lines file, blank lines left out. Raises BenchError when the file or a
    line cannot be read."""
    check_file(path, "a JSON Lines file", (".jsonl", ".jsonl.gz"))
    for number, line in numbered_lines(path):
        if line.strip():
            yield _parse(line, f"{path}, line {number}")


def numbered_lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """The lines of a file, plain or gzipped (told by its first bytes), from 1, a byte order mark
    left out. Raises BenchError where the file cannot be read on."""
    number = 0
    try:
        with path.open("rb") as raw:
            packed = raw.read(2) == b"\x1f\x8b"
            raw.seek(0)
            with gzip.open(raw) if packed else raw as lines:
                for number, line in enumerate(lines, start=1):
                    yield number, line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line
    except (EOFError, zlib.error, OSError) as error:
        raise BenchError(
            f"{path}, after line {number}: {error}. A whole file, plain or gzipped, expected: "
            "copy or make it again."
        ) from error


def check_file(path: Path, expected: str, suffixes: tuple[str, ...]) -> None:
    """Raises BenchError, with near names, when `path` is no file. `suffixes`: of such files."""
    if path.is_file():
        return
    folder = path if path.is_dir() else path.parent
    names = [p.name for p in folder.iterdir()] if folder.is_dir() else []
    near = (
        [n for n in sorted(names) if n.endswith(suffixes)][:3]
        if path.is_dir()
        else difflib.get_close_matches(path.name, names, n=3, cutoff=0.5)
    )
    mean = f" Did you mean {' or '.join(str(folder / name) for name in near)}?" if near else ""
    what = "is a folder" if path.is_dir() else "is no file" if path.exists() else "does not exist"
    raise BenchError(f"{path} {what}; {expected} expected.{mean}")


def decoded(line: bytes, place: str) -> str:
    """A line as text. Raises BenchError when it is not UTF-8."""
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BenchError(f"{place}: not UTF-8 at byte {error.start}; UTF-8 expected") from error


def _parse(line: bytes, place: str) -> Node:
    text = decoded(line, place)
    try:
        value = _DECODER.decode(text)
    except (ValueError, RecursionError) as error:
        raise BenchError(f"{place}: not JSON ({error}); one JSON object a line expected") from error
    if not isinstance(value, dict):
        raise Node(value, place).error("one JSON object a line")
    return Node(value, place)


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON number")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object; a field given twice would silently be the second one."""
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise ValueError(f"a field is given twice among {', '.join(name for name, _ in pairs)}")
    return fields


# Made once: json.loads would make one for every line.
_DECODER = json.JSONDecoder(parse_constant=_no_constant, object_pairs_hook=_unique)


def _found(value: Any) -> str:
    if value is None:
        return "nothing (null or no such field)"
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
