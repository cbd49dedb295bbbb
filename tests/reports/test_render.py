"""Parquet says what CSV says, with types; and another version of its library changes nothing."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from fixed_ledger import write
from markdown_it import MarkdownIt
from pyarrow import parquet

from bench.ledger import Ledger
from bench.printable import printable
from reports.render import DIGITS, differing, files, save
from reports.tables import build


@pytest.fixture(scope="module")
def tables(tmp_path_factory) -> dict[str, pd.DataFrame]:
    with Ledger(write(tmp_path_factory.mktemp("run")) / "ledger.sqlite") as ledger:
        return build(ledger)


def test_parquet_holds_the_numbers_of_the_tables_with_their_types(tables) -> None:
    made = files(tables)
    for name, table in tables.items():
        stored = parquet.read_table(io.BytesIO(made[f"{name}.parquet"]))
        assert stored.column_names == list(table.columns), name
        assert stored.num_rows == len(table), name
        for column in table:
            values = stored[column].to_pylist()
            if table[column].dtype.kind == "f":
                expected = table[column].round(DIGITS)
                got = np.array([np.nan if v is None else v for v in values], float)
                assert np.array_equal(got, expected, equal_nan=True), (name, column)
            else:
                expected = [None if pd.isna(v) else v for v in table[column]]
                assert values == expected, (name, column)
        assert not (stored.schema.metadata or {}), "nothing that names a version"


def test_what_is_undefined_is_null_and_not_nan(tables) -> None:
    stored = parquet.read_table(io.BytesIO(files(tables)["cost.parquet"]))
    unpriced = stored["usd_per_1000"].to_pylist()[0]
    assert unpriced is None
    assert stored["on_frontier"].to_pylist() == [None, True, None, None]


def test_a_file_of_another_version_of_the_library_counts_as_the_same(
    tables, tmp_path: Path
) -> None:
    save(tables, tmp_path)
    path = tmp_path / "leaderboard.parquet"
    before = path.read_bytes()
    parquet.write_table(parquet.read_table(path), path, compression="zstd")
    assert path.read_bytes() != before
    assert differing(tables, tmp_path) == []


def test_every_table_of_the_ten_has_its_latex(tables) -> None:
    made = {name for name in files(tables) if name.endswith(".tex")}
    names = "leaderboard domains pairs position bias calibration official cost headline data people"
    assert made == {f"{name}.tex" for name in names.split()}


def test_names_in_markdown_are_words_and_what_is_missing_is_empty(tables) -> None:
    bad = "<img src=x>|[x](http://e)`\x1b"
    board = tables["leaderboard"].assign(judge=bad)
    made = files({**tables, "leaderboard": board})["leaderboard.md"].decode()
    parser = MarkdownIt("commonmark", {"html": True}).enable("table")
    cells = [t for t in parser.parse(made) if t.type == "inline"]
    names, n = [c.content for c in cells[: len(board.columns)]], len(board.columns)
    assert names == list(board.columns)
    for row in range(len(board)):
        of = dict(zip(names, cells[n * (row + 1) :], strict=False))
        judge = "".join(c.content for c in of["judge"].children or ())
        assert judge == printable(bad)
        assert (of["parameters"].content == "") == pd.isna(board.parameters.iloc[row])
    assert {c.type for t in cells for c in t.children or ()} <= {
        "text",
        "text_special",
        "code_inline",
    }
