"""Requests handed over in batches, watched until these have ended, and collected."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator, Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from bench.types import BenchError
from judges.engines.batch_api import BatchApi, Missing, Refused
from judges.engines.batch_records import Record, Records
from judges.engines.client import redacted
from judges.engines.retry import Backoff, Transient

_Work = Callable[[Record], Coroutine[Any, Any, Any]]
_ENDED = {"completed", "failed", "expired", "cancelled"}


@dataclass(frozen=True, slots=True)
class Results:
    """What became of one batch. `lines`: by request, the line that the server wrote of it, read
    by attribute. `otherwise`: why a request has none. `final`: it will have none later either."""

    lines: Mapping[str, Any]
    otherwise: str
    final: bool = True


class BatchRun:
    """The batches of one event loop. `polls`: waits between two looks at a batch. `say`: is told
    what becomes of the batches."""

    def __init__(
        self, api: BatchApi, records: Records, polls: Backoff, say: Callable[[str], None]
    ) -> None:
        self._api, self._records, self._polls, self._say = api, records, polls, say
        self._tasks: dict[tuple[str, str], asyncio.Task[Any]] = {}

    async def collect(self, lines: Mapping[str, bytes]) -> dict[str, tuple[Record, Results]]:
        """By request, the batch that it was in and what became of that. `lines`: by request, the
        line that asks it; those in no batch yet become one."""
        known = {r.name: r for r in map(self._records.holding, lines) if r is not None}
        await asyncio.gather(*(self._once("find", r, self._find) for r in known.values()))
        held = {name: self._records.holding(name) for name in lines}
        fresh = {name: line for name, line in lines.items() if held[name] is None}
        if fresh:
            new = self._records.add(list(fresh))
            self._once("results", new, lambda record: self._asked(record, fresh))
            held.update(dict.fromkeys(fresh, new))
        records = {r.name: r for r in held.values() if r is not None}
        tasks = [self._once("results", r, self._results) for r in records.values()]
        results = dict(zip(records, await asyncio.gather(*tasks), strict=True))
        return {name: (r, results[r.name]) for name, r in held.items() if r is not None}

    def _once(self, what: str, record: Record, work: _Work) -> asyncio.Task[Any]:
        """The one task that does this for all who want it."""
        key = (what, record.name)
        if key not in self._tasks:
            self._tasks[key] = asyncio.get_running_loop().create_task(work(record))
        return self._tasks[key]

    async def _find(self, record: Record) -> None:
        """Of a batch that was about to be made when a process died: learn its id, or forget it."""
        if record.batch is not None:
            return
        try:
            batch = await self._api.find(record.name)
        except Transient:
            return  # it stays unknown, and nothing is asked twice
        if batch is None:
            record.forget(set(record.requests))
        else:
            record.save(batch)

    async def _asked(self, record: Record, lines: Mapping[str, bytes]) -> Results:
        try:
            await self._hand_over(record, lines)
        except Transient as error:  # made or not: the next process finds out
            return Results({}, f"no batch was made: {error.note}", final=False)
        except Refused as error:
            return Results({}, f"no batch was made: {error.note}")
        return await self._results(record)

    async def _results(self, record: Record) -> Results:
        if record.batch is None:
            why = "whether it is in a batch could not be found out; run again to go on"
            return Results({}, why, final=False)
        try:
            return await self._down(record, await self._ended(record))
        except Transient as error:
            why = f"batch {record.batch}: {error.note}; run again to go on"
            return Results({}, why, final=False)
        except Refused as error:
            return Results({}, f"batch {record.batch}: {error.note}")

    async def _hand_over(self, record: Record, lines: Mapping[str, bytes]) -> None:
        try:
            file = await self._api.upload(b"\n".join(lines.values()) + b"\n")
            record.save(await self._api.create(file, record.name))
        except Missing as error:
            record.forget(set(record.requests))
            raise BenchError(
                "the server has no batch API (HTTP 404). Check api_base, or leave out batch."
            ) from error
        self._say(f"batch {record.batch}: {len(lines):,} requests handed over")

    async def _ended(self, record: Record) -> dict[str, Any]:
        """The batch, once it has ended."""
        looks, status = 0, ""
        while True:
            try:
                batch = await self._api.retrieve(str(record.batch))
            except Missing as error:
                raise BenchError(
                    f"the server does not know batch {record.batch} (HTTP 404). Use the key that "
                    f"it was made with, or delete {record.path} to ask, and pay, again."
                ) from error
            if batch["status"] != status:
                looks, status = 0, batch["status"]
                self._say(f"batch {record.batch}: {status}")
            if status in _ENDED:
                return batch
            looks += 1
            await asyncio.sleep(self._polls.wait_s(looks))

    async def _down(self, record: Record, batch: Mapping[str, Any]) -> Results:
        """What both files of a batch that has ended say."""
        lines: dict[str, Any] = {}
        wrong = Counter[str]()
        otherwise = _why(record, batch)
        for file in (batch.get("output_file_id"), batch.get("error_file_id")):
            if not isinstance(file, str):
                continue
            try:
                data = await self._api.content(file)
            except Missing:
                otherwise = f"batch {record.batch}: the server has dropped its results"
                continue
            for name, line in _lines(data, wrong):
                if name not in record.requests:
                    wrong["of a request that was not in it"] += 1
                elif name in lines:
                    wrong["of a request that had one already"] += 1
                else:
                    lines[name] = line
        for what, n in wrong.items():
            self._say(f"batch {record.batch}: {n:,} lines {what}, ignored")
        return Results(lines, otherwise)


def _lines(data: bytes, wrong: Counter[str]) -> Iterator[tuple[str, Any]]:
    """(request, line) for each line of a file of results that is one."""
    for text in data.split(b"\n"):
        if not text.strip():
            continue
        try:
            line = json.loads(text, object_hook=lambda d: SimpleNamespace(**d))
            name = line.custom_id
        except (ValueError, RecursionError, AttributeError):
            wrong["that are no result"] += 1
            continue
        if isinstance(name, str):
            yield name, line
        else:
            wrong["that are no result"] += 1


def _why(record: Record, batch: Mapping[str, Any]) -> str:
    """Why a request in a batch that has ended may have no line."""
    try:
        said = "; ".join(str(error["message"]) for error in batch["errors"]["data"])
    except (LookupError, TypeError):
        said = ""
    reason = f": {redacted(said)}" if said else ""
    return f"batch {record.batch} ({batch['status']}) has no result for it{reason}"
