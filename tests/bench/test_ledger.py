from __future__ import annotations

import sqlite3
import subprocess
import sys
import textwrap
from pathlib import Path

import pandas as pd
import pytest

from bench.ledger import SCHEMA_VERSION, Ledger
from bench.plan import Plan, trials
from bench.types import BenchError, JudgeCard, Status, Usage, failure, verdict

CARD = JudgeCard("j", "k", ("pairwise",), parameters=7, settings={"a": 1})
PLAN = Plan(("j",), ("made",))


@pytest.fixture
def ledger(tmp_path: Path, make_item):
    with Ledger(tmp_path / "run" / "ledger.sqlite", write=True) as opened:
        opened.write_plan(PLAN, [make_item(i) for i in range(3)], [CARD])
        yield opened


def planned(make_item) -> list:
    return [t for _, t in trials([make_item(i) for i in range(3)], CARD)]


def test_it_gives_back_what_was_written(ledger: Ledger, make_item) -> None:
    assert ledger.plan() == PLAN
    assert ledger.judges() == [CARD]
    assert ledger.items() == [make_item(i) for i in range(3)]
    first, second, third, fourth, *_ = planned(make_item)
    usage = Usage(prompt_tokens=10, cost_usd=0.25)
    ledger.append([verdict(first, [0.1, 0.9], raw="A", usage=usage)])
    ledger.append([failure(second, Status.UNPARSED, raw="?"), failure(third, Status.ERROR)])
    rows = list(ledger.showings("j"))
    assert [row[:4] for row in rows[:4]] == [
        (0, "0,1", 0, "ok"),
        (0, "1,0", 0, "unparsed"),
        (1, "0,1", 0, "error"),
        (1, "1,0", 0, "not_run"),
    ]
    assert rows[0][4] == "[0.1, 0.9]"
    assert ledger.done() == {first.key, second.key}, "an error is asked again"
    assert ledger.spent() == 0.25
    ledger.append([verdict(third, [1.0, 0.0]), verdict(fourth, [1.0, 0.0])])
    assert [row[3] for row in ledger.showings("j")][:4] == ["ok", "unparsed", "ok", "ok"]


def test_verdicts_are_final(ledger: Ledger, make_item) -> None:
    trial = planned(make_item)[0]
    ledger.append([verdict(trial, [1.0, 0.0])])
    ledger.append([verdict(trial, [0.0, 1.0])])
    assert next(iter(ledger.showings("j")))[4] == "[1.0, 0.0]"
    raw = sqlite3.connect(ledger.path)
    for statement in ("DELETE FROM verdicts", "UPDATE verdicts SET status = 'ok'"):
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            raw.execute(statement)


def test_a_new_plan_keeps_the_verdicts(ledger: Ledger, make_item) -> None:
    ledger.append([verdict(t, [1.0, 0.0]) for t in planned(make_item)])
    ledger.write_plan(Plan(("j",), ("made",), limit=1), [make_item(2)], [CARD])
    assert [row[3] for row in ledger.showings("j")] == ["ok", "ok"]
    ledger.write_plan(PLAN, [make_item(i) for i in range(3)], [CARD])
    assert [row[3] for row in ledger.showings("j")] == ["ok"] * 6


def test_one_writer_many_readers(ledger: Ledger, make_item) -> None:
    with pytest.raises(BenchError, match="being written by another run"):
        Ledger(ledger.path, write=True)
    other = textwrap.dedent(
        f"""
        from pathlib import Path
        from bench.ledger import Ledger
        with Ledger(Path({str(ledger.path)!r})) as reader:
            print(len(list(reader.showings("j"))), len(reader.done()))
        """
    )
    ledger.append([verdict(planned(make_item)[0], [1.0, 0.0])])
    seen = subprocess.run([sys.executable, "-c", other], capture_output=True, text=True, check=True)
    assert seen.stdout.split() == ["6", "1"]
    ledger.append([verdict(planned(make_item)[1], [1.0, 0.0])])
    assert len(ledger.done()) == 2


def test_broken_unicode_is_stored(ledger: Ledger, make_item) -> None:
    trial = planned(make_item)[0]
    ledger.append([verdict(trial, [1.0, 0.0], raw="\ud800 \x00 \u202e")])
    assert len(ledger.done()) == 1
    strange = make_item(9, reference="\ud800")
    ledger.write_plan(PLAN, [strange], [CARD])
    assert ledger.items() == [strange]


