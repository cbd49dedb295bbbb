"""The store of verdicts: one SQLite file, and the only source of every table.

Verdicts are appended and never changed (triggers refuse anything else); their primary key is the
trial's content key, so a trial is never paid for twice. Infrastructure errors are kept beside them
as attempts, and their trials are asked again when the run resumes. The plan, the judges' cards, the
items and the list of trials are in the same file, so that a ledger explains itself.

One process writes (a lock file says so); any number may read meanwhile (WAL).
"""

from __future__ import annotations

import heapq
import json
import os
import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, fields
from operator import attrgetter, itemgetter
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from bench.overlap import TrainingOverlap
from bench.plan import Plan, trials
from bench.types import (
    BenchError,
    Item,
    JudgeCard,
    Label,
    Message,
    Response,
    Status,
    Usage,
    Verdict,
    content_key,
)

SCHEMA_VERSION = 3
TRAINING_SETS = """CREATE TABLE training_sets (judge TEXT NOT NULL, source TEXT NOT NULL,
    shared TEXT NOT NULL, unknown TEXT NOT NULL)"""
"""New in version 2."""
_USAGE = tuple(f.name for f in fields(Usage))
_usage_row = attrgetter(*_USAGE)
_ANSWER = f"""status TEXT NOT NULL, utilities TEXT, confidence REAL, raw TEXT NOT NULL,
    note TEXT NOT NULL, at REAL NOT NULL, {", ".join(f"{name} REAL" for name in _USAGE)},
    cut INTEGER NOT NULL DEFAULT 0"""
_SCHEMA = f"""
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE judges (id INTEGER PRIMARY KEY, name TEXT UNIQUE NOT NULL, card TEXT NOT NULL);
CREATE TABLE items (id INTEGER PRIMARY KEY, key TEXT NOT NULL, content TEXT NOT NULL);
CREATE TABLE trials (judge INTEGER NOT NULL, item INTEGER NOT NULL, shown TEXT NOT NULL,
    repeat INTEGER NOT NULL, key BLOB NOT NULL);
{TRAINING_SETS};
CREATE INDEX trials_of_judge ON trials (judge);
CREATE TABLE verdicts (key BLOB PRIMARY KEY, {_ANSWER});
CREATE TABLE attempts (key BLOB NOT NULL, {_ANSWER});
CREATE INDEX attempts_by_key ON attempts (key);
CREATE TABLE sessions (judge TEXT NOT NULL, started REAL NOT NULL, wall_s REAL NOT NULL,
    verdicts INTEGER NOT NULL, stopped TEXT);
CREATE TRIGGER verdicts_are_final BEFORE UPDATE ON verdicts
    BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
CREATE TRIGGER verdicts_stay BEFORE DELETE ON verdicts
    BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
"""


