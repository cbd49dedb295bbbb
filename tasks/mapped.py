"""Data of the user's own: ``csv:PATH``, ``jsonl:PATH`` and ``hub:OWNER/NAME`` with
``columns=MAPPING.yaml``, which says which columns are what (`tasks.mapping`).

A row is what one annotator said. Rows of one id, or without ids of one content, are one item; what
an annotator said of it a second time is a retest. Where no annotator is named, every row is by
somebody else.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Hashable, Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from bench.spec import Spec
from bench.types import BenchError, Item, Label, Response, Split, Task, TaskCard, content_key
from tasks.blind import blind
from tasks.hub import Pin
from tasks.hub_files import HubSource
from tasks.mapped_row import Content, Vote, read_vote
from tasks.mapping import Column, Columns, Constant, read_columns
from tasks.mapping_template import template
from tasks.tables import CsvTable, HubTable, JsonTable, Table, shown_columns, shown_name, shown_row

DATA_FILES = tuple(f"*.{kind}" for kind in ("parquet", "json", "jsonl", "csv", "tsv", "gz", "zst"))
"""What is brought of a set whose files are not known: no models, pictures or archives."""


@dataclass(frozen=True)
class FileOptions:
    """`columns`: path of the mapping."""

    columns: str | None = None


@dataclass(frozen=True)
class HubOptions(Pin):
    """`columns`: path of the mapping. `split`, `config`: as the README of the set names them."""

    columns: str | None = None
    split: str = "train"
    config: str | None = None


class MappedTask(Task):
    """The items of a table. Its card's revision is of the data and of the mapping; that of a set
    on the hub is known once a row has been read, and before where it is pinned."""

    def __init__(self, card: TaskCard, table: Table, columns: Columns) -> None:
        self.table, self.columns = table, columns
        self._key = content_key(asdict(columns))[:16]
        self.card = replace(_told(card, columns), revision=self._revision())

    def items(self, split: Split | None = None) -> Iterator[Item]:
        """The items in the order of their first rows. All are in memory: what was said of the
        first may stand in the last row. Raises BenchError with the columns that exist and the
        first row where the mapping does not fit."""
        _check_columns(self.table, self.columns)
        drafts = self._drafts()
        self.card = replace(self.card, revision=self._revision())
        for draft in drafts:
            item = draft.item(self.card.name, blinded=isinstance(self.columns.label, Constant))
            if split is None or item.split == split:
                yield item

    def _drafts(self) -> list[Draft]:
        drafts: dict[Hashable, Draft] = {}
        for number, row in enumerate(self.table.rows(), start=1):
            try:
                vote = read_vote(row, self.columns)
                draft = Draft(vote.id or f"row-{number}", vote.content, vote.place)
                drafts.setdefault(vote.id or vote.content, draft).add(vote)
            except BenchError as error:
                raise _with_columns(error, self.table) from error
        return list(drafts.values())

    def _revision(self) -> str:
        return f"{self.table.revision} columns:{self._key}"


@dataclass(slots=True)
class Draft:
    """An item while its rows are read. `place`: of its first row. `labels`: by annotator."""

    id: str
    content: Content
    place: str
    labels: dict[str, Label] = field(default_factory=dict)
    retests: list[Label] = field(default_factory=list)

    def add(self, vote: Vote) -> None:
        """One more row. Raises BenchError when it has the id of this item and another content."""
        if vote.content != self.content:
            parts = [k for k, v in asdict(self.content).items() if v != asdict(vote.content)[k]]
            raise BenchError(
                f"{vote.place}: id {self.id!r} with other {', '.join(parts)} than in {self.place}; "
                "rows of one id are what several annotators said of one item"
            )
        label = Label(vote.annotator or f"vote{len(self.labels) + 1}", vote.utilities)
        if label.annotator in self.labels:
            self.retests.append(label)
        else:
            self.labels[label.annotator] = label

    def item(self, task: str, *, blinded: bool) -> Item:
        """The item. `blinded`: its responses in a fixed pseudo-random order."""
        content, labels = self.content, (*self.labels.values(), *self.retests)
        written = list(zip(content.texts, content.models, strict=True))
        responses = tuple(Response(str(i), *pair) for i, pair in enumerate(written))
        if blinded:
            responses, labels = blind(self.id, written, labels)
        n = len(self.labels)
        return Item(
            id=self.id,
            task=task,
            domain=content.domain,
            prompt=content.prompt,
            responses=responses,
            labels=labels[:n],
            subset=content.subset,
            reference=content.reference,
            retests=labels[n:],
            cluster=content.cluster,
        )


def csv(spec: Spec) -> Task:
    """Your own CSV or TSV: csv:PATH,columns=MAPPING.yaml, one row a vote"""
    options = spec.settings(FileOptions)
    if not spec.argument:
        raise BenchError(f"{spec.text!r}: csv:PATH,columns=MAPPING.yaml expected")
    return _file_task(spec, CsvTable(Path(spec.argument).expanduser()), options.columns)


def jsonl(spec: Spec) -> Task:
    """The task that ``jsonl:PATH,columns=MAPPING.yaml`` asks for."""
    options = spec.settings(FileOptions)
    return _file_task(spec, JsonTable(Path(spec.argument).expanduser()), options.columns)


def hub(spec: Spec) -> Task:
    """Any set on the hub: hub:OWNER/NAME,columns=MAPPING.yaml,split=,config=,revision="""
    options = spec.settings(HubOptions)
    if not re.fullmatch(r"\w[\w.-]*/\w[\w.-]*", spec.argument):
        raise BenchError(f"{spec.text!r}: hub:OWNER/NAME,columns=MAPPING.yaml expected")
    source = HubSource(
        spec.argument, options.split, options.config, DATA_FILES, revision=options.revision
    )
    # Under the name that asks for it, so that several parts of a set can be in one run.
    parts = [f"config={options.config}"] if options.config else []
    parts += [f"split={options.split}"] if "split" in spec.options else []
    card = TaskCard(
        name=":".join(["hub", spec.argument, *parts]),
        title=f"{spec.argument}, {options.split}",
        domains=(),
        labels="",
        licence="the set's own",
        revision="",
        url=f"https://huggingface.co/datasets/{spec.argument}",
    )
    table = HubTable(source)
    return MappedTask(card, table, _columns(spec, table, options.columns))


def _file_task(spec: Spec, table: CsvTable | JsonTable, mapping: str | None) -> Task:
    columns = _columns(spec, table, mapping)
    _check_columns(table, columns)
    path = table.path
    stem = path.name.removesuffix(".gz").removesuffix(".jsonl").removesuffix(".csv")
    card = TaskCard(
        name=f"{spec.name}:{'/'.join([*path.parts[-2:-1], stem])}",
        title=f"Items of {path.name}",
        domains=(),
        labels="",
        licence="the file's own",
        revision="",
    )
    return MappedTask(card, table, columns)


def _columns(spec: Spec, table: Table, mapping: str | None) -> Columns:
    """The mapping; where there is none to be read, the error shows what could stand in it."""
    if mapping is not None:
        try:
            return read_columns(Path(mapping).expanduser())
        except BenchError as error:
            raise _with_columns(error, table) from error
    said = (
        f"{spec.text!r} does not say which columns are what. Save this as columns.yaml, mend it, "
        f"and ask for {spec.text},columns=columns.yaml:\n\n{template(table.columns)}\n"
    )
    raise _with_columns(BenchError(said), table)


def _check_columns(table: Table, columns: Columns) -> None:
    """Raises BenchError, with near names, for a column that the table does not have."""
    for name in columns.names():
        if name not in table.columns:
            near = difflib.get_close_matches(name, table.columns, n=1)
            mean = f" Did you mean {shown_name(near[0])}?" if near else ""
            said = f"{table.where} has no column {shown_name(name)}.{mean}"
            raise _with_columns(BenchError(said), table)


def _with_columns(error: BenchError, table: Table) -> BenchError:
    """The error, and what is in the table as far as that can be had."""
    try:
        columns, first = shown_columns(table.columns), shown_row(table.first)
    except BenchError as other:
        return BenchError(f"{error}\n(The columns cannot be shown: {other})")
    return BenchError(f"{error}\nColumns: {columns}.\nThe first row: {first}")


def _told(card: TaskCard, columns: Columns) -> TaskCard:
    """The card with what the mapping says of labels, pairs and clusters."""
    labels, pairs = "scores", f"rows of one {'id' if columns.id else 'content'} are one item"
    if isinstance(columns.label, Constant):
        labels = f"always {columns.label.text!r}"
        pairs += "; responses in a fixed pseudo-random order, since the label is always the same"
    elif columns.label is not None:
        labels = f"column {columns.label.name!r}"
    if columns.annotator is None:
        labels += "; nobody is named, so each row of an item is another annotator's"
    card = replace(card, labels=labels, pairs=pairs)
    if isinstance(columns.cluster, Column):
        card = replace(card, clusters=f"column {columns.cluster.name!r}, or the prompt")
    return card
