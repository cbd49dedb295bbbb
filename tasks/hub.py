"""Data sets on the Hugging Face hub, read row by row by `datasets`: no code of a set is run."""

from __future__ import annotations

import glob
import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bench.spec import Spec
from bench.types import BenchError, Task, TaskCard
from tasks.hub_files import HubSource, bring, hub_url, matching, one_line
from tasks.rows import Node, numbered_lines

RESOLVED_LATER = "the newest, resolved when it is read"


@dataclass(frozen=True)
class Pin:
    """Option of every task on the hub. `revision`: commit, tag or branch instead of the card's."""

    revision: str | None = None


@dataclass(frozen=True)
class SplitPin(Pin):
    """Options where the authors publish several splits. `split`: another than the task's own. It
    has nothing to do with `Item.split`, which follows from the prompt alone."""

    split: str | None = None


class HubTask(Task):
    """A task on the hub. Its card's revision is known once a row has been read, and before where
    the source or the user pins it.

    ``NAME:PATH`` reads a local copy, a file or a folder in the original schema.
    """

    def __init__(self, card: TaskCard, source: HubSource, spec: Spec) -> None:
        pin = spec.settings(SplitPin if source.others else Pin)
        if isinstance(pin, SplitPin) and pin.split not in (None, source.split):
            if pin.split not in source.others:
                raise BenchError(
                    f"{spec.text!r}: the authors have no split {pin.split!r}. "
                    f"There are: {', '.join((source.split, *source.others))}."
                )
            # Under the name that asks for it, so that both can be in one run.
            card = replace(card, name=f"{card.name}:split={pin.split}")
            source = replace(source, split=pin.split)
        revision = pin.revision or source.revision
        self.source = replace(source, revision=revision)
        self.local = Path(spec.argument).expanduser() if spec.argument else None
        self.card = replace(card, revision=revision or RESOLVED_LATER, url=hub_url(source.repo))
        if self.local is not None:
            if pin.revision is not None:
                raise BenchError(f"{spec.text!r}: a local copy has no revision; the path alone")
            self.card = replace(self.card, revision=_content(self.local))

    def rows(self, *columns: str) -> Iterator[Node]:
        """The rows of the split, in order. Raises BenchError when the files cannot be had, are not
        what the hub says, or have no such `columns`: then with those that they have."""
        if self.local is not None:
            yield from read(self.local, self.source, columns)
            return
        folder, revision = bring(self.source)
        # From the first reading on it is this one, whatever becomes the newest meanwhile.
        self.source = replace(self.source, revision=revision)
        self.card = replace(self.card, revision=revision)
        yield from read(folder, self.source, columns)


def read(place: Path, source: HubSource, columns: tuple[str, ...] = ()) -> Iterator[Node]:
    """The rows below a folder, or of one file, each read when it is asked for. Raises BenchError
    where there is none, or where they cannot be read."""
    where = f"{source.repo} ({_short(place)})"
    number = 0
    try:
        for number, values in enumerate(_stream(place, source), start=1):
            _check_columns(values, columns, where, source)
            yield Node(values, f"{where}, {source.split} row {number}")
    except BenchError:
        raise
    except Exception as error:  # of a broken file, the library lets through what its parts raise
        config = f"configuration {source.config!r}, " if source.config else ""
        raise BenchError(
            f"{where} cannot be read: {config}split {source.split!r} in {place} expected; "
            f"{one_line(error)}"
        ) from error
    if not number:
        raise BenchError(f"{where} has no row; at least one expected in {place}")


def _short(place: Path) -> str:
    """A commit as people write it, or the name of a local copy."""
    return place.name[:12] if re.fullmatch("[0-9a-f]{40}", place.name) else place.name


def _stream(place: Path, source: HubSource) -> Iterator[dict[str, Any]]:
    import datasets

    paths = [place] if place.is_file() else matching(place, source.files)
    for path in paths:
        _check_json(path)
    if source.builder is None and place.is_dir():
        rows = datasets.load_dataset(str(place), source.config, split=source.split, streaming=True)
    else:
        kinds = {".parquet": "parquet", ".csv": "csv"}
        builder = source.builder or kinds.get(place.suffix, "json")
        files = [glob.escape(str(path)) for path in paths]  # a name is no pattern
        rows = datasets.load_dataset(builder, data_files=files, split="train", streaming=True)
    yield from rows


def _check_json(path: Path) -> None:
    """The reader of JSON crashes the whole process on a file that begins with something else than
    an object or a list of them."""
    if ".json" not in path.suffixes[-2:] and ".jsonl" not in path.suffixes[-2:]:
        return
    first = next((line.strip() for _, line in numbered_lines(path) if line.strip()), b"")
    if first[:1] not in (b"{", b"["):
        found = repr(first[:20].decode("utf-8", "replace")) if first else "nothing"
        raise BenchError(f"{path} begins with {found}; JSON objects expected")


def _check_columns(
    values: dict[str, Any], columns: tuple[str, ...], where: str, source: HubSource
) -> None:
    missing = [name for name in columns if name not in values]
    if missing:
        raise BenchError(
            f"{where}: no column {', '.join(missing)}. Columns: {', '.join(values)}. The first "
            f"row: {_shown(values)}. That is another schema than this adapter was written for: "
            f"another revision of {source.repo} (option revision=COMMIT), or another file."
        )


def _shown(values: dict[str, Any]) -> str:
    return ", ".join(f"{name}={str(value)[:40]!r}" for name, value in values.items())


def _content(place: Path) -> str:
    """The sha256 of a local copy: of its file, or of names and contents of the files below it."""
    if not place.exists():
        raise BenchError(f"{place} does not exist; a local copy of the data set expected")
    paths = [place] if place.is_file() else sorted(p for p in place.rglob("*") if p.is_file())
    digest = hashlib.sha256()
    for path in paths:
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if place.is_file():
            return f"sha256:{found}"
        digest.update(f"{path.relative_to(place)} {found}\n".encode())
    return f"sha256:{digest.hexdigest()}"
