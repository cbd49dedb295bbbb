"""What was handed to a batch API and is not lost when the process is: one small file a batch.

A request is known by its content, so a later process that draws the same requests finds the batch
that they are in. A file is written before its batch is made, so that no batch is ever made twice.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench.types import BenchError, content_key

KEPT_S = 30 * 86_400  # providers drop the results by then


@dataclass
class Record:
    """One batch. `path`: its file; the name of the file is the batch's name. `batch`: the server's
    id of it, None until it is known. `requests`: ids of the requests in it. `at`: time.time."""

    path: Path
    batch: str | None
    requests: set[str] = field(default_factory=set)
    at: float = 0.0

    @property
    def name(self) -> str:
        """Our own name of the batch."""
        return self.path.stem

    def save(self, batch: str | None) -> None:
        """Write it down. Raises BenchError when that is not possible."""
        self.batch = batch
        record = {"batch": batch, "at": self.at, "requests": sorted(self.requests)}
        part = self.path.with_suffix(".part")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            part.write_text(json.dumps(record))
            part.replace(self.path)
        except OSError as error:
            raise BenchError(
                f"{self.path} cannot be written: {error.strerror}. Batches are paid for, so they "
                "are written down first. Give another cache folder: SMALLCLAIMS_CACHE."
            ) from error

    def forget(self, requests: set[str]) -> None:
        """These got no answer: who asks them again makes a new batch."""
        if requests & self.requests:
            self.requests -= requests
            self.save(self.batch)


class Records:
    """The records in a folder, those of results that are long gone left out."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._in: dict[str, Record] = {}
        for path in sorted(folder.glob("*.json")):
            record = _read(path)
            if time.time() - record.at > KEPT_S:
                path.unlink(missing_ok=True)
            else:
                self._in.update(dict.fromkeys(record.requests, record))

    def holding(self, request: str) -> Record | None:
        """The record of the batch that a request is in."""
        record = self._in.get(request)
        return record if record is not None and request in record.requests else None

    def add(self, requests: Sequence[str]) -> Record:
        """A new record of these requests, written down."""
        at = time.time()
        path = self._folder / f"{content_key(at, *requests)}.json"
        record = Record(path, None, set(requests), at)
        record.save(None)
        self._in.update(dict.fromkeys(requests, record))
        return record


def _read(path: Path) -> Record:
    try:
        record = json.loads(path.read_text())
        return Record(path, record["batch"], set(record["requests"]), float(record["at"]))
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise BenchError(
            f"{path} should say which requests are in a batch, and cannot be read. Delete it: what "
            "it stood for is asked, and paid for, again."
        ) from error