def test_what_is_no_ledger_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    with pytest.raises(BenchError, match="no ledger at"):
        Ledger(path)
    path.write_text("this is not a database, though it is long enough to look at")
    with pytest.raises(BenchError, match="is no ledger"):
        Ledger(path, write=True)
    path.unlink()
    with Ledger(path, write=True) as empty, pytest.raises(BenchError, match="no plan yet"):
        empty.plan()
    raw = sqlite3.connect(path)
    raw.execute("UPDATE meta SET value = '99' WHERE name = 'schema'")
    raw.commit()
    with pytest.raises(
        BenchError, match=f"schema 99; this smallclaims reads schema {SCHEMA_VERSION}"
    ):
        Ledger(path)


def test_a_full_disk_loses_nothing_that_was_there(ledger: Ledger, make_item) -> None:
    """Stand-in for a full disk: SQLite's own limit on the size of the file."""
    first, second, *_ = planned(make_item)
    ledger.append([verdict(first, [1.0, 0.0])])
    pages = ledger._db.execute("PRAGMA page_count").fetchone()[0]
    ledger._db.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(BenchError, match=r"cannot be written: database or disk is full.*make room"):
        ledger.append([verdict(second, [1.0, 0.0], raw="x" * 10**6)])
    assert ledger.done() == {first.key}
    ledger._db.execute(f"PRAGMA max_page_count = {pages + 1000}")
    ledger.append([verdict(second, [1.0, 0.0], raw="x" * 10**6)])
    assert len(ledger.done()) == 2


def test_parquet_export_holds_every_showing(ledger: Ledger, make_item, tmp_path: Path) -> None:
    ledger.append([verdict(planned(make_item)[0], [0.5, 0.25], raw="why")])
    ledger.export_parquet(tmp_path / "all.parquet")
    frame = pd.read_parquet(tmp_path / "all.parquet")
    assert len(frame) == 6
    assert frame.loc[0, "utilities"] == "[0.5, 0.25]"
    assert frame.raw.notna().sum() == 1
    assert frame.cost_usd.dtype == float


def test_an_export_spares_what_is_there(ledger: Ledger, tmp_path: Path) -> None:
    before = ledger.path.read_bytes()
    with pytest.raises(BenchError, match=r"a file that ends in \.parquet expected"):
        ledger.export_parquet(ledger.path)
    assert ledger.path.read_bytes() == before
    for place in (tmp_path / "no/such/a.parquet", tmp_path / "folder.parquet"):
        (tmp_path / "folder.parquet/in").mkdir(parents=True, exist_ok=True)
        with pytest.raises(BenchError, match="cannot be written"):
            ledger.export_parquet(place)
    assert not list(tmp_path.glob(".*.part"))


def test_a_reader_sees_one_moment(ledger: Ledger, make_item) -> None:
    """A plan that grows while tables are made does not mix into them."""
    with Ledger(ledger.path) as reader:
        before = reader.items()
        ledger.write_plan(PLAN, [make_item(i) for i in range(9)], [CARD])
        assert len(list(reader.showings("j"))) == 2 * len(before)
    with Ledger(ledger.path) as reader:
        assert len(reader.items()) == 9


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(BenchError, match="cannot be written"):
        Ledger(tmp_path / "file" / "run" / "ledger.sqlite", write=True)


@pytest.mark.parametrize("version", [1, 2])
def test_an_older_ledger_keeps_its_verdicts(ledger: Ledger, make_item, version: int) -> None:
    """As those versions left it: nothing of verdicts on a part, in the first no training sets."""
    path = ledger.path
    ledger.append([verdict(t, [1.0, 0.0]) for _, t in trials(ledger.items(), CARD)])
    kept = ledger.done()
    assert kept
    ledger.close()
    with sqlite3.connect(path) as db:
        for table in ("verdicts", "attempts"):
            db.execute(f"ALTER TABLE {table} DROP COLUMN cut")
        if version == 1:
            db.execute("DROP TABLE training_sets")
        db.execute(f"UPDATE meta SET value = '{version}' WHERE name = 'schema'")
    with pytest.raises(BenchError, match="with the same --out brings it up to date"):
        Ledger(path)
    with Ledger(path, write=True) as again:
        assert again.done() == kept
        again.write_plan(PLAN, [make_item(i) for i in range(3)], [CARD])
        assert again.overlaps() == []
    with Ledger(path) as reader:
        assert len(reader.items()) == 3


def test_what_nobody_may_write_can_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """That the folder may not be written is a stand-in: the tests may run as root."""
    path = tmp_path / "ledger.sqlite"
    with Ledger(path, write=True) as ledger:
        ledger.write_plan(Plan(("j",), ("made",)), [], [])
    before = sorted(p.name for p in tmp_path.iterdir())
    monkeypatch.setattr("os.access", lambda *_: False)
    with Ledger(path) as ledger:
        assert ledger.items() == []
        assert sorted(p.name for p in tmp_path.iterdir()) == before
