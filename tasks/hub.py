"""Data sets on the Hugging Face hub: brought once at one revision, verified, read row by row.

Looked for in the mirror (``SMALLCLAIMS_MIRROR``, laid out as
``huggingface.co/datasets/<owner>/<name>/<revision>/<path>``), then in the hub's own cache
(``HF_HOME``), then on the hub (``HF_ENDPOINT``), with the token in ``HF_TOKEN`` if there is one.
Whatever the way, `datasets` reads the files; no code of a data set is run.
"""

from __future__ import annotations

import errno
import hashlib
import os
import random
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bench.spec import Spec
from bench.types import BenchError, Task, TaskCard
from tasks.rows import Node
from tasks.sources import mirror_folder

ATTEMPTS = 5  # of a request that the hub asks to repeat
LONGEST_WAIT_S = 60.0
RESOLVED_LATER = "the newest, resolved when it is read"
_AGAIN = frozenset({408, 429, 500, 502, 503, 504})


@dataclass(frozen=True, slots=True)
class HubSource:
    """Where the rows of a data set are. `repo`: OWNER/NAME. `split`, `config`: as its README names
    them. `files`: patterns of what is brought, the README besides. `builder`: json, csv or parquet
    to read these files as they are, whatever the README says. `revision`: commit of 40 hex digits
    where one is known. `others`: the authors' further splits, each a task of its own (`split=`)."""

    repo: str
    split: str = "train"
    config: str | None = None
    files: tuple[str, ...] = ("*",)
    builder: str | None = None
    revision: str | None = None
    others: tuple[str, ...] = ()


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
        self.card = replace(card, revision=revision or RESOLVED_LATER, url=_url(source.repo))
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
        self.card = replace(self.card, revision=revision)
        yield from read(folder, self.source, columns)


def bring(source: HubSource) -> tuple[Path, str]:
    """A folder with the source's files, and the revision that they are of. Raises BenchError with
    what to do; a file that is cut or wrong is not kept."""
    return _mirrored(source) or _downloaded(source)


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
            f"{_one_line(error)}"
        ) from error


def _stream(place: Path, source: HubSource) -> Any:
    import datasets

    if source.builder is None and place.is_dir():
        return datasets.load_dataset(str(place), source.config, split=source.split, streaming=True)
    paths = [place] if place.is_file() else _matching(place, source.files)
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


def _mirrored(source: HubSource) -> tuple[Path, str] | None:
    mirror = mirror_folder()
    folder = mirror / "huggingface.co/datasets" / source.repo if mirror else None
    if folder is None or not folder.is_dir():
        return None
    there = sorted(path.name for path in folder.iterdir() if path.is_dir())
    if source.revision is None and len(there) > 1:
        raise BenchError(
            f"{folder} holds {len(there)} revisions: {', '.join(there)}. Name one with the option "
            "revision=."
        )
    revision = source.revision or (there[0] if there else "")
    return (folder / revision, revision) if revision in there else None


def _downloaded(source: HubSource) -> tuple[Path, str]:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError
    from huggingface_hub.utils.tqdm import disable_progress_bars

    disable_progress_bars()
    for attempt in range(1, ATTEMPTS + 1):
        try:
            folder = Path(
                snapshot_download(
                    source.repo,
                    repo_type="dataset",
                    revision=source.revision,
                    allow_patterns=["README.md", *source.files],
                    endpoint=os.environ.get("HF_ENDPOINT"),
                    max_workers=2,
                )
            )
            break
        except HfHubHTTPError as error:
            status = error.response.status_code
            if status not in _AGAIN or attempt == ATTEMPTS:
                raise _explained(source, error) from error
            time.sleep(_wait_s(error.response.headers.get("Retry-After"), attempt))
        except Exception as error:  # whatever the library's transport raises: it is told, in words
            raise _explained(source, error) from error
    paths = _matching(folder, source.files)
    for path in paths:
        _verify(path, source)
    return folder, folder.name


def _matching(folder: Path, patterns: tuple[str, ...]) -> list[Path]:
    paths = sorted({p for pattern in patterns for p in folder.rglob(pattern) if p.is_file()})
    if not paths:
        there = sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())
        raise BenchError(
            f"{folder} has no file {' or '.join(patterns)}. There are: {', '.join(there) or 'none'}"
        )
    return paths


def _verify(path: Path, source: HubSource) -> None:
    """The cache names a blob by the hash that the hub gave for it: sha256 of large files, git's
    sha1 of small ones. A file that is something else is thrown away."""
    blob = path.resolve()
    name = blob.name
    if re.fullmatch("[0-9a-f]{64}", name):
        with blob.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    elif re.fullmatch("[0-9a-f]{40}", name):
        data = blob.read_bytes()
        found = hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()
    else:
        return
    if found != name:
        path.unlink()
        blob.unlink(missing_ok=True)
        raise BenchError(
            f"{path.name} of {source.repo} is not what the hub says it is: hash {name} expected, "
            f"{found} found. It was not kept; run the same command again. If it stays so, a proxy "
            "changes it."
        )


def _wait_s(retry_after: str | None, attempt: int) -> float:
    if retry_after and re.fullmatch(r"\d+(\.\d+)?", retry_after.strip()):
        return min(float(retry_after), LONGEST_WAIT_S)
    return min(2.0 ** (attempt - 1), LONGEST_WAIT_S) * random.uniform(0.5, 1.0)


def _explained(source: HubSource, error: Exception) -> BenchError:
    """What happened on the way to the hub, and what to do."""
    from huggingface_hub import errors

    repo, url = source.repo, _url(source.repo)
    mirror = (
        f"set SMALLCLAIMS_MIRROR to a folder with huggingface.co/datasets/{repo}/<revision> in it"
    )
    if isinstance(error, errors.GatedRepoError):
        return BenchError(
            f"{repo} is gated: open {url}, log in, accept its terms, and set HF_TOKEN to a token "
            f"of that account (it stays in the environment). Without an account: {mirror}."
        )
    if isinstance(error, errors.RevisionNotFoundError):
        return BenchError(f"{repo} has no revision {source.revision!r}. They are listed at {url}.")
    if isinstance(error, errors.RepositoryNotFoundError):
        return BenchError(
            f"no data set {repo} at {url}: a typo, or it is private or gated. Then set HF_TOKEN to "
            "a token of an account that may read it."
        )
    space = _out_of_space(error)
    if space is not None:
        return BenchError(
            f"{repo} does not fit on the disk ({space.strerror}); nothing half is kept. Make room, "
            "or set HF_HOME to a folder on a larger one."
        )
    return BenchError(
        f"{repo} cannot be had from {url} ({_one_line(error)}): connect this machine to the "
        f"network, or {mirror}."
    )


def _out_of_space(error: BaseException | None) -> OSError | None:
    while error is not None:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            return error
        error = error.__cause__ or error.__context__
    return None


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__


def _url(repo: str) -> str:
    return f"https://huggingface.co/datasets/{repo}"


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
