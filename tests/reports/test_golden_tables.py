"""The tables of a small fixed ledger, byte for byte: what changed without anybody meaning it."""

from __future__ import annotations

from pathlib import Path

import pytest
from fixed_ledger import COMMAND, GOLDEN, golden

from bench.ledger import Ledger
from reports.render import differing, save
from reports.tables import build


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> dict[str, bytes]:
    return golden(tmp_path_factory.mktemp("golden"))


def test_files_are_what_they_were(made: dict[str, bytes]) -> None:
    kept = {path.name: path.read_bytes() for path in GOLDEN.iterdir()}
    other = sorted(name for name in {*made, *kept} if made.get(name) != kept.get(name))
    if other:
        name = other[0]
        old, new = (files.get(name, b"").decode().splitlines() for files in (kept, made))
        at = next(
            (n for n, (a, b) in enumerate(zip(old, new, strict=False)) if a != b),
            min(len(old), len(new)),
        )
        pytest.fail(
            f"{len(other)} golden files are not what the fixed ledger gives: {', '.join(other)}. "
            f"{name}, line {at + 1}:\n  {old[at : at + 1]}\n  {new[at : at + 1]}\n"
            f"If that was meant, `{COMMAND}` writes them anew: look at the differences, and say "
            "in the commit why."
        )


def test_the_same_ledger_twice_gives_the_same_bytes(made: dict[str, bytes], tmp_path: Path) -> None:
    assert golden(tmp_path) == made


def test_what_is_stored_is_checked_in_every_form(made: dict[str, bytes], tmp_path: Path) -> None:
    golden(tmp_path)
    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        tables = build(ledger)
    folder = tmp_path / "tables"
    save(tables, folder)
    assert differing(tables, folder) == []
    for name in ("leaderboard.csv", "leaderboard.json", "leaderboard.md", "leaderboard.tex"):
        content = (folder / name).read_bytes()
        assert b"697" in content, name
        (folder / name).write_bytes(content.replace(b"697", b"698", 1))
    (folder / "pairs.parquet").write_bytes((folder / "domains.parquet").read_bytes())
    (folder / "cost.parquet").write_bytes(b"PAR1")
    (folder / "data.parquet").unlink()
    wrong = {"csv", "json", "md", "tex"}
    assert set(differing(tables, folder)) == {
        *(f"leaderboard.{form}" for form in wrong),
        *(f"{name}.parquet" for name in ("pairs", "cost", "data")),
    }