class Ledger:
    """A ledger opened for reading, or for writing (which takes the lock).

    Raises BenchError when the file is missing (reading), has another schema, is no ledger, or is
    being written by another run.
    """

    def __init__(self, path: Path, *, write: bool = False) -> None:
        self.path = path
        self._lock = FileLock(path.with_name(path.name + ".lock"), timeout=0)
        if write:
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                self._lock.acquire()
            except Timeout:
                raise BenchError(
                    f"{path} is being written by another run. Wait for it or stop it, or give "
                    "another --out. (Reading, `smallclaims report`, is possible meanwhile.)"
                ) from None
            except OSError as error:
                raise BenchError(
                    f"{path.parent} cannot be written: {error.strerror}. Give another --out."
                ) from error
        elif not path.exists():
            raise BenchError(
                f"no ledger at {path}. `smallclaims run --out {path.parent}` makes one."
            )
        try:
            self._open(write)
        except BaseException:
            self.close()
            raise

    def _open(self, write: bool) -> None:
        self._db = sqlite3.connect(
            self._address(write),
            uri=True,
            isolation_level=None,
            timeout=30,
            check_same_thread=False,
        )
        try:
            if write:
                self._db.execute("PRAGMA journal_mode=WAL")
                self._db.execute("PRAGMA synchronous=FULL")
                if not self._db.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone():
                    self._create()
                self._upgrade()
            else:
                self._db.execute("BEGIN")  # all reads see one moment, whatever a writer does
            schema = self._get("schema")
        except sqlite3.DatabaseError as error:
            raise BenchError(f"{self.path} is no ledger: {error}. Give another --out.") from error
        if schema != str(SCHEMA_VERSION):
            again = (
                "`smallclaims run` with the same --out brings it up to date, and keeps verdicts. "
            )
            raise BenchError(
                f"{self.path} has schema {schema}; this smallclaims reads schema {SCHEMA_VERSION}. "
                f"{again if schema in ('1', '2') else ''}Or use the version that wrote it."
            )

    def _address(self, write: bool) -> str:
        """Where nobody may write, nobody does: the file is read as it is, without the files that
        WAL keeps beside it."""
        fixed = not write and not os.access(self.path.parent, os.W_OK)
        return self.path.resolve().as_uri() + ("?immutable=1" if fixed else "")

    def _create(self) -> None:
        # One transaction: a process killed here leaves an empty file, which the next run fills.
        self._db.executescript(
            f"BEGIN; {_SCHEMA} INSERT INTO meta VALUES ('schema', '{SCHEMA_VERSION}'); COMMIT;"
        )

    def _upgrade(self) -> None:
        """An older ledger keeps its verdicts; its plan is written anew by the next run."""
        steps = {
            "1": f"{TRAINING_SETS}; UPDATE meta SET value = '2' WHERE name = 'schema';",
            "2": "".join(
                f"ALTER TABLE {table} ADD COLUMN cut INTEGER NOT NULL DEFAULT 0;"
                for table in ("verdicts", "attempts")
            )
            + "UPDATE meta SET value = '3' WHERE name = 'schema';",
        }
        while (step := steps.get(self._get("schema") or "")) is not None:
            self._db.executescript(
                f"BEGIN; {step} DELETE FROM meta WHERE name = 'plan_key'; COMMIT;"
            )

    def close(self) -> None:
        """Close the file and give the lock back."""
        if hasattr(self, "_db"):
            self._db.close()
        self._lock.release()

    def __enter__(self) -> Ledger:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- writing ---------------------------------------------------------------------------------

    def write_plan(
        self,
        plan: Plan,
        items: Sequence[Item],
        judges: Sequence[JudgeCard],
        overlaps: Sequence[TrainingOverlap] = (),
    ) -> None:
        """Make `plan` the ledger's plan. Verdicts stay, and those that it needs are used again.
        `overlaps`: what the judges were trained on, beside the items."""
        cards = [json.dumps(asdict(card), sort_keys=True) for card in judges]
        # One key of each judge stands for the way keys are made, which a new version may change.
        keys = [next((t.key for _, t in trials(items, card)), "") for card in judges]
        sets = [
            (o.judge, o.source, json.dumps(o.shared, sort_keys=True), o.unknown) for o in overlaps
        ]
        written = content_key(plan.to_json(), [item.key for item in items], cards, keys, sets)
        if self._get("plan_key") == written:
            return
        with self._transaction():
            for table in ("judges", "items", "trials", "training_sets"):
                self._db.execute(f"DELETE FROM {table}")
            for name, value in (("plan", plan.to_json()), ("plan_key", written)):
                self._db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (name, value))
            self._db.executemany(
                "INSERT INTO items VALUES (?, ?, ?)",
                ((i, item.key, json.dumps(asdict(item))) for i, item in enumerate(items)),
            )
            self._db.executemany("INSERT INTO training_sets VALUES (?, ?, ?, ?)", sets)
            for j, card in enumerate(judges):
                self._db.execute("INSERT INTO judges VALUES (?, ?, ?)", (j, card.name, cards[j]))
                # Enumerated in (item, shown, repeat) order, and read back in it.
                self._db.executemany(
                    "INSERT INTO trials VALUES (?, ?, ?, ?, ?)",
                    (
                        (j, i, ",".join(map(str, t.order)), t.repeat, bytes.fromhex(t.key))
                        for i, t in trials(items, card, repeats=plan.repeats)
                    ),
                )

    def append(self, verdicts: Iterable[Verdict]) -> None:
        """Add verdicts in one transaction: on disk, or not at all. A key that is there already
        keeps its first verdict."""
        rows: dict[str, list[tuple[object, ...]]] = {"verdicts": [], "attempts": []}
        for v in verdicts:
            table = "attempts" if v.status is Status.ERROR else "verdicts"
            utilities = None if v.utilities is None else json.dumps(v.utilities)
            text = (_storable(v.raw), _storable(v.note), time.time())
            rows[table].append(
                (
                    bytes.fromhex(v.key),
                    v.status,
                    utilities,
                    v.confidence,
                    *text,
                    *_usage_row(v.usage),
                    v.cut,
                )
            )
        marks = ", ".join("?" * (8 + len(_USAGE)))
        with self._transaction():
            for table, values in rows.items():
                self._db.executemany(f"INSERT OR IGNORE INTO {table} VALUES ({marks})", values)

    def add_session(
        self, judge: str, started: float, wall_s: float, verdicts: int, stopped: str | None
    ) -> None:
        """Note that `judge` worked for `wall_s` seconds and gave `verdicts` answers."""
        row = (judge, started, wall_s, verdicts, stopped)
        self._db.execute("INSERT INTO sessions VALUES (?, ?, ?, ?, ?)", row)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """All or nothing, also when interrupted. A full disk is told as such."""
        try:
            self._db.execute("BEGIN IMMEDIATE")
            yield
            self._db.execute("COMMIT")
        except sqlite3.OperationalError as error:
            self._rollback()
            raise BenchError(
                f"{self.path} cannot be written: {error}. What was there before is kept; "
                "make room (or mend the folder's rights) and run the same command again."
            ) from error
        except BaseException:
            self._rollback()
            raise

    def _rollback(self) -> None:
        if self._db.in_transaction:
            self._db.execute("ROLLBACK")

    # -- reading ---------------------------------------------------------------------------------

    def plan(self) -> Plan:
        """The plan. Raises BenchError before one was written."""
        text = self._get("plan")
        if text is None:
            raise BenchError(f"{self.path} has no plan yet: its run was stopped before it began.")
        return Plan.from_json(text)

    def _get(self, name: str) -> str | None:
        row = self._db.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
        return None if row is None else str(row[0])

    def done(self) -> set[str]:
        """Keys of all trials that have their verdict."""
        return {key.hex() for (key,) in self._db.execute("SELECT key FROM verdicts")}

    def spent(self) -> float:
        """US dollars so far, errors included."""
        union = "SELECT cost_usd FROM verdicts UNION ALL SELECT cost_usd FROM attempts"
        return float(self._db.execute(f"SELECT TOTAL(cost_usd) FROM ({union})").fetchone()[0])

    def judges(self) -> list[JudgeCard]:
        """Cards of the planned judges, in plan order."""
        rows = self._db.execute("SELECT card FROM judges ORDER BY id")
        return [_card(json.loads(card)) for (card,) in rows]

    def items(self) -> list[Item]:
        """The planned items, in plan order."""
        rows = self._db.execute("SELECT content FROM items ORDER BY id")
        return [_item(json.loads(content)) for (content,) in rows]

    def showings(self, judge: str) -> Iterator[tuple[Any, ...]]:
        """Every planned showing of one judge: (item index, order shown as "0,1", repeat, status,
        utilities as JSON | None, confidence | None, cut 0 | 1 | None), in plan order. Without a
        verdict the status is "error" if it was tried and "not_run" otherwise."""
        return self._db.execute(
            """SELECT t.item, t.shown, t.repeat, coalesce(v.status, (
                   SELECT 'error' FROM attempts a WHERE a.key = t.key LIMIT 1), 'not_run'),
                   v.utilities, v.confidence, v.cut
               FROM trials t JOIN judges j ON j.id = t.judge LEFT JOIN verdicts v ON v.key = t.key
               WHERE j.name = ? ORDER BY t.rowid""",
            (judge,),
        )

    def replies(self) -> Iterator[tuple[Any, ...]]:
        """Every planned showing with what came back, item by item and there in plan order: (item
        index, judge index, order shown as "0,1", repeat, status, utilities as JSON | None,
        confidence | None, cut 0 | 1, raw, note, *usage fields). Status as in `showings`; of a trial
        without a verdict the last attempt's texts and usage."""
        usage = ", ".join(f"coalesce(v.{name}, a.{name})" for name in _USAGE)
        query = f"""SELECT t.item, t.judge, t.shown, t.repeat,
                        coalesce(v.status, a.status, 'not_run'), v.utilities, v.confidence,
                        coalesce(v.cut, 0), coalesce(v.raw, a.raw, ''),
                        coalesce(v.note, a.note, ''), {usage}
                    FROM trials t LEFT JOIN verdicts v ON v.key = t.key
                    LEFT JOIN attempts a ON v.key IS NULL AND a.rowid =
                        (SELECT max(rowid) FROM attempts WHERE key = t.key)
                    WHERE t.judge = ? ORDER BY t.rowid"""
        # A judge's trials lie together, in item order: one cursor a judge, and nothing is sorted.
        judges = self._db.execute("SELECT id FROM judges ORDER BY id").fetchall()
        yield from heapq.merge(*(self._db.execute(query, j) for j in judges), key=itemgetter(0))

    def usage(self, judge: str) -> list[tuple[int, str, tuple[float | None, ...]]]:
        """(item index, status, usage fields) of every distinct planned trial of one judge that has
        been answered, attempts included. The item is the first that the trial belongs to."""
        fields = ", ".join(_USAGE)
        rows = self._db.execute(
            f"""WITH keys AS (SELECT t.key, min(t.item) AS item FROM trials t
                              JOIN judges j ON j.id = t.judge WHERE j.name = ? GROUP BY t.key)
                SELECT item, status, {fields} FROM keys JOIN verdicts USING (key)
                UNION ALL
                SELECT item, status, {fields} FROM keys JOIN attempts USING (key)""",
            (judge,),
        )
        return [(item, status, tuple(rest)) for item, status, *rest in rows]

    def sessions(self) -> list[tuple[str, float, float, int, str | None]]:
        """(judge, started, wall seconds, verdicts, why it stopped early | None), oldest first."""
        return list(self._db.execute("SELECT * FROM sessions ORDER BY rowid"))

    def overlaps(self) -> list[TrainingOverlap]:
        """What the judges were trained on, beside the items, in plan order."""
        rows = self._db.execute("SELECT * FROM training_sets ORDER BY rowid")
        return [
            TrainingOverlap(
                judge, source, {int(i): how for i, how in json.loads(shared).items()}, unknown
            )
            for judge, source, shared, unknown in rows
        ]

    def export_parquet(self, path: Path) -> None:
        """All planned showings with their verdicts and usage, one row each, as a Parquet file;
        what has no verdict (not run, or tried in vain) is null. Raises BenchError for another
        ending than .parquet, and where the file cannot be written: then nothing is changed."""
        import pandas as pd

        if path.suffix != ".parquet":
            raise BenchError(f"{path}: a file that ends in .parquet expected")

        query = """SELECT j.name AS judge, json_extract(i.content, '$.task') AS task,
                          json_extract(i.content, '$.id') AS item, t.shown, t.repeat,
                          lower(hex(t.key)) AS key, v.status, v.utilities, v.confidence,
                          v.raw, v.note, v.at, v.cut, {usage}
                   FROM trials t JOIN judges j ON j.id = t.judge JOIN items i ON i.id = t.item
                   LEFT JOIN verdicts v ON v.key = t.key ORDER BY t.rowid"""
        usage = ", ".join(f"v.{name}" for name in _USAGE)
        frame = pd.read_sql_query(query.format(usage=usage), self._db)
        # Also where a run has none of them: files of two runs have the same types.
        kinds = dict.fromkeys(("confidence", *_USAGE, "at", "cut"), float)
        part = path.with_name(f".{path.name}.part")
        try:
            frame.astype(kinds).to_parquet(part, index=False)
            part.replace(path)
        except OSError as error:
            raise BenchError(f"{path} cannot be written: {error.strerror or error}") from error
        finally:
            part.unlink(missing_ok=True)


def _storable(text: str) -> str:
    """Broken Unicode (lone surrogates) has no UTF-8 form: stored as question marks."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _card(record: dict[str, Any]) -> JudgeCard:
    values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in record.items()}
    return JudgeCard(**values)


def _item(record: dict[str, Any]) -> Item:
    record["prompt"] = tuple(Message(**m) for m in record["prompt"])
    record["responses"] = tuple(Response(**r) for r in record["responses"])
    for name in ("labels", "retests"):
        record[name] = tuple(
            Label(label["annotator"], tuple(label["utilities"])) for label in record[name]
        )
    return Item(**record)
