"""Data sets on the Hugging Face hub, read row by row by `datasets`: no code of a set is run."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bench.spec import Spec
from bench.types import BenchError, Task, TaskCard
from tasks.hub_files import HubSource, bring, hub_url, matching, one_line
from tasks.rows import Node

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
    """The rows below a folder, or of one file, each read when it is asked for."""
    from datasets.exceptions import DatasetNotFoundError, DatasetsError
    from pyarrow import ArrowException

    where = f"{source.repo} ({place.name[:12]})"
    try:
        rows = enumerate(_stream(place, source), start=1)
        while (row := next(rows, None)) is not None:
            number, values = row
            _check_columns(values, columns, where, source)
            yield Node(values, f"{where}, {source.split} row {number}")
    except DatasetNotFoundError as error:
        raise BenchError(f"{place}: no data files of {source.repo} there ({error})") from error
    # TypeError: the values of one column are of several types.
    except (TypeError, ValueError, OSError, ArrowException, DatasetsError) as error:
        config = f"configuration {source.config!r}, " if source.config else ""
        raise BenchError(
            f"{where} cannot be read: {config}split {source.split!r} in {place} expected; "
            f"{one_line(error)}"
        ) from error


def _stream(place: Path, source: HubSource) -> Any:
    import datasets

    if source.builder is None and place.is_dir():
        return datasets.load_dataset(str(place), source.config, split=source.split, streaming=True)
    paths = [place] if place.is_file() else matching(place, source.files)
    kinds = {".parquet": "parquet", ".csv": "csv", ".json": "json", ".jsonl": "json", ".gz": "json"}
    builder = source.builder or kinds.get(place.suffix, "json")
    files = [str(path) for path in paths]
    return datasets.load_dataset(builder, data_files=files, split="train", streaming=True)


def _check_columns(
    values: dict[str, Any], columns: tuple[str, ...], where: str, source: HubSource
) -> None:
    missing = [name for name in columns if name not in values]
    if missing:
        raise BenchError(
            f"{where}: no column {', '.join(missing)}. Columns: {', '.join(values)}. The first "
            f"row: {_shown(values)}. {source.repo} has another schema at this revision than this "
            "adapter was written for; name an older one with the option revision=COMMIT."
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
